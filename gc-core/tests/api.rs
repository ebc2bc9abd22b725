//! Every public item from outside the crate, as far as the doctests and the other tests leave it
//! out. That is the traits of the pointers, guards that conflict, odd sizes and alignments,
//! containers, settings, statistics.

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    AllocError, CollectError, ConfigError, Gc, GcCell, GcMutex, GcMutexGuard, GcOnceCell, GcRef,
    GcRefCell, GcRefMut, GcRwLock, GcWeak, Heap, HeapBuilder, Histogram, Mutation, Mutator,
    PauseKind, Pauses, Root, Stats, Trace, Tracer, rootable_dyn, unsize,
};
use settle::Settle;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[derive(Trace, Debug)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}
fn node<'gc>(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Node<'gc>> {
    Gc::new(mc, Node { next: GcCell::default(), value })
}

#[test]
fn what_is_send_and_sync() {
    fn both<T: Send + Sync>() {}
    fn owned<T: Send + Sync + 'static>() {}
    owned::<Heap>();
    owned::<HeapBuilder>();
    owned::<Root<Node<'static>>>();
    owned::<Root<str>>();
    owned::<Stats>();
    owned::<Pauses>();
    owned::<ConfigError>();
    owned::<AllocError>();
    owned::<CollectError>();
    both::<Gc<'_, Node<'_>>>();
    both::<GcCell<'_, Node<'_>>>();
    both::<GcWeak<'_, [u64]>>();
    both::<GcOnceCell<String>>();
    both::<GcRefCell<Vec<Gc<'_, Node<'_>>>>>();
    both::<GcMutex<Vec<u8>>>();
    both::<GcRwLock<HashMap<u8, u8>>>();
}

