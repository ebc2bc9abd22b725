#![forbid(unsafe_code)]
//! Free slots of a span: a thread that holds the span takes them, and gives back those that it does
//! not use.
//!
//! 1. A thread takes a span's free slots piece by piece, in order of address
//!    ([`OwnedSpan::next_free`]). Where many free slots adjoin, a piece is a *run*, which the
//!    cursor bumps through. Where few are free, it is the *holes* of one bitmap word, which the
//!    cursor takes out bit by bit. In a span that is half in use a run has two slots on average.
//!    Finding each run takes branches that mispredict; a hole takes none.
//! 2. All slots of a piece that a thread takes count as allocated ([`OwnedSpan::take_run`],
//!    [`OwnedSpan::take_holes`]).
//! 3. Free slots share cache lines with objects, so they are cold. With the holes of a word, those
//!    of the next word are prefetched ([`Tables::prefetch_holes`]).
//! 4. When the thread gives the span up, unused slots go back ([`OwnedSpan::give_rest`]).
//!
//! Black allocation marks every free slot of a span, taken or not, when the span is taken in Mark
//! (`mutator`). So [`OwnedSpan::for_unused`] covers both.

use super::asan;
use super::bitmap::range_mask;
use super::span::{OwnedSpan, SpanBits, SpanClass};
use super::tables::Tables;
use crate::config::GRANULE_SHIFT;
use crate::sync::prefetch;
use crate::word::{Addr, BlockId, WordIndex};

/// A stretch of free slots: from the first byte of the first slot to the first byte after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: Addr,
    pub(crate) to: Addr,
}

/// The slots of a span that a thread takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    Run(Run),
    /// Scattered slots: a bit for each granule in which one begins.
    Holes(SpanBits),
}

/// The slots of a span that a cursor has taken and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unused {
    /// The unused rest of the run.
    pub(crate) run: Run,
    /// The unused holes in the bitmap word that ends at the end of the run.
    pub(crate) holes: u64,
}

/// The content of a cursor, moved out of it.
#[derive(Debug)]
pub(crate) struct HeldSlots {
    pub(crate) span: OwnedSpan,
    pub(crate) rest: Unused,
}

impl OwnedSpan {
    /// Returns the first free slots of the span that begin at or after `at`. They are a run, or the
    /// holes of a word in which few are free.
    pub(crate) fn next_free(&self, tables: &Tables, at: Addr) -> Option<Free> {
        let (class, start) = (self.class(), tables.address(self.block()));
        let first_word = tables.first_word(self.block());
        let words = class.starts.len();
        let granule = (at - start) >> GRANULE_SHIFT;
        let mut word = granule / 64;
        if word >= words {
            return None;
        }
        let mut bits = class.starts[word]
            & !tables.allocated(first_word + word)
            & (u64::MAX << (granule % 64));
        while bits == 0 {
            word += 1;
            if word == words {
                return None;
            }
            bits = class.starts[word] & !tables.allocated(first_word + word);
        }
        if bits.count_ones() * 4 < class.starts[word].count_ones() * 3 {
            return Some(Free::Holes(SpanBits { word, bits }));
        }
        let from = class.slot_at(word * 64 + bits.trailing_zeros() as usize);
        // The run ends at the next allocated slot.
        let skip = bits.trailing_zeros();
        let mut taken = tables.allocated(first_word + word) & (u64::MAX << skip);
        while taken == 0 {
            word += 1;
            if word == words {
                let to = class.slots;
                return Some(Free::Run(run_of(class, start, from, to)));
            }
            taken = tables.allocated(first_word + word);
        }
        let to = class.slot_at(word * 64 + taken.trailing_zeros() as usize);
        Some(Free::Run(run_of(class, start, from, to)))
    }

    /// The first free slot of the span.
    pub(crate) fn first_free(&self, tables: &Tables) -> Option<Run> {
        let (class, start) = (self.class(), tables.address(self.block()));
        Some(match self.next_free(tables, start)? {
            Free::Run(run) => Run { from: run.from, to: run.from + class.slot },
            Free::Holes(SpanBits { word, bits }) => {
                let slot = class.slot_at(word * 64 + bits.trailing_zeros() as usize);
                run_of(class, start, slot, slot + 1)
            }
        })
    }

