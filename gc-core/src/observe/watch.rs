#![forbid(unsafe_code)]
//! Long interruptions, one by one: which were the worst, which were over a budget, and how much of
//! a window they took.
//!
//! 1. A thread that was interrupted counts that in its histograms and compares it with one word of
//!    the heap ([`Watch::floor`]). Nearly all interruptions are shorter and end there.
//! 2. A longer one is noted in the thread's own [`Notes`], without waiting: among its ten worst, on
//!    the tape of the long ones, and on a tape of its own if it is over the smallest budget.
//! 3. Readers collect the notes of all threads. A thread that ends leaves its worst to the heap,
//!    with its name.
//!
//! What is kept is bounded: for each thread ten worst, 512 long ones and 128 over a budget. A tape
//! takes 768 bytes for each 16 of them that there were.

use super::event::Phase;
use super::histogram::PauseKind;
use super::note::{Note, Place, Tape};
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};
use crate::word::Ticks;
use std::panic::Location;
use std::time::Duration;

/// Interruptions of this length are noted one by one.
pub(crate) const LONG: Duration = Duration::from_micros(10);
/// How many of the worst are kept.
pub(crate) const WORST: usize = 10;
/// How many long ones, and how many over the budget, are kept; in chunks of so many, so that a
/// thread with few of them takes little memory.
const NOTES: usize = 512;
const NOTES_OVER: usize = 128;
const PLACES: usize = 16;

/// What the threads of a heap compare their interruptions with.
///
/// | word | says | written by |
/// |---|---|---|
/// | `floor` | the shortest interruption, in ticks, that more is done for | `change`, under its lock |
/// | `long`, `budget` | `LONG` and the smallest budget in ticks | the same |
///
/// They publish nothing: a thread that sees an old word notes an interruption more or less.
#[derive(Debug)]
pub(crate) struct Watch {
    floor: AtomicU64,
    long: AtomicU64,
    budget: AtomicU64,
    asked: Mutex<Asked>,
    /// The worst of threads that have ended.
    past: Mutex<Vec<SlowPause>>,
}

/// What readers of the notes have asked for.
#[derive(Debug, Default)]
struct Asked {
    /// The budgets that are set.
    budgets: Vec<Ticks>,
    /// Timelines that are recorded.
    timelines: u32,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        // A guess until the collector knows the clock's rate.
        let long = LONG.as_nanos() as u64 * 2;
        Watch {
            floor: AtomicU64::new(long),
            long: AtomicU64::new(long),
            budget: AtomicU64::new(u64::MAX),
            asked: Mutex::new(Asked::default()),
            past: Mutex::new(Vec::new()),
        }
    }
    /// The shortest interruption that more is done for than counting it.
    #[inline(always)]
    pub(crate) fn floor(&self) -> Ticks {
        Ticks::new(self.floor.load(Ordering::Relaxed))
    }
    /// Changes what decides on the floor, one caller at a time: of two at once, one could leave a
    /// floor above what the other has asked for.
    fn change(&self, change: impl FnOnce(&mut Asked)) {
        let mut asked = self.asked.lock();
        change(&mut asked);
        let budget = asked.budgets.iter().copied().min().unwrap_or(Ticks::MAX);
        self.budget.store(budget.get(), Ordering::Relaxed);
        let floor = if asked.timelines > 0 { Ticks::ZERO } else { self.long().min(budget) };
        self.floor.store(floor.get(), Ordering::Relaxed);
    }
    /// Sets the length of a long interruption by the clock's rate: the collector, with each cycle.
    pub(crate) fn tune(&self, ns_per_tick: f64) {
        let (long, before) = (Ticks::of(LONG, ns_per_tick).get(), self.long().get());
        // The rate hardly changes after the first cycle.
        if long.abs_diff(before) > before / 100 {
            self.change(|_| self.long.store(long, Ordering::Relaxed));
        }
    }
    /// Whether an interruption of `ticks` is noted.
    pub(crate) fn notes(&self, ticks: Ticks) -> bool {
        ticks >= self.long().min(self.budget())
    }
    fn long(&self) -> Ticks {
        Ticks::new(self.long.load(Ordering::Relaxed))
    }
    fn budget(&self) -> Ticks {
        Ticks::new(self.budget.load(Ordering::Relaxed))
    }
    /// Has interruptions of `ticks` noted as over a budget; until
    /// [`remove_budget`](Self::remove_budget) with the same.
    pub(crate) fn add_budget(&self, ticks: Ticks) {
        self.change(|asked| asked.budgets.push(ticks));
    }
    pub(crate) fn remove_budget(&self, ticks: Ticks) {
        self.change(|asked| {
            if let Some(at) = asked.budgets.iter().position(|each| *each == ticks) {
                asked.budgets.swap_remove(at);
            }
        });
    }
    /// A timeline begins to be recorded, for which every interruption counts.
    #[cfg_attr(not(feature = "timeline"), allow(dead_code, reason = "its exporter calls it"))]
    pub(crate) fn begin_timeline(&self) {
        self.change(|asked| asked.timelines += 1);
    }
    /// A timeline that was recorded ends.
    #[cfg_attr(not(feature = "timeline"), allow(dead_code, reason = "its exporter calls it"))]
    pub(crate) fn end_timeline(&self) {
        self.change(|asked| asked.timelines = asked.timelines.saturating_sub(1));
    }

    /// Keeps the worst of a thread that ends.
    pub(crate) fn keep(&self, worst: Vec<SlowPause>) {
        if !worst.is_empty() {
            let mut past = self.past.lock();
            past.extend(worst);
            keep_worst(&mut past);
        }
    }
    /// The worst of all threads, the ended ones included; the longest first.
    pub(crate) fn worst(&self, of_threads: impl Iterator<Item = SlowPause>) -> Vec<SlowPause> {
        let mut all = self.past.lock().clone();
        all.extend(of_threads);
        keep_worst(&mut all);
        all
    }
}