#[test]
fn pointers_are_one_word_and_cells_too() {
    assert_eq!(size_of::<Option<Gc<'_, u64>>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Gc<'_, [u64]>>>(), 2 * size_of::<usize>());
    assert_eq!(size_of::<GcCell<'_, u64>>(), size_of::<usize>());
}

// behaviour (gc-arena): a new object reads back what was put in
// origin: simple_allocation
#[test]
fn pointers_compare_and_print_as_their_contents() {
    let heap = Heap::default();
    heap.mutate(|mc| {
        let (one, also_one, two) = (Gc::new(mc, 1u64), Gc::new(mc, 1u64), Gc::new(mc, 2u64));
        assert!(one == also_one && !Gc::ptr_eq(one, also_one));
        assert!(one < two && one.cmp(&two).is_lt() && one.partial_cmp(&two).unwrap().is_lt());
        let state = RandomState::new();
        assert_eq!(state.hash_one(one), state.hash_one(1u64));
        let text = Gc::from_str(mc, "text");
        assert_eq!(format!("{one} {one:?} {text} {text:?}"), "1 1 text \"text\"");
        assert_eq!(format!("{one:p}"), format!("{:p}", Gc::as_ptr(one)));
        assert!(std::ptr::eq(Gc::as_ref(one), Gc::as_ptr(one)));
        // As keys they compare by their contents.
        let set: HashSet<Gc<str>> = ["a", "b", "a"].iter().map(|s| Gc::from_str(mc, s)).collect();
        assert_eq!(set.len(), 2);
        let tree: BTreeSet<Gc<u64>> = [two, one, also_one].into_iter().collect();
        assert_eq!(tree.into_iter().map(|gc| *gc).collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn everything_prints() {
    let heap = Heap::new();
    let mutator: Mutator = heap.mutator();
    assert!(format!("{heap:?}").contains("stats") && format!("{mutator:?}").contains("Mutator"));
    assert!(format!("{:?}", Heap::builder()).contains("gc_percent"));
    let root = mutator.mutate(|mc| {
        assert!(format!("{mc:?}").starts_with("Mutation"));
        let a = node(mc, 1);
        a.next.set(mc, Some(a));
        // The content's address only: it may lead back here.
        assert!(format!("{a:?}").contains("GcCell(0x"));
        a.next.set(mc, None);
        assert!(format!("{a:?}").contains("GcCell(null)"));
        let (once, cell) = (GcOnceCell::<u8>::default(), GcRefCell::new(3u8));
        assert_eq!(format!("{once:?} {cell:?}"), "GcOnceCell(None) GcRefCell(3)");
        let guard = cell.borrow_mut(mc);
        assert_eq!(format!("{cell:?} {guard:?}"), "GcRefCell(<borrowed>) 3");
        drop(guard);
        assert_eq!(format!("{:?}", cell.borrow()), "3");
        assert!(format!("{:?}", Gc::downgrade(a, mc)).starts_with("GcWeak(0x"));
        Gc::root(a, mc)
    });
    assert!(format!("{root:?}").starts_with("Root(0x"));
}

// behaviour (Oilpan): fields are set, read, swapped, released, compared
// origin: MemberTest: Empty, Clear, Move, Release, Swap, EqualityTest
#[test]
fn exchanges_say_what_was_there() {
    Heap::new().mutate(|mc| {
        let (a, b) = (node(mc, 1), node(mc, 2));
        let cell = GcCell::new(Some(a));
        let held = |cell: &GcCell<'_, Node<'_>>| cell.get().map(|node| node.value);
        assert_eq!(cell.compare_exchange(mc, Some(b), None).unwrap_err().unwrap().value, 1);
        assert_eq!(cell.compare_exchange(mc, Some(a), Some(b)).unwrap().unwrap().value, 1);
        assert_eq!(cell.swap(mc, None).unwrap().value, 2);
        assert!(cell.take(mc).is_none());
        assert!(cell.compare_exchange(mc, None, Some(a)).unwrap().is_none());
        assert_eq!(
            (held(&cell), cell.take(mc).map(|n| n.value), held(&cell)),
            (Some(1), Some(1), None)
        );
    });
}

#[test]
fn guards_conflict_as_they_should() {
    Heap::new().mutate(|mc| {
        let cell = GcRefCell::new(vec![node(mc, 1)]);
        {
            let (first, second): (GcRef<'_, _>, _) = (cell.borrow(), cell.try_borrow().unwrap());
            assert_eq!(first.len() + second.len(), 2);
            // A refused borrow must not end the existing borrows.
            for _ in 0..3 {
                assert!(cell.try_borrow_mut(mc).is_none());
            }
        }
        {
            let mut guard: GcRefMut<'_, '_, _> = cell.try_borrow_mut(mc).unwrap();
            for _ in 0..3 {
                assert!(cell.try_borrow().is_none() && cell.try_borrow_mut(mc).is_none());
            }
            guard.push(node(mc, 2));
        }
        assert_eq!(cell.borrow().len(), 2);

        let mutex = GcMutex::new(0);
        let guard: GcMutexGuard<'_, '_, i32> = mutex.lock(mc);
        assert!(mutex.try_lock(mc).is_none() && mutex.try_lock(mc).is_none());
        drop(guard);
        *mutex.try_lock(mc).unwrap() += 5;
        assert_eq!(mutex.into_inner(), 5);

        let lock = GcRwLock::new(String::from("a"));
        {
            let (one, two) = (lock.read(), lock.try_read().unwrap());
            assert_eq!(*one, *two);
            assert!(lock.try_write(mc).is_none());
        }
        {
            let mut write = lock.write(mc);
            assert!(lock.try_read().is_none() && lock.try_read().is_none());
            assert!(lock.try_write(mc).is_none());
            write.push('b');
        }
        assert!(lock.try_write(mc).is_some());
        assert_eq!(lock.into_inner() + &GcRefCell::<String>::default().into_inner(), "ab");
    });
}

#[test]
fn conflicting_borrows_panic_clearly() {
    let heap = Heap::new();
    let text = |f: &(dyn Fn() + std::panic::RefUnwindSafe)| {
        let payload = std::panic::catch_unwind(f).unwrap_err();
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_string()))
    };
    let heap = std::panic::AssertUnwindSafe(heap);
    let shared = text(&|| {
        heap.mutate(|mc| {
            let cell = GcRefCell::new(1);
            let _guard = cell.borrow_mut(mc);
            drop(cell.borrow());
        });
    });
    assert_eq!(shared.unwrap(), "the GcRefCell is exclusively borrowed");
    let exclusive = text(&|| {
        heap.mutate(|mc| {
            let cell = GcRefCell::new(1);
            let _guard = cell.borrow();
            drop(cell.borrow_mut(mc));
        });
    });
    assert_eq!(exclusive.unwrap(), "the GcRefCell is borrowed");
}

#[test]
fn locks_exclude_threads_and_survive_panics() {
    let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
    let mutex: Root<GcMutex<Vec<Gc<'static, u64>>>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcMutex::new(Vec::<Gc<u64>>::new())), mc));
    let lock: Root<GcRwLock<(u64, Option<Gc<'static, u64>>)>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcRwLock::new((0u64, None::<Gc<u64>>))), mc));
    std::thread::scope(|s| {
        for t in 0..3 {
            let (heap, mutex, lock) = (&heap, &mutex, &lock);
            s.spawn(move || {
                for i in 0..3000u64 {
                    let run = std::panic::AssertUnwindSafe(|| {
                        heap.mutate(|mc| {
                            let mutex = mutex.get(mc);
                            let mut all = mutex.lock(mc);
                            all.push(Gc::new(mc, i));
                            if all.len() > 100 {
                                all.clear();
                            }
                            let lock = lock.get(mc);
                            {
                                let seen = lock.read();
                                assert_eq!(seen.1.map_or(0, |gc| *gc), seen.0);
                            }
                            let mut both = lock.write(mc);
                            *both = (both.0 + 1, Some(Gc::new(mc, both.0 + 1)));
                            if i % 100 == t {
                                // Both locks are released on the way out.
                                std::panic::resume_unwind(Box::new(()));
                            }
                        });
                    });
                    assert_eq!(std::panic::catch_unwind(run).is_err(), i % 100 == t);
                }
            });
        }
    });
    assert_eq!(heap.mutate(|mc| lock.get(mc).read().0), 9000);
}

#[test]
fn a_once_cell_is_set_once_by_one_thread() {
    let heap = Heap::new();
    let cells: Root<[GcOnceCell<Gc<'static, u64>>]> = heap.mutate(|mc| {
        Gc::root(Gc::from_iter_in(mc, (0..1000).map(|_| GcOnceCell::<Gc<u64>>::new())), mc)
    });
    let winners = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for t in 0..4u64 {
            let (heap, cells, winners) = (&heap, &cells, &winners);
            s.spawn(move || {
                for i in 0..1000 {
                    heap.mutate(|mc| {
                        let cell = &Gc::as_ref(cells.get(mc))[i];
                        if t == 3 {
                            let seen = cell.get_or_init(mc, || Gc::new(mc, 3));
                            assert!(std::ptr::eq(seen, cell.get().unwrap()));
                        } else if cell.set(mc, Gc::new(mc, t)).is_ok() {
                            winners.fetch_add(1, SeqCst);
                        }
                    });
                }
            });
        }
    });
    heap.settle();
    let by_init = heap.mutate(|mc| {
        let cells = cells.get(mc);
        cells.iter().filter(|cell| **cell.get().unwrap() == 3).count()
    });
    assert_eq!(winners.load(SeqCst) + by_init, 1000);
}

// behaviour (rust-gc): wide integers are leaves and are aligned
// origin: i128
// behaviour (dumpster): objects from slices and iterators
// origin: from_slice, gc_from_iter
// behaviour (Oilpan): the payload is preserved, double words are aligned
// origin: CppgcAllocationTest: MakeGarbageCollectedPreservesPayload, DoubleWordAlignedAllocation,
//   LargeDoubleWordAlignedAllocation
// behaviour (Go): a finalizer of an object without size
// origin: TestFinalizerZeroSizedStruct, TestCleanupZeroSizedStruct
#[test]
fn odd_sizes_and_alignments() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Trace)]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.fetch_add(1, SeqCst);
        }
    }
    #[derive(Trace, Clone, Copy)]
    #[repr(align(64))]
    struct Line([u8; 64]);
    #[derive(Trace)]
    #[repr(align(128))]
    struct Wide<'gc>(GcCell<'gc, Node<'gc>>, String);
    #[derive(Trace)]
    #[repr(align(4096))]
    struct Page(Vec<u8>);
    fn aligned<'a, T: ?Sized + 'a>(gc: Gc<'a, T>) -> bool {
        Gc::as_ptr(gc).cast::<u8>().addr().is_multiple_of(align_of_val(Gc::as_ref(gc)))
    }
    let heap = Heap::new();
    let roots = heap.mutate(|mc| {
        let nothing: Vec<_> = (0..100).map(|_| Gc::new(mc, Nothing)).collect();
        assert!(!Gc::ptr_eq(nothing[0], nothing[1]));
        assert_eq!(Gc::from_iter_in(mc, (0..50).map(|_| Nothing)).len(), 50);
        assert_eq!(Gc::from_slice(mc, &[(); 70]).len(), 70);
        assert_eq!(*Gc::new(mc, ()), ());
        let mut kept = Vec::new();
        for i in 0..100u8 {
            let line = Gc::new(mc, Line([i; 64]));
            let lines = Gc::from_slice(mc, &[Line([i; 64]); 3]);
            let wide = Gc::new(mc, Wide(GcCell::new(Some(node(mc, 7))), i.to_string()));
            let wides =
                Gc::from_iter_in(mc, (0..2).map(|_| Wide(GcCell::default(), i.to_string())));
            let page = Gc::new(mc, Page(vec![i; 9]));
            let pages = Gc::from_iter_in(mc, (0..1).map(|_| Page(vec![i; 9])));
            assert!(aligned(line) && aligned(lines) && aligned(wide) && aligned(wides));
            assert!(aligned(page) && aligned(pages) && aligned(Gc::new(mc, 1u128)));
            assert!(aligned(Gc::from_slice(mc, &[1u128; 5])) && aligned(Gc::new(mc, 1u8)));
            kept.push((Gc::root(line, mc), Gc::root(wide, mc), Gc::root(pages, mc)));
        }
        for len in [0, 1, 2, 3, 100, 509, 511, 1000, 2047, 4095, 4096, 40_000, 300_000] {
            let bytes = vec![len as u8; len];
            assert_eq!(&*Gc::from_slice(mc, &bytes), &bytes[..]);
            let text = "ß".repeat(len);
            assert_eq!(&*Gc::from_str(mc, &text), text);
            let all = Gc::from_iter_in(mc, (0..len).map(|i| i.to_string()));
            assert!(all.len() == len && all.iter().enumerate().all(|(i, s)| *s == i.to_string()));
        }
        kept
    });
    for _ in 0..2 {
        heap.settle();
        assert_eq!(DROPS.load(SeqCst), 150);
        heap.mutate(|mc| {
            for (i, (line, wide, pages)) in roots.iter().enumerate() {
                assert!(line.get(mc).0.iter().all(|&byte| usize::from(byte) == i));
                let wide = wide.get(mc);
                assert_eq!((wide.0.get().unwrap().value, &*wide.1), (7, &*i.to_string()));
                assert_eq!(pages.get(mc)[0].0, vec![i as u8; 9]);
            }
        });
    }
}

