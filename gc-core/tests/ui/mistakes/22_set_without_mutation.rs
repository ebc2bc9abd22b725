//! A store without `mc`.
//!
//! Fix: Stores take the `Mutation`: `cell.set(mc, Some(gc))`. The write barrier is in it.
use gc_core::{Gc, GcCell, Heap};

fn main() {
    Heap::new().mutate(|mc| {
        let cell: GcCell<'_, u64> = GcCell::new(None);
        cell.set(Some(Gc::new(mc, 1)));
    });
}
