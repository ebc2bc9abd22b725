#![forbid(unsafe_code)]
//! Giving memory back: the page heap's idle blocks, and their part of the bitmaps, to the system.
//!
//! It goes in pieces, the highest first. While the system takes a piece, the piece is lent
//! (`page_map`), and the lock of the map is not held. So a refill does not wait for the system,
//! unless there is no other block.

use super::central::Link;
use super::page_alloc::PageAlloc;
use crate::sync::Ordering;
use crate::word::{BlockId, BlockRange, Blocks};
use std::ops::Range;

/// Most blocks given back to the system in one call: 4 MiB, some 100 µs.
const PIECE: Blocks = Blocks::new(256);
/// Most words searched under one hold of the lock, for bitmaps to give back.
const GLANCE: usize = 4096;
/// Pieces that the system may refuse before the slice ends.
const REFUSALS: usize = 8;
/// Blocks of the largest page of any system, 64 KiB. A refused piece is tried again without the
/// partial pages of this size at its ends.
const COARSE: usize = 4;

/// The operations that the page heap needs to give memory back: the links of blocks, and the
/// system's calls.
pub(crate) trait Pages {
    /// The link of a block.
    fn link(&self, block: BlockId) -> &Link;
    /// Gives the memory of blocks back. Returns whether the system took it.
    fn release_blocks(&self, blocks: BlockRange) -> bool;
    /// Gives back the part of the bitmaps for the 64 blocks of a word. Returns whether the system
    /// took it.
    fn release_bitmaps(&self, word: usize) -> bool;
}

impl PageAlloc {
    /// Gives the memory of up to `most` idle blocks back, the highest first, since low blocks are
    /// reused first. If all blocks of a word that it touches are free, the word's part of the
    /// bitmaps goes too. Returns how many blocks the system took.
    pub(crate) fn release(&self, most: Blocks, pages: &impl Pages) -> Blocks {
        self.drain_singles(|b| pages.link(b));
        let (mut released, mut refused) = (Blocks::NONE, 0);
        let mut at = BlockId::LAST;
        while released < most && refused < REFUSALS {
            let Some((piece, gone)) = self.release_piece(at, most - released, pages) else {
                break;
            };
            at = piece.first;
            if gone > Blocks::NONE {
                released += gone;
                let (from, to) = (piece.first.index() / 64, piece.end().index().div_ceil(64));
                self.release_bitmaps(from..to, pages);
            } else {
                // A piece smaller than any whole page tells nothing about the next piece.
                refused += usize::from(piece.len.get() >= COARSE);
            }
        }
        released
    }

    /// Gives back all memory that is not in use. Returns how many blocks the system took.
    pub(crate) fn release_all(&self, pages: &impl Pages) -> Blocks {
        let (mut released, mut at) = (Blocks::NONE, BlockId::LAST);
        self.drain_singles(|b| pages.link(b));
        while let Some((piece, gone)) = self.release_piece(at, PIECE, pages) {
            at = piece.first;
            released += gone;
        }
        self.release_bitmaps(0..self.high().get().div_ceil(64), pages);
        released
    }

    /// Gives back the memory of the highest run of idle blocks below `at`, `most` blocks at most.
    /// Returns the run, and how many of its blocks the system took.
    fn release_piece(
        &self,
        at: BlockId,
        most: Blocks,
        pages: &impl Pages,
    ) -> Option<(BlockRange, Blocks)> {
        let piece = self.map.lock().lend_idle_below(at, most.min(PIECE))?;
        let gone = Self::give_to_system(piece, pages);
        self.map.lock().take_back(piece, gone);
        self.released.fetch_add(gone.len.get() as u64, Ordering::Relaxed);
        Some((piece, gone.len))
    }

    /// Gives the memory of a run of lent blocks back. Returns which of them the system took: all,
    /// those in whole pages of the largest size, or none.
    fn give_to_system(piece: BlockRange, pages: &impl Pages) -> BlockRange {
        if pages.release_blocks(piece) {
            return piece;
        }
        let first = piece.first.index().next_multiple_of(COARSE);
        let len = (piece.end().index() / COARSE * COARSE).saturating_sub(first);
        let inner = BlockRange::new(BlockId::new(first), Blocks::new(len));
        let is_worth_it = len > 0 && inner.len < piece.len;
        if is_worth_it && pages.release_blocks(inner) {
            inner
        } else {
            BlockRange { len: Blocks::NONE, ..inner }
        }
    }

