#![forbid(unsafe_code)]
//! The page heap: which blocks of the reservation are in use, and which free ones still hold
//! memory.
//!
//! Single blocks are nearly all requests. They come from a lock-free stack of free blocks in front
//! of the map (`page_map`). The stack is refilled in batches under the lock, and holds about
//! [`SINGLES`] blocks. It is emptied when a longer run is needed or memory is given back. A refill
//! may wait for the lock, so each hold of it is short, whatever the heap's size.
//!
//! Memory goes back to the system in slices (`release`). Meanwhile a slice is *lent*: neither free
//! nor in use. A refill that finds no other block waits for the slice.
//!
//! The reservation is closed at first. When no open block is left, the page heap opens the next
//! step of it under the lock (`PageAlloc::grow`). A step takes some 16 µs; a heap of a gigabyte
//! takes 49. The system may refuse. Then the allocation fails, and [`Refusal`] holds the reason.

use super::central::{Link, Stack};
use super::page_map::PageMap;
pub(crate) use super::page_map::PageSize;
use crate::sync::{AtomicUsize, Backoff, Mutex, Ordering, plain};
use crate::word::{BlockId, BlockRange, Blocks};
use std::ops::Range;

/// Free blocks that one refill takes for the stack of singles.
const BATCH: usize = 16;
/// Bound on the free blocks in that stack, approximately: 16 MiB. Beyond it, freed blocks go to the
/// map. Without a bound, the stack and the time to empty it would grow with each burst.
const SINGLES: Blocks = Blocks::new(1024);
/// Singles moved to the map under one hold of the lock: some 5 µs.
const DRAIN: usize = 256;
/// Bounds on the blocks opened at a time, which are an eighth of the open ones. Where all memory is
/// locked, the system fills what is opened, so a step is a small part of the heap.
const STEP: (usize, usize) = (64, 4096);

/// Which blocks are in use.
#[derive(Debug)]
pub(crate) struct PageAlloc {
    pub(super) map: Mutex<PageMap>,
    singles: Stack,
    /// Blocks in `singles`, approximately: a hint for when to empty it.
    single_count: AtomicUsize,
    /// Blocks in spans. Each block is counted before it is taken, so the limit holds at every
    /// moment.
    used: AtomicUsize,
    /// Peak number of blocks in use since the last call of `take_peak`.
    peak: plain::AtomicU64,
    /// Blocks at or above this index were never taken.
    high: AtomicUsize,
    /// The most blocks that may be in use. May change at any time; blocks in use beyond it stay
    /// so.
    limit: plain::AtomicU64,
    /// Blocks of the reservation, open or not.
    blocks: Blocks,
    ground: Option<Ground>,
    /// The reason of the last failed allocation: a [`Refusal`] as a number.
    refusal: plain::AtomicU64,
    /// Words of 64 blocks whose part of the bitmaps may be resident, as last published under the
    /// lock.
    tables: AtomicUsize,
    /// Blocks given back so far; a block counts each time.
    pub(super) released: plain::AtomicU64,
}

/// The requested blocks cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSpace;

/// Why the requested blocks cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// They would exceed the limit.
    Limit,
    /// The reservation has no free run that long.
    Reservation,
    /// The system refused to open more of the reservation; with its error number.
    System(i32),
}

impl Refusal {
    fn word(self) -> u64 {
        match self {
            Refusal::Limit => 0,
            Refusal::Reservation => 1,
            Refusal::System(error) => 2 | u64::from(error.cast_unsigned()) << 32,
        }
    }
    fn of_word(word: u64) -> Refusal {
        match word & 3 {
            0 => Refusal::Limit,
            1 => Refusal::Reservation,
            _ => Refusal::System(((word >> 32) as u32).cast_signed()),
        }
    }
}

/// How the page heap opens a reservation as the heap grows.
pub(crate) struct Ground {
    /// The pages of the system.
    pub(crate) pages: PageSize,
    /// Opens blocks and their part of the tables; lower blocks are open.
    pub(crate) open: OpenBlocks,
}
/// See [`Ground`].
pub(crate) type OpenBlocks = Box<dyn Fn(Range<usize>) -> std::io::Result<()> + Send + Sync>;

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ground({:?})", self.pages)
    }
}

