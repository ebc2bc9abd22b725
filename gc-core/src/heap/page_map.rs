#![forbid(unsafe_code)]
//! The map of blocks, under the page heap's lock: which are taken, which may hold memory, and where
//! to search first.
//!
//! A block is free or *taken*. A taken block is in a span, in the stack of singles, or lent to a
//! thread that gives its memory back. A free block is *idle* while its pages may be resident. A
//! word is 64 blocks, 1 MiB of heap. Its part of the two bitmaps is 8 KiB, which may be given back
//! while all of its blocks are free.
//!
//! No search repeats a scan that found nothing. A search for a run starts at the hint of its
//! length, and the search for idle blocks starts below the highest. Counts are maintained, not
//! computed. The longest scan that is left goes over every word of the map and reads a bit for each
//! block. It takes 64 µs in a full heap of 64 GiB.

use super::bitmap::range_mask;
use crate::word::{BlockId, BlockRange, Blocks};
use std::ops::Range;

/// Lengths of runs, by their logarithm: as many as a block number has bits.
const LENGTHS: usize = 32;

/// Which blocks are taken.
#[derive(Debug)]
pub(super) struct PageMap {
    /// A bit for each block that is taken. Words exist as far as `high`, so that a small heap does
    /// not pay for its whole address space.
    taken: Vec<u64>,
    /// A bit for each block whose pages may be resident; as many words.
    dirty: Vec<u64>,
    /// For each word, whether its part of the bitmaps may be resident.
    tables: Vec<bool>,
    /// The number of such words.
    table_count: usize,
    /// Number of open blocks. Blocks from this index on cannot be taken yet.
    blocks: Blocks,
    /// Blocks in a page of the system, and words whose part of a bitmap fills one; both at least
    /// 1.
    grain: Blocks,
    group: usize,
    /// No `2^k` free blocks in a row begin below `hints[k]`.
    hints: [BlockId; LENGTHS],
    /// This block and those above it were never taken.
    high: BlockId,
    /// Number of idle blocks, and a block from which on there is none.
    idle: Blocks,
    idle_top: BlockId,
    /// Number of runs that are lent.
    lent: usize,
}

/// The pages of the system, beside which blocks and words are small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    /// Blocks in a page: a divisor of 64.
    pub(crate) grain: Blocks,
    /// Words of the map whose part of a bitmap fills a page.
    pub(crate) group: usize,
}

/// The blocks of a word that have a bit.
fn blocks_of(bits: u64) -> Blocks {
    Blocks::new(bits.count_ones() as usize)
}

/// The words that a range touches, with its bits in each.
fn words(range: BlockRange) -> impl Iterator<Item = (usize, u64)> {
    let (first, end) = (range.first.index(), range.end().index());
    (first / 64..end.div_ceil(64)).map(move |word| (word, range_mask(word, first, end)))
}

impl PageMap {
    /// A map of `blocks` free blocks that were never used, with pages of at most a block.
    #[cfg(test)]
    pub(super) fn new(blocks: Blocks) -> PageMap {
        PageMap::with_pages(blocks, PageSize { grain: Blocks::ONE, group: 1 })
    }

    /// The same with other pages.
    pub(super) fn with_pages(blocks: Blocks, pages: PageSize) -> PageMap {
        let PageSize { grain, group } = pages;
        debug_assert!(64 % grain.get() == 0, "whole pages of blocks do not cross words");
        PageMap {
            taken: Vec::new(),
            dirty: Vec::new(),
            tables: Vec::new(),
            table_count: 0,
            blocks,
            grain,
            group,
            hints: [BlockId::FIRST; LENGTHS],
            high: BlockId::FIRST,
            idle: Blocks::NONE,
            idle_top: BlockId::FIRST,
            lent: 0,
        }
    }

    /// This block and those above it were never taken.
    pub(super) fn high(&self) -> BlockId {
        self.high
    }
    /// Idle blocks.
    pub(super) fn idle(&self) -> Blocks {
        self.idle
    }
    /// Words whose part of the bitmaps may be resident.
    pub(super) fn tables(&self) -> usize {
        self.table_count
    }
    /// Returns whether some free blocks are lent.
    pub(super) fn has_lent(&self) -> bool {
        self.lent > 0
    }

