#![forbid(unsafe_code)]
//! The page heap: which blocks of the reservation are in use, and which free ones still hold memory.
//!
//! Single blocks, nearly all requests, go through a lock-free stack of free blocks in front of the bitmap; it
//! is refilled in batches under the lock and emptied when a longer run is wanted or memory is given back.

use super::central::{Link, Stack};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Free blocks fetched at once for the stack of singles.
const BATCH: usize = 16;
/// Blocks given back to the system in one call: 4 MiB, some 100 µs.
const PIECE: usize = 256;

/// Which blocks are in use.
#[derive(Debug)]
pub(crate) struct PageAlloc {
    map: Mutex<Map>,
    singles: Stack,
    /// Blocks in `singles`, roughly: a hint for when to empty it.
    single_count: AtomicUsize,
    /// Blocks in spans. Every block is counted before it is taken, so the limit holds at every moment.
    used: AtomicUsize,
    /// No block at or above was ever taken.
    high: AtomicUsize,
    limit: usize,
}

#[derive(Debug)]
struct Map {
    /// A bit for each block that is in use or in the stack of singles; words as far as `high`, for a heap that stays
    /// small must not pay for its whole address space.
    taken: Vec<u64>,
    /// A bit for each block whose pages may be resident; as many words.
    dirty: Vec<u64>,
    blocks: usize,
    /// No free block lies below.
    hint: usize,
    /// No block at or above was ever taken.
    high: usize,
}

/// The blocks asked for would exceed the limit, or there is no free run that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSpace;

impl PageAlloc {
    /// A page heap over `blocks` blocks, of which at most `limit` may be in use.
    pub(crate) fn new(blocks: usize, limit: usize) -> Self {
        let map = Map { taken: Vec::new(), dirty: Vec::new(), blocks, hint: 0, high: 0 };
        PageAlloc {
            map: Mutex::new(map),
            singles: Stack::new(),
            single_count: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            high: AtomicUsize::new(0),
            limit: limit.min(blocks),
        }
    }

    /// Blocks that may be in use at most.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
    /// Blocks in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
    /// Blocks below which everything that was ever taken lies.
    pub(crate) fn high(&self) -> usize {
        self.high.load(Ordering::Acquire)
    }

    /// Takes `n` adjacent blocks and returns the first.
    pub(crate) fn alloc<'a>(
        &self,
        n: usize,
        link: impl Fn(u32) -> &'a Link,
    ) -> Result<u32, NoSpace> {
        if self.used.fetch_add(n, Ordering::Relaxed) + n > self.limit {
            self.used.fetch_sub(n, Ordering::Relaxed);
            return Err(NoSpace);
        }
        let got = if n == 1 { self.alloc_one(link) } else { self.alloc_run(n, link) };
        got.ok_or_else(|| {
            self.used.fetch_sub(n, Ordering::Relaxed);
            NoSpace
        })
    }

    fn alloc_one<'a>(&self, link: impl Fn(u32) -> &'a Link) -> Option<u32> {
        if let Some(block) = self.singles.pop(&link) {
            self.single_count.fetch_sub(1, Ordering::Relaxed);
            return Some(block);
        }
        let mut map = self.map.lock();
        let first = map.take_run(1)?;
        for _ in 1..BATCH {
            let Some(block) = map.take_run(1) else { break };
            self.single_count.fetch_add(1, Ordering::Relaxed);
            self.singles.push(block, &link);
        }
        self.high.fetch_max(map.high, Ordering::Release);
        Some(first)
    }

    fn alloc_run<'a>(&self, n: usize, link: impl Fn(u32) -> &'a Link) -> Option<u32> {
        let mut map = self.map.lock();
        // A run among free blocks that are only waiting in the stack is better than new memory.
        if self.single_count.load(Ordering::Relaxed) >= n.max(64) {
            self.empty_singles(&mut map, link);
        }
        let first = map.take_run(n)?;
        self.high.fetch_max(map.high, Ordering::Release);
        Some(first)
    }

    fn empty_singles<'a>(&self, map: &mut Map, link: impl Fn(u32) -> &'a Link) {
        while let Some(block) = self.singles.pop(&link) {
            self.single_count.fetch_sub(1, Ordering::Relaxed);
            map.give_run(block as usize, 1);
        }
    }

    /// Gives `n` adjacent blocks back.
    pub(crate) fn free<'a>(&self, first: u32, n: usize, link: impl Fn(u32) -> &'a Link) {
        if n == 1 {
            self.single_count.fetch_add(1, Ordering::Relaxed);
            self.singles.push(first, link);
        } else {
            self.map.lock().give_run(first as usize, n);
        }
        self.used.fetch_sub(n, Ordering::Relaxed);
    }

    /// Calls `release(first, n)` for runs of free blocks that may be resident, up to `most` blocks in all, and
    /// returns how many blocks it said were released. Each run counts as taken meanwhile, and the lock is free, so
    /// that no refill waits for the system.
    pub(crate) fn release<'a>(
        &self,
        most: usize,
        link: impl Fn(u32) -> &'a Link,
        mut release: impl FnMut(usize, usize) -> bool,
    ) -> usize {
        self.empty_singles(&mut self.map.lock(), link);
        let mut released = 0;
        // From the top down: what lies low is used first.
        let mut at = self.high();
        while released < most {
            let Some((first, n)) = self.map.lock().take_idle_below(at, most - released) else {
                break;
            };
            at = first;
            let done = release(first, n);
            let mut map = self.map.lock();
            map.give_run(first, n);
            if done {
                (first..first + n).for_each(|b| map.dirty[b / 64] &= !(1 << (b % 64)));
                released += n;
            }
        }
        released
    }

    /// Free blocks that may be resident.
    pub(crate) fn idle(&self) -> usize {
        let map = self.map.lock();
        let words = map.high.div_ceil(64);
        let idle: u32 = (0..words).map(|w| (map.dirty[w] & !map.taken[w]).count_ones()).sum();
        idle as usize + self.single_count.load(Ordering::Relaxed)
    }
}

