//! Rule 7: after a clean round no object is grey, in a ring, in a queue or in a thread's hands.
#![cfg(loom)]

use gc_core::model::{
    Addr, Cycle, Detector, Epoch, EpochWord, GreyRing, MarkWord, PinWord, full_fence,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loom_tests::toy::{self, Toy};

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
    let mark = Epoch::mark(Cycle::new(1));
    world.epoch.advance(mark);
    assert!(world.pin.publish(mark, &world.epoch));
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            assert!(world.mark.test_and_set(1) && world.ring.push(Addr::new(16)));
            world.pin.clear();
        })
    };
    let recorded = world.ring.pushed();
    let mut clean = world.ring.is_empty();
    if clean {
        let term = mark.next_round();
        world.epoch.advance(term);
        full_fence();
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

/// X is white. The first mutator cut it from the heap, and will shade it before its old pin ends.
/// Meanwhile X is reachable through A, which is black. The second mutator, in a pin of its own,
/// cuts that path as well.
fn two_shades(count_first: bool) {
    const A: usize = 1;
    const X: usize = 2;
    let heap = Arc::new((
        Toy::new(&[X, 0]),
        EpochWord::new(),
        [PinWord::new(), PinWord::new()],
        [GreyRing::new(), GreyRing::new()],
    ));
    assert!(heap.0.mark(A));
    let mark = Epoch::mark(Cycle::new(1));
    heap.1.advance(mark);
    assert!(heap.2[0].publish(mark, &heap.1));
    let shade = move |heap: &(Toy, EpochWord, [PinWord; 2], [GreyRing; 2]), i: usize| {
        if count_first {
            heap.0.shade(X, &heap.3[i]);
        } else if heap.0.mark(X) {
            assert!(heap.3[i].push(Addr::new(X)));
        }
        heap.2[i].clear();
    };
    let first = {
        let heap = heap.clone();
        thread::spawn(move || shade(&heap, 0))
    };
    let second = {
        let heap = heap.clone();
        thread::spawn(move || {
            toy::pin(&heap.2[1], &heap.1);
            if heap.0.swap_plain(A, 0) == X {
                shade(&heap, 1);
            }
        })
    };
    let pushed = || heap.3.iter().map(GreyRing::pushed).sum::<u64>();
    let are_empty = || heap.3.iter().all(GreyRing::is_empty);
    let recorded = pushed();
    let mut clean = are_empty();
    if clean {
        let term = mark.next_round();
        toy::handshake(&heap.1, &[&heap.2[0], &heap.2[1]], term);
        clean = pushed() == recorded && are_empty();
    }
    first.join().unwrap();
    second.join().unwrap();
    assert!(!clean || are_empty(), "a grey object came after a clean round");
}

#[test]
fn a_shade_that_another_found_done_is_counted() {
    loom_tests::check(Some(3), || two_shades(true));
}

#[test]
#[should_panic(expected = "after a clean round")]
fn broken_a_shade_that_is_counted_when_it_is_pushed() {
    loom_tests::check(Some(3), || two_shades(false));
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
    assert_eq!(found, 2, "work was in a thread's hands");
}

#[test]
fn work_in_an_assistants_hands_is_grey() {
    loom_tests::check(None, || assist(true));
}

#[test]
#[should_panic(expected = "in a thread's hands")]
fn broken_an_assistant_that_does_not_count_itself() {
    loom_tests::check(None, || assist(false));
}
