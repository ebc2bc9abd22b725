//! The cache of a thread: one cursor for each class that it allocates from.
//!
//! The fast path ([`Cursor::bump`]) finds the cursor, adds, compares and stores; where free slots
//! lie scattered the cursor has the bits of one word of them instead of a run ([`Cursor::hole`],
//! `free`). Leaf data finds its cursor by its size class, a constant; other types through a
//! direct-mapped table tagged with the address of their [`TypeInfo`](super::object::TypeInfo), also
//! a constant. A type that loses its place in the table keeps its cursor in `parked`, or only its
//! count where it holds no span.
//!
//! A cursor counts what its thread takes of the class ([`Cursor::count`]). A thread holds spans of
//! those classes only that are warm for it (`mutator::shared`), so many cursors hold none.
//!
//! A cache belongs to its thread, and to the collector while the thread is known to be outside of
//! every pin and kept there (INV-3, `handshake::Crossing`). Its cells are therefore plain.

use super::free::{Free, HeldSlots, Run, Unused};
use super::object::TypeInfo;
use super::size_class::{self, SizeClass};
use super::span::{OwnedSpan, SpanBits, SpanClass};
use crate::config::GRANULE_SHIFT;
use crate::word::{Addr, BlockId};
use std::cell::{Cell, RefCell};

/// Entries of the direct-mapped table.
const TABLE: usize = 128;
/// Bytes of the heap that a word of a bitmap speaks of.
const WORD_BYTES: usize = 64 << GRANULE_SHIFT;

/// What tells the classes of a thread's table apart: the address of a [`TypeInfo`], and the size
/// class of its arrays in the top bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Tag(usize);

impl Tag {
    /// Of no class.
    const NONE: Tag = Tag(0);
}

/// A thread's place in a span: the unused rest of its current run, and where to look for the next.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Cursor {
    /// Next object.
    at: Cell<usize>,
    /// First byte after the run's last slot (as an object address).
    end: Cell<usize>,
    /// Which class has this place in the table; zero for none.
    tag: Cell<Tag>,
    class: Cell<Option<&'static SpanClass>>,
    /// The span that the run lies in, plus one; 0 for none.
    span: Cell<u32>,
    /// Slots of the class that the thread has taken lately; those of a span that it holds count as
    /// taken.
    warmth: Cell<u32>,
    /// Bit for each granule of the bitmap word that ends at `end` in which a free slot begins that
    /// is this cursor's as well, apart from the run (which is empty as long as there are
    /// some); and for those that begin in the second half.
    holes: Cell<u64>,
    halves: Cell<u64>,
    /// Bytes to the next point at which a slot is sampled (`mutator::sample`), counted from the end
    /// of the run or the holes: it lies in the first byte of the next slot if this is 1. Zero: not
    /// drawn.
    until: Cell<usize>,
}

const _: () = assert!(size_of::<Cursor>() == 64, "a cursor is a cache line");

