//! The heap: from the operating system's pages to the slot of an object, and back.
//!
//! Allocation, down:
//! 1. A thread bumps the cursor of the object's class within its current run of free slots
//!    (`cache`).
//! 2. At the end of the run the cursor moves to the next free slots of the same span, a run or
//!    scattered slots (`free`).
//! 3. At the end of the span the thread takes another one from the central list of the class
//!    (`central`). That span is swept, or the thread sweeps it (`crate::sweep`). Of a class of
//!    which it has taken few slots it takes one slot, and puts the span back (`mutator::shared`).
//! 4. If there is none, the page heap gives fresh blocks (`page_alloc`, [`Space::fresh_span`]).
//! 5. The page heap opens new blocks in steps (`os`). The system gives the memory of these, and of
//!    blocks that were given back, at the first touch.
//!
//! Freeing, up: the sweep makes `allocated := marked` for a span. The span goes back to its central
//! list with its free slots, or to the page heap when it is empty ([`Space::free_span`]). `release`
//! gives idle blocks to the system.
//!
//! All metadata lies in dense side tables indexed by block number, never in the blocks and never in
//! the objects. Within this folder `os`, `bitmap`, `central`, `size_class`, `object` and `grey` do
//! not know each other. `span` builds on them, `page_map` on `bitmap`, `page_alloc` on `page_map`
//! and `central`, `release` on `page_alloc`, `tables` on `span` and `grey`. `free` and `scans`
//! build on `tables`, `poison` and `cache` on `free`, this file on all, and `waste` on this file.
//!
//! Files, lowest first: `os`, `bitmap`, `central`, `size_class`, `object`, `grey`, `address`,
//! `asan`, `page_map`, `page_alloc`, `release`, `span`, `tables`, `free`, `poison`, `scans`,
//! `cache`, `waste`.

pub(crate) mod address;
pub(crate) mod asan;
pub(crate) mod bitmap;
pub(crate) mod cache;
pub mod central;
pub(crate) mod free;
pub mod grey;
pub(crate) mod object;
pub(crate) mod os;
pub(crate) mod page_alloc;
mod page_map;
pub(crate) mod poison;
mod release;
pub(crate) mod scans;
pub(crate) mod size_class;
pub(crate) mod span;
pub(crate) mod tables;
#[cfg(not(loom))]
pub(crate) mod waste;

use crate::config::{BLOCK, BLOCK_WORDS, Config};
use crate::error::ConfigError;
use crate::observe::life::{SpanLife, SpanState};
use crate::platform::memory::Region;
use crate::sync::{Mutex, Ordering, plain};
use crate::word::{Addr, BlockId, BlockRange, Blocks, Bytes, ClassId, SweepNumber, WordIndex};
use central::Link;
use object::TypeInfo;
use os::Reservation;
use page_alloc::{Ground, PageAlloc, PageSize};
use release::Pages;
use size_class::SizeClass;
use span::{OwnedSpan, SpanClass, SpanMeta};
use std::collections::HashMap;
use std::ops::{Deref, Range};
use tables::{TABLES, Tables};

/// The reservation of a heap with its side tables.
#[derive(Debug)]
pub(crate) struct Space {
    mem: Reservation,
    /// Whether the system gave less than was asked for.
    is_short: bool,
    /// What becomes of some of the spans, while a timeline is recorded.
    pub(crate) life: SpanLife,
    _alive: Alive,
    /// The memory of the tables, in their order.
    table_memory: [Reservation; TABLES],
    tables: Tables,
    pub(crate) pages: PageAlloc,
    by_key: Mutex<ClassMap>,
}

/// Which class of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ClassKey {
    /// That of single values.
    Type,
    /// That of objects of a size class: arrays, or leaf data.
    Size(SizeClass),
    /// That of large objects.
    Large,
}

#[derive(Debug, Default)]
struct ClassMap {
    by_key: HashMap<(usize, ClassKey), &'static SpanClass>,
    all: Vec<&'static SpanClass>,
}

/// Bytes of a bitmap for a word of 64 blocks.
const WORD_BITMAP: usize = 64 * BLOCK_WORDS * size_of::<u64>();

