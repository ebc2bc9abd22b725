//! The verifying build (`--cfg gc_verify`): a second, stopped marker.
//!
//! After the weak pass and before the Sweep handshake of each cycle, the collector stops the world
//! (`collector`). A plain search with its own set finds everything reachable from the root table
//! again. Each such object must be allocated and marked (INV-4). What that build does with free
//! slots is in `heap::poison`.

use crate::error::fatal;
use crate::mutator::Core;
use crate::trace::{PACKET, Tracer};
use crate::weak::ephemeron::each_ephemeron;
use crate::word::{Addr, Cycle};
use std::collections::{HashMap, HashSet};

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
