#![forbid(unsafe_code)]
//! The compile-time checks of `#[derive(Trace)]`, pinned to this crate.
//!
//! 1. A derive writes paths, and a path is the user's: a crate may give the name `gc_core` to a
//!    module of its own. So soundness does not rest on a free function or a trait that the derive
//!    names. Each check is an inherent function of [`Tracer`].
//! 2. The signature of [`Trace::trace`] pins the name: an impl of the real trait takes the real
//!    `Tracer`, or it does not compile. An inherent function takes precedence over any trait's.
//! 3. [`Managed`] and [`Branded`] pin the families of unsized parameters in the same way, by a
//!    hidden function each that takes a `Tracer`.
//! 4. The checks take a field's value. So a type macro that expands differently the second time, or
//!    a field that another attribute adds, cannot separate a value from its type.

use super::{Family, Rootable, Trace, Tracer};

/// The traits below have no path that another crate could write. A `where` clause that names one of
/// them would affect the inference of [`Tracer::__no_drop`].
mod unnameable {
    /// Holds once for each type, and twice for a type with a `Drop` of its own.
    pub trait MoveDropToAFieldWithoutPointers<Marker> {}
    impl<T: ?Sized> MoveDropToAFieldWithoutPointers<()> for T {}
    #[expect(
        drop_bounds,
        reason = "the bound is the point: it holds exactly for types with a `Drop` of their own"
    )]
    impl<T: Drop + ?Sized> MoveDropToAFieldWithoutPointers<u8> for T {}
}

#[doc(hidden)]
impl<'gc> Tracer<'gc> {
    /// Compiles if `value` may be left untraced: a `'static` value holds no `Gc` that a program
    /// could use (INV-7).
    #[inline(always)]
    pub fn __leaf<T: 'static + ?Sized>(&mut self, value: &T) {
        let _ = value;
    }

    /// Compiles if `T` has no `Drop` of its own: with one, `Marker` is ambiguous. Such a `Drop`
    /// could look through a `Gc` after its target is gone (INV-9).
    #[inline(always)]
    pub fn __no_drop<T: unnameable::MoveDropToAFieldWithoutPointers<Marker> + ?Sized, Marker>(
        &mut self,
    ) {
    }

    /// Returns whether a field needs a trace. `field` maps the whole to the field and is never
    /// called.
    pub const fn __needs_trace<Whole: ?Sized, Field: Trace<'gc> + ?Sized>(
        _field: for<'a> fn(&'a Whole) -> &'a Field,
    ) -> bool {
        Field::NEEDS_TRACE
    }

    /// Compiles if `At` is the member of the family `F` at this brand (INV-8).
    #[inline(always)]
    pub fn __member<F: Family<At<'gc> = At> + ?Sized, At: ?Sized>(&mut self) {}

    /// Compiles if `F` is the family of `At` (INV-8).
    #[inline(always)]
    pub fn __family<At: Rootable<'gc, Family = F> + ?Sized, F: ?Sized>(&mut self) {}

    /// Stands where the derive has refused a type, beside the error. It normally never runs. But
    /// the error is a macro, and a crate may give that macro's name to another one. Ends the
    /// process, because objects that cannot be traced cannot be kept safe.
    #[cold]
    pub fn __refused(&mut self) {
        crate::error::fatal("`#[derive(Trace)]` refused this type, and its error was hidden");
    }
}