// behaviour (rust-gc): boxes of unsized values, unsized objects
// origin: unsized
// also: `lifetimes::weak_pointers_to_all_kinds`
// behaviour (boa_gc): leaf types of std are traced as nothing
// origin: std_types
#[test]
fn containers_keep_what_they_hold() {
    type Ptr<'gc> = Gc<'gc, Canary>;
    #[derive(Trace)]
    struct Canary(Arc<AtomicUsize>, u32);
    impl Drop for Canary {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    #[derive(Trace)]
    struct All<'gc> {
        option: Option<Ptr<'gc>>,
        result: Result<Ptr<'gc>, Ptr<'gc>>,
        boxed: Box<Ptr<'gc>>,
        slice: Box<[Ptr<'gc>]>,
        vec: Vec<Vec<Ptr<'gc>>>,
        deque: VecDeque<Ptr<'gc>>,
        list: LinkedList<Ptr<'gc>>,
        array: [Ptr<'gc>; 3],
        tuple: (u8, Ptr<'gc>, (Ptr<'gc>, String)),
        hash_map: HashMap<u32, Ptr<'gc>>,
        tree_map: BTreeMap<u32, (Ptr<'gc>, Ptr<'gc>)>,
        guarded: GcRefCell<BTreeMap<u32, GcMutex<Option<Ptr<'gc>>>>>,
        once: GcOnceCell<GcRwLock<Vec<Ptr<'gc>>>>,
        leaves: (BinaryHeap<u8>, HashSet<u8>, Duration, Arc<str>, std::path::PathBuf),
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let heap = Heap::new();
    let root: Root<All<'static>> = heap.mutate(|mc| {
        let mut made = 0;
        let mut new = || {
            made += 1;
            Gc::new(mc, Canary(drops.clone(), made))
        };
        let all = Gc::new(
            mc,
            All {
                option: Some(new()),
                result: Err(new()),
                boxed: Box::new(new()),
                slice: Box::new([new(), new()]),
                vec: vec![vec![new()], vec![], vec![new(), new()]],
                deque: VecDeque::from([new(), new()]),
                list: LinkedList::from([new()]),
                array: [new(), new(), new()],
                tuple: (1, new(), (new(), "x".into())),
                hash_map: HashMap::from([(1, new()), (2, new())]),
                tree_map: BTreeMap::from([(1, (new(), new()))]),
                guarded: GcRefCell::new(BTreeMap::from([(1, GcMutex::new(Some(new())))])),
                once: GcOnceCell::new(),
                leaves: Default::default(),
            },
        );
        assert!(all.once.set(mc, GcRwLock::new(vec![new()])).is_ok());
        assert_eq!(made, 22);
        Gc::root(all, mc)
    });
    heap.settle();
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (0, 23));
    heap.mutate(|mc| {
        let all = root.get(mc);
        let mut seen = vec![all.option.unwrap().1, all.boxed.1, all.array[2].1, all.tuple.2.0.1];
        seen.extend(all.result.as_ref().err().map(|gc| gc.1));
        seen.extend(all.slice.iter().chain(&all.deque).chain(&all.list).map(|gc| gc.1));
        seen.extend(all.vec.iter().flatten().chain(all.hash_map.values()).map(|gc| gc.1));
        seen.extend(all.guarded.borrow()[&1].try_lock(mc).unwrap().map(|gc| gc.1));
        seen.extend(all.once.get().unwrap().read().iter().map(|gc| gc.1));
        seen.extend([all.tree_map[&1].0.1, all.tree_map[&1].1.1, all.array[0].1, all.array[1].1]);
        seen.push(all.tuple.1.1);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(1..=22));
        assert!(all.leaves.0.is_empty() && all.tuple.0 == 1 && all.tuple.2.1 == "x");
        // An object that leaves a container dies.
        all.guarded.borrow_mut(mc).clear();
        all.once.get().unwrap().write(mc).clear();
    });
    heap.settle();
    assert_eq!(drops.load(SeqCst), 2);
}

