#![forbid(unsafe_code)]
//! The limits of a heap while it runs: methods of [`Heap`] and [`Mutation`] that change them and
//! ask about them.

use super::builder::HeapBuilder;
use super::heap::Heap;
use super::mutation::Mutation;
use crate::config::Settings;
use crate::error::ConfigError;
use crate::mutator::Core;
use crate::observe::Pressure;
use crate::observe::pressure::ListenerId;
use crate::sync::Arc;
use crate::word::{Blocks, Bytes};
use std::fmt;
use std::time::Duration;

/// The limits that a heap is built with.
impl HeapBuilder {
    /// Soft limit in bytes (none) of spans and [`External`](crate::External) memory. As the heap
    /// nears it, cycles start earlier than `gc_percent` asks. These cycles may take at most 50 % of
    /// the process's CPU time, with a burst allowance of 0.2 s. Beyond that the heap grows over the
    /// limit. At least 1 MiB.
    ///
    /// Over 17/16 of the limit, allocation is paced by what cycles free. A thread that needs fresh
    /// blocks then waits before its next `mutate` until a cycle ends, at most 10 ms for each block.
    /// Over 11/10 it waits at most 100 ms. Free slots of spans in use cost no wait, and no
    /// allocation is refused. The waits are [`PauseKind::Stall`](crate::PauseKind::Stall). Free
    /// blocks over the limit go back to the system at once, but for a tenth of the limit that was
    /// in use in the last 0.2 s. The limit bounds neither live bytes nor what one `mutate`
    /// allocates.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.config.memory_limit = bytes;
        self
    }
    /// A [`memory_limit`](Self::memory_limit) of `percent` of what the process's cgroup allows;
    /// none if there is no such limit. That is a container's limit, of versions 1 and 2, with
    /// `memory.high` where it is set; Linux only. It is read again with each cycle, and once a
    /// second while the heap is used. If both limits are set, the smaller one holds. 1 to 100.
    ///
    /// Memory that the process takes beside the heap is subtracted, as far as the system reports
    /// it: side tables, and what `malloc` keeps. The heap keeps at least half of its part.
    ///
    /// The same call sets a [`heap_limit`](Self::heap_limit) for the heap, that memory and
    /// `External` memory together, half-way between `percent` and 100 %. With 80 %, an allocation
    /// above 90 % is an error, and the process is not killed.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().cgroup_memory_limit(80).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn cgroup_memory_limit(mut self, percent: u32) -> Self {
        self.config.cgroup_percent = Some(percent);
        self
    }
    /// Hard limit in bytes of spans (none). An allocation that would exceed it is an
    /// [`AllocError`](crate::AllocError), at once. At least 1 MiB.
    ///
    /// Above 15/16 of the limit, a thread that needs fresh blocks may wait before its next `mutate`
    /// for the end of a cycle. It waits if it allocates with a form that panics
    /// ([`Gc::new`](crate::Gc::new)); threads that use the `try_` forms do not
    /// ([`stall`](Self::stall)). After a wait the thread gets some blocks before it waits again. If
    /// most of the heap is live, the threads that allocate share half of what is left. So a heap
    /// that fills up for good is refused a block after some ten cycles. Free slots of spans in use
    /// are not limited.
    pub fn heap_limit(mut self, bytes: usize) -> Self {
        self.config.heap_limit = bytes;
        self
    }
    /// The longest time that a thread may wait near the [`heap_limit`](Self::heap_limit), before a
    /// `mutate`, for the end of a cycle. The default is 5 s for threads that allocate with forms
    /// that panic, and no wait for those that use the `try_` forms. A time set here holds for both.
    /// A wait ends when its cycle makes no progress for 0.1 s because some thread stays inside
    /// `mutate`. The waits are [`PauseKind::Stall`](crate::PauseKind::Stall).
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = gc_core::Heap::builder().heap_limit(64 << 20);
    /// let heap = builder.stall(Duration::from_millis(20)).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn stall(mut self, time: Duration) -> Self {
        self.config.stall = Some(time);
        self
    }
}

impl Heap {
    /// Changes [`gc_percent`](crate::HeapBuilder::gc_percent). The collector plans with it within a
    /// few milliseconds, or after the cycle that runs.
    ///
    /// # Errors
    ///
    /// Out of range, as in the builder. Then the old value stays.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.set_gc_percent(50)?;
    /// assert!(heap.set_gc_percent(0).unwrap_err().to_string().starts_with("gc_percent is 0"));
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn set_gc_percent(&self, percent: u32) -> Result<(), ConfigError> {
        self.change(|settings| settings.gc_percent = percent)
    }

