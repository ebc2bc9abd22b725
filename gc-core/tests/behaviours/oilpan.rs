//! Behaviours of Oilpan's `test/unittests/heap/cppgc`: persistent roots, also on other threads;
//! members; write barriers; concurrent marking and sweeping; destructors; sizes.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Gc, GcCell, GcWeak, Heap, Root, Trace};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BLOCK: u64 = 16 << 10;

// behaviour (Oilpan): a root keeps its object, on another thread too
// origin: PersistentTest.PersistentRetainsObject,
//   CrossThreadPersistentTest.RetainStronglyOnDifferentThread
#[test]
fn a_root_keeps_its_object_from_another_thread() {
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 9), mc));
    let root = std::thread::scope(|s| {
        s.spawn(|| {
            // The thread that made it has none any more.
            let root = root;
            heap.settle();
            assert_eq!(heap.mutate(|mc| root.get(mc).value), 9);
            root
        })
        .join()
        .unwrap()
    });
    heap.settle();
    assert_eq!(drops.get(), 0);
    std::thread::scope(|s| s.spawn(move || drop(root)).join()).unwrap();
    heap.settle();
    assert_eq!(drops.get(), 1);
}

// behaviour (Oilpan): a weak root keeps nothing, on another thread too
// origin: PersistentTest.WeakPersistentDoesNotRetainObject,
//   CrossThreadPersistentTest.RetainWeaklyOnDifferentThread
#[test]
fn a_weak_root_on_another_thread_keeps_nothing() {
    let (heap, drops) = (Heap::new(), Count::default());
    let (strong, weak): (Root<Node<'static>>, Root<GcWeak<'static, Node<'static>>>) =
        heap.mutate(|mc| {
            let target = node(mc, &drops, 1);
            (Gc::root(target, mc), Gc::root(Gc::new(mc, Gc::downgrade(target, mc)), mc))
        });
    std::thread::scope(|s| {
        s.spawn(|| {
            let found = || heap.mutate(|mc| weak.get(mc).upgrade(mc).is_some());
            heap.settle();
            assert!(found());
            drop(strong);
            heap.settle();
            assert!(!found() && drops.get() == 1);
        });
    });
}

// behaviour (Oilpan): roots are destroyed on other threads while cycles run
// origin: CrossThreadPersistentTest.DestroyRacingWithGC
#[test]
fn roots_are_destroyed_while_cycles_run() {
    let (heap, drops, end) = (Heap::new(), Count::default(), AtomicBool::new(false));
    let work = |t: u64| {
        for i in 0..200 {
            let value = t * 1000 + i;
            let (outer, inner): (Root<Node<'static>>, Root<Node<'static>>) = heap.mutate(|mc| {
                let first = node(mc, &drops, value);
                let chain =
                    (0..10).fold(first, |next, _| pair(mc, &drops, value, Some(next), None));
                (Gc::root(chain, mc), Gc::root(chain.next.get().unwrap(), mc))
            });
            drop(outer);
            std::thread::scope(|s| {
                s.spawn(|| {
                    assert_eq!(heap.mutate(|mc| inner.get(mc).value), value);
                    drop(inner);
                });
            });
        }
    };
    std::thread::scope(|s| {
        let _end = End(&end);
        s.spawn(|| {
            while !end.load(SeqCst) {
                heap.settle();
            }
        });
        let workers = [s.spawn(|| work(0)), s.spawn(|| work(1))];
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (2 * 200 * 11, 0));
}

// behaviour (Oilpan): roots are copied, moved, assigned, cleared
// origin: PersistentTest: CopyCtor, CopyAssignment, MoveCtor, MoveAssignment, Clear, Release,
//   ObjectReclaimedAfterClearedPersistent
#[test]
fn roots_are_copied_moved_and_cleared() {
    let (heap, drops) = (Heap::new(), Count::default());
    let mut first: Option<Root<Node<'static>>> =
        Some(heap.mutate(|mc| Gc::root(node(mc, &drops, 1), mc)));
    let mut second: Option<Root<Node<'static>>> =
        Some(heap.mutate(|mc| Gc::root(node(mc, &drops, 2), mc)));
    std::mem::swap(&mut first, &mut second);
    let value = |root: &Option<Root<Node<'static>>>| {
        heap.mutate(|mc| root.as_ref().map(|root| root.get(mc).value))
    };
    assert_eq!((value(&first), value(&second)), (Some(2), Some(1)));
    // Assignment lets go of what was there.
    first = second.clone();
    heap.settle();
    assert_eq!((drops.get(), value(&first), value(&second)), (1, Some(1), Some(1)));
    let moved = first.take();
    assert!(Root::ptr_eq(moved.as_ref().unwrap(), second.as_ref().unwrap()));
    drop(second);
    heap.settle();
    assert_eq!((drops.get(), value(&first), value(&moved)), (1, None, Some(1)));
    drop(moved);
    heap.settle();
    assert_eq!(drops.get(), 2);
}

// behaviour (Oilpan): a store while not marking does not
// origin: NoWriteBarrierTest.BailoutWhenMarkingIsOff
#[test]
fn a_store_while_idle_keeps_nothing() {
    let (heap, drops) = (Heap::new(), Count::default());
    let cell: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 0), mc));
    heap.settle();
    heap.mutate(|mc| {
        let cell = cell.get(mc);
        for value in 1..=100 {
            cell.next.set(mc, Some(node(mc, &drops, value)));
            cell.other.swap(mc, cell.next.get());
        }
        cell.next.set(mc, None);
        assert_eq!(cell.other.get().unwrap().value, 100);
    });
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (99, 2));
}

