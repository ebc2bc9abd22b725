//! Allocation: from the cursor's bump to the span that a refill finds, and the pace that it keeps.
//!
//! 1. The fast path is [`Record::alloc`]: a cursor of the cache, add, compare, store.
//! 2. A used-up run leads to a hole or to what is free next in the span (`heap::free`), a used-up
//!    span to the central list of its class, to an unswept span, or to fresh blocks
//!    (`Record::find_span`). A thread that has taken few slots of the class holds no span of it
//!    (`shared`).
//! 3. Fresh blocks may be short: then the thread draws on a ration, and waits before its next pin
//!    (`ration`). Free slots of spans in use never are.
//! 4. A heap profile has some allocations sampled, all on the paths of 2 (`sample`).
//! 5. At every span the thread looks at how far allocation is ahead of the collector, and marks a
//!    quantum or yields if too far (`Record::pace`).

use super::{Core, Record, on_collector_thread};
use crate::config::BLOCK;
use crate::error::{AllocError, contain};
use crate::handshake::Mode;
use crate::heap::cache::{self, Cursor, Tag};
use crate::heap::free::{Free, Run, Unused};
use crate::heap::object::{LEAF_INFO, TypeInfo};
use crate::heap::poison;
use crate::heap::size_class::{self, SizeClass};
use crate::heap::span::{List, OwnedSpan, SpanClass};
use crate::mark::worker::Marker;
use crate::observe::clock::{self, ticks};
use crate::observe::histogram::PauseKind;
use crate::observe::life::SpanState;
use crate::observe::metrics::Sweeper;
use crate::pacing::Demand;
use crate::sweep::drops::is_dropping;
use crate::sweep::{self};
use crate::sync::plain::Ordering;
use crate::sync::{nap, yield_now};
use crate::weak::gate::WeakBox;
use crate::word::{Addr, Blocks, Bytes, OnRefusal};
use std::time::Duration;

/// Spans that one refill sweeps at most.
const SWEEPS_PER_REFILL: usize = 8;
/// Small objects that one assist scans, or as much of larger ones: 3 to 5 µs, and below 20 whatever
/// they are. And how many refills ask for it before there is one.
const ASSIST: usize = 64;
const ASSIST_EVERY: u32 = 2;
/// How long a refill sleeps where destructors cannot keep up: about as long as it takes to drop
/// what it will allocate.
const DROP_NAP: Duration = Duration::from_micros(20);

/// Makes a span for a large object, if there is room.
type Make<'a> = &'a dyn Fn() -> Option<OwnedSpan>;

impl Record {
    /// Room for one value of the type of `info`, uninitialised. The caller writes it before
    /// anything else.
    ///
    /// With `PANICS` the caller panics if it is refused: then the thread rather waits, before its
    /// next pin.
    #[inline(always)]
    pub(crate) fn alloc<const PANICS: bool>(
        &self,
        info: &'static TypeInfo,
    ) -> Result<Addr, AllocError> {
        if info.is_leaf() && info.size <= size_class::LARGEST {
            let class = size_class::class_of(info.size);
            match self.cache.leaf(class).bump(class.slot()) {
                Some(at) => Ok(at),
                None => self.alloc_leaf::<PANICS>(class, info),
            }
        } else if info.slot() <= size_class::LARGEST {
            let cursor = self.cache.owned_type(cache::tag_of(info));
            match cursor.and_then(|cursor| cursor.bump(info.slot())) {
                Some(at) => Ok(at),
                None => self.alloc_typed::<PANICS>(info),
            }
        } else {
            self.alloc_large(info, info.size, OnRefusal::of::<PANICS>())
        }
    }