// behaviour (rust-gc): calls through a pointer to a trait object
// origin: gc_semantics: trait_gc
// behaviour (Oilpan): tracing calls for fields, parts and weak callbacks
// origin: VisitorTest, TraceTraitTest, MarkingVisitorTest
#[test]
fn a_hand_written_trace_and_a_branded_trait_object() {
    struct Pair<'gc>(Gc<'gc, u64>, GcRefCell<Vec<Gc<'gc, Node<'gc>>>>);
    // SAFETY: both fields are reported, each as a whole.
    unsafe impl<'gc> Trace<'gc> for Pair<'gc> {
        fn trace(&self, tracer: &mut Tracer<'gc>) {
            assert!(format!("{tracer:?}").contains("Tracer"));
            tracer.edges(&self.0);
            tracer.edges(&self.1);
        }
    }
    trait Holder<'gc>: Send + Sync {
        fn first(&self) -> Gc<'gc, u64>;
        fn rest(&self) -> u64;
    }
    impl<'gc> Holder<'gc> for Pair<'gc> {
        fn first(&self) -> Gc<'gc, u64> {
            self.0
        }
        fn rest(&self) -> u64 {
            self.1.borrow().iter().map(|node| node.value).sum()
        }
    }
    rootable_dyn!(Holder<'gc>);
    let heap = Heap::new();
    let root: Root<dyn Holder<'static>> = heap.mutate(|mc| {
        let nodes = GcRefCell::new((1..=2000).map(|i| node(mc, i)).collect());
        let pair = Gc::new(mc, Pair(Gc::new(mc, 5), nodes));
        let holder: Gc<'_, dyn Holder<'_> + '_> = unsize!(pair => dyn Holder<'_> + '_);
        Gc::root(holder, mc)
    });
    heap.settle();
    assert_eq!(heap.stats().live_objects, 2002);
    heap.mutate(|mc| {
        let holder = root.get(mc);
        assert_eq!((*holder.first(), holder.rest()), (5, 2001 * 1000));
    });
}