// behaviour (Oilpan): a store while marking triggers the barrier
// origin: WriteBarrierTest.TriggersWhenMarkingIsOn, MemberTest.WriteBarrierTriggered,
//   DijkstraWriteBarrierTriggersWhenMarkingIsOn
// behaviour (Oilpan): the first store into a new object needs none
// origin: WriteBarrierTest.MemberInitializingStoreNoBarrier
#[test]
fn every_kind_of_store_has_the_barrier() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    for round in 0..3 {
        heap.mutate(|mc| {
            let chain = |n: u64| (0..n).fold(None, |next, i| Some(pair(mc, &drops, i, next, None)));
            held.get(mc).back[0].set(mc, chain(4));
        });
        let before = drops.get();
        latch.hold(&heap, || {
            heap.mutate(|mc| {
                let held = held.get(mc);
                let a = held.back[0].get().unwrap();
                let b = a.next.get().unwrap();
                let c = b.next.get().unwrap();
                let d = c.next.get().unwrap();
                // Each is cut off in a way of its own, the last first.
                assert!(c.next.compare_exchange(mc, Some(a), None).is_err());
                assert!(c.next.compare_exchange(mc, Some(d), None).is_ok());
                assert!(Gc::ptr_eq(b.next.swap(mc, None).unwrap(), c));
                assert!(Gc::ptr_eq(a.next.take(mc).unwrap(), b));
                held.back[0].set(mc, None);
                // And kept by new objects, whose first values need no barrier.
                let two = pair(mc, &drops, 11, Some(c), Some(d));
                let one = pair(mc, &drops, 10, Some(a), Some(b));
                held.front[0].set(mc, Some(one));
                held.front[1].set(mc, Some(two));
            });
        });
        assert_eq!(drops.get(), before, "what was there is kept for this cycle");
        heap.settle();
        heap.mutate(|mc| {
            let [one, two] = [0, 1].map(|i| held.get(mc).front[i].get().unwrap());
            let values = [one.next.get(), one.other.get(), two.next.get(), two.other.get()];
            assert_eq!(values.map(|node| node.unwrap().value), [3, 2, 1, 0]);
        });
        assert_eq!(drops.get(), round * 6, "the six of the round before gave way");
    }
}

