//! Behaviours of dumpster's suites: loops of all shapes, pointers moved while the tracer runs,
//! allocation in `Drop`, locks, coercions.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, Heap, Root, Trace, unsize};
use std::sync::{Arc, Mutex};

/// An object with any number of edges.
#[derive(Trace)]
struct Multi<'gc> {
    edges: GcRefCell<Vec<Gc<'gc, Multi<'gc>>>>,
    canary: Canary,
}

type Roots = Vec<Root<Multi<'static>>>;

/// Objects with a root and a count each.
fn objects(heap: &Heap, n: usize) -> (Roots, Vec<Count>) {
    let counts: Vec<Count> = (0..n).map(|_| Count::default()).collect();
    let new = |count: &Count| {
        heap.mutate(|mc| {
            let edges = GcRefCell::default();
            Gc::root(Gc::new(mc, Multi { edges, canary: count.canary() }), mc)
        })
    };
    (counts.iter().map(new).collect(), counts)
}

fn link(heap: &Heap, roots: &Roots, edges: &[(usize, usize)]) {
    heap.mutate(|mc| {
        for &(from, to) in edges {
            let [from, to] = [from, to].map(|i| roots[i].get(mc));
            from.edges.borrow_mut(mc).push(to);
        }
    });
}

/// Drops the roots one after another: all live as long as one is left, and die together.
fn die_together(heap: &Heap, mut roots: Roots, counts: &[Count]) {
    while let Some(root) = roots.pop() {
        heap.settle();
        assert!(counts.iter().all(|count| count.get() == 0), "{} roots are left", roots.len() + 1);
        drop(root);
    }
    heap.settle();
    assert!(counts.iter().all(|count| count.get() == 1));
    assert_eq!(heap.stats().live_objects, 0);
}

// behaviour (dumpster): an object that holds itself
// origin: self_referential, loom_self_referential
#[test]
fn an_object_that_holds_itself_dies() {
    let heap = Heap::new();
    let (roots, counts) = objects(&heap, 1);
    link(&heap, &roots, &[(0, 0), (0, 0)]);
    die_together(&heap, roots, &counts);
}

// behaviour (dumpster): two that hold each other
// origin: two_cycle, cyclic, loom_two_cycle
// behaviour (dumpster): two that hold each other and themselves
// origin: self_ref_two_cycle
#[test]
fn two_that_hold_each_other_and_themselves() {
    let heap = Heap::new();
    for edges in [&[(0, 1), (1, 0)][..], &[(0, 0), (0, 1), (1, 0), (1, 1)]] {
        let (roots, counts) = objects(&heap, 2);
        link(&heap, &roots, edges);
        die_together(&heap, roots, &counts);
    }
}

// behaviour (dumpster): a loop with two ways through it
// origin: parallel_loop (three suites)
#[test]
fn two_ways_round_a_loop() {
    let heap = Heap::new();
    let (roots, counts) = objects(&heap, 4);
    link(&heap, &roots, &[(1, 0), (2, 0), (3, 1), (3, 2), (0, 3)]);
    die_together(&heap, roots, &counts);
}

// behaviour (dumpster): two loops that share an object
// origin: double_loop
#[test]
fn two_loops_through_one_object() {
    let heap = Heap::new();
    let (roots, counts) = objects(&heap, 3);
    link(&heap, &roots, &[(0, 1), (1, 0), (0, 2), (2, 0)]);
    die_together(&heap, roots, &counts);
}

// behaviour (dumpster): four that all hold each other
// origin: complete4
#[test]
fn a_complete_graph_of_four() {
    let heap = Heap::new();
    let (roots, counts) = objects(&heap, 4);
    let edges: Vec<_> = (0..16).map(|i| (i / 4, i % 4)).filter(|(a, b)| a != b).collect();
    link(&heap, &roots, &edges);
    die_together(&heap, roots, &counts);
}

