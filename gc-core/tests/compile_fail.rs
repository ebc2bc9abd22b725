//! Programs that must not compile, with the messages that the user sees.
//!
//! There is none that must compile among them (these are in `compile_pass`): without one, trybuild
//! only checks the programs, and all at once.
//!
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes the expected output anew.

#![cfg(not(any(loom, miri)))]

// behaviour (gc-arena): a field without `Trace`, a bad bound, contradicting attributes are compile
//   errors
// origin: ui: invalid_collect_field, bad_collect_bound, multiple_require_static,
//   require_static_enum_variant
// cases: field_without_trace, derive_attributes
// behaviour (gc-arena): a field declared to be a leaf must be one
// origin: ui: require_static_not_static
// cases: derive_skip_gc, derive_skip_parameter
// behaviour (gc-arena): `Drop` on a type with pointers is a compile error
// origin: ui: no_drop_and_drop_impl
// cases: drop_beside_gc
// behaviour (rust-gc): a pointer in a field that is not traced
// origin: ignore_trace, issue 52
// cases: derive_skip_gc
// also: `api::roots_are_shared_and_compared`
// behaviour (rust-gc): a counted pointer shared by two objects is traced wrongly
// origin: issue 134
// cases: rc_content
// behaviour (Oilpan): a field of one heap points into another
// origin: MemberHeapDeathTest
// cases: two_heaps
#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
