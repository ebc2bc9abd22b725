//! Pause histograms: recorded wait-free by the thread that paused, merged when somebody reads.
//!
//! A [`Recorder`] is a fixed array of log-linear buckets (32 for each doubling: within 3.2 %) of ticks. Reading
//! turns ticks into nanoseconds and fills a `hdrhistogram`.

use super::clock;
use crate::sync::plain::{AtomicU32, AtomicU64, Ordering};
use hdrhistogram::Histogram;
use std::fmt;

/// What a mutator was doing when it could not go on with its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PauseKind {
    /// Fetching a span to allocate from, without sweeping.
    Refill,
    /// Fetching a span to allocate from, with sweeping one or more.
    Sweep,
    /// Marking on the collector's behalf because allocation ran ahead of it.
    Assist,
    /// Handing a full ring of shaded objects over.
    Handover,
    /// The first pin in a new epoch: bringing the thread's cache to it.
    Handshake,
    /// Upgrading a weak pointer while marking.
    Gate,
    /// Waiting at the start of `mutate` because the heap has reached its limit.
    Stall,
    /// Waiting for a marker to leave a guarded cell.
    Cell,
    /// Waiting at the start of `mutate` for the end of a stop, in the stopped mode.
    Stop,
    /// Shading all that a guarded cell holds: at its first exclusive borrow in a cycle (in Mark) or in a `mutate`
    /// (in Prep), and once more before that `mutate` ends.
    Shade,
    /// Letting the collector run because allocation ran ahead of it.
    Yield,
}

const KINDS: [PauseKind; 11] = [
    PauseKind::Refill,
    PauseKind::Sweep,
    PauseKind::Assist,
    PauseKind::Handover,
    PauseKind::Handshake,
    PauseKind::Gate,
    PauseKind::Stall,
    PauseKind::Cell,
    PauseKind::Stop,
    PauseKind::Shade,
    PauseKind::Yield,
];

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
/// Buckets up to 2^42 ticks, about half an hour; longer pauses count there.
const BUCKETS: usize = ((42 - SUB_BITS as usize) + 1) << SUB_BITS;

fn bucket(ticks: u64) -> usize {
    let at = if ticks < SUB {
        ticks
    } else {
        let shift = ticks.ilog2() - SUB_BITS;
        (u64::from(shift) << SUB_BITS) + (ticks >> shift)
    };
    (at as usize).min(BUCKETS - 1)
}

/// The middle of a bucket, in ticks.
fn middle(bucket: usize) -> f64 {
    let at = bucket as u64;
    if at < SUB {
        return at as f64;
    }
    let shift = (at >> SUB_BITS) - 1;
    let low = (SUB + (at & (SUB - 1))) << shift;
    low as f64 + ((1u64 << shift) - 1) as f64 / 2.0
}

/// One kind's buckets.
#[derive(Debug)]
struct Buckets {
    counts: Box<[AtomicU32]>,
    max: AtomicU64,
}

/// The pauses of one thread. Written by its owner with plain loads and stores, read by anybody at any time.
#[derive(Debug)]
pub(crate) struct Recorder {
    kinds: [Buckets; KINDS.len()],
    /// Ticks of all pauses, for pauses around others.
    total: AtomicU64,
}

/// A pause that has begun, in which others may come and be recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) since: u64,
    total: u64,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            kinds: std::array::from_fn(|_| Buckets {
                counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
                max: AtomicU64::new(0),
            }),
            total: AtomicU64::new(0),
        }
    }

    /// Begins a pause in which others may come.
    pub(crate) fn begin(&self) -> Begun {
        Begun { since: clock::ticks(), total: self.total.load(Ordering::Relaxed) }
    }
    /// Records that the owner paused from `begun` until now, without the pauses that were recorded in between.
    pub(crate) fn end(&self, kind: PauseKind, begun: Begun) {
        let inner = self.total.load(Ordering::Relaxed).wrapping_sub(begun.total);
        self.record(kind, begun.since.wrapping_add(inner));
    }

    /// Records that the owner paused from `since` (in ticks) until now.
    pub(crate) fn record(&self, kind: PauseKind, since: u64) {
        let ticks = clock::ticks().wrapping_sub(since);
        let buckets = &self.kinds[kind as usize];
        let count = &buckets.counts[bucket(ticks)];
        count.store(count.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed).wrapping_add(ticks);
        self.total.store(total, Ordering::Relaxed);
        if ticks > buckets.max.load(Ordering::Relaxed) {
            buckets.max.store(ticks, Ordering::Relaxed);
        }
    }
}

/// How long mutators were interrupted, by kind, since the heap was made, or between two readings
/// ([`since`](Self::since)).
///
/// Each is a histogram of nanoseconds, timed on the mutator's side, within 4 % of the value; the maximum is
/// exact. From [`Heap::pauses`](crate::Heap::pauses).
#[derive(Clone)]
pub struct Pauses {
    raw: Vec<Raw>,
    kinds: Vec<(PauseKind, Histogram<u64>)>,
}

/// One kind's counts, in ticks, of all threads.
#[derive(Clone)]
struct Raw {
    counts: Vec<u64>,
    max: u64,
}

impl Raw {
    fn histogram(&self, ns: f64) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).expect("three digits are allowed");
        let max = (self.max as f64 * ns) as u64;
        let Some(last) = self.counts.iter().rposition(|&n| n > 0) else { return histogram };
        for (i, &n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            let value = ((middle(i) * ns) as u64).min(max);
            let n = n - u64::from(i == last);
            histogram.record_n(value, n).expect("an automatic histogram grows");
        }
        histogram.record(max).expect("an automatic histogram grows");
        histogram
    }
}

