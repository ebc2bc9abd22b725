//! A marker: the loop that turns grey into black.
//!
//! Addresses leave the private stack through a short ring ([`RING`]), where the object's first line is
//! prefetched; by the time an address leaves the ring its object is in the cache. Marks are tested with a plain
//! load before the locked instruction. Full halves of the stack go to this marker's deque, oldest first, where
//! other markers steal them.

use super::ring::GreyRing;
use super::{Marking, Work};
use crate::heap::Space;
use crate::sync::Ordering;
use crate::trace::{PACKET, Tracer};
use crossbeam_deque::Worker;

/// Objects prefetched ahead of the scan. By measurement (docs/DESIGN.md): 16 to 64 are alike, 4 too few.
const RING: usize = 32;
/// Bytes of an array scanned at once, and by a mutator that assists.
const PIECE: usize = 16 << 10;
const ASSIST_PIECE: usize = 512;
/// Addresses that an assist hands on at once.
const SHARE: usize = 2 * PACKET;
/// Objects between two looks at what others need.
const STRIDE: usize = 128;
/// Strides between two looks at the threads' rings: some 20 µs.
const RINGS_EVERY: usize = 4;

/// Calls its argument for the grey ring of every registered thread.
pub(crate) type EachRing<'a> = &'a dyn Fn(&mut dyn FnMut(&GreyRing));

/// What the tracer's spill needs; apart from the rest of the marker, which is borrowed meanwhile.
#[derive(Debug)]
struct Sink {
    space: *const Space,
    /// Marked, to be scanned.
    stack: Vec<usize>,
    bytes: u64,
    objects: u64,
}

impl Sink {
    #[inline(always)]
    fn space(&self) -> &Space {
        // SAFETY: INV-10: a marker's heap outlives it (`Marker::new`).
        unsafe { &*self.space }
    }
    #[inline(always)]
    fn edge(&mut self, addr: usize) {
        if !self.space().mark(addr) {
            return;
        }
        let class = self.space().class_of(addr);
        self.objects += 1;
        self.bytes +=
            if class.is_large() { large_bytes(self.space(), addr) } else { class.slot as u64 };
        if class.needs_trace() {
            self.stack.push(addr);
        }
    }
}

#[cold]
fn large_bytes(space: &Space, addr: usize) -> u64 {
    u64::from(space.meta(space.block_of(addr)).blocks()) * crate::config::BLOCK as u64
}

/// # Safety
///
/// `tracer` is live, its buffer holds `len` addresses, and its owner is a live `Sink`.
unsafe fn spill(tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller's promise; nobody else uses the tracer during the call.
    let tracer = unsafe { &mut *tracer };
    // SAFETY: INV-7: `Marker::new` made the owner a boxed `Sink` that only this function and the marker use,
    // and the marker holds no reference to it while it traces.
    let sink = unsafe { &mut *tracer.owner.cast::<Sink>() };
    for i in 0..tracer.len {
        // SAFETY: INV-7: `len` entries of the buffer are written.
        sink.edge(unsafe { tracer.buf.add(i).read() });
    }
    tracer.len = 0;
}

/// One marker's private state.
pub(crate) struct Marker {
    sink: *mut Sink,
    edges: Box<[usize; PACKET]>,
    ahead: [usize; RING],
    /// First entry of `ahead`, and how many.
    first: usize,
    len: usize,
    own: Worker<Work>,
    /// Bytes of an array scanned at once.
    piece: usize,
    /// Bytes marked since somebody asked.
    marked: u64,
    /// The number of the cycle, for guarded cells.
    pub(crate) cycle: u64,
}

// SAFETY: INV-7: the sink is owned by the marker like a box; it is raw only because the tracer aliases it.
unsafe impl Send for Marker {}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker").field("ahead", &self.len).field("cycle", &self.cycle).finish()
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: INV-7: made by `Box::into_raw` in `new`, freed once, here.
        drop(unsafe { Box::from_raw(self.sink) });
    }
}

impl Marker {
    /// A marker of `space`, which outlives it (the caller keeps the heap's shared state alive).
    pub(crate) fn new(space: &Space, own: Worker<Work>) -> Marker {
        let sink = Sink { space, stack: Vec::with_capacity(4 * PACKET), bytes: 0, objects: 0 };
        Marker {
            sink: Box::into_raw(Box::new(sink)),
            edges: Box::new([0; PACKET]),
            ahead: [0; RING],
            first: 0,
            len: 0,
            own,
            piece: PIECE,
            marked: 0,
            cycle: 0,
        }
    }

