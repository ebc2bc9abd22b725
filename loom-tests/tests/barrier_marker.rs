//! INV-4: what is overwritten while marking is shaded by the mutator or was scanned by the marker, and grey once.
#![cfg(loom)]

use gc_core::model::{GreyRing, MarkWord};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const X: usize = 16;

struct World {
    mark: MarkWord,
    ring: GreyRing,
    field: AtomicUsize,
}

fn run(shade: bool) {
    let world = Arc::new(World {
        mark: MarkWord::new(),
        ring: GreyRing::new(),
        field: AtomicUsize::new(X),
    });
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            if shade {
                let old = world.field.load(Ordering::Acquire);
                if world.mark.test_and_set(1) {
                    assert!(world.ring.push(old));
                }
            }
            world.field.store(0, Ordering::Release);
        })
    };
    // The marker scans the object, then looks at the ring.
    let mut grey = 0;
    if world.field.load(Ordering::Acquire) == X && world.mark.test_and_set(1) {
        grey += 1;
    }
    world.ring.take(usize::MAX, |addr| {
        assert_eq!(addr, X);
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

/// The ring alone: full, emptied by two markers, nothing lost, doubled or reordered.
#[test]
fn a_ring_loses_nothing() {
    loom_tests::check(None, || {
        let ring = Arc::new(GreyRing::new());
        let taken = Arc::new(AtomicUsize::new(0));
        let take = |ring: &GreyRing, taken: &AtomicUsize| {
            ring.take(usize::MAX, |addr| {
                taken.fetch_add(addr, Ordering::Relaxed);
            });
        };
        let other = {
            let (ring, taken) = (ring.clone(), taken.clone());
            thread::spawn(move || take(&ring, &taken))
        };
        let owner = {
            let ring = ring.clone();
            thread::spawn(move || {
                (1..=3).filter(|i| ring.push(1 << i)).map(|i| 1 << i).sum::<usize>()
            })
        };
        take(&ring, &taken);
        let pushed = owner.join().unwrap();
        other.join().unwrap();
        take(&ring, &taken);
        assert_eq!(taken.load(Ordering::Relaxed), pushed);
        assert!(ring.is_empty());
    });
}
