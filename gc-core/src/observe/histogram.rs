//! Pause histograms: recorded wait-free by the thread that paused, merged when they are read.
//!
//! A [`Recorder`] has log-linear buckets (32 for each doubling: within 3.2 %) of
//! ticks. Reading adds the threads' buckets up ([`Pauses::merge`]); a [`Histogram`] turns ticks
//! into time when it is asked.

use super::clock;
use crate::sync::OnceLock;
use crate::sync::plain::{AtomicU32, AtomicU64, Ordering};
use crate::word::Ticks;
use std::fmt;
use std::time::Duration;

/// What a mutator was doing when it could not go on with its own work.
///
/// ```
/// use gc_core::{Gc, Heap, PauseKind};
/// let heap = Heap::new();
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// assert!(heap.pauses().of(PauseKind::Refill).len() > 0);
/// assert!(heap.pauses().of(PauseKind::Stall).is_empty());
/// ```
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
    /// Shading all that a guarded cell holds: at its first exclusive borrow in a cycle (in Mark) or
    /// in a `mutate` (in Prep), and once more before that `mutate` ends.
    Shade,
    /// Letting the collector run because allocation ran ahead of it.
    Yield,
    /// Sleeping because allocation ran ahead of destructors.
    Drops,
}

const KINDS: [PauseKind; 12] = [
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
    PauseKind::Drops,
];

impl PauseKind {
    /// The kind with this number.
    pub(crate) fn of_index(index: usize) -> Option<PauseKind> {
        KINDS.get(index).copied()
    }
}

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
/// Buckets up to 2^42 ticks, about half an hour; longer pauses count there.
const BUCKETS: usize = ((42 - SUB_BITS as usize) + 1) << SUB_BITS;

/// A bucket, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bucket(usize);

impl Bucket {
    /// The bucket of a pause.
    fn of(ticks: Ticks) -> Bucket {
        let ticks = ticks.get();
        let at = if ticks < SUB {
            ticks
        } else {
            let shift = ticks.ilog2() - SUB_BITS;
            (u64::from(shift) << SUB_BITS) + (ticks >> shift)
        };
        Bucket((at as usize).min(BUCKETS - 1))
    }
    /// Its middle, in ticks.
    fn middle(self) -> f64 {
        let at = self.0 as u64;
        if at < SUB {
            return at as f64;
        }
        let shift = (at >> SUB_BITS) - 1;
        let low = (SUB + (at & (SUB - 1))) << shift;
        low as f64 + ((1u64 << shift) - 1) as f64 / 2.0
    }
}

/// Buckets between two powers of two.
type Octave = [AtomicU32; SUB as usize];

/// One kind's buckets, made as they are first counted in: a thread's pauses of one kind lie within
/// a few octaves, and all of them would take 5 KB.
#[derive(Debug)]
struct Buckets {
    octaves: [OnceLock<Box<Octave>>; BUCKETS >> SUB_BITS],
    max: AtomicU64,
}

