//! A `Mutation` stays on the thread whose pin it stands for.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        std::thread::spawn(move || {
            Gc::new(mc, 1u64);
        });
    });
}
