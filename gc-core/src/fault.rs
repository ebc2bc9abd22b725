#![forbid(unsafe_code)]
//! Fault seeding: one-line faults that a build can be given, to learn which check finds each.
//!
//! `--cfg gc_fault="name"` makes `fault!("name")` true in that build only, at its place (a few have
//! two). Elsewhere it is the constant `false` and leaves no code. `ci/faults.sh` builds each fault
//! and runs the check that must find it. `docs/FAULTS.md` has the table with the times. These
//! faults show that the tests would find real ones.

/// Whether this build has the fault of that name.
macro_rules! fault {
    ($name:tt) => {
        cfg!(gc_fault = $name)
    };
}
