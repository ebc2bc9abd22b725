//! Heaps, threads and memory over time. Each test takes a lock, because the tests read the threads
//! and the memory of the whole process.

mod common;
#[path = "common/retry.rs"]
mod retry;
#[path = "common/settle.rs"]
mod settle;

use common::{Canary, Node, counter, status};
use gc_core::{Gc, GcCell, GcWeak, Heap, Root, Trace, rootable_dyn, unsize};
use settle::Settle;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Threads of collectors in this process, by their names.
fn collector_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names
        .filter(|name| matches!(name.trim(), "gc" | "gc-drop") || name.starts_with("gc-mark"))
        .count()
}

// behaviour (Oilpan): within `mutate`, what a pointer names stays
// origin: GCHeapTest.NoGarbageCollectionScope
// behaviour (Go): an object lives as long as a function still names it
// origin: TestDeferKeepAlive
#[test]
fn a_long_pin_delays_nobody_but_the_cycle() {
    retry::alone(|| {
        let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
        let held: Root<Node<'static>> = heap.mutate(|mc| {
            let tail = Gc::new(mc, Node { next: GcCell::new(None), value: 2 });
            Gc::root(Gc::new(mc, Node { next: GcCell::new(Some(tail)), value: 1 }), mc)
        });
        let (longest, pins) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|s| {
            let sleeper = s.spawn(|| {
                heap.mutate(|mc| {
                    let node = held.get(mc);
                    let tail = node.next.take(mc).unwrap();
                    std::thread::sleep(Duration::from_millis(300));
                    assert_eq!((node.value, tail.value), (1, 2), "a pin keeps what it names");
                });
            });
            while !sleeper.is_finished() {
                let begin = Instant::now();
                heap.mutate(|mc| (0..100).for_each(|_| _ = Gc::new(mc, [0u64; 4])));
                longest.fetch_max(begin.elapsed().as_millis() as u64, SeqCst);
                pins.fetch_add(1, SeqCst);
            }
        });
        // A mutator that waited for the sleeper would have had one pin of 300 ms.
        let holds = pins.load(SeqCst) > 100 && longest.load(SeqCst) < 200;
        heap.settle();
        assert_eq!(heap.stats().live_objects, 1);
        retry::judge(holds, || format!("{pins:?} pins, longest {longest:?} ms"))
    });
}

#[test]
fn a_hundred_heaps_at_once_and_one_after_another() {
    let _turn = retry::turn();
    let base = collector_threads();
    // A sanitizer's shadow counts as well, so the growth is what matters.
    let before = status("VmSize");
    let drops = counter();
    let use_heap = |heap: &Heap, i: u64| -> Root<Node<'static>> {
        heap.mutate(|mc| {
            (0..10).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
            Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: i }), mc)
        })
    };
    let heaps: Vec<Heap> =
        (0..100).map(|i| Heap::builder().markers(1 + i % 2).build().unwrap()).collect();
    let roots: Vec<_> = heaps.iter().zip(0..).map(|(heap, i)| use_heap(heap, i)).collect();
    for (heap, i) in heaps.iter().zip(0..) {
        heap.settle();
        // A heap in a heap's `mutate`: each with its own pin.
        heap.mutate(|mc| {
            heaps[(i as usize + 1) % 100]
                .mutate(|_| assert_eq!(roots[i as usize].get(mc).value, i));
        });
    }
    assert_eq!(drops.load(SeqCst), 1000);
    drop(heaps);
    drop(roots);
    for i in 0..100 {
        let heap = Heap::new();
        let root = use_heap(&heap, i);
        assert_eq!(heap.mutate(|mc| root.get(mc).value), i);
        if i % 3 == 0 {
            heap.settle();
        }
    }
    assert_eq!(drops.load(SeqCst), 2000, "a heap that ends drops what is left");
    // Threads have gone with their heaps; the system lists one for a moment after it was joined.
    wait_for(|| collector_threads() == base);
    // This thread still knows of the last heap; the address space of the others is given back.
    let one = Heap::new();
    one.mutate(|_| ());
    let reserved = status("VmSize").saturating_sub(before) >> 20;
    assert!(reserved < 1000, "{reserved} GiB are still reserved");
}

