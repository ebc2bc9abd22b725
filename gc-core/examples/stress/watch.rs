//! Cycles that a thread asks for, some of them with a snapshot of the whole heap. The tokens only
//! move, so each snapshot has all of them; what it says of types, roots and sizes agrees.

use super::broken;
use super::objects::{Rng, TOKENS};
use gc_core::{Heap, Snapshot, SnapshotError};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Snapshots taken.
pub(crate) static SNAPSHOTS: AtomicU64 = AtomicU64::new(0);

/// Waits for a cycle, which takes a snapshot if no other thread's does.
pub(crate) fn cycle(heap: &Heap, rng: &mut Rng) {
    if rng.one_in(10) {
        if heap.collect().is_err() {
            broken("collect outside of mutate was refused");
        }
        return;
    }
    match heap.snapshot() {
        Ok(snapshot) => {
            SNAPSHOTS.fetch_add(1, Relaxed);
            check(&snapshot);
        }
        // `trace` never panics here, and the heap does not end.
        Err(SnapshotError::InProgress | SnapshotError::MemoryShort) => {}
        Err(error) => broken(&error.to_string()),
    }
}

fn check(snapshot: &Snapshot) {
    let types = snapshot.types();
    let tokens = types.iter().filter(|row| row.type_name.ends_with("::Token") && !row.is_array);
    let tokens: u64 = tokens.map(|row| row.objects).sum();
    if tokens != TOKENS as u64 {
        broken(&format!("a snapshot has {tokens} of {TOKENS} tokens"));
    }
    if types.iter().map(|row| row.objects).sum::<u64>() != snapshot.objects() {
        broken("a snapshot's types have not all its objects");
    }
    let roots: u64 = snapshot.roots().iter().map(|row| row.retained_bytes).sum();
    if roots + snapshot.unreached().1 > snapshot.bytes() {
        broken("a snapshot's roots retain more than there is");
    }
    if snapshot.why_alive("World").is_none() {
        broken("a snapshot has no way to the world");
    }
}
