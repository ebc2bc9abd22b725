//! The fuzz target: `cargo fuzz run heap`, or `ci/fuzz.sh` without cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gc_fuzz::play(bytes));
