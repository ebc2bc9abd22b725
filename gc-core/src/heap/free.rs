#![forbid(unsafe_code)]
//! Free slots of a span: a thread that holds the span takes them, and gives back those that it does
//! not use.
//!
//! 1. A thread takes a span's free slots piece by piece, in order of address
//!    ([`Tables::next_free`]). Where many free slots adjoin, a piece is a *run*, which the cursor
//!    bumps through. Where few are free, it is the *holes* of one bitmap word, which the cursor
//!    takes out bit by bit. In a span that is half in use a run has two slots on average. Finding
//!    each run takes branches that mispredict; a hole takes none.
//! 2. All slots of a piece that a thread takes count as allocated ([`Tables::take_run`],
//!    [`Tables::take_holes`]).
//! 3. Free slots share cache lines with objects, so they are cold. With the holes of a word, those
//!    of the next word are prefetched ([`Tables::prefetch_holes`]).
//! 4. When the thread gives the span up, unused slots go back ([`Tables::give_rest`]).
//!
//! Black allocation marks every free slot of a span, taken or not, when the span is taken in Mark
//! (`mutator`). So [`Tables::for_unused`] covers both.

use super::asan;
use super::bitmap::range_mask;
use super::span::SpanClass;
use super::tables::Tables;
use crate::config::GRANULE_SHIFT;
use crate::sync::prefetch;
use crate::word::{Addr, BlockId};

/// A stretch of free slots: from the first byte of the first slot to the first byte after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: Addr,
    pub(crate) to: Addr,
}

/// Scattered free slots: bits of one word of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holes {
    /// Which word of the span.
    pub(crate) word: usize,
    /// A bit for each granule in which a slot begins.
    pub(crate) bits: u64,
}

/// The slots of a span that a thread takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    Run(Run),
    Holes(Holes),
}

/// The content of a cursor, moved out of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldSlots {
    pub(crate) class: &'static SpanClass,
    pub(crate) span: BlockId,
    /// The unused rest of the run.
    pub(crate) rest: Run,
    /// The unused holes in the bitmap word that ends at the end of the rest.
    pub(crate) holes: u64,
}

impl Tables {
    /// Returns the first free slots of a span that begin at or after `at`. They are a run, or the
    /// holes of a word in which few are free. The caller owns the span.
    pub(crate) fn next_free(&self, class: &SpanClass, span: BlockId, at: Addr) -> Option<Free> {
        let start = self.address(span);
        let first_word = self.first_word(span);
        let words = class.starts.len();
        let granule = (at - start) >> GRANULE_SHIFT;
        let mut word = granule / 64;
        if word >= words {
            return None;
        }
        let mut bits =
            class.starts[word] & !self.allocated(first_word + word) & (u64::MAX << (granule % 64));
        while bits == 0 {
            word += 1;
            if word == words {
                return None;
            }
            bits = class.starts[word] & !self.allocated(first_word + word);
        }
        if bits.count_ones() * 4 < class.starts[word].count_ones() * 3 {
            return Some(Free::Holes(Holes { word, bits }));
        }
        let from = class.slot_at(word * 64 + bits.trailing_zeros() as usize);
        // The run ends at the next allocated slot.
        let skip = bits.trailing_zeros();
        let mut taken = self.allocated(first_word + word) & (u64::MAX << skip);
        while taken == 0 {
            word += 1;
            if word == words {
                let to = class.slots;
                return Some(Free::Run(self.run_of(class, start, from, to)));
            }
            taken = self.allocated(first_word + word);
        }
        let to = class.slot_at(word * 64 + taken.trailing_zeros() as usize);
        Some(Free::Run(self.run_of(class, start, from, to)))
    }

    /// The first free slot of a span. The caller owns the span.
    pub(crate) fn first_free(&self, class: &SpanClass, span: BlockId) -> Option<Run> {
        let start = self.address(span);
        Some(match self.next_free(class, span, start)? {
            Free::Run(run) => Run { from: run.from, to: run.from + class.slot },
            Free::Holes(Holes { word, bits }) => {
                let slot = class.slot_at(word * 64 + bits.trailing_zeros() as usize);
                self.run_of(class, start, slot, slot + 1)
            }
        })
    }

