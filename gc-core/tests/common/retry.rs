//! Tests that judge by a clock, or by which thread had a core when: one at a time, and retried.
//!
//! CPU time and counts are better judges, and come first. Where they cannot answer the test's
//! question, the test returns its judgement as an `Err` in [`alone`]. What must hold however busy
//! the machine is stays an `assert!`, which fails at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often such a test may miss its bound. A property that is broken misses each time.
const TRIES: u32 = 3;

/// A turn of the calling test. No other test of its program that takes a turn runs beside it.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `attempt` until it returns `Ok`, [`TRIES`] times at most, in a turn, and prints each miss.
#[track_caller]
pub(crate) fn alone(mut attempt: impl FnMut() -> Result<(), String>) {
    let _turn = turn();
    let mut misses = Vec::new();
    for number in 1..=TRIES {
        let Err(miss) = attempt() else { return };
        eprintln!("retry: miss {number} of {TRIES}: {miss}");
        misses.push(miss);
    }
    panic!("missed {TRIES} times: {misses:#?}");
}

/// The judgement of an attempt: `Ok` if it `holds`, else what was seen.
pub(crate) fn judge(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
