//! An `Arc` (or `Rc`) around pointers.
//!
//! Fix: A reference count and a collector do not mix: write `Gc<'gc, Node<'gc>>`.
use gc_core::{Gc, Trace};
use std::sync::Arc;

#[derive(Trace)]
struct Node<'gc> {
    name: Gc<'gc, str>,
    next: Option<Arc<Node<'gc>>>,
}

fn main() {}