    fn run_of(&self, class: &SpanClass, start: Addr, from: usize, to: usize) -> Run {
        let at = start + class.origin;
        Run { from: at + from * class.slot, to: at + to * class.slot }
    }

    /// Calls `each(word index, mask)` for the bits of the slots of `run`, which lies in one span of
    /// `class`.
    pub(crate) fn for_bits(
        &self,
        class: &SpanClass,
        span: BlockId,
        run: Run,
        mut each: impl FnMut(usize, u64),
    ) {
        if run.from == run.to {
            return;
        }
        let start = self.address(span);
        let from = (run.from - start) >> GRANULE_SHIFT;
        // Exclusive: the granule of an object that starts at `run.to` belongs to that object.
        let to = (run.to - start) >> GRANULE_SHIFT;
        let first_word = self.first_word(span);
        for word in from / 64..to.div_ceil(64).min(class.starts.len()) {
            let mask = range_mask(word, from, to) & class.starts[word];
            if mask != 0 {
                each(first_word + word, mask);
            }
        }
    }

    /// Calls `each(word index, mask)` for the free slots of a span, including those in the hands of
    /// the thread that holds it. The caller owns the span.
    pub(crate) fn for_unused(&self, held: &HeldSlots, mut each: impl FnMut(usize, u64)) {
        let (start, first) = (self.address(held.span), self.first_word(held.span));
        let from = (held.rest.from - start) >> GRANULE_SHIFT;
        let to = (held.rest.to - start) >> GRANULE_SHIFT;
        for (i, starts) in held.class.starts.iter().enumerate() {
            let holes = if (i + 1) * 64 == to { held.holes } else { 0 };
            let mask = starts & (!self.allocated(first + i) | range_mask(i, from, to)) | holes;
            if mask != 0 {
                each(first + i, mask);
            }
        }
    }

