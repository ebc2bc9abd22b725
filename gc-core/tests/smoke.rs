//! The first things that a user does, from outside the crate.

#[path = "common/settle.rs"]
mod settle;

use gc_core::{Gc, GcCell, GcRefCell, Heap, Root, Trace};
use settle::Settle;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

#[derive(Trace)]
struct Counted(&'static AtomicUsize);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

// behaviour (rust-gc): nothing is freed twice when a program ends
// origin: issue 15
// also: `smoke::a_heap_drops_what_is_left`
// behaviour (dumpster): one object lives and dies
// origin: single_alloc, simple, loom_single_alloc
// behaviour (Go): a cleanup runs after the object's death
// origin: TestCleanup
#[test]
fn garbage_dies_once_and_roots_live() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let heap = Heap::new();
    let kept: Root<Counted> = heap.mutate(|mc| {
        for _ in 0..999 {
            Gc::new(mc, Counted(&DROPS));
        }
        Gc::root(Gc::new(mc, Counted(&DROPS)), mc)
    });
    heap.settle();
    assert_eq!(DROPS.load(Ordering::SeqCst), 999);
    assert_eq!(heap.stats().live_objects, 1);
    drop(kept);
    heap.settle();
    assert_eq!(DROPS.load(Ordering::SeqCst), 1000);
    assert_eq!(heap.stats().live_bytes, 0);
}

/// So many arrays behind one object are more than a marker's stack holds: it spares the oldest.
#[test]
fn thousands_of_arrays_behind_one_object_keep_what_they_hold() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let heap = Heap::new();
    let arrays = heap.mutate(|mc| {
        let array = |_| Gc::from_slice(mc, &[Gc::new(mc, Counted(&DROPS))]);
        // In a vector, whose edges are found at once. A long array is scanned in pieces.
        Gc::root(Gc::new(mc, (0..5000).map(array).collect::<Vec<_>>()), mc)
    });
    heap.settle();
    assert_eq!(DROPS.load(Ordering::SeqCst), 0);
    drop(arrays);
    heap.settle();
    assert_eq!(DROPS.load(Ordering::SeqCst), 5000);
}

// behaviour (gc-arena): everything is dropped when the heap ends
// origin: all_dropped
#[test]
fn a_heap_drops_what_is_left() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let heap = Heap::new();
    let root: Root<Counted> = heap.mutate(|mc| Gc::root(Gc::new(mc, Counted(&DROPS)), mc));
    drop(heap);
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);
    drop(root);
}

// behaviour (Oilpan): a field keeps its object
// origin: MemberHeapTest.MemberRetainsObject
#[test]
fn cycles_are_collected_while_lists_stay() {
    let heap = Heap::new();
    let head: Root<Node<'static>> = heap.mutate(|mc| {
        let first = Gc::new(mc, Node { next: GcCell::new(None), value: 0 });
        Gc::root(first, mc)
    });
    for round in 0..200u64 {
        heap.mutate(|mc| {
            let mut at = head.get(mc);
            for i in 1..1000 {
                let node = Gc::new(mc, Node { next: GcCell::new(None), value: i });
                at.next.set(mc, Some(node));
                at = node;
            }
            at.next.set(mc, Some(head.get(mc)));
        });
        if round % 50 == 0 {
            heap.settle();
        }
    }
    heap.mutate(|mc| {
        let mut at = head.get(mc);
        for i in 0..1000 {
            assert_eq!(at.value, i);
            at = at.next.get().unwrap();
        }
        assert!(Gc::ptr_eq(at, head.get(mc)));
    });
    heap.settle();
    assert_eq!(heap.stats().live_objects, 1000);
    assert!(heap.stats().cycles >= 5);
}

#[test]
fn threads_share_a_vector() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let all: Root<GcRefCell<Vec<Gc<'static, u64>>>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcRefCell::new(Vec::<Gc<u64>>::new())), mc));
    std::thread::scope(|s| {
        for t in 0..4u64 {
            let (heap, all) = (&heap, &all);
            s.spawn(move || {
                for i in 0..2000 {
                    heap.mutate(|mc| {
                        loop {
                            if let Some(mut v) = all.get(mc).try_borrow_mut(mc) {
                                v.push(Gc::new(mc, t * 10_000 + i));
                                break;
                            }
                        }
                    });
                    heap.mutate(|mc| {
                        Gc::from_slice(mc, &[0u8; 4096]);
                    });
                }
            });
        }
    });
    heap.settle();
    heap.mutate(|mc| {
        let v = all.get(mc);
        let mut values: Vec<u64> = v.borrow().iter().map(|g| **g).collect();
        values.sort_unstable();
        let expected: Vec<u64> =
            (0..4u64).flat_map(|t| (0..2000).map(move |i| t * 10_000 + i)).collect();
        assert_eq!(values, expected);
    });
    assert!(heap.stats().cycles > 3, "{:?}", heap.stats());
}
