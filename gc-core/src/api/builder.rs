#![forbid(unsafe_code)]
//! Making a heap: its settings ([`HeapBuilder`]), its parts, and its threads.

use super::heap::{Heap, Inner};
use crate::collector::limits::Keeper;
use crate::collector::{Collector, marker_thread};
use crate::config::Config;
use crate::error::ConfigError;
use crate::heap::Space;
use crate::mark::Marking;
use crate::mark::worker::Marker;
use crate::mutator::Core;
use crate::observe::clock;
use crate::observe::door::Events;
use crate::observe::gctrace::Stderr;
use crate::pacing::Pacer;
use crate::platform::thread::{pin_marker, with_signals_blocked};
use crate::sync::{Arc, Mutex, Ordering, thread};
use crate::word::Bytes;
use crossbeam_deque::Worker;
use std::time::Duration;

impl Default for Heap {
    #[track_caller]
    fn default() -> Self {
        Heap::new()
    }
}

impl Heap {
    /// A heap with the default configuration.
    ///
    /// # Panics
    ///
    /// If the system refuses the address space or the threads; [`HeapBuilder::build`] returns that
    /// as an error.
    #[must_use]
    #[track_caller]
    pub fn new() -> Heap {
        match Heap::builder().build() {
            Ok(heap) => heap,
            Err(error) => panic!("the heap could not be made: {error}"),
        }
    }

    /// A builder to configure a heap.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().gc_percent(50).min_heap(1 << 20).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn builder() -> HeapBuilder {
        HeapBuilder { config: Config::default(), events: Events::default() }
    }
}

/// The settings of a heap, each with its default; [`build`](Self::build) checks them.
///
/// ```
/// use gc_core::{ConfigError, Heap};
/// let error = Heap::builder().markers(0).build().unwrap_err().to_string();
/// assert_eq!(error, "markers is 0 threads, but must be between 1 and 256 threads");
/// let builder = Heap::builder().gc_percent(50).min_heap(1 << 20).reserve(1 << 30).markers(1);
/// let builder = builder.memory_limit(128 << 20).heap_limit(256 << 20).scavenge_rate(16 << 20);
/// let heap = builder.gc_trace(false).stop_the_world(false).pin_markers(false).build()?;
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct HeapBuilder {
    pub(crate) config: Config,
    pub(crate) events: Events,
}

impl HeapBuilder {
    /// How much the heap may grow over its live bytes until the next cycle ends, in percent (100).
    /// Larger is faster and takes more memory. 1 to 100,000.
    pub fn gc_percent(mut self, percent: u32) -> Self {
        self.config.gc_percent = percent;
        self
    }
    /// The least goal of a cycle in bytes (4 MiB): a heap may always grow to it. At least 16 KiB.
    pub fn min_heap(mut self, bytes: usize) -> Self {
        self.config.min_heap = bytes;
        self
    }
    /// Number of marker threads (a quarter of the cores, at least one). The first is the
    /// collector's thread. 1 to 256.
    pub fn markers(mut self, markers: usize) -> Self {
        self.config.markers = markers;
        self
    }
    /// Bytes of address space for the heap. The default is 64 GiB for the first 16 heaps of a
    /// process, 16 GiB for the next 240, and 4 GiB for more. If the system refuses, the size is
    /// halved until it agrees; [`Stats::reserved_bytes`](crate::Stats::reserved_bytes) is the
    /// result. Address space is no memory and counts as none: it is opened as the heap grows.
    /// At least 16 MiB.
    pub fn reserve(mut self, bytes: usize) -> Self {
        self.config.reserve = Some(bytes);
        self
    }
    /// Whether every thread waits at the start of [`mutate`](Heap::mutate) while the collector
    /// marks, as in a stop-the-world collector (`GC_STW=1` in the environment; no). For debugging
    /// and comparison: a failure in this mode is not the write barrier's fault. The waits are
    /// [`PauseKind::Stop`](crate::PauseKind::Stop).
    ///
    /// A thread that stays inside `mutate` for a second makes its cycle go on without the stop.
    pub fn stop_the_world(mut self, on: bool) -> Self {
        self.config.stop_the_world = on;
        self
    }
    /// Whether to bind the markers to the last cores, one each (no). For measurements; Linux only.
    pub fn pin_markers(mut self, on: bool) -> Self {
        self.config.pin_markers = on;
        self
    }

