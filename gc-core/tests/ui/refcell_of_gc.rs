//! A `RefCell` of something that needs tracing has no `Trace`: the collector could not see its stores.
use gc_core::{Gc, Trace};
use std::cell::RefCell;

#[derive(Trace)]
struct Node<'gc> {
    next: RefCell<Option<Gc<'gc, u64>>>,
}

fn main() {}
