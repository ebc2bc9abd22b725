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
use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};
use std::time::{Duration, Instant};

/// What is asked of the collector, and how far it is.
#[derive(Debug, Default)]
struct State {
    /// A cycle of at least this number is wanted.
    wanted: u64,
    /// The cycle that began last, and the one that ended last (its sweep included).
    begun: u64,
    ended: u64,
    stop: bool,
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

    /// Wakes the collector from a timed sleep, if it is in one.
    pub(crate) fn poke(&self) {
        self.to_collector.notify_one();
    }

    /// Whether this is the child of a `fork`, which has no collector.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.home != Process::current()
    }
    /// Whether no cycle will come: the heap has ended, or its collector is in another process.
    pub(crate) fn is_over(&self) -> bool {
        self.is_orphaned() || self.is_stopping()
    }

    /// Waits for the end of a cycle that begins after this call, until `deadline`; says whether it came.
    pub(crate) fn collect(&self, deadline: Option<Instant>) -> bool {
        if self.is_orphaned() {
            return false;
        }
        let mut state = self.state.lock();
        let number = state.begun + 1;
        state.wanted = state.wanted.max(number);
        self.asked.store(true, Ordering::Relaxed);
        self.to_collector.notify_one();
        while state.ended < number {
            if state.stop {
                return false;
            }
            let Some(at) = deadline else {
                state = self.to_waiters.wait(state);
                continue;
            };
            let (held, timeout) = self.to_waiters.wait_until(state, at);
            if timeout.timed_out() {
                return false;
            }
            state = held;
        }
        true
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
        let state = self.state.lock();
        if state.wanted > state.begun || state.stop {
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
        self.state.lock().begun = number;
    }
    /// The collector has ended the cycle that began last.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = state.begun;
        if state.wanted <= state.begun && !state.stop {
            self.asked.store(false, Ordering::Relaxed);
        }
        self.to_waiters.notify_all();
    }
}
