//! Pointer fields that change: [`GcCell`] and [`GcOnceCell`]. Every store goes through the barrier
//! of the mutator's record.

use crate::api::Mutation;
use crate::pointers::Gc;
use crate::pointers::inside::debug_cell;
use crate::sync::{AtomicUsize, OnceLock, Ordering};
use crate::trace::{Branded, Managed, Trace, Tracer};
use crate::word::Addr;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// An atomic pointer field of a heap object: null or a [`Gc`]. The write barrier is in its stores.
///
/// Loads are acquire and stores release, so a thread that reads a pointer sees the object
/// initialised. Exchanges are both. The collector rules out ABA: the slot of an object is not
/// reused while a thread can name the object. So lock-free structures are a few lines.
///
/// ```
/// use gc_core::{Gc, GcCell, Heap, Trace};
/// #[derive(Trace)]
/// struct Node<'gc> { next: GcCell<'gc, Node<'gc>>, value: u64 }
///
/// Heap::new().mutate(|mc| {
///     let head = GcCell::<Node>::new(None);
///     for value in 0..3 {
///         let node = Gc::new(mc, Node { next: GcCell::new(None), value });
///         // A Treiber stack's push.
///         loop {
///             let top = head.get();
///             node.next.set(mc, top);
///             if head.compare_exchange(mc, top, Some(node)).is_ok() { break }
///         }
///     }
///     assert_eq!(head.get().unwrap().value, 2);
/// });
/// ```
#[repr(transparent)]
pub struct GcCell<'gc, T> {
    word: AtomicUsize,
    /// Invariant in `T`, so that a pointer stored as one type is not loaded as another.
    content: PhantomData<Content<'gc, T>>,
}

type Content<'gc, T> = (Gc<'gc, T>, fn(T) -> T);

#[inline(always)]
fn word<T>(value: Option<Gc<'_, T>>) -> Addr {
    value.map_or(Addr::NULL, Gc::addr)
}

/// # Safety
///
/// `word` is null or the address of a `T` that is live in the pin with brand `'gc`.
#[inline(always)]
unsafe fn pointer<'gc, T>(word: Addr) -> Option<Gc<'gc, T>> {
    // SAFETY: the caller's promise.
    NonNull::new(word.ptr::<T>()).map(|ptr| unsafe { Gc::from_non_null(ptr) })
}

impl<'gc, T> GcCell<'gc, T> {
    /// A cell that holds `value`. No barrier: the cell is new.
    #[inline(always)]
    #[must_use]
    pub fn new(value: Option<Gc<'gc, T>>) -> Self {
        GcCell { word: AtomicUsize::new(word(value).get()), content: PhantomData }
    }
    /// Returns what the cell holds, with one load.
    #[inline(always)]
    pub fn get(&self) -> Option<Gc<'gc, T>> {
        // SAFETY: INV-4: what a reachable cell holds is live; only pointers of this brand are
        // stored.
        unsafe { pointer(Addr::new(self.word.load(Ordering::Acquire))) }
    }
    /// Stores `value`. While the collector is not marking, that costs a load and a branch more than
    /// a release store.
    #[inline(always)]
    pub fn set(&self, mc: &Mutation<'gc>, value: Option<Gc<'gc, T>>) {
        mc.record().store(&self.word, word(value));
    }
    /// Stores `value` and returns what the cell held.
    ///
    /// ```
    /// use gc_core::{Gc, GcCell, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let (one, two) = (Gc::new(mc, 1), Gc::new(mc, 2));
    ///     let cell = GcCell::new(Some(one));
    ///     assert_eq!(cell.swap(mc, Some(two)), Some(one));
    ///     assert_eq!(cell.take(mc), Some(two));
    ///     assert!(cell.get().is_none());
    /// });
    /// ```
    pub fn swap(&self, mc: &Mutation<'gc>, value: Option<Gc<'gc, T>>) -> Option<Gc<'gc, T>> {
        // SAFETY: INV-4: as in `get`.
        unsafe { pointer(mc.record().swap(&self.word, word(value))) }
    }
    /// Stores null and returns what the cell held.
    pub fn take(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, T>> {
        self.swap(mc, None)
    }
    /// Stores `new` if the cell holds `current` (the same object). Returns what the cell held: `Ok`
    /// if it stored, `Err` if not. It does not fail spuriously.
    ///
    /// # Errors
    ///
    /// The other pointer that the cell holds.
    pub fn compare_exchange(
        &self,
        mc: &Mutation<'gc>,
        current: Option<Gc<'gc, T>>,
        new: Option<Gc<'gc, T>>,
    ) -> Result<Option<Gc<'gc, T>>, Option<Gc<'gc, T>>> {
        match mc.record().compare_exchange(&self.word, word(current), word(new)) {
            // SAFETY: INV-4: as in `get`.
            Ok(held) => Ok(unsafe { pointer(held) }),
            // SAFETY: INV-4: as in `get`.
            Err(held) => Err(unsafe { pointer(held) }),
        }
    }
    /// Lends what the cell holds, to change it without a barrier: `&mut self` proves that no other
    /// code can see the cell. The new pointer is stored when the result is dropped.
    ///
    /// The cell is either not in the heap yet, or part of what a guarded cell's exclusive guard
    /// lends. That guard has the barrier for all that it lends.
    ///
    /// ```
    /// use gc_core::{Gc, GcCell, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let mut cell = GcCell::new(None);
    ///     *cell.get_mut() = Some(Gc::new(mc, 1));
    ///     assert_eq!(cell.get_mut().take().map(|one| *one), Some(1));
    ///     assert!(cell.get().is_none());
    /// });
    /// ```
    pub fn get_mut(&mut self) -> impl DerefMut<Target = Option<Gc<'gc, T>>> {
        // Works on a copy that the drop writes back: `&mut Option<Gc>` to the word would read an
        // integer as a pointer.
        Exclusive { held: self.get(), cell: self }
    }
}