// behaviour (dumpster): a lock is held while a collection runs
// origin: deadlock
// also: `behaviours::dumpster::a_leaf_s_own_lock_does_not_stop_a_cycle`
#[test]
fn a_lock_held_while_a_cycle_begins_is_no_deadlock() {
    let (heap, drops) = (on_the_fly(), Count::default());
    let lock: Root<GcMutex<Vec<Ptr<'static>>>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcMutex::new(vec![node(mc, &drops, 1)])), mc));
    std::thread::scope(|s| {
        heap.mutator().mutate(|mc| {
            let lock = lock.get(mc);
            let mut guard = lock.lock(mc);
            s.spawn(|| heap.settle());
            s.spawn(|| wait_until(|| mode(&heap) == "Prep")).join().unwrap();
            guard.push(node(mc, &drops, 2));
        });
    });
    assert_eq!(heap.stats().cycles, 1);
    heap.mutate(|mc| {
        let lock = lock.get(mc);
        assert!(lock.lock(mc).iter().map(|node| node.value).eq([1, 2]));
    });
    assert_eq!(drops.get(), 0);
}

#[test]
fn a_leaf_s_own_lock_does_not_stop_a_cycle() {
    let (heap, drops) = (Heap::new(), Count::default());
    let leaf = Arc::new(Mutex::new(7u8));
    let root: Root<(Arc<Mutex<u8>>, Canary)> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, (Arc::clone(&leaf), drops.canary())), mc));
    let guard = leaf.lock().unwrap();
    heap.settle();
    assert_eq!((*guard, drops.get()), (7, 0));
    drop(root);
    heap.settle();
    assert_eq!((drops.get(), Arc::strong_count(&leaf)), (1, 1));
    drop(guard);
}

// behaviour (dumpster): an object is borrowed through its own reference to itself
// origin: open_drop, double_borrow
#[test]
fn a_guard_on_a_self_reference() {
    let heap = Heap::new();
    let (mut roots, counts) = objects(&heap, 1);
    link(&heap, &roots, &[(0, 0)]);
    heap.mutate(|mc| {
        let object = roots[0].get(mc);
        let guard = object.edges.borrow();
        assert!(object.edges.try_borrow_mut(mc).is_none());
        assert!(Gc::ptr_eq(guard[0], object));
    });
    heap.settle();
    // The reference is popped while its object is borrowed through itself.
    heap.mutate(|mc| {
        let object = roots[0].get(mc);
        let popped = object.edges.borrow_mut(mc).pop().unwrap();
        assert!(popped.edges.borrow().is_empty());
    });
    heap.settle();
    assert_eq!(counts[0].get(), 0);
    roots.clear();
    heap.settle();
    assert_eq!(counts[0].get(), 1);
}

// behaviour (dumpster): rings are collected while others allocate, without a request
// origin: eventually_collect
#[test]
fn garbage_rings_are_found_without_being_asked() {
    let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
    let (roots, counts) = objects(&heap, 2);
    link(&heap, &roots, &[(0, 1), (1, 0)]);
    drop(roots);
    wait_until(|| {
        heap.mutate(|mc| (0..2000).for_each(|_| _ = Gc::new(mc, [0u64; 4])));
        counts.iter().all(|count| count.get() == 1)
    });
}

// behaviour (dumpster): an array is used as a slice
// origin: coerce_array, coerce_array_using_macro
#[test]
fn an_array_seen_as_a_slice() {
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<[Ptr<'static>]> = heap.mutate(|mc| {
        let bytes = unsize!(Gc::new(mc, [1u8, 2, 3]) => [u8]);
        assert_eq!((bytes.len(), bytes[2]), (3, 3));
        let array =
            Gc::new(mc, std::array::from_fn::<Ptr<'_>, 3, _>(|i| node(mc, &drops, i as u64)));
        let slice: Gc<'_, [Ptr<'_>]> = unsize!(array => [Ptr<'_>]);
        assert_eq!(slice.as_ptr().addr(), array.as_ptr().addr());
        Gc::root(slice, mc)
    });
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (0, 4));
    heap.mutate(|mc| {
        let slice = root.get(mc);
        assert!(slice.iter().map(|node| node.value).eq(0..3));
        assert!(Gc::ptr_eq(Gc::downgrade(slice, mc).upgrade(mc).unwrap(), slice));
    });
    drop(root);
    heap.settle();
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (3, 0));
}

