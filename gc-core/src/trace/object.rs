#![forbid(unsafe_code)]
//! [`Object`]: the bounds of what lies in the heap, under one name.

use super::Trace;

/// What can be an object of the heap: `Trace<'gc> + Send + Sync + 'gc`, which every such type
/// implements by itself.
///
/// [`Gc::new`](crate::Gc::new) spells the bounds out, so that an error names the one that is
/// missing.
///
/// ```
/// use gc_core::{Gc, GcRefCell, Heap, Mutation, Object};
/// fn boxed<'gc, T: Object<'gc>>(mc: &Mutation<'gc>, value: T) -> Gc<'gc, GcRefCell<T>> {
///     Gc::new(mc, GcRefCell::new(value))
/// }
/// Heap::new().mutate(|mc| assert_eq!(*boxed(mc, 7).borrow(), 7));
/// ```
pub trait Object<'gc>: Trace<'gc> + Send + Sync + 'gc {}

impl<'gc, T: Trace<'gc> + Send + Sync + ?Sized + 'gc> Object<'gc> for T {}
