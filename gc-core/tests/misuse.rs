//! Misuse and hard conditions: each is a clear error, and the heap goes on.

use gc_core::{
    AllocError, CollectError, ConfigError, Gc, GcCell, GcRefCell, GcWeak, Heap, HeapBuilder, Root,
    Trace, Tracer,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Link<'gc> {
    next: GcCell<'gc, Link<'gc>>,
}

#[test]
fn absurd_settings_are_named_with_what_is_allowed() {
    type Set = fn(HeapBuilder) -> HeapBuilder;
    let cases: [(&str, Set); 9] = [
        ("gc_percent is 0, but must be between 1 and 100000", |b| b.gc_percent(0)),
        ("gc_percent is 4294967295", |b| b.gc_percent(u32::MAX)),
        ("markers is 0, but must be between 1 and 256", |b| b.markers(0)),
        ("markers is 1000000", |b| b.markers(1_000_000)),
        ("reserve is 0", |b| b.reserve(0)),
        ("reserve is 18446744073709551615", |b| b.reserve(usize::MAX)),
        ("min_heap is 0", |b| b.min_heap(0)),
        ("heap_limit is 1, but", |b| b.heap_limit(1)),
        ("memory_limit is 0", |b| b.memory_limit(0)),
    ];
    for (message, set) in cases {
        let error = set(Heap::builder()).build().expect_err(message);
        assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error:?}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let error = Heap::builder().min_heap(64 << 20).heap_limit(32 << 20).build().unwrap_err();
    assert!(error.to_string().contains("min_heap is larger than heap_limit"));
}

#[test]
fn the_limit_is_an_error_on_every_path_and_the_heap_goes_on() {
    let heap = Heap::builder().heap_limit(2 << 20).min_heap(1 << 20).build().unwrap();
    let full = |result: Result<(), AllocError>| {
        let error = result.expect_err("the limit is two megabytes");
        assert!(error.requested > 0 && error.limit == 2 << 20);
        assert!(error.to_string().contains("does not fit"), "{error}");
    };
    heap.mutate(|mc| {
        full(Gc::try_from_slice(mc, &vec![0u8; 3 << 20]).map(|_| ()));
        full(Gc::try_from_iter_in(mc, vec![String::new(); 200_000]).map(|_| ()));
        full(Gc::try_from_str(mc, &"x".repeat(3 << 20)).map(|_| ()));
    });
    // One long `mutate`, in which no cycle can end: the small allocations reach the limit, too.
    heap.mutate(|mc| {
        let keep = Gc::new(mc, GcRefCell::new(Vec::new()));
        let error = loop {
            match Gc::try_new(mc, [0u64; 32]) {
                Ok(gc) => keep.borrow_mut(mc).push(gc),
                Err(error) => break error,
            }
        };
        assert_eq!(error.limit, 2 << 20);
        let mut weak = Ok(());
        while weak.is_ok() {
            weak = keep.try_downgrade(mc).map(|_| ());
        }
        full(weak);
        assert!(keep.borrow().len() > 5_000);
    });
    let panic = catch_unwind(AssertUnwindSafe(|| {
        heap.mutate(|mc| {
            let mut chain = None;
            loop {
                let link = Gc::new(mc, Link { next: GcCell::new(chain) });
                chain = Some(link);
            }
        })
    }));
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("does not fit") && message.contains("leave `mutate`"), "{message}");
    // Short pins: garbage is found in time, for ten times the limit.
    for _ in 0..80_000 {
        heap.mutate(|mc| {
            Gc::new(mc, [1u64; 32]);
        });
    }
}

#[test]
fn collecting_inside_mutate_is_an_error() {
    let heap = Heap::new();
    assert_eq!(heap.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
    let mutator = heap.mutator();
    assert_eq!(mutator.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
    let other = Heap::new();
    assert_eq!(other.mutate(|_| heap.collect()), Ok(()), "another heap's pin is not in the way");
}

#[test]
#[should_panic(expected = "belongs to another heap")]
fn a_root_of_another_heap_is_refused() {
    let (a, b) = (Heap::new(), Heap::new());
    let root: Root<u64> = a.mutate(|mc| Gc::new(mc, 1u64).root(mc));
    b.mutate(|mc| *root.get(mc));
}

#[test]
fn a_panic_in_mutate_leaves_the_heap_whole() {
    let heap = Heap::new();
    for _ in 0..10 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            heap.mutate(|mc| {
                let cell = Gc::new(mc, GcRefCell::new(vec![Gc::new(mc, 1)]));
                let _guard = cell.borrow_mut(mc);
                heap.mutate(|_| panic!("inside"));
            });
        }));
        assert!(result.is_err());
    }
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, 0);
    let died =
        std::thread::scope(|s| s.spawn(|| heap.mutate(|_| panic!("the thread dies"))).join());
    assert!(died.is_err());
    heap.collect().unwrap();
}

