#![forbid(unsafe_code)]
//! std's locks without poison. A thread that panics while it holds one has left the heap's state
//! intact.
//!
//! Why not locks that park in a table of the process: after a `fork`, such a table still lists the
//! parent's threads. glibc reuses the stacks and thread locals of those for the child's own
//! threads. So a thread of the child would be queued twice, and its heaps would hang or crash. A
//! futex is a word of the lock itself.

#![allow(clippy::disallowed_types, reason = "this is where the crate's locks come from")]

use super::TimedOut;
use super::imp::point;
use std::ops::{Deref, DerefMut};
use std::sync;
use std::time::{Duration, Instant};

fn unpoison<G>(result: Result<G, sync::PoisonError<G>>) -> G {
    result.unwrap_or_else(sync::PoisonError::into_inner)
}

/// Repeats a lock's ordering for ThreadSanitizer, which does not see the waits inside of std.
#[derive(Debug, Default)]
struct Order {
    #[cfg(gc_tsan)]
    word: super::AtomicU32,
}
impl Order {
    const fn new() -> Self {
        Order {
            #[cfg(gc_tsan)]
            word: super::AtomicU32::new(0),
        }
    }
    #[inline(always)]
    fn say(&self) {
        #[cfg(gc_tsan)]
        self.word.fetch_add(1, super::Ordering::AcqRel);
    }
    #[inline(always)]
    fn hold<G>(&self, held: G) -> Guard<'_, G> {
        self.say();
        Guard { until: Until(self), held }
    }
}

struct Until<'a>(&'a Order);
impl Drop for Until<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.say();
    }
}

/// A guard of std, and the ordering at its end.
pub(crate) struct Guard<'a, G> {
    // Declared first, since fields are dropped in the order of declaration.
    until: Until<'a>,
    held: G,
}
impl<G: Deref> Deref for Guard<'_, G> {
    type Target = G::Target;
    #[inline(always)]
    fn deref(&self) -> &G::Target {
        &self.held
    }
}
impl<G: DerefMut> DerefMut for Guard<'_, G> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.held
    }
}

type MutexGuard<'a, T> = Guard<'a, sync::MutexGuard<'a, T>>;

/// std's mutex.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    order: Order,
    base: sync::Mutex<T>,
}
impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex { order: Order::new(), base: sync::Mutex::new(value) }
    }
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        point();
        let held = unpoison(self.base.lock());
        self.order.hold(held)
    }
    /// Takes the lock, unless a thread holds it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        point();
        let held = match self.base.try_lock() {
            Err(sync::TryLockError::WouldBlock) => return None,
            Err(sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(held) => held,
        };
        Some(self.order.hold(held))
    }
}

/// std's reader-writer lock.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T> {
    order: Order,
    base: sync::RwLock<T>,
}
impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        RwLock { order: Order::new(), base: sync::RwLock::new(value) }
    }
    #[inline]
    pub(crate) fn read(&self) -> Guard<'_, sync::RwLockReadGuard<'_, T>> {
        point();
        let held = unpoison(self.base.read());
        self.order.hold(held)
    }
    #[inline]
    pub(crate) fn write(&self) -> Guard<'_, sync::RwLockWriteGuard<'_, T>> {
        point();
        let held = unpoison(self.base.write());
        self.order.hold(held)
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
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let (order, held) = (guard.until.0, guard.held);
        order.say();
        order.hold(unpoison(self.0.wait(held)))
    }
    /// Waits for at most `time`.
    pub(crate) fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        let (order, held) = (guard.until.0, guard.held);
        order.say();
        let (held, timeout) = unpoison(self.0.wait_timeout(held, time));
        (order.hold(held), TimedOut(timeout.timed_out()))
    }
    /// Waits until `at` at the latest.
    pub(crate) fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        at: Instant,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        self.wait_for(guard, at.saturating_duration_since(Instant::now()))
    }
}

/// std's once lock under a mutex, for ThreadSanitizer only, which does not see the ordering of
/// std's own.
#[cfg(gc_tsan)]
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    seen: Mutex<()>,
    base: sync::OnceLock<T>,
}
#[cfg(gc_tsan)]
impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        OnceLock::new()
    }
}
#[cfg(gc_tsan)]
impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        OnceLock { seen: Mutex::new(()), base: sync::OnceLock::new() }
    }
    pub(crate) fn get(&self) -> Option<&T> {
        let _seen = self.seen.lock();
        self.base.get()
    }
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let _seen = self.seen.lock();
        self.base.set(value)
    }
    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        let _seen = self.seen.lock();
        self.base.get_or_init(init)
    }
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.base.get_mut()
    }
    pub(crate) fn take(&mut self) -> Option<T> {
        self.base.take()
    }
    pub(crate) fn into_inner(self) -> Option<T> {
        self.base.into_inner()
    }
}
