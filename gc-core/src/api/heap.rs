//! [`Heap`], the handle: its state, its end, asking for a cycle, and what it says of itself.

use crate::collector::dropper;
use crate::error::CollectError;
use crate::mutator::{Core, on_collector_thread};
use crate::observe::{ClassStats, Pauses, Stats};
use crate::sync::thread::JoinHandle;
use crate::sync::{Arc, Mutex};
use std::fmt;
use std::time::Duration;

/// A garbage-collected heap: a cheap-to-clone handle, `Send` and `Sync`. Many heaps may live in one
/// process.
///
/// When the last handle (a [`Mutator`](crate::Mutator) is one) is dropped, the heap ends. No cycle
/// runs any more, and the heap's drop thread drops every object that is left. The drop of the
/// handle waits for that, for at most five seconds
/// ([`HeapBuilder::end_timeout`](crate::HeapBuilder::end_timeout)); then destructors go on by
/// themselves. It does not wait if a destructor runs it. [`shutdown`](Self::shutdown) waits as long
/// as the program says and returns what is left. [`leak`](Self::leak) runs no destructor.
/// [`Root`](crate::Root)s do not keep a heap. A handle inside an object of its own heap does: such
/// a heap never ends.
///
/// # Destructors
///
/// A cycle finds dead objects; a thread of its own drops them later (or the thread that drains a
/// [`DropQueue`](crate::DropQueue)). No [`collect`](Self::collect) waits for a destructor. A cycle
/// that no thread asked for waits for quick destructors, for at most 0.1 s. So a destructor may
/// take locks, sleep, use this heap and call [`collect`](Self::collect). If a destructor never
/// returns, the heap goes on. But no object that waits behind it is dropped, and their memory stays
/// taken. [`drain_drops`](Self::drain_drops) waits for destructors. [`stats`](Self::stats) counts
/// what waits, and names a destructor that runs for more than a second.
///
/// # Fork
///
/// After a `fork` the child has the heap as it was, without a collector: threads are not copied.
/// The child can read, change and allocate until the limit is reached; nothing is freed.
/// [`collect`](Self::collect) returns [`CollectError::AfterFork`]. Dropping the last handle runs no
/// destructors and gives no memory back. A heap that the child makes itself is whole. A lock of the
/// heap that another thread held at the `fork` stays held in the child. So fork when no cycle runs,
/// no object waits to be dropped and no other thread is inside [`mutate`](Self::mutate). Or let the
/// child only `exec`, as `std::process::Command` does. The parent is not affected.
///
/// ```
/// use gc_core::{Gc, Heap};
/// let heap = Heap::new();
/// let sum = heap.mutate(|mc| *Gc::new(mc, 20) + *Gc::new(mc, 22));
/// assert_eq!(sum, 42);
/// ```
#[derive(Clone)]
pub struct Heap {
    pub(crate) inner: Arc<Inner>,
}

/// The state that lives as long as there are handles.
pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    /// The collector's.
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.core.control.is_orphaned() {
            // After a fork there are no threads to stop, and a thread of another process cannot be
            // joined.
            std::mem::forget(std::mem::take(&mut *self.threads.lock()));
            return;
        }
        self.end(self.core.config.end_timeout);
    }
}

impl Inner {
    /// Ends the heap, and waits for at most `time` until all objects are dropped. Returns whether
    /// they are. A second call has no effect.
    pub(crate) fn end(&self, time: Duration) -> bool {
        let core = &self.core;
        let threads = std::mem::take(&mut *self.threads.lock());
        if threads.is_empty() {
            // The heap has ended before, or had not begun.
            return core.drops.objects() == 0;
        }
        let is_done = dropper::end(core, threads, time);
        if is_done && core.drops.is_over() {
            // SAFETY: INV-10: the last handle is gone, the collector's threads and the drop thread
            // have ended, and nothing waits in a queue of the program's.
            unsafe { core.unmap() };
        }
        is_done
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("stats", &self.stats()).finish()
    }
}

impl Heap {
    /// Runs a full cycle that begins after this call, and returns after its sweep. Objects that are
    /// unreachable at the call are found dead, and freed if they have no destructor. Destructors
    /// run later, on a thread of their own; [`drain_drops`](Self::drain_drops) waits for them.
    ///
    /// Do not call it on a scoped thread that this thread waits for inside `mutate`. The cycle
    /// would wait for the pin, and the pin for the cycle.
    ///
    /// # Errors
    ///
    /// Inside `mutate` of this heap, or on a collector thread, it would wait for itself. In the
    /// child of a `fork` there is no collector to wait for. A destructor of a dead object may call
    /// it.
    ///
    /// ```
    /// use gc_core::{CollectError, Gc, Heap};
    /// let heap = Heap::new();
    /// heap.mutate(|mc| Gc::new(mc, String::from("garbage")).len());
    /// heap.collect()?;
    /// assert_eq!(heap.stats().live_objects, 0);
    /// assert_eq!(heap.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
    /// # Ok::<(), CollectError>(())
    /// ```
    pub fn collect(&self) -> Result<(), CollectError> {
        if on_collector_thread() {
            return Err(CollectError::OnCollectorThread);
        }
        let core = &self.inner.core;
        if core.control.is_orphaned() {
            return Err(CollectError::AfterFork);
        }
        if core.is_pinned_here() {
            return Err(CollectError::InsideMutate);
        }
        core.control.collect();
        Ok(())
    }

    /// Gives the memory of free blocks back to the system, and returns how many bytes it was.
    ///
    /// After [`collect`](Self::collect), spans with live objects are what is left.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.mutate(|mc| { gc_core::Gc::from_slice(mc, &[0u8; 1 << 20]); });
    /// heap.collect().unwrap();
    /// assert!(heap.release_free_memory() >= 1 << 20);
    /// ```
    pub fn release_free_memory(&self) -> usize {
        self.inner.core.space.release_all()
    }

    /// The heap's shared state.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// The heap's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.core.stats()
    }

    /// What each class of spans takes, and what of that its objects fill, in the order of first
    /// use. A class is a type, its arrays of about one length, or data without pointers of about
    /// one size. Looks at every span: a millisecond or two for a gigabyte. What changes meanwhile
    /// may be counted twice or not at all.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let kept = heap.mutate(|mc| gc_core::Gc::root(gc_core::Gc::new(mc, vec![1, 2, 3]), mc));
    /// heap.collect().unwrap();
    /// let mut classes = heap.classes();
    /// classes.sort_by_key(|class| std::cmp::Reverse(class.waste_bytes()));
    /// classes.iter().take(5).for_each(|class| println!("{class}"));
    /// let is_kept = |c: &gc_core::ClassStats| c.type_name.contains("Vec") && c.live_objects == 1;
    /// assert!(classes.iter().any(is_kept));
    /// # let _: &gc_core::Root<Vec<i32>> = &kept;
    /// ```
    #[must_use]
    pub fn classes(&self) -> Vec<ClassStats> {
        self.inner.core.census().classes
    }

    /// How long mutators were interrupted, by kind, since the heap was made.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
    /// assert!(heap.pauses().of(gc_core::PauseKind::Refill).len() > 0);
    /// println!("{}", heap.pauses());
    /// ```
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        let records = self.inner.core.records.snapshot();
        Pauses::merge(records.into_iter().map(|record| &record.pauses))
    }

    /// Cycles that the verifying build has checked with its second marker.
    #[cfg(gc_verify)]
    #[doc(hidden)]
    #[must_use]
    pub fn verified_cycles(&self) -> u64 {
        self.inner.core.totals.verified.get()
    }
}
