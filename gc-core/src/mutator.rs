//! The mutator's side: what a thread does when it pins, allocates, stores and shades.
//!
//! [`Core`] is the state that both sides share; [`Record`] is a thread's part of it. The life of a pin:
//! 1. [`Record::enter`]: read the epoch; at the first pin in it, bring the cache to it under the thread's own
//!    lock (`Record::cross`); publish, and read the epoch again (rule 1).
//! 2. Allocate from the cursors; at the end of a run [`Record::refill`].
//! 3. Store through the barrier ([`Record::store`]): in Off a plain store, else by the table of the design.
//! 4. [`Record::leave`]: the published word is cleared. There is nothing to hand over: shades went straight into
//!    the thread's ring (`mark::ring`).
//!
//! The mode is fixed for the whole pin (INV-1). A record outlives its thread: it is kept for the next thread that
//! comes, so the registry is as long as there ever were threads at once.

use crate::config::{BLOCK, Config};
use crate::control::Control;
use crate::error::AllocError;
use crate::handshake::{Crossing, Epoch, EpochWord, Mode, PinWord, registry::Registry};
use crate::heap::cache::{self, Cache, Cursor};
use crate::heap::object::{LEAF_INFO, TypeInfo};
use crate::heap::span::SpanClass;
use crate::heap::{Run, Space, size_class};
use crate::mark::ring::GreyRing;
use crate::mark::roots::{CHUNK_BYTES, RootTable, SlotRef};
use crate::mark::worker::Marker;
use crate::mark::{Marking, Work};
use crate::observe::clock::ticks;
use crate::observe::histogram::{PauseKind, Recorder};
use crate::observe::metrics::Totals;
use crate::pacing::{Credit, Demand};
use crate::sweep::weak::{Gate, WEAK_BOX};
use crate::sweep::{self, ActiveSweep, Keep, Swept};
use crate::sync::{Arc, AtomicU64, AtomicUsize, Mutex, Ordering, chaos, yield_now};
use crate::trace::{PACKET, Trace, Tracer};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Spans that one refill sweeps at most.
const SWEEPS_PER_REFILL: usize = 8;
/// Objects that one assist scans: 3 to 10 µs.
const ASSIST: usize = 128;
/// How long a thread waits at the heap limit before it goes on to try its luck.
const STALL: Duration = Duration::from_secs(2);

/// The heap's shared state.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) epoch: EpochWord,
    pub(crate) asymmetric: bool,
    pub(crate) space: Space,
    pub(crate) marking: Marking,
    pub(crate) roots: RootTable,
    pub(crate) gate: Gate,
    pub(crate) sweep: ActiveSweep,
    pub(crate) credit: Credit,
    pub(crate) control: Control,
    pub(crate) totals: Totals,
    pub(crate) records: Registry<Record>,
    /// Records whose threads have ended.
    spare: Mutex<Vec<Arc<Record>>>,
    pub(crate) config: Config,
    leaf: [std::sync::OnceLock<&'static SpanClass>; size_class::COUNT],
    /// Markers for threads that assist.
    assistants: Mutex<Vec<Marker>>,
    /// The verifying build's stop: threads wait at the start of a pin.
    #[cfg(gc_verify)]
    pub(crate) stopped: crate::sync::AtomicBool,
}

impl Core {
    pub(crate) fn new(config: Config, space: Space, marking: Marking, credit: Credit) -> Core {
        Core {
            epoch: EpochWord::new(),
            asymmetric: crate::sync::asymmetric(),
            space,
            marking,
            roots: RootTable::new(),
            gate: Gate::new(),
            sweep: ActiveSweep::new(),
            credit,
            control: Control::default(),
            totals: Totals::default(),
            records: Registry::new(),
            spare: Mutex::new(Vec::new()),
            config,
            leaf: std::array::from_fn(|_| std::sync::OnceLock::new()),
            assistants: Mutex::new(Vec::new()),
            #[cfg(gc_verify)]
            stopped: crate::sync::AtomicBool::new(false),
        }
    }

