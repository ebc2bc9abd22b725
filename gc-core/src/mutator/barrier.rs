//! The write barrier: what a store, a root, an upgrade and an exclusive borrow do while the
//! collector marks.
//!
//! ```text
//! Off         field = new
//! Prep        shade(new); old = exchange(field, new); shade(old)
//! Mark, Term  note(field); field = new; and before the pin ends, shade all that is noted
//! ```
//!
//! 1. `shade(old)` keeps what the snapshot could reach: a thread that cuts the last white path to
//!    an object makes it grey.
//! 2. `shade(new)` in Prep, because another thread may still be in Off and cut paths without a
//!    shade.
//! 3. The exchange in Prep, because such a thread may store between a read of the old value and the
//!    write. Its value would be overwritten and never shaded. The SPIN model found this case.
//! 4. A shade that begins in a pin ends in it (counter, bit, ring), so that a termination round can
//!    rely on the pins. In Mark it may end after its store. The white object that was cut from the
//!    heap is then in [`Late`], and termination waits for its pin. So a store does not wait for the
//!    mark word of the object that it overwrites: those words are read together later.
//!
//! Publication: stores are release and the marker's loads acquire, so a marker sees an object
//! initialised.

use super::{Core, Record};
use crate::error::AllocError;
use crate::handshake::Mode;
use crate::mark::Work;
use crate::observe::clock::ticks;
use crate::observe::histogram::PauseKind;
use crate::roots::{CHUNK_BYTES, SlotRef};
use crate::sync::{AtomicUsize, Ordering};
use crate::trace::{PACKET, Trace, Tracer};
use crate::weak::ephemeron::EPHEMERON;
use crate::weak::gate::{WEAK_BOX, WeakBox};
use crate::word::{Addr, Cycle};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

/// Number of old values that are shaded together. Few under a checker, so that the list runs full.
const LATE: usize = if cfg!(any(gc_verify, shuttle)) { 3 } else { 64 };

/// Number of entries of a full ring that are handed over at once: some 2 µs.
const HANDOVER: usize = 256;

/// Old values that the stores of a pin have overwritten in Mark, and that are not shaded yet. Empty
/// outside of pins.
#[derive(Debug)]
pub(super) struct Late {
    len: Cell<usize>,
    addrs: [Cell<Addr>; LATE],
}

impl Late {
    pub(super) const fn new() -> Late {
        Late { len: Cell::new(0), addrs: [const { Cell::new(Addr::NULL) }; LATE] }
    }
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }
    /// Notes an address, or null. Returns whether there is no room for another.
    #[inline(always)]
    #[must_use]
    pub(super) fn note(&self, addr: Addr) -> bool {
        let len = self.len.get();
        self.addrs[len].set(addr);
        self.len.set(len + 1);
        len + 1 == LATE
    }
}

impl Record {
    /// Shades what this pin has overwritten so far. At the end of a pin in Prep, shades what the
    /// pin has changed in the cells that it keeps.
    #[cold]
    #[inline(never)]
    pub(super) fn shade_late(&self) {
        let space = &self.core().space;
        let late = &self.late.addrs[..self.late.len.replace(0)];
        late.iter()
            .filter(|addr| !addr.get().is_null())
            .for_each(|addr| space.prefetch_mark(addr.get()));
        for addr in late {
            self.shade(addr.get());
        }
        self.settle_kept();
    }
    /// Stores `new` into a pointer field, in any mode.
    #[inline(always)]
    pub(crate) fn store(&self, field: &AtomicUsize, new: Addr) {
        if self.mode.get() == Mode::Off {
            // Release: a thread that reads the pointer sees the object initialised.
            field.store(new.get(), Ordering::Release);
        } else {
            self.store_barrier(field, new);
        }
    }
    /// The same while the collector marks. Short, and with its calls last, so that it saves no
    /// registers. A store waits here for the load of the old value. With fewer instructions, more
    /// such loads are under way at once.
    #[cold]
    #[inline(never)]
    fn store_barrier(&self, field: &AtomicUsize, new: Addr) {
        if self.mode.get() == Mode::Prep {
            return self.store_prep(field, new);
        }
        // A plain read of the old value is enough from Mark on. A value that another thread stores
        // meanwhile is known to that thread, and all threads shade or have crossed.
        let old = field.load(Ordering::Acquire);
        field.store(new.get(), Ordering::Release);
        if self.late.note(Addr::new(old)) {
            self.shade_late();
        }
    }
    #[cold]
    #[inline(never)]
    fn store_prep(&self, field: &AtomicUsize, new: Addr) {
        self.swap(field, new);
    }
    /// Exchanges a pointer field, in any mode.
    pub(crate) fn swap(&self, field: &AtomicUsize, new: Addr) -> Addr {
        if self.mode.get() == Mode::Prep {
            self.shade(new);
        }
        let old = Addr::new(field.swap(new.get(), Ordering::AcqRel));
        if self.mode.get() != Mode::Off {
            // In Prep exactly the value that the exchange returned: a plain read would miss a store
            // by a thread in Off.
            self.shade(old);
        }
        old
    }
    /// Exchanges a pointer field that holds `current`, in any mode.
    pub(crate) fn compare_exchange(
        &self,
        field: &AtomicUsize,
        current: Addr,
        new: Addr,
    ) -> Result<Addr, Addr> {
        if self.mode.get() == Mode::Prep {
            self.shade(new);
        }
        let result =
            field.compare_exchange(current.get(), new.get(), Ordering::AcqRel, Ordering::Acquire);
        if self.mode.get() != Mode::Off && result.is_ok() {
            self.shade(current);
        }
        result.map(Addr::new).map_err(Addr::new)
    }

