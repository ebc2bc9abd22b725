#![forbid(unsafe_code)]
//! The stop: threads wait at the start of a pin until the collector lets them go on.
//!
//! Only the stopped mode (for debugging and comparison) and the verifying build use it.
//! 1. The collector closes ([`Stop::close`]) and then sets a new epoch. A thread that sees the
//!    epoch sees the stop.
//! 2. The collector waits until every thread is outside of its pins.
//! 3. The collector opens ([`Stop::open`]), and the waiting threads read the epoch again.

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};

/// Whether threads wait at the start of a pin.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// Written under the lock; read without, before a wait.
    closed: AtomicBool,
    lock: Mutex<()>,
    opened: Condvar,
}

impl Stop {
    /// Keeps threads from beginning a pin. The epoch that is set after this carries the stop to the
    /// threads.
    pub(crate) fn close(&self) {
        let _lock = self.lock.lock();
        self.closed.store(true, Ordering::Release);
    }
    /// Lets all threads go on.
    pub(crate) fn open(&self) {
        let _lock = self.lock.lock();
        self.closed.store(false, Ordering::Release);
        self.opened.notify_all();
    }
    /// Returns whether a thread that begins a pin must wait. Acquire: a thread that finds it open
    /// sees what the stop did.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
    /// Waits until the stop is open.
    pub(crate) fn wait(&self) {
        let mut lock = self.lock.lock();
        while self.is_closed() {
            lock = self.opened.wait(lock);
        }
    }
}
