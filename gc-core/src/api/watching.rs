#![forbid(unsafe_code)]
//! What program threads felt, in detail: methods of [`Heap`] that read the threads' notes
//! (`observe::watch`), and a thread that tells of pauses over a budget.
//!
//! 1. [`Heap::on_pause_over`] sets a budget and starts a thread. From then on each program thread
//!    notes pauses over it on a tape of its own, and wakes no thread.
//! 2. The new thread looks at the tapes every ten milliseconds, and calls the program's function
//!    for each new note, outside of every lock ([`Teller::look`]).
//! 3. It ends with its guard, and with the heap.

use super::heap::Heap;
use crate::mutator::Core;
use crate::observe::clock::ns_per_tick;
use crate::observe::watch::Notes;
use crate::observe::{Pauses, SlowPause, Utilisation};
use crate::platform::thread::with_signals_blocked;
use crate::sync::plain::{AtomicU32, AtomicU64, Ordering};
use crate::sync::thread::Builder;
use crate::sync::{Arc, Weak, nap};
use crate::word::Ticks;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// How often the tapes are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Readings that a rolling window keeps.
const PARTS: u32 = 16;

impl Heap {
    /// The ten longest interruptions of all threads since the heap was made, those of ended
    /// threads included; the longest first. Interruptions below 10 µs are not among them.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// heap.worst_pauses().iter().for_each(|pause| println!("{pause}"));
    /// ```
    #[must_use]
    pub fn worst_pauses(&self) -> Vec<SlowPause> {
        let core = self.core();
        let records = core.records.snapshot();
        core.watch.worst(records.into_iter().flat_map(|record| record.worst()))
    }

    /// The interruptions by thread, in the order of registration. A thread that ends leaves its
    /// place and its counts to the next one that comes; `thread_name` is that of the last one.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// let threads: Vec<gc_core::ThreadPauses> = heap.pauses_by_thread();
    /// assert_eq!(threads.len(), 1);
    /// let first = &threads[0];
    /// println!("{:?} was interrupted {} times", first.thread_name, first.pauses.all().len());
    /// ```
    #[must_use]
    pub fn pauses_by_thread(&self) -> Vec<ThreadPauses> {
        let records = self.core().records.snapshot();
        let each = records.into_iter().map(|record| ThreadPauses {
            thread: record.number.get(),
            thread_name: record.name(),
            pauses: Pauses::merge(std::iter::once(&record.pauses)),
        });
        each.collect()
    }

    /// The minimum mutator utilisation: for each length of a window, how much of its worst window
    /// the worst thread had for itself. What a thread does outside of the heap counts as its own.
    ///
    /// It looks at the threads that use the heap now. Each keeps its last 512 interruptions of 10
    /// µs and more; [`covers`](Utilisation::covers) is how far back they reach. Shorter ones are
    /// known by their sum, which is spread evenly. A thread whose notes reach less far back than a
    /// window is not looked at for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// let heap = gc_core::Heap::new();
    /// let of = &heap.utilisation(&[Duration::from_millis(10)])[0];
    /// assert_eq!((of.least, of.thread), (1.0, None)); // no thread has used it
    /// ```
    #[must_use]
    pub fn utilisation(&self, windows: &[Duration]) -> Vec<Utilisation> {
        let core = self.core();
        let records = core.records.snapshot();
        let used = records.into_iter().filter(|record| record.is_used());
        let threads: Vec<_> = used.map(|record| (record, record.interruptions())).collect();
        let ns = ns_per_tick();
        let of_window = |&window: &Duration| {
            let known = threads.iter().filter_map(|(record, interruptions)| {
                let (least, at) = interruptions.least(Ticks::of(window, ns))?;
                Some((least, at, *record, interruptions.covers()))
            });
            let known: Vec<_> = known.collect();
            let covers =
                known.iter().map(|(.., covers)| *covers).max().unwrap_or_default().time(ns);
            let worst = known.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            let (thread, thread_name) = worst
                .as_ref()
                .map_or((None, None), |(_, _, of, _)| (Some(of.number.get()), of.name()));
            let (least, at) = worst.map_or((1.0, core.born), |(least, at, ..)| (least, at));
            let at = at.since(core.born).time(ns);
            Utilisation { window, least, at, thread, thread_name, covers }
        };
        windows.iter().map(of_window).collect()
    }