    /// Changes [`memory_limit`](crate::HeapBuilder::memory_limit) (bytes; `usize::MAX` is none).
    /// The collector plans with it within a few milliseconds, or after the cycle that runs. A heap
    /// above the new limit stays above it at first: cycles start, and idle blocks go back.
    ///
    /// # Errors
    ///
    /// Out of range, as in the builder. Then the old value stays.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.set_memory_limit(512 << 20)?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn set_memory_limit(&self, bytes: usize) -> Result<(), ConfigError> {
        self.change(|settings| settings.memory_limit = bytes)
    }

    /// Changes [`heap_limit`](crate::HeapBuilder::heap_limit) (bytes; `usize::MAX` is none). A heap
    /// larger than the new limit keeps what it has, and gets no fresh blocks until it is smaller.
    ///
    /// # Errors
    ///
    /// Out of range, or smaller than `min_heap`, as in the builder. Then the old value stays.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.set_heap_limit(1 << 30)?;
    /// assert!(heap.set_heap_limit(2 << 20).is_err(), "smaller than min_heap");
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn set_heap_limit(&self, bytes: usize) -> Result<(), ConfigError> {
        self.change(|settings| settings.heap_limit = bytes)?;
        // The collector would do this soon, and it reads the container's limit too.
        self.core().space.pages.set_limit(Blocks::within(Bytes::of(bytes)));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) -> Result<(), ConfigError> {
        let core = self.core();
        core.limits.change(|settings| {
            change(settings);
            core.config.check_with(*settings)
        })?;
        core.control.poke();
        Ok(())
    }

    /// Keeps cycles from starting by themselves, for a phase of a program that needs every core. It
    /// ends when the guard is dropped, or when [`Stats::paced_bytes`](crate::Stats::paced_bytes)
    /// reaches `max_bytes`. With several guards the smallest bound counts.
    ///
    /// Cycles that are asked for still run: by [`collect`](Heap::collect), and by threads that wait
    /// at a limit. A cycle that runs already goes on to its end.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().min_heap(1 << 20).build()?;
    /// let pause = heap.pause_collection(64 << 20);
    /// let before = heap.stats().cycles;
    /// (0..100).for_each(|_| heap.mutate(|mc| { gc_core::Gc::from_slice(mc, &[0u8; 100_000]); }));
    /// assert!(heap.stats().cycles <= before + 1);
    /// drop(pause);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn pause_collection(&self, max_bytes: usize) -> CollectionPause {
        let core = self.core().clone();
        let bytes = Bytes::of(max_bytes);
        core.limits.pause(bytes);
        CollectionPause { core, bytes }
    }

    /// Calls `call` after each cycle that leaves memory short, until the guard is dropped. So a
    /// cache can evict before an allocation is refused. Memory is short when more than 7/8 of what
    /// is allowed is live. It is short, too, when more is in use than the lines of the limits allow
    /// freely (`docs/TUNING.md`).
    ///
    /// `call` runs on the collector's thread, outside of `mutate`. It may use the heap, but the
    /// next cycle waits for it, so keep it short. A panic in it is caught and counted
    /// ([`Stats::pressure_panics`](crate::Stats::pressure_panics)). When the guard is dropped,
    /// `call` may be running for the last time. It must not hold a `Heap`, which would then never
    /// end.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Root};
    /// use std::sync::{Arc, Mutex};
    /// let heap = Heap::builder().heap_limit(8 << 20).build()?;
    /// let cache = Arc::new(Mutex::new(Vec::<Root<[u8; 4096]>>::new()));
    /// let evicted = cache.clone();
    /// let guard = heap.on_pressure(move |_| drop(evicted.lock().map(|mut cache| cache.clear())));
    /// for _ in 0..10_000 {
    ///     let page = heap.mutate(|mc| Gc::try_new(mc, [0u8; 4096]).map(|page| Gc::root(page,
    ///     mc))); page.into_iter().for_each(|page| cache.lock().unwrap().push(page));
    /// }
    /// drop(guard);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn on_pressure(&self, call: impl Fn(Pressure) + Send + Sync + 'static) -> OnPressure {
        let core = self.core().clone();
        let id = core.listeners.add(Arc::new(call));
        OnPressure { core, id }
    }
}

impl Mutation<'_> {
    /// Returns whether memory was short at the last look, for the cost of one load. Two places
    /// look: a thread that needs fresh blocks, and the collector at the end of a cycle (when it
    /// also calls [`on_pressure`](Heap::on_pressure)).
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().heap_limit(4 << 20).build()?;
    /// heap.mutate(|mc| {
    ///     assert!(!mc.is_near_limit());
    ///     while gc_core::Gc::try_new(mc, [0u8; 1000]).is_ok() {}
    ///     assert!(mc.is_near_limit());
    /// });
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_near_limit(&self) -> bool {
        self.record().core().limits.is_near()
    }
}

/// Keeps cycles from starting by themselves while it lives; from [`Heap::pause_collection`].
#[must_use = "collection goes on when this is dropped"]
pub struct CollectionPause {
    core: Arc<Core>,
    bytes: Bytes,
}

impl Drop for CollectionPause {
    fn drop(&mut self) {
        self.core.limits.resume(self.bytes);
        self.core.control.poke();
    }
}

impl fmt::Debug for CollectionPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionPause(below {:?} bytes)", self.bytes)
    }
}

/// A registration with [`Heap::on_pressure`], which ends when this is dropped.
#[must_use = "the registration ends when this is dropped"]
pub struct OnPressure {
    core: Arc<Core>,
    id: ListenerId,
}

impl Drop for OnPressure {
    fn drop(&mut self) {
        self.core.listeners.remove(self.id);
    }
}

impl fmt::Debug for OnPressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnPressure({})", self.id.0)
    }
}
