//! Behaviours that Go's `runtime` and `weak` packages check in `gc_test.go`, `mfinal_test.go`,
//! `mcleanup_test.go` and `pointer_test.go`.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Gc, GcCell, GcRefCell, GcWeak, Heap, Root, Trace};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

// behaviour (Go): a pointer in an array of ten dimensions
// origin: TestGcDeepNesting
#[test]
fn a_pointer_in_a_deeply_nested_array() {
    type T3<T> = [[[T; 2]; 2]; 2];
    type Deep<'gc> = T3<T3<T3<[GcCell<'gc, Node<'gc>>; 2]>>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Deep<'static>> = heap.mutate(|mc| {
        let deep = Gc::new(mc, Deep::default());
        deep[0][0][0][0][0][0][0][0][0][0].set(mc, Some(node(mc, &drops, 13)));
        deep[1][1][1][1][1][1][1][1][1][1].set(mc, Some(node(mc, &drops, 14)));
        Gc::root(deep, mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let deep = root.get(mc);
        assert_eq!(deep[0][0][0][0][0][0][0][0][0][0].get().unwrap().value, 13);
        assert_eq!(deep[1][1][1][1][1][1][1][1][1][1].get().unwrap().value, 14);
        assert!(deep[1][0][1][0][1][0][1][0][1][0].get().is_none());
    });
    assert_eq!(drops.get(), 0);
}

// behaviour (Go): a map of large keys and values while cycles follow each other
// origin: TestGcMapIndirection, TestGcHashmapIndirection
#[test]
fn a_map_of_large_values_under_constant_cycles() {
    #[derive(Trace, PartialEq, Eq, Hash)]
    struct Key([u64; 32]);
    type Map<'gc> = GcRefCell<HashMap<Gc<'gc, Key>, Gc<'gc, [u64; 256]>>>;
    let heap = Heap::builder().gc_percent(1).min_heap(16 << 10).build().unwrap();
    let map: Root<Map<'static>> = heap.mutate(|mc| {
        let empty = HashMap::<Gc<'_, Key>, Gc<'_, [u64; 256]>>::new();
        Gc::root(Gc::new(mc, GcRefCell::new(empty)), mc)
    });
    for i in 0..1000u64 {
        heap.mutate(|mc| {
            let (key, value) = (Gc::new(mc, Key([i; 32])), Gc::new(mc, [i; 256]));
            let map = map.get(mc);
            map.borrow_mut(mc).insert(key, value);
        });
        if i % 20 == 0 {
            heap.settle();
        }
    }
    heap.settle();
    assert_eq!(heap.stats().live_objects, 2001);
    assert!(heap.stats().cycles > 50);
    heap.mutate(|mc| {
        let map = map.get(mc);
        for i in 0..1000 {
            assert_eq!(map.borrow()[&Gc::new(mc, Key([i; 32]))][255], i);
        }
    });
}

// behaviour (Go): a list grows by one object in each cycle, with pointers of several kinds
// origin: TestGcArraySlice, TestGcRescan
#[test]
fn a_list_that_grows_across_cycles() {
    /// A value beside the pointers, in a box of its own, and in the object before.
    #[derive(Trace)]
    struct Item<'gc> {
        buffer: [u8; 1],
        before: Option<Gc<'gc, Item<'gc>>>,
        number: Gc<'gc, u64>,
        boxed: Box<Option<Gc<'gc, Item<'gc>>>>,
    }
    let heap = Heap::new();
    let mut head: Option<Root<Item<'static>>> = None;
    for i in 0..10 {
        head = Some(heap.mutate(|mc| {
            let before = head.as_ref().map(|root| root.get(mc));
            let (number, boxed) = (Gc::new(mc, 42 + i), Box::new(before));
            Gc::root(Gc::new(mc, Item { buffer: [42], before, number, boxed }), mc)
        }));
        heap.settle();
        assert_eq!(heap.stats().live_objects, (i + 1) * 2);
    }
    heap.mutate(|mc| {
        let mut at = head.as_ref().map(|root| root.get(mc));
        for i in (0..10).rev() {
            let item = at.unwrap();
            assert_eq!((item.buffer[0], *item.number), (42, 42 + i));
            at = item.before;
            assert_eq!(at.is_some(), item.boxed.is_some());
        }
        assert!(at.is_none());
    });
}

