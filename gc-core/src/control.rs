#![forbid(unsafe_code)]
//! Asking the collector for a cycle, waiting for one, and ending it.
//!
//! The collector sleeps with a timer and polls the heap's size: waking it costs a mutator more than any other
//! regular interruption (12 to 87 µs). Only when nothing was allocated for a while does it sleep deeply, and then
//! the first mutator that reaches the trigger wakes it, once.
//!
//! After a `fork` the child has the heap and not the collector, and the locks here may be held by threads that it does
//! not have. So whoever would ask or wait first looks whether this is still the heap's process
//! ([`Control::is_orphaned`]).

use crate::platform::process::Process;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Condvar, Mutex, Ordering};
use std::time::{Duration, Instant};

/// How often a thread that waits for a cycle looks for work that it could help with.
const LOOK: Duration = Duration::from_millis(1);

/// What is asked of the collector, and how far it is.
#[derive(Debug, Default)]
struct State {
    /// A cycle of at least this number is wanted.
    wanted: u64,
    /// The cycle that began last, and the one that ended last (its sweep included).
    begun: u64,
    ended: u64,
    stop: bool,
    /// Something was changed that the collector should look at before it sleeps.
    poked: bool,
    /// Additional markers have something to do.
    marking: bool,
}

/// The meeting place of a heap's collector and those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    to_collector: Condvar,
    to_waiters: Condvar,
    to_markers: Condvar,
    /// The collector sleeps until it is woken. Written under `state`'s lock.
    deep: AtomicBool,
    /// Somebody waits for a cycle: a hint that saves the polling collector the lock.
    asked: AtomicBool,
    /// Threads that cannot go on allocating before a cycle ends.
    stalled: AtomicU32,
    /// A thread was refused an allocation and does not wait: a cycle is due, if the collector may
    /// have one.
    wished: AtomicBool,
    /// How often the collector got anywhere, beside marking. Written by its thread only.
    progress: AtomicU64,
    in_cycle: AtomicBool,
    /// The process in which the collector's threads are.
    home: Process,
}

impl Control {
    /// Wakes the collector if it sleeps deeply; for a mutator past the trigger. One load otherwise.
    #[inline]
    pub(crate) fn nudge(&self) {
        if self.deep.load(Ordering::Relaxed) {
            self.wake();
        }
    }
    #[cold]
    fn wake(&self) {
        if self.is_orphaned() {
            return;
        }
        let _state = self.state.lock();
        if self.deep.swap(false, Ordering::Relaxed) {
            self.to_collector.notify_one();
        }
    }

    /// Something was changed: the collector looks at it soon, however it sleeps.
    pub(crate) fn poke(&self) {
        if !self.is_orphaned() {
            self.state.lock().poked = true;
            self.to_collector.notify_one();
        }
    }

