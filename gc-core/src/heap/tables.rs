//! The side tables: everything known of an address follows from it by a shift and a load.
//!
//! The type holds only addresses of tables, so that a marker can keep a copy in registers while it
//! works. Through [`Space`](super::Space) the compiler would load them again after every store. The
//! holder of a copy does not outlive the heap (INV-10).

use super::bitmap::MarkWord;
use super::grey::GreySpan;
use super::object::TypeInfo;
use super::os::Reservation;
use super::span::{List, OwnedSpan, SpanBits, SpanClass, SpanMeta};
use crate::config::{BLOCK, BLOCK_SHIFT, BLOCK_WORDS, GRANULE_SHIFT};
use crate::sync::{AtomicPtr, AtomicU64, Ordering, prefetch};
use crate::word::{Addr, BlockId, Blocks, SweepNumber, WordIndex};

/// The number of tables.
pub(super) const TABLES: usize = 6;

/// The addresses of the tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    base: Addr,
    blocks: Blocks,
    /// One bit a granule: objects that the current cycle found (or made) live.
    marks: *const MarkWord,
    /// One bit a granule: objects that are scanned, or need not be, of classes that are scanned by
    /// spans (`grey`).
    scans: *const MarkWord,
    /// One bit a granule: slots that are allocated, or in a thread's hands.
    allocs: *const AtomicU64,
    /// One byte a block: whether its span is queued for scanning.
    greys: *const GreySpan,
    metas: *const SpanMeta,
    /// Class of the span each block belongs to; null for a block of no span.
    classes: *const AtomicPtr<SpanClass>,
}

// SAFETY: INV-10: the tables hold atomics, and live as long as their users.
unsafe impl Send for Tables {}
// SAFETY: INV-10: as above.
unsafe impl Sync for Tables {}

impl Tables {
    /// Bytes that each table takes for a block, in the order of `new`.
    pub(super) const ENTRIES: [usize; TABLES] = [
        BLOCK_WORDS * size_of::<MarkWord>(),
        BLOCK_WORDS * size_of::<MarkWord>(),
        BLOCK_WORDS * size_of::<AtomicU64>(),
        size_of::<GreySpan>(),
        size_of::<SpanMeta>(),
        size_of::<AtomicPtr<SpanClass>>(),
    ];
    /// The indices of the tables that are bitmaps.
    pub(super) const BITMAPS: [usize; 3] = [0, 1, 2];