impl Pauses {
    pub(crate) fn merge<'a>(recorders: impl Iterator<Item = &'a Recorder>) -> Pauses {
        let mut raw = vec![Raw { counts: vec![0; BUCKETS], max: 0 }; KINDS.len()];
        for recorder in recorders {
            for (raw, buckets) in raw.iter_mut().zip(&recorder.kinds) {
                raw.max = raw.max.max(buckets.max.load(Ordering::Relaxed));
                for (sum, count) in raw.counts.iter_mut().zip(&buckets.counts) {
                    *sum += u64::from(count.load(Ordering::Relaxed));
                }
            }
        }
        Pauses::of_raw(raw)
    }

    fn of_raw(raw: Vec<Raw>) -> Pauses {
        let ns = clock::ns_per_tick();
        let kinds = KINDS.iter().zip(&raw).map(|(&kind, raw)| (kind, raw.histogram(ns))).collect();
        Pauses { raw, kinds }
    }

    /// The pauses between an earlier reading of the same heap and this one. If the longest is not longer than the
    /// longest of the earlier reading, it is known within 4 % only.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// let before = heap.pauses();
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, String::new()); });
    /// assert_eq!(heap.pauses().since(&before).of(gc_core::PauseKind::Refill).len(), 1);
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Pauses) -> Pauses {
        let between = |(now, before): (&Raw, &Raw)| {
            let counts: Vec<u64> =
                now.counts.iter().zip(&before.counts).map(|(a, b)| a.saturating_sub(*b)).collect();
            let last = counts.iter().rposition(|&n| n > 0);
            let max = match last {
                Some(last) if now.max == before.max => (middle(last) as u64).min(now.max),
                Some(_) => now.max,
                None => 0,
            };
            Raw { counts, max }
        };
        Pauses::of_raw(self.raw.iter().zip(&earlier.raw).map(between).collect())
    }

    /// Every kind with its histogram, empty ones too.
    pub fn kinds(&self) -> impl Iterator<Item = (PauseKind, &Histogram<u64>)> {
        self.kinds.iter().map(|(kind, histogram)| (*kind, histogram))
    }
    /// The histogram of one kind.
    pub fn of(&self, kind: PauseKind) -> &Histogram<u64> {
        &self.kinds[kind as usize].1
    }
    /// All kinds together.
    pub fn all(&self) -> Histogram<u64> {
        let mut all = Histogram::new(3).expect("three digits are allowed");
        for (_, histogram) in &self.kinds {
            all.add(histogram).expect("an automatic histogram grows");
        }
        all
    }
}

impl fmt::Debug for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A table in microseconds: kind, count, p50, p99, p99.9, p99.99, max.
impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["p50", "p99", "p99.9", "p99.99", "max"];
        write!(f, "{:<10}{:>12}", "pause, us", "count")?;
        // Wide enough for a pause of an hour.
        titles.iter().try_for_each(|title| write!(f, "{title:>14}"))?;
        writeln!(f)?;
        for (kind, h) in self.kinds().filter(|(_, h)| !h.is_empty()) {
            write!(f, "{:<10}{:>12}", format!("{kind:?}"), h.len())?;
            for q in [0.5, 0.99, 0.999, 0.9999] {
                write!(f, "{:>14.2}", h.value_at_quantile(q) as f64 / 1e3)?;
            }
            writeln!(f, "{:>14.2}", h.max() as f64 / 1e3)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_ordered_and_narrow() {
        let mut last = 0;
        for ticks in (0..200_000).chain([1 << 30, 1 << 41]) {
            let b = bucket(ticks);
            assert!(b >= last, "{ticks}");
            last = b;
            assert!((middle(b) - ticks as f64).abs() <= ticks as f64 * 0.032 + 0.5, "{ticks}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_pause_around_another_counts_its_own_time_only() {
        clock::start();
        let recorder = Recorder::new();
        let outer = recorder.begin();
        let inner = clock::ticks();
        std::thread::sleep(std::time::Duration::from_millis(20));
        recorder.record(PauseKind::Handover, inner);
        recorder.end(PauseKind::Shade, outer);
        let pauses = Pauses::merge([&recorder].into_iter());
        assert!(pauses.of(PauseKind::Handover).max() > 19_000_000);
        assert!(pauses.of(PauseKind::Shade).max() < 10_000_000);
    }

    #[test]
    fn the_table_stays_in_its_columns() {
        clock::start();
        let recorder = Recorder::new();
        let ticks = |seconds: f64| (seconds * 1e9 / clock::ns_per_tick()) as u64;
        for (kind, seconds) in
            [(PauseKind::Refill, 1e-7), (PauseKind::Stall, 2.5), (PauseKind::Shade, 90.0)]
        {
            recorder.record(kind, clock::ticks().wrapping_sub(ticks(seconds)));
        }
        let table = Pauses::merge([&recorder].into_iter()).to_string();
        let widths: Vec<_> = table.lines().map(str::len).collect();
        assert_eq!(widths, [widths[0]; 4], "{table}");
        assert!(table.lines().all(|line| line.split_whitespace().count() >= 7), "{table}");
    }

    #[test]
    fn what_is_recorded_is_read() {
        clock::start();
        let recorder = Recorder::new();
        let since = clock::ticks();
        std::thread::sleep(std::time::Duration::from_millis(5));
        recorder.record(PauseKind::Sweep, since);
        let pauses = Pauses::merge([&recorder].into_iter());
        assert_eq!(pauses.all().len(), 1);
        assert!(pauses.of(PauseKind::Sweep).max() > 4_000_000);
        assert!(pauses.to_string().contains("Sweep") && pauses.of(PauseKind::Refill).is_empty());
    }
}