impl Buckets {
    fn new() -> Box<Buckets> {
        let octaves = std::array::from_fn(|_| OnceLock::new());
        Box::new(Buckets { octaves, max: AtomicU64::new(0) })
    }
    /// Counts a pause. Owner only, so no thread waits for another that makes an octave.
    fn count(&self, ticks: Ticks) {
        let Bucket(bucket) = Bucket::of(ticks);
        let octave = self.octaves[bucket >> SUB_BITS].get_or_init(Box::default);
        let count = &octave[bucket % SUB as usize];
        count.store(count.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        if ticks.get() > self.max.load(Ordering::Relaxed) {
            self.max.store(ticks.get(), Ordering::Relaxed);
        }
    }
    /// Adds the buckets that were made to `counts`, and raises `max` to the longest pause.
    fn add_to(&self, counts: &mut [u64], max: &mut Ticks) {
        for (sums, octave) in counts.chunks_mut(SUB as usize).zip(&self.octaves) {
            for (sum, n) in sums.iter_mut().zip(octave.get().into_iter().flat_map(|o| o.iter())) {
                *sum += u64::from(n.load(Ordering::Relaxed));
            }
        }
        *max = Ticks::new(self.max.load(Ordering::Relaxed)).max(*max);
    }
}

/// The pauses of one thread. Written by its owner with plain loads and stores, read by any thread
/// at any time. It takes little before the first pause, because most threads of a process have few
/// kinds of pauses.
#[derive(Debug)]
pub(crate) struct Recorder {
    kinds: [OnceLock<Box<Buckets>>; KINDS.len()],
    /// Ticks of all pauses, for pauses around others.
    total: AtomicU64,
    /// When the present owner came, and what `total` was then.
    owned_since: AtomicU64,
    total_before: AtomicU64,
}

/// A pause that has begun, in which others may come and be recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) since: Ticks,
    total: Ticks,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        let kinds = std::array::from_fn(|_| OnceLock::new());
        let [total, owned_since, total_before] = [0; 3].map(AtomicU64::new);
        Recorder { kinds, total, owned_since, total_before }
    }
    /// Another thread begins to use the record.
    pub(crate) fn begin_owner(&self) {
        self.owned_since.store(clock::ticks().get(), Ordering::Relaxed);
        self.total_before.store(self.total.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    /// Since when the present owner has been there, and the ticks of all its pauses.
    pub(crate) fn of_owner(&self) -> (Ticks, Ticks) {
        let before = Ticks::new(self.total_before.load(Ordering::Relaxed));
        let since = Ticks::new(self.owned_since.load(Ordering::Relaxed));
        (since, self.total().wrapping_sub(before))
    }
    fn total(&self) -> Ticks {
        Ticks::new(self.total.load(Ordering::Relaxed))
    }

    /// Begins a pause in which others may come.
    pub(crate) fn begin(&self) -> Begun {
        Begun { since: clock::ticks(), total: self.total() }
    }
    /// When a pause began, put off by the pauses that were recorded since.
    pub(crate) fn own_begin(&self, begun: Begun) -> Ticks {
        let inner = self.total().wrapping_sub(begun.total);
        begun.since.wrapping_add(inner)
    }

    /// Records that the owner paused from `since` until now. Returns how long it was.
    pub(crate) fn record(&self, kind: PauseKind, since: Ticks) -> Ticks {
        let ticks = clock::since(since);
        self.kinds[kind as usize].get_or_init(Buckets::new).count(ticks);
        self.total.store(self.total().wrapping_add(ticks).get(), Ordering::Relaxed);
        ticks
    }
}

/// How long something took, each time that one thread did it. Written by that thread, read by any.
#[derive(Debug)]
pub(crate) struct Times(OnceLock<Box<Buckets>>);

impl Default for Times {
    fn default() -> Self {
        Times(OnceLock::new())
    }
}

impl Times {
    /// Counts what began at `since` and ends now. The one writing thread only.
    pub(crate) fn record(&self, since: Ticks) {
        self.count(clock::since(since));
    }
    /// Counts `ticks`. The one writing thread only.
    pub(crate) fn count(&self, ticks: Ticks) {
        self.0.get_or_init(Buckets::new).count(ticks);
    }
    /// What was counted so far.
    pub(crate) fn histogram(&self) -> Histogram {
        let (mut counts, mut max) = (vec![0; BUCKETS], Ticks::ZERO);
        if let Some(buckets) = self.0.get() {
            buckets.add_to(&mut counts, &mut max);
        }
        Histogram::of_counts(counts, max, clock::ns_per_tick())
    }
}

/// How long mutators were interrupted, by kind, since the heap was made, or between two readings
/// ([`since`](Self::since)). From [`Heap::pauses`](crate::Heap::pauses).
///
/// ```
/// let heap = gc_core::Heap::new();
/// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
/// let pauses = heap.pauses();
/// for (kind, times) in pauses.kinds().filter(|(_, times)| !times.is_empty()) {
///     println!("{kind:?}: {} times, at most {:?}", times.len(), times.max());
/// }
/// assert!(!pauses.all().is_empty());
/// ```
#[derive(Clone)]
pub struct Pauses {
    kinds: Vec<Histogram>,
}

/// How often something took how long, within 4 % of the value; the maximum is exact.
///
/// ```
/// let heap = gc_core::Heap::new();
/// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
/// let pauses = heap.pauses().all();
/// let (median, worst) = (pauses.percentile(50.0), pauses.max());
/// assert!(!pauses.is_empty() && median <= worst);
/// assert_eq!(pauses.iter().map(|(_, times)| times).sum::<u64>(), pauses.len());
/// ```
#[derive(Debug, Clone)]
pub struct Histogram {
    /// By bucket, in ticks; without the empty ones at the end.
    counts: Vec<u64>,
    /// The longest. It lies in the last bucket, or was recorded in the last one of all.
    max: Ticks,
    ns_per_tick: f64,
}

impl Histogram {
    fn of_counts(mut counts: Vec<u64>, max: Ticks, ns_per_tick: f64) -> Histogram {
        counts.truncate(counts.iter().rposition(|&n| n > 0).map_or(0, |last| last + 1));
        let max = if counts.is_empty() { Ticks::ZERO } else { max };
        Histogram { counts, max, ns_per_tick }
    }
    /// What a bucket stands for: its middle, and never more than the longest.
    fn of_bucket(&self, bucket: Bucket) -> Duration {
        Duration::from_nanos((bucket.middle() * self.ns_per_tick) as u64).min(self.max())
    }

    /// Calls `each` with the middle of each bucket, in seconds, and its count. What a bucket stands
    /// for never changes: not its middle, nor the rate of ticks.
    pub(crate) fn each_bucket(&self, mut each: impl FnMut(f64, u64)) {
        let seconds = clock::fixed_ns_per_tick() / 1e9;
        for (bucket, &n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            each(Bucket(bucket).middle() * seconds, n);
        }
    }

    /// What was counted between an earlier reading of the same thing and this one. If the longest
    /// is not longer than the longest of the earlier reading, it is known within 4 % only.
    ///
    /// ```
    /// let meter = gc_core::HiccupMeter::start(std::time::Duration::from_millis(1))?;
    /// let before = meter.hiccups();
    /// std::thread::sleep(std::time::Duration::from_millis(20));
    /// assert!(!meter.hiccups().since(&before).is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let before_at = |i: usize| earlier.counts.get(i).copied().unwrap_or(0);
        let less = |(i, n): (usize, &u64)| n.saturating_sub(before_at(i));
        let counts: Vec<u64> = self.counts.iter().enumerate().map(less).collect();
        let last = counts.iter().rposition(|&n| n > 0);
        let max = match last {
            Some(last) if self.max == earlier.max => {
                Ticks::new(Bucket(last).middle() as u64).min(self.max)
            }
            _ => self.max,
        };
        Histogram::of_counts(counts, max, self.ns_per_tick)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
    /// The longest, exactly; zero if there is none.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max.time(self.ns_per_tick)
    }
    /// The time that `percent` of all did not exceed; zero if there is none. 50 is the median, 99.9
    /// what one in a thousand exceeds, 100 the maximum. What is outside of 0 to 100, or no number,
    /// counts as the nearer of the two, or as 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let percent = if percent.is_nan() { 100.0 } else { percent.clamp(0.0, 100.0) };
        let all = self.len();
        // At least one, so that the 0th is the shortest. Less a rounding error, or 99.9 % of 1000
        // would be all of them.
        let wanted = ((percent / 100.0 * all as f64 - 1e-6).ceil() as u64).max(1);
        if wanted >= all {
            return self.max();
        }
        let mut seen = 0;
        let found = self.counts.iter().position(|n| {
            seen += n;
            seen >= wanted
        });
        found.map_or(Duration::ZERO, |bucket| self.of_bucket(Bucket(bucket)))
    }
    /// Each time that occurs, in ascending order, and how often; the last one is the maximum.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> {
        let last = self.counts.len().saturating_sub(1);
        let below = self.counts.iter().enumerate().filter_map(move |(bucket, &times)| {
            let times = times - u64::from(bucket == last);
            (times > 0).then(|| (self.of_bucket(Bucket(bucket)), times))
        });
        below.chain((!self.is_empty()).then(|| (self.max(), 1)))
    }
}