impl Cursor {
    pub(crate) const fn new() -> Cursor {
        Cursor {
            at: Cell::new(0),
            end: Cell::new(0),
            tag: Cell::new(Tag::NONE),
            class: Cell::new(None),
            span: Cell::new(0),
            warmth: Cell::new(0),
            holes: Cell::new(0),
            halves: Cell::new(0),
            until: Cell::new(0),
        }
    }
    /// The next object of `slot` bytes, if the run has one left.
    #[inline(always)]
    pub(crate) fn bump(&self, slot: usize) -> Option<Addr> {
        let at = self.at.get();
        let next = at.wrapping_add(slot);
        if next <= self.end.get() {
            self.at.set(next);
            Some(Addr::new(at))
        } else {
            None
        }
    }
    /// The next hole, if there is one left.
    #[inline(always)]
    pub(crate) fn hole(&self) -> Option<Addr> {
        let holes = self.holes.get();
        if holes == 0 {
            return None;
        }
        let granule = holes.trailing_zeros() as usize;
        self.holes.set(holes & (holes - 1));
        let half = (self.halves.get() >> granule & 1) as usize;
        Some(Addr::new(self.end.get() - WORD_BYTES + (granule << GRANULE_SHIFT) + 8 * half))
    }
    /// The class that this cursor serves.
    pub(crate) fn class(&self) -> Option<&'static SpanClass> {
        self.class.get()
    }
    /// Takes the span out, with its unused rest. The distance to the next point stays: it is
    /// counted in slots that the cursor hands out, and given up ones are none.
    pub(crate) fn take(&self) -> Option<HeldSlots> {
        let block = BlockId::new(self.span.replace(0).checked_sub(1)? as usize);
        let (from, to) = (Addr::new(self.at.replace(0)), Addr::new(self.end.replace(0)));
        let rest = Unused { run: Run { from, to }, holes: self.holes.replace(0) };
        self.class.get().map(|class| HeldSlots { span: OwnedSpan::from_parts(class, block), rest })
    }
    /// The inverse.
    pub(crate) fn restore(&self, held: HeldSlots) {
        self.put(held.span, held.rest.run);
        self.holes.set(held.rest.holes);
    }
    /// Makes `run` of `span` the current one.
    pub(crate) fn put(&self, span: OwnedSpan, run: Run) {
        let (class, block) = span.into_parts();
        self.class.set(Some(class));
        self.span.set(block.index() as u32 + 1);
        self.at.set(run.from.get());
        self.end.set(run.to.get());
    }
    /// Makes the holes of a word of `span` the current ones; the word ends at address `end`.
    pub(crate) fn put_holes(&self, span: OwnedSpan, end: Addr, holes: SpanBits) {
        self.halves.set(span.class().halves[holes.word]);
        self.put(span, Run { from: end, to: end });
        self.holes.set(holes.bits);
    }
    /// The address from which on free slots of `held`, which was taken, may be this cursor's next.
    /// The span starts at address `start`.
    pub(crate) fn next_at(&self, held: &HeldSlots, start: Addr) -> Addr {
        // Holes that were cut have their rest in the same word; before a rest none are free.
        let end = held.rest.run.to;
        if self.is_due(held.span.class()) { (end - WORD_BYTES).max(start) } else { end }
    }
    /// Whether the next slot of a span of `class` has a point.
    fn is_due(&self, class: &SpanClass) -> bool {
        (1..=class.slot).contains(&self.until.get())
    }
    /// Cuts free slots before the next one with a point, and passes what is left, which is at least
    /// a slot. Returns it, and whether its first slot has a point.
    pub(crate) fn cut(
        &self,
        class: &SpanClass,
        free: Free,
        draw: impl Fn() -> usize,
    ) -> (Free, bool) {
        let slot = class.slot;
        let slots_bytes = match free {
            Free::Run(run) => run.to - run.from,
            Free::Holes(holes) => holes.bits.count_ones() as usize * slot,
        };
        // Nearly always, and without a division.
        if self.until.get() > slots_bytes {
            self.until.set(self.until.get() - slots_bytes);
            return (free, false);
        }
        if self.until.get() == 0 {
            self.until.set(draw());
        }
        let is_due = self.is_due(class);
        self.until.set(if is_due { draw() } else { self.until.get() - slot });
        // With the first slot, and further ones before that with the point.
        let n = (slots_bytes / slot).min(1 + (self.until.get() - 1) / slot);
        self.until.set(self.until.get() - (n - 1) * slot);
        let cut = match free {
            Free::Run(Run { from, .. }) => Free::Run(Run { from, to: from + n * slot }),
            Free::Holes(SpanBits { word, bits }) => {
                let rest = (0..n).fold(bits, |rest, _| rest & (rest - 1));
                Free::Holes(SpanBits { word, bits: bits & !rest })
            }
        };
        (cut, is_due)
    }
    /// Whether the thread has taken few slots of `class` lately, also with `more`.
    pub(crate) fn is_cold(&self, class: &SpanClass, more: u32) -> bool {
        self.warmth.get().saturating_add(more) < class.warm_at
    }
    /// Counts `slots` of `class` that the thread takes.
    pub(crate) fn count(&self, class: &'static SpanClass, slots: usize) {
        self.class.set(Some(class));
        self.warmth.set(self.warmth.get().saturating_add(slots as u32));
    }
    /// Uncounts `slots` that the thread took and gives back.
    pub(crate) fn uncount(&self, slots: usize) {
        self.warmth.set(self.warmth.get().saturating_sub(slots as u32));
    }
    /// Halves the count, after a cycle. A class that was warm stays so for one more.
    fn cool(&self) {
        if self.warmth.get() > 0 {
            self.warmth.set(self.bounded_warmth() / 2);
        }
    }
    /// The count, as far as it matters in the next cycle.
    fn bounded_warmth(&self) -> u32 {
        let most = self.class.get().map_or(0, |class| 2 * class.warm_at);
        self.warmth.get().min(most)
    }
    fn swap_state(&self, other: &Cursor) {
        self.at.swap(&other.at);
        self.end.swap(&other.end);
        self.class.swap(&other.class);
        self.span.swap(&other.span);
        self.warmth.swap(&other.warmth);
        self.holes.swap(&other.holes);
        self.halves.swap(&other.halves);
        self.until.swap(&other.until);
    }
}

