//! A type with `Gc` fields and no lifetime.
//!
//! Fix: Give the type the brand: `struct Node<'gc>`, and use `Node<'gc>` in it.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node {
    next: Option<Gc<'gc, Node>>,
}

fn main() {}
