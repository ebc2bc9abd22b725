//! INV-3 and rule 11 with spans: by the end of the Sweep crossing the span that a thread held is
//! given up, once. No thread allocates from it while it is swept.
#![cfg(loom)]

use gc_core::model::{Crossing, Cycle, Epoch, EpochWord, PinWord};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use loom_tests::toy::{begin, wait};

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// The collector does nothing for a thread whose published word is not zero. But a pin in the
    /// old epoch that does not stand looks the same.
    Trusting,
    /// The owner crosses without the lock.
    OwnerNoLock,
    /// The collector takes an unpinned thread's cache without the lock.
    NoLock,
    /// The collector does not wait for pins.
    NoWait,
    /// The collector does not ask which thread has been in the epoch, which the published word does
    /// not tell.
    NotAsked,
}

#[derive(Clone, Copy, PartialEq)]
enum Cached {
    Old,
    Nothing,
    New,
}

struct World {
    epoch: EpochWord,
    pin: PinWord,
    crossing: Crossing,
    /// The cache: one span of the old epoch, nothing, or a span of the new epoch.
    cache: UnsafeCell<Cached>,
    given_up: AtomicU32,
    /// The span of the old epoch: its owner allocates from it, the sweep reads it.
    span: UnsafeCell<u32>,
}

impl World {
    /// Takes the content of the cache. For the second of owner and collector it is empty.
    fn give_up(&self) {
        let held = self.cache.with_mut(|p| {
            // SAFETY: loom itself checks that no other thread touches it.
            std::mem::replace(unsafe { &mut *p }, Cached::Nothing)
        });
        if held == Cached::Old {
            self.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn enter(&self, step: Step, first: Epoch) {
        loop {
            let at = self.epoch.load();
            if !self.crossing.has_seen(at) {
                assert!(at > first);
                if step == Step::OwnerNoLock {
                    self.give_up();
                    self.crossing.owner(at, || {});
                } else {
                    self.crossing.owner(at, || self.give_up());
                }
            }
            if self.pin.publish(at, &self.epoch) {
                return;
            }
        }
    }
    /// Allocates from the cached span, or from a new one.
    fn allocate(&self) {
        let old = self.cache.with_mut(|p| {
            // SAFETY: as above.
            let cached = unsafe { &mut *p };
            if *cached == Cached::Nothing {
                *cached = Cached::New;
            }
            *cached == Cached::Old
        });
        if old {
            self.span.with_mut(|p| {
                // SAFETY: as above.
                unsafe { *p += 1 }
            });
        }
    }
}

fn run(step: Step, pins: usize) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        crossing: Crossing::new(),
        cache: UnsafeCell::new(Cached::Old),
        given_up: AtomicU32::new(0),
        span: UnsafeCell::new(0),
    });
    let first = world.epoch.load();
    world.crossing.owner(first, || {});
    let owner = {
        let world = world.clone();
        thread::spawn(move || {
            for _ in 0..pins {
                world.enter(step, first);
                world.allocate();
                world.pin.clear();
            }
        })
    };
    let sweep = Epoch::sweep(Cycle::new(1));
    begin(&world.epoch, sweep);
    if step != Step::NoWait {
        wait(&[&world.pin], sweep);
    }
    match step {
        Step::NoLock if !world.crossing.has_seen(sweep) => world.give_up(),
        Step::NoLock => {}
        Step::Trusting if !world.pin.is_unpinned() => {}
        Step::NotAsked => world.crossing.exclusively(|| world.give_up()),
        _ => world.crossing.on_behalf(sweep, || world.give_up()),
    }
    // The sweep opens.
    assert_eq!(world.given_up.load(Ordering::Relaxed), 1, "a span is given up once");
    world.span.with_mut(|p| {
        // SAFETY: as above.
        unsafe { *p = 0 }
    });
    owner.join().unwrap();
}

#[test]
fn a_span_is_given_up_once_before_the_sweep() {
    loom_tests::check(None, || run(Step::Whole, 1));
}

#[test]
fn over_two_pins() {
    loom_tests::check(None, || run(Step::Whole, 2));
}

#[test]
#[should_panic(expected = "given up once")]
fn broken_the_published_word_says_who_has_been_there() {
    loom_tests::check(None, || run(Step::Trusting, 1));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_the_owner_crosses_without_the_lock() {
    loom_tests::check(None, || run(Step::OwnerNoLock, 1));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_taken_back_without_the_lock() {
    loom_tests::check(None, || run(Step::NoLock, 1));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_taken_back_from_a_pin() {
    loom_tests::check(None, || run(Step::NoWait, 1));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_taken_back_from_one_who_has_been_there() {
    loom_tests::check(None, || run(Step::NotAsked, 1));
}
