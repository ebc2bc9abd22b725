//! What the builds that look for errors do with the slots that are freed and taken.
//!
//! The verifying build (`--cfg gc_verify`) fills a freed slot with a byte, and looks at it again
//! when a thread takes it. The build for AddressSanitizer (`--cfg gc_asan`) forbids the use of the
//! slot (`asan`). In other builds these functions are empty.

use super::asan;
use super::free::Run;
use super::span::SpanClass;
use super::tables::Tables;
use crate::word::Addr;

/// Whether this build looks at each slot that is freed or taken.
pub(crate) const EACH_SLOT: bool = cfg!(any(gc_verify, gc_asan));

/// The byte that fills freed memory.
const POISON: u8 = 0xDF;

/// Fills the slot of a dead object, and forbids its use.
#[inline(always)]
pub(crate) fn poison(tables: &Tables, class: &SpanClass, at: Addr) {
    if !EACH_SLOT {
        return;
    }
    let bytes = tables.bytes_of(class, tables.block_of(at));
    let from = at - class.origin;
    if cfg!(gc_verify) {
        // The blocks of a large object beyond its end were never used.
        asan::unpoison(from, bytes);
        // SAFETY: INV-9, INV-18: the object is dead and its drop glue has run; the slot is the
        // sweeper's or the dropper's.
        unsafe { std::ptr::write_bytes(from.ptr::<u8>(), POISON, bytes) };
    }
    asan::poison(from, bytes);
}

/// Checks that the free slots of a run were not written to.
#[inline(always)]
pub(crate) fn check(class: &SpanClass, run: Run) {
    if cfg!(gc_verify) {
        check_slots(class, run);
    }
}
fn check_slots(class: &SpanClass, run: Run) {
    // The rest of a run that was given up may have been an empty weak box.
    if class.info.weak_box {
        return;
    }
    let (from, bytes) = (run.from - class.origin, run.to - run.from);
    // SAFETY: INV-5: the run lies in a span of the caller.
    let slots = unsafe { std::slice::from_raw_parts(from.ptr::<u8>(), bytes) };
    for (i, slot) in slots.chunks(class.slot).enumerate() {
        // A block that served another class keeps that class's poison and zeros, in any mixture.
        if slot.iter().any(|b| *b != POISON && *b != 0) {
            let at = from + i * class.slot;
            crate::error::fatal(&format!("a free slot was written to: {at:?} in {class:?}"));
        }
    }
}
