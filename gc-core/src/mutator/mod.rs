//! The mutator's side: what a thread does when it pins, allocates, stores and shades.
//!
//! [`Core`] is the state that both sides share; [`Record`] is a thread's part of it. The life of a
//! pin:
//! 1. [`Record::enter`]: read the epoch; at the first pin in it, bring the cache to it under the
//!    thread's own lock (`Record::cross`); publish, and read the epoch again (rule 1).
//! 2. Allocate from the cursors; at the end of a run [`Record::refill`]. Of a class of which it has
//!    taken few slots the thread holds no span, and takes each slot of one that it shares
//!    ([`shared_spans`]).
//! 3. Store through the barrier ([`Record::store`]): in Off a plain store, else by the table of the
//!    design.
//! 4. [`Record::leave`]: the published word is cleared. There is nothing to hand over: shades went
//!    straight into the thread's ring (`mark::ring`).
//!
//! The mode is fixed for the whole pin (INV-1). A record outlives its thread: it is kept for the
//! next thread that comes, so the registry is as long as there ever were threads at once.
//!
//! Files, lowest first: `place`, `shared`, `watched`, `sample`, `barrier`, `kept`, `ration`,
//! `shared_spans`, `alloc`.

mod alloc;
mod barrier;
mod kept;
mod place;
mod ration;
mod sample;
mod shared;
mod shared_spans;
mod watched;

pub(crate) use self::kept::is_keeper;
pub(crate) use self::place::{PlacedRecord, RecordAddr};
pub(crate) use self::shared::Core;
use crate::handshake::{Crossing, Epoch, Mode, PinWord};
use crate::heap::cache::Cache;
use crate::heap::free::{HeldSlots, Unused};
use crate::heap::span::{List, OwnedSpan, SpanClass};
use crate::mark::ring::GreyRing;
use crate::mark::worker::Marker;
use crate::observe::Straggler;
use crate::observe::clock::ticks;
use crate::observe::histogram::{PauseKind, Recorder};
use crate::observe::note::Tape;
use crate::observe::site::Site;
use crate::observe::watch::LazyNotes;
use crate::pacing::{QUANTUM, Share};
use crate::roots::SlotRef;
use crate::sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, plain, thread_local};
use crate::word::{Bytes, Cycle, SweepNumber, ThreadNumber, WordIndex};
use barrier::Late;
use kept::Kept;
use sample::Sampler;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::time::Duration;

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
    /// Where the pin began. In the cache line that a pin writes anyway.
    site: Site,
    /// Pins within pins.
    depth: Cell<u32>,
    mode: Cell<Mode>,
    /// Unused rests of runs carry mark bits: they were taken in, or brought to, Mark.
    black: Cell<bool>,
    /// Memory is short: wait for the collector before the next pin; and as long as the hard limit
    /// is a reason to.
    pressed: Cell<bool>,
    stalls_hard: Cell<bool>,
    /// An allocation was refused, and the thread waits for a cycle whatever is in use.
    was_refused: Cell<bool>,
    /// Bytes of fresh memory that the thread may take where memory is short, or has taken beyond
    /// that.
    ration: Cell<i64>,
    /// Bytes of free slots that it may take there until it looks ahead.
    slots: Cell<Bytes>,
    /// The thread has taken fresh memory for an allocation that panics if it is refused.
    panics: Cell<bool>,
    /// How far the collector was when this thread gave up to wait for it.
    hopeless: Cell<Option<u64>>,
    /// Sweeps begun as of the pin: the number of the spans that the thread may take slots of (rule
    /// 10).
    sweeps: Cell<SweepNumber>,
    /// The cycle of the pin, for guarded cells.
    cycle: Cell<Cycle>,
    /// Old values of stores in Mark, to be shaded before the pin ends.
    late: Late,
    /// Guarded cells to be settled before a pin in Prep ends.
    kept: Kept,
    pub(crate) ring: GreyRing,
    pub(crate) pauses: Recorder,
    /// The long ones of these, one by one.
    pub(crate) notes: LazyNotes,
    /// What it noted for a timeline.
    pub(crate) timeline: OnceLock<Box<Tape>>,
    /// What the system calls the thread.
    tid: plain::AtomicU32,
    roots: RefCell<Vec<SlotRef>>,
    /// Bytes held outside of the heap that this thread has counted and not yet added.
    pub(crate) external: Share,
    /// What this thread marks with when it assists; without work in between.
    assistant: RefCell<Option<Box<Marker>>>,
    /// Whether the thread has allocated since the collector last asked: 0 or 1.
    busy: plain::AtomicU32,
    /// Refills that have asked for an assist since the last one.
    asked: Cell<u32>,
    /// Which allocations are sampled.
    sampler: Sampler,
    /// The thread that uses this record; 0 for none.
    owner: AtomicU64,
    /// In order of registration.
    pub(crate) number: ThreadNumber,
    /// The name of the thread that uses this record.
    name: Mutex<Option<Box<str>>>,
    /// Last, because it is large, and most of it is never touched (`place`).
    cache: Cache,
}

