//! A `Gc` returned from `mutate`.
//!
//! Fix: Return a `Root`: `heap.mutate(|mc| Gc::root(Gc::new(mc, 1), mc))`.
use gc_core::{Gc, Heap};

fn main() {
    let _gc = Heap::new().mutate(|mc| Gc::new(mc, 1u64));
}
