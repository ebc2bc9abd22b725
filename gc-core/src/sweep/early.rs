//! Spans that are dead as a whole, freed while the crossing into Sweep is awaited.
//!
//! Between the end of marking and the sweep a thread in a long pin makes the cycle wait, and what the others (and it)
//! allocate meanwhile comes from fresh blocks, beside garbage that is known to be dead. So while it waits the collector
//! takes the spans that are full from the lists of the sweep before ([`Early::step`]), frees those without a mark, and puts
//! the others back ([`Early::end`]).
//!
//! Why nobody misses them (model: `EARLYFREE`): marking is complete, so no thread can reach an object without a mark, from
//! whichever epoch; only a weak box leads to one, and an upgrade that has not seen the box's flag is over
//! ([`Gate::settle`](super::weak::Gate::settle)). No thread takes spans from these lists before it may sweep, and those that
//! it puts there meanwhile have marks or are swept when the sweep opens. Free slots of a span that a thread holds are black,
//! and it is in no list. What has drop glue waits: a destructor runs after the crossing, as ever (INV-9).

use super::{Keep, Swept, sweep_span};
use crate::heap::Space;
use crate::heap::span::SpanClass;

/// Spans looked at in a step: some 5 µs.
const STEP: usize = 32;

/// The spans of one cycle.
pub(crate) struct Early<'a> {
    space: &'a Space,
    number: u64,
    /// The classes that are left, the one at work last.
    classes: Vec<&'static SpanClass>,
    /// Its spans that stay.
    kept: Vec<u32>,
}

impl<'a> Early<'a> {
    /// Of sweep `number`, which has not begun. Unless the marks are to be trusted nothing is dead.
    pub(crate) fn new(space: &'a Space, number: u64, keep: Keep) -> Self {
        let mut classes = Vec::new();
        if keep == Keep::Marked {
            classes = space.all_classes();
            classes.retain(|class| !class.needs_drop());
        }
        Early { space, number, classes, kept: Vec::new() }
    }

    /// Looks at a few spans, and tells `count` of those that it frees; says whether there was anything to look at.
    pub(crate) fn step(&mut self, count: impl Fn(Swept)) -> bool {
        let space = self.space;
        let Some(&class) = self.classes.last() else { return false };
        for _ in 0..STEP {
            let Some(span) = class.full(self.number - 1).pop(|b| space.link(b)) else {
                self.put_back();
                self.classes.pop();
                break;
            };
            if is_dead(space, class, span) || fault!("early_live") {
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
        if fault!("early_dropped") {
            self.kept.clear();
        }
        // The last one first, so that they lie as they lay.
        while let Some(span) = self.kept.pop() {
            super::put_back(self.space, class, span, self.number - 1, false);
        }
    }

    /// The sweep finds the rest in its lists.
    pub(crate) fn end(mut self) {
        self.put_back();
    }
}

/// Whether no object of a span is marked. Nobody marks one of them any more.
fn is_dead(space: &Space, class: &SpanClass, span: u32) -> bool {
    let first = space.first_word(span);
    (first..first + class.starts.len()).all(|word| !space.mark_word(word).is_set(u64::MAX))
}