    /// A record for the calling thread.
    pub(crate) fn register(self: &Arc<Self>) -> Arc<Record> {
        let spare = self.spare.lock().pop();
        let record = spare.unwrap_or_else(|| {
            let record = Arc::new(Record::new(self));
            self.records.register(record.clone());
            record
        });
        record.owner.store(thread_token(), Ordering::Relaxed);
        record
    }

    /// Takes the record of a thread that ends, or of a handle that is dropped, outside of every pin.
    pub(crate) fn retire(&self, record: Arc<Record>) {
        record.owner.store(0, Ordering::Relaxed);
        record.crossing.exclusively(|| record.give_up(self));
        self.roots.give_batch(&mut record.roots.borrow_mut());
        self.spare.lock().push(record);
    }

    /// How many shades all threads have handed over.
    pub(crate) fn pushed(&self) -> u64 {
        self.records.snapshot().iter().map(|r| r.ring.pushed()).sum()
    }
    /// Whether every thread's ring is empty.
    pub(crate) fn rings_are_empty(&self) -> bool {
        self.records.snapshot().iter().all(|r| r.ring.is_empty())
    }
    /// Calls `each` for every thread's ring.
    pub(crate) fn each_ring(&self, each: &mut dyn FnMut(&GreyRing)) {
        self.records.for_each(|record| each(&record.ring));
    }

