//! Spans: runs of blocks whose slots have one size and one type, and the classes that they belong
//! to.

use super::central::{Link, Stack};
use super::object::{LEAF_INFO, TypeInfo};
use super::size_class;
use crate::config::{BLOCK, BLOCK_WORDS, GRANULE_SHIFT};
use crate::sync::{AtomicU32, Ordering, plain};
use crate::word::{BlockId, SweepNumber};

/// The entry of a block; for a span, the entry of its first block counts. Zero is a free block, so
/// a table of entries is a zeroed reservation.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SpanMeta {
    link: Link,
    /// The number of the sweep that last swept this span (or from which it is fresh), modulo 2^32.
    /// It is a number, not a flag. Written by the sweeper or the maker of the span, which owns it
    /// then; read by threads that shade (rule 10).
    sweep: AtomicU32,
    /// First block of the span that this block belongs to. Written before the span's class is
    /// published.
    first: AtomicU32,
    /// Blocks in the span (first block only).
    blocks: AtomicU32,
    /// Allocated slots, as of when the span was swept, given up or shared (first block only).
    /// Exact while the span is in a list.
    live: AtomicU32,
}

impl SpanMeta {
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
    pub(crate) fn sweep(&self) -> SweepNumber {
        SweepNumber::new(self.sweep.load(Ordering::Acquire))
    }
    /// Release: a thread that reads the number sees the swept bitmaps.
    pub(crate) fn set_sweep(&self, number: SweepNumber) {
        self.sweep.store(number.get(), Ordering::Release);
    }
    pub(crate) fn first(&self) -> BlockId {
        BlockId::new(self.first.load(Ordering::Relaxed) as usize)
    }
    pub(crate) fn set_first(&self, block: BlockId) {
        self.first.store(block.index() as u32, Ordering::Relaxed);
    }
    pub(crate) fn blocks(&self) -> u32 {
        self.blocks.load(Ordering::Relaxed)
    }
    pub(crate) fn set_blocks(&self, blocks: u32) {
        self.blocks.store(blocks, Ordering::Relaxed);
    }
    pub(crate) fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }
    pub(crate) fn set_live(&self, live: u32) {
        self.live.store(live, Ordering::Relaxed);
    }
}

/// Slots that a thread takes of spans that it shares, before it holds one of `slots` slots.
///
/// An eighth, so that what a thread holds is at most eight times what it has taken. At least two,
/// so that threads share spans of large slots, too. Two in schedules, where few objects are made.
fn warm_at(slots: usize) -> u32 {
    if cfg!(shuttle) { 2 } else { (slots / 8).max(2) as u32 }
}

/// One class of spans: a type, an (element type, size class), or a size class of leaf data.
///
/// Made once, never freed before the heap: the block table and thread caches hold plain pointers to
/// it.
#[derive(Debug)]
pub(crate) struct SpanClass {
    pub(crate) info: &'static TypeInfo,
    /// Position in the heap's list and in each thread's cache.
    pub(crate) id: u32,
    /// Bytes of a slot; 0 for large objects, whose span is the slot.
    pub(crate) slot: usize,
    /// Blocks of each span; 0 for large objects.
    pub(crate) blocks: usize,
    /// Bytes from the start of a slot to its object.
    pub(crate) origin: usize,
    /// Slots of a span.
    pub(crate) slots: usize,
    /// Slots that a thread takes before it holds spans of the class: see [`warm_at`].
    pub(crate) warm_at: u32,
    /// Bit for each granule in which an object of a span starts; one word for 64 granules.
    pub(crate) starts: Box<[u64]>,
    /// Bit for each granule in whose second half an object starts.
    pub(crate) halves: Box<[u64]>,
    /// Whether markers scan the grey objects of a span together (`grey`). So it is for small
    /// objects in spans of one block.
    pub(crate) by_span: bool,
    /// Whether slots of this class hold leaf data of any type.
    pub(crate) leaf: bool,
    /// Spans with free slots, and spans without, by the parity of their sweep number (`sweep`).
    partial: [Stack; 2],
    full: [Stack; 2],
    /// Refills served by spans in use (partly free or just swept), and by fresh blocks.
    reused: plain::AtomicU64,
    fresh: plain::AtomicU64,
    /// Spans that threads' caches hold.
    cached: plain::AtomicU64,
}

impl SpanClass {
    /// A class of small objects in slots of `slot` bytes.
    pub(crate) fn small(info: &'static TypeInfo, id: u32, slot: usize) -> SpanClass {
        Self::of_blocks(info, id, slot, size_class::span_blocks(slot))
    }

    /// The class of leaf data in slots of `slot` bytes, in a heap that may have `limit` blocks.
    pub(crate) fn leaf(id: u32, slot: usize, limit: usize) -> SpanClass {
        Self::of_blocks(&LEAF_INFO, id, slot, size_class::leaf_span_blocks(slot, limit))
    }