    /// Lets the sanitizer allow the use of a run that is about to be taken.
    #[inline(always)]
    pub(crate) fn open_run(&self, class: &SpanClass, run: Run) {
        asan::unpoison(run.from - class.origin, run.to - run.from);
    }
    /// Counts the slots of `run` as allocated. The caller owns the span.
    pub(crate) fn take_run(&self, class: &SpanClass, span: BlockId, run: Run) {
        self.for_bits(class, span, run, |word, mask| {
            let bits = self.allocated(word);
            self.set_allocated(word, bits | mask);
        });
    }
    /// The same for holes. Returns the address at which their word ends.
    pub(crate) fn take_holes(&self, span: BlockId, holes: Holes) -> Addr {
        let word = self.first_word(span) + holes.word;
        self.set_allocated(word, self.allocated(word) | holes.bits);
        self.address(span) + (((holes.word + 1) * 64) << GRANULE_SHIFT)
    }
    /// Prefetches the lines in which the free slots of a word begin.
    #[inline(always)]
    pub(crate) fn prefetch_holes(&self, class: &SpanClass, span: BlockId, word: usize) {
        let Some(starts) = class.starts.get(word) else { return };
        let bits = starts & !self.allocated(self.first_word(span) + word);
        // One bit for each line of four granules.
        let mut lines = (bits | bits >> 1 | bits >> 2 | bits >> 3) & 0x1111_1111_1111_1111;
        let base = self.address(span) + ((word * 64) << GRANULE_SHIFT);
        while lines != 0 {
            prefetch((base + ((lines.trailing_zeros() as usize) << GRANULE_SHIFT)).ptr::<u8>());
            lines &= lines - 1;
        }
    }
    /// Undoes `take_run` and `take_holes` for the unused rest. Returns how many slots of the span
    /// are free then.
    pub(crate) fn give_rest(&self, held: &HeldSlots) -> usize {
        let class = held.class;
        let mut free = 0;
        self.for_unused(held, |word, mask| {
            let bits = self.allocated(word);
            if bits & mask != 0 {
                // The pass over the weak boxes may have read the alloc bits already, and may still
                // read the slots.
                if cfg!(gc_asan) && !class.info.weak_box {
                    let i = word - self.first_word(held.span);
                    self.each_slot(
                        class,
                        held.span,
                        Holes { word: i, bits: bits & mask },
                        |slot| {
                            asan::poison(slot.from - class.origin, class.slot);
                        },
                    );
                }
                self.set_allocated(word, bits & !mask);
            }
            free += mask.count_ones() as usize;
        });
        free
    }
    /// Calls `each` for every slot of `holes`.
    pub(crate) fn each_slot(
        &self,
        class: &SpanClass,
        span: BlockId,
        holes: Holes,
        mut each: impl FnMut(Run),
    ) {
        let mut bits = holes.bits;
        while bits != 0 {
            let i = class.slot_at(holes.word * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
            each(self.run_of(class, self.address(span), i, i + 1));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Space;
    use super::super::cache::Cursor;
    use super::super::object::{InfoOf, TypeInfo};
    use super::*;
    use crate::config::Config;
    use crate::pointers::Gc;
    use crate::word::SweepNumber;
    use std::cell::Cell;

    /// A space with one span of a class; `live` decides which of its slots are allocated.
    fn span(
        info: &'static TypeInfo,
        slot: usize,
        live: impl Fn(usize) -> bool,
    ) -> (Space, &'static SpanClass, BlockId, Vec<Addr>) {
        let space = Space::new(&Config { reserve: Some(16 << 20), ..Config::default() }).unwrap();
        let class = space.class_for(info, 0, |id| SpanClass::small(info, id, slot));
        let span = space.fresh_span(class, SweepNumber::default()).unwrap();
        let mut free = Vec::new();
        for i in 0..class.slots {
            let slot = space.run_of(class, space.address(span), i, i + 1);
            if live(i) {
                space.take_run(class, span, slot);
            } else {
                free.push(slot.from);
            }
        }
        (space, class, span, free)
    }

    /// Moves the cursor to the next free slots. Returns whether there are any.
    fn refill(space: &Space, class: &'static SpanClass, span: BlockId, cursor: &Cursor) -> bool {
        let at = cursor.held().map_or(space.address(span), |held| held.rest.to);
        let next = space.next_free(class, span, at);
        next.inspect(|free| hold(space, class, span, cursor, *free)).is_some()
    }

    /// Gives free slots to the cursor.
    fn hold(space: &Space, class: &'static SpanClass, span: BlockId, cursor: &Cursor, free: Free) {
        match free {
            Free::Run(run) => {
                space.take_run(class, span, run);
                cursor.put(class, span, run);
            }
            Free::Holes(holes) => {
                let end = space.take_holes(span, holes);
                cursor.put_holes(class, span, end, holes);
            }
        }
    }

    /// Takes up to `most` slots, as an allocation does.
    fn take(
        space: &Space,
        class: &'static SpanClass,
        span: BlockId,
        cursor: &Cursor,
        most: usize,
    ) -> Vec<Addr> {
        let mut got = Vec::new();
        while got.len() < most {
            match cursor.bump(class.slot).or_else(|| cursor.hole()) {
                Some(at) => got.push(at),
                None if refill(space, class, span, cursor) => {}
                None => break,
            }
        }
        got
    }

    fn bits(space: &Space, class: &SpanClass, span: BlockId) -> Vec<u64> {
        let first = space.first_word(span);
        (0..class.starts.len()).map(|i| space.allocated(first + i)).collect()
    }

    type Node<const N: usize> = (Option<Gc<'static, u64>>, [u64; N]);

    fn each_class(check: impl Fn(&'static TypeInfo, usize)) {
        check(InfoOf::<Node<1>>::ONE, 16);
        check(InfoOf::<Node<2>>::ONE, 24);
        check(InfoOf::<Node<4>>::ONE, 40);
        check(InfoOf::<Node<29>>::ONE, 240);
        check(InfoOf::<Node<300>>::ONE, 2408);
        // Objects that begin behind a header.
        check(InfoOf::<Option<Gc<'static, u64>>>::ARRAY, 32);
        check(InfoOf::<Option<Gc<'static, u64>>>::ARRAY, 72);
    }

    /// Slots in use: none, some of a kind, all but a few.
    const PATTERNS: [fn(usize) -> bool; 7] = [
        |_| false,
        |i| i % 2 == 0,
        |i| i % 3 != 1,
        |i| i % 7 == 0,
        |i| i.wrapping_mul(0x9E37_79B9) >> 7 & 3 == 0,
        |i| i.wrapping_mul(0x9E37_79B9) >> 7 & 3 != 0,
        |i| i % 100 < 50,
    ];

    #[test]
    fn every_free_slot_is_taken_once_and_in_order() {
        each_class(|info, slot| {
            for pattern in PATTERNS {
                let (space, class, span, free) = span(info, slot, pattern);
                let cursor = Cursor::new();
                assert_eq!(take(&space, class, span, &cursor, class.slots + 1), free, "{class:?}");
                assert_eq!(bits(&space, class, span), &*class.starts, "all are allocated");
            }
        });
    }

    #[test]
    fn what_was_not_used_goes_back() {
        each_class(|info, slot| {
            for (pattern, used) in PATTERNS.into_iter().flat_map(|p| [0, 1, 5, 70].map(|n| (p, n)))
            {
                let (space, class, span, free) = span(info, slot, pattern);
                let cursor = Cursor::new();
                let got = take(&space, class, span, &cursor, used);
                if used == 0 {
                    refill(&space, class, span, &cursor);
                }
                let Some(held) = cursor.held() else {
                    assert!(free.is_empty(), "nothing was taken of {class:?}");
                    continue;
                };
                let mut unused = 0;
                space.for_unused(&held, |_, mask| unused += mask.count_ones() as usize);
                assert_eq!(unused, free.len() - got.len(), "{class:?}");
                assert_eq!(space.give_rest(&held), unused);
                let rest = take(&space, class, span, &Cursor::new(), class.slots + 1);
                assert_eq!([got, rest].concat(), free, "{class:?}");
            }
        });
    }

    /// Cuts change neither which slots are taken nor their order, and the slots with a point are
    /// those in which the distances end.
    #[test]
    fn a_cursor_that_samples_takes_every_slot_once_and_in_order() {
        each_class(|info, slot| {
            for (pattern, rate) in
                PATTERNS.into_iter().flat_map(|p| [1, 9, 100, 3000].map(|r| (p, r)))
            {
                let (space, class, span, free) = span(info, slot, pattern);
                let cursor = Cursor::new();
                let distances: Vec<usize> = (0..4096).map(|i| 1 + i * 7919 % (rate * 8)).collect();
                let drawn = Cell::new(0);
                let draw = || {
                    drawn.set(drawn.get() + 1);
                    distances[drawn.get() - 1]
                };
                let (mut got, mut sampled) = (Vec::new(), Vec::new());
                loop {
                    if let Some(at) = cursor.bump(class.slot).or_else(|| cursor.hole()) {
                        got.push(at);
                        assert!(got.len() <= free.len(), "{class:?}, {rate}: a slot came twice");
                        continue;
                    }
                    let start = space.address(span);
                    let from = cursor.held().map_or(start, |held| cursor.next_at(&held, start));
                    let Some(next) = space.next_free(class, span, from) else { break };
                    let (next, is_due) = cursor.cut(class.slot, next, draw);
                    hold(&space, class, span, &cursor, next);
                    let first = cursor.bump(class.slot).or_else(|| cursor.hole()).unwrap();
                    got.push(first);
                    sampled.extend(is_due.then_some(first));
                }
                assert_eq!(got, free, "{class:?}, {rate}");
                let mut expected = Vec::new();
                let (mut until, mut drawn) = (distances[0], 1);
                for at in &free {
                    if until > class.slot {
                        until -= class.slot;
                    } else {
                        expected.push(*at);
                        until = distances[drawn];
                        drawn += 1;
                    }
                }
                assert_eq!(sampled, expected, "{class:?}, {rate}");
            }
        });
    }

    #[test]
    fn scattered_slots_are_holes_and_others_are_runs() {
        let kind = |live: fn(usize) -> bool| {
            let (space, class, span, _) = span(InfoOf::<Node<4>>::ONE, 40, live);
            space.next_free(class, span, space.address(span)).unwrap()
        };
        assert!(matches!(kind(|_| false), Free::Run(run) if run.to - run.from > 16_000));
        assert!(matches!(kind(|i| i % 2 == 0), Free::Holes(h) if h.bits.count_ones() >= 12));
        assert!(matches!(kind(|i| i % 20 == 19), Free::Run(_)));
    }
}