// behaviour (Oilpan): allocation helps marking, or does not disturb it
// origin: IncrementalMarkingTest.IncrementalStepDuringAllocation
// behaviour (Go): collections without pause beside short calls
// origin: TestPrintGC
#[test]
fn cycles_without_pause_beside_short_work() {
    let (heap, drops, end) = (Heap::new(), Count::default(), AtomicBool::new(false));
    let kept: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 7), mc));
    std::thread::scope(|s| {
        s.spawn(|| {
            while !end.load(SeqCst) {
                heap.settle();
            }
        });
        let _end = End(&end);
        for i in 0..3000 {
            heap.mutate(|mc| kept.get(mc).next.set(mc, Some(node(mc, &drops, i))));
            assert_eq!(heap.mutate(|mc| kept.get(mc).next.get().unwrap().value), i);
        }
        wait_until(|| heap.stats().cycles >= 3);
    });
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (2999, 2));
}

// behaviour (Go): pages in use are counted right
// origin: TestPageAccounting
#[test]
fn blocks_in_use_are_counted() {
    let heap = Heap::builder().min_heap(64 << 20).build().unwrap();
    let mut kept: Vec<Root<[u8]>> = Vec::new();
    for i in 1..=100 {
        kept.push(heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[i as u8; 64 << 10]), mc)));
        let stats = heap.stats();
        assert_eq!((stats.spans_in_use, stats.heap_bytes), (i * 4, i * 4 * (16 << 10)));
    }
    kept.truncate(30);
    heap.settle();
    assert_eq!(heap.stats().spans_in_use, 120);
    drop(kept);
    heap.settle();
    assert_eq!((heap.stats().spans_in_use, heap.stats().heap_bytes), (0, 0));
}