    fn of_blocks(info: &'static TypeInfo, id: u32, slot: usize, blocks: usize) -> SpanClass {
        let origin = info.origin();
        let slots = blocks * BLOCK / slot;
        let mut starts = vec![0; blocks * BLOCK_WORDS];
        for i in 0..slots {
            let granule = (origin + i * slot) >> GRANULE_SHIFT;
            starts[granule / 64] |= 1 << (granule % 64);
        }
        let by_span = info.needs_trace && !info.array && blocks == 1;
        let mut halves = vec![0; blocks * BLOCK_WORDS];
        for at in (0..slots).map(|i| origin + i * slot).filter(|at| at % 16 != 0) {
            let granule = at >> GRANULE_SHIFT;
            halves[granule / 64] |= 1 << (granule % 64);
        }
        let bare = Self::bare(info, id, starts.into());
        let warm_at = warm_at(slots);
        SpanClass { slot, blocks, slots, warm_at, halves: halves.into(), by_span, ..bare }
    }

    /// A class of large objects, each alone in its span.
    pub(crate) fn large(info: &'static TypeInfo, id: u32) -> SpanClass {
        let granule = info.origin() >> GRANULE_SHIFT;
        let mut starts = vec![0; granule / 64 + 1];
        starts[granule / 64] = 1 << (granule % 64);
        Self::bare(info, id, starts.into())
    }

    fn bare(info: &'static TypeInfo, id: u32, starts: Box<[u64]>) -> SpanClass {
        SpanClass {
            info,
            id,
            slot: 0,
            blocks: 0,
            origin: info.origin(),
            slots: 1,
            warm_at: 0,
            starts,
            halves: Box::new([]),
            by_span: false,
            leaf: info.is_leaf(),
            partial: [Stack::new(), Stack::new()],
            full: [Stack::new(), Stack::new()],
            reused: plain::AtomicU64::new(0),
            fresh: plain::AtomicU64::new(0),
            cached: plain::AtomicU64::new(0),
        }
    }

    /// Index of the slot whose object starts in a granule of the span.
    #[inline]
    pub(crate) fn slot_at(&self, granule: usize) -> usize {
        let offset = granule << GRANULE_SHIFT;
        offset.saturating_sub(self.origin).div_ceil(self.slot)
    }
    /// Returns whether each object has a span of its own.
    pub(crate) fn is_large(&self) -> bool {
        self.slot == 0
    }
    /// Returns whether objects are traced.
    #[inline(always)]
    pub(crate) fn needs_trace(&self) -> bool {
        !self.leaf && self.info.needs_trace
    }
    /// Returns whether dead objects have drop glue to run.
    pub(crate) fn needs_drop(&self) -> bool {
        !self.leaf && self.info.needs_drop
    }
    /// Counts a refill from a span in use.
    pub(crate) fn count_reused(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }
    /// Counts a refill from fresh blocks.
    pub(crate) fn count_fresh(&self) {
        self.fresh.fetch_add(1, Ordering::Relaxed);
    }
    /// A cache that held no span of this class holds one.
    pub(crate) fn count_cached(&self) {
        self.cached.fetch_add(1, Ordering::Relaxed);
    }
    /// A cache gave its span of this class back, and has no other.
    pub(crate) fn count_uncached(&self) {
        self.cached.fetch_sub(1, Ordering::Relaxed);
    }
    /// Spans that caches hold.
    pub(crate) fn cached(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }
    /// Refills so far: from spans in use, from fresh blocks.
    pub(crate) fn refills(&self) -> (u64, u64) {
        (self.reused.load(Ordering::Relaxed), self.fresh.load(Ordering::Relaxed))
    }
    /// Spans of sweep number `number` that have free slots.
    pub(crate) fn partial(&self, number: SweepNumber) -> &Stack {
        &self.partial[number.parity()]
    }
    /// Spans of sweep number `number` that have no free slots.
    pub(crate) fn full(&self, number: SweepNumber) -> &Stack {
        &self.full[number.parity()]
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::InfoOf;
    use super::*;

    #[test]
    fn the_starts_of_a_class_are_its_objects() {
        let class = SpanClass::small(InfoOf::<[u64; 3]>::ONE, 0, 24);
        let bits: u32 = class.starts.iter().map(|w| w.count_ones()).sum();
        assert_eq!((class.slots, bits as usize), (BLOCK / 24, class.slots));
        let strings = SpanClass::small(InfoOf::<String>::ARRAY, 0, 80);
        assert_eq!(strings.starts[0] & 1, 1, "8 / 16 = granule 0");
        assert!(SpanClass::large(InfoOf::<String>::ARRAY, 0).is_large());
    }
}
