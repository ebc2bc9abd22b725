//! INV-4: an object that is overwritten while marking is shaded by the mutator or was scanned by
//! the marker. It is grey once.
#![cfg(loom)]

use gc_core::model::{Addr, GreyRing, MarkWord};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use loom_tests::toy::Turn;

const X: usize = 16;

struct World {
    mark: MarkWord,
    ring: GreyRing,
    field: AtomicUsize,
    turn: Turn,
}

fn run(shade: bool) {
    let world = Arc::new(World {
        mark: MarkWord::new(),
        ring: GreyRing::new(),
        field: AtomicUsize::new(X),
        turn: Turn::new(),
    });
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            world.turn.step();
            let old = world.field.load(Ordering::Acquire);
            world.turn.step();
            world.field.store(0, Ordering::Release);
            world.turn.step();
            if shade && world.mark.test_and_set(1) {
                assert!(world.ring.push(Addr::new(old)));
            }
        })
    };
    // The marker scans the object, then looks at the ring.
    let mut grey = 0;
    world.turn.step();
    if world.field.load(Ordering::Acquire) == X && world.mark.test_and_set(1) {
        grey += 1;
    }
    world.turn.step();
    world.ring.take(usize::MAX, |addr| {
        assert_eq!(addr, Addr::new(X));
        grey += 1;
    });
    mutator.join().unwrap();
    world.ring.take(usize::MAX, |_| grey += 1);
    assert!(world.mark.is_set(1), "the overwritten object was lost");
    assert_eq!(grey, 1, "grey exactly once");
}

#[test]
fn an_overwritten_object_is_grey_once() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_store_without_the_shade() {
    loom_tests::check(None, || run(false));
}

/// The ring alone: full, emptied by two markers, with no entry lost, doubled or reordered. With
/// `turns` in any order. The markers take turns at the lock then. loom gives the last one a flag
/// that was cleared since (tokio-rs/loom#282). `ring_order.rs` explores their own race in any
/// order.
fn ring(turns: bool) {
    let world = Arc::new((GreyRing::new(), turns.then(|| (Turn::new(), Mutex::new(())))));
    let taken = Arc::new(AtomicUsize::new(0));
    type Shared = (GreyRing, Option<(Turn, Mutex<()>)>);
    let take = |world: &Shared, taken: &AtomicUsize| {
        let _lock = world.1.as_ref().map(|(turn, lock)| {
            turn.step();
            lock.lock().unwrap()
        });
        world.0.take(usize::MAX, |addr| {
            taken.fetch_add(addr.get(), Ordering::Relaxed);
        });
    };
    let other = {
        let (world, taken) = (world.clone(), taken.clone());
        thread::spawn(move || take(&world, &taken))
    };
    let owner = {
        let world = world.clone();
        thread::spawn(move || {
            let push = |i: &usize| {
                world.1.iter().for_each(|(turn, _)| turn.step());
                world.0.push(Addr::new(1 << i))
            };
            (1..=3).filter(push).map(|i| 1 << i).sum::<usize>()
        })
    };
    take(&world, &taken);
    let pushed = owner.join().unwrap();
    other.join().unwrap();
    take(&world, &taken);
    assert_eq!(taken.load(Ordering::Relaxed), pushed);
    assert!(world.0.is_empty());
}

#[test]
fn a_ring_loses_nothing() {
    loom_tests::check(None, || ring(false));
}

#[test]
fn a_ring_loses_nothing_in_any_order() {
    loom_tests::check(Some(4), || ring(true));
}
