//! The verifying build (`--cfg gc_verify`): a second, stopped marker; poison in free slots.
//!
//! After the weak pass and before the Sweep handshake of each cycle, the collector stops the world
//! (`collector`). A plain search with its own set finds everything reachable from the root table
//! again. Each such object must be allocated and marked (INV-4). The sweep fills free slots with
//! [`POISON`]. When a thread takes a run, it must still be poison, or memory that was never used.

use crate::error::fatal;
use crate::heap::free::Run;
use crate::heap::span::SpanClass;
use crate::heap::{Space, asan};
use crate::mutator::Core;
use crate::trace::{PACKET, Tracer};
use crate::weak::ephemeron::each_ephemeron;
use crate::word::{Addr, Cycle};
use std::collections::{HashMap, HashSet};

/// The byte that fills freed memory.
const POISON: u8 = 0xDF;

/// Fills the slot of a dead object.
pub(crate) fn poison(space: &Space, class: &SpanClass, at: Addr) {
    let bytes = space.bytes_of(class, space.block_of(at));
    let from = at - class.origin;
    // The blocks of a large object beyond its end were never used.
    asan::unpoison(from, bytes);
    // SAFETY: INV-9, INV-18: the object is dead and its drop glue has run; the slot is the
    // sweeper's or the dropper's.
    unsafe { std::ptr::write_bytes(from.ptr::<u8>(), POISON, bytes) };
}

/// Checks that the free slots of a run were not written to.
pub(crate) fn check_free(class: &SpanClass, run: Run) {
    // The rest of a run that was given up may have been an empty weak box.
    if class.info.weak_box {
        return;
    }
    let (from, bytes) = (run.from - class.origin, run.to - run.from);
    // SAFETY: INV-5: the run lies in a span of the caller.
    let slots = unsafe { std::slice::from_raw_parts(from.ptr::<u8>(), bytes) };
    for (i, slot) in slots.chunks(class.slot).enumerate() {
        let free = slot.iter().all(|b| *b == POISON) || slot.iter().all(|b| *b == 0);
        // A block that served another class keeps that class's poison and zeros, in any mixture.
        let mixed = slot.iter().all(|b| *b == POISON || *b == 0);
        if !free && !mixed {
            fatal(&format!("a free slot was written to: {:?} in {class:?}", from + i * class.slot));
        }
    }
}

struct Search {
    seen: HashSet<Addr>,
    stack: Vec<Addr>,
}

impl Search {
    fn find(&mut self, addr: Addr) {
        if self.seen.insert(addr) {
            self.stack.push(addr);
        }
    }
}

unsafe fn spill(tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: `check_marks` made the tracer and lends it for the call.
    let tracer = unsafe { &mut *tracer };
    // SAFETY: INV-7: its owner is the search, which nothing else uses during the call.
    let search = unsafe { &mut *tracer.owner.cast::<Search>() };
    for i in 0..tracer.len {
        // SAFETY: INV-7: `len` entries of the buffer are written.
        search.find(unsafe { tracer.buf.add(i).read() });
    }
    tracer.len = 0;
}

/// Searches everything reachable from the roots and compares with the mark bits; the world is
/// stopped.
pub(crate) fn check_marks(core: &Core) {
    let mut search = Search { seen: HashSet::new(), stack: Vec::new() };
    core.roots.each_live(|addr| search.find(addr));
    // Ephemerons: if one is found and its key too, its value counts as found.
    let mut by_key: HashMap<Addr, Vec<(Addr, Addr)>> = HashMap::new();
    let mut by_box: HashMap<Addr, Vec<Addr>> = HashMap::new();
    each_ephemeron(&core.space, |at, key, value| by_key.entry(key).or_default().push((at, value)));
    let mut buf = vec![Addr::NULL; PACKET];
    while let Some(addr) = search.stack.pop() {
        for (at, value) in by_key.remove(&addr).unwrap_or_default() {
            if search.seen.contains(&at) {
                search.find(value);
            } else {
                by_box.entry(at).or_default().push(value);
            }
        }
        for value in by_box.remove(&addr).unwrap_or_default() {
            search.find(value);
        }
        let class = core.space.class_of(addr);
        if !core.space.is_allocated(addr) {
            fatal(&format!("INV-4: {addr:?} is reachable but not allocated, in {class:?}"));
        }
        if !core.space.is_marked(addr) {
            fatal(&format!("INV-4: {addr:?} is reachable but not marked, in {class:?}"));
        }
        if class.by_span && !core.space.is_scanned(addr) {
            fatal(&format!("INV-16: {addr:?} is reachable but not scanned, in {class:?}"));
        }
        if !class.needs_trace() {
            continue;
        }
        // SAFETY: INV-6: the object is live, and traced.
        let n = unsafe { class.info.values_at(addr) };
        let owner = (&raw mut search).cast();
        let mut tracer = Tracer::new(buf.as_mut_ptr(), spill, owner, Cycle::NONE);
        // SAFETY: INV-6: `n` values of the span's type lie at `addr`; the world is stopped.
        unsafe { (class.info.trace)(addr.ptr::<u8>(), n, &mut tracer) };
        // SAFETY: INV-7: the tracer is live, its buffer is ours, its owner is the search.
        unsafe { spill(&mut tracer) };
    }
}
