//! The write barrier: what a store, a root, an upgrade and an exclusive borrow do while the collector marks.
//!
//! ```text
//! Off         field = new
//! Prep        shade(new); old = exchange(field, new); shade(old)
//! Mark, Term  note(field); field = new; and before the pin ends, shade all that is noted
//! ```
//!
//! 1. `shade(old)` keeps what the snapshot could reach: whoever cuts the last white path to an object makes it grey.
//! 2. `shade(new)` in Prep, because another thread may still be in Off and cut paths without a shade.
//! 3. The exchange in Prep, because such a thread may store between a read of the old value and the write: its value
//!    would be overwritten and never shaded. The SPIN model found this one.
//! 4. A shade that begins in a pin ends in it (counter, bit, ring), so that a termination round can trust the pins. In Mark
//!    it may end after its store: what was white and is cut from the heap is in [`Late`], and termination waits for its
//!    pin. So stores do not wait for the mark words of what they overwrite, which are looked at together.
//!
//! Publication: stores are release and the marker's loads acquire, so a marker sees an object initialised.

use super::{Core, Record};
use crate::error::AllocError;
use crate::handshake::Mode;
use crate::mark::Work;
use crate::mark::roots::{CHUNK_BYTES, SlotRef};
use crate::observe::clock::ticks;
use crate::observe::histogram::PauseKind;
use crate::sweep::ephemeron::EPHEMERON;
use crate::sweep::weak::{WEAK_BOX, WeakBox};
use crate::sync::{AtomicUsize, Ordering, chaos};
use crate::trace::{PACKET, Trace, Tracer};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Old values that are shaded together. A checker's are few, so that they run over.
const LATE: usize = if cfg!(any(gc_verify, shuttle)) { 3 } else { 64 };

/// Entries of a full ring that are handed over at once: some 2 µs.
const HANDOVER: usize = 256;

/// Old values that the stores of a pin have overwritten in Mark, and that are not shaded yet. Empty outside of pins.
#[derive(Debug)]
pub(super) struct Late {
    len: Cell<usize>,
    addrs: [Cell<usize>; LATE],
}

impl Late {
    pub(super) const fn new() -> Late {
        Late { len: Cell::new(0), addrs: [const { Cell::new(0) }; LATE] }
    }
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }
    /// Notes an address, or null; says whether there is no room for another.
    #[inline(always)]
    #[must_use]
    pub(super) fn note(&self, addr: usize) -> bool {
        let len = self.len.get();
        self.addrs[len].set(addr);
        self.len.set(len + 1);
        len + 1 == LATE
    }
}

