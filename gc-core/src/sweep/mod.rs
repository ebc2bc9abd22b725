//! Sweeping: `allocated := marked`, span by span, lazily.
//!
//! Life of a sweep with number n (the cycle's number):
//! 1. Every thread has crossed into Sweep n and given its spans up. All spans lie in the central
//!    lists of n - 1. The collector opens the sweep ([`ActiveSweep::open`], rule 10).
//! 2. An allocation that finds no swept span takes an unswept one and sweeps it
//!    ([`OwnedSpan::sweep`]). It does so between [`ActiveSweep::begin`] and the drop of its
//!    [`Sweeping`]. The collector does the same for all spans.
//! 3. A swept span carries n. It lies in the lists of n, or is empty and reused or freed.
//! 4. When the lists of n - 1 are empty, the collector closes the sweep ([`ActiveSweep::close`]).
//!    Closing waits for threads that are still sweeping, since a sweep that ran into the next Prep
//!    would erase its marks. Only then can the next cycle start.
//!
//! Spans without live objects may be freed before step 1, while the collector waits for the
//! crossing ([`early`]).
//!
//! A sweep reads and writes a span's bitmaps and touches no object. Where objects have drop glue,
//! it finds out which are dead and frees none of them. They wait for the drop thread ([`drops`],
//! [`doomed`]), outside of the cycle. Only the collector's thread sweeps such spans.
//!
//! Literature: Go's `mgcsweep.go` (sweep generations, `activeSweep`, ownership by token).
//!
//! Files, lowest first: `doomed`, `doom`, `early`.

#[cfg(not(loom))]
pub(crate) mod doom;
pub mod doomed;
#[cfg(not(loom))]
pub(crate) mod drops;
#[cfg(not(loom))]
pub(crate) mod early;

use crate::error;
use crate::heap::Space;
use crate::heap::poison::{EACH_SLOT, poison};
use crate::heap::span::{List, OwnedSpan, SpanBits, SpanClass};
use crate::observe::life::SpanState;
use crate::sync::{AtomicU64, Ordering};
use crate::word::{Addr, Bytes, SweepNumber, WordIndex};

const OPEN: u64 = 1 << 63;

/// Whether spans may be swept now, and how many threads are sweeping: one word.
///
/// | from | to | by | when |
/// |---|---|---|---|
/// | closed, 0 | open, 0 | collector | `open`: all threads have crossed into Sweep |
/// | open, n | open, n+1 | sweeper | `begin` |
/// | open, n+1 | open, n | sweeper | drop of its `Sweeping` |
/// | open, 0 | closed, 0 | collector | `close`: no unswept span is left in any list |
#[derive(Debug)]
pub struct ActiveSweep(AtomicU64);

/// The right to sweep spans, as long as it lives.
#[derive(Debug)]
pub struct Sweeping<'a>(&'a ActiveSweep);

impl ActiveSweep {
    /// Closed.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        ActiveSweep(AtomicU64::new(0))
    }
    /// Opens the sweep. Release: sweepers see what the crossing established.
    pub fn open(&self) {
        let before = self.0.swap(OPEN, Ordering::AcqRel);
        debug_assert_eq!(before, 0, "a sweep begins when the last one is over");
    }
    /// Takes the right to sweep, if the sweep is open.
    #[must_use]
    pub fn begin(&self) -> Option<Sweeping<'_>> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & OPEN == 0 {
                return None;
            }
            match self.0.compare_exchange_weak(now, now + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Sweeping(self)),
                Err(other) => now = other,
            }
        }
    }
    /// Closes the sweep if no thread is sweeping. Returns whether it is closed. The caller saw all
    /// lists empty, and they stay so, because unswept spans only leave them. Acquire: what sweepers
    /// did is visible.
    #[must_use]
    pub fn close(&self) -> bool {
        self.0.compare_exchange(OPEN, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}

/// The result of sweeping a span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Objects that stay.
    pub(crate) live: u32,
    /// Objects that died.
    pub(crate) freed: u32,
    /// Bytes of the slots (or spans) that died.
    pub(crate) freed_bytes: Bytes,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Swept) {
        self.live += other.live;
        self.freed += other.freed;
        self.freed_bytes += other.freed_bytes;
    }
}