// behaviour (Oilpan): a range of pointers is moved
// origin: WriteBarrierTest.DijkstraWriteBarrierRangeTriggersWhenMarkingIsOn
#[test]
fn a_vector_that_moves_while_marking() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    heap.mutate(|mc| {
        let fill = (0..500).map(|i| node(mc, &drops, i));
        held.get(mc).back_list.borrow_mut(mc).extend(fill);
    });
    latch.hold(&heap, || {
        // A range of white pointers, behind the scan, in pieces; both vectors reallocate.
        for _ in 0..5 {
            heap.mutate(|mc| {
                let held = held.get(mc);
                let (mut front, mut back) =
                    (held.front_list.borrow_mut(mc), held.back_list.borrow_mut(mc));
                let from = back.len() - 100;
                front.extend(back.drain(from..));
                back.shrink_to_fit();
            });
        }
    });
    heap.settle();
    assert_eq!(drops.get(), 0);
    heap.mutate(|mc| {
        let held = held.get(mc);
        let mut values: Vec<u64> = held.front_list.borrow().iter().map(|n| n.value).collect();
        values.sort_unstable();
        assert!(values.into_iter().eq(0..500) && held.back_list.borrow().is_empty());
    });
}

// behaviour (Oilpan): a root made after marking has begun
// origin: IncrementalMarkingTest.RootIsMarkedAfterMarkingStarts
#[test]
fn a_root_made_while_marking_keeps_its_object() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    heap.mutate(|mc| held.get(mc).back[0].set(mc, Some(node(mc, &drops, 1))));
    let (white, black) = latch.hold(&heap, || {
        heap.mutate(|mc| {
            let white: Root<Node<'static>> = Gc::root(held.get(mc).back[0].take(mc).unwrap(), mc);
            let black: Root<Node<'static>> = Gc::root(node(mc, &drops, 2), mc);
            (white, black)
        })
    });
    for _ in 0..2 {
        assert_eq!(heap.mutate(|mc| (white.get(mc).value, black.get(mc).value)), (1, 2));
        heap.settle();
    }
    assert_eq!(drops.get(), 0);
    drop((white, black));
    heap.settle();
    assert_eq!(drops.get(), 2);
}

// behaviour (Oilpan): a root that goes away meanwhile
// origin: MarkerTest.UnreachableMemberIsNotMarked
#[test]
fn a_root_dropped_while_marking_lets_its_object_go_a_cycle_later() {
    let ((heap, _held, latch), drops) = (held(), Count::default());
    let root: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 1), mc));
    latch.hold(&heap, || drop(root));
    // It was a root when the cycle began; whether it was scanned in time is not said.
    heap.settle();
    assert_eq!(drops.get(), 1);
}

// behaviour (Oilpan): marking comes to an end
// origin: IncrementalMarkingTest.MarkingRunsOutOfWorkEventually
#[test]
fn marking_ends_although_the_graph_keeps_changing() {
    let (heap, drops, end) = (Heap::new(), Count::default(), AtomicBool::new(false));
    let ring: Root<[GcCell<'static, Node<'static>>]> = heap.mutate(|mc| {
        let cells = (0..64u32).map(|i| GcCell::new(Some(node(mc, &drops, i.into()))));
        Gc::root(Gc::from_iter_in(mc, cells), mc)
    });
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut i = 0;
            while !end.load(SeqCst) {
                heap.mutate(|mc| {
                    let ring = ring.get(mc);
                    let taken = ring[i % 64].take(mc);
                    let taken = ring[(i * 7 + 3) % 64].swap(mc, taken);
                    ring[i % 64].set(mc, taken);
                });
                i += 1;
            }
        });
        let _end = End(&end);
        (0..30).for_each(|_| heap.settle());
    });
    assert_eq!((drops.get(), heap.stats().live_objects), (0, 65));
    heap.mutate(|mc| {
        let ring = ring.get(mc);
        let mut values: Vec<u64> = ring.iter().map(|cell| cell.get().unwrap().value).collect();
        values.sort_unstable();
        assert!(values.into_iter().eq(0..64));
    });
}

