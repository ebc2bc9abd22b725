//! The entry: `Heap::mutate`, and [`Mutator`], a thread's own handle, which needs no look-up.

use super::heap::Heap;
use super::mutation::{Mutation, pinned};
use super::thread_table;
use crate::mutator::{PlacedRecord, RecordAddr};
use crate::sync::Arc;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

impl Heap {
    /// Runs `f` with access to the heap: the *pin*. Works on any thread, and nests.
    ///
    /// Pointers exist inside `f` only; what it returns cannot hold any. The collector's cycle waits
    /// for the longest `mutate`: leave it after a task, or let a long loop poll
    /// [`Mutation::is_awaited`]. It [costs](crate#costs) a look-up of this thread's [`Mutator`],
    /// and the pin itself. A panic in `f` passes through and leaves the heap as it is.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// assert_eq!(heap.mutate(|mc| gc_core::Gc::new(mc, 7).to_string()), "7");
    /// ```
    #[inline]
    #[track_caller]
    pub fn mutate<R>(&self, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        if let Some(record) = thread_table::last(Arc::as_ptr(&self.inner.core)) {
            // SAFETY: INV-10: the thread's table has the record, and clears `last` before it
            // forgets the record; until then no other heap can have the core's address. The core is
            // alive, since we hold it, and holds the record.
            return pinned(unsafe { &*record }, f);
        }
        self.mutate_slow(f)
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn mutate_slow<R>(&self, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        match thread_table::record_of(&self.inner.core) {
            Some(record) => pinned(&record, f),
            // A destructor of a thread-local: a record for one call.
            None => self.mutator().mutate(f),
        }
    }

    /// A handle for this thread, whose [`mutate`](Mutator::mutate) needs no look-up.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let mutator = heap.mutator();
    /// assert_eq!(mutator.mutate(|mc| *gc_core::Gc::new(mc, 3)), 3);
    /// ```
    #[must_use]
    pub fn mutator(&self) -> Mutator {
        let placed = self.inner.core.register();
        Mutator { record: placed.addr(), placed, heap: self.clone(), not_send: PhantomData }
    }
}

/// Keeps [`Mutator`] on its thread. The compiler's error names it.
trait EachThreadNeedsItsOwnMutator: Unpin + UnwindSafe + RefUnwindSafe {}

/// A thread's own handle of a heap: [`mutate`](Self::mutate) without the look-up.
///
/// It keeps the heap alive and is tied to its thread.
///
/// ```compile_fail
/// let mutator = gc_core::Heap::new().mutator();
/// std::thread::spawn(move || mutator.mutate(|_| ())); // not Send
/// ```
pub struct Mutator {
    record: RecordAddr,
    placed: Arc<PlacedRecord>,
    heap: Heap,
    not_send: PhantomData<dyn EachThreadNeedsItsOwnMutator>,
}

impl fmt::Debug for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutator").field("number", &self.placed.number).finish()
    }
}

impl Mutator {
    /// Runs `f` with the right to use the heap, as [`Heap::mutate`] does, without a look-up.
    #[inline]
    #[track_caller]
    pub fn mutate<R>(&self, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        // SAFETY: INV-10: `placed` holds the record.
        pinned(unsafe { self.record.get() }, f)
    }
    /// The heap that this is a handle of.
    ///
    /// ```
    /// let mutator = gc_core::Heap::new().mutator();
    /// assert_eq!(mutator.heap().stats().cycles, 0);
    /// ```
    #[must_use]
    pub fn heap(&self) -> &Heap {
        &self.heap
    }
}

impl Drop for Mutator {
    fn drop(&mut self) {
        let core = &self.heap.inner.core;
        if !core.control.is_orphaned() {
            core.retire(self.placed.clone());
        }
    }
}