/// Bytes of the side tables for one block: the bitmaps, and what is known of it.
const BITMAPS_OF_BLOCK: usize = 2 * BLOCK_WORDS * size_of::<u64>();
const ENTRY_OF_BLOCK: usize = size_of::<SpanMeta>() + size_of::<usize>();

/// Counts a heap of this process as long as it exists: a hint for the size of the next heap's
/// reservation.
#[derive(Debug)]
struct Alive {
    /// Number of heaps that existed before.
    others: usize,
}

static ALIVE: plain::AtomicU64 = plain::AtomicU64::new(0);

impl Alive {
    fn new() -> Alive {
        Alive { others: ALIVE.fetch_add(1, Ordering::Relaxed) as usize }
    }
}
impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Heaps of this process whose spaces are there.
#[cfg(not(loom))]
pub(crate) fn alive() -> u64 {
    ALIVE.load(Ordering::Relaxed)
}

impl Deref for Space {
    type Target = Tables;
    #[inline(always)]
    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl Space {
    /// Bytes of the side tables for a block in use.
    #[cfg(not(loom))]
    pub(crate) const TABLES_OF_BLOCK: usize = BITMAPS_OF_BLOCK + ENTRY_OF_BLOCK;

    /// Reserves a heap, or a smaller one if the system refuses.
    pub(crate) fn new(config: &Config) -> Result<Space, ConfigError> {
        let alive = Alive::new();
        let asked = config.reserve_beside(alive.others);
        let (mem, table_memory) = os::with_fallback(asked, |bytes| {
            let closed = |bytes| {
                let reservation = Reservation::closed(bytes)?;
                // With huge pages, a first touch would zero two megabytes, which would be a pause
                // of its own.
                reservation.no_huge_pages();
                Ok::<_, std::io::Error>(reservation)
            };
            let mut tables = Vec::with_capacity(TABLES);
            for entry in Tables::ENTRIES {
                tables.push(closed(bytes / BLOCK * entry)?);
            }
            let tables: [Reservation; TABLES] = tables.try_into().expect("one for each entry");
            Ok(((bytes, closed(bytes)?), tables))
        })?;
        let (bytes, mem) = mem;
        let blocks = Blocks::within(Bytes::of(bytes));
        let mut openers = vec![mem.opener(BLOCK)];
        openers.extend(table_memory.iter().zip(Tables::ENTRIES).map(|(t, entry)| t.opener(entry)));
        let ground = Ground {
            pages: PageSize {
                grain: Blocks::within(Bytes::of(mem.page())).max(Blocks::ONE),
                group: (mem.page() / WORD_BITMAP).max(1),
            },
            open: Box::new(move |blocks: Range<usize>| {
                openers.iter().try_for_each(|o| o.open(blocks.clone()))
            }),
        };
        Ok(Space {
            tables: Tables::new(Addr::new(mem.base()), blocks, &table_memory),
            table_memory,
            pages: PageAlloc::growing(blocks, Blocks::within(Bytes::of(config.heap_limit)), ground),
            by_key: Mutex::new(ClassMap::default()),
            is_short: bytes < asked,
            life: SpanLife::default(),
            mem,
            _alive: alive,
        })
    }

    /// Returns whether the system gave less address space than was asked for.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }
    /// Gives the address space back, before the space is dropped.
    ///
    /// # Safety
    ///
    /// The heap has ended: no thread reads an object or a table any more (INV-10).
    pub(crate) unsafe fn unmap(&self) {
        if self.is_mapped() {
            asan::unpoison(self.address(BlockId::FIRST), self.high().size());
        }
        for reservation in self.table_memory.iter().chain([&self.mem]) {
            // SAFETY: INV-10: by the caller's promise.
            unsafe { reservation.unmap() };
        }
    }
    /// Returns whether the address space has not been given back.
    pub(crate) fn is_mapped(&self) -> bool {
        self.mem.is_mapped()
    }
    /// Blocks below which every span lies.
    pub(crate) fn high(&self) -> Blocks {
        self.pages.high()
    }
    /// Bytes of the address space.
    pub(crate) fn reserved(&self) -> usize {
        self.blocks().size()
    }
    /// The link of a block's first span entry, for the central lists and the page heap.
    pub(crate) fn link(&self, block: BlockId) -> &Link {
        self.meta(block).link()
    }
    /// Makes a span of fresh blocks of a class of small objects, with sweep number `number`.
    pub(crate) fn fresh_span(
        &self,
        class: &'static SpanClass,
        number: SweepNumber,
    ) -> Option<OwnedSpan> {
        let first = self.pages.alloc(class.blocks, |b| self.link(b)).ok()?;
        class.count_fresh();
        asan::poison(self.address(first), class.blocks.size());
        self.publish_span(first, class.blocks, class, number);
        for block in 1..class.blocks.get() {
            let block = first.plus(Blocks::new(block));
            self.meta(block).set_first(first);
            self.set_class(block, class);
        }
        self.life.note(first, class.id, SpanState::Allocated);
        Some(OwnedSpan::from_parts(class, first))
    }

    /// Makes a span for one large object of `bytes`, object and header together.
    pub(crate) fn large_span(
        &self,
        class: &'static SpanClass,
        bytes: usize,
        number: SweepNumber,
    ) -> Option<OwnedSpan> {
        let blocks = Blocks::covering(Bytes::of(bytes));
        let first = self.pages.alloc(blocks, |b| self.link(b)).ok()?;
        class.count_fresh();
        asan::unpoison(self.address(first), bytes);
        // Only the first block's entry counts: the address of a large object lies in it.
        self.publish_span(first, blocks, class, number);
        self.life.note(first, class.id, SpanState::Allocated);
        Some(OwnedSpan::from_parts(class, first))
    }

    fn publish_span(
        &self,
        first: BlockId,
        blocks: Blocks,
        class: &'static SpanClass,
        number: SweepNumber,
    ) {
        let meta = self.meta(first);
        meta.set_first(first);
        meta.set_blocks(blocks);
        meta.set_live(0);
        meta.set_sweep(number);
        self.set_class(first, class);
    }

    fn set_class(&self, block: BlockId, class: &'static SpanClass) {
        self.class_word(block).store(std::ptr::from_ref(class).cast_mut(), Ordering::Release);
    }

    /// Gives an empty span's blocks back to the page heap. Its bitmaps are zero (INV-17).
    pub(crate) fn free_span(&self, span: OwnedSpan) {
        let (class, first) = span.into_parts();
        let blocks = self.meta(first).blocks();
        self.life.note(first, class.id, SpanState::Freed);
        let marked = if class.is_large() { Blocks::ONE } else { blocks };
        for block in 0..marked.get() {
            let block = first.plus(Blocks::new(block));
            self.class_word(block).store(std::ptr::null_mut(), Ordering::Release);
        }
        self.pages.free(BlockRange::new(first, blocks), |b| self.link(b));
    }

    /// Bytes of memory in use: spans, and the resident part of the side tables.
    pub(crate) fn resident(&self) -> usize {
        self.pages.used().size() + self.tables_resident()
    }
    /// Bytes of the resident part of the side tables.
    pub(crate) fn tables_resident(&self) -> usize {
        self.pages.tables() * 64 * BITMAPS_OF_BLOCK + self.high().get() * ENTRY_OF_BLOCK
    }
    /// Gives the memory of idle blocks to the system, up to `most` bytes. Returns how many bytes of
    /// blocks the system took.
    pub(crate) fn release(&self, most: usize) -> usize {
        self.pages.release(Blocks::within(Bytes::of(most)), self).size()
    }
    /// The same for all memory that is not in use.
    pub(crate) fn release_all(&self) -> usize {
        self.pages.release_all(self).size()
    }

    /// A class of a type, made at first use.
    pub(crate) fn class_for(
        &self,
        info: &'static TypeInfo,
        key: ClassKey,
        make: impl FnOnce(ClassId) -> SpanClass,
    ) -> &'static SpanClass {
        let mut map = self.by_key.lock();
        let at = (std::ptr::from_ref(info) as usize, key);
        if let Some(class) = map.by_key.get(&at) {
            return class;
        }
        let id = ClassId::new(map.all.len());
        // Freed in `Drop`, when no thread can hold a class any more.
        let class: &'static SpanClass = Box::leak(Box::new(make(id)));
        map.by_key.insert(at, class);
        map.all.push(class);
        class
    }

