//! INV-11: a weak box made while the dead flags are set. Its slot still holds the flag and the
//! target of a box that died. The slot is emptied before its alloc bit is set, and its new target
//! is black before it is filled in. So the pass never flags it.
#![cfg(loom)]

use gc_core::model::{Addr, Cycle, MarkWord, WeakBox};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// The old target, dead since the last cycle, and the new target, unmarked at first.
const OLD: usize = 1;
const NEW: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// The alloc bit is set before the slot is emptied.
    EmptiedLate,
    /// The target is marked after the box is filled.
    MarkedLate,
}

struct World {
    marks: MarkWord,
    allocated: AtomicU64,
    weak: WeakBox,
}

fn run(step: Step) {
    let world = Arc::new(World {
        marks: MarkWord::new(),
        allocated: AtomicU64::new(0),
        weak: WeakBox::new(Addr::new(OLD)),
    });
    world.weak.flag_unless(Cycle::new(1), |_| false);
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            let take_run = || world.allocated.store(1, Ordering::Release);
            if step == Step::EmptiedLate {
                take_run();
            }
            world.weak.empty();
            if step != Step::EmptiedLate {
                take_run();
            }
            if step != Step::MarkedLate {
                world.marks.set_own(1 << NEW);
            }
            world.weak.fill(Addr::new(NEW));
            if step == Step::MarkedLate {
                world.marks.set_own(1 << NEW);
            }
        })
    };
    // The pass.
    if world.allocated.load(Ordering::Acquire) != 0 {
        world.weak.flag_unless(Cycle::new(1), |target| world.marks.is_set(1 << target.get()));
    }
    mutator.join().unwrap();
    assert!(!world.weak.is_dead(), "a new box was flagged");
    assert_eq!(world.weak.target().get(), NEW);
}

#[test]
fn a_new_box_is_not_flagged() {
    loom_tests::check(None, || run(Step::Whole));
}

#[test]
#[should_panic(expected = "was flagged")]
fn broken_emptied_after_its_alloc_bit() {
    loom_tests::check(None, || run(Step::EmptiedLate));
}

#[test]
#[should_panic(expected = "was flagged")]
fn broken_filled_before_its_target_is_marked() {
    loom_tests::check(None, || run(Step::MarkedLate));
}
