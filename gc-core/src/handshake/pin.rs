#![forbid(unsafe_code)]
//! The two words of a handshake: the heap's [`EpochWord`] and each thread's [`PinWord`].
//!
//! 1. A thread pins: it reads the epoch, publishes it, fences, and reads it again
//!    ([`PinWord::publish`]).
//! 2. The collector advances the epoch ([`EpochWord::advance`]), fences, and waits for each thread.
//!    A thread must be unpinned or have published at least the new epoch ([`PinWord::crossed`]).
//! 3. The pair of fences (INV-1) leaves two cases. Either the collector sees the older pin and
//!    waits for it, or the thread sees the newer epoch and takes its pin back.

use super::light::LightEpoch;
use crate::sync::{AtomicU64, Ordering, compiler_fence, full_fence};

/// Bits of an [`Epoch`] below the cycle number.
const SEQ_BITS: u32 = 24;
const SEQ_PREP: u64 = 1;
const SEQ_MARK: u64 = 2;
const SEQ_SWEEP: u64 = (1 << SEQ_BITS) - 1;

/// A moment of the protocol: the cycle's number and the step within it. Later moments are larger.
/// None is zero, which is the *unpinned* state of a [`PinWord`].
///
/// The 40 bits of cycles last for more than three years at ten thousand cycles a second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// The behaviour of a mutator at a store and an allocation, fixed for a whole pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// No marking: plain stores, white objects. The sweep may be running.
    Off = 0,
    /// Every store shades the new value, exchanges, and shades the old one; white objects.
    Prep = 1,
    /// Every store shades the old value; black objects. The mark phase and every termination round.
    Mark = 2,
}

impl Epoch {
    /// The sweep of `cycle`, and all the time after it until the next cycle.
    pub fn sweep(cycle: u64) -> Epoch {
        Epoch(cycle << SEQ_BITS | SEQ_SWEEP)
    }
    /// The preparation of `cycle` (at least 1).
    pub fn prep(cycle: u64) -> Epoch {
        Epoch(cycle << SEQ_BITS | SEQ_PREP)
    }
    /// The mark phase of `cycle`.
    pub fn mark(cycle: u64) -> Epoch {
        Epoch(cycle << SEQ_BITS | SEQ_MARK)
    }
    /// The next termination round after this epoch, which is a mark or a termination round.
    pub fn next_round(self) -> Epoch {
        assert!(
            (SEQ_MARK..SEQ_SWEEP - 1).contains(&(self.0 & SEQ_SWEEP)),
            "a round follows a mark"
        );
        Epoch(self.0 + 1)
    }
    /// The number of the cycle.
    pub fn cycle(self) -> u64 {
        self.0 >> SEQ_BITS
    }
    /// The behaviour of a mutator in this epoch.
    pub fn mode(self) -> Mode {
        match self.0 & SEQ_SWEEP {
            SEQ_PREP => Mode::Prep,
            SEQ_SWEEP => Mode::Off,
            _ => Mode::Mark,
        }
    }
    /// Number of sweeps that had begun as of this epoch (rule 10). A thread of this epoch takes
    /// slots only of spans with this number.
    pub fn sweeps_begun(self) -> u64 {
        if self.mode() == Mode::Off { self.cycle() } else { self.cycle() - 1 }
    }
    /// Later than any moment.
    pub(super) const LAST: Epoch = Epoch(u64::MAX);

    pub(super) fn of_word(word: u64) -> Epoch {
        Epoch(word)
    }
    /// The epoch as one word, never zero.
    pub fn word(self) -> u64 {
        self.0
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 & SEQ_SWEEP {
            SEQ_PREP => write!(f, "{}:prep", self.cycle()),
            SEQ_MARK => write!(f, "{}:mark", self.cycle()),
            SEQ_SWEEP => write!(f, "{}:sweep", self.cycle()),
            round => write!(f, "{}:term{}", self.cycle(), round - SEQ_MARK),
        }
    }
}

/// The heap's epoch. Only the collector thread writes it, and it only grows; every pin reads it.
#[derive(Debug)]
pub struct EpochWord(AtomicU64);

impl EpochWord {
    /// The epoch of a new heap: the sweep of cycle 0, with nothing to sweep.
    #[allow(clippy::new_without_default, reason = "an epoch has no natural default")]
    pub fn new() -> Self {
        EpochWord(AtomicU64::new(Epoch::sweep(0).word()))
    }
    /// Returns the current epoch. Acquire: a thread that sees an epoch sees what the collector did
    /// before it.
    #[inline(always)]
    pub fn load(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }
    /// Sets the next epoch. The handshake's fence comes after, in
    /// `cycle::Collector::begin_handshake`.
    pub fn advance(&self, to: Epoch) {
        debug_assert!(to > self.load(), "epochs only grow");
        self.0.store(to.word(), Ordering::SeqCst);
    }
}

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
        if !fault!("pin_without_fence") {
            full_fence();
        }
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
        crate::sync::chaos();
        if now() == at || fault!("pin_without_second_read") {
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
        epoch.0.load(Ordering::Relaxed) != self.0.load(Ordering::Relaxed)
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

    #[test]
    fn epochs_grow_along_a_cycle_and_name_their_mode() {
        let line = [
            Epoch::sweep(0),
            Epoch::prep(1),
            Epoch::mark(1),
            Epoch::mark(1).next_round(),
            Epoch::mark(1).next_round().next_round(),
            Epoch::sweep(1),
            Epoch::prep(2),
        ];
        assert!(line.is_sorted());
        let modes = line.map(Epoch::mode);
        let m = Mode::Mark;
        assert_eq!(modes, [Mode::Off, Mode::Prep, m, m, m, Mode::Off, Mode::Prep]);
        assert_eq!(line.map(Epoch::sweeps_begun), [0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(format!("{:?}", line[4]), "1:term2");
    }

    #[test]
    fn a_pin_in_an_old_epoch_does_not_stand() {
        let (epoch, pin) = (EpochWord::new(), PinWord::new());
        let old = epoch.load();
        epoch.advance(Epoch::prep(1));
        assert!(!pin.publish(old, &epoch));
        assert!(pin.is_unpinned());
        assert!(pin.publish(epoch.load(), &epoch));
        assert!(pin.crossed(Epoch::prep(1)) && !pin.crossed(Epoch::mark(1)));
        assert!(!pin.is_awaited(&epoch));
        epoch.advance(Epoch::mark(1));
        assert!(pin.is_awaited(&epoch));
    }
}
