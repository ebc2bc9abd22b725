#![forbid(unsafe_code)]
//! The objects that a marker finds in the span that it scans.
//!
//! 1. Objects of a list or a tree that were allocated together lie together, so most of their edges
//!    lead into the same span. [`Tracer::visit`](super::Tracer::visit) recognises such an edge by
//!    one subtraction and sets a bit for it ([`Near::note`]). When the current objects of the span
//!    are scanned, the marker takes the new bits ([`Near::take`]). The trace function of the type
//!    then walks this bitmap. So the marker scans a span to its end while the span is in the
//!    caches. It needs no queue, no list, no batch of edges and no look at the class in between.
//!    In a list each object leads to one other. A bitmap for each would cost more than the object,
//!    so these are taken one by one ([`Near::take_only`]).
//! 2. Meanwhile the marker writes nothing that other threads see. It copies the mark bits when it
//!    opens the span ([`Near::open`]). It marks what it found before it leaves the span, with one
//!    locked instruction for each word of a bitmap ([`Near::settle`]). Until then the found objects
//!    are grey in the marker's hands (rule 7), or scanned although not marked yet. If another
//!    thread shades such an object meanwhile, it is scanned a second time, which does no harm.

use crate::config::{BLOCK_WORDS, GRANULE_SHIFT};
use crate::word::Addr;

/// A bitmap's words for one block.
pub(crate) type Bits = [u64; BLOCK_WORDS];
const _: () = assert!(BLOCK_WORDS <= 32, "`Near::words` has a bit for each word");

/// Returns the address of the object in a granule of the span at `start`. `halves` is the word of
/// the granule in the bitmap of objects that begin in the second half of theirs.
#[inline(always)]
pub(crate) fn object_at(start: Addr, halves: u64, granule: usize) -> Addr {
    let half = (halves >> (granule % 64) & 1) as usize;
    start + ((granule << GRANULE_SHIFT) + 8 * half)
}

/// Calls `each` with the address of every object of `bits` in the span at `start`, in order.
/// `halves` has a bit for each object that begins in the second half of its granule.
#[inline(always)]
pub(crate) fn each_object(start: Addr, halves: &[u64], bits: &Bits, mut each: impl FnMut(Addr)) {
    for (i, (word, halves)) in bits.iter().zip(halves).enumerate() {
        let mut left = *word;
        while left != 0 {
            let bit = left.trailing_zeros();
            each(object_at(start, *halves, i * 64 + bit as usize));
            left &= left - 1;
        }
    }
}

/// The objects of the span that a marker scans.
#[derive(Debug)]
pub(crate) struct Near {
    /// First byte of the span, or [`NOWHERE`](Near::NOWHERE).
    from: Addr,
    /// A bit for each object that was noted since the last `take`, and a bit for each word of
    /// `noted` that has one.
    noted: Bits,
    words: u32,
    /// A bit for each object that was marked when the span was opened, or was taken since.
    seen: Bits,
    /// Those bits of `seen` that the shared bitmaps have too. `behind` tells that `seen` has more.
    known: Bits,
    behind: bool,
}

impl Near {
    /// Not the address of any object: the system owns the upper half of the address space.
    pub(crate) const NOWHERE: Addr = Addr::new(1 << (usize::BITS - 1));

