//! Leaf data shares its spans, so its type cannot be found again.
use gc_core::{Gc, Heap};

fn main() {
    Heap::new().mutate(|mc| {
        let _ = Gc::erase(Gc::new(mc, 1u64));
    });
}
