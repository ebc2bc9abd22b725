//! An `Rc` in the heap.
//!
//! Fix: All threads share the heap. Write `Arc`, or `Gc` if the target can be an object.
use gc_core::{Gc, Heap};
use std::rc::Rc;

fn main() {
    Heap::new().mutate(|mc| {
        Gc::new(mc, Rc::new(1u64));
    });
}
