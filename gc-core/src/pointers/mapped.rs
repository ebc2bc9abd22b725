//! Guards of a part of a cell's content: [`GcRef::map`], [`GcRefMut::map`] and similar functions.
//!
//! 1. A shared guard has no barrier, so a mapped one has the same type: the word to release, and a
//!    pointer to the part.
//! 2. An exclusive guard ends with the barrier of the whole cell. A [`GcMappedRefMut`] holds the
//!    cell as something whose borrow can be ended (`Borrowed`). That makes the original guard again
//!    and drops it.
//!
//! The part was reached through a reference lent to the closure, so it lies in the cell or lives as
//! long as the borrow.

use crate::api::Mutation;
use crate::pointers::guarded::Guarded;
use crate::pointers::{GcRef, GcRefMut};
use crate::trace::Trace;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

impl<'a, T: ?Sized> GcRef<'a, T> {
    /// Returns a guard of a part of the borrowed content. The cell stays borrowed until that is
    /// dropped.
    ///
    /// ```
    /// use gc_core::{GcRef, GcRefCell};
    /// let cell = GcRefCell::new((1, "one"));
    /// let name = GcRef::map(cell.borrow(), |pair| pair.1);
    /// assert_eq!(&*name, "one");
    /// ```
    pub fn map<U: ?Sized>(orig: Self, part: impl FnOnce(&T) -> &U) -> GcRef<'a, U> {
        let value = NonNull::from(part(&orig));
        GcRef { lock: ManuallyDrop::new(orig).lock, value, content: PhantomData }
    }
    /// The same for a part that may not exist.
    ///
    /// # Errors
    ///
    /// The guard itself, if there is no such part.
    ///
    /// ```
    /// use gc_core::{GcRef, GcRefCell}; let cell = GcRefCell::new(vec![1, 2, 3]);
    /// assert_eq!(*GcRef::filter_map(cell.borrow(), |all| all.get(1)).unwrap(), 2);
    /// assert!(GcRef::filter_map(cell.borrow(), |all| all.get(9)).is_err_and(|all| all.len() ==
    /// 3));
    /// ```
    pub fn filter_map<U: ?Sized>(
        orig: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<GcRef<'a, U>, Self> {
        match part(&orig).map(NonNull::from) {
            Some(value) => {
                Ok(GcRef { lock: ManuallyDrop::new(orig).lock, value, content: PhantomData })
            }
            None => Err(orig),
        }
    }
}

impl<'a, 'gc, T: Trace<'gc>> GcRefMut<'a, 'gc, T> {
    /// Returns a guard of a part of the borrowed content. The cell stays borrowed until that is
    /// dropped. Its end is that of the whole cell, barrier included.
    ///
    /// ```
    /// use gc_core::{GcRefCell, GcRefMut, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let cell = GcRefCell::new((1, String::from("one")));
    ///     let mut name = GcRefMut::map(cell.borrow_mut(mc), |pair| &mut pair.1);
    ///     name.push('!');
    ///     assert!(cell.try_borrow().is_none());
    ///     drop(name);
    ///     assert_eq!(cell.borrow().1, "one!");
    /// });
    /// ```
    pub fn map<U: ?Sized>(
        mut orig: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> GcMappedRefMut<'a, 'gc, U> {
        let value = NonNull::from(part(&mut orig));
        GcMappedRefMut::of(orig, value)
    }
    /// The same for a part that may not exist.
    ///
    /// # Errors
    ///
    /// The guard itself, if there is no such part.
    ///
    /// ```
    /// use gc_core::{GcMutex, GcMutexGuard, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let table = GcMutex::new(vec![1, 2, 3]);
    ///     *GcMutexGuard::filter_map(table.lock(mc), |all| all.get_mut(1)).unwrap() = 7;
    ///     assert!(GcMutexGuard::filter_map(table.lock(mc), |all| all.get_mut(9)).is_err());
    ///     assert_eq!(table.into_inner(), [1, 7, 3]);
    /// });
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut orig: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<GcMappedRefMut<'a, 'gc, U>, Self> {
        match part(&mut orig).map(NonNull::from) {
            Some(value) => Ok(GcMappedRefMut::of(orig, value)),
            None => Err(orig),
        }
    }
}

/// A cell of any content, whose exclusive borrow can be ended.
trait Borrowed<'gc> {
    /// Ends the exclusive borrow that the caller has, as the drop of its [`GcRefMut`] would.
    fn end(&self, mc: &Mutation<'gc>, kept: bool);
}

impl<'gc, T: Trace<'gc>> Borrowed<'gc> for Guarded<T> {
    fn end(&self, mc: &Mutation<'gc>, kept: bool) {
        // The closure that found the part had a `&mut`.
        drop(GcRefMut { cell: self, mc, kept, changed: true });
    }
}