    /// Room for an array of `bytes` (its header not counted), uninitialised but for the length of
    /// an array that has one, which is zero.
    pub(crate) fn alloc_array<const PANICS: bool>(
        &self,
        info: &'static TypeInfo,
        bytes: usize,
    ) -> Result<Addr, AllocError> {
        // An object's address lies in its slot, so behind a header there is at least a byte: an
        // array without elements, or of elements without a size, would begin where its slot ends.
        let (origin, least) = (info.origin(), bytes.max(1));
        let total = if origin == 0 { bytes } else { least.saturating_add(origin) };
        let at = if total > size_class::LARGEST {
            self.alloc_large(info, total, OnRefusal::of::<PANICS>())?
        } else if info.is_leaf() {
            let class = size_class::class_of(total);
            match self.cache.leaf(class).bump(class.slot()) {
                Some(at) => at,
                None => self.alloc_leaf::<PANICS>(class, info)?,
            }
        } else {
            let size = size_class::class_of(total);
            let tag = cache::array_tag(info, size);
            let owned = self.cache.owned(tag);
            let slot = |c: &Cursor| c.class().map_or(0, |c| c.slot);
            match owned.and_then(|cursor| cursor.bump(slot(cursor).max(1))) {
                Some(at) => at,
                None => self.alloc_from(
                    tag,
                    || self.core().array_class(info, size),
                    OnRefusal::of::<PANICS>(),
                )?,
            }
        };
        if info.origin() != 0 {
            // SAFETY: INV-6: the slot is ours and has `origin` bytes before the object for this
            // word.
            unsafe { at.ptr::<usize>().sub(1).write(0) };
        }
        Ok(at)
    }

    #[cold]
    #[inline(never)]
    fn alloc_leaf<const PANICS: bool>(
        &self,
        class: SizeClass,
        info: &'static TypeInfo,
    ) -> Result<Addr, AllocError> {
        match self.cache.leaf(class).hole() {
            Some(at) => Ok(at),
            None => self.refill(
                self.cache.leaf(class),
                self.core().leaf_class(class),
                info,
                OnRefusal::of::<PANICS>(),
            ),
        }
    }
    #[cold]
    #[inline(never)]
    fn alloc_typed<const PANICS: bool>(&self, info: &'static TypeInfo) -> Result<Addr, AllocError> {
        match self.cache.owned_type(cache::tag_of(info)).and_then(Cursor::hole) {
            Some(at) => Ok(at),
            None => self.alloc_from(
                cache::tag_of(info),
                || self.core().typed_class(info),
                OnRefusal::of::<PANICS>(),
            ),
        }
    }
    #[cold]
    #[inline(never)]
    fn alloc_from(
        &self,
        tag: Tag,
        class: impl FnOnce() -> &'static SpanClass,
        on_refusal: OnRefusal,
    ) -> Result<Addr, AllocError> {
        let cursor = match self.cache.owned(tag) {
            Some(cursor) => cursor,
            None => self.cache.install(tag, class()),
        };
        let class = cursor.class().expect("a cursor in its place has a class");
        match cursor.bump(class.slot) {
            Some(at) => Ok(at),
            None => self.refill(cursor, class, class.info, on_refusal),
        }
    }

    /// The cursor's run is used up: takes the next slot for an object of the type of `info`, and
    /// the sample that is due.
    fn refill(
        &self,
        cursor: &Cursor,
        class: &'static SpanClass,
        info: &'static TypeInfo,
        on_refusal: OnRefusal,
    ) -> Result<Addr, AllocError> {
        let at = self.next_slot(cursor, class, on_refusal)?;
        self.sample_due(at, info, class);
        Ok(at)
    }

    /// Takes a hole, or moves the cursor to what is free next and takes the first slot.
    fn next_slot(
        &self,
        cursor: &Cursor,
        class: &'static SpanClass,
        on_refusal: OnRefusal,
    ) -> Result<Addr, AllocError> {
        if let Some(at) = cursor.hole() {
            return Ok(at);
        }
        let core = self.core();
        let held = cursor.take();
        let had_span = held.is_some();
        if let Some(held) = held {
            let block = held.span.block();
            let from = cursor.next_at(&held, core.space.address(block));
            if let Some(free) = held.span.next_free(&core.space, from) {
                return Ok(self.use_free(core, cursor, held.span, free));
            }
            core.space.meta(block).set_live(class.slots as u32);
            held.span.put_back(&core.space, List::Full, self.sweeps.get());
        }
        if cursor.is_cold(class, 0) {
            if had_span {
                class.count_uncached();
            }
            return self.share(core, cursor, class, on_refusal);
        }
        self.pace(core);
        let since = ticks();
        let found = self.find_span(core, class, on_refusal);
        match (had_span, found.is_ok()) {
            (false, true) => class.count_cached(),
            (true, false) => class.count_uncached(),
            _ => {}
        }
        let (span, kind) = found?;
        let at = self.hold_span(core, cursor, span);
        self.paused(kind, since);
        Ok(at)
    }

