//! A marker: the loop that turns grey objects into black ones.
//!
//! 1. The *stack* holds addresses of objects to scan. Each address passes through a short ring
//!    ([`RING`]) that prefetches the object, so the object is in the cache when it is scanned.
//! 2. Scanning an object only notes its *edges*. The marker handles [`EDGES`] of them together: it
//!    prefetches their mark words and classes. Then it tests each mark with a plain load before the
//!    locked instruction.
//! 3. A marked object of a small class does not go to the stack: its span is queued, once
//!    ([`crate::heap::scans`]). When the stack is empty, the marker takes the grey objects of the
//!    oldest queued span, in order of address. If they are many ([`DENSE`]) it scans them in place,
//!    else through the stack. Edges into a span that is scanned in place are followed at once
//!    ([`crate::trace::near`]). One span in [`PROBE`] is scanned in place although it has few:
//!    lists have one grey object in a span, and all the others behind it. Where that is so, the
//!    next spans are scanned in place too. Arrays and large objects go to the stack directly.
//! 4. When the stack is long, its oldest objects go to this marker's deque, where other markers
//!    steal them. When another marker is hungry, or a thread that waits for the cycle, half of what
//!    waits goes to the shared queue.

mod open_span;

use super::ring::GreyRing;
use super::sink::Sink;
use super::{Marking, Work};
use crate::heap::Space;
use crate::heap::scans::{GreyList, MOST};
use crate::heap::span::SpanClass;
use crate::sync::{Ordering, prefetch};
use crate::trace::near::Near;
use crate::trace::{PACKET, Tracer};
use crate::word::{Addr, Cycle};
use crossbeam_deque::Worker;

/// Objects prefetched ahead of the scan; edges handled together; spans whose bitmaps are prefetched
/// ahead. The numbers come from measurements (docs/DESIGN.md).
const RING: usize = 32;
const EDGES: usize = 64;
/// Number of grey objects in a span from which they are scanned in place; and how many of those one
/// call traces.
const DENSE: usize = 16;
/// After a span whose objects pointed into it, so many more spans are scanned in place. Of the
/// other spans with few grey objects, one in so many is scanned in place, to find out. The
/// checkers' heaps are small, so they find out more often.
const LOCAL: u32 = 8;
const PROBE: u32 = if cfg!(any(shuttle, gc_verify)) { 2 } else { 64 };
/// Bytes of an array scanned at once: by a marker, and by a mutator that assists.
const PIECE: usize = 16 << 10;
const ASSIST_PIECE: usize = 512;
/// Addresses that an assist hands on at once. It takes no more than that of shared work or from
/// rings, since it must give back what it cannot scan.
const SHARE: usize = 128;
/// Bytes of an object that cost as much as one small object: the unit of a drain's budget.
const COST: usize = 64;
/// Small objects between two looks at the needs of other markers.
const STRIDE: usize = 128;
/// Strides between two looks at the threads' rings, and between two additions to the shared
/// counters.
const RINGS_EVERY: usize = 4;

/// Calls its argument for the grey ring of every registered thread.
pub(crate) type EachRing<'a> = &'a dyn Fn(&mut dyn FnMut(&GreyRing));

/// Returns at most [`SHARE`] addresses of shared work, and shares the rest again.
fn part_of(work: Work, marking: &Marking) -> Work {
    let part = |mut list: Vec<Addr>, make: fn(Vec<Addr>) -> Work| {
        let part = list.split_off(list.len().saturating_sub(SHARE));
        if !list.is_empty() {
            marking.share(make(list));
        }
        make(part)
    };
    match work {
        Work::Objects(list) => part(list, Work::Objects),
        Work::Spans(list) => part(list, Work::Spans),
        Work::Shaded(list) => part(list, Work::Shaded),
        Work::Piece { .. } => work,
    }
}

/// Returns the cost of scanning an object, in small objects: an object of a kilobyte may hold a
/// hundred pointers.
#[inline(always)]
fn cost_of(class: &SpanClass) -> usize {
    1 + class.slot / COST
}

/// # Safety
///
/// `tracer` is live, its buffer holds `len` addresses, and its owner is a live `Sink`.
unsafe fn spill(tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller's promise; nothing else uses the tracer during the call.
    let tracer = unsafe { &mut *tracer };
    // SAFETY: INV-7: `Marker::new` made the owner a boxed `Sink` that only this function and the
    // marker use. The marker holds no reference to it while it traces.
    let sink = unsafe { &mut *tracer.owner.cast::<Sink>() };
    // SAFETY: INV-7: `len` entries of the buffer are written.
    let edges = unsafe { std::slice::from_raw_parts(tracer.buf, tracer.len) };
    // A piece of an array has more edges than a core has outstanding misses.
    for batch in edges.chunks(EDGES) {
        batch.iter().for_each(|&addr| sink.tables.prefetch_mark(addr));
        sink.edges(batch);
    }
    tracer.len = 0;
}

