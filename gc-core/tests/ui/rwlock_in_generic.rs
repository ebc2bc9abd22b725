//! A generic type does not hide a lock that the collector does not know.
use gc_core::{Gc, Heap, Trace};
use std::sync::RwLock;

#[derive(Trace)]
struct Wrapper<T>(T);

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        Gc::new(mc, Wrapper(RwLock::new(Some(gc))));
    });
}
