#![forbid(unsafe_code)]
//! The one door through which events leave a heap.
//!
//! 1. The collector calls [`Events::tell`] at the steps of a cycle. Without a listener that is two
//!    branches.
//! 2. Each [`EventListener`] of the heap is called in turn, on the collector's thread, outside of
//!    every lock.
//! 3. A listener that panics is counted, and the collector goes on.
//!
//! The trace on standard error ([`super::gctrace`]) and the exporters are listeners. A timeline
//! that is recorded ([`super::timeline`]) hears the same events, and so do probes
//! ([`super::probe`]). The door is the one of whippet's `gc-event-listener.h`: one callback for
//! each moment, and empty by default.

use super::event::{Event, EventListener};
use super::probe;
use super::sample::Sampling;
use super::timeline::Timeline;
use crate::sync::Arc;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::word::HeapNumber;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Heaps that there have been in this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The listeners of one heap.
#[derive(Clone, Default)]
pub(crate) struct Events {
    /// The heap's number in its process.
    pub(crate) heap: HeapNumber,
    /// The samples that are taken from the start: how many, and who is told.
    pub(crate) sampling: Option<Sampling>,
    listeners: Vec<Arc<dyn EventListener>>,
    /// Made for each heap.
    pub(crate) timeline: Arc<Timeline>,
}

// The panic of a listener ends in `tell`, and its state is its own affair.
impl UnwindSafe for Events {}
impl RefUnwindSafe for Events {}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events(heap {:?}, {} listeners)", self.heap, self.listeners.len())
    }
}

impl Events {
    /// The events of the next heap of the process. The `first` listener is told before the others.
    pub(crate) fn of_next_heap(mut self, first: Option<Arc<dyn EventListener>>) -> Events {
        self.heap = HeapNumber::new(NUMBER.fetch_add(1, Ordering::Relaxed) + 1);
        self.timeline = Arc::default();
        self.listeners.splice(0..0, first);
        self
    }
    pub(crate) fn add(&mut self, listener: Arc<dyn EventListener>) {
        self.listeners.push(listener);
    }
    /// Whether an event reaches a listener: whether it is worth making.
    pub(crate) fn are_heard(&self) -> bool {
        !self.listeners.is_empty() || self.timeline.is_on() || probe::ARE_IN
    }
    /// Calls each listener. A panic in one is dropped with what it carried.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        probe::event(self.heap, event);
        if self.timeline.is_on() {
            self.timeline.hear(event);
        }
        for listener in &self.listeners {
            crate::error::contain(|| listener.event(self.heap.get(), event));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::event::Phase;
    use super::*;

    #[test]
    fn all_listeners_are_told_although_one_panics() {
        let told = Arc::new(AtomicU64::new(0));
        let mut events = Events { heap: HeapNumber::new(7), ..Events::default() };
        assert_eq!(events.are_heard(), probe::ARE_IN);
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