/// All cursors of a thread.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Cache {
    /// What is kept of the classes that lost their place in `typed`, by class id.
    parked: RefCell<Vec<Parked>>,
    leaf: [Cursor; size_class::COUNT],
    typed: [Cursor; TABLE],
}

/// What is kept of a class without a place in the table.
#[derive(Debug, Default)]
struct Parked {
    /// Its cursor, made when it first loses its place while it holds a span.
    cursor: Option<Box<Cursor>>,
    /// The count of a class that has no cursor here.
    warmth: Cell<u32>,
}

impl Parked {
    /// Moves the state of `cursor`, which loses its place, here. The cursor holds no span then.
    fn park(&mut self, cursor: &Cursor) {
        if cursor.span.get() == 0 && self.cursor.is_none() {
            self.warmth.set(cursor.bounded_warmth());
            cursor.warmth.set(0);
        } else {
            self.cursor.get_or_insert_with(|| Box::new(Cursor::new())).swap_state(cursor);
        }
    }
    /// The inverse.
    fn unpark(&self, cursor: &Cursor) {
        match &self.cursor {
            Some(own) => own.swap_state(cursor),
            None => cursor.warmth.set(self.warmth.replace(0)),
        }
    }
}

impl Cache {
    /// Makes a cache without spans of the zeroes at `at`. The tables are not touched: zeroes are
    /// cursors that hold nothing, so pages of them take no memory before their first use.
    ///
    /// # Safety
    ///
    /// `at` has zeroed memory for a cache, of which no other thread knows.
    pub(crate) unsafe fn begin(at: *mut Cache) {
        let _all = |cache: &Cache| {
            let Cache { parked: _, leaf: _, typed: _ } = cache;
        };
        // SAFETY: a part of the caller's memory.
        unsafe { (&raw mut (*at).parked).write(RefCell::new(Vec::new())) };
    }

    /// The cursor of a size class of leaf data.
    #[inline(always)]
    pub(crate) fn leaf(&self, class: SizeClass) -> &Cursor {
        &self.leaf[class.index()]
    }

    /// The place in the table for `tag`; the cursor there may belong to another class (see
    /// [`owned`](Self::owned)).
    #[inline(always)]
    pub(crate) fn place(&self, tag: Tag) -> &Cursor {
        // A `TypeInfo` takes some 60 bytes, so the low bits say nothing; an array's size class is
        // in the top. In a schedule only what does not change with the address at which the
        // program was loaded.
        let tag = if cfg!(shuttle) { tag.0 & (0xffff << 48 | 0xfff) } else { tag.0 };
        &self.typed[((tag >> 4) ^ (tag >> 11) ^ (tag >> 48)) % TABLE]
    }

