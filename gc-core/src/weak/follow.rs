//! Following ephemerons: from a marked key to its value, on to the next key, and so on.
//!
//! 1. When nothing grey is left, the collector looks at every ephemeron. One whose box and key are
//!    marked and whose value is not is *ready* ([`Follower::add_ready`]). [`Follower::follow`]
//!    marks the values that are ready and traces what they lead to.
//! 2. Most looks find nothing ready, because the other keys are dead or all values are marked. Such
//!    a look costs some loads an ephemeron. A map whose keys die at once needs this: its cycles
//!    must be shorter than the time in which as many entries are inserted as they look at.
//! 3. If [`DIRECT`] looks in a row have made values ready, there are chains. The next look adds the
//!    ephemerons that are not ready as well ([`Follower::add`]): each *waits* by the address of its
//!    key, or of its box, or of both (`waiting`). It is woken when `follow` marks the last of
//!    these. So a chain takes one look more, in any order and with any objects between a value and
//!    the next key.
//! 4. The collector does this alone. What takes long goes to the markers instead: large objects,
//!    and what is left after [`BUDGET`] objects that made no value ready. The collector looks at
//!    all ephemerons again after the markers have drained that.
//! 5. What mutators mark meanwhile wakes no ephemeron. The next look finds it.
//!
//! Marking is the markers' own: mark bit first, scan bit before the trace (INV-16), edges reported
//! to a tracer. The fixpoint is that of Hayes, "Ephemerons: a new finalization mechanism" (OOPSLA
//! 1997); waiting by address is how V8 and SpiderMonkey keep it near linear.

use super::waiting::Waiting;
use crate::heap::tables::Tables;
use crate::mark::worker::Marker;
use crate::trace::{PACKET, Tracer};
use crate::word::{Addr, Cycle};

/// Objects that are traced for one value before the rest goes to the markers: some 50 µs.
const BUDGET: usize = 1024;
/// Looks at all ephemerons for ready ones alone, before those that wait are added: to add one costs
/// some ten times as much as to look at it.
pub(crate) const DIRECT: u32 = if cfg!(any(gc_verify, shuttle)) { 1 } else { 3 };

/// What the tracer's spill needs: it marks, and keeps what it has marked.
#[derive(Debug)]
struct Fresh {
    tables: Tables,
    marked: Vec<Addr>,
}

/// # Safety
///
/// `tracer` is live, its buffer holds `len` addresses, and its owner is a live `Fresh`.
unsafe fn spill(tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller's promise; no other code uses the tracer during the call.
    let tracer = unsafe { &mut *tracer };
    // SAFETY: INV-7: `Follower::trace` lends its `Fresh`, and does not use it meanwhile.
    let fresh = unsafe { &mut *tracer.owner.cast::<Fresh>() };
    // SAFETY: INV-7: `len` entries of the buffer are written.
    let edges = unsafe { std::slice::from_raw_parts(tracer.buf, tracer.len) };
    edges.iter().for_each(|&addr| fresh.mark(addr));
    tracer.len = 0;
}

impl Fresh {
    fn mark(&mut self, addr: Addr) {
        if !self.tables.is_marked(addr) && self.tables.mark(addr) {
            self.marked.push(addr);
        }
    }
}

/// The ephemerons of one look.
#[derive(Debug)]
pub(crate) struct Follower {
    fresh: Box<Fresh>,
    edges: Box<[Addr; PACKET]>,
    cycle: Cycle,
    /// Values whose ephemeron or key is not marked.
    waiting: Waiting,
    /// Values whose ephemeron and key are marked.
    ready: Vec<Addr>,
    /// Marked by this follower, to be traced.
    stack: Vec<Addr>,
    /// Objects that may be traced before the rest goes to the markers.
    left: usize,
    objects: u64,
    bytes: u64,
}

impl Follower {
    /// A follower without ephemerons, for a look in `cycle`.
    pub(crate) fn new(tables: Tables, cycle: Cycle) -> Follower {
        Follower {
            fresh: Box::new(Fresh { tables, marked: Vec::new() }),
            edges: Box::new([Addr::NULL; PACKET]),
            cycle,
            waiting: Waiting::default(),
            ready: Vec::new(),
            stack: Vec::new(),
            left: BUDGET,
            objects: 0,
            bytes: 0,
        }
    }

