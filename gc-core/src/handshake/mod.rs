//! The ragged handshake: every thread learns of a new epoch, and no thread is stopped for it.
//!
//! Life of a handshake:
//! 1. The collector sets the epoch and fences (`begin`). Where the system can, it fences on behalf
//!    of all threads (`light`).
//! 2. It takes a snapshot of the registered threads (`registry`). A thread that registers later
//!    reads the new epoch at its first pin (INV-2).
//! 3. It waits, thread by thread, until each is unpinned or has published the new epoch (`pin`). A
//!    thread in a long pin delays the cycle, but no other thread.
//! 4. At a crossing into Sweep, some threads are unpinned and have not crossed by themselves. The
//!    collector takes their caches back on their behalf ([`Crossing`]).
//!
//! Literature: Doligez and Gonthier, "Portable, unobtrusive garbage collection for multiprocessor
//! systems" (POPL 1994), for handshakes. The proof that these rules hold is the project's SPIN
//! model.
//!
//! Files, lowest first: `epoch`, `light`, `pin`, `registry`, `stop`.

pub mod epoch;
pub mod light;
pub mod pin;
pub mod registry;
#[cfg(not(loom))]
pub(crate) mod stop;

pub use epoch::{Epoch, EpochWord, Mode};
pub use light::LightEpoch;
pub use pin::PinWord;

use crate::sync::{AtomicU64, Mutex, Ordering};

/// Decides which thread does the owner's work for a new epoch. Either the owner does, at its first
/// pin in the epoch, or the collector does, for an owner that is not pinned (rule 11).
///
/// `seen` is the last epoch for which the owner did the work. The owner writes it under the lock,
/// so under the lock the collector knows whether the owner has been here. The published pin cannot
/// tell, for a thread may have crossed and unpinned again.
#[derive(Debug)]
pub struct Crossing {
    seen: AtomicU64,
    lock: Mutex<()>,
}

impl Crossing {
    /// A thread that has seen no epoch.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Crossing { seen: AtomicU64::new(0), lock: Mutex::new(()) }
    }
    /// Returns whether the owner has done its work for `epoch`. Owner only; relaxed, because only
    /// the owner writes it.
    #[inline(always)]
    pub fn has_seen(&self, epoch: Epoch) -> bool {
        self.seen.load(Ordering::Relaxed) == epoch.word()
    }
    /// The owner's side: `work` brings its cache to `epoch`, *before* the pin is published (publish
    /// last).
    pub fn owner(&self, epoch: Epoch, work: impl FnOnce()) {
        let _lock = self.lock.lock();
        work();
        self.seen.store(epoch.word(), Ordering::Relaxed);
    }
    /// The collector's side, after it found the owner unpinned or crossed. Runs `work` if the owner
    /// has not been in `epoch` yet. While the lock is held the owner cannot enter the epoch, and a
    /// pin in an older one does not stand (INV-1). So the owner's cache is the collector's.
    pub fn on_behalf(&self, epoch: Epoch, work: impl FnOnce()) {
        let _lock = self.lock.lock();
        if self.seen.load(Ordering::Relaxed) < epoch.word() {
            work();
        }
    }
    /// Makes the owner do its work again at its next pin. The owner calls this, unpinned. Until
    /// then the lock keeps it out as if it had not been in the epoch.
    pub fn forget(&self) {
        self.seen.store(0, Ordering::Relaxed);
    }
    /// Runs `work` while the owner is kept out of every new epoch: for the end of a thread or of
    /// the heap.
    pub fn exclusively(&self, work: impl FnOnce()) {
        let _lock = self.lock.lock();
        work();
    }
}