struct Bomb(&'static AtomicUsize);
impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in drop");
    }
}
// SAFETY: no edges.
unsafe impl<'gc> Trace<'gc> for Bomb {
    const NEEDS_TRACE: bool = false;
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

#[test]
fn a_panic_in_drop_is_counted_and_the_others_are_dropped() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let heap = Heap::new();
    heap.mutate(|mc| (0..100).for_each(|_| drop(Gc::new(mc, Bomb(&DROPS)))));
    heap.collect().unwrap();
    assert_eq!((DROPS.load(Ordering::SeqCst), heap.stats().drop_panics), (100, 100));
    assert_eq!(heap.stats().live_objects, 0);
}

struct BadTrace(std::sync::Arc<AtomicUsize>);
// SAFETY: there are no edges; the panic is what is tested.
unsafe impl<'gc> Trace<'gc> for BadTrace {
    fn trace(&self, _: &mut Tracer<'gc>) {
        if self.0.load(Ordering::SeqCst) > 0 {
            panic!("in trace");
        }
    }
}
// SAFETY: the type has no brand.
unsafe impl gc_core::Managed for BadTrace {
    type At<'gc> = BadTrace;
}
// SAFETY: as above.
unsafe impl gc_core::Branded<'_> for BadTrace {
    type Static = BadTrace;
}

#[test]
fn a_panic_in_trace_keeps_everything_for_one_cycle() {
    let heap = Heap::new();
    let armed = std::sync::Arc::new(AtomicUsize::new(1));
    let bad: Root<BadTrace> = heap.mutate(|mc| {
        Gc::new(mc, String::from("garbage"));
        Gc::new(mc, BadTrace(armed.clone())).root(mc)
    });
    heap.collect().unwrap();
    assert!(heap.stats().trace_panics >= 1);
    assert_eq!(heap.stats().live_objects, 2, "nothing died");
    armed.store(0, Ordering::SeqCst);
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, 1);
    drop(bad);
}

#[test]
fn an_iterator_that_panics_or_lies_leaves_a_whole_array() {
    struct Lies(usize);
    impl Iterator for Lies {
        type Item = String;
        fn next(&mut self) -> Option<String> {
            self.0 = self.0.checked_sub(1)?;
            Some(format!("item {}", self.0))
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (5, Some(5))
        }
    }
    impl ExactSizeIterator for Lies {}
    let heap = Heap::new();
    heap.mutate(|mc| {
        assert_eq!(Gc::from_iter_in(mc, Lies(3)).len(), 3);
        assert_eq!(Gc::from_iter_in(mc, Lies(9)).len(), 5);
        let panics = catch_unwind(AssertUnwindSafe(|| {
            let items = (0..10).map(|i| if i < 7 { format!("{i}") } else { panic!("at {i}") });
            Gc::from_iter_in(mc, items).len()
        }));
        assert!(panics.is_err());
    });
    heap.collect().unwrap();
    assert_eq!((heap.stats().live_objects, heap.stats().drop_panics), (0, 0));
}

#[test]
fn a_long_chain_marks_and_dies_without_recursion() {
    // GC_BIG=1 for the hundred million that the design speaks of.
    let n = if std::env::var_os("GC_BIG").is_some() { 100_000_000 } else { 1_000_000 };
    let heap = Heap::new();
    let chain = |root: &Option<Root<Link<'static>>>| -> Root<Link<'static>> {
        heap.mutate(|mc| {
            let mut top = root.as_ref().map(|r| r.get(mc));
            for _ in 0..1000 {
                top = Some(Gc::new(mc, Link { next: GcCell::new(top) }));
            }
            top.unwrap().root(mc)
        })
    };
    let mut root = None;
    for _ in 0..n / 1000 {
        root = Some(chain(&root));
    }
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, n);
    drop(root);
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, 0);
}

#[test]
fn many_short_lived_threads_share_few_records() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let total = AtomicUsize::new(0);
    for _ in 0..100 {
        std::thread::scope(|s| {
            for _ in 0..20 {
                s.spawn(|| {
                    for i in 0..50u64 {
                        let n = heap.mutate(|mc| *Gc::new(mc, i) as usize);
                        total.fetch_add(n, Ordering::Relaxed);
                    }
                });
            }
        });
    }
    assert_eq!(total.load(Ordering::Relaxed), 2000 * (0..50).sum::<usize>());
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, 0);
}

