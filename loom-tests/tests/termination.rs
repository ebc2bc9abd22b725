//! Rule 7: after a clean round nothing is grey, in a ring, a queue or anybody's hands.
#![cfg(loom)]

use gc_core::model::{Detector, Epoch, EpochWord, GreyRing, MarkWord, PinWord, heavy_fence};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

struct World {
    epoch: EpochWord,
    pin: PinWord,
    mark: MarkWord,
    ring: GreyRing,
}

/// A mutator, pinned in Mark, shades an object; the collector makes one round.
fn round(wait: bool) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        mark: MarkWord::new(),
        ring: GreyRing::new(),
    });
    let mark = Epoch::mark(1);
    world.epoch.advance(mark);
    assert!(world.pin.publish(mark, &world.epoch, false));
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            assert!(world.mark.test_and_set(1) && world.ring.push(16));
            world.pin.clear();
        })
    };
    let recorded = world.ring.pushed();
    let mut clean = world.ring.is_empty();
    if clean {
        let term = mark.next_round();
        world.epoch.advance(term);
        heavy_fence(false);
        while wait && !world.pin.crossed(term) {
            thread::yield_now();
        }
        clean = world.ring.pushed() == recorded && world.ring.is_empty();
    }
    mutator.join().unwrap();
    assert!(!clean, "the pin's shade was missed");
}

#[test]
fn a_round_sees_the_shades_of_older_pins() {
    loom_tests::check(None, || round(true));
}

#[test]
#[should_panic(expected = "was missed")]
fn broken_a_round_without_the_crossing() {
    loom_tests::check(None, || round(false));
}

/// A mutator assists: it takes an item, whose scan yields another, and puts that back.
fn assist(count_first: bool) {
    let detector = Arc::new(Detector::new());
    let queue = Arc::new(AtomicUsize::new(1));
    let scanned = Arc::new(AtomicUsize::new(0));
    detector.resume();
    let step = |queue: &AtomicUsize, scanned: &AtomicUsize, item: usize| {
        if item != 0 {
            if item == 1 {
                // As an exchange: loom does not order a plain store and an exchange of one word.
                queue.swap(2, Ordering::AcqRel);
            }
            scanned.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mutator = {
        let (detector, queue, scanned) = (detector.clone(), queue.clone(), scanned.clone());
        thread::spawn(move || {
            if count_first {
                if detector.start() {
                    step(&queue, &scanned, queue.swap(0, Ordering::AcqRel));
                    detector.stop();
                }
            } else {
                let item = queue.swap(0, Ordering::AcqRel);
                step(&queue, &scanned, item);
            }
        })
    };
    loop {
        if detector.start() {
            step(&queue, &scanned, queue.swap(0, Ordering::AcqRel));
            detector.stop();
        }
        detector.park();
        while !detector.is_quiet() {
            thread::yield_now();
        }
        if queue.load(Ordering::Acquire) == 0 {
            break;
        }
        detector.resume();
    }
    let found = scanned.load(Ordering::Relaxed);
    mutator.join().unwrap();
    assert_eq!(found, 2, "work was in somebody's hands");
}

#[test]
fn work_in_an_assistants_hands_is_grey() {
    loom_tests::check(None, || assist(true));
}

#[test]
#[should_panic(expected = "somebody's hands")]
fn broken_an_assistant_that_does_not_count_itself() {
    loom_tests::check(None, || assist(false));
}
