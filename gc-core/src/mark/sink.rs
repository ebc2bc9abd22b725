#![forbid(unsafe_code)]
//! What edges lead to: a marker's part that marks, and keeps what it has marked until it is scanned.
//!
//! 1. Edges are looked at in batches ([`Sink::edges`]). What they point to is tested with a plain load before the locked
//!    instruction, and neighbours in memory share that.
//! 2. The span of a marked object of a class that is scanned by spans is queued, once ([`crate::heap::grey`]); others go to
//!    the stack. What lies in the span that is being scanned does not come here ([`crate::trace::near`]).
//!
//! All of it is in one marker's hands: grey, for whoever asks whether something is.

use crate::heap::tables::Tables;
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
    /// Marked since somebody asked.
    pub(super) bytes: u64,
    pub(super) objects: u64,
}

impl Sink {
    pub(super) fn new(tables: Tables) -> Sink {
        Sink {
            tables,
            stack: Vec::with_capacity(4 * PACKET),
            spans: VecDeque::new(),
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
            self.queue(addr, false, tables);
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
            return self.queue(near[0], true, tables);
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
        self.stack.is_empty() && self.spans.is_empty()
    }
}

#[cold]
fn large_bytes(tables: &Tables, addr: usize) -> u64 {
    u64::from(tables.meta(tables.block_of(addr)).blocks()) * crate::config::BLOCK as u64
}