    /// The same as [`owned`](Self::owned) for the tag of a type that is no array: three
    /// instructions less, because the top of an address is zero. Were it not, nothing would be
    /// found here, and the slow path would look again.
    #[inline(always)]
    pub(crate) fn owned_type(&self, tag: Tag) -> Option<&Cursor> {
        let low = if cfg!(shuttle) { tag.0 & 0xfff } else { tag.0 };
        let cursor = &self.typed[((low >> 4) ^ (low >> 11)) % TABLE];
        (cursor.tag.get() == tag).then_some(cursor)
    }

    /// The cursor for `tag`, if it is in its place.
    #[inline(always)]
    pub(crate) fn owned(&self, tag: Tag) -> Option<&Cursor> {
        let cursor = self.place(tag);
        (cursor.tag.get() == tag).then_some(cursor)
    }

    /// Gives `class` its place in the table, parking whichever class was there.
    pub(crate) fn install(&self, tag: Tag, class: &'static SpanClass) -> &Cursor {
        let cursor = self.place(tag);
        let mut parked = self.parked.borrow_mut();
        if let Some(other) = cursor.class() {
            let id = other.id.index();
            if parked.len() <= id {
                parked.resize_with(id + 1, Parked::default);
            }
            parked[id].park(cursor);
        }
        if let Some(own) = parked.get(class.id.index()) {
            own.unpark(cursor);
        }
        cursor.class.set(Some(class));
        cursor.tag.set(tag);
        cursor
    }

    /// Halves the counts of all classes, after a cycle.
    pub(crate) fn cool(&self) {
        self.leaf.iter().chain(&self.typed).for_each(Cursor::cool);
        for parked in self.parked.borrow().iter() {
            match &parked.cursor {
                Some(cursor) => cursor.cool(),
                None => parked.warmth.set(parked.warmth.get() / 2),
            }
        }
    }

    /// Calls `each` for every cursor that holds a span.
    pub(crate) fn each(&self, mut each: impl FnMut(&Cursor)) {
        self.each_cursor(|cursor| {
            if cursor.span.get() != 0 {
                each(cursor);
            }
        });
    }

    /// Lets every cursor forget the point to which it has a distance: the rate has changed.
    pub(crate) fn forget_points(&self) {
        self.each_cursor(|cursor| {
            // Only where there is one: the page of a cursor that was never used stays untouched.
            if cursor.until.get() != 0 {
                cursor.until.set(0);
            }
        });
    }

    fn each_cursor(&self, each: impl FnMut(&Cursor)) {
        let parked = self.parked.borrow();
        let parked = parked.iter().filter_map(|parked| parked.cursor.as_deref());
        self.leaf.iter().chain(&self.typed).chain(parked).for_each(each);
    }
}

/// Tag of single values of a type.
#[inline(always)]
pub(crate) fn tag_of(info: &'static TypeInfo) -> Tag {
    Tag(std::ptr::from_ref(info) as usize)
}

/// Tag of arrays of a type in one size class. User addresses end below 2^47 on every supported
/// platform.
#[inline(always)]
pub(crate) fn array_tag(info: &'static TypeInfo, class: SizeClass) -> Tag {
    Tag(tag_of(info).0 | (class.index() + 1) << 48)
}

#[cfg(test)]
mod tests {
    use super::super::object::InfoOf;
    use super::*;
    use crate::word::ClassId;

