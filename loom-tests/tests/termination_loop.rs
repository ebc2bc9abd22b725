//! Rule 7, the collector's whole loop (`Collector::mark` in `collector/marking.rs`): drain, park,
//! wait for quiet, record, look, cross, compare. Work is in a ring, in the shared queue (a locked
//! list here), or in a thread's hands. That thread is a mutator that assists, or a marker.
#![cfg(loom)]

use gc_core::model::{Cycle, Detector, Epoch, EpochWord, GreyRing, Mode, PinWord};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use loom_tests::toy::{Toy, Turn, begin};

/// A root that points to X, X to Y, Y to Z.
const A: usize = 1;
const X: usize = 2;
const Y: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// The assistant does not count itself active.
    Uncounted,
    /// The assistant counts itself idle before its work is in the queue.
    IdleTooEarly,
    /// Threads may start during a round.
    NotParked,
    /// After the crossing the push counters are not compared.
    NotCompared,
    /// The shade ends after its pin.
    LateShade,
}

struct World {
    epoch: EpochWord,
    pin: PinWord,
    toy: Toy,
    ring: GreyRing,
    queue: Mutex<Vec<usize>>,
    detector: Detector,
    /// Number of objects in threads' hands, for the check only.
    held: AtomicUsize,
    turn: Option<Turn>,
}

impl World {
    fn step(&self) {
        self.turn.iter().for_each(Turn::step);
    }
    fn take(&self) -> Option<usize> {
        let mut got = None;
        self.ring.take(1, |object| got = Some(object.get()));
        let got = got.or_else(|| self.queue.lock().unwrap().pop());
        if got.is_some() {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        got
    }
    fn scan_one(&self, object: usize) -> Option<usize> {
        let to = self.toy.load(object);
        self.toy.mark(to).then_some(to)
    }
    fn share(&self, object: Option<usize>) {
        if let Some(object) = object {
            self.queue.lock().unwrap().push(object);
        }
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
    /// Takes one object and puts its child back into the queue: an assist, or a marker's shortest
    /// turn.
    fn assist(&self, step: Step) {
        if step != Step::Uncounted && !self.detector.start() {
            return;
        }
        let got = self.take();
        let child = got.and_then(|object| self.scan_one(object));
        if step == Step::IdleTooEarly {
            self.detector.stop();
        }
        if got.is_some() {
            self.share(child);
        }
        if step != Step::Uncounted && step != Step::IdleTooEarly {
            self.detector.stop();
        }
    }
    fn drain(&self) {
        if self.detector.start() {
            while let Some(object) = self.take() {
                let mut stack = vec![object];
                self.toy.scan(&mut stack);
                self.held.fetch_sub(1, Ordering::Relaxed);
            }
            self.detector.stop();
        }
    }
    fn is_empty(&self) -> bool {
        self.queue.lock().unwrap().is_empty() && self.ring.is_empty()
    }
    fn round(&self, step: Step, epoch: Epoch, recorded: u64) -> bool {
        begin(&self.epoch, epoch);
        while !self.pin.crossed(epoch) {
            if self.ring.pushed() != recorded {
                return false;
            }
            thread::yield_now();
        }
        step == Step::NotCompared || self.ring.pushed() == recorded && self.is_empty()
    }
    /// The collector's part, until a clean round.
    fn collect(&self, step: Step, mut epoch: Epoch) {
        loop {
            self.step();
            self.drain();
            if step != Step::NotParked {
                self.detector.park();
            }
            while !self.detector.is_quiet() {
                thread::yield_now();
            }
            self.step();
            let recorded = self.ring.pushed();
            self.step();
            if self.is_empty() {
                epoch = epoch.next_round();
                if self.round(step, epoch, recorded) {
                    return;
                }
            }
            self.detector.resume();
        }
    }
}

fn world(turns: bool) -> Arc<World> {
    let world = World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        toy: Toy::new(&[X, Y, 4, 0]),
        ring: GreyRing::new(),
        queue: Mutex::new(Vec::new()),
        detector: Detector::new(),
        held: AtomicUsize::new(0),
        turn: turns.then(Turn::new),
    };
    begin(&world.epoch, Epoch::mark(Cycle::new(1)));
    world.detector.resume();
    Arc::new(world)
}

fn check(world: &World) {
    let marks = world.toy.marks.bits();
    assert_eq!(marks, 0b11110, "a clean round left something white");
    assert!(world.is_empty(), "a clean round left something grey");
    assert_eq!(world.held.load(Ordering::Relaxed), 0, "a clean round left something in hand");
}

/// The root is black already; a mutator in Mark cuts its pointer.
fn cut(step: Step, turns: bool) {
    let world = world(turns);
    let mark = Epoch::mark(Cycle::new(1));
    assert!(world.pin.publish(mark, &world.epoch));
    assert!(world.toy.mark(A));
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            if step == Step::LateShade {
                let old = world.toy.swap_plain(A, 0);
                world.pin.clear();
                world.toy.shade(old, &world.ring);
            } else {
                world.step();
                world.toy.store(Mode::Mark, A, 0, &world.ring);
                world.step();
                world.pin.clear();
            }
        })
    };
    world.collect(step, mark);
    check(&world);
    mutator.join().unwrap();
}