impl Record {
    /// Shades what this pin has overwritten so far; in Prep, at its end, what it has changed in the
    /// cells that it keeps.
    #[cold]
    #[inline(never)]
    pub(super) fn shade_late(&self) {
        let space = &self.core().space;
        let late = &self.late.addrs[..self.late.len.replace(0)];
        late.iter().filter(|addr| addr.get() != 0).for_each(|addr| space.prefetch_mark(addr.get()));
        for addr in late {
            chaos();
            self.shade(addr.get());
        }
        self.settle_kept();
    }
    /// Stores `new` into a pointer field, whatever the mode.
    #[inline(always)]
    pub(crate) fn store(&self, field: &AtomicUsize, new: usize) {
        if self.mode.get() == Mode::Off || fault!("barrier_off") {
            // Release: whoever reads the pointer sees the object initialised.
            field.store(new, Ordering::Release);
        } else {
            self.store_barrier(field, new);
        }
    }
    /// The same where the collector marks. Short, and with its calls last, so that it saves no registers: what a store waits
    /// for here is the old value, and the fewer instructions there are, the more such loads are under way at once.
    #[cold]
    #[inline(never)]
    fn store_barrier(&self, field: &AtomicUsize, new: usize) {
        if self.mode.get() == Mode::Prep {
            return self.store_prep(field, new);
        }
        // A plain read of the old value is enough from Mark on: what another thread stores meanwhile is its
        // local, and all threads shade or have crossed.
        let old = if fault!("mark_old_unshaded") { 0 } else { field.load(Ordering::Acquire) };
        chaos();
        field.store(new, Ordering::Release);
        if self.late.note(old) {
            self.shade_late();
        }
    }
    #[cold]
    #[inline(never)]
    fn store_prep(&self, field: &AtomicUsize, new: usize) {
        self.swap(field, new);
    }
    /// Exchanges a pointer field, whatever the mode.
    pub(crate) fn swap(&self, field: &AtomicUsize, new: usize) -> usize {
        if self.mode.get() == Mode::Prep && !fault!("prep_new_unshaded") {
            self.shade(new);
        }
        chaos();
        let old = if fault!("prep_plain_read") {
            let old = field.load(Ordering::Acquire);
            field.store(new, Ordering::Release);
            old
        } else {
            field.swap(new, Ordering::AcqRel)
        };
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
        if self.mode.get() != Mode::Off && result.is_ok() && !fault!("exchange_unshaded") {
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
        // A leaf has nothing to hand over; but it may be the key of an ephemeron, or its box.
        let is_leaf = !core.space.class_of(addr).needs_trace();
        let counts = !is_leaf || core.ephemerons.exist() && !fault!("key_uncounted");
        if counts {
            // Before the mark: whoever finds it marked, and the collector who waits for him, sees the count (rule 7).
            self.ring.begin();
        }
        chaos();
        if !core.space.mark(addr) {
            // Acquire: what the one who marked it has counted.
            let _marked = core.space.is_marked(addr);
            return;
        }
        if is_leaf {
            if counts {
                self.ring.count_elsewhere();
            }
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
        // Another taker may be at it; then there is room soon.
        let mut all = Vec::with_capacity(HANDOVER + 1);
        all.push(addr);
        self.ring.take(HANDOVER, |addr| all.push(addr));
        if !fault!("handover_dropped") {
            core.marking.share(Work::Shaded(all));
        }
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
            crate::error::discard(payload);
            self.core().trace_panicked();
        }
    }

    /// Before `value` becomes the first content of a cell: in Prep what is stored is shaded.
    pub(crate) fn shade_initial<'gc, T: Trace<'gc>>(&self, value: &T) {
        if self.mode.get() == Mode::Prep {
            self.shade_all(value);
        }
    }

    /// A root slot that keeps `addr` alive.
    pub(crate) fn root(&self, addr: usize) -> SlotRef {
        if self.mode.get() == Mode::Prep && !fault!("root_prep_unshaded") {
            // Shade first, then publish (rule 2).
            self.shade(addr);
        }
        chaos();
        let mut batch = self.roots.borrow_mut();
        if batch.is_empty() && self.core().roots.take_batch(&mut batch) {
            self.core().credit.press(CHUNK_BYTES);
            self.core().control.nudge();
        }
        let slot = batch.pop().expect("a batch is not empty");
        slot.slot().create(addr);
        slot
    }

    /// Room for a weak box, zeroed.
    pub(crate) fn alloc_weak_box<const MUST: bool>(&self) -> Result<usize, AllocError> {
        self.alloc::<MUST>(&WEAK_BOX)
    }

    /// Room for an ephemeron's box, its key zeroed.
    pub(crate) fn alloc_ephemeron<const MUST: bool>(&self) -> Result<usize, AllocError> {
        let at = self.alloc::<MUST>(&EPHEMERON)?;
        self.core().ephemerons.appear();
        Ok(at)
    }

    /// Whether the target of a weak box may be used; if so it is kept for this pin.
    pub(crate) fn upgrade(&self, weak: &WeakBox) -> bool {
        // The dead flag first, always.
        if weak.is_dead() {
            return false;
        }
        if self.mode.get() != Mode::Mark || fault!("gate_removed") {
            return true;
        }
        let pause = self.pauses.begin();
        let (core, target) = (self.core(), weak.target());
        let is_marked = || {
            core.space.is_marked(target) || core.space.sweep_of(target) != self.sweeps.get() as u32
        };
        let live = core.gate.upgrade(weak, is_marked, || self.shade(target));
        self.pauses.end(PauseKind::Gate, pause);
        live
    }
}
