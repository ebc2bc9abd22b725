//! INV-2 on the source file that ships, `handshake/registry.rs`, with the fence in `register` and
//! without it.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use loom_tests::registry::Registry;
use loom_tests::sync::FENCES;
use std::sync::atomic::AtomicBool;

/// Returns whether any execution missed a thread in the old epoch.
fn missed(fence: bool, others: usize) -> bool {
    FENCES.store(fence, Ordering::Relaxed);
    let missed = std::sync::Arc::new(AtomicBool::new(false));
    let found = missed.clone();
    loom_tests::check(None, move || {
        if run(others) {
            found.store(true, Ordering::Relaxed);
        }
    });
    FENCES.store(true, Ordering::Relaxed);
    missed.load(Ordering::Relaxed)
}

/// A thread registers and reads the epoch; the collector sets it and takes a snapshot.
fn run(others: usize) -> bool {
    let world = Arc::new((AtomicU64::new(0), Registry::new()));
    (0..others).for_each(|i| world.1.register(Arc::new(i)));
    let comer = {
        let world = world.clone();
        thread::spawn(move || {
            world.1.register(Arc::new(7));
            world.0.load(Ordering::Acquire)
        })
    };
    // Lets the other thread run without a preemption.
    thread::yield_now();
    world.0.store(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    let seen = world.1.snapshot();
    let at = comer.join().unwrap();
    // What is in a snapshot is whole, though rows are added meanwhile.
    assert!(seen.iter().take(others).map(|r| **r).eq(0..others));
    let found = seen.iter().any(|r| **r == 7);
    !found && at == 0
}

/// One test, since the twin's switch is global.
#[test]
fn a_late_comer_sees_the_new_epoch() {
    assert!(!missed(true, 0), "a thread in the old epoch was missed");
    assert!(!missed(true, 1), "a thread in the old epoch was missed");
    assert!(missed(false, 0), "broken: registered without the fence, and no check noticed");
}
