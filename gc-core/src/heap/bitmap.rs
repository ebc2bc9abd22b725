//! Bitmaps on the side, with a bit for every 16 bytes of the heap. The bit of an object follows
//! from its address alone, without a division and without its span. No object is smaller than 16
//! bytes, so no two share a bit.
//!
//! The same encoding serves marks and allocation. Mark words are shared by markers, by mutators
//! that shade and by owners that mark whole runs. So they change by read-modify-write only
//! (INV-13).

use crate::sync::{AtomicU64, Ordering};

/// One word of marks as a protocol. Threads that find objects only set bits. The owner of the slot
/// clears them, or the sweeper of the span after every thread has crossed into the sweep.
#[derive(Debug)]
#[repr(transparent)]
pub struct MarkWord(AtomicU64);

impl MarkWord {
    /// Without marks.
    #[cfg(any(test, loom))]
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        MarkWord(AtomicU64::new(0))
    }
    /// Sets the single bit of `mask`. Returns whether this call set it, which is true for exactly
    /// one of all concurrent callers. A plain load first saves the locked instruction if the bit is
    /// set already.
    #[inline(always)]
    #[must_use]
    pub fn test_and_set(&self, mask: u64) -> bool {
        self.0.load(Ordering::Relaxed) & mask == 0
            && self.0.fetch_or(mask, Ordering::SeqCst) & mask == 0
    }
    /// The same for any number of bits. Returns the bits that this call set, with one locked
    /// instruction for all objects that a marker finds in a word.
    #[inline(always)]
    #[must_use]
    pub fn test_and_set_all(&self, mask: u64) -> u64 {
        let new = mask & !self.0.load(Ordering::Relaxed);
        if new == 0 { 0 } else { new & !self.0.fetch_or(new, Ordering::SeqCst) }
    }
    /// The word as it is. Sequentially consistent, as is [`test_and_set`](Self::test_and_set);
    /// `GreySpan` has the reason.
    #[inline(always)]
    pub fn bits(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    /// Sets the bits of `mask` and returns those of them that this call set.
    #[inline(always)]
    pub fn add(&self, mask: u64) -> u64 {
        mask & !self.0.fetch_or(mask, Ordering::AcqRel)
    }
    /// Returns whether any bit of `mask` is set.
    #[inline(always)]
    pub fn is_set(&self, mask: u64) -> bool {
        self.0.load(Ordering::Acquire) & mask != 0
    }
    /// Marks slots that no other thread can mark: the free slots of the caller's own run.
    pub fn set_own(&self, mask: u64) {
        if mask != 0 {
            self.0.fetch_or(mask, Ordering::AcqRel);
        }
    }
    /// Takes such marks back.
    pub fn clear_own(&self, mask: u64) {
        if mask != 0 {
            self.0.fetch_and(!mask, Ordering::AcqRel);
        }
    }
    /// Returns the word and clears it. By the sweep that owns the span.
    pub fn take(&self) -> u64 {
        let marks = self.0.load(Ordering::Acquire);
        if marks != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
        marks
    }
}

/// The bits of `[from, to)` within word `word`, where both count from the start of word 0.
pub(crate) fn range_mask(word: usize, from: usize, to: usize) -> u64 {
    let (lo, hi) = (from.max(word * 64), to.min(word * 64 + 64));
    if lo >= hi {
        return 0;
    }
    let ones = hi - lo;
    (u64::MAX >> (64 - ones)) << (lo - word * 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_masks_meet_without_gap_or_overlap() {
        for from in 0..130 {
            for to in from..=192 {
                let bits: u32 = (0..3).map(|w| range_mask(w, from, to).count_ones()).sum();
                assert_eq!(bits as usize, to - from);
            }
        }
        assert_eq!(range_mask(1, 64, 65), 1);
        assert_eq!(range_mask(0, 63, 65), 1 << 63);
    }

    #[test]
    fn only_the_first_setter_is_told() {
        let word = MarkWord::new();
        assert!(word.test_and_set(4));
        assert!(!word.test_and_set(4));
        assert_eq!(word.test_and_set_all(7), 3);
        assert_eq!(word.test_and_set_all(5), 0);
        assert_eq!(word.take(), 7);
        assert!(!word.is_set(u64::MAX));
    }
}
