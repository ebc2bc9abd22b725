#![forbid(unsafe_code)]
//! What edges lead to: a marker's part that marks, and keeps what it has marked until it is scanned.
//!
//! 1. Edges are looked at in batches ([`Sink::edges`]). What they point to is tested with a plain load before the locked
//!    instruction, and neighbours in memory share that.
//! 2. A marked object of a class that is scanned by spans goes where the span that is being scanned is, if it lies in it
//!    ([`Near`]), else its span is queued, once ([`crate::heap::grey`]); others go to the stack.
//!
//! All of it is in one marker's hands: grey, for whoever asks whether something is.

use crate::heap::grey::GreyList;
use crate::heap::tables::Tables;
use crate::heap::{BLOCK_WORDS, prefetch};
use crate::trace::PACKET;
use std::collections::VecDeque;

/// What the tracer's spill needs; apart from the rest of the marker, which is borrowed meanwhile.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) tables: Tables,
    /// Marked, to be scanned.
    pub(super) stack: Vec<usize>,
    /// Spans with grey objects, each by the object by which it was queued.
    pub(super) spans: VecDeque<usize>,
    /// What is found in the span that is being scanned.
    near: Near,
    /// Marked since somebody asked.
    pub(super) bytes: u64,
    pub(super) objects: u64,
}

/// Grey objects of the span whose objects are being scanned. They are not queued: the span is in the caches now, so they are
/// scanned next, which for a tree or a list that was allocated together is all of it.
#[derive(Debug)]
struct Near {
    /// First word of the span's bitmaps; `NOWHERE` for none.
    first: usize,
    /// Objects found in it, by the words of the mark bitmap.
    grey: [u64; BLOCK_WORDS],
    any: bool,
}

impl Near {
    /// As far from every word of a bitmap as can be, the first ones included, which come after the largest number.
    const NOWHERE: usize = usize::MAX / 2;

    const fn new() -> Near {
        Near { first: Near::NOWHERE, grey: [0; BLOCK_WORDS], any: false }
    }
    /// Notes the objects of `bits`, of one mark word, if they lie in the span; says whether they do.
    #[inline(always)]
    fn note(&mut self, word: usize, bits: u64) -> bool {
        let at = word.wrapping_sub(self.first);
        if at >= BLOCK_WORDS {
            return false;
        }
        self.grey[at] |= bits;
        self.any = !fault!("near_dropped");
        true
    }
}

impl Sink {
    pub(super) fn new(tables: Tables) -> Sink {
        Sink {
            tables,
            stack: Vec::with_capacity(4 * PACKET),
            spans: VecDeque::new(),
            near: Near::new(),
            bytes: 0,
            objects: 0,
        }
    }

