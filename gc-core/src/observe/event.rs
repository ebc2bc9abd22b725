#![forbid(unsafe_code)]
//! Events: what the collector does, told as it happens, and what is told ([`EventListener`]). The
//! door through which they leave the heap is in [`super::door`].

use super::report::{CycleReport, Straggler};
use std::time::Duration;

/// A part of a cycle, in their order.
///
/// ```
/// assert_eq!(gc_core::Phase::Cross.name(), "cross");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Every thread learns that a cycle has begun.
    Prep,
    /// Marking, its termination rounds included.
    Mark,
    /// Every thread learns that marking is over, and gives up its spans.
    Cross,
    /// Dead objects are found, and their memory is given back.
    Sweep,
}

impl Phase {
    pub(crate) const ALL: [Phase; 4] = [Phase::Prep, Phase::Mark, Phase::Cross, Phase::Sweep];

    /// The name in lower case, as the trace prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Prep => "prep",
            Phase::Mark => "mark",
            Phase::Cross => "cross",
            Phase::Sweep => "sweep",
        }
    }
}

/// One handshake: the collector has asked each thread to cross into the next part of the cycle.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Handshake {
    /// The cycle.
    pub cycle: u64,
    /// The phase that the threads cross into; for [`Phase::Mark`] also one for each termination
    /// round.
    pub phase: Phase,
    /// How long it took.
    pub time: Duration,
    /// Threads that had crossed when it ended.
    pub threads: u64,
    /// Whether all threads have crossed. A termination round gives up as soon as there is more to
    /// mark.
    pub is_complete: bool,
    /// The thread that it waited for longest, if it waited at all.
    pub straggler: Option<Straggler>,
}

/// What has happened in a heap.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A cycle begins.
    #[non_exhaustive]
    CycleBegin {
        /// Its number, from 1.
        cycle: u64,
        /// Bytes in the heap.
        heap_bytes: u64,
        /// Bytes that the end of marking tries to stay below.
        goal_bytes: u64,
    },
    /// A phase begins.
    #[non_exhaustive]
    PhaseBegin {
        /// The cycle.
        cycle: u64,
        /// The phase.
        phase: Phase,
    },
    /// A handshake is over.
    Handshake(&'a Handshake),
    /// A phase is over.
    #[non_exhaustive]
    PhaseEnd {
        /// The cycle.
        cycle: u64,
        /// The phase.
        phase: Phase,
        /// How long it took.
        time: Duration,
    },
    /// A cycle is over.
    CycleEnd(&'a CycleReport),
    /// A destructor has run for more than a second.
    #[non_exhaustive]
    SlowDestructor {
        /// The type of the object.
        type_name: &'static str,
        /// Objects that wait for their destructors.
        objects: u64,
        /// Bytes of these.
        bytes: u64,
    },
}

/// Something that is told what the collector does
/// ([`HeapBuilder::event_listener`](crate::HeapBuilder::event_listener)).
///
/// A closure is one:
///
/// ```
/// use gc_core::{Event, Heap};
/// use std::sync::{Arc, Mutex};
/// let longest = Arc::new(Mutex::new(std::time::Duration::ZERO));
/// let seen = longest.clone();
/// let listener = move |_heap: u64, event: &Event<'_>| {
///     if let Event::Handshake(handshake) = event {
///         let mut longest = seen.lock().unwrap();
///         *longest = handshake.time.max(*longest);
///     }
/// };
/// let heap = Heap::builder().event_listener(listener).build()?;
/// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
/// heap.collect().unwrap();
/// assert!(!longest.lock().unwrap().is_zero());
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
pub trait EventListener: Send + Sync {
    /// Called for each event, with the number of the heap in its process, on the thread of the
    /// collector that made it. The cycle waits until it returns, so it should be short. It holds
    /// no lock of the heap. It may use the heap, but [`collect`](crate::Heap::collect) is an error
    /// there.
    fn event(&self, heap: u64, event: &Event<'_>);
}

impl<F: Fn(u64, &Event<'_>) + Send + Sync> EventListener for F {
    fn event(&self, heap: u64, event: &Event<'_>) {
        self(heap, event);
    }
}