// behaviour (Oilpan): an empty heap ends
// origin: GCHeapTest.TerminateEmptyHeap
#[test]
fn an_empty_heap_ends() {
    for markers in [1, 2] {
        drop(Heap::builder().markers(markers).build().unwrap());
        let heap = Heap::builder().markers(markers).build().unwrap();
        let other = heap.clone();
        drop(heap);
        other.collect().unwrap();
        assert_eq!(other.stats().live_objects, 0);
    }
}

// behaviour (Oilpan): a heap that ends runs destructors, which let go of other roots
// origin: GCHeapTest: TerminateInvokesDestructor, TerminateReclaimsNewState
#[test]
fn a_destructor_may_drop_roots_of_its_own_heap() {
    #[derive(Trace)]
    struct Owner(
        #[allow(dead_code, reason = "it is there to be dropped")] Vec<Root<Node<'static>>>,
        Canary,
    );
    let (heap, drops, owners) = (Heap::new(), Count::default(), Count::default());
    let make = || {
        heap.mutate(|mc| {
            let roots = (0..5).map(|i| Gc::root(node(mc, &drops, i), mc)).collect();
            Gc::new(mc, Owner(roots, owners.canary()));
        });
    };
    make();
    heap.settle();
    assert_eq!((owners.get(), drops.get()), (1, 0));
    heap.settle();
    assert_eq!((owners.get(), drops.get()), (1, 5));
    // And when the heap itself ends.
    make();
    drop(heap);
    assert_eq!((owners.get(), drops.get()), (2, 10));
}

// behaviour (Oilpan): memory is reused
// origin: CppgcAllocationTest.ReuseMemoryFromFreelist,
//   SweeperTest.SweepOnAllocationTakeLastFreeListEntry
// behaviour (Go): garbage does not make the heap grow
// origin: TestGcSys
// also: `hard::limits::new_at_the_limit_panics_clearly_and_the_heap_goes_on`
#[test]
fn freed_memory_is_used_again() {
    let (heap, drops) = (Heap::builder().min_heap(64 << 20).build().unwrap(), Count::default());
    let mut sizes = Vec::new();
    for round in 1..=20 {
        heap.mutate(|mc| {
            (0..5000).for_each(|i| _ = node(mc, &drops, i));
            (0..10).for_each(|_| _ = Gc::from_slice(mc, &[1u64; 10_000]));
        });
        sizes.push(heap.stats().heap_bytes);
        heap.settle();
        assert_eq!((drops.get(), heap.stats().live_objects), (round * 5000, 0));
    }
    let (first, largest) = (sizes[0], *sizes.iter().max().unwrap());
    assert!(largest <= first + 8 * BLOCK, "{sizes:?}");
}

// behaviour (Oilpan): large objects: swept when dead, kept when marked
// origin: SweeperTest: SweepUnmarkedLargeObject, DontSweepMarkedLargeObject
#[test]
fn large_objects_live_and_die() {
    #[derive(Trace)]
    struct Large<'gc>([u64; 20_000], GcCell<'gc, Node<'gc>>, Canary);
    let (heap, drops) = (Heap::new(), Count::default());
    let (kept, slice): (Root<Large<'static>>, Root<[Ptr<'static>]>) = heap.mutate(|mc| {
        let large = |i: u64| {
            let small = GcCell::new(Some(node(mc, &drops, i)));
            Gc::new(mc, Large([i; 20_000], small, drops.canary()))
        };
        (0..4).for_each(|i| _ = large(i));
        let nodes = Gc::from_iter_in(mc, (0..10_000u32).map(|i| node(mc, &drops, i.into())));
        (Gc::root(large(4), mc), Gc::root(nodes, mc))
    });
    for _ in 0..2 {
        heap.settle();
        assert_eq!((drops.get(), heap.stats().live_objects), (8, 10_003));
        heap.mutate(|mc| {
            let large = kept.get(mc);
            assert!(large.0.iter().all(|&word| word == 4));
            assert_eq!((large.1.get().unwrap().value, slice.get(mc)[9_999].value), (4, 9_999));
        });
    }
    drop((kept, slice));
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_bytes), (10_010, 0));
    assert_eq!(heap.stats().spans_in_use, 0);
}