// behaviour (Oilpan): roots compare by their objects
// origin: PersistentTest.EqualityTest
#[test]
fn roots_are_shared_and_compared() {
    let heap = Heap::new();
    let (a, b) = heap.mutate(|mc| {
        let object = node(mc, 1);
        (Gc::root(object, mc), Gc::root(object, mc))
    });
    let c: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, 1), mc));
    assert!(Root::ptr_eq(&a, &b) && Root::ptr_eq(&a, &a.clone()) && !Root::ptr_eq(&a, &c));
    heap.mutate(|mc| {
        assert!(Gc::ptr_eq(a.get(mc), b.get(mc)));
        let (weak, same) = (Gc::downgrade(a.get(mc), mc), Gc::downgrade(b.get(mc), mc));
        assert!(GcWeak::ptr_eq(weak, same) && !GcWeak::ptr_eq(weak, Gc::downgrade(c.get(mc), mc)));
    });
    // A root in a heap object: it keeps its object until its own object dies.
    let outer = heap.mutate(|mc| Gc::root(Gc::new(mc, (a.clone(), 5u8)), mc));
    drop((a, b, c));
    heap.settle();
    assert_eq!(heap.stats().live_objects, 2);
    assert_eq!(heap.mutate(|mc| outer.get(mc).0.get(mc).value), 1);
    drop(outer);
    heap.settle();
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);
    // Many at once, and then their slots again.
    for _ in 0..3 {
        let many: Vec<Root<u64>> =
            heap.mutate(|mc| (0..5000u64).map(|i| Gc::root(Gc::new(mc, i), mc)).collect());
        heap.settle();
        let sum: u64 = heap.mutate(|mc| many.iter().map(|root| *root.get(mc)).sum());
        assert_eq!(sum, 4999 * 2500);
    }
}