impl Map {
    fn is_idle(&self, block: usize) -> bool {
        (self.dirty[block / 64] & !self.taken[block / 64]) >> (block % 64) & 1 == 1
    }

    /// Takes the highest run of idle blocks below `at`, of at most `most` blocks and [`PIECE`].
    fn take_idle_below(&mut self, mut at: usize, most: usize) -> Option<(usize, usize)> {
        while at > 0 && !self.is_idle(at - 1) {
            let word = (at - 1) / 64;
            // Whole words without idle blocks are skipped.
            at = if self.dirty[word] & !self.taken[word] == 0 { word * 64 } else { at - 1 };
        }
        let end = at;
        while at > 0 && self.is_idle(at - 1) && end - at < most.min(PIECE) {
            at -= 1;
            self.taken[at / 64] |= 1 << (at % 64);
        }
        (at < end).then_some((at, end - at))
    }

    /// First fit.
    fn take_run(&mut self, n: usize) -> Option<u32> {
        let mut at = self.hint;
        let mut free = 0;
        while free < n {
            if at >= self.blocks {
                return None;
            }
            let word = self.taken.get(at / 64).copied().unwrap_or(0);
            if at.is_multiple_of(64) && word == u64::MAX {
                (at, free) = (at + 64, 0);
            } else if at.is_multiple_of(64) && word == 0 && n - free >= 64 && at + 64 <= self.blocks
            {
                (at, free) = (at + 64, free + 64);
            } else if word >> (at % 64) & 1 == 1 {
                (at, free) = (at + 1, 0);
            } else {
                (at, free) = (at + 1, free + 1);
            }
        }
        let first = at - n;
        if at > 64 * self.taken.len() {
            self.taken.resize(at.div_ceil(64), 0);
            self.dirty.resize(at.div_ceil(64), 0);
        }
        for b in first..at {
            self.taken[b / 64] |= 1 << (b % 64);
            self.dirty[b / 64] |= 1 << (b % 64);
        }
        if n == 1 || first == self.hint {
            self.hint = at;
        }
        self.high = self.high.max(at);
        Some(first as u32)
    }

    fn give_run(&mut self, first: usize, n: usize) {
        for b in first..first + n {
            debug_assert!(self.taken[b / 64] >> (b % 64) & 1 == 1, "block {b} freed twice");
            self.taken[b / 64] &= !(1 << (b % 64));
        }
        self.hint = self.hint.min(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(n: usize) -> Vec<Link> {
        (0..n).map(|_| Link::new(0)).collect()
    }

    #[test]
    fn a_large_heap_with_little_in_it_has_a_small_map() {
        let table = links(1 << 10);
        let pages = PageAlloc::new(1 << 22, 1 << 22);
        // One lock at a time.
        let words = || {
            let map = pages.map.lock();
            (map.taken.len(), map.dirty.len())
        };
        assert_eq!(words(), (0, 0));
        let first = pages.alloc(100, |b| &table[b as usize]).unwrap();
        assert_eq!((first, words()), (0, (2, 2)));
        pages.free(first, 100, |b| &table[b as usize]);
        assert_eq!((pages.used(), pages.idle()), (0, 100));
        assert!(pages.alloc((1 << 22) + 1, |b| &table[b as usize]).is_err());
        assert_eq!(pages.release(usize::MAX, |b| &table[b as usize], |_, _| true), 100);
    }

    #[test]
    fn runs_do_not_overlap_and_come_back() {
        let table = links(1024);
        let link = |i: u32| &table[i as usize];
        let pages = PageAlloc::new(1024, 1024);
        let a = pages.alloc(3, link).unwrap();
        let b = pages.alloc(1, link).unwrap();
        let c = pages.alloc(100, link).unwrap();
        assert!(b >= a + 3 || b < a);
        assert!(!(c..c + 100).contains(&b) && !(c..c + 100).contains(&a));
        pages.free(a, 3, link);
        pages.free(c, 100, link);
        pages.free(b, 1, link);
        assert_eq!(pages.used(), 0);
        assert_eq!(pages.alloc(1025, link), Err(NoSpace));
        assert_eq!(pages.alloc(1024, link), Err(NoSpace), "singles still hold some");
        let released = pages.release(usize::MAX, link, |_, _| true);
        assert_eq!(released, pages.high());
        assert_eq!((pages.idle(), pages.alloc(1024, link)), (0, Ok(0)));
    }

    #[test]
    fn the_limit_is_exact() {
        let table = links(64);
        let link = |i: u32| &table[i as usize];
        let pages = PageAlloc::new(64, 10);
        let taken: Vec<u32> = (0..10).map(|_| pages.alloc(1, link).unwrap()).collect();
        assert_eq!(pages.alloc(1, link), Err(NoSpace));
        pages.free(taken[4], 1, link);
        assert!(pages.alloc(1, link).is_ok());
    }
}
