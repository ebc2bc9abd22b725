//! Frees spans without live objects while the collector waits for the crossing into Sweep.
//!
//! Between the end of marking and the sweep, a thread in a long pin makes the cycle wait. Meanwhile
//! all threads allocate from fresh blocks, beside garbage that is known to be dead. So while it
//! waits, the collector takes full spans from the previous sweep's lists ([`Early::step`]). It
//! frees those without a mark and puts the others back ([`Early::end`]).
//!
//! Why no thread can still use these spans (model: `EARLYFREE`):
//! - Marking is complete, so no thread can reach an unmarked object by strong pointers, in
//!   whichever epoch it is.
//! - Only a weak box leads to such an object, and every upgrade that has not seen the box's flag is
//!   over ([`Gate::settle`](super::weak::Gate::settle)).
//! - No thread takes spans from these lists before it may sweep. Spans that threads put there
//!   meanwhile have marks, or are swept when the sweep opens.
//! - The free slots of a span that a thread holds are black, and such a span is in no list.
//! - Classes with drop glue are left out: a destructor runs after the crossing (INV-9).

use super::{Keep, Swept, sweep_span};
use crate::heap::Space;
use crate::heap::span::SpanClass;
use crate::word::{BlockId, SweepNumber};

/// Spans that one step looks at: some 5 µs.
const STEP: usize = 32;

/// The state of early freeing in one cycle.
pub(crate) struct Early<'a> {
    space: &'a Space,
    number: SweepNumber,
    /// The classes that are left; the last one is being worked on.
    classes: Vec<&'static SpanClass>,
    /// Spans of that class which have marks and go back into its list.
    kept: Vec<BlockId>,
}

impl<'a> Early<'a> {
    /// For sweep `number`, which has not begun. Nothing is freed unless `keep` is [`Keep::Marked`].
    pub(crate) fn new(space: &'a Space, number: SweepNumber, keep: Keep) -> Self {
        let mut classes = Vec::new();
        if keep == Keep::Marked {
            classes = space.all_classes();
            classes.retain(|class| !class.needs_drop());
        }
        Early { space, number, classes, kept: Vec::new() }
    }

    /// Looks at a few spans and calls `count` for each that it frees. Returns whether there was
    /// anything to look at.
    pub(crate) fn step(&mut self, count: impl Fn(Swept)) -> bool {
        let space = self.space;
        let Some(&class) = self.classes.last() else { return false };
        for _ in 0..STEP {
            let Some(span) = class.full(self.number.previous()).pop(|b| space.link(b)) else {
                self.put_back();
                self.classes.pop();
                break;
            };
            if is_dead(space, class, span) {
                count(sweep_span(space, class, span, self.number, Keep::Marked));
                space.free_span(span);
            } else {
                self.kept.push(span);
            }
        }
        true
    }

    fn put_back(&mut self) {
        let Some(&class) = self.classes.last() else { return };
        // The last one first, which restores their order in the list.
        while let Some(span) = self.kept.pop() {
            super::put_back(self.space, class, span, self.number.previous(), false);
        }
    }

    /// Puts the rest back, where the sweep finds it.
    pub(crate) fn end(mut self) {
        self.put_back();
    }
}

/// Returns whether no object of a span is marked. No thread can mark one any more (see above).
fn is_dead(space: &Space, class: &SpanClass, span: BlockId) -> bool {
    let first = space.first_word(span);
    (first..first + class.starts.len()).all(|word| !space.mark_word(word).is_set(u64::MAX))
}
