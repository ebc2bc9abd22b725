//! Marking: concurrent tri-colour, on the fly, with a snapshot-at-the-beginning barrier.
//!
//! White: mark bit clear. Grey: bit set, and the address in a thread's grey ring, in a shared queue or in a
//! marker's hands. Black: bit set and scanned, or born marked. (What lies in the span that a marker scans it scans before it
//! sets the bits: in its hands all the same, `trace::near`.) A cycle of marking:
//! 1. *Prep*: the barrier starts in every thread (`mutator`); shades only queue (rule 3).
//! 2. *Mark*: the roots become work ([`roots::RootTable::each_live`]), and markers drain it
//!    ([`worker::Marker::drain`]): take an address, scan the object with its type's trace function, mark what
//!    it points to, and keep what was white.
//! 3. *Term*: rounds until one finds nothing grey, nobody active and no new shade ([`detector::Detector`]).
//! 4. The weak gate closes (`sweep::weak`), and what is not marked is dead.
//!
//! Why nothing live is lost (INV-4): a white object that becomes reachable only from a black one must have
//! been reached by another path before; whoever cut that path shaded the object (deletion barrier). New
//! objects are black from Mark on. The start needs Prep because threads learn of a phase at different times.
//!
//! Why it ends: bits are only set while marking, each object is grey once, and objects born in Mark are black.
//!
//! Work is shared as packets of addresses through `crossbeam-deque`; no recursion anywhere, so neither the
//! depth nor the width of the graph matters. Arrays are scanned in pieces (Go's oblets).
//!
//! Literature: Dijkstra et al. 1978 (tri-colour); Yuasa 1990 (snapshot); Doligez and Gonthier 1994 (ragged
//! start); Go's `mgcmark.go` (work packets, oblets); Cher, Hosking and Vitek 2004 (prefetch before scanning).

pub mod detector;
#[cfg(not(loom))]
pub(crate) mod follow;
pub mod ring;
pub mod roots;
mod sink;
pub(crate) mod worker;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crossbeam_deque::{Injector, Steal, Stealer};
use detector::Detector;

/// A piece of grey work.
#[derive(Debug)]
pub(crate) enum Work {
    /// Marked objects to scan.
    Objects(Vec<usize>),
    /// Spans with grey objects, each by the object by which it was queued.
    Spans(Vec<usize>),
    /// What a mutator has shaded.
    Shaded(Vec<usize>),
    /// The elements `[from, to)` of the array at `addr`.
    Piece { addr: usize, from: usize, to: usize },
}

/// On lines of its own: markers read it every few microseconds, and next to it lie counters that they change.
#[derive(Debug)]
#[repr(align(128))]
struct Hungry(AtomicUsize);

/// The work that markers share, and what they found.
#[derive(Debug)]
pub(crate) struct Marking {
    pub(crate) detector: Detector,
    injector: Injector<Work>,
    stealers: Vec<Stealer<Work>>,
    /// Markers that found nothing to do: the others share early.
    hungry: Hungry,
    /// Bytes and objects that markers marked in this cycle, for the pacing.
    found_bytes: AtomicU64,
    found_objects: AtomicU64,
    /// Those of the bytes that mutators marked.
    assisted_bytes: AtomicU64,
    /// A `trace` panicked in this cycle: the marks are not to be trusted, so the sweep keeps everything.
    poisoned: AtomicBool,
}

/// What the markers of a cycle found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    /// Bytes that mutators marked.
    pub(crate) assisted: u64,
}

impl Marking {
    /// No work, and nobody may start.
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

    /// Shares work with everybody.
    pub(crate) fn share(&self, work: Work) {
        self.injector.push(work);
    }

    /// Takes shared work. The caller counts itself active.
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

    /// Whether no shared queue holds work. With nobody active and the threads' rings empty, nothing is grey.
    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.stealers.iter().all(Stealer::is_empty)
    }

    /// Bytes and objects marked by markers since the last call, and the bytes of them that mutators marked.
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

    /// Says that an object could not be traced: nothing dies in this cycle.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }
    /// Whether nothing may die in this cycle.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }
    /// The cycle is over.
    pub(crate) fn heal(&self) {
        self.poisoned.store(false, Ordering::SeqCst);
    }
}