    /// Calls `each(word, mask)` for the bits of the slots of `run`, which lies in the span.
    pub(crate) fn for_bits(&self, tables: &Tables, run: Run, mut each: impl FnMut(WordIndex, u64)) {
        if run.from == run.to {
            return;
        }
        let (class, start) = (self.class(), tables.address(self.block()));
        let from = (run.from - start) >> GRANULE_SHIFT;
        // Exclusive: the granule of an object that starts at `run.to` belongs to that object.
        let to = (run.to - start) >> GRANULE_SHIFT;
        let first_word = tables.first_word(self.block());
        for word in from / 64..to.div_ceil(64).min(class.starts.len()) {
            let mask = range_mask(word, from, to) & class.starts[word];
            if mask != 0 {
                each(first_word + word, mask);
            }
        }
    }

    /// Calls `each(word, mask)` for the free slots of the span, including `rest`.
    pub(crate) fn for_unused(
        &self,
        tables: &Tables,
        rest: Unused,
        mut each: impl FnMut(WordIndex, u64),
    ) {
        let (start, first) = (tables.address(self.block()), tables.first_word(self.block()));
        let from = (rest.run.from - start) >> GRANULE_SHIFT;
        let to = (rest.run.to - start) >> GRANULE_SHIFT;
        for (i, starts) in self.class().starts.iter().enumerate() {
            let holes = if (i + 1) * 64 == to { rest.holes } else { 0 };
            let mask = starts & (!tables.allocated(first + i) | range_mask(i, from, to)) | holes;
            if mask != 0 {
                each(first + i, mask);
            }
        }
    }

    /// Counts the slots of `run` as allocated.
    pub(crate) fn take_run(&self, tables: &Tables, run: Run) {
        self.for_bits(tables, run, |word, mask| {
            let bits = tables.allocated(word);
            tables.set_allocated(word, bits | mask);
        });
    }
    /// The same for holes. Returns the address at which their word ends.
    pub(crate) fn take_holes(&self, tables: &Tables, holes: SpanBits) -> Addr {
        let word = tables.first_word(self.block()) + holes.word;
        tables.set_allocated(word, tables.allocated(word) | holes.bits);
        tables.address(self.block()) + (((holes.word + 1) * 64) << GRANULE_SHIFT)
    }
    /// Undoes `take_run` and `take_holes` for the unused `rest`. Returns how many slots of the span
    /// are free then.
    pub(crate) fn give_rest(&self, tables: &Tables, rest: Unused) -> usize {
        let class = self.class();
        let mut free = 0;
        self.for_unused(tables, rest, |word, mask| {
            let bits = tables.allocated(word);
            if bits & mask != 0 {
                // The pass over the weak boxes may have read the alloc bits already, and may still
                // read the slots.
                if cfg!(gc_asan) && !class.info.weak_box {
                    let word = word - tables.first_word(self.block());
                    let slots = SpanBits { word, bits: bits & mask };
                    self.each_slot(tables, slots, |slot| {
                        asan::poison(slot.from - class.origin, class.slot);
                    });
                }
                tables.set_allocated(word, bits & !mask);
            }
            free += mask.count_ones() as usize;
        });
        free
    }
    /// Calls `each` for every slot of `holes`.
    pub(crate) fn each_slot(&self, tables: &Tables, holes: SpanBits, mut each: impl FnMut(Run)) {
        let mut bits = holes.bits;
        while bits != 0 {
            let i = self.class().slot_at(holes.word * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
            each(run_of(self.class(), tables.address(self.block()), i, i + 1));
        }
    }
}

/// The slots `[from, to)` of a span that starts at address `start`.
fn run_of(class: &SpanClass, start: Addr, from: usize, to: usize) -> Run {
    let at = start + class.origin;
    Run { from: at + from * class.slot, to: at + to * class.slot }
}

impl Tables {
    /// Lets the sanitizer allow the use of a run that is about to be taken.
    #[inline(always)]
    pub(crate) fn open_run(&self, class: &SpanClass, run: Run) {
        asan::unpoison(run.from - class.origin, run.to - run.from);
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
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::cache::Cursor;
    use super::super::object::{InfoOf, TypeInfo};
    use super::super::{ClassKey, Space};
    use super::*;
    use crate::config::Config;
    use crate::pointers::Gc;
    use crate::word::SweepNumber;
    use std::cell::Cell;

    /// A space with one span of a class, and its free slots; `live` decides which of its slots are
    /// allocated.
    fn span(
        info: &'static TypeInfo,
        slot: usize,
        live: impl Fn(usize) -> bool,
    ) -> (Space, OwnedSpan, Vec<Addr>) {
        let space = Space::new(&Config { reserve: Some(16 << 20), ..Config::default() }).unwrap();
        let class = space.class_for(info, ClassKey::Type, |id| SpanClass::small(info, id, slot));
        let span = space.fresh_span(class, SweepNumber::default()).unwrap();
        let mut free = Vec::new();
        for i in 0..class.slots {
            let slot = run_of(class, space.address(span.block()), i, i + 1);
            if live(i) {
                span.take_run(&space, slot);
            } else {
                free.push(slot.from);
            }
        }
        (space, span, free)
    }

    /// A cursor that holds a span and has taken no slot of it.
    fn cursor(space: &Space, span: OwnedSpan) -> Cursor {
        let (cursor, start) = (Cursor::new(), space.address(span.block()));
        cursor.put(span, Run { from: start, to: start });
        cursor
    }

    /// Moves the cursor to the next free slots. Returns whether there are any.
    fn refill(space: &Space, cursor: &Cursor) -> bool {
        let held = cursor.take().unwrap();
        match held.span.next_free(space, held.rest.run.to) {
            Some(free) => hold(space, held.span, cursor, free),
            None => {
                cursor.restore(held);
                return false;
            }
        }
        true
    }

    /// Gives free slots to the cursor.
    fn hold(space: &Space, span: OwnedSpan, cursor: &Cursor, free: Free) {
        match free {
            Free::Run(run) => {
                span.take_run(space, run);
                cursor.put(span, run);
            }
            Free::Holes(holes) => {
                let end = span.take_holes(space, holes);
                cursor.put_holes(span, end, holes);
            }
        }
    }

    /// Takes up to `most` slots, as an allocation does.
    fn take(space: &Space, cursor: &Cursor, most: usize) -> Vec<Addr> {
        let mut got = Vec::new();
        let slot = cursor.class().unwrap().slot;
        while got.len() < most {
            match cursor.bump(slot).or_else(|| cursor.hole()) {
                Some(at) => got.push(at),
                None if refill(space, cursor) => {}
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
                let (space, span, free) = span(info, slot, pattern);
                let (class, block) = (span.class(), span.block());
                let cursor = cursor(&space, span);
                assert_eq!(take(&space, &cursor, class.slots + 1), free, "{class:?}");
                assert_eq!(bits(&space, class, block), &*class.starts, "all are allocated");
            }
        });
    }