/// In nanoseconds, with three digits.
#[cfg(feature = "hdrhistogram")]
impl From<&Histogram> for hdrhistogram::Histogram<u64> {
    fn from(histogram: &Histogram) -> Self {
        let mut all = hdrhistogram::Histogram::new(3).expect("three digits are allowed");
        for (time, times) in histogram.iter() {
            all.record_n(time.as_nanos() as u64, times).expect("an automatic histogram grows");
        }
        all
    }
}

impl Pauses {
    pub(crate) fn merge<'a>(recorders: impl Iterator<Item = &'a Recorder>) -> Pauses {
        let mut kinds = vec![(vec![0; BUCKETS], Ticks::ZERO); KINDS.len()];
        for recorder in recorders {
            for ((counts, max), buckets) in kinds.iter_mut().zip(&recorder.kinds) {
                if let Some(buckets) = buckets.get() {
                    buckets.add_to(counts, max);
                }
            }
        }
        let ns = clock::ns_per_tick();
        let kind = |(counts, max)| Histogram::of_counts(counts, max, ns);
        Pauses { kinds: kinds.into_iter().map(kind).collect() }
    }

    /// The pauses between an earlier reading of the same heap and this one. If the longest is not
    /// longer than the longest of the earlier reading, it is known within 4 % only.
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
        let between = |(now, before): (&Histogram, &Histogram)| now.since(before);
        Pauses { kinds: self.kinds.iter().zip(&earlier.kinds).map(between).collect() }
    }

    /// Every kind with its histogram, empty ones too.
    pub fn kinds(&self) -> impl Iterator<Item = (PauseKind, &Histogram)> {
        KINDS.iter().copied().zip(&self.kinds)
    }
    /// The histogram of one kind.
    #[must_use]
    pub fn of(&self, kind: PauseKind) -> &Histogram {
        &self.kinds[kind as usize]
    }
    /// All kinds together.
    #[must_use]
    pub fn all(&self) -> Histogram {
        let mut counts = vec![0; BUCKETS];
        for histogram in &self.kinds {
            for (sum, count) in counts.iter_mut().zip(&histogram.counts) {
                *sum += count;
            }
        }
        let max = self.kinds.iter().map(|histogram| histogram.max).max().unwrap_or_default();
        Histogram::of_counts(counts, max, self.kinds[0].ns_per_tick)
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
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        let titles = ["p50", "p99", "p99.9", "p99.99", "max"];
        write!(f, "{:<10}{:>12}", "pause, us", "count")?;
        // Wide enough for a pause of an hour.
        titles.iter().try_for_each(|title| write!(f, "{title:>14}"))?;
        writeln!(f)?;
        for (kind, h) in self.kinds().filter(|(_, h)| !h.is_empty()) {
            write!(f, "{:<10}{:>12}", format!("{kind:?}"), h.len())?;
            for percent in [50.0, 99.0, 99.9, 99.99] {
                write!(f, "{:>14.2}", us(h.percentile(percent)))?;
            }
            writeln!(f, "{:>14.2}", us(h.max()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_ordered_and_narrow() {
        let mut last = Bucket(0);
        for ticks in (0..200_000).chain([1 << 30, 1 << 41]) {
            let b = Bucket::of(Ticks::new(ticks));
            assert!(b >= last, "{ticks}");
            last = b;
            assert!((b.middle() - ticks as f64).abs() <= ticks as f64 * 0.032 + 0.5, "{ticks}");
        }
        assert_eq!(Bucket::of(Ticks::MAX), Bucket(BUCKETS - 1));
    }

    #[test]
    fn a_pause_around_another_counts_its_own_time_only() {
        clock::start();
        let recorder = Recorder::new();
        let outer = recorder.begin();
        let inner = clock::ticks();
        std::thread::sleep(std::time::Duration::from_millis(20));
        recorder.record(PauseKind::Handover, inner);
        recorder.record(PauseKind::Shade, recorder.own_begin(outer));
        let pauses = Pauses::merge([&recorder].into_iter());
        assert!(pauses.of(PauseKind::Handover).max() > Duration::from_millis(19));
        assert!(pauses.of(PauseKind::Shade).max() < Duration::from_millis(10));
    }

    #[test]
    fn the_table_stays_in_its_columns() {
        clock::start();
        let recorder = Recorder::new();
        let ticks = |seconds| Ticks::of(Duration::from_secs_f64(seconds), clock::ns_per_tick());
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
        assert!(pauses.of(PauseKind::Sweep).max() > Duration::from_millis(4));
        assert!(pauses.to_string().contains("Sweep") && pauses.of(PauseKind::Refill).is_empty());
        assert_eq!(pauses.of(PauseKind::Refill).max(), Duration::ZERO);
    }

    /// A histogram of `ticks`, of which each takes a nanosecond.
    fn histogram(ticks: impl Iterator<Item = u64>) -> Histogram {
        let (mut counts, mut max) = (vec![0; BUCKETS], Ticks::ZERO);
        for ticks in ticks.map(Ticks::new) {
            counts[Bucket::of(ticks).0] += 1;
            max = max.max(ticks);
        }
        Histogram::of_counts(counts, max, 1.0)
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let all = histogram(1..=1000);
        assert_eq!((all.len(), all.max()), (1000, Duration::from_nanos(1000)));
        for (percent, exact) in [(0.0, 1), (0.1, 1), (50.0, 500), (99.0, 990), (99.9, 999)] {
            let found = all.percentile(percent).as_nanos() as f64;
            assert!(
                (found - f64::from(exact)).abs() <= f64::from(exact) * 0.04,
                "{percent}: {found}"
            );
        }
        for percent in [100.0, 1e9, f64::NAN] {
            assert_eq!(all.percentile(percent), all.max(), "{percent}");
        }
        assert_eq!(all.percentile(-1.0), all.percentile(0.0));
        let none = histogram(std::iter::empty());
        assert!(none.is_empty() && none.iter().next().is_none());
        assert_eq!((none.percentile(50.0), none.len()), (Duration::ZERO, 0));
        let (times, counts): (Vec<_>, Vec<_>) =
            histogram([7, 7, 1 << 41].into_iter()).iter().unzip();
        assert_eq!(times, [7, 1 << 41].map(Duration::from_nanos));
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn what_was_recorded_between_is_a_difference() {
        let pauses =
            |list: &[u64]| Pauses { kinds: vec![histogram(list.iter().copied()); KINDS.len()] };
        let (early, late) = (pauses(&[5, 100_000]), pauses(&[5, 5, 40, 100_000]));
        let between = late.since(&early);
        let of = between.of(PauseKind::Gate);
        assert_eq!((of.len(), of.max()), (2, Duration::from_nanos(40)));
        assert!(late.since(&late).all().is_empty() && late.since(&late).all().max().is_zero());
        assert_eq!(late.all().len(), 4 * KINDS.len() as u64);
    }

    #[cfg(feature = "hdrhistogram")]
    #[test]
    fn it_becomes_one_of_hdrhistogram() {
        let ours = histogram((1..=1000).chain([123_456]));
        let theirs = hdrhistogram::Histogram::from(&ours);
        assert_eq!(theirs.len(), ours.len());
        assert!(theirs.max().abs_diff(123_456) < 124);
        assert!(theirs.value_at_quantile(0.5).abs_diff(500) < 20);
    }

    #[test]
    fn a_counter_that_steps_back_is_no_long_pause() {
        clock::start();
        let recorder = Recorder::new();
        // The thread has moved to a core whose counter is behind.
        recorder.record(PauseKind::Sweep, clock::ticks() + Ticks::new(1_000_000));
        let pauses = Pauses::merge([&recorder].into_iter());
        assert_eq!((pauses.all().len(), pauses.all().max()), (1, Duration::ZERO));
    }
}
