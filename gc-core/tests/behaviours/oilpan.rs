//! Behaviours of Oilpan's `test/unittests/heap/cppgc`: persistent roots, also on other threads;
//! members; write barriers; concurrent marking and sweeping; destructors; sizes and statistics.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Ephemeron, Gc, GcCell, GcWeak, GcWeakMap, Heap, Root, Trace};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BLOCK: u64 = 16 << 10;

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

#[test]
fn a_root_dropped_while_marking_lets_its_object_go_a_cycle_later() {
    let ((heap, _held, latch), drops) = (held(), Count::default());
    let root: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 1), mc));
    latch.hold(&heap, || drop(root));
    // It was a root when the cycle began; whether it was scanned in time is not said.
    heap.settle();
    assert_eq!(drops.get(), 1);
}

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

#[test]
fn a_new_heap_is_empty() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.live_objects, stats.heap_bytes), (0, 0, 0));
    assert_eq!((stats.allocated_bytes, stats.freed_bytes, stats.cycles), (0, 0, 0));
    assert_eq!((stats.spans_in_use, stats.goal_bytes), (0, 1 << 20));
    heap.settle();
    assert_eq!((heap.stats().live_bytes, heap.stats().heap_bytes, heap.stats().cycles), (0, 0, 1));
}

#[test]
fn one_small_and_one_large_object_are_counted() {
    let heap = Heap::new();
    let small: Root<[u64; 4]> = heap.mutate(|mc| Gc::root(Gc::new(mc, [1u64; 4]), mc));
    heap.settle();
    let one = heap.stats();
    assert_eq!((one.live_objects, one.live_bytes, one.spans_in_use), (1, 32, 1));
    let large: Root<[u64]> = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[2u64; 100_000]), mc));
    heap.settle();
    let two = heap.stats();
    assert_eq!((two.live_objects, two.heap_bytes), (2, two.spans_in_use * BLOCK));
    assert!((800_000..800_000 + BLOCK).contains(&(two.live_bytes - one.live_bytes)), "{two:?}");
    assert!(two.heap_bytes - one.heap_bytes >= 800_000);
    drop(large);
    heap.settle();
    let again = heap.stats();
    assert_eq!((again.live_objects, again.live_bytes, again.spans_in_use), (1, 32, 1));
    assert_eq!(heap.mutate(|mc| small.get(mc)[3]), 1);
}

#[test]
fn stats_follow_allocation_and_death() {
    let heap = Heap::builder().min_heap(64 << 20).build().unwrap();
    let mut kept: Vec<Root<[u64; 8]>> = Vec::new();
    for round in 1..=5u64 {
        heap.mutate(|mc| {
            (0..1000u64).for_each(|i| {
                let object = Gc::new(mc, [i; 8]);
                if i % 10 == 0 {
                    kept.push(Gc::root(object, mc));
                }
            });
        });
        heap.settle();
        let stats = heap.stats();
        assert_eq!((stats.allocated_objects, stats.freed_objects), (round * 1000, round * 900));
        assert_eq!((stats.live_objects, stats.live_bytes), (round * 100, round * 100 * 64));
        assert_eq!(stats.allocated_bytes - stats.freed_bytes, stats.live_bytes);
    }
}

#[test]
fn the_goal_follows_what_is_live() {
    let heap = Heap::builder().min_heap(1 << 20).gc_percent(100).build().unwrap();
    assert_eq!(heap.stats().goal_bytes, 1 << 20);
    let eight: Root<[u64]> =
        heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &vec![1u64; 1 << 20]), mc));
    heap.settle();
    let (live, goal) = (heap.stats().live_bytes, heap.stats().goal_bytes);
    assert!(goal >= 2 * live && goal <= 2 * live + live / 4, "goal {goal} for {live} live");
    drop(eight);
    heap.settle();
    heap.settle();
    assert_eq!(heap.stats().goal_bytes, 1 << 20, "never below the least heap");
}

type Pair<'gc> = Ephemeron<'gc, Node<'gc>, Node<'gc>>;

