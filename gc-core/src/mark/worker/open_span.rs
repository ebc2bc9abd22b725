//! The span that a marker scans in place, and the next one ahead of it.
//!
//! 1. [`Marker::open_span`] opens the span that was taken last, and takes the oldest queued one as
//!    the next, whose objects are prefetched meanwhile.
//! 2. [`Marker::scan_grey`] scans its grey objects, and [`Marker::scan_near`] those that edges
//!    inside the span have found since ([`crate::trace::near`]).
//! 3. [`Marker::settle_near`] marks what was found there before the marker leaves the span.

use super::{DENSE, EDGES, LOCAL, Marker, RING, cost_of};
use crate::config::BLOCK;
use crate::sync::prefetch;
use crate::word::Addr;

const SPANS: usize = 4;
const TOGETHER: usize = 32;
/// Bytes of a cache line, and the most lines of the next span that are prefetched at once.
const LINE: usize = 64;
const LINES: usize = 64;

impl Marker {
    /// Opens the span that was taken last, and takes the oldest queued span as the next one.
    /// Returns whether there was a span. Many grey objects are scanned in place, few through the
    /// stack.
    pub(super) fn open_span(&mut self) -> bool {
        if self.next.len == 0 && !self.take_span() {
            return false;
        }
        std::mem::swap(&mut self.grey, &mut self.next);
        (self.grey_at, self.next.len, self.fetched) = (0, 0, 0);
        self.local = self.local.saturating_sub(1);
        let tables = self.sink().tables;
        if self.grey.len > 1 || self.local > 0 {
            let first = self.grey.list[0];
            tables.open_near(self.near(), first);
        } else {
            // One object is not worth the copy of the span's marks.
            self.near().close();
        }
        if !self.assists() {
            // Its objects are prefetched while those of this span are scanned.
            self.take_span();
        }
        if self.grey.len < DENSE && self.local == 0 {
            // SAFETY: INV-7: as in `sink`, which would borrow all of `self`.
            unsafe { &mut *self.sink }.stack.extend(self.grey.addrs());
            self.grey.len = 0;
        }
        true
    }
    /// Takes the grey objects of the oldest queued span as the next ones.
    fn take_span(&mut self) -> bool {
        // SAFETY: INV-7: as in `sink`.
        let sink = unsafe { &mut *self.sink };
        while let Some(addr) = sink.spans.pop_front() {
            if let Some(&ahead) = sink.spans.get(SPANS) {
                sink.tables.prefetch_grey(ahead);
            }
            self.next.len = sink.tables.take_grey(addr, &mut self.next.list);
            if self.next.len > 0 {
                return true;
            }
        }
        false
    }

    /// Marks what was found in the open span, so that this marker may leave it.
    #[inline(always)]
    pub(super) fn settle_near(&mut self) {
        if !self.near().is_settled() {
            self.settle();
        }
    }
    #[inline(never)]
    fn settle(&mut self) {
        let (tables, near) = (self.sink().tables, self.near());
        let (from, marked) = (near.from(), tables.settle_near(near));
        let sink = self.sink();
        sink.objects += marked;
        sink.bytes += marked * tables.class_of(from).slot as u64;
    }
    #[inline]
    pub(super) fn has_grey(&self) -> bool {
        self.grey_at < self.grey.len
    }
    /// Returns whether there is something to scan in the open span.
    #[inline]
    pub(super) fn has_open(&mut self) -> bool {
        self.has_grey() || self.near().has_noted()
    }

    /// Scans some of the objects that are scanned in place, at a cost of about `most`. Returns the
    /// cost.
    pub(super) fn scan_grey(&mut self, most: usize) -> usize {
        if self.pending >= EDGES {
            self.look_at_edges();
        }
        let from = self.grey_at;
        // SAFETY: INV-7: as in `sink`.
        let class = unsafe { &*self.sink }.tables.class_of(self.grey.list[from]);
        let cost = cost_of(class);
        let n = (self.grey.len - from).min(TOGETHER).min((most / cost).max(1));
        if self.grey.len - from == n {
            // These are the last of this span: prefetches the first of the next one.
            self.next.addrs().iter().take(TOGETHER).for_each(|&addr| prefetch(addr.ptr::<u8>()));
        }
        // If a `trace` panics, the objects after this call's remain.
        self.grey_at += n;
        let mut tracer = self.tracer();
        // SAFETY: INV-6: the list holds objects of one span, of which `n` are left; INV-7 for the
        // tracer.
        unsafe { (class.info.trace_each)(&self.grey.addrs()[from..], n, &mut tracer) };
        self.pending = tracer.len;
        n * cost
    }

    /// Makes the objects found in the open span the current list.
    pub(super) fn list_near(&mut self) {
        self.grey_at = 0;
        // SAFETY: INV-7: as in `sink`.
        let (sink, near) = unsafe { (&*self.sink, &mut *self.near) };
        self.grey.len = sink.tables.take_near(near, &mut self.grey.list);
    }
    /// Scans the objects found in the open span, which were prefetched when they were noted.
    /// Returns the cost. An assist makes a list of them instead, since it may scan only a part.
    #[inline(never)]
    pub(super) fn scan_near(&mut self) -> usize {
        self.local = LOCAL;
        if self.assists() {
            self.list_near();
            return 0;
        }
        if self.pending >= EDGES {
            self.look_at_edges();
        }
        let start = self.near().from();
        let (bits, n) = self.near().take();
        if n == 0 {
            return 0;
        }
        // SAFETY: INV-7: as in `sink`.
        let class = unsafe { &*self.sink }.tables.class_of(start);
        self.fetch_next(n, class.slot);
        // If a `trace` panics, the other objects of this call are not scanned.
        let mut tracer = self.tracer();
        // SAFETY: INV-6: what is noted are objects of the span; INV-7 for the tracer.
        unsafe { (class.info.trace_bits)(start, &class.halves, &bits, &mut tracer) };
        self.pending = tracer.len;
        n * cost_of(class)
    }
    /// Prefetches some of the next span, in order: as many lines as there are objects to scan
    /// before it (`n`). Trees and lists fill whole spans, so this helps them; where a span holds
    /// little, little is prefetched. Slots of several lines are left out, since most of those lines
    /// may not be read.
    #[inline(always)]
    fn fetch_next(&mut self, n: usize, slot: usize) {
        if self.next.len == 0 || slot > LINE || self.fetched >= BLOCK {
            return;
        }
        // A small class has spans of one block, which are aligned to the block's size.
        let start = Addr::new(self.next.list[0].get() & !(BLOCK - 1));
        let to = BLOCK.min(self.fetched + n.min(LINES) * LINE);
        for at in (self.fetched..to).step_by(LINE) {
            prefetch((start + at).ptr::<u8>());
        }
        self.fetched = to;
    }

    #[inline(always)]
    pub(super) fn next_ahead(&mut self) -> Option<Addr> {
        if self.len == 0 {
            return None;
        }
        let addr = self.ahead[self.first];
        self.first = (self.first + 1) % RING;
        self.len -= 1;
        Some(addr)
    }
}
