#![forbid(unsafe_code)]
//! Slots of spans that threads share: for a class of which the thread has taken few.
//!
//! A span holds hundreds of small objects of one type. If each thread held a span for each type
//! that it has ever made, few objects of many types on many threads would fill a heap.
//!
//! 1. A class is *cold* for a thread until the thread has taken an eighth of a span of it
//!    (`Cursor::is_cold`). Then a refill takes a span out of its list, takes *one* slot, and puts
//!    the span back at once ([`Record::share`]). So a span has one owner at a time (INV-5), and
//!    that of a shared span changes with each object.
//! 2. The refill that makes the class warm keeps the span that it has in hand. From then on the
//!    thread holds spans, until a cycle in which it has taken hardly any slot of the class
//!    (`Cache::cool`).
//! 3. In Mark the slot is born black: marked, and entered as scanned. The free slots beside it are
//!    not, because the next owner of the span may still be in Prep, where objects are born white.
//!    Nothing that was marked in bulk is given up in Mark (rule 11, INV-16).
//!
//! Threads that take slots of a cold class at the same moment take them of different spans. So a
//! class has about as many shared spans as there are cores.

use super::{Core, Record};
use crate::error::AllocError;
use crate::handshake::Mode;
use crate::heap::cache::Cursor;
use crate::heap::span::SpanClass;
use crate::observe::clock::ticks;
use crate::sweep;
use crate::word::{Addr, BlockId, Bytes, OnRefusal};

impl Record {
    /// A slot of a class that is cold for this thread.
    pub(super) fn share(
        &self,
        core: &Core,
        cursor: &Cursor,
        class: &'static SpanClass,
        on_refusal: OnRefusal,
    ) -> Result<Addr, AllocError> {
        let shared = class.partial(self.sweeps.get()).pop(|b| core.space.link(b));
        let span = match shared {
            Some(span) => span,
            None => {
                self.pace(core);
                let since = ticks();
                let (span, kind) = self.find_span(core, class, on_refusal)?;
                self.paused(kind, since);
                span
            }
        };
        if !cursor.is_cold(class, 1) {
            if shared.is_some() {
                let free = class.slots - core.space.meta(span).live() as usize;
                self.draw_slots(core, class, Bytes::of(free * class.slot), on_refusal);
            }
            class.count_cached();
            return Ok(self.hold_span(core, cursor, class, span));
        }
        cursor.count(class, 1);
        let rate = self.sample_rate();
        if !rate.is_zero() {
            self.passes(class, rate);
        }
        let (at, is_full) = self.take_one(core, class, span);
        if is_full {
            // As often as where threads take whole spans.
            self.pace(core);
        }
        self.draw_slots(core, class, Bytes::of(class.slot), on_refusal);
        Ok(at)
    }

    /// Takes one slot of a span that the thread owns, and puts the span back. Returns the slot, and
    /// whether the span is full.
    fn take_one(&self, core: &Core, class: &'static SpanClass, span: BlockId) -> (Addr, bool) {
        let space = &core.space;
        let slot = space.first_free(class, span).expect("the span has a free slot");
        if self.mode.get() == Mode::Mark {
            space.for_bits(class, span, slot, |word, bit| self.set_black(core, class, word, bit));
        }
        self.open(core, class, slot);
        space.take_run(class, span, slot);
        let meta = space.meta(span);
        let live = meta.live() + 1;
        meta.set_live(live);
        core.credit.allocate(Bytes::of(class.slot));
        core.totals.allocated_objects.add(1);
        let is_full = live as usize == class.slots;
        sweep::put_back(space, class, span, self.sweeps.get(), !is_full);
        (slot.from, is_full)
    }
}