    /// Gives `span`, which has a free slot and is in no list, to the cursor, and takes the first
    /// slot.
    pub(super) fn hold_span(&self, core: &Core, cursor: &Cursor, span: OwnedSpan) -> Addr {
        let (class, block) = (span.class(), span.block());
        let free = class.slots - core.space.meta(block).live() as usize;
        core.space.life.note(block, class.id, SpanState::Cached);
        cursor.count(class, free);
        core.credit.allocate(Bytes::of(free * class.slot));
        core.totals.allocated_objects.add(free as u64);
        let start = core.space.address(block);
        let first = span.next_free(&core.space, start).expect("the span has a free slot");
        if self.mode.get() == Mode::Mark {
            // All free slots of the span at once: one locked instruction for a word of them, not
            // for a run.
            let rest = Unused { run: Run { from: start, to: start }, holes: 0 };
            self.set_marks(core, &span, rest);
        }
        self.use_free(core, cursor, span, first)
    }

    /// Takes a run or the holes of a word, up to the next slot that is sampled, and the first slot
    /// of them.
    fn use_free(&self, core: &Core, cursor: &Cursor, span: OwnedSpan, free: Free) -> Addr {
        let class = span.class();
        let rate = self.sample_rate();
        let free = if rate.is_zero() { free } else { self.cut(cursor, class, free, rate) };
        match free {
            Free::Run(run) => {
                self.open(core, class, run);
                span.take_run(&core.space, run);
                cursor.put(span, run);
                cursor.bump(class.slot).expect("a run is not empty")
            }
            Free::Holes(holes) => {
                if class.info.weak_box || poison::EACH_SLOT {
                    span.each_slot(&core.space, holes, |slot| self.open(core, class, slot));
                }
                if holes.word + 1 < class.starts.len() {
                    core.space.prefetch_holes(class, span.block(), holes.word + 1);
                } else if let Some(next) = class.top_partial(self.sweeps.get()) {
                    // Most likely ours, soon.
                    core.space.prefetch_holes(class, next, 0);
                }
                let end = span.take_holes(&core.space, holes);
                cursor.put_holes(span, end, holes);
                cursor.hole().expect("holes are not empty")
            }
        }
    }

    /// Makes slots that are about to be taken usable.
    #[inline(always)]
    pub(super) fn open(&self, core: &Core, class: &'static SpanClass, run: Run) {
        core.space.open_run(class, run);
        poison::check(class, run);
        if class.info.weak_box {
            for at in (run.from.get()..run.to.get()).step_by(class.slot).map(Addr::new) {
                // SAFETY: INV-11: the slot is free and the span is ours, and whatever it holds is a
                // valid box; by atomics, because the pass may still look at a rest that was given
                // up.
                unsafe { &*at.ptr::<WeakBox>() }.empty();
            }
        }
    }

    /// A span of `class` with a free slot, in no list.
    pub(super) fn find_span(
        &self,
        core: &Core,
        class: &'static SpanClass,
        on_refusal: OnRefusal,
    ) -> Result<(OwnedSpan, PauseKind), AllocError> {
        let (space, number) = (&core.space, self.sweeps.get());
        if let Some(span) = space.pop(class, List::Partial, number) {
            class.count_reused();
            let free = class.slots - space.meta(span.block()).live() as usize;
            self.draw_slots(core, class, Bytes::of(free * class.slot), on_refusal);
            return Ok((span, PauseKind::Refill));
        }
        if let Some(span) = self.sweep_for(core, class, SWEEPS_PER_REFILL) {
            return Ok((span, PauseKind::Sweep));
        }
        self.ration(core, class.blocks.bytes(), on_refusal);
        self.make_room(core, class.blocks.bytes());
        if let Some(span) = self.fresh_span(core, class) {
            return Ok((span, PauseKind::Refill));
        }
        if let Some(span) = self.sweep_for(core, class, usize::MAX) {
            return Ok((span, PauseKind::Sweep));
        }
        self.sweep_others(core);
        if let Some(span) = self.fresh_span(core, class) {
            return Ok((span, PauseKind::Sweep));
        }
        if let Some(span) = self.find_dropped(core, class, on_refusal) {
            return Ok((span, PauseKind::Drops));
        }
        self.refused(core, on_refusal);
        Err(core.alloc_error(class.slot))
    }