/// The grey objects of one span, in order of address.
#[derive(Debug)]
struct Gathered {
    list: Box<GreyList>,
    len: usize,
}

impl Default for Gathered {
    fn default() -> Self {
        Gathered { list: Box::new([Addr::NULL; MOST]), len: 0 }
    }
}

impl Gathered {
    fn addrs(&self) -> &[Addr] {
        &self.list[..self.len]
    }
}

/// One marker's private state.
pub(crate) struct Marker {
    sink: *mut Sink,
    edges: Box<[Addr; PACKET]>,
    /// How many entries of `edges` have not been handled yet.
    pending: usize,
    ahead: [Addr; RING],
    /// Index of the first entry of `ahead`, and the number of entries.
    first: usize,
    len: usize,
    own: Worker<Work>,
    /// Grey objects of the open span in order of address, and how many of them are scanned.
    grey: Gathered,
    grey_at: usize,
    /// The objects found in the open span.
    near: *mut Near,
    /// How many more spans are scanned in place although they have few grey objects ([`LOCAL`]).
    local: u32,
    /// Spans with few grey objects since the last that was scanned in place ([`PROBE`]).
    skipped: u32,
    /// Grey objects of the next span, and how many of its bytes were prefetched.
    next: Gathered,
    fetched: usize,
    /// Bytes of an array scanned at once.
    piece: usize,
    /// Bytes marked since the last `take_marked`.
    marked: u64,
    /// The number of the cycle, for guarded cells.
    pub(crate) cycle: Cycle,
}

// SAFETY: INV-7: the marker owns the sink and `near` like boxes. They are raw only because the
// tracer aliases them.
unsafe impl Send for Marker {}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker").field("ahead", &self.len).field("cycle", &self.cycle).finish()
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: INV-7: made by `Box::into_raw` in `new`, freed once, here.
        drop(unsafe { (Box::from_raw(self.sink), Box::from_raw(self.near)) });
    }
}

impl Marker {
    /// A marker of `space`. The caller keeps the heap's shared state alive for as long as the
    /// marker.
    pub(crate) fn new(space: &Space, own: Worker<Work>) -> Marker {
        let sink = Sink::new(**space);
        Marker {
            sink: Box::into_raw(Box::new(sink)),
            edges: Box::new([Addr::NULL; PACKET]),
            pending: 0,
            ahead: [Addr::NULL; RING],
            first: 0,
            len: 0,
            own,
            grey: Gathered::default(),
            grey_at: 0,
            near: Box::into_raw(Box::new(Near::new())),
            local: 0,
            skipped: 0,
            next: Gathered::default(),
            fetched: 0,
            piece: PIECE,
            marked: 0,
            cycle: Cycle::NONE,
        }
    }

    /// A marker for a mutator that assists. No other marker steals from it, and it scans arrays in
    /// small pieces.
    pub(crate) fn assistant(space: &Space) -> Marker {
        let mut marker = Marker::new(space, Worker::new_lifo());
        marker.piece = ASSIST_PIECE;
        marker
    }

    /// Bytes marked since the last call.
    pub(crate) fn take_marked(&mut self) -> u64 {
        std::mem::take(&mut self.marked)
    }

