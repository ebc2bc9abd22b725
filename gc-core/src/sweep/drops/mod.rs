#![forbid(unsafe_code)]
//! Running the destructors of dead objects, outside of every cycle (INV-9, INV-18).
//!
//! 1. The collector sweeps a span whose class has drop glue (`doom`) and hands the dead objects
//!    over ([`Drops::push`]). It wakes the drop thread, or the owner of the queue, and goes on.
//! 2. The next sweep looks first at the spans that wait ([`Drops::sweep`]), and then at the lists.
//!    So a span that is given back between the two is in a list that is swept.
//! 3. The drop thread sleeps until objects wait ([`Drops::wait`]) and runs batch after batch
//!    ([`Drops::run`]). A program that has asked for the queue does the same on a thread of its
//!    own.
//! 4. When the heap ends, the collector hands over all that is left and closes the queue
//!    ([`Drops::close`]). When the last destructor has returned, the heap is over
//!    ([`Drops::wait_for_end`]).
//!
//! A destructor is a user's code. It may use the heap, take locks, sleep, or never return. Only
//! callers that ask for it wait for a destructor ([`Drops::drain`]). The collector looks now and
//! then which destructor runs, and for how long ([`Drops::watch`]). To read a clock for each object
//! would cost as much as a small destructor.

mod waits;

use super::doom::sweep_ward;
use super::doomed::{Doomed, DropBatch, Ward};
use super::{Keep, Swept, drop_object};
use crate::heap::Space;
use crate::heap::poison::poison;
use crate::heap::span::{OwnedSpan, SpanBits, SpanClass};
use crate::observe::clock::{ns_per_tick, ticks};
use crate::pacing::together;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{self, Arc, Condvar, Mutex, thread_local};
use crate::word::{Bytes, SweepNumber, Ticks};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A destructor that runs for longer is reported by name.
pub(crate) const SLOW: Duration = Duration::from_secs(1);
/// A queue that has finished no batch for longer counts as stuck.
const GETTING_ON: Duration = Duration::from_millis(5);
/// Wards that are swept under one hold of the lock: some 50 µs.
const WARDS: usize = 64;

type Class = &'static SpanClass;
type Waker = Arc<dyn Fn() + Send + Sync>;

/// The queue of a heap's dead objects that have destructors.
pub(crate) struct Drops {
    state: Mutex<State>,
    /// Objects wait to be dropped, or no more will come.
    to_droppers: Condvar,
    /// Objects were dropped, or the queue is closed.
    to_waiters: Condvar,
    /// No destructor may begin any more.
    leaked: sync::AtomicBool,
    /// Objects and bytes that wait, for readers that must not wait for the lock.
    objects: AtomicU64,
    bytes: Arc<AtomicU64>,
    /// Panics of destructors, caught.
    panics: AtomicU64,
    /// When the last batch was finished, or when objects came into the empty queue, in ticks: a
    /// hint for pacing.
    last: AtomicU64,
}

struct State {
    doomed: Doomed<Class>,
    /// Whether the program drops the objects itself.
    is_owned: bool,
    /// Called when objects come into an owned queue.
    waker: Option<Waker>,
    thread: DropThread,
    runners: Vec<Runner>,
    /// Number of threads that sleep until objects wait, and of threads that wait until they are
    /// dropped.
    asleep: u32,
    waiters: u32,
    is_closed: bool,
    /// Number of destructors that were reported as slow, and the last of them if the trace has not
    /// printed it.
    slow: u64,
    to_report: Option<&'static str>,
}

/// The state of the drop thread.
enum DropThread {
    NotYet,
    /// A thread is starting it.
    Starts,
    Runs(JoinHandle<()>),
    /// The system gave no thread.
    Failed,
    /// The thread that ends the heap has taken it.
    Taken,
}

/// A thread that drops.
struct Runner {
    progress: Arc<Progress>,
    /// The class that it is dropping. `seen` is how many destructors had returned at the last
    /// look. `since` is when that number was last seen to change, or when the class began.
    class: Option<Class>,
    seen: u64,
    since: Instant,
    is_named: bool,
}

/// Number of destructors of one thread that have returned.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

/// A report on the objects that wait to be dropped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitingDrops {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// How long the oldest has waited.
    pub(crate) age: Duration,
    /// The type whose destructor has run for longest, and for how long; and whether that is more
    /// than a second.
    pub(crate) running: Option<(&'static str, Duration)>,
    pub(crate) is_slow: bool,
    /// Number of destructors that were slow.
    pub(crate) slow_drops: u64,
}