// behaviour (dumpster): a `trace` that moves pointers while it runs
// origin: malicious, root_canal
#[test]
fn pointers_that_rotate_during_the_trace_are_not_lost() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    heap.mutate(|mc| {
        let held = held.get(mc);
        for (i, cell) in held.front.iter().chain(&held.back).enumerate() {
            // Each with something behind it.
            let tail = node(mc, &drops, 10 + i as u64);
            cell.set(mc, Some(pair(mc, &drops, i as u64, Some(tail), None)));
        }
    });
    for round in 1..=5u64 {
        // Half of the fields have been read: what was at the back goes to the front, unseen.
        latch.hold(&heap, || {
            heap.mutate(|mc| {
                let held = held.get(mc);
                let cells: Vec<&GcCell<'_, Node<'_>>> =
                    held.front.iter().chain(&held.back).collect();
                let first = cells[0].take(mc);
                for i in 0..3 {
                    cells[i].set(mc, cells[i + 1].take(mc));
                }
                cells[3].set(mc, first);
            });
        });
        heap.mutate(|mc| {
            let held = held.get(mc);
            for (i, cell) in held.front.iter().chain(&held.back).enumerate() {
                let (at, expected) = (cell.get().unwrap(), (i as u64 + round) % 4);
                assert_eq!((at.value, at.next.get().unwrap().value), (expected, expected + 10));
            }
        });
        assert_eq!(drops.get(), 0);
    }
    heap.mutate(|mc| held.get(mc).front[0].set(mc, None));
    heap.settle();
    assert_eq!(drops.get(), 2);
}

// behaviour (dumpster): a ring made in a destructor is collected later
// origin: leak_by_creation_in_drop, sync_leak_by_creation_in_drop,
//   loom_sync_leak_by_creation_in_drop
// behaviour (Oilpan): what a destructor allocates is not swept
// origin: SweeperTest.AllocationDuringFinalizationIsNotSwept
#[test]
fn a_cycle_made_in_a_destructor_is_collected() {
    #[derive(Trace)]
    struct Maker {
        #[trace(skip)]
        heap: Shared,
        #[trace(skip)]
        drops: Count,
    }
    impl Drop for Maker {
        fn drop(&mut self) {
            self.heap.heap().unwrap().mutate(|mc| {
                let ring = node(mc, &self.drops, 1);
                ring.next.set(mc, Some(pair(mc, &self.drops, 2, Some(ring), None)));
            });
        }
    }
    let (heap, drops) = (Heap::new(), Count::default());
    let shared = Shared::of(&heap);
    heap.mutate(|mc| {
        for _ in 0..100 {
            Gc::new(mc, Maker { heap: shared.clone(), drops: drops.clone() });
        }
    });
    heap.settle();
    assert_eq!(drops.get(), 0, "made in the sweep, they are not swept in it");
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (200, 0));
    assert_eq!(heap.stats().drop_panics, 0);
    shared.close();
}

/// Points to itself, and to the one before.
#[derive(Trace)]
struct Own<'gc> {
    own: GcOnceCell<Gc<'gc, Own<'gc>>>,
    before: Option<Gc<'gc, Own<'gc>>>,
    canary: Canary,
}

// behaviour (dumpster): an object is made with a pointer to itself
// origin: new_cyclic_simple, new_cyclic_nothing, new_cyclic_one
#[test]
fn a_self_reference_through_a_once_cell() {
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Own<'static>> = heap.mutate(|mc| {
        let canary = drops.canary();
        let own = Gc::new(mc, Own { own: GcOnceCell::new(), before: None, canary });
        assert!(own.own.set(mc, own).is_ok());
        Gc::root(own, mc)
    });
    heap.settle();
    assert!(heap.mutate(|mc| {
        let object = root.get(mc);
        Gc::ptr_eq(object, **object.own.get().unwrap().own.get().as_ref().unwrap())
    }));
    drop(root);
    heap.settle();
    assert_eq!(drops.get(), 1);
}

// behaviour (dumpster): a slice of objects that hold themselves and each other
// origin: self_referential_from_iter
#[test]
fn a_slice_of_self_referential_objects() {
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<[Gc<'static, Own<'static>>]> = heap.mutate(|mc| {
        let mut all: Vec<Gc<'_, Own<'_>>> = Vec::new();
        for _ in 0..11 {
            let (before, canary) = (all.last().copied(), drops.canary());
            let object = Gc::new(mc, Own { own: GcOnceCell::new(), before, canary });
            assert!(object.own.set(mc, object).is_ok());
            all.push(object);
        }
        Gc::root(Gc::from_iter_in(mc, all), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let all = root.get(mc);
        assert!(all[0].before.is_none());
        for pair in all.windows(2) {
            assert!(Gc::ptr_eq(pair[1].before.unwrap(), *pair[0].own.get().unwrap()));
        }
    });
    assert_eq!(drops.get(), 0);
    drop(root);
    heap.settle();
    assert_eq!(drops.get(), 11);
}