    /// What kept each thread that uses the heap now from its work, although it could have run: the
    /// heap's interruptions, and waiting for a core, which a marker may hold. The difference of two
    /// readings ([`ThreadDelay::since`]) is what a time took.
    ///
    /// The wait for a core is Linux's, from `/proc/self/task/TID/schedstat`. It is `None` on other
    /// systems, and where a sandbox hides that file.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let mutator = heap.mutator();
    /// let before: Vec<gc_core::ThreadDelay> = heap.delays();
    /// mutator.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// let now = heap.delays();
    /// let delay = now[0].since(&before[0]);
    /// println!("{:?} interrupted, {:?} without a core", delay.interrupted, delay.waited);
    /// assert!(delay.interrupted <= delay.lasted);
    /// ```
    #[must_use]
    pub fn delays(&self) -> Vec<ThreadDelay> {
        let ns = ns_per_tick();
        let records = self.core().records.snapshot();
        let used = records.into_iter().filter(|record| record.is_used());
        let delay = used.map(|record| {
            let (lasted, interrupted, scheduled) = record.delay();
            ThreadDelay {
                thread: record.number.get(),
                thread_name: record.name(),
                lasted: lasted.time(ns),
                interrupted: interrupted.time(ns),
                ran: scheduled.map(|of| of.ran),
                waited: scheduled.map(|of| of.waited),
            }
        });
        delay.collect()
    }

    /// Calls `call` for each interruption of a program thread that lasts for `budget` or longer,
    /// until the guard is dropped.
    ///
    /// `call` runs within some ten milliseconds after the interruption, on a thread of its own
    /// ("gc-pauses"), outside of `mutate` and of every lock. It may use the heap, wait, or take as
    /// long as it likes: neither threads nor cycles wait for it. If it falls behind, each thread
    /// keeps the last 128. A panic in it is caught and counted ([`OnPauseOver::panics`]). When the
    /// guard is dropped, `call` may be running for the last time. It must not hold a `Heap`, which
    /// would then never end.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// let heap = gc_core::Heap::new();
    /// let report = |pause: &gc_core::SlowPause| eprintln!("{pause}");
    /// let guard: gc_core::OnPauseOver = heap.on_pause_over(Duration::from_millis(1), report)?;
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// assert_eq!(guard.panics(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_pause_over(
        &self,
        budget: Duration,
        call: impl FnMut(&SlowPause) + Send + 'static,
    ) -> io::Result<OnPauseOver> {
        tell_over(self.core(), budget, call)
    }
}

/// Calls `call` for each pause over `budget`: [`Heap::on_pause_over`].
pub(crate) fn tell_over(
    core: &Arc<Core>,
    budget: Duration,
    call: impl FnMut(&SlowPause) + Send + 'static,
) -> io::Result<OnPauseOver> {
    let ticks = Ticks::of(budget, ns_per_tick());
    let state = Arc::new(State::default());
    let mut teller = Teller { seen: HashMap::new(), ticks, call };
    // What came before is no concern of this budget.
    core.records.for_each(|record| {
        teller.seen.insert(record.number.get(), record.notes().map_or(0, Notes::over));
    });
    core.watch.add_budget(ticks);
    let guard = OnPauseOver { core: Arc::downgrade(core), state: state.clone(), ticks };
    let weak = guard.core.clone();
    let builder = Builder::new().name("gc-pauses".into());
    with_signals_blocked(|| builder.spawn(move || teller.run(&weak, &state)))?;
    Ok(guard)
}

/// What a guard and its thread share.
#[derive(Debug, Default)]
struct State {
    /// 1 when the thread is to end. Written by the guard, read by the thread.
    ends: AtomicU32,
    /// Written by the thread.
    told: AtomicU64,
    panics: AtomicU64,
}

/// The thread of a budget.
struct Teller<F> {
    /// By the number of the record: how many notes were told.
    seen: HashMap<u64, u64>,
    ticks: Ticks,
    call: F,
}

impl<F: FnMut(&SlowPause)> Teller<F> {
    fn run(mut self, core: &Weak<Core>, state: &State) {
        loop {
            let ends = state.ends.load(Ordering::Relaxed) != 0;
            let Some(core) = core.upgrade() else { break };
            let is_over = core.control.is_over();
            let new = if ends { Vec::new() } else { self.look(&core) };
            // The function may end the heap.
            drop(core);
            for pause in new {
                if state.ends.load(Ordering::Relaxed) != 0 {
                    break;
                }
                let returned = crate::error::contain(|| (self.call)(&pause));
                state.told.fetch_add(1, Ordering::Relaxed);
                state.panics.fetch_add(u64::from(!returned), Ordering::Relaxed);
            }
            if ends || is_over {
                break;
            }
            nap(LOOK);
        }
        // It is the user's, and may panic when it is dropped.
        crate::error::contain(|| drop(self.call));
    }

    /// The new notes of all threads that are over the budget, in the order of their times.
    fn look(&mut self, core: &Core) -> Vec<SlowPause> {
        let mut new = Vec::new();
        for record in core.records.snapshot() {
            let Some(notes) = record.notes() else { continue };
            let seen = self.seen.entry(record.number.get()).or_default();
            let written = notes.over();
            if written > *seen {
                let over = notes.over_since(*seen).into_iter().filter(|of| of.ticks >= self.ticks);
                new.extend(over.map(|of| record.shown(&of)));
                *seen = written;
            }
        }
        new.sort_by_key(|pause| pause.at + pause.time);
        new
    }
}

