//! A `OnceLock` around pointers.
//!
//! Fix: The collector has to see each store. Write `GcOnceCell<Gc<'gc, u64>>`.
use gc_core::{Gc, Trace};
use std::sync::OnceLock;

#[derive(Trace)]
struct Node<'gc> {
    others: OnceLock<Gc<'gc, u64>>,
}

fn main() {}