    /// The marker scans no span.
    pub(crate) fn new() -> Near {
        let (from, none) = (Near::NOWHERE, [0; BLOCK_WORDS]);
        Near { from, noted: none, words: 0, seen: none, known: none, behind: false }
    }
    /// First byte of the span, or [`NOWHERE`](Near::NOWHERE).
    #[inline(always)]
    pub(crate) fn from(&self) -> Addr {
        self.from
    }
    /// The marker scans the span at `from` from now on. Objects with a bit in `known` are marked,
    /// so another entry or marker has them. The span before must be settled.
    pub(crate) fn open(&mut self, from: Addr, known: Bits) {
        debug_assert!(self.is_settled());
        (self.from, self.seen, self.known) = (from, known, known);
    }
    /// The marker scans no span from now on. The span before must be settled.
    pub(crate) fn close(&mut self) {
        debug_assert!(self.is_settled());
        self.from = Near::NOWHERE;
    }
    /// Notes an edge to the object `offset` bytes from the span's start. It has no branch, since it
    /// is inlined into every trace function.
    #[inline(always)]
    pub(crate) fn note(&mut self, offset: usize) {
        let granule = offset >> GRANULE_SHIFT;
        let word = granule / 64 % BLOCK_WORDS;
        self.noted[word] |= 1 << (granule % 64);
        self.words |= 1 << word;
    }
    /// Returns whether something was noted since the last `take`.
    #[inline(always)]
    pub(crate) fn has_noted(&self) -> bool {
        self.words != 0
    }
    /// Takes the noted object if only one was noted. Returns its granule. Returns `None` if several
    /// were noted, or if no noted object is new.
    #[inline(always)]
    pub(crate) fn take_only(&mut self) -> Option<usize> {
        let word = self.words.trailing_zeros() as usize % BLOCK_WORDS;
        let noted = self.noted[word];
        if !self.words.is_power_of_two() || !noted.is_power_of_two() {
            return None;
        }
        self.noted[word] = 0;
        self.words = 0;
        let is_new = self.seen[word] & noted == 0;
        self.seen[word] |= noted;
        self.behind |= is_new;
        is_new.then(|| word * 64 + noted.trailing_zeros() as usize)
    }
    /// Returns the objects that were noted and not seen before, and their number.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> (Bits, usize) {
        self.words = 0;
        let (mut found, mut n) = ([0; BLOCK_WORDS], 0);
        for (i, (noted, seen)) in self.noted.iter_mut().zip(&mut self.seen).enumerate() {
            found[i] = std::mem::take(noted) & !*seen;
            *seen |= found[i];
            n += found[i].count_ones() as usize;
        }
        self.behind |= n > 0;
        (found, n)
    }
    /// Returns whether the shared bitmaps have everything that was noted.
    #[inline(always)]
    pub(crate) fn is_settled(&self) -> bool {
        !self.has_noted() && !self.behind
    }
    /// Calls `enter` for each word that has newly taken objects, with the word's index and their
    /// bits. `enter` adds them to the shared bitmaps.
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
        near.open(Addr::new(1 << 20), known);
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
        near.open(Addr::new(1 << 20), [u64::MAX; BLOCK_WORDS]);
        near.note(64);
        assert!(taken(&mut near).is_empty() && near.is_settled());
    }

    #[test]
    fn an_object_is_taken_alone_if_it_is_the_only_one() {
        let mut near = Near::new();
        let mut known = [0; BLOCK_WORDS];
        known[1] = 1;
        near.open(Addr::new(1 << 20), known);
        assert_eq!(near.take_only(), None, "nothing was noted");
        near.note(1040);
        near.note(1040);
        assert_eq!((near.take_only(), near.has_noted()), (Some(65), false));
        near.note(1024);
        assert_eq!((near.take_only(), near.has_noted()), (None, false), "another marker has it");
        for pair in [[16, 32], [48, 2048]] {
            pair.into_iter().for_each(|offset| near.note(offset));
            assert_eq!((near.take_only(), near.has_noted()), (None, true), "{pair:?}");
            assert_eq!(near.take().1, 2);
        }
        assert_eq!(settled(&mut near), [(0, 0b1110), (1, 0b10), (2, 1)]);
        near.note(1040);
        assert_eq!(near.take_only(), None, "it was taken before");
        assert!(near.is_settled());
        let halves = 1 << 1;
        let at = object_at(near.from(), halves, 65) - near.from();
        assert_eq!((at, object_at(near.from(), 0, 65) - near.from()), (1048, 1040));
    }
}