impl PageAlloc {
    /// A page heap over `blocks` open blocks, of which at most `limit` may be in use.
    #[cfg(test)]
    pub(crate) fn new(blocks: Blocks, limit: Blocks) -> Self {
        PageAlloc::with_map(blocks, limit, PageMap::new(blocks), None)
    }
    /// A page heap over a reservation of `blocks` blocks, which `ground` opens step by step.
    pub(crate) fn growing(blocks: Blocks, limit: Blocks, ground: Ground) -> Self {
        let map = PageMap::with_pages(Blocks::NONE, ground.pages);
        PageAlloc::with_map(blocks, limit, map, Some(ground))
    }
    fn with_map(blocks: Blocks, limit: Blocks, map: PageMap, ground: Option<Ground>) -> Self {
        PageAlloc {
            map: Mutex::new(map),
            singles: Stack::new(),
            single_count: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            peak: plain::AtomicU64::new(0),
            high: AtomicUsize::new(0),
            limit: plain::AtomicU64::new(limit.min(blocks).get() as u64),
            blocks,
            ground,
            refusal: plain::AtomicU64::new(0),
            tables: AtomicUsize::new(0),
            released: plain::AtomicU64::new(0),
        }
    }

    /// The most blocks that may be in use.
    pub(crate) fn limit(&self) -> Blocks {
        Blocks::new(self.limit.load(Ordering::Relaxed) as usize)
    }
    /// Sets the most blocks that may be in use. Blocks in use beyond it stay so.
    pub(crate) fn set_limit(&self, blocks: Blocks) {
        self.limit.store(blocks.min(self.blocks).get() as u64, Ordering::Relaxed);
    }
    /// Blocks in use.
    pub(crate) fn used(&self) -> Blocks {
        Blocks::new(self.used.load(Ordering::Relaxed))
    }
    /// Returns the peak number of blocks in use since the last call.
    pub(crate) fn take_peak(&self) -> Blocks {
        let used = self.used();
        Blocks::new(self.peak.swap(used.get() as u64, Ordering::Relaxed) as usize).max(used)
    }
    /// Words of 64 blocks whose part of the bitmaps may be resident.
    pub(crate) fn tables(&self) -> usize {
        self.tables.load(Ordering::Relaxed)
    }
    /// Blocks given back so far; a block counts each time.
    pub(crate) fn released(&self) -> u64 {
        self.released.load(Ordering::Relaxed)
    }
    /// Every block that was ever taken lies below this index.
    pub(crate) fn high(&self) -> Blocks {
        Blocks::new(self.high.load(Ordering::Acquire))
    }
    /// Free blocks that may be resident.
    pub(crate) fn idle(&self) -> Blocks {
        self.map.lock().idle() + self.singles()
    }

    /// Blocks in the stack of singles, approximately.
    fn singles(&self) -> Blocks {
        Blocks::new(self.single_count.load(Ordering::Relaxed))
    }