    /// A span of fresh blocks, if there are some.
    fn fresh_span(&self, core: &Core, class: &'static SpanClass) -> Option<OwnedSpan> {
        let span = core.space.fresh_span(class, self.sweeps.get())?;
        core.totals.fresh_bytes.add((class.slots * class.slot) as u64);
        Some(span)
    }

    /// The heap is full, and perhaps of objects whose destructors have not run: waits for these as
    /// long as they return, for an allocation that may wait at all.
    #[cold]
    fn find_dropped(
        &self,
        core: &Core,
        class: &'static SpanClass,
        on_refusal: OnRefusal,
    ) -> Option<OwnedSpan> {
        if !Self::may_await_drops(core, on_refusal) {
            return None;
        }
        let (pages, number) = (&core.space.pages, self.sweeps.get());
        let has_room =
            || pages.used() + class.blocks <= pages.limit() || class.top_partial(number).is_some();
        core.drops.await_room(has_room);
        if let Some(span) = core.space.pop(class, List::Partial, number) {
            class.count_reused();
            return Some(span);
        }
        self.fresh_span(core, class)
    }

    /// The same for a large object. It needs blocks in a row, so it tries again as often as some
    /// came free, and not only once there are enough.
    #[cold]
    fn find_dropped_large(&self, core: &Core, blocks: Blocks, make: Make<'_>) -> Option<OwnedSpan> {
        let pages = &core.space.pages;
        let mut before = pages.used();
        let has_more = |before| {
            let used = pages.used();
            used < before && used + blocks <= pages.limit()
        };
        while core.drops.await_room(|| has_more(before)) {
            before = pages.used();
            if let Some(span) = make() {
                return Some(span);
            }
        }
        // The last object may have been dropped since.
        make()
    }

    /// Whether a refused allocation waits for destructors.
    fn may_await_drops(core: &Core, on_refusal: OnRefusal) -> bool {
        !core.drops.bytes().is_zero()
            && !core.config.stall(on_refusal).is_zero()
            && !on_collector_thread()
    }

    /// Sweeps up to `most` spans of `class` until one has room.
    fn sweep_for(&self, core: &Core, class: &'static SpanClass, most: usize) -> Option<OwnedSpan> {
        if self.mode.get() != Mode::Off || class.needs_drop() {
            return None;
        }
        let (space, number) = (&core.space, self.sweeps.get());
        let right = core.sweep.begin()?;
        for _ in 0..most {
            let mut span = sweep::take_unswept(&right, space, class, number)?;
            let swept = span.sweep(space, number, core.keep());
            core.count(swept);
            core.totals.swept_by(Sweeper::Mutator);
            if (swept.live as usize) < class.slots {
                class.count_reused();
                return Some(span);
            }
            span.put_back(space, List::Full, number);
        }
        None
    }

    /// Near the limit: sweeps whatever may be swept here, so that empty spans of other classes
    /// become blocks.
    #[cold]
    fn sweep_others(&self, core: &Core) {
        if self.mode.get() != Mode::Off {
            return;
        }
        let Some(right) = core.sweep.begin() else { return };
        let number = self.sweeps.get();
        for class in core.space.all_classes() {
            while !class.needs_drop()
                && let Some(mut span) = sweep::take_unswept(&right, &core.space, class, number)
            {
                core.count(span.sweep(&core.space, number, core.keep()));
                core.totals.swept_by(Sweeper::Mutator);
                span.put_swept(&core.space, number);
            }
        }
    }

