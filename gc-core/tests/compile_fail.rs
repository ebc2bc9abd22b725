//! Programs that must not compile, with the messages that the user sees, and programs that must.
//!
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes the expected output anew.

#![cfg(not(any(loom, miri)))]

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