#[test]
fn a_key_comes_to_light_while_marking() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    // The first key is white behind the scan, the second one only weakly reachable, the third one
    // not at all.
    let pairs: Root<[Pair<'static>]> = heap.mutate(|mc| {
        let keys = [0, 1, 2].map(|i| node(mc, &drops, i));
        held.get(mc).back[0].set(mc, Some(keys[0]));
        let value =
            |key: Ptr<'_>| pair(mc, &drops, key.value + 10, Some(node(mc, &drops, 20)), None);
        Gc::root(Gc::from_iter_in(mc, keys.map(|key| Ephemeron::new(mc, key, value(key)))), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let (held, pairs) = (held.get(mc), pairs.get(mc));
            held.front[0].set(mc, held.back[0].take(mc));
            held.front[1].set(mc, pairs[1].key(mc));
        });
    });
    for cycle in 0..2 {
        heap.mutate(|mc| {
            let pairs = pairs.get(mc);
            for (i, pair) in pairs.iter().enumerate().take(2) {
                let value = pair.value(mc).unwrap();
                assert_eq!((value.value, value.next.get().unwrap().value), (i as u64 + 10, 20));
                assert!(Gc::ptr_eq(pair.key(mc).unwrap(), held.get(mc).front[i].get().unwrap()));
            }
            assert!(pairs[2].value(mc).is_none() && pairs[2].is_dead(), "cycle {cycle}");
        });
        assert_eq!(drops.get(), 3);
        heap.settle();
    }
}

#[test]
fn a_value_taken_while_marking_outlives_its_ephemeron() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    let pair: Root<Pair<'static>> = heap.mutate(|mc| {
        let key = node(mc, &drops, 1);
        held.get(mc).back[0].set(mc, Some(key));
        Gc::root(Gc::new(mc, Ephemeron::new(mc, key, node(mc, &drops, 2))), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let held = held.get(mc);
            held.front[0].set(mc, pair.get(mc).value(mc));
            held.back[0].set(mc, None);
        });
        drop(pair);
    });
    heap.settle();
    assert_eq!(drops.get(), 1, "the key");
    assert_eq!(heap.mutate(|mc| held.get(mc).front[0].get().unwrap().value), 2);
}

#[test]
fn an_ephemeron_of_unsized_objects() {
    type Unsized<'gc> = Ephemeron<'gc, str, [Canary]>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (key, pair): (Root<str>, Root<Unsized<'static>>) = heap.mutate(|mc| {
        let key = Gc::from_str(mc, "key");
        let value = Gc::from_iter_in(mc, (0..5000).map(|_| drops.canary()));
        (Gc::root(key, mc), Gc::root(Gc::new(mc, Ephemeron::new(mc, key, value)), mc))
    });
    heap.settle();
    heap.mutate(|mc| {
        let pair = pair.get(mc);
        assert_eq!((&*pair.key(mc).unwrap(), pair.value(mc).unwrap().len()), ("key", 5000));
    });
    assert_eq!(drops.get(), 0);
    drop(key);
    heap.settle();
    assert!(drops.get() == 5000 && heap.mutate(|mc| pair.get(mc).value(mc).is_none()));
}

#[test]
fn a_weak_map_changes_while_marking() {
    type Map<'gc> = GcWeakMap<'gc, Node<'gc>, Node<'gc>>;
    let ((heap, held, latch), drops) = (held(), Count::default());
    let map: Root<Map<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcWeakMap::<Node<'_>, Node<'_>>::new()), mc));
    heap.mutate(|mc| {
        let (held, map) = (held.get(mc), map.get(mc));
        for i in 0..200 {
            let key = node(mc, &drops, i);
            held.back_list.borrow_mut(mc).push(key);
            map.insert(mc, key, node(mc, &drops, 1000 + i));
        }
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let (held, map) = (held.get(mc), map.get(mc));
            let keys = std::mem::take(&mut *held.back_list.borrow_mut(mc));
            for key in keys {
                // The values change places: each is taken out and becomes the value of another key.
                let value = map.remove(mc, key).unwrap();
                let new = pair(mc, &drops, 2000 + key.value, Some(key), None);
                assert!(map.insert(mc, new, value).is_none());
                held.front_list.borrow_mut(mc).push(new);
            }
        });
    });
    heap.settle();
    heap.mutate(|mc| {
        let (held, map) = (held.get(mc), map.get(mc));
        for (key, i) in held.front_list.borrow().iter().zip(0..) {
            assert_eq!((key.value, key.next.get().unwrap().value), (2000 + i, i));
            assert_eq!(map.get(mc, *key).unwrap().value, 1000 + i);
        }
        map.purge(mc);
        assert_eq!(map.len(), 200);
        held.front_list.borrow_mut(mc).clear();
    });
    assert_eq!(drops.get(), 0);
    heap.settle();
    heap.mutate(|mc| map.get(mc).purge(mc));
    assert!(drops.get() == 600 && heap.mutate(|mc| map.get(mc).is_empty()));
}
