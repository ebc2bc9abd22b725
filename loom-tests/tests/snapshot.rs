//! INV-4 on a small graph: two mutators in Mark move and cut pointers under a marker. Every object
//! that a thread reads in such a pin is marked at the end, and scanned.
#![cfg(loom)]

use gc_core::model::{GreyRing, Mode};
use loom::sync::Arc;
use loom::thread;
use loom_tests::toy::{Toy, Turn};

/// Scanned first; empty.
const C: usize = 1;
/// Scanned second; points to X.
const A: usize = 2;
const X: usize = 3;
const Y: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    NoShade,
    NoHandOver,
}

struct World {
    toy: Toy,
    turn: Turn,
    rings: [GreyRing; 2],
}

impl World {
    fn store(&self, step: Step, object: usize, new: usize, ring: usize) {
        self.turn.step();
        match step {
            Step::Whole => self.toy.store(Mode::Mark, object, new, &self.rings[ring]),
            Step::NoShade => self.toy.store_plain(object, new),
            Step::NoHandOver => {
                let _ = self.toy.mark(self.toy.load(object));
                self.toy.store_plain(object, new);
            }
        }
    }
}

fn run(step: Step, second: bool) {
    let world = Arc::new(World {
        toy: Toy::new(&[0, X, Y, 0]),
        turn: Turn::new(),
        rings: [GreyRing::new(), GreyRing::new()],
    });
    let mover = {
        let world = world.clone();
        thread::spawn(move || {
            world.turn.step();
            let x = world.toy.load(A);
            world.store(step, C, x, 0);
            world.store(step, A, 0, 0);
            x
        })
    };
    let cutter = second.then(|| {
        let world = world.clone();
        thread::spawn(move || {
            world.turn.step();
            let x = world.toy.load(A);
            world.store(step, A, 0, 1);
            x
        })
    });
    for root in [C, A] {
        assert!(world.toy.mark(root));
        let mut stack = vec![root];
        world.turn.step();
        world.toy.scan(&mut stack);
    }
    world.turn.step();
    world.rings.iter().for_each(|ring| world.toy.drain(ring));
    let mut locals = vec![mover.join().unwrap()];
    locals.extend(cutter.map(|t| t.join().unwrap()));
    world.rings.iter().for_each(|ring| world.toy.drain(ring));
    world.toy.check(&[C, A]);
    world.toy.check(&locals);
}

#[test]
fn a_pointer_moved_behind_the_marker_is_kept() {
    loom_tests::check(None, || run(Step::Whole, false));
}

#[test]
fn two_mutators_cut_the_same_pointer() {
    loom_tests::check(Some(3), || run(Step::Whole, true));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_moved_without_a_shade() {
    loom_tests::check(None, || run(Step::NoShade, false));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_marked_and_not_handed_over() {
    loom_tests::check(None, || run(Step::NoHandOver, false));
}