    /// Whether this is the child of a `fork`, which has no collector.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.home != Process::current()
    }
    /// Whether no cycle will come: the heap has ended, or its collector is in another process.
    pub(crate) fn is_over(&self) -> bool {
        self.is_orphaned() || self.is_stopping()
    }

    /// Asks for cycle `number`; the caller holds the lock.
    fn ask(&self, state: &mut State, number: u64) {
        state.wanted = state.wanted.max(number);
        self.asked.store(true, Ordering::Relaxed);
        self.to_collector.notify_one();
    }

    /// Waits for the end of a cycle that begins after this call, or of the heap.
    pub(crate) fn collect(&self) {
        if self.is_orphaned() {
            return;
        }
        let mut state = self.state.lock();
        let number = state.begun + 1;
        self.ask(&mut state, number);
        while state.ended < number && !state.stop {
            state = self.to_waiters.wait(state);
        }
    }

    /// Waits for the end of the cycle that runs, or of the next one if none does, until `deadline`,
    /// and as long as there is hope: `marked` or what [`went_on`](Self::went_on) counts must change
    /// within `patience`. Meanwhile it calls `help`, which does a little of the cycle's work and
    /// returns whether there was any. Returns whether that cycle has ended.
    pub(crate) fn stall(
        &self,
        deadline: Instant,
        patience: Duration,
        marked: &dyn Fn() -> u64,
        help: &dyn Fn() -> bool,
    ) -> bool {
        if self.is_orphaned() {
            return false;
        }
        let mut state = self.state.lock();
        let number = state.ended + 1;
        self.ask(&mut state, number);
        self.stalled.fetch_add(1, Ordering::Relaxed);
        let progress = || self.progress.load(Ordering::Relaxed).wrapping_add(marked());
        let mut last = (progress(), Instant::now() + patience);
        let came = loop {
            if state.ended >= number {
                break true;
            }
            if state.stop {
                break false;
            }
            drop(state);
            let has_helped = help();
            state = self.state.lock();
            let mut is_late = has_helped && Instant::now() >= deadline.min(last.1);
            if !has_helped && state.ended < number && !state.stop {
                let until = deadline.min(last.1);
                let (held, timeout) =
                    self.to_waiters.wait_until(state, until.min(Instant::now() + LOOK));
                state = held;
                // Under a scheduler there are no clocks, and waits time out at random.
                is_late = timeout.timed_out() && (cfg!(shuttle) || Instant::now() >= until);
            }
            if is_late {
                let now = progress();
                if now == last.0 || Instant::now() >= deadline {
                    break state.ended >= number;
                }
                last = (now, Instant::now() + patience);
            }
        };
        self.stalled.fetch_sub(1, Ordering::Relaxed);
        came
    }
    /// Whether threads stall until a cycle ends.
    pub(crate) fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) != 0
    }
    /// The collector got one step further, so that it is worth waiting for.
    pub(crate) fn went_on(&self) {
        let now = self.progress.load(Ordering::Relaxed);
        self.progress.store(now.wrapping_add(1), Ordering::Relaxed);
    }
    /// How often it did.
    pub(crate) fn steps(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
    /// Whether a cycle runs.
    pub(crate) fn is_in_cycle(&self) -> bool {
        self.in_cycle.load(Ordering::Relaxed)
    }
    /// Sleeps for `time`, or until a cycle ends.
    pub(crate) fn linger(&self, time: Duration) {
        if !self.is_orphaned() {
            let state = self.state.lock();
            if !state.stop && state.begun > state.ended {
                let _ended = self.to_waiters.wait_for(state, time);
            }
        }
    }
    /// An allocation was refused: a cycle might help, and no thread waits for it.
    pub(crate) fn wish(&self) {
        if !self.wished.load(Ordering::Relaxed) {
            self.wished.store(true, Ordering::Relaxed);
            self.nudge();
        }
    }
    /// Whether a thread wishes for a cycle.
    pub(crate) fn is_wished(&self) -> bool {
        self.wished.load(Ordering::Relaxed)
    }

    /// Whether somebody wants a cycle, or the end.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
    /// Asks the collector to end.
    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.asked.store(true, Ordering::Relaxed);
        self.to_collector.notify_one();
        self.to_waiters.notify_all();
        self.to_markers.notify_all();
    }
    /// The collector begins or ends marking.
    pub(crate) fn set_marking(&self, marking: bool) {
        self.state.lock().marking = marking;
        if marking {
            self.to_markers.notify_all();
        }
    }
    /// An additional marker's sleep between markings; says whether to go on.
    pub(crate) fn wait_for_marking(&self) -> bool {
        let mut state = self.state.lock();
        while !state.marking && !state.stop {
            state = self.to_markers.wait(state);
        }
        !state.stop
    }
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_asked() && self.state.lock().stop
    }

    /// The collector's sleep: for `time`, or until somebody asks. With `deep`, until a mutator nudges as well.
    pub(crate) fn sleep(&self, time: Duration, deep: bool) {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.poked) || state.wanted > state.begun || state.stop {
            return;
        }
        if deep {
            self.deep.store(true, Ordering::Relaxed);
        }
        let _woken = self.to_collector.wait_for(state, time);
        self.deep.store(false, Ordering::Relaxed);
    }
    /// The collector begins cycle `number`.
    pub(crate) fn begin(&self, number: u64) {
        self.wished.store(false, Ordering::Relaxed);
        self.in_cycle.store(true, Ordering::Relaxed);
        self.went_on();
        self.state.lock().begun = number;
    }
    /// The collector has ended the cycle that began last.
    pub(crate) fn end(&self) {
        self.in_cycle.store(false, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.ended = state.begun;
        if state.wanted <= state.begun && !state.stop {
            self.asked.store(false, Ordering::Relaxed);
        }
        self.to_waiters.notify_all();
    }
}