    /// Makes an object grey if it is white, and puts it where markers find it, all within this pin.
    pub(crate) fn shade(&self, addr: Addr) {
        let core = self.core();
        if addr.is_null() || core.space.is_marked(addr) {
            return;
        }
        // An object in a span that is ahead of this pin was born in the coming sweep, so it counts
        // as marked.
        if core.space.sweep_of(addr) != self.sweeps.get() {
            return;
        }
        // A leaf need not be handed over. But it may be the key of an ephemeron, or its box.
        let is_leaf = !core.space.class_of(addr).needs_trace();
        let counts = !is_leaf || core.ephemerons.exist();
        if counts {
            // Before the mark: a thread that finds the object marked sees the count, and so does
            // the collector that waits for that thread (rule 7).
            self.ring.begin();
        }
        if !core.space.mark(addr) {
            // Acquire: makes the count of the thread that marked it visible.
            let _marked = core.space.is_marked(addr);
            return;
        }
        if is_leaf {
            if counts {
                self.ring.count_elsewhere();
            }
            return;
        }
        if !self.ring.push(addr) {
            self.hand_over(core, addr);
        }
    }
    #[cold]
    #[inline(never)]
    fn hand_over(&self, core: &Core, addr: Addr) {
        let since = ticks();
        // Another thread may be taking from the ring; then there is room soon.
        let mut all = Vec::with_capacity(HANDOVER + 1);
        all.push(addr);
        self.ring.take(HANDOVER, |addr| all.push(addr));
        core.marking.share(Work::Shaded(all));
        self.ring.count_elsewhere();
        self.paused(PauseKind::Handover, since);
    }

    /// Shades everything that `value` holds. The guarded cells in it record the cycle.
    pub(crate) fn shade_all<'gc, T: Trace<'gc> + ?Sized>(&self, value: &T) {
        unsafe fn spill(tracer: *mut Tracer<'static>) {
            // SAFETY: INV-7: `shade_all` made the tracer with a record as owner and lends both for
            // the call.
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
        let mut buf = [Addr::NULL; PACKET];
        // In Prep no cell may record a cycle (rule 5).
        let cycle = if self.mode.get() == Mode::Mark { self.cycle.get() } else { Cycle::NONE };
        let owner = std::ptr::from_ref(self).cast_mut().cast();
        let mut tracer = Tracer::new(buf.as_mut_ptr(), spill, owner, cycle);
        let traced = catch_unwind(AssertUnwindSafe(|| value.trace(&mut tracer)));
        // SAFETY: INV-7: the tracer is live, its buffer is ours, its owner is this record.
        unsafe { spill(std::ptr::from_mut(&mut tracer).cast()) };
        if let Err(payload) = traced {
            crate::error::discard(payload);
            self.core().trace_panicked();
        }
    }

    /// Shades `value` before it becomes the first content of a cell in Prep.
    pub(crate) fn shade_initial<'gc, T: Trace<'gc>>(&self, value: &T) {
        if self.mode.get() == Mode::Prep {
            self.shade_all(value);
        }
    }

    /// Returns a root slot that keeps `addr` alive, for a root that is made at `place`.
    pub(crate) fn root(&self, addr: Addr, place: &'static Location<'static>) -> SlotRef {
        if self.mode.get() == Mode::Prep {
            // Shade first, then publish (rule 2).
            self.shade(addr);
        }
        let mut batch = self.roots.borrow_mut();
        if batch.is_empty() && self.core().roots.take_batch(&mut batch) {
            self.core().credit.press(CHUNK_BYTES);
            self.core().control.nudge();
        }
        let slot = batch.pop().expect("a batch is not empty");
        slot.create(addr, place);
        slot
    }

    /// Allocates a zeroed weak box.
    pub(crate) fn alloc_weak_box<const PANICS: bool>(&self) -> Result<Addr, AllocError> {
        self.alloc::<PANICS>(&WEAK_BOX)
    }

    /// Allocates an ephemeron's box with a zeroed key.
    pub(crate) fn alloc_ephemeron<const PANICS: bool>(&self) -> Result<Addr, AllocError> {
        let at = self.alloc::<PANICS>(&EPHEMERON)?;
        self.core().ephemerons.appear();
        Ok(at)
    }

    /// Returns whether the target of a weak box may be used. If so, it stays live for this pin.
    pub(crate) fn upgrade(&self, weak: &WeakBox) -> bool {
        // The dead flag is always tested first.
        if weak.is_dead() {
            return false;
        }
        if self.mode.get() != Mode::Mark {
            return true;
        }
        let pause = self.pauses.begin();
        let (core, target) = (self.core(), weak.target());
        let is_marked =
            || core.space.is_marked(target) || core.space.sweep_of(target) != self.sweeps.get();
        let live = core.gate.upgrade(weak, is_marked, || self.shade(target));
        self.paused(PauseKind::Gate, self.pauses.own_begin(pause));
        live
    }
}
