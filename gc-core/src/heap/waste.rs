#![forbid(unsafe_code)]
//! The span scanner: what each class takes, and how full its spans are. It walks over the spans and
//! counts alloc bits, for people and not for the collector: a millisecond or two for each gigabyte
//! of spans, and nothing waits for it.
//!
//! 1. A span is read as a whole ([`Space::see`]): its class, its size and its sweep number are read
//!    before its bits and after them. If they differ, the span has changed hands, and is read
//!    again.
//! 2. All figures of a [`Census`] come from one walk, so their sums agree: each span is in its
//!    class, and in one range of the occupancy.
//! 3. What remains inexact: a span that is made or freed behind or before the walk is missed or
//!    counted, and one that is swept at this moment has between what it had and what it will have.

use super::Space;
use super::span::SpanClass;
use crate::observe::MetricHistogram;
use crate::observe::classes::{ClassStats, Refills};
use crate::sync::full_fence;
use crate::word::{BlockId, Blocks, SweepNumber};

/// How often a span that changes hands is read.
const TRIES: usize = 4;

/// What one walk over the spans found.
#[derive(Debug)]
pub(crate) struct Census {
    /// Every class made before the walk, in the order in which they were made.
    pub(crate) classes: Vec<ClassStats>,
    /// Spans by the part of their slots that is taken.
    pub(crate) occupancy: MetricHistogram,
    /// Spans that the sweep has yet to look at.
    pub(crate) unswept: u64,
    /// Spans that changed hands each time, and those of classes made during the walk.
    pub(crate) skipped: u64,
    /// Boxes of weak pointers, and of ephemerons.
    pub(crate) weak_boxes: u64,
    pub(crate) ephemerons: u64,
}

/// A span as it was at one moment.
struct Seen {
    class: &'static SpanClass,
    blocks: Blocks,
    sweep: SweepNumber,
    live: u64,
}

/// What lies at a block.
enum See {
    /// No span begins there.
    Nothing,
    Span(Seen),
    /// One that changes hands.
    Unsteady,
}

impl Space {
    /// Looks at every span; `sweep` is the number of the current sweep.
    pub(crate) fn census(&self, sweep: SweepNumber) -> Census {
        let classes = self.all_classes();
        let mut census = Census {
            classes: classes.iter().map(|class| of_class(class)).collect(),
            occupancy: MetricHistogram::of_parts(),
            unswept: 0,
            skipped: 0,
            weak_boxes: 0,
            ephemerons: 0,
        };
        let high = BlockId::FIRST.plus(self.high());
        let mut block = BlockId::FIRST;
        while block < high {
            block = block.plus(match self.see(block) {
                See::Nothing => Blocks::ONE,
                See::Span(seen) => {
                    census.add(&seen, sweep);
                    seen.blocks.max(Blocks::ONE)
                }
                See::Unsteady => {
                    census.skipped += 1;
                    Blocks::ONE
                }
            });
        }
        // After the walk, or a class could have more of its spans cached than it has.
        for (stats, class) in census.classes.iter_mut().zip(&classes) {
            stats.cached_spans = class.cached().min(stats.spans);
        }
        census
    }

    /// The span that begins at a block.
    fn see(&self, block: BlockId) -> See {
        for _ in 0..TRIES {
            let Some(class) = self.class_at(block) else { return See::Nothing };
            let meta = self.meta(block);
            if meta.first() != block {
                return See::Nothing;
            }
            let (blocks, sweep) = (meta.blocks(), meta.sweep());
            let first = self.first_word(block);
            let bits = |i: usize| u64::from(self.allocated(first + i).count_ones());
            let live = (0..class.starts.len()).map(bits).sum();
            // The bits are read before what follows.
            full_fence();
            let is_same = self.class_at(block).is_some_and(|now| std::ptr::eq(now, class));
            if is_same && (meta.blocks(), meta.sweep()) == (blocks, sweep) {
                return See::Span(Seen { class, blocks, sweep, live });
            }
        }
        See::Unsteady
    }

    /// The refills of all classes so far.
    pub(crate) fn refills(&self) -> Refills {
        self.all_classes().iter().fold(Refills::default(), |sum, class| {
            let (reused, fresh) = class.refills();
            Refills { reused: sum.reused + reused, fresh: sum.fresh + fresh }
        })
    }
}

/// A class of which no span was seen yet.
fn of_class(class: &SpanClass) -> ClassStats {
    let (refills_reused, refills_fresh) = class.refills();
    ClassStats {
        type_name: (class.info.name)(),
        is_array: class.info.array,
        slot_bytes: class.slot,
        live_objects: 0,
        live_bytes: 0,
        spans: 0,
        span_bytes: 0,
        cached_spans: 0,
        full_spans: 0,
        refills_reused,
        refills_fresh,
    }
}

impl Census {
    fn add(&mut self, seen: &Seen, sweep: SweepNumber) {
        let Seen { class, live, .. } = *seen;
        let Some(stats) = self.classes.get_mut(class.id.index()) else {
            self.skipped += 1;
            return;
        };
        let bytes = seen.blocks.bytes().get();
        stats.spans += 1;
        stats.span_bytes += bytes;
        stats.live_objects += live;
        stats.live_bytes += live * if class.is_large() { bytes } else { class.slot as u64 };
        stats.full_spans += u64::from(live >= class.slots as u64);
        self.occupancy.add(live as f64 / class.slots as f64, 1);
        self.unswept += u64::from(seen.sweep != sweep);
        if class.info.ephemeron {
            self.ephemerons += live;
        } else if class.info.weak_box {
            self.weak_boxes += live;
        }
    }
}
