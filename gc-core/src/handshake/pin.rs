#![forbid(unsafe_code)]
//! The pin: each thread's [`PinWord`], the answer to the heap's [`EpochWord`].
//!
//! 1. A thread pins: it reads the epoch, publishes it, fences, and reads it again
//!    ([`PinWord::publish`]).
//! 2. The collector advances the epoch ([`EpochWord::advance`]), fences, and waits for each thread.
//!    A thread must be unpinned or have published at least the new epoch ([`PinWord::crossed`]).
//! 3. The pair of fences (INV-1) leaves two cases. Either the collector sees the older pin and
//!    waits for it, or the thread sees the newer epoch and takes its pin back.

use super::epoch::{Epoch, EpochWord};
use super::light::LightEpoch;
use crate::sync::{AtomicU64, Ordering, compiler_fence, full_fence};

/// A thread's published pin: zero (unpinned) or the epoch of its pin.
///
/// | from | to | by | when |
/// |---|---|---|---|
/// | unpinned | pinned(e) | owner | `publish`, and it stands if the epoch is still e after the fence |
/// | pinned(e) | unpinned | owner | `publish` that found a newer epoch; `clear` at the end of the pin |
#[derive(Debug)]
pub struct PinWord(AtomicU64);

impl PinWord {
    /// An unpinned thread.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        PinWord(AtomicU64::new(0))
    }
    /// Publishes a pin at `at`. Returns whether it stands. If not, the word is unpinned again and
    /// the caller starts over with the newer epoch (INV-1).
    #[inline(always)]
    #[must_use]
    pub fn publish(&self, at: Epoch, epoch: &EpochWord) -> bool {
        self.0.store(at.word(), Ordering::Release);
        full_fence();
        self.stands(at, || epoch.load())
    }
    /// The same for a pin that leaves the fence to the collector. The caller has read `at` in
    /// `epoch`.
    #[inline(always)]
    #[must_use]
    pub fn publish_light(&self, at: Epoch, epoch: &LightEpoch) -> bool {
        self.0.store(at.word(), Ordering::Release);
        compiler_fence();
        self.stands(at, || epoch.load())
    }
    /// The second read, after the fence. Returns whether the pin at `at` stands, and takes it back
    /// if not.
    #[inline(always)]
    fn stands(&self, at: Epoch, now: impl FnOnce() -> Epoch) -> bool {
        if now() == at {
            return true;
        }
        self.0.store(0, Ordering::Release);
        false
    }
    /// Returns whether the epoch has moved since the pin began, so that a handshake waits for it,
    /// or will. For its owner. Relaxed: a late look costs a delay.
    #[inline(always)]
    #[must_use]
    pub fn is_awaited(&self, epoch: &EpochWord) -> bool {
        epoch.has_left(self.0.load(Ordering::Relaxed))
    }
    /// Ends the pin. Release: all that the pin did happens before the look of a thread that sees it
    /// unpinned.
    #[inline(always)]
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
    /// Returns whether a handshake to `to` need not wait for this thread any more. Acquire: pairs
    /// with the stores above.
    #[must_use]
    pub fn crossed(&self, to: Epoch) -> bool {
        let at = self.0.load(Ordering::Acquire);
        at == 0 || at >= to.word()
    }
    /// Returns whether the thread is outside of every pin, as far as the caller can know.
    pub fn is_unpinned(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::Cycle;

    #[test]
    fn a_pin_in_an_old_epoch_does_not_stand() {
        let (epoch, pin) = (EpochWord::new(), PinWord::new());
        let old = epoch.load();
        epoch.advance(Epoch::prep(Cycle::new(1)));
        assert!(!pin.publish(old, &epoch));
        assert!(pin.is_unpinned());
        assert!(pin.publish(epoch.load(), &epoch));
        assert!(
            pin.crossed(Epoch::prep(Cycle::new(1))) && !pin.crossed(Epoch::mark(Cycle::new(1)))
        );
        assert!(!pin.is_awaited(&epoch));
        epoch.advance(Epoch::mark(Cycle::new(1)));
        assert!(pin.is_awaited(&epoch));
    }
}
