//! The guarded cells that a pin in Prep keeps. The pin has shaded them and may have changed them
//! since, so it settles them before it ends.
//!
//! 1. [`Record::shade_borrowed`] shades the content of a cell, and decides whether that took long
//!    enough to remember the cell.
//! 2. [`Record::keep`] notes the cell, if it is a part of a heap object. Such a cell lives as long
//!    as the pin, does not move, and is changed through its lock only (INV-14). A cell elsewhere
//!    (on the stack, in a `Box`, in another cell) may be moved or dropped before the pin ends. So
//!    it is shaded at each borrow.
//! 3. [`Record::settle_kept`] shades changed content once more, before the pin ends.
//! 4. [`is_keeper`] tells a shared borrow, which has no `Mutation`, whether the cell's keeper is
//!    its own pin.

use super::Record;
use crate::observe::clock::ticks;
use crate::observe::histogram::PauseKind;
use crate::sync::thread_local;
use crate::trace::{Trace, has_cell};
use crate::word::{Addr, ThreadNumber, Ticks};
use std::cell::{Cell, RefCell};

/// Ticks (a nanosecond or less each) that shading must take for its cell to be kept. A smaller
/// content costs less to shade again than to remember.
const WORTH: Ticks = Ticks::new(2000);

/// Shades the changed content of a cell at an address.
pub(crate) type Settle = unsafe fn(*const (), &Record);

/// The cells that a pin keeps. Empty outside of pins in Prep.
#[derive(Debug)]
pub(super) struct Kept {
    cells: RefCell<Vec<(*const (), Settle)>>,
    /// For checkers, whose contents are small: every other cell is kept.
    turn: Cell<bool>,
}

impl Kept {
    pub(super) const fn new() -> Kept {
        Kept { cells: RefCell::new(Vec::new()), turn: Cell::new(false) }
    }
}

thread_local! {
    /// The record whose pin on this thread keeps cells; null for none. There is at most one.
    static KEEPER: Cell<*const Record> = const { Cell::new(std::ptr::null()) };
}

/// Returns whether `number` is the record whose pin keeps cells on the calling thread, and the
/// thread has no other pin of that heap. Another pin could be in Mark, where a copy of an unshaded
/// pointer might be stored without a shade.
pub(crate) fn is_keeper(number: ThreadNumber) -> bool {
    // A destructor of the thread that runs after KEEPER is gone has no pin that keeps.
    let keeper = KEEPER.try_with(Cell::get).unwrap_or(std::ptr::null());
    // SAFETY: INV-10: KEEPER is set inside a pin of the record and cleared before that pin ends.
    let Some(keeper) = (unsafe { keeper.as_ref() }) else { return false };
    let mut alone = keeper.number == number;
    keeper.core().records.for_each(|other| {
        alone &= std::ptr::eq::<Record>(&**other, keeper) || !other.is_pinned_here();
    });
    alone
}

impl Record {
    /// Shades everything that an exclusive borrow can reach. Then runs `after`, which is told
    /// whether to keep the cell. Counts as one pause.
    pub(crate) fn shade_borrowed<'gc, T, R>(&self, value: &T, after: impl FnOnce(bool) -> R) -> R
    where
        T: Trace<'gc> + ?Sized,
    {
        let pause = self.pauses.begin();
        self.shade_all(value);
        let worth = if cfg!(any(gc_verify, shuttle)) {
            self.kept.turn.replace(!self.kept.turn.get())
        } else {
            ticks().wrapping_sub(pause.since) >= WORTH
        };
        let done = after(worth);
        self.paused(PauseKind::Shade, self.pauses.own_begin(pause));
        done
    }

    /// Notes the guarded cell at `cell`, whose content is shaded, for the end of this pin in Prep.
    /// Returns whether it can be kept. `holder` is the address of the cell itself, or of the value
    /// that owns the cell elsewhere.
    pub(crate) fn keep(&self, cell: *const (), holder: Addr, settle: Settle) -> bool {
        let Ok(keeper) = KEEPER.try_with(Cell::get) else { return false };
        if !(keeper.is_null() || std::ptr::eq(keeper, self)) || !self.is_part(cell, holder) {
            return false;
        }
        if keeper.is_null() {
            KEEPER.with(|keeper| keeper.set(self));
            // Makes `leave` call `shade_late`: in Prep nothing else is noted.
            let _not_full = self.late.note(Addr::NULL);
        }
        self.kept.cells.borrow_mut().push((cell, settle));
        true
    }

    /// Returns whether a cell is a part of a heap object, and of no other cell.
    fn is_part(&self, cell: *const (), holder: Addr) -> bool {
        let Some((at, info)) = self.core().space.value_at(holder) else { return false };
        // SAFETY: INV-6: the caller has a borrow of a part of the value. So the value is
        // initialised and of its span's type. INV-7: the tracer is lent for the call.
        info.needs_trace
            && has_cell(Addr::of(cell), |tracer| unsafe { (info.trace)(at.ptr(), 1, tracer) })
    }

    /// Shades what this pin has changed in the cells that it keeps.
    #[cold]
    pub(super) fn settle_kept(&self) {
        if self.kept.cells.borrow().is_empty() {
            return;
        }
        // A `trace` that pins again must not end this pin.
        self.depth.set(self.depth.get() + 1);
        for (cell, settle) in self.kept.cells.take() {
            // SAFETY: INV-14: `keep` found the cell to be a part of an object that this pin, which
            // has not ended, could name.
            unsafe { settle(cell, self) };
        }
        KEEPER.with(|keeper| keeper.set(std::ptr::null()));
        self.depth.set(self.depth.get() - 1);
    }
}