// behaviour (Oilpan): several objects of a page, several pages
// origin: SweeperTest: SweepUnmarkedNormalObject, DontSweepMarkedNormalObject,
//   SweepMultipleObjectsOnPage, SweepMultiplePagesInSingleSpace
#[test]
fn one_survivor_in_each_block() {
    let (heap, drops) = (Heap::new(), Count::default());
    let n = 20_000u64;
    let kept: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
        let mut last = u64::MAX;
        let survives = |node: &Ptr<'_>| {
            let block = Gc::as_ptr(*node).addr() as u64 / BLOCK;
            std::mem::replace(&mut last, block) != block
        };
        let nodes = (0..n).map(|i| node(mc, &drops, i)).filter(survives);
        nodes.map(|node| Gc::root(node, mc)).collect()
    });
    let survivors = kept.len();
    assert!(survivors > 30, "{survivors}");
    let values =
        || -> Vec<u64> { heap.mutate(|mc| kept.iter().map(|root| root.get(mc).value).collect()) };
    let before = values();
    heap.settle();
    assert_eq!(drops.get(), n as usize - survivors);
    // The gaps around the survivors are filled again.
    let blocks = heap.stats().spans_in_use;
    heap.mutate(|mc| (0..n / 2).for_each(|i| _ = node(mc, &drops, i)));
    assert!(heap.stats().spans_in_use <= blocks + 2, "{:?} after {blocks}", heap.stats());
    assert_eq!(values(), before);
}

// behaviour (Oilpan): free neighbours become one
// origin: SweeperTest.CoalesceFreeListEntries
#[test]
fn freed_blocks_join_for_a_larger_object() {
    let heap = Heap::builder().heap_limit(8 << 20).min_heap(8 << 20).build().unwrap();
    let six = vec![7u8; 6 << 20];
    for _ in 0..3 {
        let kept: Root<u64> = heap.mutate(|mc| {
            let kept = Gc::new(mc, 5u64);
            (0..6 << 10).for_each(|_| _ = Gc::new(mc, [1u8; 1000]));
            assert!(Gc::try_from_slice(mc, &six).is_err(), "there is no room for both");
            Gc::root(kept, mc)
        });
        heap.settle();
        heap.mutate(|mc| {
            let large = Gc::try_from_slice(mc, &six).expect("the free blocks lie side by side");
            assert!(large.iter().all(|&byte| byte == 7) && *kept.get(mc) == 5);
        });
        drop(kept);
        heap.settle();
        assert_eq!(heap.stats().live_objects, 0);
    }
}

// behaviour (Oilpan): marks are taken off for the next cycle
// origin: SweeperTest.UnmarkObjects, HeapObjectHeaderTest.Unmark
#[test]
fn marks_do_not_stay() {
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(pair(mc, &drops, 1, Some(node(mc, &drops, 2)), None), mc));
    (0..5).for_each(|_| heap.settle());
    assert_eq!(drops.get(), 0);
    heap.mutate(|mc| root.get(mc).next.set(mc, None));
    heap.settle();
    assert_eq!(drops.get(), 1, "that it was marked five times does not help it");
    drop(root);
    heap.settle();
    assert_eq!(drops.get(), 2);
}

