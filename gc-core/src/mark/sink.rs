#![forbid(unsafe_code)]
//! The part of a marker that marks the targets of edges and keeps what it has marked until it is
//! scanned.
//!
//! 1. Edges are looked at in batches ([`Sink::edges`]). A plain load tests a target's mark before
//!    the locked instruction. Targets that are neighbours in memory share the locked instruction.
//! 2. Small objects are scanned by spans: the span of such an object is queued, once
//!    ([`crate::heap::scans`]). Other objects go to the stack. Targets in the span that is being
//!    scanned do not come here ([`crate::trace::near`]).
//!
//! Everything in a sink is in one marker's hands and counts as grey.

use crate::heap::tables::Tables;
use crate::trace::PACKET;
use crate::word::Addr;
use std::collections::VecDeque;

/// What the tracer's spill function needs. It is separate, since the rest of the marker is borrowed
/// while an object is traced.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) tables: Tables,
    /// Marked objects that wait to be scanned.
    pub(super) stack: Vec<Addr>,
    /// Queued spans with grey objects; each by the address of the object that queued it.
    pub(super) spans: VecDeque<Addr>,
    /// Bytes and objects marked since the last time that the marker published them.
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

    /// Marks the objects that `edges` point to. Adjacent entries of the list that lie in one mark
    /// word share the locked instruction; children of one parent often do.
    #[inline(always)]
    pub(super) fn edges(&mut self, edges: &[Addr]) {
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
    /// Counts and keeps `addr`, which this call has marked.
    #[inline(always)]
    fn found(&mut self, addr: Addr, tables: Tables) {
        let class = tables.class_of(addr);
        self.objects += 1;
        self.bytes += if class.is_large() { large_bytes(&tables, addr) } else { class.slot as u64 };
        if class.by_span {
            self.queue(addr, false, tables);
        } else if class.needs_trace() {
            self.stack.push(addr);
        }
    }
    /// The same for several objects of one mark word: the bits of `new` were set by this call.
    /// `near` holds addresses in that word. They lie in one block, so they are of one class. Large
    /// objects do not come here in numbers: each has a block of its own.
    #[inline(always)]
    fn found_in_word(&mut self, near: &[Addr], mut new: u64, tables: Tables) {
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
    /// Queues the span of `addr`, unless it is queued. `addr` is marked and of a class that is
    /// scanned by spans; `several` tells that more objects of the span were marked with it.
    #[inline(always)]
    fn queue(&mut self, addr: Addr, several: bool, tables: Tables) {
        if tables.add_grey(addr, several) {
            self.spans.push_back(addr);
        }
    }
    /// Keeps `addr`, which a mutator has marked.
    pub(super) fn shaded(&mut self, addr: Addr) {
        if self.tables.class_of(addr).by_span {
            self.queue(addr, false, self.tables);
        } else {
            self.stack.push(addr);
        }
    }
    /// Returns whether nothing waits to be scanned.
    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.spans.is_empty()
    }
}

#[cold]
fn large_bytes(tables: &Tables, addr: Addr) -> u64 {
    tables.span_bytes(tables.block_of(addr)) as u64
}
