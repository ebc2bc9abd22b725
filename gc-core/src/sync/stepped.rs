#![forbid(unsafe_code)]
//! std's atomics with a point before each operation, at which another thread may run: where shuttle
//! may switch (`schedule`), or where the verifying build may yield (`chaos`).
//!
//! They are std's and no model's, because the heap lays them over its own memory.

use super::imp::{point, point_of_load};

pub(crate) use std::sync::atomic::Ordering;

macro_rules! atomic {
    ($name:ident, $value:ty, $($fetch:ident),*) => {
        /// std's atomic with a point before each operation.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name(std::sync::atomic::$name);
        #[allow(dead_code, reason = "the interface is the same for all types")]
        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }
            pub(crate) fn load(&self, order: Ordering) -> $value {
                point_of_load(order);
                self.0.load(order)
            }
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                point();
                self.0.store(value, order);
            }
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                point();
                self.0.swap(value, order)
            }
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                point();
                self.0.compare_exchange(current, new, success, failure)
            }
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
            pub(crate) fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }
            $(pub(crate) fn $fetch(&self, value: $value, order: Ordering) -> $value {
                point();
                self.0.$fetch(value, order)
            })*
        }
    };
}

atomic!(AtomicBool, bool, fetch_or, fetch_and);
atomic!(AtomicU8, u8, fetch_or, fetch_and);
atomic!(AtomicU32, u32, fetch_add, fetch_sub, fetch_or, fetch_and, fetch_max);
atomic!(AtomicU64, u64, fetch_add, fetch_sub, fetch_or, fetch_and, fetch_max);
atomic!(AtomicUsize, usize, fetch_add, fetch_sub, fetch_or, fetch_and, fetch_max);

/// std's atomic pointer with a point before each operation.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct AtomicPtr<T>(std::sync::atomic::AtomicPtr<T>);
impl<T> AtomicPtr<T> {
    pub(crate) const fn new(value: *mut T) -> Self {
        AtomicPtr(std::sync::atomic::AtomicPtr::new(value))
    }
    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        point_of_load(order);
        self.0.load(order)
    }
    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        point();
        self.0.store(value, order);
    }
}