/// X is grey in the queue, and another thread takes turns. It is a mutator outside of the crossing
/// (its pin is in the newest epoch), or a marker.
fn assist(step: Step, turns: usize) {
    let world = world(false);
    assert!(world.toy.mark(A) && world.toy.mark(X));
    world.queue.lock().unwrap().push(X);
    let other = {
        let world = world.clone();
        thread::spawn(move || (0..turns).for_each(|_| world.assist(step)))
    };
    world.collect(step, Epoch::mark(Cycle::new(1)));
    check(&world);
    other.join().unwrap();
}

/// Both cases at once.
fn cut_and_assist() {
    let world = world(false);
    let mark = Epoch::mark(Cycle::new(1));
    assert!(world.pin.publish(mark, &world.epoch));
    assert!(world.toy.mark(A));
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            world.toy.store(Mode::Mark, A, 0, &world.ring);
            world.assist(Step::Whole);
            world.pin.clear();
        })
    };
    let marker = {
        let world = world.clone();
        thread::spawn(move || world.assist(Step::Whole))
    };
    world.collect(Step::Whole, mark);
    check(&world);
    mutator.join().unwrap();
    marker.join().unwrap();
}

#[test]
fn a_clean_round_leaves_nothing_of_a_pin() {
    loom_tests::check(None, || cut(Step::Whole, false));
}

/// As above, with turns, which explore more orders but less of the fences' effect.
#[test]
fn a_clean_round_leaves_nothing_of_a_pin_in_any_order() {
    loom_tests::check(None, || cut(Step::Whole, true));
}

#[test]
fn a_clean_round_leaves_nothing_in_hand() {
    loom_tests::check(None, || assist(Step::Whole, 2));
}

#[test]
fn a_mutator_that_cuts_and_assists_and_a_marker() {
    loom_tests::check(Some(2), cut_and_assist);
}

#[test]
#[should_panic(expected = "a clean round left")]
fn broken_nothing_compared_after_the_crossing() {
    loom_tests::check(None, || cut(Step::NotCompared, false));
}

#[test]
#[should_panic(expected = "a clean round left")]
fn broken_a_shade_that_ends_after_its_pin() {
    loom_tests::check(None, || cut(Step::LateShade, false));
}

#[test]
#[should_panic(expected = "a clean round left")]
fn broken_an_assistant_that_does_not_count_itself() {
    loom_tests::check(None, || assist(Step::Uncounted, 2));
}

#[test]
#[should_panic(expected = "a clean round left")]
fn broken_idle_before_the_work_is_shared() {
    loom_tests::check(None, || assist(Step::IdleTooEarly, 2));
}

#[test]
#[should_panic(expected = "a clean round left")]
fn broken_markers_may_start_during_a_round() {
    loom_tests::check(None, || assist(Step::NotParked, 2));
}
