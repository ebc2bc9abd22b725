//! `--idle-mb`: a heap whose collector has no work, to measure the cost of a loop without it.
//!
//! Fresh memory would show in the tail as page faults, which a heap in use does not have. So memory
//! is used and freed before, and the work finds it resident.

#![forbid(unsafe_code)]

use gc_core::{Gc, Heap, Root};

/// A minimum for the heap that no run reaches: no cycle starts by itself.
pub(crate) const NEVER_REACHED: usize = 32 << 30;

const CHUNK: usize = 64 << 10;

/// Uses `mb` MB, and frees them.
pub(crate) fn warm(heap: &Heap, mb: usize) -> Result<(), String> {
    let mutator = heap.mutator();
    let chunk = || mutator.mutate(|mc| Gc::root(Gc::new(mc, [1u8; CHUNK]), mc));
    let used: Vec<Root<[u8; CHUNK]>> = (0..mb * ((1 << 20) / CHUNK)).map(|_| chunk()).collect();
    drop(used);
    drop(mutator);
    heap.collect().map_err(|e| format!("the memory to warm up cannot be freed: {e}"))
}
