//! What `as_ref` lends does not outlive the `mutate` either.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    let _number: &u64 = heap.mutate(|mc| Gc::as_ref(Gc::new(mc, 1u64)));
}
