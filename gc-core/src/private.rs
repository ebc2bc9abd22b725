//! Items that the code of macros refers to. Not part of the API.
//!
//! Soundness does not depend on these paths, which the user's crate may give to modules of its own.
//! The checks of the derive are pinned to [`Tracer`] (`trace/checks.rs`).

#![forbid(unsafe_code)]

pub use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
pub use ::core::marker::Sized;
pub use ::core::primitive::bool;

/// The message of the ban on `Drop`. The derive implements this for a type that can hold a `Gc`;
/// the blanket impl below collides with that if the type has a `Drop`. The ban itself is
/// `Tracer::__no_drop`, whose message tells less.
pub trait MoveDropToAFieldWithoutPointers {}

#[expect(
    drop_bounds,
    reason = "the bound is the point: it holds exactly for types with a `Drop` of their own"
)]
impl<T: Drop> MoveDropToAFieldWithoutPointers for T {}