/// A registration with [`Heap::on_pause_over`], which ends when this is dropped.
#[must_use = "the registration ends when this is dropped"]
pub struct OnPauseOver {
    core: Weak<Core>,
    state: Arc<State>,
    ticks: Ticks,
}

impl OnPauseOver {
    /// How often the function was called.
    ///
    /// ```
    /// use std::time::Duration;
    /// let heap = gc_core::Heap::new();
    /// let guard = heap.on_pause_over(Duration::from_secs(60), |_| ())?;
    /// assert_eq!(guard.calls(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.told.load(Ordering::Relaxed)
    }
    /// How many of these calls panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.state.panics.load(Ordering::Relaxed)
    }
}

impl Drop for OnPauseOver {
    fn drop(&mut self) {
        self.state.ends.store(1, Ordering::Relaxed);
        if let Some(core) = self.core.upgrade()
            && !core.control.is_orphaned()
        {
            core.watch.remove_budget(self.ticks);
        }
    }
}

impl fmt::Debug for OnPauseOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnPauseOver({} calls)", self.calls())
    }
}

/// The interruptions of one thread ([`Heap::pauses_by_thread`]).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThreadPauses {
    /// The thread's number in its process.
    pub thread: u64,
    /// The thread's name, if it has one.
    pub thread_name: Option<String>,
    /// How long it was interrupted, by kind.
    pub pauses: Pauses,
}

/// What kept one thread from its work ([`Heap::delays`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadDelay {
    /// The thread's number in its process.
    pub thread: u64,
    /// The thread's name, if it has one.
    pub thread_name: Option<String>,
    /// How long the thread has used the heap.
    pub lasted: Duration,
    /// How long the heap interrupted it meanwhile. Waiting for a core counts here too while the
    /// thread is interrupted.
    pub interrupted: Duration,
    /// How long the thread has run since it began, if the system tells.
    pub ran: Option<Duration>,
    /// How long it was ready to run since it began and waited for a core, if the system tells.
    pub waited: Option<Duration>,
}

impl ThreadDelay {
    /// The delay between an earlier reading of the same thread and this one.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let mutator = heap.mutator();
    /// let first = heap.delays();
    /// mutator.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// println!("{:?}", heap.delays()[0].since(&first[0]));
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &ThreadDelay) -> ThreadDelay {
        let less =
            |now: Option<Duration>, before: Option<Duration>| Some(now?.saturating_sub(before?));
        ThreadDelay {
            lasted: self.lasted.saturating_sub(earlier.lasted),
            interrupted: self.interrupted.saturating_sub(earlier.interrupted),
            ran: less(self.ran, earlier.ran),
            waited: less(self.waited, earlier.waited),
            ..self.clone()
        }
    }
}

/// The pauses of the last so many seconds, again and again.
///
/// ```
/// use std::time::Duration;
/// use gc_core::{Gc, Heap, RollingPauses};
/// let heap = Heap::new();
/// let mut last = RollingPauses::new(&heap, Duration::from_secs(10));
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// let pauses = last.read(&heap);
/// assert!(!pauses.all().is_empty());
/// println!("99.9 % in the last 10 s: {:?}", pauses.all().percentile(99.9));
/// ```
#[derive(Debug, Clone)]
pub struct RollingPauses {
    window: Duration,
    /// Readings, the oldest first. The first one is older than the window as soon as there is one.
    readings: VecDeque<(Instant, Pauses)>,
}

impl RollingPauses {
    /// A window that begins now, and rolls when it is read.
    #[must_use]
    pub fn new(heap: &Heap, window: Duration) -> RollingPauses {
        RollingPauses { window, readings: VecDeque::from([(Instant::now(), heap.pauses())]) }
    }
    /// The pauses in the window up to now; of a heap that is younger, all. It is longer than asked
    /// for by up to a sixteenth, and by the time since the last call if that is longer. `heap` is
    /// always the same one.
    pub fn read(&mut self, heap: &Heap) -> Pauses {
        self.add(Instant::now(), heap.pauses())
    }
    fn add(&mut self, now: Instant, pauses: Pauses) -> Pauses {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= self.window;
        while self.readings.get(1).is_some_and(|(at, _)| is_old(at)) {
            self.readings.pop_front();
        }
        let since =
            self.readings.front().map_or_else(|| pauses.clone(), |(_, first)| pauses.since(first));
        let step = self.window / PARTS;
        let last = self.readings.back().map(|(at, _)| now.saturating_duration_since(*at));
        if last.is_none_or(|last| last >= step) {
            self.readings.push_back((now, pauses));
        }
        since
    }
}
