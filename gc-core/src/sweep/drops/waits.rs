#![forbid(unsafe_code)]
//! Waiting for destructors: for those of now, for room, for the end. No wait happens inside a
//! destructor.

use super::{Drops, after, is_dropping};
use std::time::{Duration, Instant};

/// The longest time that a thread at the limit waits for the next destructor to return.
const ROOM_PATIENCE: Duration = Duration::from_millis(2);
/// Interval at which waiting threads look for a slow destructor.
const LOOK: Duration = Duration::from_millis(100);

impl Drops {
    /// Waits until all objects that were found dead before this call are dropped, for at most
    /// `time`. Returns whether they are. Never waits inside a destructor.
    pub(crate) fn drain(&self, time: Duration) -> bool {
        let deadline = after(time);
        let mut state = self.state.lock();
        let all = state.doomed.next();
        loop {
            if state.doomed.oldest() >= all {
                return true;
            }
            let now = Instant::now();
            state.watch(now);
            if is_dropping() || self.is_leaked() || (now >= deadline && !cfg!(shuttle)) {
                return false;
            }
            state.waiters += 1;
            let (held, timeout) = self.to_waiters.wait_until(state, deadline.min(now + LOOK));
            state = held;
            state.waiters -= 1;
            if cfg!(shuttle) && timeout.timed_out() {
                return state.doomed.oldest() >= all;
            }
        }
    }

    /// For a thread at the limit: waits until there is `enough` room, as long as destructors go on
    /// to return. Returns whether there is.
    pub(crate) fn await_room(&self, enough: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_dropping() && !state.doomed.is_empty() {
            if enough() {
                return true;
            }
            let before = state.progress();
            state.waiters += 1;
            state = self.to_waiters.wait_for(state, ROOM_PATIENCE).0;
            state.waiters -= 1;
            if state.progress() == before {
                break;
            }
        }
        enough()
    }

    /// Waits until the queue is closed and, unless the program owns it, all objects are dropped.
    /// Waits for at most `time`. Returns whether that happened.
    pub(crate) fn wait_for_end(&self, time: Duration) -> bool {
        let deadline = after(time);
        let mut state = self.state.lock();
        loop {
            let is_over = state.doomed.is_empty() || state.is_owned || self.is_leaked();
            if state.is_closed && is_over {
                return true;
            }
            if Instant::now() >= deadline && !cfg!(shuttle) {
                return false;
            }
            state.waiters += 1;
            // Under a scheduler there is no clock: it reports an end that does not come as a
            // deadlock.
            state = if cfg!(shuttle) {
                self.to_waiters.wait(state)
            } else {
                self.to_waiters.wait_until(state, deadline).0
            };
            state.waiters -= 1;
        }
    }
}
