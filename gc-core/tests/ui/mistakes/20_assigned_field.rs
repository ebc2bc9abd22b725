//! Assignment to a field through a `Gc`.
//!
//! Fix: Make the field a `GcCell` (one pointer), a `GcRefCell`, or an atomic such as
//! `AtomicU64`.
use gc_core::{Gc, Heap, Trace};

#[derive(Trace)]
struct Counter {
    hits: u64,
}

fn main() {
    Heap::new().mutate(|mc| {
        let counter = Gc::new(mc, Counter { hits: 0 });
        counter.hits += 1;
    });
}