    /// Returns the address and the type of the value of a live object at `addr` (the object, or the
    /// element of an array). `None` if `addr` lies outside of the heap, or beyond the first block
    /// of a large object.
    pub(crate) fn value_at(&self, addr: Addr) -> Option<(Addr, &'static TypeInfo)> {
        let block = addr.checked_since(self.address(BlockId::FIRST))? / BLOCK;
        let block = (block < self.high().get()).then_some(BlockId::new(block))?;
        let class = self.class_at(block)?;
        let info = class.info;
        let first = self.address(self.meta(block).first()) + class.origin;
        let offset = addr.checked_since(first)?;
        let object = if class.is_large() { 0 } else { offset - offset % class.slot };
        let inside = offset - object;
        let element = if info.array { inside - inside % info.size.max(1) } else { 0 };
        (inside - element < info.size).then_some((first + object + element, info))
    }

    /// All classes made so far.
    pub(crate) fn all_classes(&self) -> Vec<&'static SpanClass> {
        self.by_key.lock().all.clone()
    }

    /// Calls `each(span, class)` for every span, in address order.
    pub(crate) fn each_span(&self, mut each: impl FnMut(BlockId, &'static SpanClass)) {
        let high = BlockId::FIRST.plus(self.high());
        let mut block = BlockId::FIRST;
        while block < high {
            match self.class_at(block) {
                Some(class) if self.meta(block).first() == block => {
                    let blocks = self.meta(block).blocks();
                    each(block, class);
                    block = block.plus(blocks.max(Blocks::ONE));
                }
                _ => block = block.plus(Blocks::ONE),
            }
        }
    }
}

