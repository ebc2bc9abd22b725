#![forbid(unsafe_code)]
//! Counters of a heap.

use crate::sync::plain::{AtomicU64, Ordering};
use std::time::Duration;

/// A heap's counters at one moment, from [`Heap::stats`](crate::Heap::stats).
///
/// Allocation is counted when a thread takes free slots for its own use, and corrected when it gives the rest
/// back; so the numbers run ahead by at most a span for each thread and type, and are exact after
/// [`Heap::collect`](crate::Heap::collect) while nobody allocates. Bytes are those of slots: what objects
/// occupy, not what was asked for.
///
/// ```
/// use gc_core::{Gc, Heap, Root};
/// let heap = Heap::new();
/// let kept: Root<[u8; 100]> = heap.mutate(|mc| mc.root([0u8; 100]));
/// heap.collect()?;
/// let stats = heap.stats();
/// assert_eq!((stats.live_objects, stats.undropped_objects), (1, 0));
/// assert!(stats.live_bytes >= 100 && stats.cycles >= 1);
/// # drop(kept);
/// # Ok::<(), gc_core::CollectError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of objects not yet found dead.
    pub live_bytes: u64,
    /// Objects not yet found dead.
    pub live_objects: u64,
    /// Bytes allocated since the heap was made.
    pub allocated_bytes: u64,
    /// Objects allocated since the heap was made.
    pub allocated_objects: u64,
    /// Bytes found dead since the heap was made, those that still wait for a destructor included.
    pub freed_bytes: u64,
    /// Objects found dead since the heap was made, those that still wait for a destructor included.
    pub freed_objects: u64,
    /// Bytes of address space that the heap can grow in: what
    /// [`reserve`](crate::HeapBuilder::reserve) asked for, or less if the system refused that.
    /// Fixed when the heap is made.
    pub reserved_bytes: u64,
    /// Dead objects whose destructors have not run ([`Heap::drain_drops`](crate::Heap::drain_drops)
    /// waits for them).
    pub undropped_objects: u64,
    /// Bytes of these objects, which are still taken.
    pub undropped_bytes: u64,
    /// For how long the oldest of them has waited; zero if there is none.
    pub undropped_age: Duration,
    /// The type whose destructor has been running for more than a second, if one has; of several
    /// the slowest.
    pub slow_drop: Option<&'static str>,
    /// Destructors that were seen to run for more than a second.
    pub slow_drops: u64,
    /// Bytes of blocks in spans.
    pub heap_bytes: u64,
    /// What pacing compares with `goal_bytes`: found live by the last marking, allocated since, and held outside.
    pub paced_bytes: u64,
    /// Bytes that objects hold outside of the heap, as they said ([`External`](crate::External)).
    pub external_bytes: u64,
    /// What `paced_bytes` should be at most when the next marking ends.
    pub goal_bytes: u64,
    /// Blocks (16 KiB) in spans.
    pub spans_in_use: u64,
    /// Free blocks whose memory the system still holds for us.
    pub spans_idle: u64,
    /// Bytes of free blocks that were given back to the system, each time that they were.
    pub released_bytes: u64,
    /// How often a thread that had used up its span got another one with free slots in it, or just swept.
    pub refills_reused: u64,
    /// How often it got fresh blocks instead; each large object is one.
    pub refills_fresh: u64,
    /// Cycles completed.
    pub cycles: u64,
    /// Handshakes completed.
    pub handshakes: u64,
    /// Panics in `Drop` of dead objects, caught on the thread that drops.
    pub drop_panics: u64,
    /// Panics in `trace`, caught; each kept everything alive for one cycle.
    pub trace_panics: u64,
    /// Panics in what [`Heap::on_pressure`](crate::Heap::on_pressure) calls, caught.
    pub pressure_panics: u64,
}

/// Sums that only grow.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The running sums behind [`Stats`] that no protocol depends on.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) allocated_objects: Counter,
    /// Counted as allocated, and given back unused.
    pub(crate) unused_objects: Counter,
    pub(crate) freed_objects: Counter,
    pub(crate) cycles: Counter,
    pub(crate) handshakes: Counter,
    pub(crate) trace_panics: Counter,
    pub(crate) pressure_panics: Counter,
    /// Bytes that refills took from fresh blocks.
    pub(crate) fresh_bytes: Counter,
    /// Time of assists, and of the markers beside the collector's thread.
    pub(crate) assist_ticks: Counter,
    pub(crate) marker_ns: Counter,
    /// Cycles checked by the second marker.
    #[cfg(gc_verify)]
    pub(crate) verified: Counter,
}
