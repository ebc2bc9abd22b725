#![forbid(unsafe_code)]
//! What can be changed, and asked, about a heap's limits while it runs: methods of [`Heap`] and
//! [`Mutation`].

use crate::config::{BLOCK, Settings};
use crate::error::ConfigError;
use crate::mutation::{Heap, Mutation};
use crate::mutator::Core;
use crate::observe::Pressure;
use crate::sync::Arc;
use std::fmt;

impl Heap {
    /// Changes [`gc_percent`](crate::HeapBuilder::gc_percent) from now on: the collector plans with
    /// it within a few milliseconds, or after the cycle that runs.
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

    /// Changes [`memory_limit`](crate::HeapBuilder::memory_limit) (bytes; `usize::MAX` is none)
    /// from now on: the collector plans with it within a few milliseconds, or after the cycle that
    /// runs. A heap that is over the new limit is over it at first: cycles start, and idle blocks
    /// go back.
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

    /// Changes [`heap_limit`](crate::HeapBuilder::heap_limit) (bytes; `usize::MAX` is none) from
    /// now on. A heap that is larger than the new limit keeps what it has, and gets no fresh blocks
    /// until it is smaller.
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
        // The collector would do it soon, and looks at the container too.
        self.core().space.pages.set_limit(bytes / BLOCK);
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

    /// Lets no cycle start by itself until the guard is dropped, or the heap
    /// ([`Stats::paced_bytes`](crate::Stats::paced_bytes)) has grown to `max_bytes`: for a phase of
    /// a program that should have every core to itself. With several guards the smallest bound
    /// counts.
    ///
    /// What is asked for still comes: [`collect`](Heap::collect), and cycles that threads wait for
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
        core.limits.pause(max_bytes as u64);
        CollectionPause { core, bytes: max_bytes as u64 }
    }

    /// Has `call` called after each cycle that leaves memory short, until the guard is dropped:
    /// more than 7/8 of what is allowed is live, or more is in use than the limits' lines let pass
    /// freely (`docs/TUNING.md`). So a cache can evict before an allocation is refused.
    ///
    /// It runs on the collector's thread, outside of `mutate`: it may use the heap, but the next
    /// cycle waits for it, so let it be short. A panic in it is caught and counted
    /// ([`Stats::pressure_panics`](crate::Stats::pressure_panics)). When the guard is dropped it
    /// may be running for the last time. Let it not hold a `Heap`: that would never end.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Root};
    /// use std::sync::{Arc, Mutex};
    /// let heap = Heap::builder().heap_limit(8 << 20).build()?;
    /// let cache = Arc::new(Mutex::new(Vec::<Root<[u8; 4096]>>::new()));
    /// let evicted = cache.clone();
    /// let guard = heap.on_pressure(move |_| drop(evicted.lock().map(|mut cache| cache.clear())));
    /// for _ in 0..10_000 {
    ///     let page = heap.mutate(|mc| Gc::try_new(mc, [0; 4096]).map(|page| Gc::root(page, mc)));
    ///     page.into_iter().for_each(|page| cache.lock().unwrap().push(page));
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
    /// Whether memory was short when somebody last looked: a thread that needed fresh blocks, or
    /// the collector at the end of a cycle (when it also calls [`on_pressure`](Heap::on_pressure)).
    /// One load.
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

/// Cycles do not start by themselves while this lives; from [`Heap::pause_collection`].
#[must_use = "collection goes on when this is dropped"]
pub struct CollectionPause {
    core: Arc<Core>,
    bytes: u64,
}

impl Drop for CollectionPause {
    fn drop(&mut self) {
        self.core.limits.resume(self.bytes);
        self.core.control.poke();
    }
}

impl fmt::Debug for CollectionPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionPause(below {} bytes)", self.bytes)
    }
}

/// A registration with [`Heap::on_pressure`], which ends when this is dropped.
#[must_use = "the registration ends when this is dropped"]
pub struct OnPressure {
    core: Arc<Core>,
    id: u64,
}

impl Drop for OnPressure {
    fn drop(&mut self) {
        self.core.listeners.remove(self.id);
    }
}

impl fmt::Debug for OnPressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnPressure({})", self.id)
    }
}
