//! INV-1: after a handshake to an epoch no pin of an older epoch stands.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, PinWord, full_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct World {
    epoch: EpochWord,
    pin: PinWord,
    /// Read in pins of the old epoch, written by the collector after the handshake.
    old: UnsafeCell<u32>,
}

fn run(recheck: bool) {
    let world =
        Arc::new(World { epoch: EpochWord::new(), pin: PinWord::new(), old: UnsafeCell::new(0) });
    let old = world.epoch.load();
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            let mut at = world.epoch.load();
            while !world.pin.publish(at, &world.epoch) && recheck {
                at = world.epoch.load();
            }
            if at == old {
                world.old.with(|p| {
                    // SAFETY: loom itself checks that no thread writes at the same time.
                    let _ = unsafe { *p };
                });
            }
            world.pin.clear();
        })
    };
    let prep = Epoch::prep(Cycle::new(1));
    world.epoch.advance(prep);
    full_fence();
    while !world.pin.crossed(prep) {
        thread::yield_now();
    }
    world.old.with_mut(|p| {
        // SAFETY: as above.
        unsafe { *p = 1 }
    });
    mutator.join().unwrap();
}

#[test]
fn no_old_pin_stands_after_a_handshake() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic]
fn broken_a_pin_without_the_second_read() {
    loom_tests::check(None, || run(false));
}