fn keep_worst(all: &mut Vec<SlowPause>) {
    all.sort_by_key(|pause| (std::cmp::Reverse(pause.time), pause.at, pause.thread));
    // A thread that ends may leave one just after it was read of the thread itself.
    all.dedup_by_key(|pause| (pause.time, pause.at, pause.thread));
    all.truncate(WORST);
}

/// The long interruptions of one thread, made at the first. Written by the thread, read by any.
#[derive(Debug)]
pub(crate) struct Notes {
    worst: [Place; WORST],
    /// The shortest of these in ticks, once there are as many. The owner's.
    least: AtomicU64,
    written: AtomicU64,
    long: Tape,
    over: Tape,
    /// Ticks of all that `long` ever had; and of those before the present owner.
    long_ticks: AtomicU64,
    long_before: AtomicU64,
}

impl Notes {
    /// Notes without an entry; `None` where the system has no memory for them.
    pub(crate) fn new() -> Option<Box<[Notes; 1]>> {
        let mut made = Vec::new();
        made.try_reserve_exact(1).ok()?;
        made.push(Notes {
            worst: std::array::from_fn(|_| Place::new()),
            least: AtomicU64::new(0),
            written: AtomicU64::new(0),
            long: Tape::of(NOTES / PLACES, PLACES),
            over: Tape::of(NOTES_OVER / PLACES, PLACES),
            long_ticks: AtomicU64::new(0),
            long_before: AtomicU64::new(0),
        });
        made.into_boxed_slice().try_into().ok()
    }
    /// Notes an interruption where it belongs. The owner only.
    pub(crate) fn add(&self, watch: &Watch, pause: &LongPause) {
        let (ticks, note) = (pause.ticks, pause.note());
        if ticks >= watch.long() {
            self.long.push(&note, || true);
            let sum = self.long_ticks.load(Ordering::Relaxed).wrapping_add(ticks.get());
            self.long_ticks.store(sum, Ordering::Relaxed);
            self.rank(ticks, &note);
        }
        if ticks >= watch.budget() {
            self.over.push(&note, || true);
        }
    }
    fn rank(&self, ticks: Ticks, note: &Note) {
        if ticks.get() <= self.least.load(Ordering::Relaxed) {
            return;
        }
        let length = |place: &Place| place.read().map_or(0, |(_, note)| note.words[1]);
        let shortest = self.worst.iter().min_by_key(|place| length(place));
        let number = self.written.load(Ordering::Relaxed) + 1;
        self.written.store(number, Ordering::Relaxed);
        if let Some(place) = shortest {
            place.write(number, note);
        }
        let least = self.worst.iter().map(length).min().unwrap_or(0);
        self.least.store(least, Ordering::Relaxed);
    }
    /// The worst, in no order.
    pub(crate) fn worst(&self) -> impl Iterator<Item = LongPause> {
        self.worst.iter().filter_map(Place::read).filter_map(|(_, note)| LongPause::of(&note))
    }
    /// Forgets the worst: the owner ends. The tapes stay.
    pub(crate) fn forget_worst(&self) {
        self.worst.iter().for_each(Place::clear);
        self.least.store(0, Ordering::Relaxed);
    }
    /// The newest long ones, and the number of the oldest of them.
    pub(crate) fn long(&self) -> (Vec<LongPause>, u64) {
        let notes = self.long.read();
        let first = notes.first().map_or(1, |(number, _)| *number);
        (notes.iter().filter_map(|(_, note)| LongPause::of(note)).collect(), first)
    }
    /// Another thread begins to use them.
    pub(crate) fn begin_owner(&self) {
        self.long_before.store(self.long_ticks.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    /// Ticks of all long ones that the present owner had.
    pub(crate) fn long_ticks(&self) -> Ticks {
        let [all, before] = [&self.long_ticks, &self.long_before]
            .map(|ticks| Ticks::new(ticks.load(Ordering::Relaxed)));
        all.wrapping_sub(before)
    }
    /// How many were over a budget.
    pub(crate) fn over(&self) -> u64 {
        self.over.written()
    }
    /// Those with numbers above `seen`.
    pub(crate) fn over_since(&self, seen: u64) -> Vec<LongPause> {
        let notes = self.over.read();
        let new = notes.iter().filter(|(number, _)| *number > seen);
        new.filter_map(|(_, note)| LongPause::of(note)).collect()
    }
}

/// A lazily made [`Notes`].
pub(crate) type LazyNotes = OnceLock<Box<[Notes; 1]>>;

/// An interruption as its thread has noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongPause {
    pub(crate) kind: PauseKind,
    /// When it began and how long it was.
    pub(crate) since: Ticks,
    pub(crate) ticks: Ticks,
    pub(crate) cycle: u64,
    /// The phase that the thread was in.
    pub(crate) phase: Option<Phase>,
    /// Which use of the record it was: the thread's token.
    pub(crate) owner: u64,
    pub(crate) place: Option<&'static Location<'static>>,
}

/// Bits of a cycle's number in a note.
const CYCLE: u32 = 48;

impl LongPause {
    /// Packs it.
    pub(crate) fn note(&self) -> Note {
        let phase = self.phase.map_or(0, |phase| phase as u64 + 1);
        let cycle = self.cycle & ((1 << CYCLE) - 1);
        let what = self.kind as u64 | phase << 8 | cycle << 16;
        Note { words: [self.since.get(), self.ticks.get(), what, self.owner], place: self.place }
    }
    pub(crate) fn of(note: &Note) -> Option<LongPause> {
        let [since, ticks, what, owner] = note.words;
        Some(LongPause {
            kind: PauseKind::of_index(what as usize & 0xff)?,
            since: Ticks::new(since),
            ticks: Ticks::new(ticks),
            cycle: what >> 16,
            phase: ((what >> 8 & 0xff) as usize).checked_sub(1).map(|at| Phase::ALL[at]),
            owner,
            place: note.place,
        })
    }
}

/// One interruption of a thread: one of the ten worst
/// ([`Heap::worst_pauses`](crate::Heap::worst_pauses)), or one over a budget
/// ([`Heap::on_pause_over`](crate::Heap::on_pause_over)).
///
/// ```
/// use gc_core::{Heap, SlowPause};
/// let heap = Heap::new();
/// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
/// let worst: Vec<SlowPause> = heap.worst_pauses();
/// for pause in &worst {
///     println!("{pause}");
/// }
/// # assert!(worst.len() <= 10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowPause {
    /// What the thread was doing.
    pub kind: PauseKind,
    /// How long it lasted.
    pub time: Duration,
    /// When it began, since the heap was made.
    pub at: Duration,
    /// The number of the thread's record, as [`Straggler::thread`](crate::Straggler::thread).
    pub thread: u64,
    /// The thread's name, if it has one and has not ended.
    pub thread_name: Option<String>,
    /// The call of `mutate` that the thread was in, or was about to begin.
    pub place: Option<&'static Location<'static>>,
    /// The last cycle that the thread had heard of.
    pub cycle: u64,
    /// The phase of it that the thread was in: Prep or Mark. `None` while no cycle marks.
    pub phase: Option<Phase>,
}

