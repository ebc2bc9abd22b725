#![forbid(unsafe_code)]
//! Sweeping spans whose objects have drop glue: dead objects wait, and keep their alloc bits
//! (INV-18).
//!
//! 1. [`OwnedSpan::doom`] sweeps a span from a list. If an object in it is dead, the span becomes a
//!    ward.
//! 2. [`sweep_ward`] sweeps the span of a ward in every later cycle.
//!
//! Both find out which objects are dead and touch none of them.

use super::doomed::Ward;
use super::{Keep, Swept, Word, take_word};
use crate::error;
use crate::heap::Space;
use crate::heap::span::{OwnedSpan, SpanClass};
use crate::observe::life::SpanState;
use crate::word::{BlockId, Bytes, SweepNumber};

/// Sweeps the span of a ward, whose lock the caller holds. The span carries `number` then.
pub(super) fn sweep_ward(
    space: &Space,
    ward: &mut Ward<&'static SpanClass>,
    number: SweepNumber,
    keep: Keep,
) -> Swept {
    let (span, class) = (ward.span, ward.class);
    let swept = sweep_words(space, class, span, keep, |i, dead, marked| {
        let known = ward.known(i);
        let is_unmarked = || marked & known == 0;
        error::verify(is_unmarked, "INV-18: an object that waits to be dropped is marked");
        let new = dead & !known;
        ward.doom(i, new);
        new
    });
    space.meta(span).set_sweep(number);
    swept
}

/// Sweeps the words of a span that the caller owns, whose class has drop glue. Alloc bits stay. For
/// each word, `doom` gets the dead and the marked objects, and returns those of the dead that are
/// newly dead.
fn sweep_words(
    space: &Space,
    class: &'static SpanClass,
    span: BlockId,
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
    swept.freed_bytes = u64::from(swept.freed) * Bytes::of(space.bytes_of(class, span));
    swept
}

/// The place of a span that was swept for dead objects with drop glue.
pub(crate) enum Doom {
    /// An object is dead, so the span is in a ward.
    Ward(Ward<&'static SpanClass>),
    /// No object is dead. The span is the caller's.
    Alive(OwnedSpan),
}

impl OwnedSpan {
    /// Sweeps the span, whose class has drop glue. It carries `number` then.
    pub(crate) fn doom(self, space: &Space, number: SweepNumber, keep: Keep) -> (Swept, Doom) {
        let (class, span) = (self.class(), self.block());
        let mut bits = None;
        let swept = sweep_words(space, class, span, keep, |i, dead, _| {
            bits.get_or_insert_with(|| vec![0; class.starts.len()].into_boxed_slice())[i] = dead;
            dead
        });
        let meta = space.meta(span);
        meta.set_live(swept.live);
        meta.set_sweep(number);
        space.life.note(span, class.id, SpanState::Swept);
        let Some(bits) = bits else { return (swept, Doom::Alive(self)) };
        let each = space.bytes_of(class, span) as u64;
        let (class, span) = self.into_parts();
        (swept, Doom::Ward(Ward::new(span, class, each, bits, number)))
    }
}
