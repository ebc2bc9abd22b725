//! A `Cell` around pointers.
//!
//! Fix: The collector has to see each store. Write `GcCell<'gc, u64>`, which holds one pointer
//! or none, or `GcRefCell`.
use gc_core::{Gc, Trace};
use std::cell::Cell;

#[derive(Trace)]
struct Node<'gc> {
    others: Cell<Option<Gc<'gc, u64>>>,
}

fn main() {}
