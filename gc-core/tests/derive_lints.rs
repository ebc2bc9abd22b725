//! The code that `#[derive(Trace)]` writes causes no warning under every lint that a crate may
//! deny. `ci/lint.sh` runs clippy over this file as over all tests. The compiler's own lints hold
//! whenever it is built.

#![deny(warnings)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::cargo)]
#![deny(unused, nonstandard_style, future_incompatible, rust_2018_idioms, let_underscore)]
#![deny(unused_qualifications, unused_lifetimes, single_use_lifetimes, trivial_casts)]
#![deny(explicit_outlives_requirements, unreachable_pub, unused_results, meta_variable_misuse)]
#![deny(missing_debug_implementations, missing_copy_implementations, variant_size_differences)]
#![deny(
    clippy::pattern_type_mismatch,
    clippy::ref_patterns,
    clippy::missing_inline_in_public_items
)]
#![deny(clippy::multiple_inherent_impl, clippy::single_char_lifetime_names)]
#![forbid(deprecated, unsafe_code)]
#![allow(
    clippy::allow_attributes_without_reason,
    clippy::blanket_clippy_restriction_lints,
    clippy::cargo_common_metadata,
    clippy::multiple_crate_versions,
    reason = "of the workspace, not of the derive"
)]

/// Types in all forms, with deprecated parts.
pub mod types {
    use gc_core::{Gc, GcCell, Trace};

    /// A field that is deprecated, whose name a later edition reserves.
    #[derive(Trace, Debug, Clone)]
    pub struct Old<'gc> {
        /// Alive.
        pub alive: Gc<'gc, u64>,
        /// Gone soon.
        #[deprecated]
        pub r#gen: u64,
    }

    /// A variant that is deprecated.
    #[derive(Trace, Debug, Clone)]
    pub enum Choice<'gc> {
        /// Gone soon.
        #[deprecated]
        Gone(u64),
        /// Alive.
        Alive(Gc<'gc, u64>),
        /// Without fields.
        Empty,
    }

    /// A type that is deprecated.
    #[deprecated]
    #[derive(Trace)]
    #[allow(missing_debug_implementations, missing_copy_implementations, reason = "it is short")]
    pub struct Gone<'gc>(pub Gc<'gc, u64>);

    /// The name of a type that is not in camel case.
    #[allow(non_camel_case_types, reason = "the name is the point")]
    #[derive(Trace, Debug, Clone, Copy)]
    pub struct snake<'gc>(pub Gc<'gc, u64>);

    /// Parameters, and a field that is skipped.
    #[derive(Trace, Debug, Default)]
    pub struct Generic<T, const N: usize>
    where
        T: Clone + for<'text> PartialEq<&'text str>,
    {
        /// What it holds.
        pub values: Vec<T>,
        /// Nothing that holds a pointer.
        #[trace(skip)]
        pub skipped: Option<[(); N]>,
    }

    /// Bounds beside the parameters.
    #[derive(Trace, Debug, Clone, Copy)]
    pub enum Bounded<'gc, T: Clone + PartialEq, U: Copy> {
        /// One.
        One(T, Gc<'gc, T>),
        /// The other.
        Two(U),
    }

    /// An unsized parameter.
    #[derive(Trace, Debug)]
    pub struct Link<'gc, T: ?Sized>(pub Gc<'gc, T>);

    /// A node that mentions itself.
    #[derive(Trace, Debug)]
    pub struct Node<'gc> {
        next: GcCell<'gc, Self>,
    }

    impl<'gc> Node<'gc> {
        /// The node behind it.
        #[must_use]
        #[inline]
        pub fn next(&self) -> Option<Gc<'gc, Self>> {
            self.next.get()
        }
    }

    /// A unit.
    #[derive(Trace, Debug, Clone, Copy)]
    pub struct Unit;

    /// No variant.
    #[derive(Trace, Debug, Clone, Copy)]
    pub enum Never {}

    /// A leaf with two forms.
    #[derive(Trace, Debug, Clone)]
    pub enum Leaf {
        /// A number.
        Number(u64),
        /// A text.
        Text {
            /// The text.
            text: String,
        },
    }
}

/// The constants are what they are without the lints, too.
#[test]
fn the_types_are_what_they_seem() {
    fn needs<T: gc_core::Trace<'static>>() -> bool {
        T::NEEDS_TRACE
    }
    assert!(!needs::<types::Leaf>() && needs::<types::Node<'_>>());
}
