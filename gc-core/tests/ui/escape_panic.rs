//! The payload of a panic outlives `mutate`, so it holds no `Gc`.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    let caught = std::panic::catch_unwind(|| {
        heap.mutate(|mc| std::panic::panic_any(Gc::new(mc, 1u64)));
    });
    drop(caught);
}
