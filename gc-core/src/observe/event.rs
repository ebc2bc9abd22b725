#![forbid(unsafe_code)]
//! Events: what the collector does, told as it happens.
//!
//! 1. The collector calls [`Events::tell`] at the steps of a cycle. Without a listener that is one
//!    branch.
//! 2. Each [`EventListener`] of the heap is called in turn, on the collector's thread, outside of
//!    every lock.
//! 3. A listener that panics is counted, and the collector goes on.
//!
//! The trace on standard error ([`super::gctrace`]) and the exporters are listeners and nothing
//! else. The door is the one of whippet's `gc-event-listener.h`: one callback for each moment, and
//! empty by default.

use super::report::{CycleReport, Straggler};
use super::sample::Sampling;
use crate::sync::Arc;
use crate::sync::plain::{AtomicU64, Ordering};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
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

/// Heaps that there have been in this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The listeners of one heap.
#[derive(Clone, Default)]
pub(crate) struct Events {
    /// The heap's number in its process.
    pub(crate) heap: u64,
    /// The samples that are taken from the start: how many, and who is told.
    pub(crate) sampling: Option<Sampling>,
    listeners: Vec<Arc<dyn EventListener>>,
}

// The panic of a listener ends in `tell`, and its state is its own affair.
impl UnwindSafe for Events {}
impl RefUnwindSafe for Events {}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events(heap {}, {} listeners)", self.heap, self.listeners.len())
    }
}

impl Events {
    /// The events of the next heap of the process. The `first` listener is told before the others.
    pub(crate) fn of_next_heap(mut self, first: Option<Arc<dyn EventListener>>) -> Events {
        self.heap = NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
        self.listeners.splice(0..0, first);
        self
    }
    pub(crate) fn add(&mut self, listener: Arc<dyn EventListener>) {
        self.listeners.push(listener);
    }
    /// Whether an event reaches a listener: whether it is worth making.
    pub(crate) fn are_heard(&self) -> bool {
        !self.listeners.is_empty()
    }
    /// Calls each listener. A panic in one is dropped with what it carried.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        for listener in &self.listeners {
            crate::error::contain(|| listener.event(self.heap, event));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_are_told_although_one_panics() {
        let told = Arc::new(AtomicU64::new(0));
        let mut events = Events { heap: 7, ..Events::default() };
        assert!(!events.are_heard());
        let panics = |_: u64, _: &Event<'_>| std::panic::resume_unwind(Box::new("no"));
        events.add(Arc::new(panics));
        let seen = told.clone();
        let adds = move |heap: u64, event: &Event<'_>| {
            if let Event::PhaseBegin { cycle, phase: Phase::Mark } = event {
                seen.fetch_add(heap * cycle, Ordering::Relaxed);
            }
        };
        events.add(Arc::new(adds));
        events.tell(&Event::PhaseBegin { cycle: 3, phase: Phase::Mark });
        assert_eq!(told.load(Ordering::Relaxed), 21);
    }
}
