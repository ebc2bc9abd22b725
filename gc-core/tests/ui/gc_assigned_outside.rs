//! Nor by the back door.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    let mut outside = None;
    heap.mutate(|mc| {
        outside = Some(Gc::new(mc, 1u64));
    });
    let _ = outside;
}