/// The content of a cell that only this code can see. The drop writes it back.
struct Exclusive<'a, 'gc, T> {
    held: Option<Gc<'gc, T>>,
    cell: &'a mut GcCell<'gc, T>,
}
impl<'gc, T> Deref for Exclusive<'_, 'gc, T> {
    type Target = Option<Gc<'gc, T>>;
    fn deref(&self) -> &Self::Target {
        &self.held
    }
}
impl<T> DerefMut for Exclusive<'_, '_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.held
    }
}
impl<T> Drop for Exclusive<'_, '_, T> {
    fn drop(&mut self) {
        // Relaxed and unshaded: the thread publishes the cell with its content later. A new cell
        // needs no barrier (rule 5). For a cell in a guarded cell the guard shades, at its begin
        // and in Prep at its end (INV-14).
        self.cell.word.store(word(self.held).get(), Ordering::Relaxed);
    }
}

impl<T> Default for GcCell<'_, T> {
    fn default() -> Self {
        GcCell::new(None)
    }
}
impl<'gc, T> From<Gc<'gc, T>> for GcCell<'gc, T> {
    fn from(value: Gc<'gc, T>) -> Self {
        GcCell::new(Some(value))
    }
}
impl<'gc, T> From<Option<Gc<'gc, T>>> for GcCell<'gc, T> {
    fn from(value: Option<Gc<'gc, T>>) -> Self {
        GcCell::new(value)
    }
}

impl<T> fmt::Debug for GcCell<'_, T> {
    /// Prints the content's address, since the content may lead back here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(gc) => write!(f, "GcCell({gc:p})"),
            None => f.write_str("GcCell(null)"),
        }
    }
}

// SAFETY: INV-7: the one edge; the load is acquire, so the object it leads to is initialised.
unsafe impl<'gc, T> Trace<'gc> for GcCell<'gc, T> {
    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        let addr = Addr::new(self.word.load(Ordering::Acquire));
        if !addr.is_null() {
            tracer.visit(addr);
        }
    }
}
// SAFETY: INV-8: the brand is no part of a word.
unsafe impl<T: Managed> Managed for GcCell<'static, T> {
    type At<'gc> = GcCell<'gc, T::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for GcCell<'gc, T> {
    type Static = GcCell<'static, T::Static>;
}

