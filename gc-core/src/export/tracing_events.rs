#![forbid(unsafe_code)]
//! The heap's events as spans and events of the `tracing` crate.
//!
//! | in `tracing` | level | fields |
//! |---|---|---|
//! | span `gc_cycle` | info | `heap`, `cycle` |
//! | span `gc_phase`, inside of it | debug | `phase` |
//! | event `handshake` | debug | `phase`, `threads`, `time_us`, `complete`, and of a straggler `straggler`, `thread`, `wait_us`, `place` |
//! | event `cycle` | info | `heap`, `cycle`, `marked_objects`, `rounds`, `live_bytes`, `goal_bytes`, `heap_start_bytes`, `heap_end_bytes`, `prep_us`, `mark_us`, `cross_us`, `sweep_us`, `undropped_objects` |
//! | event `slow destructor` | warn | `heap`, `type_name`, `objects`, `bytes` |

use crate::observe::{CycleReport, Event, EventListener, Handshake};
use crate::sync::Mutex;
use std::time::Duration;
use tracing::{Dispatch, Span, debug, debug_span, info, info_span, warn};

/// Sends the heap's events to the `tracing` crate, with the target `gc_core` (feature `tracing`).
///
/// Each cycle is a span `gc_cycle` with a span `gc_phase` for each phase inside. The collector's
/// thread enters both, so what a `trace` logs stands inside them. One listener serves one heap. The
/// subscriber is the process's, as the collector has threads of its own; or the one given to
/// [`with_dispatch`](Self::with_dispatch).
///
/// ```
/// use gc_core::{Heap, TracingEvents};
/// let heap = Heap::builder().event_listener(TracingEvents::new()).build()?;
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Default)]
pub struct TracingEvents {
    dispatch: Option<Dispatch>,
    /// The spans of the cycle and of its phase that are entered.
    open: Mutex<Vec<Span>>,
}

impl TracingEvents {
    /// For the subscriber of the process.
    #[must_use]
    pub fn new() -> TracingEvents {
        TracingEvents::default()
    }
    /// For a subscriber of its own.
    ///
    /// ```
    /// use gc_core::{Heap, TracingEvents};
    /// use tracing::{Dispatch, subscriber::NoSubscriber};
    /// let events = TracingEvents::with_dispatch(Dispatch::new(NoSubscriber::default()));
    /// let heap = Heap::builder().event_listener(events).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_dispatch(dispatch: Dispatch) -> TracingEvents {
        TracingEvents { dispatch: Some(dispatch), open: Mutex::default() }
    }

    /// Enters a span until [`close`](Self::close).
    fn open(&self, span: Span) {
        span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        self.open.lock().push(span);
    }
    /// Exits and ends the span that was opened last.
    fn close(&self) {
        let span = self.open.lock().pop();
        if let Some(span) = span {
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        }
    }

    fn tell(&self, heap: u64, event: &Event<'_>) {
        match *event {
            Event::CycleBegin { cycle, .. } => {
                self.open(info_span!(target: "gc_core", "gc_cycle", heap, cycle));
            }
            Event::PhaseBegin { phase, .. } => {
                self.open(debug_span!(target: "gc_core", "gc_phase", phase = phase.name()));
            }
            Event::PhaseEnd { .. } => self.close(),
            Event::Handshake(handshake) => tell_handshake(handshake),
            Event::CycleEnd(report) => {
                tell_cycle(report);
                self.close();
            }
            Event::SlowDestructor { type_name, objects, bytes } => {
                warn!(target: "gc_core", heap, type_name, objects, bytes, "slow destructor");
            }
        }
    }
}

impl EventListener for TracingEvents {
    fn event(&self, heap: u64, event: &Event<'_>) {
        match &self.dispatch {
            Some(dispatch) => {
                tracing::dispatcher::with_default(dispatch, || self.tell(heap, event));
            }
            None => self.tell(heap, event),
        }
    }
}

fn us(time: Duration) -> u64 {
    time.as_micros() as u64
}

fn tell_handshake(of: &Handshake) {
    let straggler = of.straggler.as_ref();
    debug!(
        target: "gc_core",
        phase = of.phase.name(),
        threads = of.threads,
        time_us = us(of.time),
        complete = of.is_complete,
        straggler = straggler.and_then(|of| of.name.as_deref()),
        thread = straggler.map(|of| of.thread),
        wait_us = straggler.map(|of| us(of.wait)),
        place = straggler.and_then(|of| of.place).map(tracing::field::display),
        "handshake"
    );
}

fn tell_cycle(of: &CycleReport) {
    info!(
        target: "gc_core",
        heap = of.heap,
        cycle = of.cycle,
        marked_objects = of.marked_objects,
        rounds = of.rounds,
        live_bytes = of.live_bytes,
        goal_bytes = of.goal_bytes,
        heap_start_bytes = of.heap_start_bytes,
        heap_end_bytes = of.heap_end_bytes,
        prep_us = us(of.prep),
        mark_us = us(of.mark),
        cross_us = us(of.cross),
        sweep_us = us(of.sweep),
        undropped_objects = of.undropped_objects,
        "cycle"
    );
}
