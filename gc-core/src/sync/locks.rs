#![forbid(unsafe_code)]
//! std's locks without poison: whoever panics with one held has left the heap's state whole.
//!
//! Why std's, and not ones that park in a table of the process: after a `fork` such a table is full of the parent's
//! threads. glibc gives the stacks and thread locals of those to the child's own threads, so a child's thread would be
//! queued twice, and its heaps would hang or crash. A futex is a word of the lock.

#![allow(clippy::disallowed_types, reason = "this is where the crate's locks come from")]

use super::TimedOut;
use std::sync::{self, MutexGuard, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// What a lock gives, poisoned or not.
pub(super) fn unpoison<G>(result: Result<G, sync::PoisonError<G>>) -> G {
    result.unwrap_or_else(sync::PoisonError::into_inner)
}

/// std's mutex.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);
impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        unpoison(self.0.lock())
    }
}

/// std's reader-writer lock.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(sync::RwLock<T>);
impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        RwLock(sync::RwLock::new(value))
    }
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        unpoison(self.0.read())
    }
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        unpoison(self.0.write())
    }
}

/// std's condition variable.
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);
impl Condvar {
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
    pub(crate) fn wait<'a, T>(&self, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        unpoison(self.0.wait(held))
    }
    /// Waits for `time` at most.
    pub(crate) fn wait_for<'a, T>(
        &self,
        held: MutexGuard<'a, T>,
        time: Duration,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        let (held, timeout) = unpoison(self.0.wait_timeout(held, time));
        (held, TimedOut(timeout.timed_out()))
    }
    /// Waits until `at` at the latest.
    pub(crate) fn wait_until<'a, T>(
        &self,
        held: MutexGuard<'a, T>,
        at: Instant,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        self.wait_for(held, at.saturating_duration_since(Instant::now()))
    }
}
