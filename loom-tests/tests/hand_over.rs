//! INV-4, the hand-over of a full ring (`Record::hand_over`). The owner empties its ring itself,
//! shares the entries and the one that did not fit through the shared queue, and counts them. It
//! does all of this inside a pin, so after a clean round no object is grey. The count and the
//! round's second look at the queue each suffice. Without both, the round misses what is in the
//! owner's hands at the first look.
//!
//! A lock makes the two takers of the ring take turns, because loom gives an exchange a flag that
//! was cleared since (tokio-rs/loom#282). `ring_order.rs` explores their race.
#![cfg(loom)]

use gc_core::model::{Addr, Cycle, Detector, Epoch, EpochWord, GreyRing, PinWord};
use loom::sync::{Arc, Mutex};
use loom::thread;
use loom_tests::toy::{Toy, begin};

/// Objects 1 and 2 fill the ring when the model begins, and the third does not fit. Each points to
/// one of 4 to 6.
const FIRST: [usize; GreyRing::CAPACITY] = [1, 2];
const THIRD: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// A round does not look at the queue and the ring again.
    NotLooked,
    /// The owner counts nothing.
    NotCounted,
    /// Neither is done.
    Neither,
    /// The pin ends before the queue has the addresses.
    SharedLate,
    /// The entries of the ring are not shared.
    RingDropped,
    /// The owner hands nothing over, although its ring is full.
    NotHandedOver,
}

impl Step {
    fn looks(self) -> bool {
        !matches!(self, Step::NotLooked | Step::Neither)
    }
    fn counts(self) -> bool {
        !matches!(self, Step::NotCounted | Step::Neither)
    }
}

struct World {
    epoch: EpochWord,
    pin: PinWord,
    toy: Toy,
    ring: GreyRing,
    taker: Mutex<()>,
    queue: Mutex<Vec<usize>>,
    detector: Detector,
}

impl World {
    fn take(&self, all: &mut Vec<usize>) {
        let _taker = self.taker.lock().unwrap();
        self.ring.take(usize::MAX, |object| all.push(object.get()));
    }
    fn shade(&self, step: Step, object: usize) {
        if !self.toy.mark(object)
            || self.ring.push(Addr::new(object))
            || step == Step::NotHandedOver
        {
            return;
        }
        let mut all = vec![object];
        self.take(&mut all);
        if step == Step::RingDropped {
            all.truncate(1);
        }
        if step == Step::SharedLate {
            self.pin.clear();
        }
        self.queue.lock().unwrap().append(&mut all);
        if step.counts() {
            self.ring.count_elsewhere();
        }
    }
    fn drain(&self) {
        loop {
            let mut stack = std::mem::take(&mut *self.queue.lock().unwrap());
            self.take(&mut stack);
            if stack.is_empty() {
                return;
            }
            self.toy.scan(&mut stack);
        }
    }
    fn is_empty(&self) -> bool {
        self.queue.lock().unwrap().is_empty() && self.ring.is_empty()
    }
    /// Rounds until a clean one.
    fn collect(&self, step: Step) {
        let mut epoch = Epoch::mark(Cycle::new(1));
        loop {
            assert!(self.detector.start());
            self.drain();
            self.detector.stop();
            self.detector.park();
            let recorded = self.ring.pushed();
            if self.is_empty() {
                epoch = epoch.next_round();
                begin(&self.epoch, epoch);
                while !self.pin.crossed(epoch) {
                    thread::yield_now();
                }
                if self.ring.pushed() == recorded && (!step.looks() || self.is_empty()) {
                    return;
                }
            }
            self.detector.resume();
        }
    }
}

fn run(step: Step) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        toy: Toy::new(&[4, 5, 6, 0, 0, 0]),
        ring: GreyRing::new(),
        taker: Mutex::new(()),
        queue: Mutex::new(Vec::new()),
        detector: Detector::new(),
    });
    let mark = Epoch::mark(Cycle::new(1));
    begin(&world.epoch, mark);
    world.detector.resume();
    assert!(world.pin.publish(mark, &world.epoch));
    FIRST.iter().for_each(|&object| world.toy.shade(object, &world.ring));
    let owner = {
        let world = world.clone();
        thread::spawn(move || {
            world.shade(step, THIRD);
            world.pin.clear();
        })
    };
    world.collect(step);
    assert!(world.is_empty(), "a clean round left something grey");
    assert_eq!(world.toy.marks.bits(), 0b111_1110, "a clean round left something white");
    owner.join().unwrap();
}

#[test]
fn a_full_ring_is_handed_over() {
    loom_tests::check(None, || run(Step::Whole));
}

#[test]
fn the_count_suffices() {
    loom_tests::check(None, || run(Step::NotLooked));
}

#[test]
fn the_second_look_suffices() {
    loom_tests::check(None, || run(Step::NotCounted));
}

#[test]
#[should_panic(expected = "a clean round left something")]
fn broken_neither_counted_nor_looked_for() {
    loom_tests::check(None, || run(Step::Neither));
}

#[test]
#[should_panic(expected = "a clean round left something")]
fn broken_shared_after_the_pin() {
    loom_tests::check(None, || run(Step::SharedLate));
}

#[test]
#[should_panic(expected = "a clean round left something white")]
fn broken_what_the_ring_held_is_dropped() {
    loom_tests::check(None, || run(Step::RingDropped));
}

#[test]
#[should_panic(expected = "a clean round left something white")]
fn broken_nothing_handed_over() {
    loom_tests::check(None, || run(Step::NotHandedOver));
}
