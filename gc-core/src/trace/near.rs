#![forbid(unsafe_code)]
//! What a marker finds in the span that it scans.
//!
//! 1. A tree or a list that was allocated together lies together, so most of what the objects of a span point to lies in the
//!    same span. Such an edge is caught where it is reported ([`Tracer::visit`](super::Tracer::visit)), by a subtraction, and
//!    noted as a bit ([`Near::note`]). When the objects that are being scanned are at their end, what was noted and not seen
//!    before are the next ones ([`Near::take`]): a bitmap, which the type's own code walks. So a span is scanned to its end
//!    while it is in the caches, without a queue, a list, a batch of edges or a look at a class in between.
//! 2. Nothing that others see is written meanwhile. The marks are copied when the span is opened ([`Near::open`]), and what
//!    was found is marked by one locked instruction for each word of a bitmap, before the marker lets go of the span
//!    ([`Near::settle`]). Until then it is grey in the marker's hands (rule 7), or scanned although it is not marked yet:
//!    whoever shades it meanwhile has it scanned once more, which changes nothing.

use crate::config::{BLOCK_WORDS, GRANULE_SHIFT};

/// A bitmap's words for one block.
pub(crate) type Bits = [u64; BLOCK_WORDS];

/// The objects of the span that is being scanned.
#[derive(Debug)]
pub(crate) struct Near {
    /// First byte of the span, or [`NOWHERE`](Near::NOWHERE).
    from: usize,
    /// Bit for each object that was pointed to since the last `take`, and whether there is one.
    noted: Bits,
    any: bool,
    /// Bit for each object that is marked or was taken.
    seen: Bits,
    /// Those of them that whoever looks at the bitmaps knows of, and whether that is not all.
    known: Bits,
    behind: bool,
}

impl Near {
    /// Far from every object: the upper half of the address space is the system's.
    pub(crate) const NOWHERE: usize = 1 << (usize::BITS - 1);

    /// No span.
    pub(crate) fn new() -> Near {
        let (from, none) = (Near::NOWHERE, [0; BLOCK_WORDS]);
        Near { from, noted: none, any: false, seen: none, known: none, behind: false }
    }
    /// First byte of the span.
    #[inline(always)]
    pub(crate) fn from(&self) -> usize {
        self.from
    }
    /// The span at `from`, whose objects with a bit in `known` are in somebody's hands already, is scanned from now on. What
    /// was found in the span before is settled.
    pub(crate) fn open(&mut self, from: usize, known: Bits) {
        debug_assert!(self.is_settled());
        (self.from, self.seen, self.known) = (from, known, known);
    }
    /// Nothing is near from now on.
    pub(crate) fn close(&mut self) {
        debug_assert!(self.is_settled());
        self.from = Near::NOWHERE;
    }
    /// An object of the span, `offset` bytes from its start, is pointed to. No branch: this stands in every trace function.
    #[inline(always)]
    pub(crate) fn note(&mut self, offset: usize) {
        let granule = offset >> GRANULE_SHIFT;
        self.noted[granule / 64 % BLOCK_WORDS] |= 1 << (granule % 64);
        self.any = !fault!("near_dropped");
    }
    /// Whether something was noted since the last `take`.
    #[inline(always)]
    pub(crate) fn has_noted(&self) -> bool {
        self.any
    }
    /// What was noted and not seen before, and how many objects that is.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> (Bits, usize) {
        self.any = false;
        let (mut found, mut n) = ([0; BLOCK_WORDS], 0);
        for (i, (noted, seen)) in self.noted.iter_mut().zip(&mut self.seen).enumerate() {
            found[i] = std::mem::take(noted) & !*seen;
            *seen |= found[i];
            n += found[i].count_ones() as usize;
        }
        self.behind |= n > 0;
        (found, n)
    }
    /// Whether everything that was noted is in the bitmaps.
    #[inline(always)]
    pub(crate) fn is_settled(&self) -> bool {
        !self.any && !self.behind
    }
    /// Calls `enter` with each word that has bits of objects that were taken, and these bits: they go into the bitmaps.
    pub(crate) fn settle(&mut self, mut enter: impl FnMut(usize, u64)) {
        self.behind = false;
        for (i, (known, seen)) in self.known.iter_mut().zip(self.seen).enumerate() {
            let taken = seen & !*known;
            if taken != 0 {
                *known = seen;
                enter(i, taken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that have bits.
    fn taken(near: &mut Near) -> Vec<(usize, u64)> {
        let (bits, n) = near.take();
        assert_eq!(n, bits.iter().map(|word| word.count_ones() as usize).sum::<usize>());
        bits.into_iter().enumerate().filter(|(_, word)| *word != 0).collect()
    }
    fn settled(near: &mut Near) -> Vec<(usize, u64)> {
        let mut all = Vec::new();
        near.settle(|word, bits| all.push((word, bits)));
        all
    }

    #[test]
    fn each_object_is_taken_once_and_settled_once() {
        let mut near = Near::new();
        let mut known = [0; BLOCK_WORDS];
        known[0] = 0b101;
        near.open(1 << 20, known);
        for offset in [0, 16, 32, 16, 1024, BLOCK_WORDS * 1024 - 16, 1024] {
            near.note(offset);
        }
        assert!(near.has_noted());
        let found = [(0, 0b10), (1, 1), (BLOCK_WORDS - 1, 1 << 63)];
        assert_eq!(taken(&mut near), found);
        near.note(1024);
        assert!(taken(&mut near).is_empty() && !near.is_settled());
        assert_eq!(settled(&mut near), found);
        assert!(near.is_settled());
        near.note(48);
        assert_eq!(taken(&mut near), [(0, 0b1000)]);
        assert_eq!(settled(&mut near), [(0, 0b1000)]);
        near.open(1 << 20, [u64::MAX; BLOCK_WORDS]);
        near.note(64);
        assert!(taken(&mut near).is_empty() && near.is_settled());
    }
}