#[test]
fn a_long_pin_delays_the_cycle_and_nobody_else() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let stop = AtomicUsize::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            heap.mutate(|mc| {
                let mine = Gc::new(mc, 42u64);
                std::thread::sleep(Duration::from_millis(300));
                assert_eq!(*mine, 42);
            });
            stop.store(1, Ordering::SeqCst);
        });
        let mut longest = Duration::ZERO;
        while stop.load(Ordering::SeqCst) == 0 {
            let start = Instant::now();
            heap.mutate(|mc| {
                Gc::from_slice(mc, &[0u8; 1024]);
            });
            longest = longest.max(start.elapsed());
            std::thread::sleep(Duration::from_micros(20));
        }
        assert!(
            longest < Duration::from_millis(200),
            "waited {longest:?} for another thread's pin"
        );
    });
    heap.collect().unwrap();
}

fn threads() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("Threads:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_hundred_heaps_end_with_their_threads() {
    let use_it = |heap: &Heap| heap.mutate(|mc| Gc::from_str(mc, "used").len());
    let at_once: Vec<Heap> =
        (0..100).map(|_| Heap::builder().reserve(64 << 20).build().unwrap()).collect();
    assert_eq!(at_once.iter().map(use_it).sum::<usize>(), 400);
    let with = threads();
    drop(at_once);
    for _ in 0..100 {
        use_it(&Heap::new());
    }
    if let (Some(with), Some(without)) = (with, threads()) {
        // Other tests of this process come and go meanwhile, with a few threads each.
        assert!(without + 50 < with, "{with} threads with a hundred heaps, {without} without");
    }
}

#[test]
fn weak_pointers_of_every_shape_die_with_their_targets() {
    trait Name: Send + Sync {
        fn name(&self) -> String;
    }
    impl Name for String {
        fn name(&self) -> String {
            self.clone()
        }
    }
    gc_core::rootable_dyn!(Name);
    #[derive(Trace)]
    struct Weaks<'gc> {
        text: GcWeak<'gc, str>,
        slice: GcWeak<'gc, [u64]>,
        object: GcWeak<'gc, dyn Name>,
    }
    let heap = Heap::new();
    type Kept = (Root<str>, Root<[u64]>, Root<dyn Name>);
    let (weaks, kept): (Root<Weaks<'static>>, Kept) = heap.mutate(|mc| {
        let text = Gc::from_str(mc, "text");
        let slice = Gc::from_slice(mc, &[1u64, 2]);
        let object: Gc<dyn Name> = gc_core::unsize!(Gc::new(mc, String::from("name")) => dyn Name);
        let weaks = Weaks {
            text: text.downgrade(mc),
            slice: slice.downgrade(mc),
            object: object.downgrade(mc),
        };
        (Gc::new(mc, weaks).root(mc), (text.root(mc), slice.root(mc), object.root(mc)))
    });
    heap.collect().unwrap();
    heap.mutate(|mc| {
        let weaks = weaks.get(mc);
        assert_eq!(&*weaks.text.upgrade(mc).unwrap(), "text");
        assert_eq!(&*weaks.slice.upgrade(mc).unwrap(), &[1, 2]);
        assert_eq!(weaks.object.upgrade(mc).unwrap().name(), "name");
    });
    drop(kept);
    heap.collect().unwrap();
    heap.mutate(|mc| {
        let weaks = weaks.get(mc);
        assert!(weaks.text.upgrade(mc).is_none() && weaks.text.is_dead());
        assert!(weaks.slice.upgrade(mc).is_none() && weaks.object.upgrade(mc).is_none());
    });
}

#[test]
fn memory_goes_back_to_the_system() {
    let heap = Heap::new();
    let live: Root<[u8]> = heap.mutate(|mc| {
        for _ in 0..64 {
            Gc::from_slice(mc, &vec![1u8; 1 << 20]);
        }
        Gc::from_slice(mc, &[7u8; 1000]).root(mc)
    });
    heap.collect().unwrap();
    assert!(heap.release_free_memory() >= 60 << 20);
    assert_eq!(heap.stats().spans_idle, 0);
    assert_eq!(heap.mutate(|mc| live.get(mc).iter().map(|b| usize::from(*b)).sum::<usize>()), 7000);
}
