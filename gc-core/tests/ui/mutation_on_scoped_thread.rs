//! Also if that thread waits.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                Gc::new(mc, 1u64);
            });
        });
    });
}
