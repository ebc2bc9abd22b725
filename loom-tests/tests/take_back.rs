//! INV-3: a thread's cache belongs to its owner inside pins, and to the collector only while the
//! owner is kept out.
#![cfg(loom)]

use gc_core::model::{Crossing, Cycle, Epoch, EpochWord, PinWord, full_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct World {
    epoch: EpochWord,
    pin: PinWord,
    crossing: Crossing,
    cache: UnsafeCell<u32>,
}

impl World {
    fn touch(&self) {
        self.cache.with_mut(|p| {
            // SAFETY: loom itself checks that no other thread touches it.
            unsafe { *p += 1 }
        });
    }
}

fn run(locked: bool) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        crossing: Crossing::new(),
        cache: UnsafeCell::new(0),
    });
    let owner = {
        let world = world.clone();
        thread::spawn(move || {
            loop {
                let at = world.epoch.load();
                if !world.crossing.has_seen(at) {
                    world.crossing.owner(at, || world.touch());
                }
                if world.pin.publish(at, &world.epoch) {
                    break;
                }
            }
            world.touch();
            world.pin.clear();
        })
    };
    let sweep = Epoch::sweep(Cycle::new(1));
    world.epoch.advance(sweep);
    full_fence();
    while !world.pin.crossed(sweep) {
        thread::yield_now();
    }
    if locked {
        world.crossing.on_behalf(sweep, || world.touch());
    } else {
        world.touch();
    }
    owner.join().unwrap();
}

#[test]
fn a_cache_is_taken_back_while_its_owner_is_out() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic]
fn broken_taking_back_without_the_lock() {
    loom_tests::check(None, || run(false));
}