    /// Blocks that are open.
    pub(super) fn blocks(&self) -> Blocks {
        self.blocks
    }
    /// The first of the free blocks at the end of the open part.
    pub(super) fn tail(&self) -> BlockId {
        let words = self.blocks.get().div_ceil(64).min(self.taken.len());
        let last = (0..words).rev().find(|word| self.taken[*word] != 0);
        let end = |word: usize| (word + 1) * 64 - self.taken[word].leading_zeros() as usize;
        BlockId::new(last.map_or(0, end))
    }
    /// Records that the blocks below `blocks` are open.
    pub(super) fn grow(&mut self, blocks: Blocks) {
        self.note_free(BlockId::FIRST.plus(self.blocks));
        self.blocks = blocks;
    }
    /// Records that a run of free blocks begins at `first`, or earlier.
    fn note_free(&mut self, first: BlockId) {
        for (length, hint) in self.hints.iter_mut().enumerate() {
            // The earliest run that contains one of these blocks.
            let earliest = (first.index() + 1).saturating_sub(1 << length);
            *hint = (*hint).min(BlockId::new(earliest));
        }
    }

    fn next_free(&self, at: BlockId) -> BlockId {
        let mut word = at.index() / 64;
        let Some(taken) = self.taken.get(word) else { return at };
        let mut free = !taken & (u64::MAX << (at.index() % 64));
        while free == 0 {
            word += 1;
            let Some(taken) = self.taken.get(word) else { return BlockId::new(word * 64) };
            free = !taken;
        }
        BlockId::new(word * 64 + free.trailing_zeros() as usize)
    }

    /// The first taken block of a range, or the range's end.
    fn next_taken(&self, range: BlockRange) -> BlockId {
        for (word, mask) in words(range) {
            let Some(taken) = self.taken.get(word) else { break };
            if taken & mask != 0 {
                return BlockId::new(word * 64 + (taken & mask).trailing_zeros() as usize);
            }
        }
        range.end()
    }

    /// Takes the first `n` free blocks in a row.
    pub(super) fn take_run(&mut self, n: Blocks) -> Option<BlockId> {
        let length = n.get().ilog2() as usize;
        let mut at = self.hints[length];
        let mut hint = None;
        let last = BlockId::FIRST.plus(self.blocks);
        loop {
            let from = self.next_free(at).min(last);
            let end = self.next_taken(BlockRange::between(from, from.plus(n).min(last)));
            let run = BlockRange::between(from, end);
            if run.len.get() >= 1 << length {
                hint = hint.or(Some(from));
            }
            if run.len == n {
                self.hints[length] = hint.filter(|at| *at < from).unwrap_or(end);
                self.take(run);
                return Some(from);
            }
            if end == last {
                self.hints[length] = hint.unwrap_or(end);
                return None;
            }
            at = end;
        }
    }

    fn take(&mut self, run: BlockRange) {
        let len = run.end().index().div_ceil(64);
        if len > self.taken.len() {
            self.taken.resize(len, 0);
            self.dirty.resize(len, 0);
            self.tables.resize(len, false);
        }
        for (word, mask) in words(run) {
            self.idle -= blocks_of(self.dirty[word] & mask);
            self.taken[word] |= mask;
            self.dirty[word] |= mask;
            self.table_count += usize::from(!std::mem::replace(&mut self.tables[word], true));
        }
        self.high = self.high.max(run.end());
    }

    /// Gives blocks back.
    pub(super) fn give_run(&mut self, run: BlockRange) {
        for (word, mask) in words(run) {
            debug_assert!(self.taken[word] & mask == mask, "a block of {run:?} is freed twice");
            self.taken[word] &= !mask;
            self.idle += blocks_of(self.dirty[word] & mask);
        }
        self.note_free(run.first);
        self.idle_top = self.idle_top.max(run.end());
    }

    /// The idle blocks of a word that fill whole pages.
    fn idle_bits(&self, word: usize) -> u64 {
        let mut bits = self.dirty[word] & !self.taken[word];
        let (grain, mut n) = (self.grain.get(), 1);
        // At each step a bit stands for twice as many blocks. The last expression spreads it over
        // them again.
        while n < grain {
            bits &= bits >> n;
            n *= 2;
        }
        let starts = if grain == 1 { u64::MAX } else { u64::MAX / ((1 << grain) - 1) };
        (bits & starts) * (u64::MAX >> (64 - grain))
    }

    /// Lends the highest idle blocks below `at` that fill whole pages, at most `most` in a row (but
    /// at least a page).
    pub(super) fn lend_idle_below(&mut self, at: BlockId, most: Blocks) -> Option<BlockRange> {
        let (top, grain) = (self.idle_top.index(), self.grain.get());
        let at = at.index().min(top).next_multiple_of(grain);
        let most = (most.get() / grain * grain).max(grain);
        let is_top = at >= top;
        let found = (0..at.div_ceil(64))
            .rev()
            .map(|word| (word, self.idle_bits(word) & range_mask(word, 0, at)))
            .find(|(_, bits)| *bits != 0);
        let Some((word, bits)) = found else {
            if is_top {
                self.idle_top = BlockId::FIRST;
            }
            return None;
        };
        let end = (word + 1) * 64 - bits.leading_zeros() as usize;
        let mut first = end;
        while first > 0
            && end - first < most
            && self.idle_bits((first - 1) / 64) >> ((first - 1) % 64) & 1 == 1
        {
            first -= 1;
        }
        let piece = BlockRange::between(BlockId::new(first), BlockId::new(end));
        if is_top {
            self.idle_top = piece.first;
        }
        for (word, mask) in words(piece) {
            self.taken[word] |= mask;
        }
        self.idle -= piece.len;
        self.lent += 1;
        Some(piece)
    }

