//! [`GcWeak`]: a pointer that does not keep its object alive.

use crate::api::Mutation;
use crate::error::AllocError;
use crate::pointers::Gc;
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use crate::weak::gate::WeakBox;
use crate::word::Addr;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A weak pointer: `Copy`, and knows whether its object is still alive.
///
/// Every pointer copied from one [`Gc::downgrade`] shares a small box in the heap.
///
/// ```
/// use gc_core::{Gc, GcWeak, Heap, Root};
/// let heap = Heap::new();
/// let (weak, strong): (Root<GcWeak<'static, u64>>, Root<u64>) = heap.mutate(|mc| {
///     let object = Gc::new(mc, 1u64);
///     (Gc::root(Gc::new(mc, Gc::downgrade(object, mc)), mc), Gc::root(object, mc))
/// });
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| weak.get(mc).upgrade(mc).is_some()));
/// drop(strong);
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| weak.get(mc).upgrade(mc).is_none()));
/// ```
pub struct GcWeak<'gc, T: ?Sized> {
    weak: NonNull<WeakBox>,
    target: NonNull<T>,
    brand: PhantomData<Cell<&'gc ()>>,
}

impl<T: ?Sized> Clone for GcWeak<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for GcWeak<'_, T> {}

// SAFETY: INV-6: the box changes by atomics only, and an upgrade gives no more than a `Gc` does.
unsafe impl<T: ?Sized + Send + Sync> Send for GcWeak<'_, T> {}
// SAFETY: INV-6: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for GcWeak<'_, T> {}

impl<'gc, T: ?Sized> GcWeak<'gc, T> {
    /// `PANICS` is set for a caller that panics if there is no room.
    pub(crate) fn new<const PANICS: bool>(
        mc: &Mutation<'gc>,
        target: Gc<'gc, T>,
    ) -> Result<Self, AllocError> {
        let at = mc.record().alloc_weak_box::<PANICS>()?.ptr::<WeakBox>();
        // SAFETY: INV-11: the slot is ours and zeroed, which is an empty box.
        unsafe { &*at }.fill(target.addr());
        // SAFETY: INV-5: slots are never at address zero.
        let weak = unsafe { NonNull::new_unchecked(at) };
        Ok(GcWeak { weak, target: target.as_non_null(), brand: PhantomData })
    }

    fn weak_box(&self) -> &WeakBox {
        // SAFETY: INV-4: tracing a weak pointer keeps its box, so it is live in this pin.
        unsafe { self.weak.as_ref() }
    }

    /// Returns the object, if it is still alive. It then stays alive for this `mutate`. Costs a
    /// load while the collector is not marking, a reader's lock while it is.
    #[must_use]
    pub fn upgrade(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, T>> {
        if !mc.record().upgrade(self.weak_box()) {
            return None;
        }
        // SAFETY: INV-11: not flagged, and marked, shaded or not marking: the object is live in
        // this pin.
        Some(unsafe { Gc::from_non_null(self.target) })
    }
    /// Returns whether the object is known to be dead. `false` is not certain: a cycle may be about
    /// to find out.
    ///
    /// ```
    /// use gc_core::{Gc, GcWeak, Heap, Root};
    /// let heap = Heap::new();
    /// let weak: Root<GcWeak<'static, u64>> =
    ///     heap.mutate(|mc| mc.root(Gc::downgrade(Gc::new(mc, 1u64), mc)));
    /// heap.collect()?;
    /// assert!(heap.mutate(|mc| weak.get(mc).is_dead()));
    /// # Ok::<(), gc_core::CollectError>(())
    /// ```
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.weak_box().is_dead()
    }
    /// Returns whether two weak pointers are to the same object, even if it is dead. An object that
    /// has its address later is another object.
    ///
    /// Pointers from two calls of [`Gc::downgrade`] may compare as unequal at the moment when the
    /// collector finds the object dead. Copies of one pointer are always equal.
    ///
    /// ```
    /// use gc_core::{Gc, GcWeak, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let object = Gc::new(mc, 1);
    ///     let (a, b) = (Gc::downgrade(object, mc), Gc::downgrade(object, mc));
    ///     assert!(GcWeak::ptr_eq(a, b));
    ///     assert!(!GcWeak::ptr_eq(a, Gc::downgrade(Gc::new(mc, 1), mc)));
    /// });
    /// ```
    #[must_use]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        // INV-11: a box is flagged, with the number of the cycle, before the slot of its target is
        // reused. So two boxes with one address have one target if neither is flagged, or if both
        // were flagged in one cycle.
        let died = || a.weak_box().died() == b.weak_box().died();
        a.weak == b.weak || std::ptr::addr_eq(a.target.as_ptr(), b.target.as_ptr()) && died()
    }
}

impl<T: ?Sized> fmt::Debug for GcWeak<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GcWeak({:p}{})", self.target, if self.is_dead() { ", dead" } else { "" })
    }
}

// SAFETY: INV-7: the edge is to the box; the target is weak.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for GcWeak<'gc, T> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.visit(Addr::of(self.weak.as_ptr()));
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl<T: Family + ?Sized> Managed for GcWeak<'static, T> {
    type At<'gc> = GcWeak<'gc, T::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, T: Rootable<'gc> + ?Sized> Branded<'gc> for GcWeak<'gc, T> {
    type Static = GcWeak<'static, T::Family>;
}