    /// The reason of the last failed allocation.
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::of_word(self.refusal.load(Ordering::Relaxed))
    }
    fn refuse(&self, why: Refusal) {
        self.refusal.store(why.word(), Ordering::Relaxed);
    }

    /// Takes `n` adjacent blocks and returns the first.
    pub(crate) fn alloc<'a>(
        &self,
        n: Blocks,
        link: impl Fn(BlockId) -> &'a Link,
    ) -> Result<BlockId, NoSpace> {
        // The count never passes the limit, not even for a moment: another thread would be refused
        // what fits, and statistics would show more than is allowed.
        let limit = self.limit();
        let mut before = self.used();
        let used = loop {
            let Some(used) = before.checked_add(n).filter(|used| *used <= limit) else {
                let is_limited = limit < self.blocks;
                self.refuse(if is_limited { Refusal::Limit } else { Refusal::Reservation });
                return Err(NoSpace);
            };
            let (order, failed) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.used.compare_exchange(before.get(), used.get(), order, failed) {
                Ok(_) => break used,
                Err(now) => before = Blocks::new(now),
            }
        };
        let used = used.get() as u64;
        if used > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(used, Ordering::Relaxed);
        }
        let got = if n == Blocks::ONE { self.alloc_one(link) } else { self.alloc_run(n, link) };
        got.ok_or_else(|| {
            self.used.fetch_sub(n.get(), Ordering::Relaxed);
            NoSpace
        })
    }

    /// Publishes the values that threads read without the lock.
    pub(super) fn publish(&self, map: &PageMap) {
        self.high.fetch_max(map.high().index(), Ordering::Release);
        self.tables.store(map.tables(), Ordering::Relaxed);
    }

    /// Takes a run of free blocks. Opens more of the reservation if the open part has no such run.
    fn take_run(&self, map: &mut PageMap, n: Blocks) -> Option<BlockId> {
        map.take_run(n).or_else(|| self.grow(map, n).then(|| map.take_run(n)).flatten())
    }

    /// Opens the next blocks of the reservation, so that it ends with a run of `n` free ones.
    #[cold]
    fn grow(&self, map: &mut PageMap, n: Blocks) -> bool {
        let (open, needed) = (map.blocks().get(), map.tail().index() + n.get());
        let Some(ground) = self.ground.as_ref().filter(|_| needed <= self.blocks.get()) else {
            self.refuse(Refusal::Reservation);
            return false;
        };
        // Whole words, so that the part of each table for a word is open or closed as a whole.
        let whole = |blocks: usize| blocks.next_multiple_of(64).min(self.blocks.get());
        let step = (open / 8).clamp(STEP.0, STEP.1);
        for to in [whole(needed.max(open + step)), whole(needed)] {
            match (ground.open)(open..to) {
                Ok(()) => {
                    map.grow(Blocks::new(to));
                    return true;
                }
                Err(e) => self.refuse(Refusal::System(e.raw_os_error().unwrap_or(0))),
            }
        }
        false
    }

    fn alloc_one<'a>(&self, link: impl Fn(BlockId) -> &'a Link) -> Option<BlockId> {
        let mut backoff = Backoff::new();
        loop {
            if let Some(block) = self.singles.pop(&link) {
                self.single_count.fetch_sub(1, Ordering::Relaxed);
                return Some(block);
            }
            let mut map = self.map.lock();
            if let Some(first) = self.take_run(&mut map, Blocks::ONE) {
                for _ in 1..BATCH {
                    let Some(block) = map.take_run(Blocks::ONE) else { break };
                    self.single_count.fetch_add(1, Ordering::Relaxed);
                    self.singles.push(block, &link);
                }
                self.publish(&map);
                return Some(first);
            }
            if !map.has_lent() {
                return None;
            }
            drop(map);
            backoff.wait();
        }
    }

    fn alloc_run<'a>(&self, n: Blocks, link: impl Fn(BlockId) -> &'a Link) -> Option<BlockId> {
        // A run that the stack's blocks complete is better than new memory.
        if self.singles() >= n.max(Blocks::new(64)) {
            self.drain_singles(&link);
        }
        let mut backoff = Backoff::new();
        loop {
            let mut map = self.map.lock();
            if let Some(first) = self.take_run(&mut map, n) {
                self.publish(&map);
                return Some(first);
            }
            let has_lent = map.has_lent();
            drop(map);
            if self.drain_singles(&link) == 0 {
                if !has_lent {
                    return None;
                }
                backoff.wait();
            }
        }
    }

    /// Moves singles to the map, up to as many as the stack holds now. Returns the number moved.
    pub(super) fn drain_singles<'a>(&self, link: impl Fn(BlockId) -> &'a Link) -> usize {
        let most = self.single_count.load(Ordering::Relaxed);
        let mut moved = 0;
        while moved < most {
            let mut map = self.map.lock();
            for _ in 0..DRAIN {
                let Some(block) = self.singles.pop(&link) else { return moved };
                self.single_count.fetch_sub(1, Ordering::Relaxed);
                map.give_run(BlockRange::new(block, Blocks::ONE));
                moved += 1;
            }
        }
        moved
    }

    /// Gives adjacent blocks back.
    pub(crate) fn free<'a>(&self, run: BlockRange, link: impl Fn(BlockId) -> &'a Link) {
        if run.len == Blocks::ONE && self.singles() < SINGLES {
            self.single_count.fetch_add(1, Ordering::Relaxed);
            self.singles.push(run.first, link);
        } else {
            self.map.lock().give_run(run);
        }
        self.used.fetch_sub(run.len.get(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_map::tests::{at, n};
    use super::super::release::{Pages, tests::World};
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_refused_run_keeps_no_room_from_others() {
        let world = World::new(64);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(64), n(64));
        let done = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(pages.alloc(n(65), link).is_err());
                }
            });
            let fits = (0..1_000_000).all(|_| {
                let is_within = pages.used() <= n(64);
                let block = pages.alloc(n(1), link);
                block.is_ok_and(|block| {
                    pages.free(BlockRange::new(block, n(1)), link);
                    is_within
                })
            });
            done.store(true, Ordering::Relaxed);
            assert!(fits, "a run that was refused took room for a moment");
        });
    }

    #[test]
    fn a_large_heap_with_little_in_it_has_a_small_map() {
        let world = World::new(1 << 10);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(1 << 22), n(1 << 22));
        let words = || pages.map.lock().extent().0;
        assert_eq!(words(), 0);
        let first = pages.alloc(n(100), link).unwrap();
        assert_eq!((first, words()), (at(0), 2));
        pages.free(BlockRange::new(first, n(100)), link);
        assert_eq!((pages.used(), pages.idle()), (n(0), n(100)));
        assert!(pages.alloc(n((1 << 22) + 1), link).is_err());
        assert_eq!((pages.release_all(&world), words()), (n(100), 2));
    }

    #[test]
    fn runs_do_not_overlap_and_come_back() {
        let world = World::new(1024);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(1024), n(1024));
        let a = pages.alloc(n(3), link).unwrap();
        let b = pages.alloc(n(1), link).unwrap();
        let c = pages.alloc(n(100), link).unwrap();
        assert!(b >= a.plus(n(3)) || b < a);
        assert!(!(c..c.plus(n(100))).contains(&b) && !(c..c.plus(n(100))).contains(&a));
        pages.free(BlockRange::new(a, n(3)), link);
        pages.free(BlockRange::new(c, n(100)), link);
        assert_eq!(pages.alloc(n(1024), link), Err(NoSpace));
        pages.free(BlockRange::new(b, n(1)), link);
        assert_eq!((pages.used(), pages.alloc(n(1025), link)), (n(0), Err(NoSpace)));
        let released = pages.release_all(&world);
        assert_eq!((released, pages.idle()), (pages.high(), n(0)));
        let d = pages.alloc(n(1), link).unwrap();
        pages.free(BlockRange::new(d, n(1)), link);
        assert_eq!(
            pages.alloc(n(1024), link),
            Ok(at(0)),
            "singles do not keep a long run from forming"
        );
    }

    #[test]
    fn a_peak_is_seen_by_who_looks_after_it() {
        let world = World::new(64);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(64), n(10));
        let run = pages.alloc(n(8), link).unwrap();
        assert!(pages.alloc(n(3), link).is_err(), "what was refused is no peak");
        pages.free(BlockRange::new(run, n(8)), link);
        let one = pages.alloc(n(1), link).unwrap();
        assert_eq!((pages.take_peak(), pages.take_peak()), (n(8), n(1)));
        pages.free(BlockRange::new(one, n(1)), link);
        assert_eq!((pages.take_peak(), pages.take_peak()), (n(1), n(0)));
    }

    #[test]
    fn the_limit_is_exact() {
        let world = World::new(64);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(64), n(10));
        let taken: Vec<BlockId> = (0..10).map(|_| pages.alloc(n(1), link).unwrap()).collect();
        assert_eq!(pages.alloc(n(1), link), Err(NoSpace));
        pages.free(BlockRange::new(taken[4], n(1)), link);
        assert!(pages.alloc(n(1), link).is_ok());
        pages.set_limit(n(11));
        assert!(pages.alloc(n(1), link).is_ok() && pages.alloc(n(1), link).is_err());
        pages.set_limit(n(9));
        pages.free(BlockRange::new(taken[5], n(1)), link);
        pages.free(BlockRange::new(taken[6], n(1)), link);
        assert_eq!((pages.alloc(n(1), link), pages.used()), (Err(NoSpace), n(9)));
        pages.set_limit(n(1000));
        assert_eq!(pages.limit(), n(64), "there are no more");
    }

    #[test]
    fn the_stack_of_singles_is_bounded() {
        let world = World::new(4096);
        let link = |b| world.link(b);
        let pages = PageAlloc::new(n(4096), n(4096));
        let taken: Vec<BlockId> = (0..3000).map(|_| pages.alloc(n(1), link).unwrap()).collect();
        taken.iter().for_each(|b| pages.free(BlockRange::new(*b, n(1)), link));
        assert!(pages.single_count.load(Ordering::Relaxed) <= SINGLES.get());
        // A batch may contain some that were never used.
        assert!((3000..3016).contains(&pages.idle().get()), "{:?}", pages.idle());
        assert_eq!(pages.alloc(n(4096), link), Ok(at(0)));
    }

    /// A system that opens at most `most` blocks, and the number that it has opened.
    fn ground(most: usize) -> (Ground, std::sync::Arc<AtomicUsize>) {
        let open = std::sync::Arc::new(AtomicUsize::new(0));
        let seen = open.clone();
        let ground = Ground {
            pages: PageSize { grain: n(1), group: 1 },
            open: Box::new(move |blocks: Range<usize>| {
                let to = blocks.end;
                assert!(blocks.start == seen.load(Ordering::Relaxed) && blocks.start < to);
                if to > most {
                    return Err(std::io::Error::from_raw_os_error(12));
                }
                seen.store(to, Ordering::Relaxed);
                Ok(())
            }),
        };
        (ground, open)
    }

    #[test]
    fn the_reservation_is_opened_as_the_heap_grows() {
        let world = World::new(1 << 16);
        let link = |b| world.link(b);
        let (ground, open) = ground(usize::MAX);
        let pages = PageAlloc::growing(n(1 << 16), n(1 << 16), ground);
        let open = || open.load(Ordering::Relaxed);
        assert_eq!((pages.alloc(n(1), link), open()), (Ok(at(0)), 64));
        // A run joins what is left of the old ground, past the blocks that wait in the stack.
        assert_eq!((pages.alloc(n(100), link), open()), (Ok(at(16)), 128));
        assert_eq!(
            (pages.alloc(n(1000), link), open()),
            (Ok(at(116)), 1152),
            "a run, and the rest of its word"
        );
        assert_eq!((pages.alloc(n(64), link), open()), (Ok(at(1116)), 1344), "an eighth more");
        assert_eq!((pages.alloc(n(40_000), link), open()), (Ok(at(1180)), 41_216));
        assert_eq!(
            (pages.alloc(n(64), link), open()),
            (Ok(at(41_180)), 45_312),
            "a step is bounded"
        );
        assert_eq!(
            (pages.alloc(n(24_320), link), pages.refusal()),
            (Err(NoSpace), Refusal::Reservation)
        );
        assert_eq!(
            (pages.alloc(n(24_292), link), open()),
            (Ok(at(41_244)), 1 << 16),
            "to the last block"
        );
        assert!(pages.alloc(n(1), link).is_ok_and(|b| b < at(16)), "those that waited");
    }

    #[test]
    fn a_system_that_opens_no_more_is_the_reason() {
        let world = World::new(1 << 12);
        let link = |b| world.link(b);
        let (ground, open) = ground(200);
        let pages = PageAlloc::growing(n(1 << 12), n(1 << 11), ground);
        assert_eq!(pages.alloc(n(150), link), Ok(at(0)));
        assert_eq!(open.load(Ordering::Relaxed), 192);
        assert_eq!(
            (pages.alloc(n(43), link), pages.refusal()),
            (Err(NoSpace), Refusal::System(12))
        );
        assert_eq!(pages.alloc(n(42), link), Ok(at(150)), "what is open can be used");
        assert_eq!((pages.alloc(n(1), link), pages.used()), (Err(NoSpace), n(192)));
        assert_eq!(pages.alloc(n(1 << 11), link), Err(NoSpace));
        assert_eq!(pages.refusal(), Refusal::Limit, "the limit is asked first");
        pages.free(BlockRange::new(at(0), n(150)), link);
        assert_eq!(pages.alloc(n(150), link), Ok(at(0)));
    }
}
