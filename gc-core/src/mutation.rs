//! The face of a heap: [`Heap`], [`Mutator`], [`Mutation`]. `builder` makes one.

use crate::dropper;
use crate::error::CollectError;
use crate::mutator::{Core, PlacedRecord, Record, RecordAddr, on_collector_thread};
use crate::observe::{ClassStats, Pauses, Stats};
use crate::sync::thread::JoinHandle;
use crate::sync::{Arc, Mutex, Ordering, Weak, thread_local};
use crate::word::Addr;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A garbage-collected heap: a cheap-to-clone handle, `Send` and `Sync`. Many heaps may live in one
/// process.
///
/// When the last handle (a [`Mutator`] is one) is dropped, the heap ends. No cycle runs any more,
/// and the heap's drop thread drops every object that is left. The drop of the handle waits for
/// that, for at most five seconds
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
        let core = Arc::as_ptr(&self.inner.core);
        let (last, record) =
            LAST.try_with(Cell::get).unwrap_or((std::ptr::null(), std::ptr::null()));
        if std::ptr::eq(last, core) {
            // SAFETY: INV-10: LAST names a record that THREAD has for this thread. THREAD clears
            // LAST before it forgets the record; until then no other heap can have the core's
            // address. The core is alive, since we hold it, and holds the record.
            return pinned(unsafe { &*record }, f);
        }
        self.mutate_slow(f)
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn mutate_slow<R>(&self, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        let record = THREAD.try_with(|thread| thread.record_of(&self.inner.core));
        match record {
            Ok(record) => pinned(&record, f),
            // The thread is ending and its table is gone (a destructor of a thread-local): a record
            // for one call.
            Err(_) => self.mutator().mutate(f),
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

/// Runs `f` inside a pin of `record`.
#[inline(always)]
#[track_caller]
fn pinned<R>(record: &Record, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
    /// Ends the pin also when `f` panics.
    struct Pin<'a>(&'a Record);
    impl Drop for Pin<'_> {
        #[inline(always)]
        fn drop(&mut self) {
            self.0.leave();
        }
    }
    record.enter(Location::caller());
    let pin = Pin(record);
    // SAFETY: INV-1: `Mutation` is a transparent wrapper of `Record`. The thread is pinned until
    // `pin` drops, after `f` has returned. `for<'gc>` keeps the brand from leaving `f`.
    f(unsafe { &*std::ptr::from_ref(pin.0).cast::<Mutation<'_>>() })
}

/// Keeps [`Mutator`] on its thread. The compiler's error names it.
trait EachThreadNeedsItsOwnMutator: Unpin + UnwindSafe + RefUnwindSafe {}

/// Keeps [`Mutation`] on its thread. The compiler's error names it.
trait EachThreadCallsMutateItself: Unpin + UnwindSafe + RefUnwindSafe {}

/// The right to allocate, store and root, inside one [`mutate`](Heap::mutate). `'gc` is a brand,
/// new for each call, so pointers of different calls or heaps cannot be mixed.
///
/// Neither `Send` nor `Sync`.
///
/// ```compile_fail
/// # use gc_core::{Gc, Heap};
/// Heap::new().mutate(|mc| {
///     std::thread::scope(|s| { s.spawn(|| { Gc::new(mc, 1); }); });
/// });
/// ```
#[repr(transparent)]
pub struct Mutation<'gc> {
    record: Record,
    brand: PhantomData<fn(&'gc ()) -> &'gc ()>,
    not_send_nor_sync: PhantomData<dyn EachThreadCallsMutateItself>,
}

impl fmt::Debug for Mutation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutation")
            .field("number", &self.record.number)
            .field("mode", &self.record.mode())
            .finish()
    }
}