    fn sink(&mut self) -> &mut Sink {
        // SAFETY: INV-7: the sink lives as long as the marker, and no tracer runs while `&mut self`
        // is used.
        unsafe { &mut *self.sink }
    }
    fn near(&mut self) -> &mut Near {
        // SAFETY: INV-7: as in `sink`.
        unsafe { &mut *self.near }
    }
    /// A tracer that appends edges to those not handled yet, and notes edges into the open span in
    /// `near`.
    #[inline(always)]
    fn tracer(&mut self) -> Tracer<'static> {
        let tracer = Tracer::new(self.edges.as_mut_ptr(), spill, self.sink.cast(), self.cycle);
        // SAFETY: INV-7: `near` lives as long as the marker, which does not use it while it traces.
        unsafe { tracer.with_near(self.near, self.pending) }
    }

    /// Drains until there is nothing to take, or about `budget` small objects are scanned. Returns
    /// whether everything is drained. The caller counts itself active (`Detector`); until it is
    /// idle, what this marker holds is grey. A panic in a `trace` unwinds through here and leaves
    /// the marker usable. Not scanned are only the object that panicked, and those after it in the
    /// same call.
    pub(crate) fn drain(&mut self, marking: &Marking, rings: EachRing<'_>, budget: usize) -> bool {
        let mut left = budget;
        let mut strides = 0;
        loop {
            let n = STRIDE.min(left);
            strides += 1;
            if strides % RINGS_EVERY == 0 {
                // Before the rings run full, which costs their owners a hand-over.
                self.take_rings(rings, usize::MAX);
                self.publish_found(marking);
            }
            let done = self.scan_some(n);
            left = left.saturating_sub(done);
            if self.sink().stack.len() > 2 * PACKET {
                self.spare(PACKET);
            } else if marking.hungry.0.load(Ordering::Relaxed) > 0 {
                self.share_half(marking);
            }
            if left == 0 {
                self.publish_found(marking);
                return false;
            }
            if done < n {
                // Nothing of our own is left.
                self.publish_found(marking);
                if !self.assists() {
                    self.take_rings(rings, usize::MAX);
                }
                if self.sink().is_empty() && !self.take_work(marking) {
                    // An assist leaves the rings to the markers if there is other work: a full ring
                    // is as long as ten assists.
                    if !self.assists() || !self.take_rings(rings, SHARE) {
                        // Its mark bits belong to this cycle.
                        self.near().close();
                        return true;
                    }
                }
            }
        }
    }

    /// Puts everything that this marker holds into the shared queue, at the end of an assist.
    pub(crate) fn give_all(&mut self, marking: &Marking) {
        self.look_at_edges();
        // In portions, so that other assists find some too.
        let spans: Vec<Addr> = std::mem::take(&mut self.sink().spans).into();
        spans.chunks(SHARE).for_each(|some| marking.share(Work::Spans(some.to_vec())));
        let mut all = std::mem::take(&mut self.sink().stack);
        all.extend(&self.grey.addrs()[self.grey_at..]);
        if self.near().has_noted() {
            self.list_near();
            all.extend(self.grey.addrs());
        }
        self.settle_near();
        self.near().close();
        all.extend(self.next.addrs());
        (self.grey.len, self.grey_at, self.next.len) = (0, 0, 0);
        while let Some(addr) = self.next_ahead() {
            all.push(addr);
        }
        while all.len() > SHARE {
            marking.share(Work::Objects(all.split_off(all.len() - SHARE)));
        }
        if !all.is_empty() {
            marking.share(Work::Objects(all));
        }
        while let Some(work) = self.own.pop() {
            marking.share(work);
        }
        self.publish_found(marking);
    }

    /// Marks `addr`, a root's object, and keeps it if it was white.
    pub(crate) fn root(&mut self, addr: Addr) {
        self.sink().edges(&[addr]);
    }

    /// Keeps `addr`, which the caller has marked and not scanned.
    pub(crate) fn take_over(&mut self, addr: Addr) {
        self.sink().shaded(addr);
    }
    /// Counts objects that the caller has marked without this marker.
    pub(crate) fn found_elsewhere(&mut self, objects: u64, bytes: u64) {
        let sink = self.sink();
        sink.objects += objects;
        sink.bytes += bytes;
    }

    fn publish_found(&mut self, marking: &Marking) {
        let sink = self.sink();
        let (objects, bytes) = (std::mem::take(&mut sink.objects), std::mem::take(&mut sink.bytes));
        if objects > 0 {
            marking.found_objects.fetch_add(objects, Ordering::Relaxed);
            marking.found_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.marked += bytes;
        }
    }

    /// Gives half of what waits to be scanned to hungry markers: spans, if there are enough of
    /// them.
    fn share_half(&mut self, marking: &Marking) {
        let sink = self.sink();
        let (spans, objects) = (sink.spans.len(), sink.stack.len());
        if spans > 16 {
            marking.share(Work::Spans(sink.spans.drain(..spans / 2).collect()));
        } else if objects > 64 {
            marking.share(Work::Objects(sink.stack.drain(..objects / 2).collect()));
        }
    }

    /// Moves the oldest `n` objects of the stack to this marker's deque.
    fn spare(&mut self, n: usize) {
        let oldest = self.sink().stack.drain(..n).collect();
        self.own.push(Work::Objects(oldest));
    }

    /// Takes up to `most` addresses from the threads' rings. Returns whether there were any.
    fn take_rings(&mut self, rings: EachRing<'_>, most: usize) -> bool {
        let sink = self.sink();
        let mut taken = 0;
        rings(&mut |ring| taken += ring.take(most - taken, |addr| sink.shaded(addr)));
        taken > 0
    }
    /// Returns whether this marker is a mutator's, for a bounded piece of work.
    fn assists(&self) -> bool {
        self.piece != PIECE
    }

    fn take_work(&mut self, marking: &Marking) -> bool {
        let work = marking.take();
        work.is_some_and(|work| {
            let work = if self.assists() { part_of(work, marking) } else { work };
            self.accept(work);
            true
        })
    }

    fn accept(&mut self, work: Work) {
        match work {
            Work::Objects(objects) => {
                let stack = &mut self.sink().stack;
                if stack.is_empty() && stack.capacity() <= objects.capacity() {
                    *stack = objects;
                } else {
                    stack.extend(objects);
                }
            }
            Work::Spans(spans) => self.sink().spans.extend(spans),
            Work::Shaded(addrs) => addrs.into_iter().for_each(|addr| self.sink().shaded(addr)),
            Work::Piece { addr, from, to } => self.scan_piece(addr, from, to),
        }
    }

    /// The stack is empty: takes more of this marker's own work. Returns its cost in objects, or
    /// `None` if there is no work. Spans come last, since more grey objects gather in them the
    /// longer they wait. So an array of a million nodes is scanned from end to end before any of
    /// the nodes.
    #[inline(never)]
    fn refill(&mut self) -> Option<usize> {
        if self.near().has_noted() {
            return Some(0);
        }
        self.settle_near();
        if let Some(work) = self.own.pop() {
            let cost = if matches!(work, Work::Piece { .. }) { self.piece / COST } else { 0 };
            self.accept(work);
            Some(cost)
        } else if self.open_span() {
            Some(0)
        } else if self.pending > 0 {
            self.look_at_edges();
            Some(0)
        } else {
            None
        }
    }

    /// Scans objects at a cost of about `most`. Returns the cost, which is less only if no work of
    /// this marker's own is left.
    fn scan_some(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most {
            if self.pending >= EDGES {
                self.look_at_edges();
            }
            if self.has_grey() {
                done += self.scan_grey(most - done);
                continue;
            }
            if self.near().has_noted() {
                done += self.scan_near(most - done);
                continue;
            }
            while self.len < RING {
                // SAFETY: INV-7: as in `sink`.
                let Some(addr) = (unsafe { &mut *self.sink }).stack.pop() else {
                    match self.refill() {
                        Some(cost) => done += cost,
                        None => break,
                    }
                    if done >= most {
                        return done;
                    }
                    if self.has_open() {
                        break;
                    }
                    continue;
                };
                prefetch(addr.ptr::<u8>());
                // A small object may lie across two lines.
                prefetch((addr + 16).ptr::<u8>());
                self.ahead[(self.first + self.len) % RING] = addr;
                self.len += 1;
            }
            match self.next_ahead() {
                Some(addr) => done += self.scan(addr),
                None if self.has_open() => {}
                None => return done,
            }
        }
        done
    }

    /// Scans an object and returns the cost.
    #[inline(always)]
    fn scan(&mut self, addr: Addr) -> usize {
        // SAFETY: INV-7: as in `sink`.
        let class = unsafe { &*self.sink }.tables.class_of(addr);
        if class.info.array {
            self.scan_array(addr)
        } else {
            self.trace(class.info, addr, 1);
            cost_of(class)
        }
    }

    fn scan_array(&mut self, addr: Addr) -> usize {
        // SAFETY: INV-6: an array that is traced has its length before its first element.
        let len = unsafe { addr.ptr::<usize>().sub(1).read() };
        let info = self.sink().tables.class_of(addr).info;
        self.scan_piece(addr, 0, len);
        1 + len.saturating_mul(info.size).min(self.piece) / COST
    }

    /// Scans the first piece of an array's elements `[from, to)` and puts the rest into the deque,
    /// where other markers may steal it. A marker halves the rest, so that a thief gets half of it.
    /// With one remainder, markers would steal it to and fro, and scan spans with few grey objects
    /// meanwhile. An assist leaves one remainder, since it shares all that it has.
    fn scan_piece(&mut self, addr: Addr, from: usize, mut to: usize) {
        let info = self.sink().tables.class_of(addr).info;
        let piece = (self.piece / info.size.max(1)).max(1);
        while to - from > piece {
            let pieces = (to - from).div_ceil(piece);
            let mid = from + if self.assists() { piece } else { pieces / 2 * piece };
            self.own.push(Work::Piece { addr, from: mid, to });
            to = mid;
        }
        self.trace(info, addr + from * info.size, to - from);
    }

    #[inline(always)]
    fn trace(&mut self, info: &crate::heap::object::TypeInfo, at: Addr, n: usize) {
        // If a `trace` panics, the edges noted before stay noted.
        let mut tracer = self.tracer();
        // SAFETY: INV-6: `n` values of the span's type lie at `at`, allocated and initialised: an
        // object, a root or a shade had the marked address. INV-7 for the tracer.
        unsafe { (info.trace)(at.ptr(), n, &mut tracer) };
        self.pending = tracer.len;
    }

    /// Marks what the noted edges point to.
    fn look_at_edges(&mut self) {
        let mut tracer = self.tracer();
        self.pending = 0;
        // SAFETY: INV-7: `tracer` is live, its buffer is ours and its owner is the sink.
        unsafe { spill(&mut tracer) };
    }
}
