#![forbid(unsafe_code)]
//! [`Object`]: the bounds of an object of the heap, under one name.

use super::Trace;

/// The bounds of an object of the heap: `Trace<'gc> + Send + Sync + 'gc`. Every such type
/// implements it automatically.
///
/// ```
/// use gc_core::{Gc, GcRefCell, Heap, Mutation, Object};
/// fn boxed<'gc, T: Object<'gc>>(mc: &Mutation<'gc>, value: T) -> Gc<'gc, GcRefCell<T>> {
///     Gc::new(mc, GcRefCell::new(value))
/// }
/// Heap::new().mutate(|mc| assert_eq!(*boxed(mc, 7).borrow(), 7));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the heap, which all threads share: it has to be `Trace + Send + Sync`. \
               Write `#[derive(Trace)]` above the type; `Arc` in place of `Rc`, `GcRefCell` in place of \
               `RefCell`, an atomic in place of `Cell`",
    label = "not `Trace + Send + Sync`",
    note = "which field is not: call `fn shared<T: Send + Sync>(_: &T) {{}}` with each field"
)]
pub trait Object<'gc>: Trace<'gc> + Send + Sync + 'gc {}

#[diagnostic::do_not_recommend]
impl<'gc, T: Trace<'gc> + Send + Sync + ?Sized + 'gc> Object<'gc> for T {}
