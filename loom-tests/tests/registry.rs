//! INV-2: a handshake's snapshot misses a thread only if that thread's first pin sees the new
//! epoch.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, Registry, full_fence};
use loom::sync::Arc;
use loom::thread;

fn run(register_first: bool) {
    let world = Arc::new((EpochWord::new(), Registry::new()));
    let old = world.0.load();
    let comer = {
        let world = world.clone();
        thread::spawn(move || {
            if register_first {
                world.1.register(Arc::new(1));
                world.0.load()
            } else {
                let at = world.0.load();
                world.1.register(Arc::new(1));
                at
            }
        })
    };
    world.0.advance(Epoch::prep(Cycle::new(1)));
    full_fence();
    let seen = world.1.snapshot().len();
    let at = comer.join().unwrap();
    assert!(seen == 1 || at != old, "a thread in the old epoch was missed");
}

#[test]
fn a_late_comer_sees_the_new_epoch() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic(expected = "was missed")]
fn broken_the_epoch_is_read_before_registering() {
    loom_tests::check(None, || run(false));
}
