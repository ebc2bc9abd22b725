#![forbid(unsafe_code)]
//! Which types may cross a `catch_unwind`: `UnwindSafe` and `RefUnwindSafe`.
//!
//! 1. A panic inside `mutate` ends the pin and leaves the heap intact, so handles may cross:
//!    [`Heap`], [`Mutator`], [`Mutation`].
//! 2. Objects in the heap are shared with threads that go on when one of them panics, as the
//!    content of std's `Mutex` and atomics is. So pointers and cells may cross. The guarded cells
//!    have no poison: the next borrower sees what the panicking borrower had written, as with a
//!    lock of `parking_lot`.
//!
//! These traits are reminders and do not affect memory safety. [`GcOnceCell`](crate::GcOnceCell),
//! [`GcRef`](crate::GcRef) and [`ByAddress`](crate::ByAddress) have them by their fields.

use crate::api::{Heap, Mutation, Mutator};
use crate::pointers::guarded::Guarded;
use crate::pointers::{
    Ephemeron, External, Gc, GcCell, GcMappedRefMut, GcMutex, GcRefCell, GcRwLock, GcWeak,
    GcWeakMap, Root,
};
use crate::trace::Family;
use std::panic::{RefUnwindSafe, UnwindSafe};

macro_rules! crosses {
    ($([$($param:tt)*] $ty:ty),* $(,)?) => {$(
        impl<$($param)*> UnwindSafe for $ty {}
        impl<$($param)*> RefUnwindSafe for $ty {}
    )*};
}

crosses! {
    [] Heap,
    [] Mutator,
    [] Mutation<'_>,
    [] External,
    [T: Family + ?Sized] Root<T>,
    [T: ?Sized] Gc<'_, T>,
    [T: ?Sized] GcWeak<'_, T>,
    [K: ?Sized, V: ?Sized] Ephemeron<'_, K, V>,
    [K: ?Sized, V: ?Sized] GcWeakMap<'_, K, V>,
    [T] GcCell<'_, T>,
    [T] GcRefCell<T>,
    [T] GcMutex<T>,
    [T] GcRwLock<T>,
    [T] Guarded<T>,
    [U: ?Sized] GcMappedRefMut<'_, '_, U>,
}
