//! Rule 2 from Off to Mark: a thread in Off stores a new object, and one in Prep overwrites it. The
//! first, now in Mark, has read it and moves it behind the marker. Also the new value of a store in
//! Prep.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, GreyRing, Mode, PinWord};
use loom::sync::Arc;
use loom::thread;
use loom_tests::toy::{Toy, begin, handshake, pin, wait};

/// A root, scanned first; empty.
const C: usize = 1;
/// A root, scanned second; empty.
const A: usize = 2;
/// Made in Off; only its maker has it.
const X: usize = 3;
/// Made in Prep.
const N: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    OldByPlainRead,
    NewNotShaded,
}

struct World {
    epoch: EpochWord,
    toy: Toy,
    pins: [PinWord; 2],
    rings: [GreyRing; 2],
}

impl World {
    fn store_in_prep(&self, step: Step, object: usize, new: usize) {
        let ring = &self.rings[1];
        match step {
            Step::Whole => self.toy.store(Mode::Prep, object, new, ring),
            Step::OldByPlainRead => {
                self.toy.shade(new, ring);
                let old = self.toy.load(object);
                self.toy.shade(old, ring);
                thread::yield_now();
                self.toy.swap_plain(object, new);
            }
            Step::NewNotShaded => {
                let old = self.toy.swap_plain(object, new);
                self.toy.shade(old, ring);
            }
        }
    }
}

fn run(step: Step, preps_target: usize) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        toy: Toy::new(&[0, 0, 0, 0]),
        pins: [PinWord::new(), PinWord::new()],
        rings: [GreyRing::new(), GreyRing::new()],
    });
    // One thread is pinned in Off; Prep is set; the other is pinned in Prep.
    assert_eq!(pin(&world.pins[0], &world.epoch).mode(), Mode::Off);
    let prep = Epoch::prep(Cycle::new(1));
    begin(&world.epoch, prep);
    assert_eq!(pin(&world.pins[1], &world.epoch), prep);
    let in_off = {
        let world = world.clone();
        thread::spawn(move || {
            // As an exchange: loom does not order a plain store and an exchange of one word.
            world.toy.swap_plain(A, X);
            world.pins[0].clear();
            // Lets another thread run without a preemption.
            thread::yield_now();
            let mode = pin(&world.pins[0], &world.epoch).mode();
            let x = world.toy.load(A);
            if x != 0 {
                world.toy.store(mode, C, x, &world.rings[0]);
            }
            world.pins[0].clear();
        })
    };
    let in_prep = {
        let world = world.clone();
        thread::spawn(move || {
            world.store_in_prep(step, preps_target, if preps_target == A { 0 } else { N });
            world.pins[1].clear();
        })
    };
    let pins = [&world.pins[0], &world.pins[1]];
    wait(&pins, prep);
    let mark = Epoch::mark(Cycle::new(1));
    begin(&world.epoch, mark);
    for root in [C, A] {
        assert!(world.toy.mark(root));
        let mut stack = vec![root];
        world.toy.scan(&mut stack);
        thread::yield_now();
    }
    // The crossing into Mark, folded into the first round.
    handshake(&world.epoch, &pins, mark.next_round());
    in_off.join().unwrap();
    in_prep.join().unwrap();
    world.rings.iter().for_each(|ring| world.toy.drain(ring));
    world.toy.check(&[C, A]);
}

#[test]
fn what_prep_overwrites_is_kept_into_mark() {
    loom_tests::check(Some(3), || run(Step::Whole, A));
}

#[test]
fn what_prep_stores_is_kept_into_mark() {
    loom_tests::check(Some(3), || run(Step::Whole, C));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_the_old_value_by_a_plain_read() {
    loom_tests::check(Some(3), || run(Step::OldByPlainRead, A));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_the_new_value_not_shaded() {
    loom_tests::check(Some(3), || run(Step::NewNotShaded, C));
}