    #[test]
    fn what_was_not_used_goes_back() {
        each_class(|info, slot| {
            for (pattern, used) in PATTERNS.into_iter().flat_map(|p| [0, 1, 5, 70].map(|n| (p, n)))
            {
                let (space, span, free) = span(info, slot, pattern);
                let class = span.class();
                let first = cursor(&space, span);
                let got = take(&space, &first, used);
                if used == 0 {
                    refill(&space, &first);
                }
                let HeldSlots { span, rest } = first.take().unwrap();
                let mut unused = 0;
                span.for_unused(&space, rest, |_, mask| unused += mask.count_ones() as usize);
                assert_eq!(unused, free.len() - got.len(), "{class:?}");
                assert_eq!(span.give_rest(&space, rest), unused);
                let rest = take(&space, &cursor(&space, span), class.slots + 1);
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
                let (space, span, free) = span(info, slot, pattern);
                let class = span.class();
                let cursor = cursor(&space, span);
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
                    let held = cursor.take().unwrap();
                    let from = cursor.next_at(&held, space.address(held.span.block()));
                    let Some(next) = held.span.next_free(&space, from) else { break };
                    let (next, is_due) = cursor.cut(class, next, draw);
                    hold(&space, held.span, &cursor, next);
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
            let (space, span, _) = span(InfoOf::<Node<4>>::ONE, 40, live);
            span.next_free(&space, space.address(span.block())).unwrap()
        };
        assert!(matches!(kind(|_| false), Free::Run(run) if run.to - run.from > 16_000));
        assert!(matches!(kind(|i| i % 2 == 0), Free::Holes(h) if h.bits.count_ones() >= 12));
        assert!(matches!(kind(|i| i % 20 == 19), Free::Run(_)));
    }
}