    /// Adds an ephemeron by its box, key and value if it is ready.
    pub(crate) fn add_ready(&mut self, ephemeron: Addr, key: Addr, value: Addr) {
        let tables = &self.fresh.tables;
        if tables.is_marked(ephemeron) && tables.is_marked(key) && !tables.is_marked(value) {
            self.ready.push(value);
        }
    }

    /// Adds an ephemeron by its box, key and value: it is ready, or waits. If its value is marked
    /// there is nothing to add.
    pub(crate) fn add(&mut self, ephemeron: Addr, key: Addr, value: Addr) {
        let tables = &self.fresh.tables;
        if tables.is_marked(value) {
            return;
        }
        let has_box = tables.is_marked(ephemeron);
        match (has_box, tables.is_marked(key)) {
            (true, true) => self.ready.push(value),
            (true, false) => self.waiting.add(key, value, Addr::NULL),
            (false, true) => self.waiting.add(ephemeron, value, Addr::NULL),
            (false, false) => {
                self.waiting.add(key, value, ephemeron);
                self.waiting.add(ephemeron, value, key);
            }
        }
    }

    /// Whether the value of some ephemeron is to be marked.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Marks the values that are ready and what they lead to. Values that get ready on the way are
    /// followed too.
    ///
    /// A panic in a `trace` unwinds through here and leaves the follower usable: only the edges of
    /// the object that panicked are lost.
    pub(crate) fn follow(&mut self, marker: &mut Marker) {
        self.waiting.sort();
        loop {
            while let Some(addr) = self.fresh.marked.pop() {
                self.count(addr);
                self.wake(addr);
                if self.fresh.tables.class_of(addr).needs_trace() {
                    self.stack.push(addr);
                }
            }
            if let Some(addr) = self.stack.pop() {
                self.scan(addr, marker);
            } else if let Some(value) = self.ready.pop() {
                self.left = BUDGET;
                self.fresh.mark(value);
            } else {
                break;
            }
        }
        marker.found_elsewhere(std::mem::take(&mut self.objects), std::mem::take(&mut self.bytes));
    }

    /// The object at `addr` is marked: what waited for nothing else is ready.
    fn wake(&mut self, addr: Addr) {
        let (tables, ready) = (&self.fresh.tables, &mut self.ready);
        self.waiting.each(addr, |value, other| {
            if other.is_null() || tables.is_marked(other) {
                ready.push(value);
            }
        });
    }

    fn count(&mut self, addr: Addr) {
        let tables = &self.fresh.tables;
        let class = tables.class_of(addr);
        self.objects += 1;
        self.bytes += if class.is_large() {
            tables.span_bytes(tables.block_of(addr)) as u64
        } else {
            class.slot as u64
        };
    }

    /// Traces an object, or hands it to the markers.
    fn scan(&mut self, addr: Addr, marker: &mut Marker) {
        let tables = self.fresh.tables;
        let class = tables.class_of(addr);
        if self.left == 0 || class.is_large() {
            return marker.take_over(addr);
        }
        // SAFETY: INV-6: the object is live, and traced.
        let n = unsafe { class.info.values_at(addr) };
        // A slot is at most 32 KiB; one of a kilobyte costs as much as 16 small objects.
        self.left = self.left.saturating_sub(1 + class.slot / 64);
        let (word, bit) = tables.bit_of(addr);
        tables.set_scanned(class, word, bit);
        let owner: *mut Fresh = &raw mut *self.fresh;
        let mut tracer = Tracer::new(self.edges.as_mut_ptr(), spill, owner.cast(), self.cycle);
        // SAFETY: INV-6: a marked address was found in an object or an ephemeron, so `n` values of
        // the span's type lie there, allocated and initialised; INV-7 for the tracer.
        unsafe { (class.info.trace)(addr.ptr::<u8>(), n, &mut tracer) };
        // SAFETY: INV-7: the tracer is live, its buffer is ours and its owner is `fresh`.
        unsafe { spill(&mut tracer) };
    }
}