/// What the thread that hands objects over has to do next.
pub(crate) enum NextDrop {
    Nothing,
    /// There is no drop thread yet.
    Start,
    /// There will be no drop thread: the caller drops.
    Drop,
    /// Notify the owner of the queue.
    Tell(Waker),
}

thread_local! {
    /// Number of destructors of dead objects on this thread, one inside another.
    static DROPPING: Cell<u32> = const { Cell::new(0) };
}

/// Returns whether the calling thread is inside a destructor of a dead object.
pub(crate) fn is_dropping() -> bool {
    DROPPING.try_with(Cell::get).unwrap_or(0) > 0
}

impl std::fmt::Debug for Drops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drops").field("objects", &self.objects).field("bytes", &self.bytes).finish()
    }
}

impl Drops {
    /// An empty queue. Pacing reads the waiting bytes in `bytes`.
    pub(crate) fn new(bytes: Arc<AtomicU64>) -> Drops {
        let state = State {
            doomed: Doomed::new(),
            is_owned: false,
            waker: None,
            thread: DropThread::NotYet,
            runners: Vec::new(),
            asleep: 0,
            waiters: 0,
            is_closed: false,
            slow: 0,
            to_report: None,
        };
        Drops {
            state: Mutex::new(state),
            to_droppers: Condvar::default(),
            to_waiters: Condvar::default(),
            leaked: sync::AtomicBool::new(false),
            objects: AtomicU64::new(0),
            bytes,
            panics: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    // ---- the collector's side ----

    /// Hands over the dead objects of a sweep. Returns what to do about them.
    pub(crate) fn push(&self, wards: &mut Vec<Ward<Class>>) -> NextDrop {
        let mut state = self.state.lock();
        let was_empty = !state.doomed.has_waiting();
        if state.doomed.is_empty() {
            self.last.store(ticks().get(), Ordering::Relaxed);
        }
        for ward in wards.drain(..) {
            self.add(ward.objects(), ward.each);
            state.doomed.push(ward);
        }
        if state.asleep > 0 {
            self.to_droppers.notify_all();
        }
        if state.is_owned {
            let waker = if was_empty { state.waker.clone() } else { None };
            return waker.map_or(NextDrop::Nothing, NextDrop::Tell);
        }
        match state.thread {
            DropThread::NotYet => {
                state.thread = DropThread::Starts;
                NextDrop::Start
            }
            DropThread::Failed => NextDrop::Drop,
            _ => NextDrop::Nothing,
        }
    }
    fn add(&self, objects: u64, each: u64) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
        self.bytes.fetch_add(objects * each, Ordering::Relaxed);
    }

    /// Sweeps the spans that wait, with sweep `number`, before any list is swept. Returns what was
    /// found.
    pub(crate) fn sweep(&self, space: &Space, number: SweepNumber, keep: Keep) -> Swept {
        let mut all = Swept::default();
        let mut each = |ward: &mut Ward<Class>| {
            let swept = sweep_ward(space, ward, number, keep);
            self.add(u64::from(swept.freed), ward.each);
            all += swept;
        };
        let mut skip = 0;
        loop {
            let seen = self.state.lock().doomed.sweep_some(skip, WARDS, number, &mut each);
            if seen == 0 {
                break;
            }
            skip += seen;
        }
        self.state.lock().doomed.sweep_rest(number, each);
        all
    }

    /// Records that no more objects come. Returns whether none wait either.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.state.lock();
        state.is_closed = true;
        self.to_droppers.notify_all();
        self.to_waiters.notify_all();
        state.doomed.is_empty()
    }
    /// Records the thread that was started, or that the system refused one.
    pub(crate) fn started(&self, thread: Option<JoinHandle<()>>) {
        let mut state = self.state.lock();
        state.thread = thread.map_or(DropThread::Failed, DropThread::Runs);
    }

    /// Returns whether objects wait but the system gave no drop thread. Then the collector's thread
    /// drops them.
    pub(crate) fn has_no_thread(&self) -> bool {
        !self.bytes().is_zero() && {
            let state = self.state.lock();
            !state.is_owned && matches!(state.thread, DropThread::Failed)
        }
    }

    // ---- the side of threads that drop ----