    /// The tables of `blocks` blocks from address `base` on.
    pub(super) fn new(base: Addr, blocks: Blocks, memory: &[Reservation; TABLES]) -> Tables {
        let [marks, scans, allocs, greys, metas, classes] = memory;
        Tables {
            base,
            blocks,
            marks: marks.table(),
            scans: scans.table(),
            allocs: allocs.table(),
            greys: greys.table(),
            metas: metas.table(),
            classes: classes.table(),
        }
    }
    /// Blocks of the address space.
    pub(crate) fn blocks(&self) -> Blocks {
        self.blocks
    }
    /// First byte of a block.
    pub(crate) fn address(&self, block: BlockId) -> Addr {
        self.base + block.index() * BLOCK
    }
    /// Block in which an address lies.
    #[inline(always)]
    pub(crate) fn block_of(&self, addr: Addr) -> BlockId {
        debug_assert!(self.base <= addr && addr < self.base + self.blocks.size());
        BlockId::new((addr - self.base) >> BLOCK_SHIFT)
    }
    #[inline(always)]
    pub(crate) fn meta(&self, block: BlockId) -> &SpanMeta {
        debug_assert!(block.index() < self.blocks.get());
        // SAFETY: INV-10: the table has an entry for each block; zeroed memory is a valid
        // `SpanMeta` and it is never unmapped while the space lives.
        unsafe { &*self.metas.add(block.index()) }
    }
    #[inline(always)]
    pub(super) fn class_word(&self, block: BlockId) -> &AtomicPtr<SpanClass> {
        debug_assert!(block.index() < self.blocks.get());
        // SAFETY: INV-10: as for `meta`; null is a valid pointer word.
        unsafe { &*self.classes.add(block.index()) }
    }
    /// The class of the span that a block belongs to.
    #[inline(always)]
    pub(crate) fn class_at(&self, block: BlockId) -> Option<&'static SpanClass> {
        // SAFETY: INV-10: classes are leaked until the heap's end, and published with Release.
        unsafe { self.class_word(block).load(Ordering::Acquire).as_ref() }
    }
    /// The class of a live object's span.
    #[inline(always)]
    pub(crate) fn class_of(&self, addr: Addr) -> &'static SpanClass {
        let class = self.class_word(self.block_of(addr)).load(Ordering::Acquire);
        debug_assert!(!class.is_null(), "{addr:?} lies in no span");
        // SAFETY: INV-6: `addr` is an allocated object, so its block has a class; classes outlive
        // the heap.
        unsafe { &*class }
    }
    /// Returns the type information of a live object, if the address is one of this heap's.
    pub(crate) fn type_at(&self, addr: Addr) -> Option<&'static TypeInfo> {
        let block = BlockId::new(addr.checked_since(self.base)? >> BLOCK_SHIFT);
        (block.index() < self.blocks.get())
            .then(|| self.class_at(block))
            .flatten()
            .map(|class| class.info)
    }
    #[inline(always)]
    pub(crate) fn mark_word(&self, index: WordIndex) -> &MarkWord {
        debug_assert!(index.get() < self.blocks.get() * BLOCK_WORDS);
        // SAFETY: INV-10: as for `meta`.
        unsafe { &*self.marks.add(index.get()) }
    }
    #[inline(always)]
    fn alloc_word(&self, index: WordIndex) -> &AtomicU64 {
        debug_assert!(index.get() < self.blocks.get() * BLOCK_WORDS);
        // SAFETY: INV-10: as for `meta`.
        unsafe { &*self.allocs.add(index.get()) }
    }
    /// The word and the bit of an object in each bitmap.
    #[inline(always)]
    pub(crate) fn bit_of(&self, addr: Addr) -> (WordIndex, u64) {
        let granule = (addr - self.base) >> GRANULE_SHIFT;
        (WordIndex::new(granule / 64), 1 << (granule % 64))
    }
    /// Prefetches the mark word and the class of an object that will be marked soon.
    #[inline(always)]
    pub(crate) fn prefetch_mark(&self, addr: Addr) {
        prefetch(std::ptr::from_ref(self.mark_word(self.bit_of(addr).0)));
        prefetch(std::ptr::from_ref(self.class_word(self.block_of(addr))));
    }
    /// Marks an object. Returns whether this call did it.
    #[inline(always)]
    #[must_use]
    pub(crate) fn mark(&self, addr: Addr) -> bool {
        let (word, bit) = self.bit_of(addr);
        self.mark_word(word).test_and_set(bit)
    }
    /// Returns whether an object is marked.
    #[inline(always)]
    pub(crate) fn is_marked(&self, addr: Addr) -> bool {
        let (word, bit) = self.bit_of(addr);
        self.mark_word(word).is_set(bit)
    }
    /// Returns whether an object is allocated or lies in a thread's current run.
    #[cfg(gc_verify)]
    pub(crate) fn is_allocated(&self, addr: Addr) -> bool {
        let (word, bit) = self.bit_of(addr);
        self.alloc_word(word).load(Ordering::Acquire) & bit != 0
    }
    /// The sweep number of the span in which an object lies.
    pub(crate) fn sweep_of(&self, addr: Addr) -> SweepNumber {
        let meta = self.meta(self.block_of(addr));
        // A large object's address lies in its first block, whose `first` is itself.
        self.meta(meta.first()).sweep()
    }

    /// Bytes that one object of a span takes.
    pub(crate) fn bytes_of(&self, class: &SpanClass, span: BlockId) -> usize {
        if class.is_large() { self.span_bytes(span) } else { class.slot }
    }
    /// Bytes of a span's blocks.
    pub(crate) fn span_bytes(&self, span: BlockId) -> usize {
        self.meta(span).blocks().size()
    }

    /// Takes a span out of a list of sweep number `number`. The caller owns it then.
    pub(crate) fn pop(
        &self,
        class: &'static SpanClass,
        list: List,
        number: SweepNumber,
    ) -> Option<OwnedSpan> {
        let block = class.list(list, number).pop(|b| self.meta(b).link())?;
        Some(OwnedSpan::from_parts(class, block))
    }
    /// Gives a span to a list of sweep number `number`.
    pub(crate) fn push(&self, span: OwnedSpan, list: List, number: SweepNumber) {
        let (class, block) = span.into_parts();
        class.list(list, number).push(block, |b| self.meta(b).link());
    }
    /// Calls `each` with the address of every object of `objects`, which belong to the span that
    /// begins at block `span`.
    pub(crate) fn each_object(
        &self,
        class: &SpanClass,
        span: BlockId,
        objects: SpanBits,
        mut each: impl FnMut(Addr),
    ) {
        let start = self.address(span) + class.origin;
        let mut bits = objects.bits;
        while bits != 0 {
            let granule = objects.word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let slot = if class.is_large() { 0 } else { class.slot_at(granule) };
            each(start + slot * class.slot);
        }
    }

    /// The first bitmap word of a span.
    pub(crate) fn first_word(&self, span: BlockId) -> WordIndex {
        WordIndex::new(span.index() * BLOCK_WORDS)
    }
    /// The alloc bits of one word of the heap.
    pub(crate) fn allocated(&self, index: WordIndex) -> u64 {
        self.alloc_word(index).load(Ordering::Acquire)
    }
    /// Sets the alloc bits of one word. By the sweeper or the owner of the span.
    pub(crate) fn set_allocated(&self, index: WordIndex, bits: u64) {
        self.alloc_word(index).store(bits, Ordering::Release);
    }
    #[inline(always)]
    pub(super) fn scan_word(&self, index: WordIndex) -> &MarkWord {
        debug_assert!(index.get() < self.blocks.get() * BLOCK_WORDS);
        // SAFETY: INV-10: as for `meta`.
        unsafe { &*self.scans.add(index.get()) }
    }
    #[inline(always)]
    pub(super) fn grey_span(&self, block: BlockId) -> &GreySpan {
        debug_assert!(block.index() < self.blocks.get());
        // SAFETY: INV-10: as for `meta`; zero is idle.
        unsafe { &*self.greys.add(block.index()) }
    }
}
