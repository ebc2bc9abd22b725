//! A complete cycle (INV-1, 3, 4, 5, 11, 12). It has Prep, roots, marking, a clean round, the weak
//! gate, the Sweep crossing, the sweep, and the reuse of a slot. At the crossing caches are taken
//! back. Two mutators have two pins each, at any moment of the cycle. No reachable object is freed.
//! An object that was unreachable at the start is freed. A weak pointer does not lead to the new
//! object in its target's slot.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use loom_tests::whole::{OLD, Setup, Step, Whole};

/// A root, scanned first; empty.
const C: usize = 1;
/// A root, scanned second.
const A: usize = 2;
const X: usize = 3;
/// Not reachable.
const G: usize = 4;
/// The contents of new objects of the first and of the second mutator.
const MADE: u32 = 8;
const NEW: u32 = 9;

/// `first` and `second` are the mutators' actions; the collector makes its cycle.
fn run<F, S>(step: Step, setup: Setup, first: F, second: S)
where
    F: FnOnce(&Whole) + Send + 'static,
    S: FnOnce(&Whole) + Send + 'static,
{
    let heap = Arc::new(Whole::new(step, setup));
    let one = {
        let heap = heap.clone();
        thread::spawn(move || first(&heap))
    };
    let two = {
        let heap = heap.clone();
        thread::spawn(move || second(&heap))
    };
    heap.collect();
    one.join().unwrap();
    two.join().unwrap();
    heap.check(|object, content| {
        assert!(object != X || setup.free != 0 || content == OLD, "a reachable object was reused");
    });
    assert_ne!(heap.read(G), OLD, "garbage was kept");
}

/// Objects in all slots, two of them roots.
const FULL: Setup =
    Setup { fields: [0; 4], roots: &[C, A], slot: 0, weak: 0, free: 0, cached: false, lets: true };

/// Allocates, perhaps in a slot that the cycle freed, and drops the new object.
fn reuse(heap: &Whole) {
    heap.pinned(1, |pin| {
        if let Some(new) = pin.alloc(NEW) {
            pin.use_object(new, NEW);
        }
    });
}

/// One mutator moves X from A to C, behind the marker, and reads it there later.
fn store_race(step: Step) {
    let setup = Setup { fields: [0, X, 0, 0], ..FULL };
    let mover = |heap: &Whole| {
        heap.pinned(0, |pin| {
            let x = pin.load(A);
            pin.store(C, x);
            pin.store(A, 0);
            pin.use_object(x, OLD);
        });
        heap.pinned(0, |pin| pin.use_object(pin.load(C), OLD));
    };
    run(step, setup, mover, reuse);
}

/// A mutator makes an object, stores it in C, and reads it later.
fn born(step: Step, cached: bool) {
    let setup = Setup { free: 1 << X, cached, ..FULL };
    let maker = |heap: &Whole| {
        let made = heap.pinned(0, |pin| {
            let made = pin.alloc(MADE);
            pin.store(C, made.unwrap_or(0));
            made
        });
        heap.pinned(0, |pin| {
            assert_eq!(pin.load(C), made.unwrap_or(0));
            made.iter().for_each(|&made| pin.use_object(made, MADE));
        });
    };
    run(step, setup, maker, reuse);
}

/// In the run that the mutator held when the cycle began.
fn born_in_run(step: Step) {
    born(step, true);
}

/// In a run that the mutator takes at any moment.
fn born_in_list(step: Step) {
    born(step, false);
}

/// X, which points to A, is reachable by the weak box only. The mutator that gets it stores it in
/// C.
fn weak(step: Step) {
    let setup = Setup { fields: [0, 0, A, 0], roots: &[C], weak: X, lets: false, ..FULL };
    let upgrader = |heap: &Whole| {
        heap.pinned(0, |pin| {
            if let Some(x) = pin.upgrade() {
                pin.store(C, x);
                pin.use_object(x, OLD);
            }
        });
        heap.pinned(0, |pin| {
            let x = pin.upgrade();
            x.iter().for_each(|&x| pin.use_object(x, OLD));
            assert!(x.is_some() || pin.load(C) == 0, "None for a reachable target");
        });
    };
    run(step, setup, upgrader, reuse);
}

/// X is reachable by a root only, whose owner stores it in C and drops the root.
fn root_drop(step: Step) {
    let setup = Setup { slot: X, ..FULL };
    let owner = |heap: &Whole| {
        heap.pinned(0, |pin| {
            let x = heap.slot.scan().map(|addr| addr.get()).expect("a slot with an owner is live");
            heap.slot.release();
            pin.store(C, x);
            pin.use_object(x, OLD);
        });
        heap.pinned(0, |pin| pin.use_object(pin.load(C), OLD));
    };
    run(step, setup, owner, reuse);
}

/// Both mutators allocate from one span, which one of them holds when the cycle begins. Each keeps
/// its object.
fn reuse_race(step: Step) {
    let setup = Setup { free: 1 << X, cached: true, ..FULL };
    let keep = |heap: &Whole, thread: usize, root: usize, content: u32| {
        heap.pinned(thread, |pin| {
            let made = pin.alloc(content);
            pin.store(root, made.unwrap_or(0));
            made.iter().for_each(|&made| pin.use_object(made, content));
        });
    };
    let first = move |heap: &Whole| {
        heap.pinned(0, |_| {});
        keep(heap, 0, C, MADE);
    };
    run(step, setup, first, move |heap| keep(heap, 1, A, NEW));
}

/// A model with all steps, and its twins.
macro_rules! scenario {
    (
        $scenario:ident, $bound:expr, $whole:ident,
        $($twin:ident: $step:ident, $message:literal;)*
    ) => {
        #[test]
        fn $whole() {
            loom_tests::check($bound, || $scenario(Step::Whole));
        }
        $(
            #[test]
            #[should_panic(expected = $message)]
            fn $twin() {
                loom_tests::check($bound, || $scenario(Step::$step));
            }
        )*
    };
}

scenario! {
    store_race, Some(1), a_pointer_moved_behind_the_marker,
    broken_no_shade: NoShade, "reachable object was freed";
    broken_prep_not_crossed: PrepNotCrossed, "reachable object was freed";
    broken_swept_before_all_have_crossed: SweptEarly, "garbage was kept";
}
scenario! {
    born_in_run, Some(1), an_object_born_in_a_run_taken_before,
    broken_the_run_stays_white: RunLeftWhite, "reachable object was freed";
}
scenario! {
    born_in_list, Some(1), an_object_born_in_a_run_taken_meanwhile,
    broken_born_white: BornWhite, "reachable object was freed";
}
scenario! {
    weak, Some(1), a_weak_upgrade_beside_the_end_of_marking,
    broken_upgraded_without_the_gate: NoGate, "None for a reachable target";
    broken_shades_not_compared: NotCompared, "was freed";
    broken_upgraded_without_the_flag: FlagNotAsked, "Causality violation";
    broken_flagged_after_the_crossing: FlaggedLate, "Causality violation";
}
scenario! {
    root_drop, Some(2), a_root_dropped_while_marking_begins,
    broken_roots_freed_after_mark_is_set: RootsFreedLate, "reachable object was freed";
}
scenario! {
    reuse_race, Some(2), a_slot_reused_by_whoever_comes_first,
    broken_an_idle_cache_is_not_taken_back: NotTakenBack, "garbage was kept";
    broken_the_rest_is_given_up_marked: RestLeftMarked, "a mark without an object";
}