    /// Most bytes a second of free blocks that the collector gives back to the system by itself (64
    /// MiB; 0: none). It keeps what the heap needs to reach its goal, and what the last two cycles
    /// needed. So in a steady state nothing is given back, and after a burst everything above the
    /// goal is.
    /// [`release_free_memory`](Heap::release_free_memory) gives everything back at once.
    pub fn scavenge_rate(mut self, bytes_per_second: usize) -> Self {
        self.config.scavenge_rate = bytes_per_second;
        self
    }
    /// How long a heap must rest before the collector runs a cycle by itself, and once more after
    /// the same time (5 s; [`Duration::MAX`]: never). A heap rests when it allocates nothing and
    /// drops no roots. A heap with too little use to reach its trigger gets a cycle after four
    /// times as long. Such cycles take at most 2 % of a core. At least 1 ms.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// let heap = gc_core::Heap::builder().idle_after(Duration::from_millis(10)).build()?;
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// let begin = Instant::now();
    /// while heap.stats().freed_objects == 0 && begin.elapsed() < Duration::from_secs(10) {
    ///     std::thread::sleep(Duration::from_millis(10));
    /// }
    /// assert_eq!(heap.stats().live_objects, 0);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn idle_after(mut self, time: Duration) -> Self {
        self.config.idle_after = time;
        self
    }
    /// Gives all free memory back all the time, for the checkers: each fresh block is memory that
    /// was given away.
    #[cfg(any(gc_verify, shuttle))]
    #[doc(hidden)]
    pub fn scavenge_all(mut self) -> Self {
        self.config.scavenge_all = true;
        self
    }

    /// Makes the heap and starts its threads.
    ///
    /// # Errors
    ///
    /// A setting out of range or two that contradict each other; no address space; no thread.
    pub fn build(self) -> Result<Heap, ConfigError> {
        let HeapBuilder { config, events } = self;
        config.check()?;
        let events = events.of_next_heap(Stderr::of_level(config.gc_trace));
        clock::start();
        let space = Space::new(&config)?;
        let workers: Vec<Worker<_>> = (0..config.markers).map(|_| Worker::new_lifo()).collect();
        let marking = Marking::new(workers.iter().map(Worker::stealer).collect());
        let markers = config.markers;
        let (pin, stack) = (config.pin_markers, config.stack_size);
        let least = config.min_heap;
        let core = Arc::new(Core::new(config, events, space, marking));
        let keeper = Keeper::new(&core);
        let pacer = Pacer::new(Bytes::of(least), keeper.planned());
        core.credit.adopt(pacer.first(), Bytes::ZERO);
        let heap =
            Heap { inner: Arc::new(Inner { core: core.clone(), threads: Mutex::new(Vec::new()) }) };
        // Relaxed: a thread that pins has got a handle from here.
        let handles = Arc::as_ptr(&heap.inner).cast_mut();
        core.handles.store(handles.cast(), Ordering::Relaxed);
        let spawn = |name: String, body: Box<dyn FnOnce() + Send>| {
            // On failure `heap` is dropped, which stops the threads started so far.
            let builder = thread::Builder::new().name(name);
            // A schedule's stacks are not the system's.
            let builder = if cfg!(shuttle) { builder } else { builder.stack_size(stack) };
            let thread = with_signals_blocked(|| builder.spawn(body))
                .map_err(|e| ConfigError::Thread { os: e.to_string() })?;
            heap.inner.threads.lock().push(thread);
            Ok(())
        };
        let mut workers = workers.into_iter();
        let own = workers.next().expect("at least one marker");
        let collector = Collector::new(core.clone(), Marker::new(&core.space, own), pacer, keeper);
        spawn(
            "gc".into(),
            Box::new(move || {
                pin_marker(pin, 0);
                collector.run();
            }),
        )?;
        for (i, own) in (1..markers).zip(workers) {
            let core = core.clone();
            let marker = Marker::new(&core.space, own);
            let body = move || {
                pin_marker(pin, i);
                marker_thread(&core, marker);
            };
            spawn(format!("gc-mark-{i}"), Box::new(body))?;
        }
        Ok(heap)
    }
}