    /// A marker for a mutator that assists: nobody steals from it, and it scans arrays in small pieces.
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
        // SAFETY: INV-7: the sink lives as long as the marker, and nobody traces while `&mut self` is used.
        unsafe { &mut *self.sink }
    }

    /// Drains until there is nothing to take, or about `budget` objects are scanned; says whether everything
    /// is drained. The caller counts itself active (`Detector`), and until it is idle what this marker holds
    /// is grey. A panic in a `trace` unwinds through here and leaves the marker usable; only the object that
    /// panicked is not scanned.
    pub(crate) fn drain(&mut self, marking: &Marking, rings: EachRing<'_>, budget: usize) -> bool {
        let mut left = budget;
        let mut strides = 0;
        loop {
            let n = STRIDE.min(left);
            strides += 1;
            if strides % RINGS_EVERY == 0 {
                // Before they run full, which costs their owners a hand-over.
                self.take_rings(rings);
            }
            let done = self.scan_some(n);
            left -= done;
            self.publish_found(marking);
            let stack = &mut self.sink().stack;
            if stack.len() > 2 * PACKET {
                self.spare(PACKET);
            } else if stack.len() > 64 && marking.hungry.load(Ordering::Relaxed) > 0 {
                let half = stack.len() / 2;
                let oldest = stack.drain(..half).collect();
                marking.share(Work::Objects(oldest));
            }
            if left == 0 {
                return false;
            }
            if done < n {
                // Nothing of our own is left.
                self.take_rings(rings);
                if self.sink().stack.is_empty() && !self.take_work(marking) {
                    return true;
                }
            }
        }
    }

    /// Puts everything that this marker holds into the shared queue: the end of an assist.
    pub(crate) fn give_all(&mut self, marking: &Marking) {
        let mut all = std::mem::take(&mut self.sink().stack);
        while let Some(addr) = self.next_ahead() {
            all.push(addr);
        }
        // In portions, so that others who assist find some too.
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

    /// Marks `addr` and keeps it if it was white: a root.
    pub(crate) fn root(&mut self, addr: usize) {
        self.sink().edge(addr);
    }

    /// Says that this marker finds nothing to do (or does again), so that the others share early.
    pub(crate) fn set_hungry(marking: &Marking, hungry: bool) {
        if hungry {
            marking.hungry.fetch_add(1, Ordering::Relaxed);
        } else {
            marking.hungry.fetch_sub(1, Ordering::Relaxed);
        }
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

    /// Moves the oldest `n` of the stack to this marker's deque.
    fn spare(&mut self, n: usize) {
        let oldest = self.sink().stack.drain(..n).collect();
        if !fault!("packet_dropped") {
            self.own.push(Work::Objects(oldest));
        }
    }

    fn take_rings(&mut self, rings: EachRing<'_>) {
        let sink = self.sink();
        rings(&mut |ring| {
            ring.take(usize::MAX, |addr| sink.stack.push(addr));
        });
    }

    fn take_work(&mut self, marking: &Marking) -> bool {
        match self.own.pop().or_else(|| marking.take()) {
            Some(Work::Objects(objects)) => {
                let stack = &mut self.sink().stack;
                if stack.is_empty() && stack.capacity() <= objects.capacity() {
                    *stack = objects;
                } else {
                    stack.extend(objects);
                }
                true
            }
            Some(Work::Piece { addr, from }) => {
                self.scan_array(addr, from);
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn next_ahead(&mut self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let addr = self.ahead[self.first];
        self.first = (self.first + 1) % RING;
        self.len -= 1;
        Some(addr)
    }

    /// Scans up to `most` objects of the stack; fewer only if it is empty.
    fn scan_some(&mut self, most: usize) -> usize {
        for done in 0..most {
            while self.len < RING {
                // SAFETY: INV-7: as in `sink`.
                let Some(addr) = (unsafe { &mut *self.sink }).stack.pop() else { break };
                prefetch(addr);
                self.ahead[(self.first + self.len) % RING] = addr;
                self.len += 1;
            }
            match self.next_ahead() {
                Some(addr) => self.scan(addr),
                None => return done,
            }
        }
        most
    }

    #[inline(always)]
    fn scan(&mut self, addr: usize) {
        // SAFETY: INV-7: as in `sink`.
        let class = unsafe { &*self.sink }.space().class_of(addr);
        if class.info.array {
            self.scan_array(addr, 0);
        } else {
            self.trace(class.info, addr, 1);
        }
    }

    fn scan_array(&mut self, addr: usize, from: usize) {
        let info = self.sink().space().class_of(addr).info;
        // SAFETY: INV-6: an array that is traced has its length before its first element.
        let len = unsafe { (addr as *const usize).sub(1).read() };
        let piece = (self.piece / info.size.max(1)).max(1);
        if len - from > piece && !fault!("piece_dropped") {
            self.own.push(Work::Piece { addr, from: from + piece });
        }
        self.trace(info, addr + from * info.size, piece.min(len - from));
    }

    #[inline(always)]
    fn trace(&mut self, info: &crate::heap::object::TypeInfo, at: usize, n: usize) {
        let owner = self.sink.cast();
        let mut tracer = Tracer::new(self.edges.as_mut_ptr(), spill, owner, self.cycle);
        // SAFETY: INV-6: `n` values of the span's type lie at `at`, allocated and initialised, because a
        // marked address was found in an object, a root or a shade; INV-7 for the tracer.
        unsafe { (info.trace)(at as *const u8, n, &mut tracer) };
        // SAFETY: INV-7: `tracer` is live, its buffer is ours and its owner is the sink.
        unsafe { spill(&mut tracer) };
    }
}

/// Asks for the first line of an object that will be scanned soon.
#[inline(always)]
fn prefetch(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it reads nothing and faults on nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(addr as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}
