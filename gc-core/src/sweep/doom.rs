#![forbid(unsafe_code)]
//! Sweeping spans whose objects have drop glue: what is dead waits, and keeps its alloc bit
//! (INV-18).
//!
//! 1. A span from a list is swept by [`doom_span`]. If something in it is dead it becomes a ward.
//! 2. The span of a ward is swept by [`sweep_ward`] in every later cycle.
//!
//! Both find out which objects are dead and touch none of them.

use super::doomed::Ward;
use super::{Keep, Swept, Word, slot_bytes, take_word};
use crate::heap::Space;
use crate::heap::span::SpanClass;

/// Sweeps the span of a ward, whose lock the caller holds. It carries `number` then.
pub(super) fn sweep_ward(
    space: &Space,
    ward: &mut Ward<&'static SpanClass>,
    number: u64,
    keep: Keep,
) -> Swept {
    let (span, class) = (ward.span, ward.class);
    let swept = sweep_words(space, class, span, keep, |i, dead, marked| {
        let known = ward.known(i);
        if cfg!(gc_verify) && marked & known != 0 {
            crate::error::fatal("INV-18: an object that waits to be dropped is marked");
        }
        let new = dead & !known;
        ward.doom(i, new);
        new
    });
    space.meta(span as usize).set_sweep(number);
    swept
}

/// Sweeps the words of a span that the caller owns, whose class has drop glue. Alloc bits stay;
/// `doom` is told of what is dead and what was marked, by word, and says what of the dead is news.
fn sweep_words(
    space: &Space,
    class: &'static SpanClass,
    span: u32,
    keep: Keep,
    mut doom: impl FnMut(usize, u64, u64) -> u64,
) -> Swept {
    let mut swept = Swept::default();
    let first = space.first_word(span);
    for (i, starts) in class.starts.iter().enumerate() {
        let Word { allocated, marked, live } = take_word(space, class, first + i, *starts, keep);
        let dead = allocated & !live;
        swept.live += live.count_ones();
        if dead != 0 {
            swept.freed += doom(i, dead, marked).count_ones();
        }
    }
    swept.freed_bytes = u64::from(swept.freed) * slot_bytes(space, class, span) as u64;
    swept
}

/// Sweeps `span`, which the caller took from a list and therefore owns, and whose class has drop
/// glue. It carries `number` then. If something is dead the span is in the ward, else still the
/// caller's.
pub(crate) fn doom_span(
    space: &Space,
    class: &'static SpanClass,
    span: u32,
    number: u64,
    keep: Keep,
) -> (Swept, Option<Ward<&'static SpanClass>>) {
    let mut bits = None;
    let swept = sweep_words(space, class, span, keep, |i, dead, _| {
        bits.get_or_insert_with(|| vec![0; class.starts.len()].into_boxed_slice())[i] = dead;
        dead
    });
    let meta = space.meta(span as usize);
    meta.set_live(swept.live);
    meta.set_sweep(number);
    let each = slot_bytes(space, class, span) as u64;
    (swept, bits.map(|bits| Ward::new(span, class, each, bits, number)))
}