    /// Gives back those bitmaps of `words` that are not in use.
    fn release_bitmaps(&self, words: Range<usize>, pages: &impl Pages) {
        let mut at = words.start;
        while at < words.end {
            let glance = words.end.min(at + GLANCE);
            let word = self.map.lock().lend_word(at..glance);
            at = glance;
            if let Some(word) = word {
                let done = pages.release_bitmaps(word);
                let mut map = self.map.lock();
                map.take_word_back(word, done);
                self.publish(&map);
                at = word + 1;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::page_alloc::{Ground, PageSize};
    use super::super::page_map::tests::{at, n};
    use super::*;
    use crate::sync::{AtomicUsize, Mutex};
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// A page heap's links, and a system that takes every block except the one at `locked`.
    pub(in crate::heap) struct World {
        links: Vec<Link>,
        locked: AtomicUsize,
        pieces: Mutex<Vec<(usize, usize)>>,
        bitmaps: Mutex<Vec<usize>>,
        delay: Duration,
        is_called: AtomicBool,
    }

    impl World {
        pub(in crate::heap) fn new(blocks: usize) -> World {
            World {
                links: (0..blocks).map(|_| Link::new(0)).collect(),
                locked: AtomicUsize::new(usize::MAX),
                pieces: Mutex::new(Vec::new()),
                bitmaps: Mutex::new(Vec::new()),
                delay: Duration::ZERO,
                is_called: AtomicBool::new(false),
            }
        }
    }

    impl Pages for World {
        fn link(&self, block: BlockId) -> &Link {
            &self.links[block.index()]
        }
        fn release_blocks(&self, blocks: BlockRange) -> bool {
            self.is_called.store(true, Ordering::Relaxed);
            std::thread::sleep(self.delay);
            let (first, end) = (blocks.first.index(), blocks.end().index());
            self.pieces.lock().push((first, blocks.len.get()));
            !(first..end).contains(&self.locked.load(Ordering::Relaxed))
        }
        fn release_bitmaps(&self, word: usize) -> bool {
            self.bitmaps.lock().push(word);
            true
        }
    }

    #[test]
    fn slices_come_from_the_top_and_take_the_bitmaps_along() {
        let world = World::new(4096);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(4096), n(4096));
        let low = pages.alloc(n(10), link).unwrap();
        let rest = pages.alloc(n(1000), link).unwrap();
        pages.free(BlockRange::new(rest, n(1000)), link);
        assert_eq!(pages.release(n(64), &world), n(64));
        assert_eq!(*world.pieces.lock(), [(946, 64)]);
        // Blocks 946 to 1009 lie in words 14 and 15. Idle blocks are left in word 14, which does
        // not matter.
        assert_eq!(*world.bitmaps.lock(), [14, 15]);
        assert_eq!((pages.idle(), pages.release(n(usize::MAX), &world)), (n(936), n(936)));
        let word_0 = world.bitmaps.lock().contains(&0);
        assert!(!word_0, "its first blocks are in use");
        pages.free(BlockRange::new(low, n(10)), link);
        pages.release_all(&world);
        assert!(world.bitmaps.lock().contains(&0));
    }

    #[test]
    fn a_refused_piece_is_passed_over() {
        let world = World::new(4096);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(4096), n(4096));
        let all = pages.alloc(n(2048), link).unwrap();
        pages.free(BlockRange::new(all, n(2048)), link);
        world.locked.store(2000, Ordering::Relaxed);
        assert_eq!(pages.release(n(256), &world), n(256));
        assert_eq!(world.pieces.lock()[..], [(1792, 256), (1536, 256)]);
        assert_eq!((pages.release_all(&world), pages.idle()), (n(1536), n(256)));
        assert_eq!(pages.release(n(256), &world), n(0));
        assert_eq!(pages.alloc(n(4096), link), Ok(at(0)), "what was refused is still ours");
    }

    #[test]
    fn who_finds_nothing_else_waits_for_what_is_lent() {
        let world = World { delay: Duration::from_millis(50), ..World::new(64) };
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(64), n(64));
        let all = pages.alloc(n(64), link).unwrap();
        pages.free(BlockRange::new(all, n(64)), link);
        std::thread::scope(|s| {
            s.spawn(|| assert_eq!(pages.release(n(64), &world), n(64)));
            while !world.is_called.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            assert_eq!(pages.alloc(n(1), link), Ok(at(0)));
            assert_eq!(world.pieces.lock().len(), 1, "the slice was over");
        });
    }

    /// A system whose pages have four blocks; it takes whole pages only.
    struct Coarse(World);
    impl Pages for Coarse {
        fn link(&self, block: BlockId) -> &Link {
            self.0.link(block)
        }
        fn release_blocks(&self, blocks: BlockRange) -> bool {
            let is_whole =
                blocks.first.index().is_multiple_of(4) && blocks.len.get().is_multiple_of(4);
            is_whole && self.0.release_blocks(blocks)
        }
        fn release_bitmaps(&self, word: usize) -> bool {
            self.0.release_bitmaps(word)
        }
    }

    /// Gives back the free blocks of a burst, of which every 21st is kept: in two slices, then all
    /// at once. Returns how many went each time.
    fn release_a_burst(pages: &PageAlloc, system: &Coarse) -> [usize; 3] {
        let link = |b| system.link(b);
        let taken: Vec<BlockId> = (0..4000).map(|_| pages.alloc(n(1), link).unwrap()).collect();
        taken
            .iter()
            .filter(|b| b.index() % 21 != 0)
            .for_each(|b| pages.free(BlockRange::new(*b, n(1)), link));
        let slices = [64, 64].map(|slice| pages.release(n(slice), system).get());
        let mut gone = vec![false; 4096];
        let all = pages.release_all(system).get();
        for (first, len) in system.0.pieces.lock().iter() {
            gone[*first..first + len].fill(true);
        }
        for (block, gone) in gone.iter().enumerate().take(4000) {
            let whole = (block / 4 * 4..block / 4 * 4 + 4).all(|b| b % 21 != 0);
            assert_eq!(*gone, whole, "block {block}");
        }
        [slices[0], slices[1], all]
    }

    #[test]
    fn of_large_pages_the_whole_ones_go() {
        // The page heap does not know the size of a page, and finds out.
        let system = Coarse(World::new(4096));
        let unknown = release_a_burst(&PageAlloc::new(n(4000), n(4000)), &system);
        let system = Coarse(World::new(4096));
        let ground =
            Ground { pages: PageSize { grain: n(4), group: 8 }, open: Box::new(|_| Ok(())) };
        let known = release_a_burst(&PageAlloc::growing(n(4000), n(4000), ground), &system);
        assert_eq!(known.iter().sum::<usize>(), unknown.iter().sum::<usize>());
        assert!(known[0] >= 48 && known[1] >= 48 && known[2] > 2500, "{known:?}");
        let bitmaps = system.0.bitmaps.lock();
        assert!(bitmaps.is_empty(), "blocks of every word are in use");
    }
}