// behaviour (Go): counters agree with a walk of the heap
// origin: TestReadMemStats
#[test]
fn counters_agree_with_a_walk() {
    let (heap, drops) = (Heap::builder().min_heap(256 << 10).build().unwrap(), Count::default());
    let head: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 0), mc));
    let made = std::thread::scope(|s| {
        let threads: Vec<_> = (0..3u64)
            .map(|t| {
                let (heap, head, drops) = (&heap, &head, &drops);
                s.spawn(move || {
                    for i in 0..2000 {
                        heap.mutate(|mc| {
                            let (head, new) = (head.get(mc), node(mc, drops, t * 2000 + i));
                            // Every fifth is pushed; all others are garbage.
                            if i % 5 != 0 {
                                return;
                            }
                            loop {
                                let first = head.next.get();
                                new.next.set(mc, first);
                                if head.next.compare_exchange(mc, first, Some(new)).is_ok() {
                                    break;
                                }
                            }
                        });
                    }
                    2000
                })
            })
            .collect();
        1 + threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    heap.settle();
    let walked = heap.mutate(|mc| {
        let (mut at, mut n) = (Some(head.get(mc)), 0);
        while let Some(node) = at {
            (at, n) = (node.next.get(), n + 1);
        }
        n
    });
    let stats = heap.stats();
    assert_eq!((walked, stats.live_objects), (1201, 1201));
    assert_eq!((stats.allocated_objects, stats.freed_objects), (made, made - walked));
    assert_eq!((stats.freed_objects, stats.live_bytes % walked), (drops.get() as u64, 0));
}

// behaviour (gc-arena): a step of work ends with its cycle and does not begin the next one
// origin: cycle_debt_stops
// behaviour (Go): a forced collection happens whatever the pacing
// origin: TestUserForcedGC
#[test]
fn collect_runs_a_cycle_whatever_the_pacing() {
    let heap = Heap::builder().gc_percent(100_000).min_heap(1 << 30).build().unwrap();
    for i in 1..=5 {
        heap.mutate(|mc| _ = Gc::new(mc, [0u64; 100]));
        heap.settle();
        assert_eq!((heap.stats().cycles, heap.stats().freed_objects), (i, i));
    }
}

// behaviour (Go): a forced collection during another one waits for its own
// origin: TestUserForcedGC (concurrent callers of `runtime.GC`)
#[test]
fn collect_waits_for_a_cycle_of_its_own() {
    let ((heap, _held, latch), drops) = (held(), Count::default());
    let asking = AtomicBool::new(false);
    std::thread::scope(|s| {
        latch.hold(&heap, || {
            // Born in the cycle that runs, it would live through it; the next one finds it.
            heap.mutate(|mc| _ = node(mc, &drops, 1));
            s.spawn(|| {
                asking.store(true, SeqCst);
                heap.settle();
                assert_eq!((drops.get(), heap.stats().cycles), (1, 2));
            });
            wait_until(|| asking.load(SeqCst));
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(heap.stats().cycles, 0);
        });
    });
}

// behaviour (Go): a memory limit holds, with and without a growth setting
// origin: TestMemoryLimit, TestMemoryLimitNoGCPercent
#[test]
fn a_soft_limit_starts_cycles_early() {
    // Up to 192 MB pass through a heap that may reach 256 of its own, or 16 by the limit, with 4 of
    // them live.
    let cycles = |limit: usize, enough: u64| {
        let builder = Heap::builder().gc_percent(100_000).min_heap(256 << 20);
        let heap = builder.memory_limit(limit).build().unwrap();
        let live: Root<[u64]> =
            heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &vec![1u64; 1 << 19]), mc));
        for i in 0..3000 {
            heap.mutate(|mc| (0..200).for_each(|_| _ = Gc::new(mc, [0u64; 40])));
            if i % 10 == 0 {
                std::thread::sleep(Duration::from_micros(500));
            }
            if heap.stats().cycles >= enough {
                break;
            }
        }
        assert_eq!(heap.mutate(|mc| live.get(mc).iter().sum::<u64>()), 1 << 19);
        heap.stats().cycles
    };
    assert_eq!(cycles(usize::MAX, 1), 0);
    assert!(cycles(16 << 20, 2) >= 2);
}

// behaviour (Go): weak pointers become strong at the end of marking
// origin: TestWeakToStrongMarkTermination
#[test]
fn upgrades_race_with_the_end_of_marking() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let upgraded = AtomicUsize::new(0);
    for round in 0..10 {
        let weaks: Root<[Weak<'static>]> = heap.mutate(|mc| {
            let weak = |i: u32| {
                let (i, inner) = (i.into(), node(mc, &drops, i.into()));
                Gc::downgrade(pair(mc, &drops, i, Some(inner), None), mc)
            };
            Gc::root(Gc::from_iter_in(mc, (0..1000).map(weak)), mc)
        });
        let kept: Mutex<Vec<Root<Node<'static>>>> = Mutex::default();
        std::thread::scope(|s| {
            s.spawn(|| heap.settle());
            for t in 0..2 {
                let (heap, weaks, kept, upgraded) = (&heap, &weaks, &kept, &upgraded);
                s.spawn(move || {
                    for i in (t..1000).step_by(2) {
                        heap.mutate(|mc| {
                            let Some(strong) = weaks.get(mc)[i].upgrade(mc) else { return };
                            assert_eq!(strong.next.get().unwrap().value, i as u64);
                            upgraded.fetch_add(1, SeqCst);
                            if i % 3 == 0 {
                                kept.lock().unwrap().push(Gc::root(strong, mc));
                            }
                        });
                    }
                });
            }
        });
        heap.settle();
        let kept = kept.into_inner().unwrap();
        assert_eq!(drops.get() + 2 * kept.len(), 2000 * (round + 1), "both of each, or none");
        heap.mutate(|mc| {
            assert!(kept.iter().all(|root| root.get(mc).next.get().unwrap().value % 3 == 0));
            let alive = weaks.get(mc).iter().filter(|weak| weak.upgrade(mc).is_some()).count();
            assert_eq!(alive, kept.len());
        });
        drop(kept);
        heap.settle();
        assert_eq!(drops.get(), 2000 * (round + 1));
    }
}

