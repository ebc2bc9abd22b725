//! [`Root`]: an owned handle of an object.

use crate::api::Mutation;
use crate::inspect::{Sought, Wanted};
use crate::mutator::Core;
use crate::pointers::Gc;
use crate::roots::SlotRef;
use crate::sync::Arc;
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use crate::word::Addr;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;

/// Keeps an object alive between calls of `mutate`: `Clone`, `Send`, `Sync`, `'static`, droppable
/// on any thread at any time. `T` is the object's type at `'static`.
///
/// Neither the type nor its impls of `Send`, `Sync`, `Clone`, `Drop` and `Debug` have a bound on
/// `T`. So a spawned task may hold a `Root<Node<'static>>` across an `.await`. The compiler checks
/// a future for `Send` with all its lifetimes replaced, and a bound that holds at `'static` only
/// would fail there.
///
/// A root inside a heap object of its own heap keeps its target for ever; use a [`Gc`] there.
///
/// ```
/// use gc_core::{Gc, Heap, Root};
/// let heap = Heap::new();
/// let root: Root<str> = heap.mutate(|mc| Gc::root(Gc::from_str(mc, "kept"), mc));
/// let other = root.clone();
/// drop(root);
/// assert_eq!(heap.mutate(|mc| other.get(mc).len()), 4);
/// ```
pub struct Root<T: ?Sized> {
    slot: SlotRef,
    core: Arc<Core>,
    /// The object, as its family's member at `'static`. Only `get` dereferences it.
    ptr: NonNull<T>,
    /// Makes `Root` invariant, although `NonNull` is covariant: a root is of one family.
    family: PhantomData<fn(*const T) -> *const T>,
}

// SAFETY: INV-12: the object is `Send + Sync` since it was made, and a root only hands out pointers
// to it. That holds for every `T`: only `build` makes roots, from a `Gc` of a member of the family
// `T`.
unsafe impl<T: ?Sized> Send for Root<T> {}
// SAFETY: INV-12: as above.
unsafe impl<T: ?Sized> Sync for Root<T> {}

impl<T: Family + ?Sized> Root<T> {
    #[track_caller]
    pub(crate) fn new<'gc, U>(mc: &Mutation<'gc>, gc: Gc<'gc, U>) -> Root<T>
    where
        U: Rootable<'gc, Family = T> + ?Sized,
    {
        let slot = mc.record().root(gc.addr(), Location::caller());
        // SAFETY: INV-8: `U` is a member of its own family.
        unsafe { Root::build(slot, mc.core(), gc.as_non_null()) }
    }

    /// Returns the object, for this `mutate`. Costs a comparison and a copy.
    ///
    /// # Panics
    ///
    /// If `mc` belongs to another heap than the root.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn get<'gc>(&self, mc: &Mutation<'gc>) -> Gc<'gc, T::At<'gc>> {
        if !std::ptr::eq(Arc::as_ptr(&self.core), mc.record().core()) {
            other_heap();
        }
        // SAFETY: INV-12: the slot keeps the object live; INV-8 for the change of brand.
        unsafe { Gc::from_non_null(transmute_pointer::<T, T::At<'gc>>(self.ptr)) }
    }
}

impl<T: ?Sized> Root<T> {
    /// Separate from `new`, under whose bounds the compiler would confuse the two brands.
    ///
    /// # Safety
    ///
    /// `U` is a member of the family `T`, and `slot` holds `ptr`, an object of the heap of `core`.
    unsafe fn build<U: ?Sized>(slot: SlotRef, core: Arc<Core>, ptr: NonNull<U>) -> Root<T> {
        // SAFETY: INV-8: members of a family have pointers of one representation.
        let ptr = unsafe { transmute_pointer::<U, T>(ptr) };
        Root { slot, core, ptr, family: PhantomData }
    }

    /// The number of the root's slot, which its clones share.
    pub(crate) fn slot_number(&self) -> usize {
        self.slot.number()
    }
    /// The object's address.
    pub(crate) fn addr(&self) -> usize {
        self.ptr.as_ptr() as *const () as usize
    }

    /// Returns whether two roots are of the same object.
    ///
    /// ```
    /// use gc_core::{Heap, Root};
    /// let heap = Heap::new();
    /// let one: Root<u64> = heap.mutate(|mc| mc.root(1u64));
    /// let other = heap.mutate(|mc| mc.root(1u64));
    /// assert!(Root::ptr_eq(&one, &one.clone()) && !Root::ptr_eq(&one, &other));
    /// ```
    #[must_use]
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        std::ptr::addr_eq(a.ptr.as_ptr(), b.ptr.as_ptr())
    }
}

#[cold]
#[track_caller]
fn other_heap() -> ! {
    panic!("this root belongs to another heap than the one being mutated")
}

/// # Safety
///
/// `A` and `B` are members of one family.
unsafe fn transmute_pointer<A: ?Sized, B: ?Sized>(ptr: NonNull<A>) -> NonNull<B> {
    const { assert!(size_of::<NonNull<A>>() == size_of::<NonNull<B>>()) };
    // SAFETY: INV-8: the caller promises the same representation; the assertion compares the sizes.
    unsafe { std::mem::transmute_copy(&ptr) }
}

impl<'a, T: ?Sized> From<&'a Root<T>> for Wanted<'a> {
    /// The root's object, without this root and its clones: what else keeps it?
    fn from(root: &'a Root<T>) -> Self {
        Wanted(Sought::Beside { slot: root.slot_number(), addr: Addr::new(root.addr()) })
    }
}

impl<T: ?Sized> Clone for Root<T> {
    fn clone(&self) -> Self {
        self.slot.slot().share();
        Root { slot: self.slot, core: self.core.clone(), ptr: self.ptr, family: PhantomData }
    }
}

impl<T: ?Sized> Drop for Root<T> {
    fn drop(&mut self) {
        self.slot.slot().release();
    }
}

impl<T: ?Sized> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({:p})", self.ptr)
    }
}

// SAFETY: INV-7: a root keeps its object by its slot, not by being traced.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for Root<T> {
    const NEEDS_TRACE: bool = false;
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: INV-8: a root has no brand.
unsafe impl<T: ?Sized + 'static> Managed for Root<T> {
    type At<'gc> = Root<T>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<T: ?Sized + 'static> Branded<'_> for Root<T> {
    type Static = Root<T>;
}
