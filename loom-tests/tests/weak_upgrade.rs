//! INV-11: an upgrade that succeeds keeps its target; a failed one is never contradicted.
#![cfg(loom)]

use gc_core::model::{Addr, Cycle, Gate, GreyRing, MarkWord, WeakBox};
use loom::sync::Arc;
use loom::thread;

struct World {
    gate: Gate,
    mark: MarkWord,
    ring: GreyRing,
    weak: WeakBox,
}

fn run(gated: bool) {
    let world = Arc::new(World {
        gate: Gate::new(),
        mark: MarkWord::new(),
        ring: GreyRing::new(),
        weak: WeakBox::new(Addr::new(16)),
    });
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            let shade = || {
                if world.mark.test_and_set(1) {
                    assert!(world.ring.push(Addr::new(16)));
                }
            };
            let upgrade = || {
                if world.weak.is_dead() {
                    false
                } else if gated {
                    world.gate.upgrade(&world.weak, || world.mark.is_set(1), shade)
                } else {
                    shade();
                    true
                }
            };
            let first = upgrade();
            let second = upgrade();
            assert!(first || !second, "Some after None");
            first
        })
    };
    let recorded = world.ring.pushed();
    let clean = || world.ring.pushed() == recorded && world.ring.is_empty();
    let resolved = world.gate.resolve(clean);
    if resolved {
        world.weak.flag_unless(Cycle::new(1), |_| world.mark.is_set(1));
    }
    let live = mutator.join().unwrap();
    assert!(!live || !world.weak.is_dead(), "a target in use was flagged dead");
    assert!(!live || world.mark.is_set(1));
}

#[test]
fn an_upgraded_target_is_not_flagged() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic]
fn broken_an_upgrade_without_the_gate() {
    loom_tests::check(None, || run(false));
}