    /// Registers the caller as a thread that drops.
    pub(crate) fn enter(&self) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        self.state.lock().runners.push(Runner {
            progress: progress.clone(),
            class: None,
            seen: 0,
            since: Instant::now(),
            is_named: false,
        });
        progress
    }
    /// Removes that registration.
    pub(crate) fn leave(&self, progress: &Arc<Progress>) {
        self.state.lock().runners.retain(|runner| !Arc::ptr_eq(&runner.progress, progress));
    }

    /// Drops up to `most` objects of one span, and returns their number.
    pub(crate) fn run(&self, space: &Space, progress: &Arc<Progress>, most: u64) -> u64 {
        if self.is_leaked() {
            return 0;
        }
        let batch = {
            let mut state = self.state.lock();
            let Some(batch) = state.doomed.take(most) else { return 0 };
            state.note(progress, Some(batch.class));
            batch
        };
        // The external bytes of the objects are released in one go.
        together(|| self.drop_all(space, progress, &batch));
        if !self.is_leaked() {
            self.finish(space, progress, &batch);
        }
        batch.objects()
    }

    /// Runs the destructors of a batch.
    fn drop_all(&self, space: &Space, progress: &Progress, batch: &DropBatch<Class>) {
        let (span, class) = (batch.span, batch.class);
        DROPPING.with(|d| d.set(d.get() + 1));
        // Only this thread writes the counter.
        let mut done = progress.0.load(Ordering::Relaxed);
        for (i, &bits) in batch.bits.iter().enumerate() {
            space.each_object(class, span, SpanBits { word: i, bits }, |at| {
                if self.is_leaked() {
                    return;
                }
                if drop_object(class, at) > 0 {
                    self.panics.fetch_add(1, Ordering::Relaxed);
                }
                done += 1;
                progress.0.store(done, Ordering::Relaxed);
                poison(space, class, at);
            });
        }
        DROPPING.with(|d| d.set(d.get() - 1));
    }

    /// Frees the slots of a batch whose destructors have returned. Gives the span back if no other
    /// object waits in it.
    fn finish(&self, space: &Space, progress: &Arc<Progress>, batch: &DropBatch<Class>) {
        let (span, class) = (batch.span, batch.class);
        let first = space.first_word(span);
        let mut state = self.state.lock();
        let mut live = 0;
        for (i, &bits) in batch.bits.iter().enumerate() {
            let allocated = space.allocated(first + i) & !bits;
            space.set_allocated(first + i, allocated);
            live += allocated.count_ones();
        }
        if state.doomed.finish(batch) {
            let meta = space.meta(span);
            meta.set_live(live);
            // Under the lock, so that a sweep that has looked at the waiting spans finds this one
            // in its lists.
            OwnedSpan::from_parts(class, span).put_swept(space, meta.sweep());
        }
        let objects = batch.objects();
        self.objects.fetch_sub(objects, Ordering::Relaxed);
        self.bytes.fetch_sub(objects * batch.each, Ordering::Relaxed);
        self.last.store(ticks().get(), Ordering::Relaxed);
        state.note(progress, None);
        if state.waiters > 0 {
            self.to_waiters.notify_all();
        }
    }

    /// The drop thread's sleep: until something waits. Returns whether to go on.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if self.is_leaked() {
                return false;
            }
            if state.doomed.has_waiting() {
                return true;
            }
            if state.is_closed {
                return false;
            }
            state.asleep += 1;
            state = self.to_droppers.wait(state);
            state.asleep -= 1;
        }
    }
    /// The same for at most `time`, on a thread of the program. Returns whether objects wait.
    pub(crate) fn wait_for(&self, time: Duration) -> bool {
        let deadline = after(time);
        let mut state = self.state.lock();
        while !state.doomed.has_waiting() && !state.is_closed {
            state.asleep += 1;
            let (held, timeout) = self.to_droppers.wait_until(state, deadline);
            state = held;
            state.asleep -= 1;
            if timeout.timed_out() {
                break;
            }
        }
        state.doomed.has_waiting()
    }

    // ---- the program's side ----

    /// Makes the program the owner of the queue; `waker` is called when objects come. Returns
    /// whether objects wait already.
    pub(crate) fn own(&self, waker: Option<Waker>) -> bool {
        let mut state = self.state.lock();
        state.is_owned = true;
        state.waker = waker;
        state.doomed.has_waiting()
    }
    /// Ends the program's ownership. Returns what to do with the objects that wait.
    pub(crate) fn disown(&self) -> NextDrop {
        let mut state = self.state.lock();
        (state.is_owned, state.waker) = (false, None);
        if state.is_closed {
            return NextDrop::Drop;
        }
        if state.doomed.has_waiting() && matches!(state.thread, DropThread::NotYet) {
            state.thread = DropThread::Starts;
            return NextDrop::Start;
        }
        NextDrop::Nothing
    }
    /// Returns whether the heap has ended and no object waits.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.is_closed && state.doomed.is_empty()
    }

    /// Returns a number for all objects that were found dead so far.
    pub(crate) fn ticket(&self) -> u64 {
        self.state.lock().doomed.next()
    }
    /// Returns whether all objects of that number are dropped.
    pub(crate) fn is_done(&self, ticket: u64) -> bool {
        self.state.lock().doomed.oldest() >= ticket
    }

    /// Takes the drop thread, to wait for its end.
    pub(crate) fn take_thread(&self) -> Option<JoinHandle<()>> {
        match std::mem::replace(&mut self.state.lock().thread, DropThread::Taken) {
            DropThread::Runs(thread) => Some(thread),
            _ => None,
        }
    }

    /// Keeps destructors from beginning, from now on.
    pub(crate) fn leak(&self) {
        self.leaked.store(true, sync::Ordering::Relaxed);
        let _state = self.state.lock();
        self.to_droppers.notify_all();
        self.to_waiters.notify_all();
    }
    pub(crate) fn is_leaked(&self) -> bool {
        self.leaked.load(sync::Ordering::Relaxed)
    }

    /// Looks for a destructor that has run for longer than [`SLOW`] and was not reported yet.
    pub(crate) fn watch(&self) -> Option<&'static str> {
        if self.bytes().is_zero() {
            return None;
        }
        let mut state = self.state.lock();
        state.watch(Instant::now());
        state.to_report.take()
    }
    /// Number of objects that wait.
    pub(crate) fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::new(self.bytes.load(Ordering::Relaxed))
    }
    /// Returns whether a batch was finished lately. Callers do not wait for destructors that take
    /// longer.
    pub(crate) fn is_getting_on(&self) -> bool {
        if cfg!(shuttle) {
            return true;
        }
        let last = Ticks::new(self.last.load(Ordering::Relaxed));
        ticks().since(last).time(ns_per_tick()) < GETTING_ON
    }
    /// Returns whether objects wait to be dropped, and destructors return quickly.
    pub(crate) fn is_busy(&self) -> bool {
        !self.bytes().is_zero() && self.is_getting_on()
    }
    /// Returns a report on the objects that wait now.
    pub(crate) fn waiting(&self) -> WaitingDrops {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.watch(now);
        let age = |since| now.saturating_duration_since(since);
        let running =
            |runner: &Runner| Some((age(runner.since), runner.class?.info.name, runner.is_named));
        let slowest = state.runners.iter().filter_map(running).max_by_key(|running| running.0);
        WaitingDrops {
            objects: self.objects(),
            bytes: self.bytes().get(),
            age: state.doomed.since().map_or(Duration::ZERO, age),
            running: slowest.map(|(time, name, _)| (name(), time)),
            is_slow: slowest.is_some_and(|slowest| slowest.2),
            slow_drops: state.slow,
        }
    }
    /// Number of panics of destructors so far.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
    /// Calls `each` for every span in which objects wait, with its class, their number, and the
    /// bytes of one.
    pub(crate) fn each_waiting(&self, mut each: impl FnMut(Class, u64, u64)) {
        for ward in self.state.lock().doomed.each() {
            each(ward.class, ward.objects(), ward.each);
        }
    }
}

