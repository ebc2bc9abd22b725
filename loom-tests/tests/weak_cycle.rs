//! INV-11 from Mark to the reuse of the slot: gate, dead flags, Sweep crossing, reset. A mutator
//! upgrades in each of two pins. All its answers in one cycle agree. A target that it got is alive,
//! and the slot of one that it did not get is reused.
#![cfg(loom)]

use gc_core::model::{Addr, Cycle, Epoch, EpochWord, Gate, GreyRing, Mode, PinWord, WeakBox};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::toy::{Toy, begin, handshake, pin};

const TARGET: usize = 1;
/// The object that the target points to.
const CHILD: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// Upgrades read the mark only.
    NoGate,
    /// The collector closes the gate even if an object was shaded.
    NotCompared,
    /// The gate is reset before the Sweep crossing.
    ResetEarly,
    /// The dead flags are set after the Sweep epoch.
    FlaggedLate,
    /// The slot of a dead target is reused before the Sweep crossing, by a thread in Mark.
    Early,
    /// The same, and the collector does not wait for upgrades that have begun.
    EarlyUnsettled,
}

struct World {
    epoch: EpochWord,
    pin: PinWord,
    toy: Toy,
    ring: GreyRing,
    gate: Gate,
    weak: WeakBox,
    object: UnsafeCell<u32>,
}

impl World {
    fn upgrade(&self, step: Step, mode: Mode) -> bool {
        if self.weak.is_dead() {
            return false;
        }
        if mode != Mode::Mark {
            return true;
        }
        let shade = || self.toy.shade(TARGET, &self.ring);
        if step == Step::NoGate {
            shade();
            return true;
        }
        self.gate.upgrade(&self.weak, || self.toy.is_marked(TARGET), shade)
    }
    fn use_target(&self) {
        self.object.with(|p| {
            // SAFETY: loom itself checks that no thread writes at the same time.
            assert_eq!(unsafe { *p }, 7, "the slot was reused");
        });
    }
}

fn run(step: Step, strong: bool) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        toy: Toy::new(&[CHILD, 0]),
        ring: GreyRing::new(),
        gate: Gate::new(),
        weak: WeakBox::new(Addr::new(TARGET)),
        object: UnsafeCell::new(7),
    });
    // A clean round is over.
    let term = Epoch::mark(Cycle::new(1)).next_round();
    begin(&world.epoch, term);
    if strong {
        assert!(world.toy.mark(TARGET));
    }
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            let answers = [(); 2].map(|()| {
                let mode = pin(&world.pin, &world.epoch).mode();
                let live = world.upgrade(step, mode);
                if live {
                    world.use_target();
                }
                world.pin.clear();
                live
            });
            assert!(answers[0] || !answers[1], "Some after None");
            assert!(!answers[0] || answers[1], "None after Some");
            assert!(!strong || answers[0], "None for a live object");
            answers[0]
        })
    };
    let mut recorded = world.ring.pushed();
    while !world.gate.resolve(|| {
        step == Step::NotCompared || world.ring.pushed() == recorded && world.ring.is_empty()
    }) {
        // The collector makes another round. The work that it must find is in the ring.
        world.toy.drain(&world.ring);
        recorded = world.ring.pushed();
    }
    if step == Step::ResetEarly {
        world.gate.reset();
    }
    let flag = || world.weak.flag_unless(Cycle::new(1), |target| world.toy.is_marked(target.get()));
    if step != Step::FlaggedLate {
        flag();
    }
    let mut live = world.toy.is_marked(TARGET);
    let reuse = || {
        world.object.with_mut(|p| {
            // SAFETY: as above.
            unsafe { *p = 0 }
        });
    };
    let is_early = matches!(step, Step::Early | Step::EarlyUnsettled);
    if is_early && !live {
        if step == Step::Early {
            world.gate.settle();
        }
        reuse();
        assert!(world.toy.mark(TARGET), "a thread that takes a slot in Mark marks it");
    }
    handshake(&world.epoch, &[&world.pin], Epoch::sweep(Cycle::new(1)));
    if step == Step::FlaggedLate {
        flag();
    }
    if step != Step::ResetEarly {
        world.gate.reset();
    }
    // The sweep.
    if !is_early {
        live = world.toy.is_marked(TARGET);
    }
    assert!(strong || !live || world.toy.is_marked(CHILD), "resolved with grey work left");
    if !live && !is_early {
        reuse();
    }
    assert_eq!(mutator.join().unwrap(), live, "the answers and the mark agree");
}

#[test]
fn a_weak_target_lives_or_dies_for_everybody() {
    loom_tests::check(None, || run(Step::Whole, false));
}

#[test]
fn a_marked_target_is_always_there() {
    loom_tests::check(None, || run(Step::Whole, true));
}

#[test]
fn a_dead_target_may_be_reused_before_the_crossing() {
    loom_tests::check(None, || run(Step::Early, false));
}

#[test]
#[should_panic(expected = "the slot was reused")]
fn broken_reused_while_an_upgrade_looks_at_the_mark() {
    loom_tests::check(None, || run(Step::EarlyUnsettled, false));
}

#[test]
#[should_panic(expected = "grey work left")]
fn broken_an_upgrade_without_the_gate() {
    loom_tests::check(None, || run(Step::NoGate, false));
}

#[test]
#[should_panic(expected = "grey work left")]
fn broken_closed_without_comparing() {
    loom_tests::check(None, || run(Step::NotCompared, false));
}

#[test]
#[should_panic(expected = "grey work left")]
fn broken_the_gate_is_reset_before_the_crossing() {
    loom_tests::check(None, || run(Step::ResetEarly, false));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_flagged_after_the_sweep_epoch() {
    loom_tests::check(None, || run(Step::FlaggedLate, false));
}