/// A value of any traced type that is set once, after its object was made.
///
/// ```
/// use gc_core::{Gc, GcOnceCell, Heap, Trace};
/// #[derive(Trace)]
/// struct Node<'gc> { parent: GcOnceCell<Gc<'gc, Node<'gc>>> }
/// Heap::new().mutate(|mc| {
///     let node = Gc::new(mc, Node { parent: GcOnceCell::new() });
///     assert!(node.parent.set(mc, node).is_ok());
///     assert!(node.parent.set(mc, node).is_err());
///     assert!(Gc::ptr_eq(*node.parent.get().unwrap(), node));
/// });
/// ```
pub struct GcOnceCell<T> {
    value: OnceLock<T>,
}

impl<T> GcOnceCell<T> {
    /// An empty cell.
    #[must_use]
    pub const fn new() -> Self {
        GcOnceCell { value: OnceLock::new() }
    }
    /// The value, if it is set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }
    /// Sets the value.
    ///
    /// # Errors
    ///
    /// If it is set already; `value` comes back.
    pub fn set<'gc>(&self, mc: &Mutation<'gc>, value: T) -> Result<(), T>
    where
        T: Trace<'gc>,
    {
        if T::NEEDS_TRACE && self.value.get().is_none() {
            mc.record().shade_initial(&value);
        }
        self.value.set(value)
    }
    /// Lends the value, to change it without a barrier: `&mut self` proves that no other code can
    /// see the cell.
    ///
    /// The cell is either not in the heap yet, or part of what a guarded cell's exclusive guard
    /// lends. That guard has the barrier for all that it lends.
    ///
    /// ```
    /// let mut cell = gc_core::GcOnceCell::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!((cell.take(), cell.get()), (Some(2), None));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }
    /// Takes the value out, so that the cell can be set again; see [`get_mut`](Self::get_mut).
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }
    /// The value, if it is set.
    ///
    /// ```
    /// assert_eq!(gc_core::GcOnceCell::from(1).into_inner(), Some(1));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
    /// Returns the value, which `init` makes if it is not set. Two threads may both run `init` at
    /// once; then one value is dropped.
    ///
    /// ```
    /// let cell = gc_core::GcOnceCell::new();
    /// gc_core::Heap::new().mutate(|mc| {
    ///     assert_eq!(cell.get_or_init(mc, || 5), &5);
    ///     assert_eq!(cell.get_or_init(mc, || 6), &5);
    /// });
    /// ```
    pub fn get_or_init<'gc>(&self, mc: &Mutation<'gc>, init: impl FnOnce() -> T) -> &T
    where
        T: Trace<'gc>,
    {
        if let Some(value) = self.value.get() {
            return value;
        }
        // Dropped if another thread was faster.
        let _ = self.set(mc, init());
        self.value.get().expect("the cell was just set, by us or by another")
    }
}

impl<T> Default for GcOnceCell<T> {
    fn default() -> Self {
        GcOnceCell::new()
    }
}
impl<T> From<T> for GcOnceCell<T> {
    /// A cell that is set.
    fn from(value: T) -> Self {
        let cell = GcOnceCell::new();
        // A new cell is not set, so the value does not come back.
        let _ = cell.value.set(value);
        cell
    }
}
impl<T: fmt::Debug> fmt::Debug for GcOnceCell<T> {
    /// Prints the content, with an address for each [`Gc`] and each cell in it, which may lead back
    /// here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_cell(f, "GcOnceCell", std::ptr::from_ref(self).cast(), |f| {
            f.debug_tuple("GcOnceCell").field(&self.get()).finish()
        })
    }
}

// SAFETY: INV-7: a value that is set is visible as a whole and is never replaced while shared.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcOnceCell<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if let Some(value) = self.value.get() {
            tracer.edges(value);
        }
    }
    fn trace_named(&self, tracer: &mut Tracer<'gc>) {
        if let Some(value) = self.value.get() {
            tracer.named(value);
        }
    }
}
// SAFETY: INV-8: only the content's brand changes.
unsafe impl<T: Managed> Managed for GcOnceCell<T> {
    type At<'gc> = GcOnceCell<T::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for GcOnceCell<T> {
    type Static = GcOnceCell<T::Static>;
}