// behaviour (boa_gc): thresholds are set, and absurd ones corrected
// origin: config: gc_config_roundtrip, gc_config_normalization
// also: `hard::misuse::absurd_settings_are_errors_that_say_what_is_allowed`
// behaviour (Oilpan): the times of a cycle are measured
// origin: MetricRecorderTest, CppgcTracingScopesTest
#[test]
fn settings_statistics_and_pauses() {
    let heap = Heap::builder()
        .gc_percent(50)
        .min_heap(1 << 20)
        .memory_limit(16 << 20)
        .heap_limit(32 << 20)
        .markers(2)
        .reserve(64 << 20)
        .gc_trace(false)
        .pin_markers(true)
        .build()
        .unwrap();
    let earlier: Pauses = heap.pauses();
    let kept = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[1u8; 100_000]), mc));
    for _ in 0..200 {
        heap.mutate(|mc| (0..1000).for_each(|i| _ = node(mc, i)));
    }
    heap.settle();
    let stats: Stats = heap.stats();
    assert_eq!((stats.live_objects, stats.allocated_objects), (1, 200_001));
    assert_eq!(stats.freed_objects, 200_000);
    assert!((100_000..130_000).contains(&stats.live_bytes), "{stats:?}");
    assert_eq!(stats.allocated_bytes - stats.freed_bytes, stats.live_bytes);
    assert!(stats.allocated_bytes >= 200_000 * 16 && stats.cycles >= 1, "{stats:?}");
    assert!(stats.handshakes >= 3 * stats.cycles && stats.goal_bytes >= 1 << 20, "{stats:?}");
    assert_eq!(stats.heap_bytes, stats.spans_in_use * 16_384);
    assert_eq!((stats.drop_panics, stats.trace_panics), (0, 0));
    let pauses = heap.pauses().since(&earlier);
    let refills: &Histogram = pauses.of(PauseKind::Refill);
    assert!(!refills.is_empty() && refills.max() > Duration::ZERO);
    assert_eq!(pauses.kinds().count(), 12);
    assert_eq!(pauses.all().len(), pauses.kinds().map(|(_, h)| h.len()).sum::<u64>());
    assert!(pauses.to_string().contains("p99.99") && format!("{pauses:?}").contains("Refill"));
    assert_eq!(heap.mutate(|mc| kept.get(mc).len()), 100_000);
    assert!(heap.mutator().heap().stats().cycles >= stats.cycles);
}
