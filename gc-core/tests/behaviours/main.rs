//! Behaviours that the test suites of other collectors check, written anew from the names and the
//! intents of their tests. There is a module for each suite, and `docs/BEHAVIOURS.md` has the table
//! of all. Behaviours that another test of ours covers are cited there, and not repeated here.
//!
//! [`tools::Latch`] stops the collector in the middle of a phase. So actions *while it marks* or
//! *while it sweeps* need no luck.

mod boa;
mod dumpster;
mod gc_arena;
mod go;
mod not_here;
mod oilpan;
mod oilpan_counts;
mod oilpan_weak;
mod rust_gc;
#[path = "../common/settle.rs"]
mod settle;
mod tools;
