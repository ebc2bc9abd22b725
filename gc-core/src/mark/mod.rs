//! Marking: concurrent tri-colour, on the fly, with a snapshot-at-the-beginning barrier.
//!
//! White: the mark bit is clear. Grey: the bit is set, and the address is in a thread's grey ring,
//! in a shared queue or in a marker's hands. Black: the bit is set and the object is scanned, or it
//! was born marked. One exception: a marker scans objects of its open span before it sets their
//! bits; they too count as in its hands (`trace::near`). A cycle of marking:
//! 1. *Prep*: the barrier starts in every thread (`mutator`). Shades only queue (rule 3).
//! 2. *Mark*: the roots become work ([`roots::RootTable::each_live`]), and markers drain it
//!    ([`worker::Marker::drain`]). They take an address, scan the object with its type's trace
//!    function, mark its targets, and keep those that were white.
//! 3. *Term*: rounds until one finds no grey object, no active thread and no new shade
//!    ([`detector::Detector`]).
//! 4. The weak gate closes (`weak::gate`), and every unmarked object is dead.
//!
//! Why no live object is lost (INV-4): take a white object that becomes reachable only from a black
//! one. Another path led to it before. The thread that cut that path shaded the object (deletion
//! barrier). New objects are black from Mark on. Prep is needed because threads learn of a phase at
//! different times.
//!
//! Why it ends: marking only sets bits, each object is grey once, and objects born in Mark are
//! black.
//!
//! Work is shared as packets of addresses through `crossbeam-deque`. There is no recursion, so
//! neither the depth nor the width of the graph matters. Arrays are scanned in pieces (Go's
//! oblets).
//!
//! Literature: Dijkstra et al. 1978 (tri-colour); Yuasa 1990 (snapshot); Doligez and Gonthier 1994
//! (ragged start); Go's `mgcmark.go` (work packets, oblets); Cher, Hosking and Vitek 2004 (prefetch
//! before scanning).
//!
//! Files, lowest first: `ring`, `detector`, `sink`.

pub mod detector;
pub mod ring;
mod sink;
#[cfg(not(loom))]
pub(crate) mod worker;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::word::Addr;
use crossbeam_deque::{Injector, Steal, Stealer};
use detector::Detector;
use std::cell::Cell;

/// A piece of grey work.
#[derive(Debug)]
pub(crate) enum Work {
    /// Marked objects to scan.
    Objects(Vec<Addr>),
    /// Spans with grey objects; each by the address of the object that queued it.
    Spans(Vec<Addr>),
    /// Objects that a mutator has shaded.
    Shaded(Vec<Addr>),
    /// The elements `[from, to)` of the array at `addr`.
    Piece { addr: Addr, from: usize, to: usize },
}

/// On cache lines of its own: markers read it every few microseconds, and its neighbours are
/// counters that they change.
#[derive(Debug)]
#[repr(align(128))]
struct Hungry(AtomicUsize);

/// The work that markers share, and counts of what they marked.
#[derive(Debug)]
pub(crate) struct Marking {
    pub(crate) detector: Detector,
    injector: Injector<Work>,
    stealers: Vec<Stealer<Work>>,
    /// Markers and waiting threads without work. Others share early while there are any.
    hungry: Hungry,
    /// Bytes and objects that markers marked in this cycle, for the pacing.
    found_bytes: AtomicU64,
    found_objects: AtomicU64,
    /// Those of the bytes that mutators marked.
    assisted_bytes: AtomicU64,
    /// A `trace` panicked in this cycle. The marks are incomplete, so the sweep keeps everything.
    poisoned: AtomicBool,
}

/// A thread that would mark: while it finds nothing to do, the markers share early.
#[derive(Debug)]
pub(crate) struct Hunger<'a> {
    marking: &'a Marking,
    is_on: Cell<bool>,
}

impl<'a> Hunger<'a> {
    /// A thread that has not looked for work yet.
    pub(crate) fn new(marking: &'a Marking) -> Hunger<'a> {
        Hunger { marking, is_on: Cell::new(false) }
    }
    /// Whether the thread found nothing the last time.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.get()
    }
    /// The thread found nothing, or does not look any more.
    pub(crate) fn set(&self, on: bool) {
        let count = &self.marking.hungry.0;
        match (self.is_on.replace(on), on) {
            (false, true) => count.fetch_add(1, Ordering::Relaxed),
            (true, false) => count.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Drop for Hunger<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// What the markers of a cycle marked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    /// Bytes that mutators marked.
    pub(crate) assisted: u64,
}

impl Marking {
    /// Without work, and with the detector parked.
    pub(crate) fn new(stealers: Vec<Stealer<Work>>) -> Marking {
        Marking {
            detector: Detector::new(),
            injector: Injector::new(),
            stealers,
            hungry: Hungry(AtomicUsize::new(0)),
            found_bytes: AtomicU64::new(0),
            found_objects: AtomicU64::new(0),
            assisted_bytes: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// Puts work into the shared queue.
    pub(crate) fn share(&self, work: Work) {
        self.injector.push(work);
    }

    /// Takes shared work. The caller must count as active.
    fn take(&self) -> Option<Work> {
        loop {
            let got = self
                .injector
                .steal()
                .or_else(|| self.stealers.iter().map(Stealer::steal).collect::<Steal<Work>>());
            match got {
                Steal::Success(work) => return Some(work),
                Steal::Empty => return None,
                Steal::Retry => crate::sync::spin_hint(),
            }
        }
    }

    /// Returns whether no shared queue holds work. If also no thread is active and the threads'
    /// rings are empty, no object is grey.
    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.stealers.iter().all(Stealer::is_empty)
    }

    /// Returns the bytes and objects marked since the last call, and how many of the bytes mutators
    /// marked.
    pub(crate) fn take_found(&self) -> Found {
        Found {
            bytes: self.found_bytes.swap(0, Ordering::Relaxed),
            objects: self.found_objects.swap(0, Ordering::Relaxed),
            assisted: self.assisted_bytes.swap(0, Ordering::Relaxed),
        }
    }
    /// Bytes marked so far.
    pub(crate) fn found_bytes(&self) -> u64 {
        self.found_bytes.load(Ordering::Relaxed)
    }
    /// Counts bytes that a mutator marked.
    pub(crate) fn assisted(&self, bytes: u64) {
        self.assisted_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records that an object could not be traced: nothing dies in this cycle.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }
    /// Returns whether nothing may die in this cycle.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }
    /// Ends the poisoned state with the cycle.
    pub(crate) fn heal(&self) {
        self.poisoned.store(false, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_counted_hungry_once_and_not_after_its_end() {
        let marking = Marking::new(Vec::new());
        let count = || marking.hungry.0.load(Ordering::Relaxed);
        let (one, other) = (Hunger::new(&marking), Hunger::new(&marking));
        let counts = [true, true, false, false, true].map(|on| {
            one.set(on);
            (one.is_on(), count())
        });
        assert_eq!(counts, [(true, 1), (true, 1), (false, 0), (false, 0), (true, 1)]);
        other.set(true);
        drop(one);
        assert_eq!(count(), 1);
        drop(other);
        assert_eq!(count(), 0);
    }
}
