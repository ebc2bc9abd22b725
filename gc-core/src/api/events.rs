#![forbid(unsafe_code)]
//! Hearing what the collector does: methods of [`HeapBuilder`] and [`Heap`].

use super::builder::HeapBuilder;
use super::heap::Heap;
use crate::config::TraceLevel;
use crate::observe::EventListener;
use crate::sync::Arc;

impl HeapBuilder {
    /// Whether to print one line a cycle on standard error, as `GC_TRACE=1` in the environment
    /// does. `docs/TUNING.md` explains each field; [`CycleReport`](crate::CycleReport) has them as
    /// values.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().gc_trace(true).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn gc_trace(mut self, on: bool) -> Self {
        self.config.gc_trace = if on { TraceLevel::Cycles } else { TraceLevel::Off };
        self
    }
    /// Whether to print a line for each handshake too, as `GC_TRACE=2` in the environment does. It
    /// has the handshake's time, and which call of `mutate` it waited for.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().gc_trace_handshakes(true).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn gc_trace_handshakes(mut self, on: bool) -> Self {
        let less = self.config.gc_trace.min(TraceLevel::Cycles);
        self.config.gc_trace = if on { TraceLevel::Handshakes } else { less };
        self
    }
    /// Has `listener` told what the collector does, beside those given before. It costs a call for
    /// each event, some twenty a cycle, and nothing on the program's threads.
    /// [`EventListener`] has an example.
    ///
    /// ```
    /// use gc_core::{Event, Heap};
    /// let print = |heap: u64, event: &Event<'_>| println!("heap {heap}: {event:?}");
    /// let heap = Heap::builder().event_listener(print).build()?;
    /// heap.collect().unwrap();
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn event_listener(mut self, listener: impl EventListener + 'static) -> Self {
        self.events.add(Arc::new(listener));
        self
    }
}

impl Heap {
    /// The heap's number in this process, from 1: what the trace and events call it.
    ///
    /// ```
    /// use gc_core::Heap;
    /// assert!(Heap::new().number() < Heap::new().number());
    /// ```
    #[must_use]
    pub fn number(&self) -> u64 {
        self.core().events.heap.get()
    }
}
