#![forbid(unsafe_code)]
//! What each class takes: a walk over the spans that counts alloc bits, for people and not for the
//! collector. It takes a millisecond or two for each gigabyte of spans, and no thread waits for it.
//! What changes meanwhile may be counted twice or not at all.

use super::Space;
use crate::config::BLOCK;
use crate::observe::classes::{ClassStats, Refills};

impl Space {
    /// Every class made so far, in the order in which they were made.
    pub(crate) fn classes(&self) -> Vec<ClassStats> {
        let classes = self.all_classes();
        let mut all: Vec<ClassStats> = classes
            .iter()
            .map(|class| {
                let (refills_reused, refills_fresh) = class.refills();
                ClassStats {
                    type_name: (class.info.name)(),
                    is_array: class.info.array,
                    slot_bytes: class.slot,
                    live_objects: 0,
                    live_bytes: 0,
                    spans: 0,
                    span_bytes: 0,
                    refills_reused,
                    refills_fresh,
                }
            })
            .collect();
        self.each_span(|span, class| {
            // The class was made after the list.
            let Some(stats) = all.get_mut(class.id as usize) else { return };
            let first = self.first_word(span);
            let bits = |i: usize| u64::from(self.allocated(first + i).count_ones());
            let live: u64 = (0..class.starts.len()).map(bits).sum();
            let bytes = u64::from(self.meta(span as usize).blocks()) * BLOCK as u64;
            stats.spans += 1;
            stats.span_bytes += bytes;
            stats.live_objects += live;
            stats.live_bytes += live * if class.is_large() { bytes } else { class.slot as u64 };
        });
        all
    }

    /// The refills of all classes so far.
    pub(crate) fn refills(&self) -> Refills {
        self.all_classes().iter().fold(Refills::default(), |sum, class| {
            let (reused, fresh) = class.refills();
            Refills { reused: sum.reused + reused, fresh: sum.fresh + fresh }
        })
    }
}
