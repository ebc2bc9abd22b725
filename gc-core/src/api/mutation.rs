//! [`Mutation`], the right to use a heap inside of one `mutate`, and the pin that it stands for.

use super::heap::{Heap, Inner};
use crate::mutator::{Core, Record};
use crate::sync::{Arc, Ordering};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

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
    /// let sum = heap.mutate(|mc| {
    ///     let numbers = Gc::from_slice(mc, &[1u64, 2, 3]);
    ///     sum_elsewhere(mc, Gc::root(numbers, mc))
    /// });
    /// assert_eq!(sum.join().unwrap(), 6);
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

/// Runs `f` inside a pin of `record`.
#[inline(always)]
#[track_caller]
pub(super) fn pinned<R>(record: &Record, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
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
