//! What the code that macros write refers to. Not part of the API.
//!
//! Soundness does not rest on these paths, which the user's crate may give to modules of its own: what
//! the derive has to check is pinned to [`Tracer`] (`trace/checks.rs`).

#![forbid(unsafe_code)]

pub use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
pub use ::core::marker::Sized;
pub use ::core::primitive::bool;

/// The words for the ban on `Drop`: the derive implements this for a type that can hold a `Gc`, and the
/// blanket impl below collides with that if the type has a `Drop`. The ban itself is
/// `Tracer::__no_drop`, whose message says less.
pub trait MustNotImplDrop {}

#[expect(
    drop_bounds,
    reason = "the bound is the point: it holds exactly for types with a `Drop` of their own"
)]
impl<T: Drop> MustNotImplDrop for T {}