// SAFETY: INV-3: the cells are used by the owner of the record only, inside or at the start of its
// pins, and by the collector under the crossing lock while the owner is kept out; the rest is
// protocol types.
unsafe impl Sync for Record {}
// SAFETY: INV-3: as above; nothing in a record is tied to a thread.
unsafe impl Send for Record {}

impl Record {
    /// Makes a record of the zeroes at `at`.
    ///
    /// # Safety
    ///
    /// INV-3: `at` has zeroed memory for a record, of which no other thread knows.
    unsafe fn write(at: *mut Record, core: &Arc<Core>) {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        /// Writes the fields, and does not compile if one is missing.
        macro_rules! fields {
            ($($field:ident: $value:expr,)*) => {
                let _all = |record: &Record| {
                    let Record { $($field: _,)* cache: _ } = record;
                };
                $(
                    let value = $value;
                    // SAFETY: INV-3: a part of the caller's memory.
                    unsafe { (&raw mut (*at).$field).write(value) };
                )*
            };
        }
        let number = ThreadNumber::new(NUMBER.fetch_add(1, Ordering::Relaxed));
        // SAFETY: INV-3: a part of the caller's memory, zeroed.
        unsafe { Cache::begin(&raw mut (*at).cache) };
        fields! {
            pin: PinWord::new(),
            crossing: Crossing::new(),
            core: Arc::as_ptr(core),
            site: Site::new(),
            mode: Cell::new(Mode::Off),
            black: Cell::new(false),
            pressed: Cell::new(false),
            stalls_hard: Cell::new(false),
            was_refused: Cell::new(false),
            ration: Cell::new(0),
            slots: Cell::new(Bytes::ZERO),
            panics: Cell::new(false),
            hopeless: Cell::new(None),
            depth: Cell::new(0),
            asked: Cell::new(0),
            sweeps: Cell::new(SweepNumber::default()),
            cycle: Cell::new(Cycle::NONE),
            late: Late::new(),
            kept: Kept::new(),
            ring: GreyRing::new(),
            pauses: Recorder::new(),
            notes: LazyNotes::new(),
            timeline: OnceLock::new(),
            tid: plain::AtomicU32::new(0),
            roots: RefCell::new(Vec::new()),
            external: Share::default(),
            assistant: RefCell::new(None),
            busy: plain::AtomicU32::new(0),
            sampler: Sampler::new(number),
            owner: AtomicU64::new(0),
            number: number,
            name: Mutex::new(None),
        }
    }

