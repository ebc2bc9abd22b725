//! A `Gc` does not leave the `mutate` that it was made in.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    let _gc = heap.mutate(|mc| Gc::new(mc, 1u64));
}