    fn run(from: usize, to: usize) -> Run {
        Run { from: Addr::new(from), to: Addr::new(to) }
    }
    fn span(class: &'static SpanClass, block: usize) -> OwnedSpan {
        OwnedSpan::from_parts(class, BlockId::new(block))
    }
    fn class(id: usize) -> &'static SpanClass {
        Box::leak(Box::new(SpanClass::small(InfoOf::<String>::ONE, ClassId::new(id), 24)))
    }

    #[test]
    fn a_cursor_bumps_to_the_end_and_no_further() {
        let cursor = Cursor::new();
        assert_eq!(cursor.bump(16), None, "an empty cursor has nothing");
        cursor.put(span(class(0), 3), run(160, 192));
        assert_eq!(
            [cursor.bump(16), cursor.bump(16), cursor.bump(16)],
            [Some(Addr::new(160)), Some(Addr::new(176)), None]
        );
        let held = cursor.take().unwrap();
        assert_eq!((held.span.block(), held.rest.run), (BlockId::new(3), run(192, 192)));
        assert!(cursor.take().is_none());
    }

    fn empty() -> Box<Cache> {
        let mut cache = Box::<Cache>::new_uninit();
        // SAFETY: memory of this test, zeroed.
        unsafe {
            cache.as_mut_ptr().write_bytes(0, 1);
            Cache::begin(cache.as_mut_ptr());
            cache.assume_init()
        }
    }

    #[test]
    fn classes_that_share_a_place_keep_their_spans() {
        let cache = empty();
        let (a, b) = (class(0), class(1));
        let (tag_a, tag_b) = (Tag(1 << 20), Tag((1 << 20) + (TABLE << 11)));
        assert!(std::ptr::eq(cache.place(tag_a), cache.place(tag_b)));
        cache.install(tag_a, a).put(span(a, 7), run(0, 240));
        cache.install(tag_b, b).put(span(b, 8), run(480, 504));
        assert!(cache.owned(tag_a).is_none());
        let back = cache.install(tag_a, a);
        assert_eq!(back.bump(24), Some(Addr::new(0)));
        let mut spans = Vec::new();
        cache.each(|c| spans.push(c.take().unwrap().span.block()));
        spans.sort_unstable();
        assert_eq!(spans, [7, 8].map(BlockId::new));
    }

    #[test]
    fn a_class_is_warm_until_a_cycle_in_which_little_is_taken() {
        let (cache, class) = (empty(), class(0));
        let most = class.warm_at as usize;
        assert_eq!(most, class.slots / 8);
        let cursor = cache.leaf(SizeClass::new(3));
        cursor.count(class, most - 1);
        assert!(cursor.is_cold(class, 0) && !cursor.is_cold(class, 1));
        cursor.count(class, 1000 * most);
        cache.cool();
        assert!(!cursor.is_cold(class, 0), "warm for one more cycle");
        cursor.count(class, class.slots);
        cursor.uncount(class.slots - 1);
        cache.cool();
        assert!(cursor.is_cold(class, 0), "one slot was taken in it");
    }

    #[test]
    fn a_class_that_loses_its_place_keeps_its_count() {
        let cache = empty();
        let (a, b) = (class(0), class(1));
        let (tag_a, tag_b) = (Tag(1 << 20), Tag((1 << 20) + (TABLE << 11)));
        let warm = |cursor: &Cursor| !cursor.is_cold(a, 0);
        cache.install(tag_a, a).count(a, 7);
        assert!(cache.install(tag_b, b).is_cold(b, b.warm_at - 1));
        assert!(cache.parked.borrow()[0].cursor.is_none(), "it holds no span");
        let cursor = cache.install(tag_a, a);
        assert!(!cursor.is_cold(a, a.warm_at - 7) && cursor.is_cold(a, a.warm_at - 8));
        cursor.count(a, a.slots);
        cursor.put(span(a, 7), run(0, 240));
        assert!(!warm(cache.install(tag_b, b)));
        cache.each(|cursor| _ = cursor.take());
        cache.install(tag_b, b).count(b, 9);
        let cursor = cache.install(tag_a, a);
        assert!(warm(cursor) && cursor.take().is_none(), "a cycle took its span");
        cache.cool();
        assert!(!cache.install(tag_b, b).is_cold(b, b.warm_at - 4), "half of nine");
    }
}