    /// The heap's shared state.
    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: INV-10: the core owns the registry, which owns the record; any other holder of a
        // record (a handle) holds the core too.
        unsafe { &*self.core }
    }
    /// What this thread does at a store and an allocation.
    #[inline(always)]
    pub(crate) fn mode(&self) -> Mode {
        self.mode.get()
    }
    /// Sweeps begun as of the pin.
    pub(crate) fn sweeps(&self) -> SweepNumber {
        self.sweeps.get()
    }
    /// The cycle of the pin.
    pub(crate) fn cycle(&self) -> Cycle {
        self.cycle.get()
    }
    /// Whether the calling thread is inside a pin of this record.
    pub(crate) fn is_pinned_here(&self) -> bool {
        // `depth` is read by its owner only.
        self.owner.load(Ordering::Relaxed) == thread_token() && self.depth.get() > 0
    }
    /// Whether the collector waits for the pin that this thread is in.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.pin.is_awaited(&self.core().epoch)
    }
    /// Whether the thread is outside of every pin, as far as the caller can know.
    pub(crate) fn is_unpinned(&self) -> bool {
        self.pin.is_unpinned()
    }
    /// Returns whether a thread uses the record.
    pub(crate) fn is_used(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }
    /// The thread, for which a handshake has waited for `wait`.
    pub(crate) fn straggler(&self, wait: Duration) -> Straggler {
        let name = self.name.lock().as_deref().map(str::to_owned);
        Straggler { wait, thread: self.number.get(), name, place: self.site.get() }
    }
    /// Whether the thread has allocated since the last call.
    pub(crate) fn was_busy(&self) -> bool {
        self.busy.swap(0, Ordering::Relaxed) != 0
    }
    /// Whether a handshake to `to` need not wait for this thread.
    pub(crate) fn crossed(&self, to: Epoch) -> bool {
        self.pin.crossed(to)
    }
    /// Gives the thread's cache up on its behalf if it has not been in `epoch` yet: the collector,
    /// for a thread that has crossed or is unpinned.
    pub(crate) fn give_up_for(&self, epoch: Epoch) {
        self.crossing.on_behalf(epoch, || self.give_up(self.core()));
    }

    /// Counts `bytes` as held outside of the heap, and looks at the pace at every quantum of them.
    #[inline]
    pub(crate) fn hold(&self, bytes: Bytes) {
        let core = self.core();
        if self.external.take(core.credit.held(), bytes) {
            self.pace_external(bytes.max(QUANTUM));
        }
    }

    // ---- pins ----

    /// Begins a pin, or goes one deeper.
    #[inline(always)]
    pub(crate) fn enter(&self, place: &'static Location<'static>) {
        let depth = self.depth.get();
        if depth == 0 {
            self.site.set(place);
            let core = self.core();
            let now = core.light.load();
            if !self.crossing.has_seen(now) || !self.pin.publish_light(now, &core.light) {
                self.enter_new_epoch();
            }
        }
        self.depth.set(depth + 1);
    }
    #[cold]
    #[inline(never)]
    fn enter_new_epoch(&self) {
        let core = self.core();
        if self.pressed.get() {
            self.stall();
        }
        loop {
            let epoch = core.epoch.load();
            if core.stop.is_closed() && self.wait_for_stop(core) {
                continue;
            }
            if !self.crossing.has_seen(epoch) {
                self.cross(core, epoch);
            }
            if self.pin.publish(epoch, &core.epoch) {
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
            if !self.late.is_empty() {
                self.shade_late();
            }
            self.pin.clear();
            if self.pressed.get() {
                self.crossing.forget();
            }
        }
    }

    /// Waits for the end of a stop, and says so; not where the stop would wait for this very
    /// thread.
    #[cold]
    fn wait_for_stop(&self, core: &Core) -> bool {
        if on_collector_thread() || core.is_pinned_here() {
            return false;
        }
        let since = ticks();
        core.stop.wait();
        self.paused(PauseKind::Stop, since);
        true
    }

    /// The first pin in `epoch`: brings the cache to it before the pin is published (rule 11).
    fn cross(&self, core: &Core, epoch: Epoch) {
        let since = ticks();
        self.crossing.owner(epoch, || {
            if epoch.sweeps_begun() != self.sweeps.get() {
                self.give_up(core);
                self.sweeps.set(epoch.sweeps_begun());
            }
            if epoch.mode() == Mode::Mark && !self.black.get() {
                self.cache.each(|cursor| {
                    if let Some(held) = cursor.take() {
                        self.set_marks(core, &held.span, held.rest);
                        cursor.restore(held);
                    }
                });
                self.black.set(true);
            }
            self.cycle.set(epoch.cycle());
            self.mode.set(epoch.mode());
        });
        self.paused(PauseKind::Handshake, since);
    }

    /// Marks the slots of a span that are free or this thread's.
    fn set_marks(&self, core: &Core, span: &OwnedSpan, rest: Unused) {
        let class = span.class();
        span.for_unused(&core.space, rest, |word, mask| self.set_black(core, class, word, mask));
    }

    /// Marks slots of a word of a span that the thread owns. No other thread can find an object
    /// there yet.
    fn set_black(&self, core: &Core, class: &'static SpanClass, word: WordIndex, mask: u64) {
        // First: a marker that sees the mark must not take the slot for an object that waits to be
        // scanned.
        core.space.set_scanned(class, word, mask);
        core.space.mark_word(word).set_own(mask);
    }

    /// The thread ends. In Mark its cache stays in the record, for the next thread or the Sweep
    /// crossing (rule 11): a thread that is still in Prep would take the slots that it gives up,
    /// and make white objects of slots whose bits say that they are marked and scanned.
    fn give_up_at_end(&self, core: &Core) {
        if !self.black.get() {
            self.give_up(core);
        }
    }

    /// Gives every span of the cache up: unmarks the unused rest, *then* lets go of it (rule 11).
    /// The owner, or the collector while the owner is kept out.
    fn give_up(&self, core: &Core) {
        let black = self.black.get();
        self.cache.each(|cursor| {
            let Some(HeldSlots { span, rest }) = cursor.take() else { return };
            let (class, space) = (span.class(), &core.space);
            class.count_uncached();
            if black {
                span.for_unused(space, rest, |word, mask| space.mark_word(word).clear_own(mask));
            }
            let unused = span.give_rest(space, rest);
            cursor.uncount(unused);
            let meta = space.meta(span.block());
            meta.set_live((class.slots - unused) as u32);
            core.credit.unuse(Bytes::of(unused * class.slot));
            core.totals.unused_objects.add(unused as u64);
            let number = meta.sweep();
            let list = if unused > 0 { List::Partial } else { List::Full };
            span.put_back(space, list, number);
        });
        self.cache.cool();
        self.black.set(false);
    }
}
