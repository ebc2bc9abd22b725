//! A `Gc` in a `Mutex` outside of the heap.
//!
//! Fix: Keep a `Root` in it, or put the whole collection into the heap as `GcMutex<Vec<Gc<'gc,
//! T>>>` behind one `Root`.
use gc_core::{Gc, Heap};
use std::sync::Mutex;

fn main() {
    let all = Mutex::new(Vec::new());
    let heap = Heap::new();
    heap.mutate(|mc| all.lock().unwrap().push(Gc::new(mc, 1u64)));
}
