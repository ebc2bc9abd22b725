//! What the code that macros write refers to. Not part of the API.

#![forbid(unsafe_code)]

pub use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};

/// The ban on `Drop`: the derive implements this for a type that can hold a `Gc`, and the blanket impl below
/// collides with that if the type has a `Drop`, which could look through the `Gc` when its target is gone
/// (INV-9).
pub trait MustNotImplDrop {}

#[expect(
    drop_bounds,
    reason = "the bound is the point: it holds exactly for types with a `Drop` of their own"
)]
impl<T: Drop> MustNotImplDrop for T {}

/// Compiles if `T` may be left untraced: what is `'static` holds no `Gc` that anybody could use.
#[inline(always)]
pub const fn assert_leaf<T: ?Sized + 'static>() {}
