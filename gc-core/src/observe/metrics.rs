#![forbid(unsafe_code)]
//! Counters of a heap.

use super::event::Phase;
use super::histogram::Times;
use super::report::CycleReport;
use crate::sync::Arc;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::word::{Bytes, Ticks};
use std::time::Duration;

/// A heap's counters at one moment, from [`Heap::stats`](crate::Heap::stats).
///
/// Allocation is counted when a thread takes free slots for its own use, and corrected when it
/// gives the rest back; so the numbers run ahead by at most a span for each thread and type, and
/// are exact after [`Heap::collect`](crate::Heap::collect) while no thread allocates. Bytes are
/// those of slots: what objects occupy, not what was asked for.
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
    /// Objects found dead since the heap was made, those that still wait for a destructor
    /// included.
    pub freed_objects: u64,
    /// Bytes of address space that the heap can grow in: what
    /// [`reserve`](crate::HeapBuilder::reserve) asked for, or less if the system refused that.
    /// Fixed when the heap is made.
    pub reserved_bytes: u64,
    /// Dead objects whose destructors have not run
    /// ([`Heap::drain_drops`](crate::Heap::drain_drops) waits for them).
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
    /// What pacing compares with `goal_bytes`: found live by the last marking, allocated since,
    /// and held outside.
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
    /// How often a thread that had used up its span got another one with free slots in it, or just
    /// swept.
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

/// A number that one thread sets, or that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicU64);

impl Level {
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
    /// Raises it to `n` at least; returns what it is then.
    pub(crate) fn raise(&self, n: u64) -> u64 {
        self.0.fetch_max(n, Ordering::Relaxed).max(n)
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time that one thread sets, or that is added up.
#[derive(Debug, Default)]
pub(crate) struct Time(Level);

impl Time {
    pub(crate) fn set(&self, time: Duration) {
        self.0.set(time.as_nanos() as u64);
    }
    pub(crate) fn add(&self, time: Duration) {
        self.0.add(time.as_nanos() as u64);
    }
    /// Raises it to `time` at least.
    pub(crate) fn raise(&self, time: Duration) {
        self.0.raise(time.as_nanos() as u64);
    }
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// The running sums behind [`Stats`] and [`Metrics`](super::Metrics) that no protocol depends on.
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
    pub(crate) marker_time: Time,
    /// What the cycles did that have ended.
    pub(crate) work: CycleWork,
    /// Written by the collector's thread.
    pub(crate) handshake_times: Times,
    pub(crate) cycle_times: Times,
    /// Waits of a handshake for one thread, longer than [`STRAGGLES`].
    pub(crate) stragglers: Counter,
    /// Spans swept: by the collector, by mutators, and before the sweep.
    pub(crate) swept: [Counter; 3],
    /// The most hits of thread caches that a reading has seen.
    pub(crate) seen_hits: Level,
    /// Weak maps into which something was inserted.
    pub(crate) weak_maps: Arc<Level>,
    /// Cycles checked by the second marker.
    #[cfg(gc_verify)]
    pub(crate) verified: Counter,
}

/// How long a handshake waits for one thread before that counts as a straggler.
pub(crate) const STRAGGLES: Duration = Duration::from_millis(1);

/// Who sweeps: the index in [`Totals::swept`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sweeper {
    Collector,
    Mutator,
    Early,
}

/// What cycles did; written by the collector's thread at the end of each.
#[derive(Debug, Default)]
pub(crate) struct CycleWork {
    pub(crate) marked_objects: Counter,
    pub(crate) marked_bytes: Counter,
    pub(crate) assisted_bytes: Counter,
    pub(crate) rounds: Counter,
    /// How long each phase took.
    pub(crate) phases: [Time; Phase::ALL.len()],
    /// Bytes a second, and the longest wait for one thread, of the last cycle.
    pub(crate) mark_rate: Level,
    pub(crate) straggler_time: Time,
    /// The longest wait of the cycle that runs.
    longest_wait: Time,
    /// Processor time of the collector's thread.
    pub(crate) cpu: Time,
}

impl Totals {
    /// Counts a span that was swept.
    pub(crate) fn swept_by(&self, sweeper: Sweeper) {
        self.swept[sweeper as usize].add(1);
    }
    /// Counts the time for which a handshake waited for one thread.
    pub(crate) fn waited_for(&self, wait: Duration) {
        if wait > STRAGGLES {
            self.stragglers.add(1);
        }
        self.work.longest_wait.raise(wait);
    }
    /// Counts a cycle that began at `since`. By now the collector's thread has used
    /// `cpu`.
    pub(crate) fn cycle_ended(&self, line: &CycleReport, since: Ticks, cpu: Duration) {
        self.work.add(line, cpu);
        self.cycle_times.record(since);
        self.cycles.add(1);
    }
}

impl CycleWork {
    /// Adds `bytes` that a marking found in `time`, `assisted` of them by mutators.
    pub(crate) fn marked(&self, bytes: Bytes, assisted: Bytes, time: Duration) {
        self.marked_bytes.add(bytes.get());
        self.assisted_bytes.add(assisted.get());
        self.mark_rate.set((bytes.as_f64() / time.as_secs_f64().max(1e-9)) as u64);
    }
    /// Adds a cycle that has ended.
    fn add(&self, line: &CycleReport, cpu: Duration) {
        self.marked_objects.add(line.marked_objects);
        self.rounds.add(u64::from(line.rounds));
        let times = [line.prep, line.mark, line.cross, line.sweep];
        self.phases.iter().zip(times).for_each(|(sum, time)| sum.add(time));
        self.straggler_time.set(self.longest_wait.get());
        self.longest_wait.set(Duration::ZERO);
        self.cpu.set(cpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_adds_to_what_the_others_did() {
        let totals = Totals::default();
        let line = CycleReport {
            mark: Duration::from_millis(2),
            sweep: Duration::from_millis(3),
            rounds: 2,
            marked_objects: 10,
            ..CycleReport::default()
        };
        let work = &totals.work;
        totals.waited_for(Duration::from_micros(5));
        totals.waited_for(Duration::from_millis(2));
        work.marked(Bytes::new(1000), Bytes::new(100), line.mark);
        totals.cycle_ended(&line, Ticks::ZERO, Duration::from_millis(1));
        assert_eq!((work.straggler_time.get(), totals.stragglers.get()), (line.mark, 1));
        work.marked(Bytes::new(3000), Bytes::ZERO, line.mark);
        totals.cycle_ended(&line, Ticks::ZERO, Duration::from_millis(4));
        assert_eq!((work.marked_objects.get(), work.marked_bytes.get()), (20, 4000));
        assert_eq!((work.assisted_bytes.get(), work.rounds.get()), (100, 4));
        assert_eq!([0, 1, 2, 3].map(|i| work.phases[i].get().as_millis()), [0, 4, 0, 6]);
        assert_eq!((work.mark_rate.get(), work.straggler_time.get()), (1_500_000, Duration::ZERO));
        assert_eq!((work.cpu.get(), totals.cycles.get()), (Duration::from_millis(4), 2));
        assert_eq!(totals.cycle_times.histogram().len(), 2);
    }

    #[test]
    fn a_level_is_raised_and_never_lowered_by_that() {
        let level = Level::default();
        assert_eq!([5, 3, 7].map(|n| level.raise(n)), [5, 5, 7]);
        level.sub(7);
        level.add(2);
        assert_eq!(level.get(), 2);
    }
}
