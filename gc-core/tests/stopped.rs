//! The stopped mode: every thread waits at the start of `mutate` while the collector marks.

use gc_core::{Gc, GcCell, Heap, PauseKind, Root, Trace};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

fn list(heap: &Heap, n: u64) -> Root<Node<'static>> {
    heap.mutate(|mc| {
        let mut head = None;
        for value in (0..n).rev() {
            head = Some(Gc::new(mc, Node { next: GcCell::new(head), value }));
        }
        Gc::root(head.expect("at least one"), mc)
    })
}

fn check(heap: &Heap, root: &Root<Node<'static>>, n: u64) {
    heap.mutate(|mc| {
        let mut at = Some(root.get(mc));
        for expected in 0..n {
            let node = at.expect("the list is whole");
            assert_eq!(node.value, expected);
            at = node.next.get();
        }
        assert!(at.is_none());
    });
}

// behaviour (gc-arena): the whole collection can be done at one stop
// origin: stop_the_world_works
#[test]
fn threads_wait_for_the_whole_marking_and_for_nothing_else() {
    const LONG: u64 = 300_000;
    let heap = Heap::builder().stop_the_world(true).build().unwrap();
    let root = list(&heap, LONG);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut pins = 0u64;
            while !done.load(Ordering::Relaxed) {
                heap.mutate(|mc| {
                    root.get(mc).next.get();
                    Gc::new(mc, pins);
                });
                pins += 1;
            }
            pins
        });
        for _ in 0..5 {
            heap.collect().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(worker.join().unwrap() > 0);
    });
    check(&heap, &root, LONG);
    let pauses = heap.pauses();
    let stops = pauses.of(PauseKind::Stop);
    assert!(!stops.is_empty(), "no thread waited in five cycles");
    // Marking 300,000 nodes takes milliseconds, all of which the worker waited.
    assert!(stops.max() > Duration::from_millis(1), "the longest stop took {:?}", stops.max());
    assert!(pauses.of(PauseKind::Gate).is_empty());
}

#[test]
fn without_it_nobody_stops() {
    let heap = Heap::builder().stop_the_world(false).build().unwrap();
    let root = list(&heap, 1000);
    heap.collect().unwrap();
    check(&heap, &root, 1000);
    assert!(heap.pauses().of(PauseKind::Stop).is_empty());
}

#[test]
fn a_thread_that_stays_inside_makes_the_cycle_go_on_without_the_stop() {
    let heap = Heap::builder().stop_the_world(true).build().unwrap();
    let root = list(&heap, 10);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        heap.mutate(|_| {
            // The other thread would wait for ever for this one, which stays in its pin until it is
            // done.
            let other = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                for value in 0..1000 {
                    heap.mutate(|mc| {
                        Gc::new(mc, value);
                    });
                }
            });
            let collector = scope.spawn(|| heap.collect());
            other.join().unwrap();
            collector
        })
        .join()
        .unwrap()
        .unwrap();
    });
    assert!(begin.elapsed() >= Duration::from_millis(900), "the stop was given up early");
    assert!(begin.elapsed() < Duration::from_secs(30));
    check(&heap, &root, 10);
}

#[test]
fn a_pin_through_another_handle_of_the_same_thread_does_not_wait_for_itself() {
    let heap = Heap::builder().stop_the_world(true).build().unwrap();
    let root = list(&heap, 10);
    let mutator = heap.mutator();
    std::thread::scope(|scope| {
        let collector = heap.mutate(|_| {
            let collector = scope.spawn(|| heap.collect());
            std::thread::sleep(Duration::from_millis(50));
            // The stop has begun and waits for the outer pin.
            mutator.mutate(|mc| assert_eq!(root.get(mc).value, 0));
            collector
        });
        collector.join().unwrap().unwrap();
    });
    check(&heap, &root, 10);
}
