//! The span that a marker scans in place, and the next one ahead of it.
//!
//! 1. [`Marker::open_span`] opens the span that was taken last, and takes the oldest queued one as
//!    the next, whose objects are prefetched meanwhile.
//! 2. [`Marker::scan_grey`] scans its grey objects, and [`Marker::scan_near`] those that edges
//!    inside the span have found since ([`crate::trace::near`]). Objects that go through the stack
//!    are scanned when other spans are open, so for them the span is not opened.
//! 3. [`Marker::settle_near`] marks what was found there before the marker leaves the span.

use super::{DENSE, EDGES, LOCAL, Marker, PROBE, RING, cost_of};
use crate::config::BLOCK;
use crate::heap::span::SpanClass;
use crate::sync::prefetch;
use crate::trace::near::object_at;
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
        let in_place = self.grey.len >= DENSE || self.local > 0 || self.probes();
        if in_place {
            let (tables, first) = (self.sink().tables, self.grey.list[0]);
            tables.open_near(self.near(), first);
        } else {
            self.near().close();
        }
        if !self.assists() {
            // Its objects are prefetched while those of this span are scanned.
            self.take_span();
        }
        if !in_place {
            // SAFETY: INV-7: as in `sink`, which would borrow all of `self`.
            unsafe { &mut *self.sink }.stack.extend(self.grey.addrs());
            self.grey.len = 0;
        }
        true
    }
    /// Returns whether it is time to find out if the objects of a span lead into it.
    fn probes(&mut self) -> bool {
        self.skipped = (self.skipped + 1) % PROBE;
        self.skipped == 0
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
    /// Returns the cost, which an assist keeps to about `most`: it makes a list of them if they are
    /// several.
    #[inline(never)]
    pub(super) fn scan_near(&mut self, most: usize) -> usize {
        self.local = LOCAL;
        if self.pending >= EDGES {
            self.look_at_edges();
        }
        let start = self.near().from();
        // SAFETY: INV-7: as in `sink`.
        let class = unsafe { &*self.sink }.tables.class_of(start);
        let listed = self.scan_list(start, class, most / cost_of(class));
        if listed > 0 {
            return listed * cost_of(class);
        }
        if self.assists() {
            self.list_near();
            return 0;
        }
        let (bits, n) = self.near().take();
        if n == 0 {
            return 0;
        }
        // Where slots have several lines, most of these may not be read.
        if class.slot <= LINE {
            self.fetch_next(self.next_start(), n.min(LINES), LINE as isize);
        }
        // If a `trace` panics, the other objects of this call are not scanned.
        let mut tracer = self.tracer();
        // SAFETY: INV-6: what is noted are objects of the span; INV-7 for the tracer.
        unsafe { (class.info.trace_bits)(start, &class.halves, &bits, &mut tracer) };
        self.pending = tracer.len;
        n * cost_of(class)
    }
    /// Scans objects of a list: each leads to the next one and to no other in the open span.
    /// Returns their number, at most `most`. The next span probably holds a list too, in the same
    /// direction, so a line of it is prefetched for each object.
    #[inline(always)]
    fn scan_list(&mut self, start: Addr, class: &SpanClass, most: usize) -> usize {
        let (mut n, mut last) = (0, start);
        let mut tracer = self.tracer();
        while n < most.max(1)
            && tracer.len < EDGES
            && let Some(granule) = self.near().take_only()
        {
            let addr = object_at(start, class.halves[granule / 64], granule);
            let step = class.slot.max(LINE) as isize;
            self.fetch_next(self.next.list[0], 1, if addr < last { -step } else { step });
            // SAFETY: INV-6: what is noted are objects of the span. INV-7: nothing uses the tracer
            // or `near` during the call.
            unsafe { (class.info.trace)(addr.ptr(), 1, &mut tracer) };
            self.pending = tracer.len;
            (n, last) = (n + 1, addr);
        }
        n
    }
    /// Returns the first byte of the next span.
    fn next_start(&self) -> Addr {
        // A small class has spans of one block, which are aligned to the block's size.
        Addr::new(self.next.list[0].get() & !(BLOCK - 1))
    }
    /// Prefetches `n` lines of the next span, one each `step` bytes from `from` on, until it has
    /// been once around the span. Trees and lists fill whole spans, so this helps them; where a
    /// span holds little, little is prefetched.
    #[inline(always)]
    fn fetch_next(&mut self, from: Addr, n: usize, step: isize) {
        if self.next.len == 0 {
            return;
        }
        for _ in 0..n {
            if self.fetched >= BLOCK {
                return;
            }
            let gone = if step < 0 { self.fetched.wrapping_neg() } else { self.fetched };
            let offset = from.get().wrapping_add(gone) % BLOCK;
            prefetch((self.next_start() + offset).ptr::<u8>());
            self.fetched += step.unsigned_abs();
        }
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

#[cfg(test)]
mod tests {
    use super::super::super::Marking;
    use super::*;
    use crate::config::Config;
    use crate::heap::object::InfoOf;
    use crate::heap::{ClassKey, Space, asan};
    use crate::pointers::Gc;
    use crate::word::SweepNumber;
    use crossbeam_deque::Worker;

    type Node<'gc> = [Option<Gc<'gc, u64>>; 13];
    const SLOT: usize = size_of::<Node<'static>>();

    /// Makes a span whose objects are a list, each with an edge to the next one of `order`. Returns
    /// their addresses in that order.
    fn list(space: &Space, order: impl Fn(usize) -> usize) -> Vec<Addr> {
        let info = InfoOf::<'static, Node<'static>>::ONE;
        let class = space.class_for(info, ClassKey::Type, |id| SpanClass::small(info, id, SLOT));
        let span = space.fresh_span(class, SweepNumber::default()).unwrap().block();
        let all: Vec<Addr> =
            (0..class.slots).map(|i| space.address(span) + order(i) * SLOT).collect();
        asan::unpoison(space.address(span), class.blocks.size());
        for pair in all.windows(2) {
            // SAFETY: INV-6: the slot is ours, and zeros are a valid node. The marker only asks
            // where an edge leads, not of which type it is.
            unsafe { pair[0].ptr::<Addr>().write(pair[1]) };
        }
        all
    }

    #[test]
    fn lists_are_followed_inside_their_spans() {
        let config = Config { reserve: Some(64 << 20), ..Config::default() };
        let last = BLOCK / SLOT - 1;
        for assists in [false, true] {
            let space = Space::new(&config).unwrap();
            let marking = Marking::new(Vec::new());
            let mut marker = if assists {
                Marker::assistant(&space)
            } else {
                Marker::new(&space, Worker::new_lifo())
            };
            // Two turns of the probe, and more lists than go through the ring together.
            let lists: Vec<Vec<Addr>> = (0..2 * PROBE.max(RING as u32) as usize)
                .map(|i| list(&space, |at| if i % 2 == 0 { at } else { last - at }))
                .collect();
            lists.iter().for_each(|list| marker.root(list[0]));
            let mut drains = 0;
            while !marker.drain(&marking, &|_| {}, 1000) {
                drains += 1;
            }
            let objects = lists.iter().flatten();
            assert!(objects.clone().all(|&addr| space.is_marked(addr)));
            let found = marking.take_found();
            assert_eq!(found.objects, objects.count() as u64);
            assert_eq!(found.bytes, found.objects * SLOT as u64);
            // A budget holds for lists too: an object of this size costs two.
            assert!(drains as u64 + 1 >= found.objects * 2 / 1000, "{drains}");
            assert!(marker.local > 0, "no span was scanned in place");
        }
    }
}
