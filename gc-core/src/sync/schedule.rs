#![forbid(unsafe_code)]
//! shuttle's threads and locks under the interface of the real ones, and the point at which shuttle
//! may switch to another thread. The atomics are in `stepped`.
//!
//! Waits with a time limit have no clock here: they end at once, or after a random
//! number of switches. So a schedule follows from its seed alone.

use super::TimedOut;
use std::time::{Duration, Instant};

pub(crate) use super::stepped::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
pub(crate) use shuttle::thread;
pub(crate) use shuttle::thread_local;
pub(crate) use std::sync::{Arc, Weak};

/// Lets another thread run.
pub(crate) fn yield_now() {
    shuttle::thread::yield_now();
}
/// One step of a busy wait.
pub(crate) fn spin_hint() {
    yield_now();
}

/// Average number of operations that a thread performs before another may run; differs from
/// schedule to schedule.
static STRIDE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(4);

/// Sets how coarse the next schedules are.
pub(crate) fn set_stride(stride: u64) {
    STRIDE.store(stride.max(1), Ordering::Relaxed);
}

/// A point before a load, of any order.
pub(super) fn point_of_load(_order: Ordering) {
    point();
}

/// A point at which another thread may run.
pub(super) fn point() {
    use shuttle::rand::RngCore;
    // Destructors of statics and of the test's own thread run outside of any schedule.
    if shuttle::current::try_get_current_task().is_none() || std::thread::panicking() {
        return;
    }
    let stride = STRIDE.load(Ordering::Relaxed);
    if stride == 1 || shuttle::rand::thread_rng().next_u64().is_multiple_of(stride) {
        yield_now();
    }
}

/// A panic with a lock held does not poison it.
fn unpoison<G>(result: Result<G, std::sync::PoisonError<G>>) -> G {
    result.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// shuttle's mutex.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);
impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex(shuttle::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: unpoison(self.0.lock()) }
    }
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let held = match self.0.try_lock() {
            Err(std::sync::TryLockError::WouldBlock) => return None,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(held) => held,
        };
        Some(MutexGuard { mutex: self, held })
    }
}

/// The guard of a [`Mutex`].
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    held: shuttle::sync::MutexGuard<'a, T>,
}
impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.held
    }
}
impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

/// shuttle's reader-writer lock.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);
impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        RwLock(shuttle::sync::RwLock::new(value))
    }
    pub(crate) fn read(&self) -> shuttle::sync::RwLockReadGuard<'_, T> {
        unpoison(self.0.read())
    }
    pub(crate) fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
        unpoison(self.0.write())
    }
}

/// shuttle's condition variable.
#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);
impl Condvar {
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
    pub(crate) fn wait<'a, T>(&self, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard { held: unpoison(self.0.wait(held.held)), ..held }
    }
    /// Lets others run once.
    pub(crate) fn wait_for<'a, T>(
        &self,
        held: MutexGuard<'a, T>,
        _: Duration,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        let mutex = held.mutex;
        drop(held);
        yield_now();
        (mutex.lock(), TimedOut(true))
    }
    /// Lets others run, and times out at random.
    pub(crate) fn wait_until<'a, T>(
        &self,
        held: MutexGuard<'a, T>,
        _: Instant,
    ) -> (MutexGuard<'a, T>, TimedOut) {
        use shuttle::rand::RngCore;
        let (held, _) = self.wait_for(held, Duration::ZERO);
        (held, TimedOut(shuttle::rand::thread_rng().next_u64().is_multiple_of(256)))
    }
}
