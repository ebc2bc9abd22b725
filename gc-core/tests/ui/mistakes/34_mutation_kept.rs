//! `mc` kept for later.
//!
//! Fix: Call `heap.mutate` again. It costs a few nanoseconds; `heap.mutator()` makes it
//! cheaper.
use gc_core::{Gc, Heap};

fn main() {
    let mut kept = None;
    Heap::new().mutate(|mc| kept = Some(mc));
    Gc::new(kept.unwrap(), 1u64);
}