/// Which objects a sweep keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Marked objects.
    Marked,
    /// All objects: a `trace` panicked, so the marks are incomplete.
    All,
    /// No object: the heap ends.
    Nothing,
}

/// Takes one unswept span of `class` from the lists of `number.previous()`.
pub(crate) fn take_unswept(
    _right: &Sweeping<'_>,
    space: &Space,
    class: &'static SpanClass,
    number: SweepNumber,
) -> Option<OwnedSpan> {
    let pop = |list| space.pop(class, list, number.previous());
    pop(List::Partial).or_else(|| pop(List::Full))
}

impl OwnedSpan {
    /// Sweeps the span, whose class has no drop glue. It carries `number` then.
    pub(crate) fn sweep(&mut self, space: &Space, number: SweepNumber, keep: Keep) -> Swept {
        let (class, span) = (self.class(), self.block());
        let mut swept = Swept::default();
        let first = space.first_word(span);
        for (i, starts) in class.starts.iter().enumerate() {
            let Word { allocated, live, .. } = take_word(space, class, first + i, *starts, keep);
            if allocated == 0 {
                continue;
            }
            let dead = allocated & !live;
            if dead != 0 {
                if EACH_SLOT {
                    let objects = SpanBits { word: i, bits: dead };
                    space.each_object(class, span, objects, |at| poison(space, class, at));
                }
                space.set_allocated(first + i, live);
            }
            swept.live += live.count_ones();
            swept.freed += dead.count_ones();
        }
        let meta = space.meta(span);
        let bytes = space.bytes_of(class, span);
        swept.freed_bytes = u64::from(swept.freed) * Bytes::of(bytes);
        meta.set_live(swept.live);
        meta.set_sweep(number);
        space.life.note(span, class.id, SpanState::Swept);
        swept
    }

    /// Puts the span, which was swept, into the page heap if it is empty, else into a list of
    /// `number`.
    pub(crate) fn put_swept(self, space: &Space, number: SweepNumber) {
        let live = space.meta(self.block()).live() as usize;
        if live == 0 {
            space.free_span(self);
        } else {
            let list = List::of(live, self.class().slots);
            self.put_back(space, list, number);
        }
    }

    /// Puts the span into a list of `number`.
    pub(crate) fn put_back(self, space: &Space, list: List, number: SweepNumber) {
        space.life.note(self.block(), self.class().id, SpanState::InUse);
        space.push(self, list, number);
    }
}

/// The objects of one word of a span that is being swept.
struct Word {
    allocated: u64,
    marked: u64,
    /// Objects that stay.
    live: u64,
}

/// Takes the marks of a word of a span that the caller sweeps. `starts` has the granules where
/// objects may begin.
fn take_word(space: &Space, class: &SpanClass, at: WordIndex, starts: u64, keep: Keep) -> Word {
    let allocated = space.allocated(at);
    let marked = space.mark_word(at).take();
    space.clear_scanned(class, at);
    error::verify(
        || marked & !allocated == 0 && allocated & !starts == 0,
        "INV-5: a mark without an object, or an object off its slot",
    );
    let live = match keep {
        // With a stray mark, the next cycle would drop a slot that holds no object.
        Keep::Marked => marked & allocated,
        Keep::All => allocated,
        Keep::Nothing => 0,
    };
    Word { allocated, marked, live }
}

/// Runs the drop glue of one dead object of the caller's batch. Returns how many panics were
/// caught.
fn drop_object(class: &SpanClass, at: Addr) -> u32 {
    let drop = class.info.drop;
    // SAFETY: INV-6: the dead object has drop glue, and is initialised.
    let n = unsafe { class.info.values_at(at) };
    // SAFETY: INV-9, INV-18: the object was found dead after the last crossing of a cycle, so no
    // thread can reach it. Its slot is not reused while its ward remembers it, and only the
    // caller's batch has it.
    let returned = error::contain(|| unsafe { drop(at.ptr(), n) });
    u32::from(!returned)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_closes_when_nobody_sweeps() {
        let sweep = ActiveSweep::new();
        assert!(sweep.begin().is_none() && !sweep.close());
        sweep.open();
        let right = sweep.begin().unwrap();
        assert!(!sweep.close());
        drop(right);
        assert!(sweep.close() && sweep.begin().is_none());
    }
}
