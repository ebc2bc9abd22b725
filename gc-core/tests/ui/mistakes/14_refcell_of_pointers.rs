//! A `RefCell` around pointers.
//!
//! Fix: The collector has to see each store. Write `GcRefCell`.
use gc_core::{Gc, Trace};
use std::cell::RefCell;

#[derive(Trace)]
struct Node<'gc> {
    others: RefCell<Vec<Gc<'gc, u64>>>,
}

fn main() {}
