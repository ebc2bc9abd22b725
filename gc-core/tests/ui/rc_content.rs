//! Objects are shared between threads, so their content is `Send` and `Sync`. `Rc` is neither.
use gc_core::{Gc, Heap};
use std::rc::Rc;

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        Gc::new(mc, Rc::new(1u64));
    });
}