// behaviour (Oilpan): roots are of no use after their heap
// origin: PersistentTest.ClearOnHeapDestruction, GCHeapTest.TerminateClearsPersistent
#[test]
fn roots_and_handles_may_outlive_what_they_name() {
    let _turn = retry::turn();
    let drops = counter();
    let heap = Heap::new();
    let root: Root<Canary> = heap.mutate(|mc| Gc::root(Gc::new(mc, Canary(drops.clone())), mc));
    let mutator = heap.mutator();
    drop(heap);
    assert_eq!(drops.load(SeqCst), 0, "a mutator is a handle too");
    assert_eq!(mutator.mutate(|mc| root.get(mc).0.load(SeqCst)), 0);
    drop(mutator);
    assert_eq!(drops.load(SeqCst), 1, "roots do not keep a heap");
    let copies: Vec<_> = (0..1000).map(|_| root.clone()).collect();
    std::thread::scope(|s| s.spawn(move || drop(copies)).join()).unwrap();
    drop(root);
    assert_eq!(drops.load(SeqCst), 1);
}

// behaviour (Oilpan): the end in a destructor
// origin: GCHeapTest, HeapRegistryTest.RegisterUnregisterHeaps
// also: `lifetimes::a_hundred_heaps_at_once_and_one_after_another`
#[test]
fn the_last_handle_may_be_dropped_anywhere() {
    #[derive(Trace)]
    struct Holds(
        #[trace(skip)]
        #[allow(dead_code, reason = "it is there to be dropped")]
        Option<Heap>,
        Canary,
    );
    let _turn = retry::turn();
    let (base, drops) = (collector_threads(), counter());
    // In a destructor on another heap's drop thread.
    let (outer, inner) = (Heap::new(), Heap::new());
    inner.mutate(|mc| _ = Gc::new(mc, Canary(drops.clone())));
    outer.mutate(|mc| _ = Gc::new(mc, Holds(Some(inner), Canary(drops.clone()))));
    outer.settle();
    drop(outer);
    wait_for(|| drops.load(SeqCst) == 2 && collector_threads() <= base);
    // In a destructor on its own drop thread.
    let heap = Heap::new();
    heap.mutate(|mc| {
        _ = Gc::new(mc, Holds(Some(heap.clone()), Canary(drops.clone())));
    });
    let waiting = heap.clone();
    std::thread::scope(|s| s.spawn(move || _ = waiting.collect()).join()).unwrap();
    drop(heap);
    wait_for(|| drops.load(SeqCst) == 3 && collector_threads() <= base);
}

fn wait_for(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// behaviour (Oilpan): the memory of free pages is given back
// origin: SweeperTest.DiscardingNormalPageMemory, StatsCollectorTest.DiscardedMemorySize
#[test]
fn free_memory_goes_back_to_the_system() {
    let _turn = retry::turn();
    // The collector gives memory back by itself as well, which would not be counted here.
    let heap = Heap::builder().scavenge_rate(0).build().unwrap();
    let list: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: 0 }), mc));
    for _ in 0..100 {
        heap.mutate(|mc| {
            let head = list.get(mc);
            for value in 0..20_000 {
                let next = head.next.get();
                head.next.set(mc, Some(Gc::new(mc, Node { next: GcCell::new(next), value })));
            }
        });
    }
    let full = status("VmRSS");
    assert!(full == 0 || full > 32_000, "two million nodes take 32 MB: {full} kB");
    heap.mutate(|mc| list.get(mc).next.set(mc, None));
    heap.settle();
    let idle = heap.stats().spans_idle;
    let released = heap.release_free_memory();
    let lean = status("VmRSS");
    assert!(released >= 32_000_000, "{released} bytes released, {idle} spans were idle");
    assert!(full == 0 || full - lean > 28_000, "{full} kB, then {lean} kB");
    assert_eq!(heap.release_free_memory(), 0, "there is nothing left to give");
    assert!(heap.stats().heap_bytes <= 1 << 20, "{:?}", heap.stats());
    // What was given back is usable again.
    heap.mutate(|mc| {
        let words = Gc::from_slice(mc, &vec![7u64; 1 << 20]);
        assert!(words.iter().all(|&word| word == 7));
    });
}