    fn alloc_large(
        &self,
        info: &'static TypeInfo,
        bytes: usize,
        on_refusal: OnRefusal,
    ) -> Result<Addr, AllocError> {
        let (core, number) = (self.core(), self.sweeps.get());
        if bytes > core.space.pages.limit().size() {
            return Err(core.alloc_error(bytes));
        }
        self.pace(core);
        let since = ticks();
        let class = core.large_class(if info.is_leaf() { &LEAF_INFO } else { info });
        let taken = bytes.next_multiple_of(BLOCK);
        self.ration(core, Bytes::of(taken), on_refusal);
        self.make_room(core, Bytes::of(taken));
        let make = || core.space.large_span(class, bytes, number);
        let swept = || {
            self.sweep_others(core);
            make()
        };
        let mut kind = PauseKind::Refill;
        let dropped = || {
            kind = PauseKind::Drops;
            let may_wait = Self::may_await_drops(core, on_refusal);
            may_wait
                .then(|| self.find_dropped_large(core, Blocks::within(Bytes::of(taken)), &make))
                .flatten()
        };
        let Some(span) = make().or_else(swept).or_else(dropped) else {
            self.refused(core, on_refusal);
            return Err(core.alloc_error(bytes));
        };
        core.credit.allocate(Bytes::of(taken));
        core.totals.fresh_bytes.add(taken as u64);
        core.totals.allocated_objects.add(1);
        let at = core.space.address(span.block()) + class.origin;
        let (word, bit) = core.space.bit_of(at);
        core.space.set_allocated(word, bit);
        if self.mode.get() == Mode::Mark {
            core.space.mark_word(word).set_own(bit);
        }
        core.space.meta(span.block()).set_live(1);
        span.put_back(&core.space, List::Full, number);
        let rate = self.sample_rate();
        if !rate.is_zero() {
            self.sample_large(at, info, Bytes::of(taken), rate);
        }
        self.paused(kind, since);
        Ok(at)
    }

    /// Keeps allocation in step with the collector: at refill, in a bounded quantum.
    pub(crate) fn pace(&self, core: &Core) {
        self.busy.store(1, Ordering::Relaxed);
        if core.credit.is_dropping_behind() {
            self.await_drops(core);
        }
        if core.credit.heap() < core.credit.trigger().max(core.limits.floor()) {
            return;
        }
        core.control.nudge();
        let marking = self.mode.get() == Mode::Mark;
        let demand = core.credit.demand(marking.then(|| Bytes::new(core.marking.found_bytes())));
        if demand == Demand::Nothing || on_collector_thread() {
            return;
        }
        let assists = marking && demand != Demand::Yield && self.is_time_to_assist();
        let yields = demand != Demand::Assist;
        if assists {
            let since = ticks();
            self.assist(core, ASSIST);
            self.paused(PauseKind::Assist, since);
        }
        if yields {
            let since = ticks();
            yield_now();
            self.paused(PauseKind::Yield, since);
        }
    }

    /// Allocation is faster than destructors: sleeps for a moment, unless these do not get on at
    /// all.
    #[cold]
    fn await_drops(&self, core: &Core) {
        if on_collector_thread() || is_dropping() || !core.drops.is_getting_on() {
            return;
        }
        let since = ticks();
        nap(DROP_NAP);
        self.paused(PauseKind::Drops, since);
    }

    /// A refill asks for an assist. Returns whether it is the one of [`ASSIST_EVERY`] that gets it.
    fn is_time_to_assist(&self) -> bool {
        let asked = (self.asked.get() + 1) % ASSIST_EVERY;
        self.asked.set(asked);
        asked == 0
    }

    /// Marks about `most` objects on the collector's behalf; returns whether it did any.
    pub(super) fn assist(&self, core: &Core, most: usize) -> bool {
        if !core.marking.detector.start() {
            return false;
        }
        let since = ticks();
        let marker = self.assistant.borrow_mut().take();
        let mut marker = marker.unwrap_or_else(|| Box::new(Marker::assistant(&core.space)));
        // No other cycle begins before `stop`.
        marker.cycle = core.epoch.load().cycle();
        let drained = contain(|| {
            marker.drain(&core.marking, &|each| core.each_ring(each), most);
        });
        if !drained {
            core.trace_panicked();
        }
        // Shared before it counts itself idle: work in a marker's hands is grey.
        marker.give_all(&core.marking);
        core.marking.detector.stop();
        let marked = marker.take_marked();
        core.marking.assisted(marked);
        *self.assistant.borrow_mut() = Some(marker);
        core.totals.assist_ticks.add(clock::since(since).get());
        marked > 0
    }
}
