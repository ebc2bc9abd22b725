#![forbid(unsafe_code)]
//! Asking the collector for a cycle, waiting for one, and ending the collector.
//!
//! The collector sleeps with a timer and polls the heap's size. To wake it costs a mutator more
//! than any other regular interruption (12 to 87 µs). It sleeps deeply only when nothing was
//! allocated for a while. Then the first mutator that reaches the trigger wakes it, once.
//!
//! After a `fork` the child has the heap but no collector. Threads that it does not have may hold
//! the locks here. So a thread that would ask or wait first tests whether this is still the heap's
//! process ([`Control::is_orphaned`]).

use crate::platform::process::Process;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Condvar, Mutex, Ordering};
use crate::word::Cycle;
use std::time::{Duration, Instant};

/// How often a thread that waits for a cycle looks for work that it could help with. A marker that
/// shares work wakes no thread.
const LOOK: Duration = Duration::from_micros(300);

/// What wakes the collector before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// A thread that asks for something.
    Light,
    /// The same, and a mutator that nudges.
    Deep,
}

/// The requests to the collector, and its progress.
#[derive(Debug, Default)]
struct State {
    /// The number of the cycle that is wanted, at least.
    wanted: Cycle,
    /// The cycle that began last, and the one that ended last (its sweep included).
    begun: Cycle,
    ended: Cycle,
    stop: bool,
    /// Something has changed that the collector should look at before it sleeps.
    poked: bool,
    /// Whether there is work for additional markers.
    marking: bool,
}

/// The point where a heap's collector and the threads that wait for it meet.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    to_collector: Condvar,
    to_waiters: Condvar,
    to_markers: Condvar,
    /// Whether the collector sleeps until it is woken. Written under `state`'s lock.
    deep: AtomicBool,
    /// Whether a thread waits for a cycle: a hint that saves the polling collector the lock.
    asked: AtomicBool,
    /// Number of threads that cannot go on allocating before a cycle ends.
    stalled: AtomicU32,
    /// A thread was refused an allocation and does not wait. A cycle is due, if the collector may
    /// have one.
    wished: AtomicBool,
    /// Steps of progress that the collector made, besides marking. Only its thread writes it.
    progress: AtomicU64,
    in_cycle: AtomicBool,
    /// The process that has the collector's threads.
    home: Process,
}

impl Control {
    /// Wakes the collector if it sleeps deeply, for a mutator past the trigger. Otherwise costs one
    /// load.
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

    /// Makes the collector look soon at something that has changed, however it sleeps.
    pub(crate) fn poke(&self) {
        if !self.is_orphaned() {
            self.state.lock().poked = true;
            self.to_collector.notify_one();
        }
    }

    /// Returns whether this is the child of a `fork`, which has no collector.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.home != Process::current()
    }
    /// Returns whether no cycle will come: the heap has ended, or its collector is in another
    /// process.
    pub(crate) fn is_over(&self) -> bool {
        self.is_orphaned() || self.is_stopping()
    }

    /// Asks for cycle `number`. The caller holds the lock.
    fn ask(&self, state: &mut State, number: Cycle) {
        state.wanted = state.wanted.max(number);
        self.asked.store(true, Ordering::Relaxed);
        self.to_collector.notify_one();
    }

    /// The number of the first cycle that begins after this call.
    pub(crate) fn next(&self) -> Cycle {
        self.state.lock().begun.next()
    }

    /// Waits for the end of a cycle that begins after this call, or for the end of the heap.
    pub(crate) fn collect(&self) {
        if self.is_orphaned() {
            return;
        }
        let mut state = self.state.lock();
        let number = state.begun.next();
        self.ask(&mut state, number);
        while state.ended < number && !state.stop {
            state = self.to_waiters.wait(state);
        }
    }

    /// Waits for the end of the cycle that runs, or of the next one if none does, until `deadline`.
    /// Gives up earlier if there is no progress within `patience`: neither `marked` nor the count
    /// of [`went_on`](Self::went_on) changes. Meanwhile it calls `help`, which does a little of the
    /// cycle's work and returns whether there was any. Returns whether that cycle has ended.
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
        let number = state.ended.next();
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
    /// Returns how many threads wait for a cycle to end.
    pub(crate) fn stalled(&self) -> u32 {
        self.stalled.load(Ordering::Relaxed)
    }
    /// Returns whether threads wait for a cycle to end.
    pub(crate) fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) != 0
    }
    /// Records a step of the collector's progress, so that a wait goes on.
    pub(crate) fn went_on(&self) {
        let now = self.progress.load(Ordering::Relaxed);
        self.progress.store(now.wrapping_add(1), Ordering::Relaxed);
    }
    /// The number of these steps.
    pub(crate) fn steps(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }
    /// Returns whether a cycle runs.
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
    /// Records that an allocation was refused. A cycle might help, but no thread waits for it.
    pub(crate) fn wish(&self) {
        if !self.wished.load(Ordering::Relaxed) {
            self.wished.store(true, Ordering::Relaxed);
            self.nudge();
        }
    }
    /// Returns whether a thread was refused an allocation since the last cycle began.
    pub(crate) fn is_wished(&self) -> bool {
        self.wished.load(Ordering::Relaxed)
    }

    /// Returns whether a thread wants a cycle, or the end of the collector.
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
    /// Wakes the additional markers: there is work for them.
    pub(crate) fn begin_marking(&self) {
        self.state.lock().marking = true;
        self.to_markers.notify_all();
    }
    /// Lets the additional markers sleep when they find nothing more.
    pub(crate) fn end_marking(&self) {
        self.state.lock().marking = false;
    }
    /// The sleep of an additional marker between markings. Returns whether to go on.
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

    /// The collector's sleep: for `time`, or until it is woken.
    pub(crate) fn sleep(&self, time: Duration, sleep: Sleep) {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.poked) || state.wanted > state.begun || state.stop {
            return;
        }
        if sleep == Sleep::Deep {
            self.deep.store(true, Ordering::Relaxed);
        }
        let _woken = self.to_collector.wait_for(state, time);
        self.deep.store(false, Ordering::Relaxed);
    }
    /// Records that the collector begins cycle `number`.
    pub(crate) fn begin(&self, number: Cycle) {
        self.wished.store(false, Ordering::Relaxed);
        self.in_cycle.store(true, Ordering::Relaxed);
        self.went_on();
        self.state.lock().begun = number;
    }
    /// Records that the collector has ended the cycle that began last.
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