/// `2.310 ms Assist at 1.204 s on thread 2 "worker", mutate at src/main.rs:31, cycle 12 mark`.
impl std::fmt::Display for SlowPause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ms, at) = (self.time.as_secs_f64() * 1e3, self.at.as_secs_f64());
        write!(f, "{ms:.3} ms {:?} at {at:.3} s on thread {}", self.kind, self.thread)?;
        if let Some(name) = &self.thread_name {
            write!(f, " {name:?}")?;
        }
        if let Some(place) = self.place {
            write!(f, ", mutate at {}:{}", place.file(), place.line())?;
        }
        write!(f, ", cycle {}", self.cycle)?;
        match self.phase {
            Some(phase) => write!(f, " {}", phase.name()),
            None => Ok(()),
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn pause(since: u64, ticks: u64) -> LongPause {
        let (kind, cycle, phase, owner) = (PauseKind::Stop, 1, None, 1);
        let [since, ticks] = [since, ticks].map(Ticks::new);
        LongPause { kind, since, ticks, cycle, phase, owner, place: None }
    }

    #[test]
    fn the_floor_is_the_least_that_is_asked_for() {
        let watch = Watch::new();
        watch.tune(1.0);
        assert_eq!(watch.floor().get(), 10_000);
        watch.add_budget(Ticks::new(50_000));
        assert_eq!(watch.floor().get(), 10_000);
        watch.add_budget(Ticks::new(3_000));
        watch.add_budget(Ticks::new(3_000));
        watch.remove_budget(Ticks::new(3_000));
        assert_eq!(watch.floor().get(), 3_000);
        watch.begin_timeline();
        watch.tune(0.5);
        assert_eq!((watch.floor().get(), watch.notes(Ticks::new(2_999))), (0, false));
        watch.end_timeline();
        watch.remove_budget(Ticks::new(3_000));
        assert_eq!(watch.floor().get(), 20_000);
    }

    #[test]
    fn the_ten_worst_are_kept_and_the_rest_is_counted() {
        let watch = Watch::new();
        watch.tune(1.0);
        watch.add_budget(Ticks::new(90_000));
        let [notes] = &*Notes::new().unwrap();
        for n in 1..=100 {
            // In no order.
            notes.add(&watch, &pause(n, (n * 37 % 101) * 1000));
        }
        let mut worst: Vec<u64> = notes.worst().map(|of| of.ticks.get() / 1000).collect();
        worst.sort_unstable();
        assert_eq!(worst, (91..=100).collect::<Vec<_>>());
        assert_eq!(notes.over(), 11);
        assert!(notes.over_since(5).iter().all(|of| of.ticks.get() >= 90_000));
        assert_eq!((notes.over_since(5).len(), notes.long().0.len()), (6, 91));
        let sum: u64 = (10..=100).map(|ms| ms * 1000).sum();
        assert_eq!(notes.long_ticks().get(), sum);
        notes.begin_owner();
        notes.forget_worst();
        assert_eq!((notes.long_ticks().get(), notes.worst().count()), (0, 0));
    }
}