    /// Takes back blocks from [`lend_idle_below`](Self::lend_idle_below). The pages of `gone` have
    /// gone to the system.
    pub(super) fn take_back(&mut self, piece: BlockRange, gone: BlockRange) {
        words(gone).for_each(|(word, mask)| self.dirty[word] &= !mask);
        self.give_run(piece);
        self.lent -= 1;
    }

    /// The words whose part of a bitmap lies in the same page as that of `word`.
    fn group(&self, word: usize) -> Range<usize> {
        let first = word / self.group * self.group;
        first..(first + self.group).min(self.taken.len())
    }

    /// Lends all blocks of a group of words that are all free and whose part of the bitmaps may be
    /// resident. Takes the first such group with a word in `words`. Returns the group's first
    /// word.
    pub(super) fn lend_word(&mut self, words: Range<usize>) -> Option<usize> {
        let limit = words.end.min(self.taken.len());
        let is_due = |w: &usize| {
            self.group(*w).any(|w| self.tables[w]) && self.group(*w).all(|w| self.taken[w] == 0)
        };
        let first = (self.group(words.start).start..limit).step_by(self.group).find(is_due)?;
        for word in self.group(first) {
            self.idle -= blocks_of(self.dirty[word]);
            self.taken[word] = u64::MAX;
        }
        self.lent += 1;
        Some(first)
    }

    /// Takes back words from [`lend_word`](Self::lend_word). `clean` tells that their part of the
    /// bitmaps has gone to the system.
    pub(super) fn take_word_back(&mut self, first: usize, clean: bool) {
        for word in self.group(first) {
            if clean && std::mem::take(&mut self.tables[word]) {
                self.table_count -= 1;
            }
        }
        let group = self.group(first);
        self.give_run(BlockRange::new(BlockId::new(first * 64), Blocks::new(group.len() * 64)));
        self.lent -= 1;
    }

    /// Words of the map, and those whose part of the bitmaps may be resident.
    #[cfg(test)]
    pub(super) fn extent(&self) -> (usize, usize) {
        (self.taken.len(), self.tables())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::heap) fn at(index: usize) -> BlockId {
        BlockId::new(index)
    }
    pub(in crate::heap) fn n(blocks: usize) -> Blocks {
        Blocks::new(blocks)
    }
    fn run(first: usize, len: usize) -> BlockRange {
        BlockRange::new(at(first), n(len))
    }

    /// A plain version: a flag for each block.
    struct Plain {
        taken: Vec<bool>,
        dirty: Vec<bool>,
    }

    impl Plain {
        fn first_fit(&self, n: usize) -> Option<usize> {
            (0..=self.taken.len().checked_sub(n)?)
                .find(|at| self.taken[*at..at + n].iter().all(|taken| !taken))
        }
        fn idle(&self) -> usize {
            self.taken.iter().zip(&self.dirty).filter(|(taken, dirty)| !**taken && **dirty).count()
        }
    }