impl State {
    /// Records that the thread of `progress` begins objects of `class`, or has ended them.
    fn note(&mut self, progress: &Arc<Progress>, class: Option<Class>) {
        if let Some(runner) =
            self.runners.iter_mut().find(|runner| Arc::ptr_eq(&runner.progress, progress))
        {
            runner.class = class;
            runner.is_named = false;
            if class.is_some() {
                runner.seen = progress.0.load(Ordering::Relaxed);
                runner.since = Instant::now();
            }
        }
    }
    /// Number of destructors that have returned.
    fn progress(&self) -> u64 {
        self.runners.iter().map(|runner| runner.progress.0.load(Ordering::Relaxed)).sum()
    }
    /// Updates which destructors have returned, and reports one that has run for [`SLOW`].
    fn watch(&mut self, now: Instant) {
        for runner in &mut self.runners {
            let done = runner.progress.0.load(Ordering::Relaxed);
            if done != runner.seen {
                (runner.seen, runner.since, runner.is_named) = (done, now, false);
            } else if let Some(class) = runner.class
                && !runner.is_named
                && now.saturating_duration_since(runner.since) >= SLOW
            {
                runner.is_named = true;
                self.slow += 1;
                self.to_report = Some((class.info.name)());
            }
        }
    }
}

/// The moment `time` from now. A very long `time` gives a moment far in the future.
fn after(time: Duration) -> Instant {
    let far = Duration::from_secs(1 << 30);
    Instant::now() + time.min(far)
}