// behaviour (Go): finalizers of all types get their object
// origin: TestFinalizerType, TestFinalizerInterfaceBig
#[test]
fn destructors_see_their_values() {
    #[derive(Trace)]
    struct Value {
        fill: u64,
        set: bool,
        text: String,
        seen: Arc<Mutex<Vec<(u64, bool, String)>>>,
    }
    impl Drop for Value {
        fn drop(&mut self) {
            let text = std::mem::take(&mut self.text);
            self.seen.lock().unwrap().push((self.fill, self.set, text));
        }
    }
    let (heap, seen) = (Heap::new(), Arc::<Mutex<Vec<_>>>::default());
    heap.mutate(|mc| {
        for i in 0..100 {
            let (text, seen) = (format!("number {i}"), Arc::clone(&seen));
            Gc::new(mc, Value { fill: i, set: i % 2 == 0, text, seen });
        }
    });
    heap.settle();
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort_unstable();
    assert!(seen.into_iter().eq((0..100).map(|i| (i, i % 2 == 0, format!("number {i}")))));
}

// behaviour (Go): an empty slice or string does not keep the object after it
// origin: TestEmptySlice, TestEmptyString
#[test]
fn an_empty_slice_keeps_no_neighbour() {
    let (heap, drops) = (Heap::new(), Count::default());
    // Empty arrays between others of their type and size, of leaves and of pointers.
    type Pair = (Root<[Canary]>, Root<[Ptr<'static>]>);
    let empty: Vec<Pair> = heap.mutate(|mc| {
        let one = |i: u64| {
            Gc::from_iter_in(mc, [drops.canary()]);
            Gc::from_iter_in(mc, [node(mc, &drops, i)]);
            let canaries = Gc::from_iter_in(mc, std::iter::empty::<Canary>());
            let nodes = Gc::from_iter_in(mc, std::iter::empty::<Ptr<'_>>());
            assert!(canaries.is_empty() && nodes.is_empty() && Gc::from_str(mc, "").is_empty());
            (Gc::root(canaries, mc), Gc::root(nodes, mc))
        };
        (0..100).map(one).collect()
    });
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (200, 200));
    heap.mutate(|mc| {
        assert!(empty.iter().all(|pair| pair.0.get(mc).is_empty() && pair.1.get(mc).is_empty()));
    });
}

// behaviour (Go): weak pointers are equal if their targets are, the dead too
// origin: TestPointerEquality, TestIssue70739
#[test]
fn weak_pointers_are_equal_by_target() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (strong, weaks): (Vec<Root<Node<'static>>>, Root<[Weak<'static>]>) = heap.mutate(|mc| {
        let targets: Vec<Ptr<'_>> = (0..10).map(|i| node(mc, &drops, i)).collect();
        // Two of each, with a box of their own each.
        let weaks = (0..20).map(|i| Gc::downgrade(targets[i / 2], mc)).collect::<Vec<_>>();
        let strong = targets.iter().map(|target| Gc::root(*target, mc)).collect();
        (strong, Gc::root(Gc::from_iter_in(mc, weaks), mc))
    });
    let equal = || {
        heap.mutate(|mc| {
            let weaks = weaks.get(mc);
            (0..19).all(|i| GcWeak::ptr_eq(weaks[i], weaks[i + 1]) == (i % 2 == 0))
        })
    };
    assert!(equal());
    heap.settle();
    assert!(equal());
    heap.mutate(|mc| {
        for (i, root) in strong.iter().enumerate() {
            let again = Gc::downgrade(root.get(mc), mc);
            assert!(GcWeak::ptr_eq(again, weaks.get(mc)[2 * i]));
            assert!(Gc::ptr_eq(again.upgrade(mc).unwrap(), root.get(mc)));
        }
    });
    drop(strong);
    heap.settle();
    assert!(heap.mutate(|mc| weaks.get(mc).iter().all(|weak| weak.upgrade(mc).is_none())));
    assert!(equal() && drops.get() == 10, "also when all are dead");
}

