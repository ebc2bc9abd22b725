//! [`Ephemeron`]: a value that lives as long as its key.

use crate::api::Mutation;
use crate::error::AllocError;
use crate::pointers::Gc;
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use crate::weak::ephemeron::EphemeronBox;
use crate::word::Addr;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A key and a value. The key is weak. The value lives as long as both the key and the ephemeron,
/// even if the value leads back to the key. `Copy`; copies share a small box in the heap.
///
/// A cycle looks at every ephemeron of the heap two or three times: some 10 ns each. A chain, in
/// which each value leads to the next key, costs no more looks: some 100 ns a link, in any order.
///
/// ```
/// use gc_core::{Ephemeron, Gc, Heap, Root};
/// let heap = Heap::new();
/// let (pair, key): (Root<Ephemeron<'static, u64, String>>, Root<u64>) = heap.mutate(|mc| {
///     let (key, value) = (Gc::new(mc, 1u64), Gc::new(mc, String::from("one")));
///     (Gc::root(Gc::new(mc, Ephemeron::new(mc, key, value)), mc), Gc::root(key, mc))
/// });
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| pair.get(mc).value(mc).is_some_and(|value| **value == *"one")));
/// drop(key);
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| pair.get(mc).value(mc).is_none()));
/// ```
pub struct Ephemeron<'gc, K: ?Sized, V: ?Sized> {
    shared: NonNull<EphemeronBox>,
    key: NonNull<K>,
    value: NonNull<V>,
    brand: PhantomData<Cell<&'gc ()>>,
}

impl<K: ?Sized, V: ?Sized> Clone for Ephemeron<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: ?Sized, V: ?Sized> Copy for Ephemeron<'_, K, V> {}

// SAFETY: INV-6: the box changes by atomics only, and what it gives out is no more than a `Gc`
// does.
unsafe impl<K: ?Sized + Send + Sync, V: ?Sized + Send + Sync> Send for Ephemeron<'_, K, V> {}
// SAFETY: INV-6: as above.
unsafe impl<K: ?Sized + Send + Sync, V: ?Sized + Send + Sync> Sync for Ephemeron<'_, K, V> {}

impl<'gc, K: ?Sized, V: ?Sized> Ephemeron<'gc, K, V> {
    /// Ties `value` to the life of `key`.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    #[must_use]
    #[track_caller]
    pub fn new(mc: &Mutation<'gc>, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Self {
        super::gc::made(Self::make::<true>(mc, key, value))
    }
    /// Ties `value` to the life of `key`.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Ephemeron, Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let (key, value) = (Gc::new(mc, 1), Gc::new(mc, 2));
    ///     let pair = Ephemeron::try_new(mc, key, value)?;
    ///     assert!(!pair.is_dead() && pair.key(mc) == Some(key));
    ///     Ok::<(), gc_core::AllocError>(())
    /// })?;
    /// # Ok::<(), gc_core::AllocError>(())
    /// ```
    pub fn try_new(
        mc: &Mutation<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Self, AllocError> {
        Self::make::<false>(mc, key, value)
    }

    /// `PANICS` is set for a caller that panics if there is no room.
    fn make<const PANICS: bool>(
        mc: &Mutation<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Self, AllocError> {
        let at = mc.record().alloc_ephemeron::<PANICS>()?.ptr::<EphemeronBox>();
        // SAFETY: INV-11: the slot is ours and its key is zero, which is an empty box.
        unsafe { &*at }.fill(key.addr(), value.addr());
        // SAFETY: INV-5: slots are never at address zero.
        let shared = unsafe { NonNull::new_unchecked(at) };
        Ok(Ephemeron {
            shared,
            key: key.as_non_null(),
            value: value.as_non_null(),
            brand: PhantomData,
        })
    }

    /// The address of the key, whose object may be gone.
    pub(super) fn key_addr(self) -> Addr {
        Addr::of(self.key.as_ptr())
    }
    fn shared(&self) -> &EphemeronBox {
        // SAFETY: INV-4: tracing an ephemeron keeps its box, so it is live in this pin.
        unsafe { self.shared.as_ref() }
    }

    /// Returns the key, if it is still alive. It then stays alive for this `mutate`.
    #[must_use]
    pub fn key(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, K>> {
        if !mc.record().upgrade(&self.shared().key) {
            return None;
        }
        // SAFETY: INV-11: not flagged, and marked, shaded or not marking: the object is live in
        // this pin.
        Some(unsafe { Gc::from_non_null(self.key) })
    }
    /// Returns the value, if the key is still alive. Both then stay alive for this `mutate`.
    #[must_use]
    pub fn value(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, V>> {
        self.key(mc)?;
        // The value needs no gate: with the box and the key in hand, the fixpoint keeps it (the
        // model's EPH).
        // SAFETY: INV-15: not flagged, and the key is live in this pin, so the value is.
        Some(unsafe { Gc::from_non_null(self.value) })
    }
    /// Returns whether the key is known to be dead. `false` is not certain: a cycle may be about to
    /// find out.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.shared().key.is_dead()
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for Ephemeron<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = if self.is_dead() { ", dead" } else { "" };
        write!(f, "Ephemeron({:p} to {:p}{dead})", self.key, self.value)
    }
}

// SAFETY: INV-7: the edge is to the box. The key is weak, and the collector itself follows the
// value.
unsafe impl<'gc, K: ?Sized, V: ?Sized> Trace<'gc> for Ephemeron<'gc, K, V> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.visit(Addr::of(self.shared.as_ptr()));
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl<K: Family + ?Sized, V: Family + ?Sized> Managed for Ephemeron<'static, K, V> {
    type At<'gc> = Ephemeron<'gc, K::At<'gc>, V::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, K, V> Branded<'gc> for Ephemeron<'gc, K, V>
where
    K: Rootable<'gc> + ?Sized,
    V: Rootable<'gc> + ?Sized,
{
    type Static = Ephemeron<'static, K::Family, V::Family>;
}
