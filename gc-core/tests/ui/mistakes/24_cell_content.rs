//! A `Cell` or `RefCell` in the heap.
//!
//! Fix: All threads share the heap. Write an atomic such as `AtomicU64`, or `GcRefCell`.
use gc_core::{Gc, Heap, Trace};
use std::cell::Cell;

#[derive(Trace)]
struct Counter {
    hits: Cell<u64>,
}

fn main() {
    Heap::new().mutate(|mc| {
        Gc::new(mc, Counter { hits: Cell::new(1) });
    });
}
