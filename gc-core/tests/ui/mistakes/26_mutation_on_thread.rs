//! `mc` in another thread.
//!
//! Fix: Each thread calls `heap.mutate` itself. A `Root` brings the object there.
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
