//! [`ByAddress`]: an object's identity as a key.

use crate::pointers::Gc;
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A [`Gc`] that is compared, ordered and hashed by the address of its object, not by the content.
/// It is a key for maps and sets of objects by identity, and for data that leads to itself.
///
/// `Copy`, and keeps its object alive as a `Gc` does. Objects do not move, so the order never
/// changes; it is that of addresses and has no other meaning. `Debug` prints the address.
/// [`GcWeakMap`](crate::GcWeakMap) has weak keys.
///
/// ```
/// use gc_core::{ByAddress, Gc, Heap};
/// use std::collections::HashSet;
/// Heap::new().mutate(|mc| {
///     let (one, another) = (Gc::new(mc, 1), Gc::new(mc, 1));
///     let seen = HashSet::from([ByAddress(one)]);
///     assert!(seen.contains(&ByAddress(one)) && !seen.contains(&ByAddress(another)));
///     assert_eq!(**ByAddress(one), 1);
/// });
/// ```
#[repr(transparent)]
pub struct ByAddress<'gc, T: ?Sized>(pub Gc<'gc, T>);

impl<T: ?Sized> Clone for ByAddress<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for ByAddress<'_, T> {}

impl<'gc, T: ?Sized> Deref for ByAddress<'gc, T> {
    type Target = Gc<'gc, T>;
    fn deref(&self) -> &Gc<'gc, T> {
        &self.0
    }
}
impl<'gc, T: ?Sized> From<Gc<'gc, T>> for ByAddress<'gc, T> {
    fn from(gc: Gc<'gc, T>) -> Self {
        ByAddress(gc)
    }
}

impl<T: ?Sized> PartialEq for ByAddress<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.addr() == other.0.addr()
    }
}
impl<T: ?Sized> Eq for ByAddress<'_, T> {}
impl<T: ?Sized> PartialOrd for ByAddress<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T: ?Sized> Ord for ByAddress<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.addr().cmp(&other.0.addr())
    }
}
impl<T: ?Sized> Hash for ByAddress<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.0.addr().get());
    }
}
impl<T: ?Sized> fmt::Debug for ByAddress<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByAddress({:p})", self.0)
    }
}
impl<T: ?Sized> fmt::Pointer for ByAddress<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.0, f)
    }
}

// SAFETY: INV-7: the one edge.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for ByAddress<'gc, T> {
    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.0.trace(tracer);
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl<T: Family + ?Sized> Managed for ByAddress<'static, T> {
    type At<'gc> = ByAddress<'gc, T::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, T: Rootable<'gc> + ?Sized> Branded<'gc> for ByAddress<'gc, T> {
    type Static = ByAddress<'static, T::Family>;
}