impl Mutation<'_> {
    #[inline(always)]
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }
    /// Returns whether the collector waits for this [`mutate`](Heap::mutate) to end, or soon will:
    /// its cycle has taken a step since the `mutate` began. Costs two instructions and a branch, so
    /// an interpreter can ask at each backward jump.
    ///
    /// A `mutate` that goes on nevertheless makes the cycle longer; other threads do not wait. A
    /// cycle asks a thread about four times.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::new();
    /// let (mut done, mut pins) = (0u64, 0);
    /// while done < 100_000 {
    ///     heap.mutate(|mc| {
    ///         while done < 100_000 && !mc.is_awaited() {
    ///             done += *Gc::new(mc, 1);
    ///         }
    ///     });
    ///     pins += 1;
    /// }
    /// assert!(pins < 10_000, "it left when it had to, not every so often");
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.record.is_awaited()
    }
    /// A handle of this heap: for code that has only a `Mutation` and starts threads, or keeps the
    /// heap for later. It costs one atomic increment.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Mutation, Root};
    /// fn sum_elsewhere(mc: &Mutation<'_>, numbers: Root<[u64]>) -> std::thread::JoinHandle<u64> {
    ///     let heap = mc.heap();
    ///     std::thread::spawn(move || heap.mutate(|mc| numbers.get(mc).iter().sum()))
    /// }
    /// let heap = Heap::new();
    /// let sum = heap.mutate(|mc| sum_elsewhere(mc, Gc::root(Gc::from_slice(mc, &[1u64, 2, 3]),
    /// mc))); assert_eq!(sum.join().unwrap(), 6);
    /// ```
    #[must_use]
    pub fn heap(&self) -> Heap {
        let inner = self.record.core().handles.load(Ordering::Relaxed).cast_const().cast::<Inner>();
        // SAFETY: INV-10: `inner` is from the `Arc` that the handles share, and a handle is
        // borrowed for the pin.
        let inner = unsafe {
            Arc::increment_strong_count(inner);
            Arc::from_raw(inner)
        };
        Heap { inner }
    }
    /// A counted reference to the heap's shared state.
    pub(crate) fn core(&self) -> Arc<Core> {
        let core = std::ptr::from_ref(self.record.core());
        // SAFETY: INV-10: the core lives in an `Arc` whose owner, a handle, is borrowed for the
        // pin.
        unsafe {
            Arc::increment_strong_count(core);
            Arc::from_raw(core)
        }
    }
}

thread_local! {
    /// The heap that this thread used last, and this thread's record in it.
    static LAST: Cell<(*const Core, *const Record)> =
        const { Cell::new((std::ptr::null(), std::ptr::null())) };
    static THREAD: ThreadTable = const { ThreadTable { entries: RefCell::new(Vec::new()) } };
}

/// This thread's records: one for each heap that it has used through [`Heap::mutate`]. The table
/// does not keep a heap alive. Of a heap that has ended it keeps a little memory, whose address no
/// other heap can have meanwhile.
struct ThreadTable {
    entries: RefCell<Vec<(Weak<Core>, Weak<PlacedRecord>)>>,
}

impl ThreadTable {
    fn record_of(&self, core: &Arc<Core>) -> Arc<PlacedRecord> {
        let is_its = |c: &Weak<Core>| std::ptr::eq(c.as_ptr(), Arc::as_ptr(core));
        let found = self.entries.borrow().iter().find(|(c, _)| is_its(c)).map(|(_, r)| r.clone());
        let found = found.and_then(|record| record.upgrade());
        let record = found.unwrap_or_else(|| {
            self.forget_dead_heaps();
            let record = core.register();
            let entry = (Arc::downgrade(core), Arc::downgrade(&record));
            self.entries.borrow_mut().push(entry);
            record
        });
        LAST.with(|last| last.set((Arc::as_ptr(core), std::ptr::from_ref(&**record))));
        record
    }

    /// Drops the entries of heaps that have ended.
    fn forget_dead_heaps(&self) {
        let mut dead = Vec::new();
        self.entries.borrow_mut().retain(|entry| {
            // In the child of a fork this thread keeps its record: a new one would need more locks.
            let stopped = entry
                .0
                .upgrade()
                .is_none_or(|core| !core.control.is_orphaned() && core.control.is_stopping());
            if stopped {
                dead.push(entry.clone());
            }
            !stopped
        });
        if !dead.is_empty() {
            LAST.with(|last| last.set((std::ptr::null(), std::ptr::null())));
        }
    }
}

/// The name of the type of a live object, if the calling thread has used its heap through
/// [`Heap::mutate`].
pub(crate) fn type_name_at(addr: Addr) -> Option<&'static str> {
    let find = |thread: &ThreadTable| {
        let entries = thread.entries.try_borrow().ok()?;
        // The tables of a heap that has ended are gone, and another heap may have its addresses.
        let live = entries.iter().filter_map(|(core, _)| core.upgrade());
        let mut live = live.filter(|core| !core.control.is_stopping());
        live.find_map(|core| core.space.type_at(addr))
    };
    THREAD.try_with(find).ok().flatten().map(|info| (info.name)())
}

impl Drop for ThreadTable {
    fn drop(&mut self) {
        // A destructor that runs later on this thread must not find the record.
        let _ = LAST.try_with(|last| last.set((std::ptr::null(), std::ptr::null())));
        for (core, record) in self.entries.get_mut().drain(..) {
            let Some((core, record)) = core.upgrade().zip(record.upgrade()) else { continue };
            core.retire_if_alive(record);
        }
    }
}