#[test]
fn a_huge_array_of_pointers() {
    let _turn = retry::turn();
    const N: usize = 1_000_000;
    for markers in [1, 2] {
        let heap = Heap::builder().markers(markers).build().unwrap();
        let array: Root<[GcCell<'static, Node<'static>>]> = heap.mutate(|mc| {
            Gc::root(Gc::from_iter_in(mc, (0..N).map(|_| GcCell::<Node<'_>>::new(None))), mc)
        });
        for from in (0..N).step_by(1000) {
            heap.mutate(|mc| {
                let array = array.get(mc);
                for (i, cell) in array.iter().enumerate().skip(from).take(1000) {
                    let node = Node { next: GcCell::new(None), value: i as u64 };
                    cell.set(mc, Some(Gc::new(mc, node)));
                }
            });
        }
        heap.settle();
        assert_eq!(heap.stats().live_objects, N as u64 + 1);
        heap.mutate(|mc| {
            for (i, cell) in array.get(mc).iter().enumerate() {
                assert_eq!(cell.get().unwrap().value, i as u64);
                if i % 2 == 0 {
                    cell.set(mc, None);
                }
            }
        });
        heap.settle();
        assert_eq!(heap.stats().live_objects, N as u64 / 2 + 1);
    }
}

// behaviour (rust-gc): collecting and allocating inside of a destructor
// origin: issue 39
#[test]
fn a_destructor_may_use_its_heap() {
    static HEAP: OnceLock<Mutex<Option<Heap>>> = OnceLock::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    static KEPT: Mutex<Vec<Root<str>>> = Mutex::new(Vec::new());

    /// Allocates when it dies, and has offspring for some generations.
    #[derive(Trace)]
    struct Restless(u32);
    impl Drop for Restless {
        fn drop(&mut self) {
            SEEN.fetch_add(1, SeqCst);
            let heap = HEAP.get().unwrap().lock().unwrap().clone();
            let Some(heap) = heap else { return };
            assert_eq!(heap.collect(), Ok(()), "no cycle waits for a destructor");
            heap.mutate(|mc| {
                let list = (0..100).fold(None, |next, value| {
                    Some(Gc::new(mc, Node { next: GcCell::new(next), value }))
                });
                assert_eq!(list.unwrap().value, 99);
                let text = Gc::from_str(mc, &"x".repeat(self.0 as usize + 1));
                if self.0 > 0 {
                    Gc::new(mc, Restless(self.0 - 1));
                } else {
                    KEPT.lock().unwrap().push(Gc::root(text, mc));
                }
            });
        }
    }
    let _turn = retry::turn();
    let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
    HEAP.get_or_init(|| Mutex::new(Some(heap.clone())));
    heap.mutate(|mc| (0..1000).for_each(|_| _ = Gc::new(mc, Restless(3))));
    for _ in 0..6 {
        heap.settle();
    }
    assert_eq!(SEEN.load(SeqCst), 4000);
    heap.mutate(|mc| {
        let kept = KEPT.lock().unwrap();
        assert_eq!(kept.len(), 1000);
        assert!(kept.iter().all(|root| &*root.get(mc) == "x"));
    });
    assert_eq!((heap.stats().drop_panics, heap.stats().live_objects), (0, 1000));
    *HEAP.get().unwrap().lock().unwrap() = None;
    KEPT.lock().unwrap().clear();
}

// behaviour (gc-arena): strong and weak pointers become pointers to trait objects
// origin: test_unsize
// also: `api::a_hand_written_trace_and_a_branded_trait_object`
// behaviour (dumpster): trait objects of users' traits
// origin: custom_trait_object
// behaviour (Oilpan): weak references to what is reachable stay, others are cleared
// origin: MarkerTest: WeakReferenceToReachableObjectIsNotCleared,
//   WeakReferenceToUnreachableObjectIsCleared, LivenessBrokerTest
#[test]
fn weak_pointers_to_all_kinds() {
    trait Animal: Send + Sync {
        fn legs(&self) -> u32;
    }
    rootable_dyn!(Animal);
    #[derive(Trace)]
    struct Dog(#[allow(dead_code, reason = "it is there to be dropped")] String);
    impl Animal for Dog {
        fn legs(&self) -> u32 {
            4
        }
    }
    #[derive(Trace)]
    struct Weaks<'gc> {
        leaf: GcWeak<'gc, u64>,
        text: GcWeak<'gc, str>,
        slice: GcWeak<'gc, [u32]>,
        large: GcWeak<'gc, [u64]>,
        animal: GcWeak<'gc, dyn Animal>,
        own: GcCell<'gc, Weaks<'gc>>,
    }
    let _turn = retry::turn();
    let heap = Heap::new();
    let (weaks, leaf, text, slice, large, animal) = heap.mutate(|mc| {
        let leaf = Gc::new(mc, 11u64);
        let text = Gc::from_str(mc, "text");
        let slice = Gc::from_slice(mc, &[1u32, 2, 3]);
        let large = Gc::from_slice(mc, &[5u64; 50_000]);
        let animal = unsize!(Gc::new(mc, Dog("rex".into())) => dyn Animal);
        let weaks = Weaks {
            leaf: Gc::downgrade(leaf, mc),
            text: Gc::downgrade(text, mc),
            slice: Gc::downgrade(slice, mc),
            large: Gc::downgrade(large, mc),
            animal: Gc::downgrade(animal, mc),
            own: GcCell::new(None),
        };
        let weaks = Gc::new(mc, weaks);
        weaks.own.set(mc, Some(weaks));
        let roots =
            (Gc::root(leaf, mc), Gc::root(text, mc), Gc::root(slice, mc), Gc::root(large, mc));
        (Gc::root(weaks, mc), roots.0, roots.1, roots.2, roots.3, Gc::root(animal, mc))
    });
    let weaks: Root<Weaks<'static>> = weaks;
    for _ in 0..3 {
        heap.settle();
        heap.mutate(|mc| {
            let weaks = weaks.get(mc);
            assert_eq!(*weaks.leaf.upgrade(mc).unwrap(), 11);
            assert_eq!(&*weaks.text.upgrade(mc).unwrap(), "text");
            assert_eq!(&*weaks.slice.upgrade(mc).unwrap(), &[1, 2, 3]);
            assert!(weaks.large.upgrade(mc).unwrap().iter().all(|&word| word == 5));
            assert_eq!(weaks.animal.upgrade(mc).unwrap().legs(), 4);
            assert!(!weaks.leaf.is_dead() && !weaks.animal.is_dead());
        });
    }
    drop((leaf, text, slice, large, animal));
    heap.settle();
    heap.mutate(|mc| {
        // New objects take the slots of the old ones. The weak pointers do not take them for those.
        (0..10_000u64).for_each(|i| _ = (Gc::new(mc, i), Gc::from_str(mc, "other")));
        let weaks = weaks.get(mc);
        assert!(weaks.leaf.upgrade(mc).is_none() && weaks.leaf.is_dead());
        assert!(weaks.text.upgrade(mc).is_none() && weaks.slice.upgrade(mc).is_none());
        assert!(weaks.large.upgrade(mc).is_none() && weaks.animal.upgrade(mc).is_none());
        assert!(weaks.animal.is_dead() && weaks.large.is_dead());
    });
}
