//! `Cell` is not `Sync`.
use gc_core::{Gc, Heap};
use std::cell::Cell;

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        Gc::new(mc, Cell::new(1u64));
    });
}