    #[test]
    fn hints_and_counts_agree_with_a_plain_search() {
        const BLOCKS: usize = 300;
        let mut map = PageMap::new(n(BLOCKS));
        let mut plain = Plain { taken: vec![false; BLOCKS], dirty: vec![false; BLOCKS] };
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut seed = 1u64;
        let mut random = |n: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        let mut refused = 0;
        for step in 0..20_000 {
            match random(8) {
                0..=3 => {
                    let most = [3, 40, 120][random(3)];
                    let len = 1 + random(most);
                    let expected = plain.first_fit(len);
                    assert_eq!(
                        map.take_run(n(len)),
                        expected.map(BlockId::new),
                        "step {step}, {len} blocks"
                    );
                    refused += usize::from(expected.is_none());
                    if let Some(first) = expected {
                        plain.taken[first..first + len].fill(true);
                        plain.dirty[first..first + len].fill(true);
                        runs.push((first, len));
                    }
                }
                4..=6 if !runs.is_empty() => {
                    let (first, len) = runs.swap_remove(random(runs.len()));
                    map.give_run(run(first, len));
                    plain.taken[first..first + len].fill(false);
                }
                _ => {
                    let (below, most, clean) = (random(2 * BLOCKS), 1 + random(80), random(4) > 0);
                    let top =
                        (0..below.min(BLOCKS)).rev().find(|b| plain.dirty[*b] && !plain.taken[*b]);
                    let lent = map.lend_idle_below(at(below), n(most));
                    assert_eq!(lent.map(BlockRange::end), top.map(|b| at(b + 1)), "step {step}");
                    if let Some(piece) = lent {
                        let (first, len) = (piece.first.index(), piece.len.get());
                        assert!(len <= most && map.has_lent());
                        assert_eq!(map.idle() + piece.len, n(plain.idle()));
                        map.take_back(piece, run(first, if clean { len } else { 0 }));
                        plain.dirty[first..first + len]
                            .iter_mut()
                            .for_each(|dirty| *dirty &= !clean);
                    }
                }
            }
            assert_eq!((map.idle(), map.has_lent()), (n(plain.idle()), false), "step {step}");
        }
        assert!(refused > 100, "the map is full now and then: {refused}");
    }

    #[test]
    fn the_bitmaps_of_a_word_go_when_all_of_it_is_free() {
        let mut map = PageMap::new(n(256));
        assert_eq!(map.take_run(n(130)), Some(at(0)));
        assert_eq!((map.extent(), map.lend_word(0..4)), ((3, 3), None));
        map.give_run(run(0, 129));
        assert_eq!(map.lend_word(0..4), Some(0));
        assert_eq!(map.take_run(n(64)), Some(at(64)), "what is lent cannot be taken");
        map.take_word_back(0, true);
        assert_eq!((map.extent(), map.idle()), ((3, 2), n(65)));
        assert_eq!(map.lend_word(0..4), None, "one has gone, one is taken, one has a block in use");
        assert_eq!(map.take_run(n(64)), Some(at(0)), "the hint came back with the word");
        assert_eq!(map.extent(), (3, 3));
    }

    #[test]
    fn what_is_opened_later_joins_the_free_blocks_before_it() {
        let mut map = PageMap::new(n(0));
        assert_eq!((map.take_run(n(1)), map.tail()), (None, at(0)));
        map.grow(n(128));
        assert_eq!((map.take_run(n(100)), map.tail()), (Some(at(0)), at(100)));
        assert_eq!(map.take_run(n(64)), None, "28 are left");
        map.grow(n(192));
        assert_eq!((map.take_run(n(64)), map.tail()), (Some(at(100)), at(164)));
        map.give_run(run(100, 64));
        assert_eq!(
            (map.tail(), map.blocks(), map.take_run(n(92))),
            (at(100), n(192), Some(at(100)))
        );
        assert_eq!((map.tail(), map.take_run(n(1))), (at(192), None));
    }

    #[test]
    fn large_pages_go_whole() {
        let mut map = PageMap::with_pages(n(256), PageSize { grain: n(4), group: 2 });
        assert_eq!(map.take_run(n(256)), Some(at(0)));
        map.give_run(run(1, 9));
        map.give_run(run(70, 3));
        assert_eq!(
            map.lend_idle_below(BlockId::LAST, n(1)),
            Some(run(4, 4)),
            "the only whole page"
        );
        assert_eq!(map.take_run(n(4)), None, "what is lent cannot be taken");
        map.take_back(run(4, 4), run(4, 4));
        assert_eq!((map.idle(), map.lend_idle_below(BlockId::LAST, n(64))), (n(8), None));
        map.give_run(run(10, 1));
        assert_eq!(map.lend_idle_below(BlockId::LAST, n(64)), None);
        map.give_run(run(11, 2));
        assert_eq!(
            map.lend_idle_below(BlockId::LAST, n(64)),
            Some(run(8, 4)),
            "its last block came"
        );
    }

    #[test]
    fn bitmaps_of_several_words_share_a_page() {
        let mut map = PageMap::with_pages(n(256), PageSize { grain: n(4), group: 2 });
        assert_eq!(map.take_run(n(200)), Some(at(0)));
        map.give_run(run(0, 64));
        assert_eq!(map.lend_word(0..4), None, "the second word of the page has blocks in use");
        map.give_run(run(64, 64));
        assert_eq!((map.lend_word(1..4), map.extent()), (Some(0), (4, 4)));
        assert_eq!(map.take_run(n(64)), None, "what is lent cannot be taken");
        map.take_word_back(0, true);
        assert_eq!((map.extent(), map.idle()), ((4, 2), n(128)));
        assert_eq!(map.lend_word(0..4), None);
    }
}