    pub(crate) fn leaf_class(&self, class: usize) -> &'static SpanClass {
        self.leaf[class].get_or_init(|| {
            self.space.class_for(&LEAF_INFO, class + 1, |id| {
                SpanClass::small(&LEAF_INFO, id, size_class::SIZES[class] as usize)
            })
        })
    }
    fn typed_class(&self, info: &'static TypeInfo) -> &'static SpanClass {
        self.space.class_for(info, 0, |id| SpanClass::small(info, id, info.slot()))
    }
    fn array_class(&self, info: &'static TypeInfo, class: usize) -> &'static SpanClass {
        let slot = (size_class::SIZES[class] as usize).next_multiple_of(info.align);
        self.space.class_for(info, class + 1, |id| SpanClass::small(info, id, slot))
    }
    fn large_class(&self, info: &'static TypeInfo) -> &'static SpanClass {
        self.space.class_for(info, usize::MAX, |id| SpanClass::large(info, id))
    }

    /// Counts what a sweep found.
    pub(crate) fn count(&self, swept: Swept) {
        if swept.freed > 0 {
            self.credit.free(swept.freed_bytes);
            self.totals.freed_objects.add(u64::from(swept.freed));
            self.totals.drop_panics.add(u64::from(swept.panics));
        }
    }

    /// A `trace` panicked: its object's edges are unknown, so nothing dies in this cycle.
    pub(crate) fn trace_panicked(&self) {
        self.marking.poison();
        self.totals.trace_panics.add(1);
    }

    /// What the sweep of this cycle keeps.
    pub(crate) fn keep(&self) -> Keep {
        if self.marking.is_poisoned() { Keep::All } else { Keep::Marked }
    }

    fn alloc_error(&self, requested: usize) -> AllocError {
        AllocError { requested, limit: self.space.pages.limit() * BLOCK }
    }
}

/// A number for the calling thread, never zero.
pub(crate) fn thread_token() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    thread_local!(static TOKEN: u64 = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    // A destructor of the thread that runs after this one still gets a number, only not the same.
    TOKEN
        .try_with(|t| *t)
        .unwrap_or_else(|_| NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

thread_local! {
    static ON_COLLECTOR: Cell<bool> = const { Cell::new(false) };
}
/// Says that the calling thread is a collector's.
pub(crate) fn enter_collector_thread() {
    ON_COLLECTOR.with(|c| c.set(true));
}
/// Whether the calling thread is a collector's: it must not wait for a cycle.
pub(crate) fn on_collector_thread() -> bool {
    ON_COLLECTOR.try_with(Cell::get).unwrap_or(false)
}

/// A thread's part of the heap.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Record {
    pin: PinWord,
    crossing: Crossing,
    core: *const Core,
    mode: Cell<Mode>,
    asymmetric: bool,
    /// Unused rests of runs carry mark bits: they were taken in, or brought to, Mark.
    black: Cell<bool>,
    /// The heap is near its limit: wait for the collector when the pin has ended.
    pressed: Cell<bool>,
    /// Pins within pins.
    depth: Cell<u32>,
    /// Sweeps begun as of the pin: the number of the spans that the thread may take slots of (rule 10).
    sweeps: Cell<u64>,
    /// The cycle of the pin, for guarded cells.
    cycle: Cell<u64>,
    cache: Cache,
    pub(crate) ring: GreyRing,
    pub(crate) pauses: Recorder,
    roots: RefCell<Vec<SlotRef>>,
    /// The thread that uses this record; 0 for none.
    owner: AtomicU64,
    /// In order of registration.
    pub(crate) number: u64,
}

// SAFETY: INV-3: the cells are used by the owner of the record only, inside or at the start of its pins, and by
// the collector under the crossing lock while the owner is kept out; the rest is protocol types.
unsafe impl Sync for Record {}
// SAFETY: INV-3: as above; nothing in a record is tied to a thread.
unsafe impl Send for Record {}

impl Record {
    fn new(core: &Arc<Core>) -> Record {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        Record {
            pin: PinWord::new(),
            crossing: Crossing::new(),
            core: Arc::as_ptr(core),
            mode: Cell::new(Mode::Off),
            asymmetric: core.asymmetric,
            black: Cell::new(false),
            pressed: Cell::new(false),
            depth: Cell::new(0),
            sweeps: Cell::new(0),
            cycle: Cell::new(0),
            cache: Cache::new(),
            ring: GreyRing::new(),
            pauses: Recorder::new(),
            roots: RefCell::new(Vec::new()),
            owner: AtomicU64::new(0),
            number: NUMBER.fetch_add(1, Ordering::Relaxed) as u64,
        }
    }

    /// The heap's shared state.
    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: INV-10: the core owns the registry, which owns the record; whoever else holds a record (a
        // handle) holds the core too.
        unsafe { &*self.core }
    }
    /// What this thread does at a store and an allocation.
    #[inline(always)]
    pub(crate) fn mode(&self) -> Mode {
        self.mode.get()
    }
    /// The cycle of the pin.
    pub(crate) fn cycle(&self) -> u64 {
        self.cycle.get()
    }
    /// Whether the calling thread is inside a pin of this record.
    pub(crate) fn is_pinned_here(&self) -> bool {
        // `depth` is read by its owner only.
        self.owner.load(Ordering::Relaxed) == thread_token() && self.depth.get() > 0
    }
    /// Whether the thread is outside of every pin, as far as the caller can know.
    #[cfg(gc_verify)]
    pub(crate) fn is_unpinned(&self) -> bool {
        self.pin.is_unpinned()
    }
    /// Whether a handshake to `to` need not wait for this thread.
    pub(crate) fn crossed(&self, to: Epoch) -> bool {
        self.pin.crossed(to)
    }
    /// Gives the thread's cache up on its behalf if it has not been in `epoch` yet: the collector, for a thread
    /// that has crossed or is unpinned.
    pub(crate) fn give_up_for(&self, epoch: Epoch) {
        self.crossing.on_behalf(epoch, || self.give_up(self.core()));
    }

    // ---- pins ----

    /// Begins a pin, or goes one deeper.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        let depth = self.depth.get();
        if depth == 0 {
            let epoch = &self.core().epoch;
            let now = epoch.load();
            if !self.crossing.has_seen(now) || !self.pin.publish(now, epoch, self.asymmetric) {
                self.enter_new_epoch();
            }
        }
        self.depth.set(depth + 1);
    }
    #[cold]
    #[inline(never)]
    fn enter_new_epoch(&self) {
        let core = self.core();
        loop {
            let epoch = core.epoch.load();
            if !self.crossing.has_seen(epoch) {
                self.cross(core, epoch);
            }
            if self.pin.publish(epoch, &core.epoch, self.asymmetric) {
                return;
            }
        }
    }

    /// Ends a pin, or comes one back up.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.pin.clear();
            if self.pressed.get() {
                self.stall();
            }
        }
    }

    /// Near the heap limit: waits, unpinned, for a cycle to free something. Also when a panic unwinds the pin, since
    /// that panic is often the limit's own, and whoever catches it goes on.
    #[cold]
    #[inline(never)]
    fn stall(&self) {
        self.pressed.set(false);
        if !on_collector_thread() {
            let since = ticks();
            self.core().control.collect(Some(Instant::now() + STALL));
            self.pauses.record(PauseKind::Stall, since);
        }
    }

    /// The first pin in `epoch`: brings the cache to it before the pin is published (rule 11).
    fn cross(&self, core: &Core, epoch: Epoch) {
        let since = ticks();
        #[cfg(gc_verify)]
        while core.stopped.load(Ordering::Acquire) && !on_collector_thread() {
            yield_now();
        }
        self.crossing.owner(epoch, || {
            if epoch.sweeps_begun() != self.sweeps.get() {
                self.give_up(core);
                self.sweeps.set(epoch.sweeps_begun());
            }
            if epoch.mode() == Mode::Mark && !self.black.get() {
                self.cache.each(|cursor| {
                    if let Some(held) = cursor.held() {
                        self.set_marks(core, held.class, held.span, held.rest);
                    }
                });
                self.black.set(true);
            }
            self.cycle.set(epoch.cycle());
            self.mode.set(epoch.mode());
        });
        self.pauses.record(PauseKind::Handshake, since);
    }

    fn set_marks(&self, core: &Core, class: &SpanClass, span: u32, run: Run) {
        core.space
            .for_bits(class, span, run, |word, mask| core.space.mark_word(word).set_own(mask));
    }

    /// Gives every span of the cache up: unmarks the unused rest, *then* lets go of it (rule 11). The owner, or
    /// the collector while the owner is kept out.
    fn give_up(&self, core: &Core) {
        let black = self.black.get();
        self.cache.each(|cursor| {
            let Some(held) = cursor.take() else { return };
            let (class, span, space) = (held.class, held.span, &core.space);
            if black {
                space.for_bits(class, span, held.rest, |word, mask| {
                    space.mark_word(word).clear_own(mask);
                });
            }
            chaos();
            space.give_run(class, span, held.rest);
            let mut unused = 0;
            let mut at = held.rest.from;
            while let Some(run) = space.next_run(class, span, at) {
                unused += (run.to - run.from) / class.slot;
                at = run.to;
            }
            let meta = space.meta(span as usize);
            meta.set_live((class.slots - unused) as u32);
            core.credit.unuse((unused * class.slot) as u64);
            core.totals.unused_objects.add(unused as u64);
            let number = u64::from(meta.sweep());
            sweep::put_back(space, class, span, number, unused > 0);
        });
        self.black.set(false);
    }

    // ---- allocation ----

    /// Room for one value of the type of `info`, uninitialised. The caller writes it before anything else.
    #[inline(always)]
    pub(crate) fn alloc(&self, info: &'static TypeInfo) -> Result<usize, AllocError> {
        if info.is_leaf() && info.size <= size_class::LARGEST {
            let class = size_class::class_of(info.size);
            match self.cache.leaf(class).bump(size_class::SIZES[class] as usize) {
                Some(at) => Ok(at),
                None => self.alloc_leaf(class),
            }
        } else if info.slot() <= size_class::LARGEST {
            let cursor = self.cache.owned(cache::tag_of(info));
            match cursor.and_then(|cursor| cursor.bump(info.slot())) {
                Some(at) => Ok(at),
                None => self.alloc_typed(info),
            }
        } else {
            self.alloc_large(info, info.size)
        }
    }

    /// Room for an array of `bytes` (its header not counted), uninitialised but for the length of an array that
    /// has one, which is zero.
    pub(crate) fn alloc_array(
        &self,
        info: &'static TypeInfo,
        bytes: usize,
    ) -> Result<usize, AllocError> {
        let total = bytes.checked_add(info.origin()).ok_or(self.core().alloc_error(bytes))?;
        let at = if total > size_class::LARGEST {
            self.alloc_large(info, total)?
        } else if info.is_leaf() {
            let class = size_class::class_of(total);
            match self.cache.leaf(class).bump(size_class::SIZES[class] as usize) {
                Some(at) => at,
                None => self.alloc_leaf(class)?,
            }
        } else {
            let size = size_class::class_of(total);
            let tag = cache::array_tag(info, size);
            let owned = self.cache.owned(tag);
            let slot = |c: &Cursor| c.class().map_or(0, |c| c.slot);
            match owned.and_then(|cursor| cursor.bump(slot(cursor).max(1))) {
                Some(at) => at,
                None => self.alloc_from(tag, || self.core().array_class(info, size))?,
            }
        };
        if info.origin() != 0 {
            // SAFETY: INV-6: the slot is ours and has `origin` bytes before the object for this word.
            unsafe { (at as *mut usize).sub(1).write(0) };
        }
        Ok(at)
    }

    #[cold]
    #[inline(never)]
    fn alloc_leaf(&self, class: usize) -> Result<usize, AllocError> {
        self.refill(self.cache.leaf(class), self.core().leaf_class(class))
    }
    #[cold]
    #[inline(never)]
    fn alloc_typed(&self, info: &'static TypeInfo) -> Result<usize, AllocError> {
        self.alloc_from(cache::tag_of(info), || self.core().typed_class(info))
    }
    #[cold]
    fn alloc_from(
        &self,
        tag: usize,
        class: impl FnOnce() -> &'static SpanClass,
    ) -> Result<usize, AllocError> {
        let cursor = match self.cache.owned(tag) {
            Some(cursor) => cursor,
            None => self.cache.install(tag, class()),
        };
        let class = cursor.class().expect("a cursor in its place has a class");
        match cursor.bump(class.slot) {
            Some(at) => Ok(at),
            None => self.refill(cursor, class),
        }
    }

    /// The cursor's run is used up: moves it to the next one and takes the first slot.
    fn refill(&self, cursor: &Cursor, class: &'static SpanClass) -> Result<usize, AllocError> {
        let core = self.core();
        if let Some(held) = cursor.held() {
            if let Some(run) = core.space.next_run(class, held.span, held.rest.to) {
                return Ok(self.use_run(core, cursor, class, held.span, run));
            }
            cursor.take();
            core.space.meta(held.span as usize).set_live(class.slots as u32);
            sweep::put_back(&core.space, class, held.span, self.sweeps.get(), false);
        }
        self.pace(core);
        let since = ticks();
        let (span, kind) = self.find_span(core, class)?;
        let meta = core.space.meta(span as usize);
        let free = class.slots - meta.live() as usize;
        core.credit.allocate((free * class.slot) as u64);
        core.totals.allocated_objects.add(free as u64);
        let start = core.space.address(span);
        let run = core.space.next_run(class, span, start).expect("the span has a free slot");
        let at = self.use_run(core, cursor, class, span, run);
        self.pauses.record(kind, since);
        Ok(at)
    }

    fn use_run(
        &self,
        core: &Core,
        cursor: &Cursor,
        class: &'static SpanClass,
        span: u32,
        run: Run,
    ) -> usize {
        #[cfg(gc_verify)]
        crate::verify::check_free(class, run);
        if class.info.weak_box {
            // SAFETY: INV-11: the run's slots are free and the span is ours; zeros are an empty box.
            unsafe { std::ptr::write_bytes(run.from as *mut u8, 0, run.to - run.from) };
        }
        core.space.take_run(class, span, run);
        if self.mode.get() == Mode::Mark {
            self.set_marks(core, class, span, run);
            // Not only at the crossing: a record that was retired and taken up again within one epoch has given
            // everything up and crosses no more.
            self.black.set(true);
        }
        cursor.put(class, span, run);
        cursor.bump(class.slot).expect("a run is not empty")
    }

    /// A span of `class` with a free slot, in no list.
    fn find_span(
        &self,
        core: &Core,
        class: &'static SpanClass,
    ) -> Result<(u32, PauseKind), AllocError> {
        let (space, number) = (&core.space, self.sweeps.get());
        if let Some(span) = class.partial(number).pop(|b| space.link(b)) {
            return Ok((span, PauseKind::Refill));
        }
        if let Some(span) = self.sweep_for(core, class, SWEEPS_PER_REFILL) {
            return Ok((span, PauseKind::Sweep));
        }
        if let Some(span) = space.fresh_span(class, number) {
            return Ok((span, PauseKind::Refill));
        }
        self.near_limit(core);
        if let Some(span) = self.sweep_for(core, class, usize::MAX) {
            return Ok((span, PauseKind::Sweep));
        }
        self.sweep_others(core);
        match space.fresh_span(class, number) {
            Some(span) => Ok((span, PauseKind::Sweep)),
            None => Err(core.alloc_error(class.slot)),
        }
    }

    /// Sweeps up to `most` spans of `class` until one has room.
    fn sweep_for(&self, core: &Core, class: &'static SpanClass, most: usize) -> Option<u32> {
        if self.mode.get() != Mode::Off || class.needs_drop() {
            return None;
        }
        let (space, number) = (&core.space, self.sweeps.get());
        let right = core.sweep.begin()?;
        for _ in 0..most {
            let span = sweep::take_unswept(&right, space, class, number)?;
            let swept = sweep::sweep_span(space, class, span, number, core.keep());
            core.count(swept);
            if (swept.live as usize) < class.slots {
                return Some(span);
            }
            sweep::put_back(space, class, span, number, false);
        }
        None
    }

    /// Near the limit: sweeps whatever may be swept here, so that empty spans of other classes become blocks.
    #[cold]
    fn sweep_others(&self, core: &Core) {
        if self.mode.get() != Mode::Off {
            return;
        }
        let Some(right) = core.sweep.begin() else { return };
        let number = self.sweeps.get();
        for class in core.space.all_classes() {
            while !class.needs_drop()
                && let Some(span) = sweep::take_unswept(&right, &core.space, class, number)
            {
                core.count(sweep::sweep_span(&core.space, class, span, number, core.keep()));
                sweep::put_swept(&core.space, class, span, number);
            }
        }
    }

    fn alloc_large(&self, info: &'static TypeInfo, bytes: usize) -> Result<usize, AllocError> {
        let (core, number) = (self.core(), self.sweeps.get());
        if bytes > core.space.pages.limit() * BLOCK {
            return Err(core.alloc_error(bytes));
        }
        self.pace(core);
        let since = ticks();
        let info = if info.is_leaf() { &LEAF_INFO } else { info };
        let class = core.large_class(info);
        let span = core.space.large_span(class, bytes, number).or_else(|| {
            self.near_limit(core);
            self.sweep_others(core);
            core.space.large_span(class, bytes, number)
        });
        let span = span.ok_or(core.alloc_error(bytes))?;
        core.credit.allocate((bytes.next_multiple_of(BLOCK)) as u64);
        core.totals.allocated_objects.add(1);
        let at = core.space.address(span) + class.origin;
        let (word, bit) = core.space.bit_of(at);
        core.space.set_allocated(word, bit);
        if self.mode.get() == Mode::Mark {
            core.space.mark_word(word).set_own(bit);
        }
        core.space.meta(span as usize).set_live(1);
        sweep::put_back(&core.space, class, span, number, false);
        self.pauses.record(PauseKind::Refill, since);
        Ok(at)
    }

    #[cold]
    fn near_limit(&self, core: &Core) {
        self.pressed.set(true);
        core.control.nudge();
    }

    /// Keeps allocation in step with the collector: at refill, in a bounded quantum.
    fn pace(&self, core: &Core) {
        if core.credit.heap() < core.credit.trigger() {
            return;
        }
        core.control.nudge();
        let demand = core.credit.demand();
        if demand != Demand::Nothing && !on_collector_thread() {
            let since = ticks();
            if self.mode.get() == Mode::Mark {
                self.assist(core);
            }
            if demand == Demand::AssistAndYield {
                yield_now();
            }
            self.pauses.record(PauseKind::Assist, since);
        }
        let (used, limit) = (core.space.pages.used(), core.space.pages.limit());
        if used > limit - limit / 16 {
            self.near_limit(core);
        }
    }

    /// Marks a bounded number of objects on the collector's behalf.
    fn assist(&self, core: &Core) {
        if !core.marking.detector.start() {
            return;
        }
        let marker = core.assistants.lock().pop();
        let mut marker =
            marker.unwrap_or_else(|| Marker::new(&core.space, crossbeam_deque::Worker::new_lifo()));
        marker.cycle = self.cycle.get();
        let drained = catch_unwind(AssertUnwindSafe(|| {
            marker.drain(&core.marking, &|each| core.each_ring(each), ASSIST)
        }));
        if let Err(payload) = drained {
            std::mem::forget(payload);
            core.trace_panicked();
        }
        // Shared before it counts itself idle: work in anybody's hands is grey.
        marker.give_all(&core.marking);
        core.marking.detector.stop();
        core.assistants.lock().push(marker);
    }

    // ---- the barrier ----

    /// Stores `new` into a pointer field, whatever the mode.
    #[inline(always)]
    pub(crate) fn store(&self, field: &AtomicUsize, new: usize) {
        if self.mode.get() == Mode::Off {
            // Release: whoever reads the pointer sees the object initialised.
            field.store(new, Ordering::Release);
        } else {
            self.store_barrier(field, new);
        }
    }
    #[cold]
    #[inline(never)]
    fn store_barrier(&self, field: &AtomicUsize, new: usize) {
        if self.mode.get() == Mode::Prep {
            self.swap(field, new);
        } else {
            // A plain read of the old value is enough from Mark on: what another thread stores meanwhile is its
            // local, and all threads shade or have crossed.
            self.shade(field.load(Ordering::Acquire));
            chaos();
            field.store(new, Ordering::Release);
        }
    }
    /// Exchanges a pointer field, whatever the mode.
    pub(crate) fn swap(&self, field: &AtomicUsize, new: usize) -> usize {
        if self.mode.get() == Mode::Prep {
            self.shade(new);
        }
        chaos();
        let old = field.swap(new, Ordering::AcqRel);
        chaos();
        if self.mode.get() != Mode::Off {
            // In Prep exactly what the exchange returned: a plain read would miss a store by a thread in Off.
            self.shade(old);
        }
        old
    }
    /// Exchanges a pointer field that holds `current`, whatever the mode.
    pub(crate) fn compare_exchange(
        &self,
        field: &AtomicUsize,
        current: usize,
        new: usize,
    ) -> Result<usize, usize> {
        if self.mode.get() == Mode::Prep {
            self.shade(new);
        }
        let result = field.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire);
        chaos();
        if self.mode.get() != Mode::Off && result.is_ok() {
            self.shade(current);
        }
        result
    }

    /// Makes an object grey if it is white, and puts it where markers find it, all within this pin.
    pub(crate) fn shade(&self, addr: usize) {
        let core = self.core();
        if addr == 0 || core.space.is_marked(addr) {
            return;
        }
        // An object in a span that is ahead of this pin was born in the coming sweep: it counts as marked.
        if core.space.sweep_of(addr) != self.sweeps.get() as u32 {
            return;
        }
        if !core.space.mark(addr) || !core.space.class_of(addr).needs_trace() {
            return;
        }
        chaos();
        if !self.ring.push(addr) {
            self.hand_over(core, addr);
        }
    }
    #[cold]
    #[inline(never)]
    fn hand_over(&self, core: &Core, addr: usize) {
        let since = ticks();
        let mut all = Vec::with_capacity(GreyRing::CAPACITY + 1);
        all.push(addr);
        self.ring.take(usize::MAX, |addr| all.push(addr));
        core.marking.share(Work::Objects(all));
        self.ring.count_elsewhere();
        self.pauses.record(PauseKind::Handover, since);
    }

    /// Shades all that `value` holds, and says in which cycle to the guarded cells inside.
    pub(crate) fn shade_all<'gc, T: Trace<'gc> + ?Sized>(&self, value: &T) {
        unsafe fn spill(tracer: *mut Tracer<'static>) {
            // SAFETY: INV-7: `shade_all` made the tracer with a record as owner and lends both for the call.
            let tracer = unsafe { &mut *tracer };
            // SAFETY: INV-7: as above.
            let record = unsafe { &*tracer.owner.cast::<Record>() };
            for i in 0..tracer.len {
                // SAFETY: INV-7: `len` entries of the buffer are written.
                record.shade(unsafe { tracer.buf.add(i).read() });
            }
            tracer.len = 0;
        }
        if !T::NEEDS_TRACE {
            return;
        }
        let mut buf = [0usize; PACKET];
        // In Prep nothing may be remembered (rule 5).
        let cycle = if self.mode.get() == Mode::Mark { self.cycle.get() } else { 0 };
        let owner = std::ptr::from_ref(self).cast_mut().cast();
        let mut tracer = Tracer::new(buf.as_mut_ptr(), spill, owner, cycle);
        let traced = catch_unwind(AssertUnwindSafe(|| value.trace(&mut tracer)));
        // SAFETY: INV-7: the tracer is live, its buffer is ours, its owner is this record.
        unsafe { spill(std::ptr::from_mut(&mut tracer).cast()) };
        if let Err(payload) = traced {
            std::mem::forget(payload);
            self.core().trace_panicked();
        }
    }

    /// Before `value` becomes the first content of a cell: in Prep what is stored is shaded.
    pub(crate) fn shade_initial<'gc, T: Trace<'gc>>(&self, value: &T) {
        if self.mode.get() == Mode::Prep {
            self.shade_all(value);
        }
    }

    // ---- roots and weak boxes ----

    /// A root slot that keeps `addr` alive.
    pub(crate) fn root(&self, addr: usize) -> SlotRef {
        if self.mode.get() == Mode::Prep {
            // Shade first, then publish (rule 2).
            self.shade(addr);
        }
        chaos();
        let mut batch = self.roots.borrow_mut();
        if batch.is_empty() && self.core().roots.take_batch(&mut batch) {
            self.core().credit.press(CHUNK_BYTES);
        }
        let slot = batch.pop().expect("a batch is not empty");
        slot.slot().create(addr);
        slot
    }

    /// Room for a weak box, zeroed.
    pub(crate) fn alloc_weak_box(&self) -> Result<usize, AllocError> {
        self.alloc(&WEAK_BOX)
    }

    /// Whether the target of a weak box, not flagged dead, may be used; if so it is kept for this pin.
    pub(crate) fn upgrade(&self, target: usize) -> bool {
        if self.mode.get() != Mode::Mark {
            return true;
        }
        let since = ticks();
        let core = self.core();
        let is_marked = || {
            core.space.is_marked(target) || core.space.sweep_of(target) != self.sweeps.get() as u32
        };
        let live = core.gate.upgrade(is_marked, || self.shade(target));
        self.pauses.record(PauseKind::Gate, since);
        live
    }
}