impl Pages for Space {
    fn link(&self, block: BlockId) -> &Link {
        Space::link(self, block)
    }
    fn release_blocks(&self, blocks: BlockRange) -> bool {
        self.mem.release(Region { at: self.address(blocks.first).get(), bytes: blocks.len.size() })
    }
    /// The words of free blocks are zero and stay so until one of the blocks is taken (INV-17). So
    /// a thread that reads such a word sees no change.
    fn release_bitmaps(&self, word: usize) -> bool {
        // The group of all words that share its page.
        let group = (self.mem.page() / WORD_BITMAP).max(1);
        let words = group * 64 * BLOCK_WORDS;
        let first = word * 64 * BLOCK_WORDS;
        self.check_bitmaps(first..first + words);
        let bytes = group * WORD_BITMAP;
        let go = |table: &Reservation| {
            table.release_zeroes(Region { at: table.base() + word * WORD_BITMAP, bytes })
        };
        // All of them, whatever the first returns.
        Tables::BITMAPS.iter().fold(true, |all, &i| go(&self.table_memory[i]) & all)
    }
}

impl Space {
    /// Checks that the bitmaps of free blocks are zero (INV-17), where debug assertions are on and
    /// in the verifying build.
    fn check_bitmaps(&self, words: Range<usize>) {
        // Under a scheduler every look at a word is a step.
        if !cfg!(all(any(debug_assertions, gc_verify), not(shuttle))) {
            return;
        }
        // Blocks that were never taken may not be open.
        let end = words.end.min(self.high().get().next_multiple_of(64) * BLOCK_WORDS);
        let end = end.min(self.blocks().get() * BLOCK_WORDS);
        let is_zero = |i: WordIndex| {
            !self.mark_word(i).is_set(u64::MAX) && self.allocated(i) == 0 && self.is_unscanned(i)
        };
        if !(words.start..end).map(WordIndex::new).all(is_zero) {
            crate::error::fatal("INV-17: a free block has a mark bit or an alloc bit");
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // The sanitizer must not blame the next user of these addresses.
        // SAFETY: INV-10: code that looks at an object or a table holds the space.
        unsafe { self.unmap() };
        for class in std::mem::take(&mut self.by_key.lock().all) {
            let class = std::ptr::from_ref(class).cast_mut();
            // SAFETY: INV-10: made by `Box::leak` in `class_for`. Its only users, the block table
            // and the caches, are gone with the heap.
            drop(unsafe { Box::from_raw(class) });
        }
    }
}