/// An exclusive borrow of a part of the content of a [`GcRefCell`](crate::GcRefCell),
/// [`GcMutex`](crate::GcMutex) or [`GcRwLock`](crate::GcRwLock). From [`GcRefMut::map`] or
/// [`GcRefMut::filter_map`].
///
/// A leaked guard (`std::mem::forget`) leaves its cell locked for ever, and the collector may then
/// free the objects that the cell points to.
///
/// ```
/// use gc_core::{GcMappedRefMut, GcRefCell, GcRefMut, Heap};
/// Heap::new().mutate(|mc| {
///     let cell = GcRefCell::new((1, vec![2, 3]));
///     let list: GcMappedRefMut<'_, '_, Vec<i32>> =
///         GcRefMut::map(cell.borrow_mut(mc), |pair| &mut pair.1);
///     let mut last = GcMappedRefMut::filter_map(list, |list| list.last_mut()).unwrap();
///     *last = 7;
///     drop(last);
///     assert_eq!(cell.borrow().1, [2, 7]);
/// });
/// ```
#[must_use = "a borrow ends when its guard is dropped"]
pub struct GcMappedRefMut<'a, 'gc, U: ?Sized> {
    cell: &'a dyn Borrowed<'gc>,
    mc: &'a Mutation<'gc>,
    kept: bool,
    /// The part. Not a reference, which would have to be valid until after the drop.
    value: NonNull<U>,
    content: PhantomData<&'a mut U>,
}

impl<'a, 'gc, U: ?Sized> GcMappedRefMut<'a, 'gc, U> {
    fn guarding(
        cell: &'a dyn Borrowed<'gc>,
        mc: &'a Mutation<'gc>,
        kept: bool,
        value: NonNull<U>,
    ) -> Self {
        GcMappedRefMut { cell, mc, kept, value, content: PhantomData }
    }
    /// `value` is from a closure that had a `&mut` to all that `orig` guards.
    fn of<T: Trace<'gc>>(orig: GcRefMut<'a, 'gc, T>, value: NonNull<U>) -> Self {
        let orig = ManuallyDrop::new(orig);
        GcMappedRefMut::guarding(orig.cell, orig.mc, orig.kept, value)
    }
    fn of_part<V: ?Sized>(orig: GcMappedRefMut<'a, 'gc, V>, value: NonNull<U>) -> Self {
        let orig = ManuallyDrop::new(orig);
        GcMappedRefMut::guarding(orig.cell, orig.mc, orig.kept, value)
    }

    /// A guard of a part of the part; see [`GcRefMut::map`].
    ///
    /// ```
    /// use gc_core::{GcMappedRefMut, GcRefCell, GcRefMut, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let cell = GcRefCell::new((1, vec![1, 2]));
    ///     let list = GcRefMut::map(cell.borrow_mut(mc), |pair| &mut pair.1);
    ///     *GcMappedRefMut::map(list, |list| &mut list[0]) = 5;
    ///     assert_eq!(cell.into_inner(), (1, vec![5, 2]));
    /// });
    /// ```
    pub fn map<V: ?Sized>(
        mut orig: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> GcMappedRefMut<'a, 'gc, V> {
        let value = NonNull::from(part(&mut orig));
        GcMappedRefMut::of_part(orig, value)
    }
    /// The same for a part that may not exist; see [`GcRefMut::filter_map`].
    ///
    /// # Errors
    ///
    /// The guard itself, if there is no such part.
    pub fn filter_map<V: ?Sized>(
        mut orig: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<GcMappedRefMut<'a, 'gc, V>, Self> {
        match part(&mut orig).map(NonNull::from) {
            Some(value) => Ok(GcMappedRefMut::of_part(orig, value)),
            None => Err(orig),
        }
    }
}

impl<U: ?Sized> Deref for GcMappedRefMut<'_, '_, U> {
    type Target = U;
    fn deref(&self) -> &U {
        // SAFETY: INV-14: the exclusive borrow is ours, and the part lies in what it lends.
        unsafe { self.value.as_ref() }
    }
}
impl<U: ?Sized> DerefMut for GcMappedRefMut<'_, '_, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: INV-14: as above, and `&mut self` makes it unique.
        unsafe { self.value.as_mut() }
    }
}
impl<U: ?Sized> Drop for GcMappedRefMut<'_, '_, U> {
    fn drop(&mut self) {
        self.cell.end(self.mc, self.kept);
    }
}
impl<U: ?Sized + fmt::Debug> fmt::Debug for GcMappedRefMut<'_, '_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