    /// Marks what `edges` point to. Neighbours in the list that are neighbours in memory, as children of one parent often
    /// are, share the locked instructions.
    #[inline(always)]
    pub(super) fn edges(&mut self, edges: &[usize]) {
        let tables = self.tables;
        let mut rest = edges;
        while let [addr, after @ ..] = rest {
            rest = after;
            if tables.is_marked(*addr) {
                continue;
            }
            let (word, bit) = tables.bit_of(*addr);
            let mut mask = bit;
            while let [next, after @ ..] = rest
                && let (other, bit) = tables.bit_of(*next)
                && other == word
            {
                mask |= bit;
                rest = after;
            }
            if mask == bit {
                if tables.mark(*addr) {
                    self.found(*addr, tables);
                }
            } else {
                let new = tables.mark_word(word).test_and_set_all(mask);
                if new != 0 {
                    let near = edges.len() - after.len() - 1..edges.len() - rest.len();
                    self.found_in_word(&edges[near], new, tables);
                }
            }
        }
    }
    /// `addr` is marked, by us.
    #[inline(always)]
    fn found(&mut self, addr: usize, tables: Tables) {
        let class = tables.class_of(addr);
        self.objects += 1;
        self.bytes += if class.is_large() { large_bytes(&tables, addr) } else { class.slot as u64 };
        if class.by_span {
            let (word, bit) = tables.bit_of(addr);
            if self.near.note(word, bit) {
                prefetch(addr as *const u8);
            } else {
                self.queue(addr, false, tables);
            }
        } else if class.needs_trace() {
            self.stack.push(addr);
        }
    }
    /// The bits of `new`, of one mark word, are set, by us; `near` are addresses that the word speaks of. They lie in one
    /// block, so they are of one class; and large objects have a block each.
    #[inline(always)]
    fn found_in_word(&mut self, near: &[usize], mut new: u64, tables: Tables) {
        let class = tables.class_of(near[0]);
        let several = new & (new - 1) != 0;
        if class.by_span && several {
            self.objects += u64::from(new.count_ones());
            self.bytes += u64::from(new.count_ones()) * class.slot as u64;
            if self.near.note(tables.bit_of(near[0]).0, new) {
                near.iter().for_each(|&addr| prefetch(addr as *const u8));
            } else {
                self.queue(near[0], true, tables);
            }
            return;
        }
        for &addr in near {
            let (_, bit) = tables.bit_of(addr);
            if new & bit != 0 {
                new &= !bit;
                self.found(addr, tables);
            }
        }
    }
    /// `addr` of a class that is scanned by spans is marked, or `several` of which it is one.
    #[inline(always)]
    fn queue(&mut self, addr: usize, several: bool, tables: Tables) {
        if tables.add_grey(addr, several) && !fault!("span_dropped") {
            self.spans.push_back(addr);
        }
    }
    /// A mutator has marked `addr`.
    pub(super) fn shaded(&mut self, addr: usize) {
        if self.tables.class_of(addr).by_span {
            self.queue(addr, false, self.tables);
        } else {
            self.stack.push(addr);
        }
    }
    /// Whether nothing is left that was found.
    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.spans.is_empty() && !self.near.any
    }

    // ---- the span that is being scanned ----

    /// The objects that are scanned from now on lie in the span of `addr`.
    pub(super) fn scans_span_of(&mut self, addr: usize) {
        debug_assert!(!self.near.any, "the span before this one is done");
        self.near.first = self.tables.first_word(self.tables.block_of(addr) as u32);
    }
    /// Whether something was found in it.
    #[inline(always)]
    pub(super) fn has_near(&self) -> bool {
        self.near.any
    }
    /// Writes down what was found in it and nobody else has taken meanwhile; says how many objects that is.
    pub(super) fn take_near(&mut self, list: &mut GreyList) -> usize {
        self.near.any = false;
        self.tables.take_these(self.near.first, &mut self.near.grey, list)
    }
    /// Queues it for what was found in it: the end of an assist.
    pub(super) fn queue_near(&mut self) {
        if !std::mem::take(&mut self.near.any) {
            return;
        }
        let mut grey = (self.near.first..).zip(std::mem::take(&mut self.near.grey));
        if let Some((word, bits)) = grey.find(|(_, bits)| *bits != 0) {
            self.queue(self.tables.object_at(word, bits.trailing_zeros()), true, self.tables);
        }
    }
}

#[cold]
fn large_bytes(tables: &Tables, addr: usize) -> u64 {
    u64::from(tables.meta(tables.block_of(addr)).blocks()) * crate::config::BLOCK as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_span_that_is_scanned_is_near() {
        let mut near = Near::new();
        // Before the first span is opened, nothing is: not even in the first block of the heap.
        for word in (0..1000).chain([1 << 40]) {
            assert!(!near.note(word, 1) && !near.any, "{word}");
        }
        near.first = 5 * BLOCK_WORDS;
        let block = near.first..near.first + BLOCK_WORDS;
        for word in 0..20 * BLOCK_WORDS {
            assert_eq!(near.note(word, 1 << (word % 64)), block.contains(&word), "{word}");
        }
        assert!(near.any && block.zip(near.grey).all(|(word, bits)| bits == 1 << (word % 64)));
    }
}