// behaviour (Oilpan): allocation while the sweep is not over
// origin: SweeperTest: LazySweepingDuringAllocation, LazySweepingNormalPages
// behaviour (Oilpan): roots, strong and weak, are cleared from another thread during the sweep
// origin: SweeperTest: CrossThreadPersistentCanBeClearedFromOtherThread,
//   WeakCrossThreadPersistentCanBeClearedFromOtherThread
#[test]
fn the_heap_is_used_while_a_destructor_waits() {
    let (heap, drops, latch) = (on_the_fly(), Count::default(), Latch::default());
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    let (live, dead): (Root<Weak<'static>>, Root<Weak<'static>>) = heap.mutate(|mc| {
        Gc::new(mc, Stopper(latch.clone()));
        let weak = |value| Gc::root(Gc::new(mc, Gc::downgrade(node(mc, &drops, value), mc)), mc);
        (weak(1), weak(2))
    });
    let strong: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(live.get(mc).upgrade(mc).unwrap(), mc));
    let roots = latch.hold(&heap, || {
        // Cycles, allocation, roots of both threads and weak pointers go on as ever.
        heap.collect().unwrap();
        assert_eq!(drops.get(), 0, "the other destructor waits behind this one");
        let roots: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
            assert!(live.get(mc).upgrade(mc).is_some() && dead.get(mc).upgrade(mc).is_none());
            let new = |i| pair(mc, &drops, i, Some(node(mc, &drops, i + 1000)), None);
            (0..1000).map(|i| Gc::root(new(i), mc)).collect()
        });
        std::thread::scope(|s| s.spawn(move || drop(strong)).join()).unwrap();
        heap.mutate(|mc| assert_eq!(live.get(mc).upgrade(mc).unwrap().value, 1));
        roots
    });
    heap.drain_drops(Duration::from_secs(60)).unwrap();
    assert_eq!(drops.get(), 1);
    heap.settle();
    assert_eq!(drops.get(), 2);
    heap.mutate(|mc| {
        for (root, i) in roots.iter().zip(0..) {
            let node = root.get(mc);
            assert_eq!((node.value, node.next.get().unwrap().value), (i, i + 1000));
        }
    });
    drop(roots);
    heap.settle();
    assert_eq!(drops.get(), 2002);
}

// behaviour (Oilpan): sweeping in the background, and where finalizers run
// origin: ConcurrentSweeperTest: BackgroundSweepOfNormalPage, BackgroundSweepOfLargePage,
//   DeferredFinalizationOfNormalPage, DestroyLargePageOnMainThread
#[test]
fn destructors_run_on_a_thread_of_their_own() {
    #[derive(Trace)]
    struct Where(Arc<Mutex<Vec<Option<String>>>>);
    impl Drop for Where {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(std::thread::current().name().map(String::from));
        }
    }
    let (heap, names) = (Heap::builder().min_heap(64 << 10).build().unwrap(), Arc::default());
    for _ in 0..20 {
        heap.mutate(|mc| (0..500).for_each(|_| _ = Gc::new(mc, Where(Arc::clone(&names)))));
    }
    heap.settle();
    let names = names.lock().unwrap();
    assert!(names.len() == 10_000 && names.iter().all(|name| name.as_deref() == Some("gc-drop")));
}

// behaviour (Oilpan): all sizes of objects are swept
// origin: SweeperTest.SweepObjectsOnAllArenas, GCInfoTraitTest, GCInfoTableTest
#[test]
fn sixty_four_types_in_one_heap() {
    #[derive(Trace)]
    struct Sized<const N: usize>([u8; N], Canary);
    trait Check {
        fn check(&self, heap: &Heap) -> bool;
    }
    impl<const N: usize> Check for Root<Sized<N>> {
        fn check(&self, heap: &Heap) -> bool {
            heap.mutate(|mc| self.get(mc).0.iter().all(|&byte| byte == N as u8))
        }
    }
    let (heap, drops) = (Heap::new(), Count::default());
    let mut roots: Vec<Box<dyn Check>> = Vec::new();
    macro_rules! types {
        ($($low:literal)*) => {$(
            types!(@ $low 0 1 2 3 4 5 6 7);
        )*};
        (@ $low:literal $($high:literal)*) => {$({
            const N: usize = $low + 8 * $high;
            let root: Root<Sized<N>> = heap.mutate(|mc| {
                (0..3).for_each(|_| _ = Gc::new(mc, Sized([0u8; N], drops.canary())));
                Gc::root(Gc::new(mc, Sized([N as u8; N], drops.canary())), mc)
            });
            roots.push(Box::new(root));
        })*};
    }
    types!(0 1 2 3 4 5 6 7);
    for _ in 0..2 {
        heap.settle();
        assert_eq!((drops.get(), heap.stats().live_objects), (64 * 3, 64));
        assert!(roots.iter().all(|root| root.check(&heap)));
    }
    drop(roots);
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (64 * 4, 0));
}
