//! What must not compile, with the words that the user sees; and what must.
//!
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes the expected output anew.

#![cfg(not(any(loom, miri)))]

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