// behaviour (Go): a weak pointer is dead before finalizers and cleanups run
// origin: TestPointerFinalizer, TestPointerCleanup
#[test]
fn weak_pointers_are_dead_before_destructors_run() {
    /// Looks at a weak pointer to the object that it dies with.
    #[derive(Trace)]
    struct Looks {
        #[trace(skip)]
        heap: Shared,
        weak: Arc<OnceLock<Root<GcWeak<'static, u64>>>>,
        seen: Arc<Mutex<Vec<(bool, bool)>>>,
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            let (heap, weak) = (self.heap.heap().unwrap(), self.weak.get().unwrap());
            let seen = heap.mutate(|mc| {
                let weak = weak.get(mc);
                (weak.is_dead(), weak.upgrade(mc).is_none())
            });
            self.seen.lock().unwrap().push(seen);
        }
    }
    let (heap, seen) = (Heap::new(), Arc::default());
    let shared = Shared::of(&heap);
    let root = heap.mutate(|mc| {
        let (target, weak) = (Gc::new(mc, 5u64), Arc::<OnceLock<_>>::default());
        assert!(weak.set(Gc::root(Gc::new(mc, Gc::downgrade(target, mc)), mc)).is_ok());
        let (heap, seen) = (shared.clone(), Arc::clone(&seen));
        let pair: Root<(Gc<'static, u64>, Looks)> =
            Gc::root(Gc::new(mc, (target, Looks { heap, weak, seen })), mc);
        pair
    });
    heap.settle();
    assert!(!heap.mutate(|mc| root.get(mc).1.weak.get().unwrap().get(mc).is_dead()));
    drop(root);
    heap.settle();
    assert_eq!(*seen.lock().unwrap(), [(true, true)]);
    shared.close();
}

// behaviour (Go): reachability of chosen objects
// origin: TestGCTestIsReachable
#[test]
fn reachability_is_what_roots_say() {
    let (heap, masks) = (Heap::new(), [0u64, 1, 0x8000, 0x5555, 0xFFFF, 0x0F3C, 0xDEAD]);
    for mask in masks {
        let counts: Vec<Count> = (0..16).map(|_| Count::default()).collect();
        let kept: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
            let all: Vec<Ptr<'_>> = counts.iter().map(|count| node(mc, count, mask)).collect();
            let kept = all.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
            kept.map(|(_, node)| Gc::root(*node, mc)).collect()
        });
        heap.settle();
        for (i, count) in counts.iter().enumerate() {
            assert_eq!(count.get() as u64, 1 - (mask >> i & 1), "object {i} of {mask:#x}");
        }
        assert!(heap.mutate(|mc| kept.iter().all(|root| root.get(mc).value == mask)));
    }
}

// behaviour (Go): several cleanups of one object, of its parts too, each once
// origin: TestCleanupMultiple, TestCleanupInteriorPointer
#[test]
fn each_cleanup_of_an_object_runs_once() {
    /// Cleanups beside a pointer to the object itself.
    #[derive(Trace)]
    struct Many<'gc> {
        own: GcCell<'gc, Many<'gc>>,
        _one: Canary,
        _two: (u8, Canary),
        _more: Box<[Canary]>,
    }
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Many<'static>> = heap.mutate(|mc| {
        let more = (0..3).map(|_| drops.canary()).collect();
        let (one, two) = (drops.canary(), (1, drops.canary()));
        let many = Gc::new(mc, Many { own: GcCell::new(None), _one: one, _two: two, _more: more });
        many.own.set(mc, Some(many));
        Gc::root(many, mc)
    });
    heap.settle();
    assert_eq!(drops.get(), 0);
    drop(root);
    (0..3).for_each(|_| heap.settle());
    assert_eq!(drops.get(), 5);
}
