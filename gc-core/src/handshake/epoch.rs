#![forbid(unsafe_code)]
//! The epoch: a moment of the protocol ([`Epoch`]), and the heap's current one ([`EpochWord`]).

use crate::sync::{AtomicU64, Ordering};
use crate::word::{Cycle, SweepNumber};

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
    pub fn sweep(cycle: Cycle) -> Epoch {
        Epoch(cycle.get() << SEQ_BITS | SEQ_SWEEP)
    }
    /// The preparation of `cycle` (at least 1).
    pub fn prep(cycle: Cycle) -> Epoch {
        Epoch(cycle.get() << SEQ_BITS | SEQ_PREP)
    }
    /// The mark phase of `cycle`.
    pub fn mark(cycle: Cycle) -> Epoch {
        Epoch(cycle.get() << SEQ_BITS | SEQ_MARK)
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
    pub fn cycle(self) -> Cycle {
        Cycle::new(self.0 >> SEQ_BITS)
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
    pub fn sweeps_begun(self) -> SweepNumber {
        let sweep = self.cycle().sweep();
        if self.mode() == Mode::Off { sweep } else { sweep.previous() }
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
            SEQ_PREP => write!(f, "{:?}:prep", self.cycle()),
            SEQ_MARK => write!(f, "{:?}:mark", self.cycle()),
            SEQ_SWEEP => write!(f, "{:?}:sweep", self.cycle()),
            round => write!(f, "{:?}:term{}", self.cycle(), round - SEQ_MARK),
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
        EpochWord(AtomicU64::new(Epoch::sweep(Cycle::new(0)).word()))
    }
    /// Returns the current epoch. Acquire: a thread that sees an epoch sees what the collector did
    /// before it.
    #[inline(always)]
    pub fn load(&self) -> Epoch {
        Epoch(self.0.load(Ordering::Acquire))
    }
    /// Returns whether the epoch is another one than that of `word`, as far as the caller has seen.
    #[inline(always)]
    pub(super) fn has_left(&self, word: u64) -> bool {
        self.0.load(Ordering::Relaxed) != word
    }
    /// Sets the next epoch. The handshake's fence comes after, in
    /// `cycle::Collector::begin_handshake`.
    pub fn advance(&self, to: Epoch) {
        debug_assert!(to > self.load(), "epochs only grow");
        self.0.store(to.word(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_grow_along_a_cycle_and_name_their_mode() {
        let line = [
            Epoch::sweep(Cycle::new(0)),
            Epoch::prep(Cycle::new(1)),
            Epoch::mark(Cycle::new(1)),
            Epoch::mark(Cycle::new(1)).next_round(),
            Epoch::mark(Cycle::new(1)).next_round().next_round(),
            Epoch::sweep(Cycle::new(1)),
            Epoch::prep(Cycle::new(2)),
        ];
        assert!(line.is_sorted());
        let modes = line.map(Epoch::mode);
        let m = Mode::Mark;
        assert_eq!(modes, [Mode::Off, Mode::Prep, m, m, m, Mode::Off, Mode::Prep]);
        assert_eq!(line.map(|epoch| epoch.sweeps_begun().get()), [0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(format!("{:?}", line[4]), "1:term2");
    }
}
