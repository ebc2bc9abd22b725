//! INV-2, the orderings: a copy of one place of `Registry` (a store and a load of one word), with
//! its fence and the handshake's. And a whole first pin, on the type that ships.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, PinWord, Registry, full_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use loom_tests::toy::pin;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    NoFenceInRegister,
    NoFenceInHandshake,
    SnapshotFirst,
}

/// One place, as one word.
fn list(step: Step) {
    let world = Arc::new((EpochWord::new(), AtomicU32::new(0)));
    let old = world.0.load();
    let comer = {
        let world = world.clone();
        thread::spawn(move || {
            world.1.store(1, Ordering::Release);
            if step != Step::NoFenceInRegister {
                full_fence();
            }
            world.0.load()
        })
    };
    let early = (step == Step::SnapshotFirst).then(|| world.1.load(Ordering::Acquire));
    world.0.advance(Epoch::prep(Cycle::new(1)));
    if step != Step::NoFenceInHandshake {
        full_fence();
    }
    let seen = early.unwrap_or_else(|| world.1.load(Ordering::Acquire));
    let at = comer.join().unwrap();
    assert!(seen == 1 || at != old, "a thread in the old epoch was missed");
}

/// A record is written, and then put into a place where a reader finds it.
fn content(order: Ordering) {
    let world = Arc::new((UnsafeCell::new(0), AtomicU32::new(0)));
    let comer = {
        let world = world.clone();
        thread::spawn(move || {
            world.0.with_mut(|p| {
                // SAFETY: loom itself checks that no reader has it yet.
                unsafe { *p = 7 }
            });
            world.1.store(1, order);
        })
    };
    if world.1.load(Ordering::Acquire) == 1 {
        world.0.with(|p| {
            // SAFETY: as above.
            assert_eq!(unsafe { *p }, 7);
        });
    }
    comer.join().unwrap();
}

struct Record {
    pin: PinWord,
    /// Used in pins of the old epoch, reused by the collector after the handshake.
    old: Arc<UnsafeCell<u32>>,
}

/// Two threads register and pin; the collector makes a handshake with the threads that it finds.
fn first_pin(register_first: bool, comers: usize) {
    let epoch = Arc::new(EpochWord::new());
    let registry = Arc::new(Registry::new());
    let old = epoch.load();
    let cells: Vec<_> = (0..comers).map(|_| Arc::new(UnsafeCell::new(0))).collect();
    let threads: Vec<_> = cells
        .iter()
        .map(|cell| {
            let (epoch, registry, cell) = (epoch.clone(), registry.clone(), cell.clone());
            thread::spawn(move || {
                let record = Arc::new(Record { pin: PinWord::new(), old: cell });
                if register_first {
                    registry.register(record.clone());
                }
                let at = pin(&record.pin, &epoch);
                if !register_first {
                    registry.register(record.clone());
                }
                if at == old {
                    record.old.with_mut(|p| {
                        // SAFETY: loom itself checks that no other thread touches it.
                        unsafe { *p += 1 }
                    });
                }
                record.pin.clear();
            })
        })
        .collect();
    let to = Epoch::prep(Cycle::new(1));
    epoch.advance(to);
    full_fence();
    for record in registry.snapshot() {
        while !record.pin.crossed(to) {
            thread::yield_now();
        }
    }
    for cell in &cells {
        cell.with_mut(|p| {
            // SAFETY: as above; a thread that the snapshot missed is in the new epoch.
            unsafe { *p = 7 }
        });
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_list_that_ships() {
    loom_tests::check(None, || list(Step::Whole));
}

#[test]
fn a_first_pin_is_waited_for_or_new() {
    loom_tests::check(None, || first_pin(true, 1));
}

#[test]
fn two_first_pins() {
    loom_tests::check(Some(2), || first_pin(true, 2));
}

#[test]
fn a_record_that_is_found_is_whole() {
    loom_tests::check(None, || content(Ordering::Release));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_place_filled_without_release() {
    loom_tests::check(None, || content(Ordering::Relaxed));
}

#[test]
#[should_panic(expected = "was missed")]
fn broken_registered_without_a_fence() {
    loom_tests::check(None, || list(Step::NoFenceInRegister));
}

#[test]
#[should_panic(expected = "was missed")]
fn broken_a_handshake_without_its_fence() {
    loom_tests::check(None, || list(Step::NoFenceInHandshake));
}

#[test]
#[should_panic(expected = "was missed")]
fn broken_the_snapshot_before_the_epoch() {
    loom_tests::check(None, || list(Step::SnapshotFirst));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_pinned_before_registered() {
    loom_tests::check(None, || first_pin(false, 1));
}
