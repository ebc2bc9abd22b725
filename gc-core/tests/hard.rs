//! Hard conditions and misuse, from outside the crate: limits, absurd settings, panics everywhere, threads that die,
//! long chains. What needs a process to itself is in `lifetimes.rs`.

use gc_core::{CollectError, ConfigError, Gc, GcCell, Heap, HeapBuilder, Root, Trace, Tracer};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

/// Counts its drops.
#[derive(Trace)]
struct Canary(Arc<AtomicUsize>);
impl Drop for Canary {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// A panic without the hook's message.
fn quiet_panic() -> ! {
    resume_unwind(Box::new("on purpose"))
}

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).expect("a panic with a message")
}

/// Runs something that panics with a message, and returns the message.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic was expected");
    message(&*payload).to_string()
}

/// The heap still allocates, collects and counts.
fn check_usable(heap: &Heap) {
    let drops = counter();
    let before = heap.stats().live_objects;
    let kept: Root<Canary> = heap.mutate(|mc| {
        (0..100).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
        Gc::new(mc, Canary(drops.clone())).root(mc)
    });
    heap.collect().unwrap();
    assert_eq!(drops.load(SeqCst), 100);
    drop(kept);
    heap.collect().unwrap();
    assert_eq!(drops.load(SeqCst), 101);
    assert!(heap.stats().live_objects <= before, "{:?} after {before}", heap.stats());
}

fn on_small_stack(f: impl FnOnce() + Send) {
    std::thread::scope(|s| {
        std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(s, f).unwrap();
    });
}

#[test]
fn a_long_chain_is_marked_and_dropped_without_recursion() {
    // Drop glue beside the pointer, so that the sweep visits each.
    #[derive(Trace)]
    struct Link<'gc> {
        next: GcCell<'gc, Link<'gc>>,
        tail: Option<Box<u64>>,
    }
    let big = std::env::var_os("GC_BIG").is_some();
    let n = if big { 100_000_000u64 } else { 2_000_000 };
    on_small_stack(|| {
        let heap = Heap::new();
        let mut head: Option<Root<Link<'static>>> = None;
        let mut made = 0;
        while made < n {
            head = Some(heap.mutate(|mc| {
                let mut at = head.as_ref().map(|root| root.get(mc));
                for _ in 0..1000 {
                    let tail = (made % 100_000 == 0).then(|| Box::new(made));
                    at = Some(Gc::new(mc, Link { next: GcCell::new(at), tail }));
                    made += 1;
                }
                at.unwrap().root(mc)
            }));
        }
        heap.collect().unwrap();
        assert_eq!(heap.stats().live_objects, n);
        heap.mutate(|mc| {
            let (mut at, mut seen, mut boxes) = (head.as_ref().map(|root| root.get(mc)), 0, 0);
            while let Some(link) = at {
                seen += 1;
                boxes += link.tail.as_ref().map_or(0, |tail| **tail / 100_000);
                at = link.next.get();
            }
            let of_boxes = n / 100_000;
            assert_eq!((seen, boxes), (n, of_boxes * (of_boxes - 1) / 2));
        });
        drop(head);
        heap.collect().unwrap();
        assert_eq!(heap.stats().live_objects, 0);
    });
}

#[test]
fn absurd_settings_are_errors_that_say_what_is_allowed() {
    type Set = fn(HeapBuilder) -> HeapBuilder;
    let cases: [(Set, &str); 13] = [
        (|b| b.gc_percent(0), "gc_percent is 0, but must be between 1 and 100000"),
        (|b| b.gc_percent(u32::MAX), "gc_percent is 4294967295, but must be between 1 and"),
        (|b| b.markers(0), "markers is 0, but must be between 1 and 256"),
        (|b| b.markers(100_000), "markers is 100000, but must be between 1 and 256"),
        (|b| b.min_heap(0), "min_heap is 0, but must be between 16384 and"),
        (|b| b.min_heap(usize::MAX), "min_heap is 18446744073709551615, but must be between"),
        (|b| b.reserve(0), "reserve is 0, but must be between 16777216 and"),
        (|b| b.reserve(usize::MAX), "reserve is 18446744073709551615, but must be between"),
        (|b| b.heap_limit(0), "heap_limit is 0, but must be between 1048576 and"),
        (|b| b.heap_limit(1000), "heap_limit is 1000, but must be between 1048576 and"),
        (|b| b.memory_limit(0), "memory_limit is 0, but must be between 1048576 and"),
        (|b| b.min_heap(4 << 20).heap_limit(2 << 20), "min_heap is larger than heap_limit"),
        (|b| b.min_heap(64 << 20).reserve(32 << 20), "min_heap is larger than reserve"),
    ];
    for (set, text) in cases {
        let error: ConfigError = set(Heap::builder()).build().expect_err(text);
        assert!(error.to_string().starts_with(text), "{error} is not {text}");
    }
    // A large reservation works, or falls back to a smaller one, or is a clear error; never an abort.
    match Heap::builder().reserve(1 << 44).build() {
        Ok(heap) => check_usable(&heap),
        Err(error) => assert!(error.to_string().contains("address space"), "{error}"),
    }
}

fn limited() -> Heap {
    Heap::builder().heap_limit(2 << 20).min_heap(1 << 20).build().unwrap()
}

#[test]
fn the_limit_is_an_error_on_every_path() {
    fn fill<E: std::fmt::Display>(name: &str, mut one: impl FnMut() -> Result<(), E>) {
        // Inside one `mutate` nothing is freed, so the limit is reached however the collector runs.
        let refused = (0..1_000_000).find_map(|_| one().err());
        let text = refused.unwrap_or_else(|| panic!("{name}: no limit")).to_string();
        assert!(text.contains("does not fit the heap's limit of 2097152 bytes"), "{name}: {text}");
    }
    let heap = limited();
    heap.mutate(|mc| fill("leaf", || Gc::try_new(mc, [0u64; 8]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let node = || Node { next: GcCell::new(None), value: 1 };
        fill("node", || Gc::try_new(mc, node()).map(drop));
    });
    check_usable(&heap);
    heap.mutate(|mc| fill("big", || Gc::try_new(mc, [0u64; 8000]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| fill("slice", || Gc::try_from_slice(mc, &[1u32; 100]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| fill("large", || Gc::try_from_slice(mc, &[1u32; 20_000]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let strings = || (0..10).map(|i| i.to_string());
        fill("iter", || Gc::try_from_iter_in(mc, strings()).map(drop));
    });
    check_usable(&heap);
    heap.mutate(|mc| fill("str", || Gc::try_from_str(mc, "one hundred").map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let object = Gc::new(mc, 1u64);
        fill("weak", || object.try_downgrade(mc).map(drop));
    });
    check_usable(&heap);
    let (drops, mut made) = (counter(), 0);
    heap.mutate(|mc| {
        fill("canary", || {
            made += 1;
            Gc::try_new(mc, Canary(drops.clone())).map(drop)
        });
        assert_eq!(drops.load(SeqCst), 1, "the refused value is dropped at once");
    });
    heap.collect().unwrap();
    assert_eq!(drops.load(SeqCst), made);
    check_usable(&heap);
}

#[test]
fn new_at_the_limit_panics_clearly_and_the_heap_goes_on() {
    let heap = limited();
    let text = panic_of(|| {
        heap.mutate(|mc| {
            loop {
                Gc::new(mc, [0u64; 100]);
            }
        })
    });
    assert!(
        text.contains("does not fit the heap's limit") && text.contains("heap_limit"),
        "{text}"
    );
    check_usable(&heap);
    // Garbage without end is no problem for a program that leaves `mutate`.
    for _ in 0..2000 {
        heap.mutate(|mc| (0..100).for_each(|_| _ = Gc::new(mc, [0u64; 100])));
    }
    check_usable(&heap);
}

#[test]
fn larger_than_the_heap_is_an_error() {
    #[derive(Trace, Clone, Copy)]
    struct Huge([u8; 1 << 16]);
    let heap = limited();
    heap.mutate(|mc| {
        let error = Gc::try_from_slice(mc, &vec![0u8; 3 << 20]).unwrap_err();
        assert_eq!((error.requested, error.limit), (3 << 20, 2 << 20));
        // Lengths whose bytes overflow.
        let endless = std::iter::repeat_n([0u64; 1 << 10], usize::MAX / 2);
        assert!(Gc::try_from_iter_in(mc, endless).is_err());
        let strings = std::iter::repeat_n(String::new(), usize::MAX);
        assert!(Gc::try_from_iter_in(mc, strings).is_err());
    });
    check_usable(&heap);
    let small = Heap::builder().reserve(16 << 20).build().unwrap();
    small.mutate(|mc| {
        assert!(Gc::try_from_slice(mc, &vec![0u8; 17 << 20]).is_err());
        assert!(Gc::try_from_slice(mc, &vec![0u8; 8 << 20]).is_ok());
        assert!(Gc::try_from_iter_in(mc, (0..64).map(|_| Huge([1; 1 << 16]))).is_ok());
    });
    check_usable(&small);
}

#[test]
fn collect_inside_mutate_is_refused() {
    let (heap, other) = (Heap::new(), Heap::new());
    let mutator = heap.mutator();
    assert_eq!(heap.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
    assert_eq!(mutator.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
    let after_inner = mutator.mutate(|_| {
        heap.mutate(|_| ());
        heap.collect()
    });
    assert_eq!(after_inner, Err(CollectError::InsideMutate));
    assert_eq!(heap.mutate(|_| other.collect()), Ok(()), "another heap does not mind");
    assert_eq!(heap.collect(), Ok(()));
}

#[test]
fn a_root_of_another_heap_is_refused() {
    let (heap, other) = (Heap::new(), Heap::new());
    let root: Root<u64> = heap.mutate(|mc| Gc::new(mc, 4u64).root(mc));
    let text = panic_of(|| other.mutate(|mc| _ = root.get(mc)));
    assert!(text.contains("belongs to another heap"), "{text}");
    assert_eq!(heap.mutate(|mc| *root.get(mc)), 4);
    check_usable(&other);
}

#[test]
fn a_panic_inside_mutate_leaves_the_heap_as_it_is() {
    let (heap, drops) = (Heap::new(), counter());
    let head: Root<Node<'static>> =
        heap.mutate(|mc| Gc::new(mc, Node { next: GcCell::new(None), value: 0 }).root(mc));
    for value in 1..=200 {
        let died = catch_unwind(AssertUnwindSafe(|| {
            heap.mutate(|mc| {
                heap.mutate(|mc| _ = Gc::new(mc, Canary(drops.clone())));
                head.get(mc)
                    .next
                    .set(mc, Some(Gc::new(mc, Node { next: GcCell::new(None), value })));
                quiet_panic();
            })
        }));
        assert!(died.is_err());
        if value % 50 == 0 {
            // It would hang if the panics had left a pin.
            heap.collect().unwrap();
        }
        assert_eq!(heap.mutate(|mc| head.get(mc).next.get().unwrap().value), value);
    }
    assert_eq!(drops.load(SeqCst), 200);
    check_usable(&heap);
}

#[test]
fn panics_in_drop_are_caught_and_counted() {
    #[derive(Trace)]
    struct Angry(Canary, u32);
    impl Drop for Angry {
        fn drop(&mut self) {
            if self.1.is_multiple_of(2) {
                quiet_panic();
            }
        }
    }
    let (heap, drops) = (Heap::new(), counter());
    heap.mutate(|mc| {
        (0..1000).for_each(|i| _ = Gc::new(mc, Angry(Canary(drops.clone()), i)));
        Gc::from_iter_in(mc, (0..9).map(|i| Angry(Canary(drops.clone()), 1 + u32::from(i == 4))));
    });
    heap.collect().unwrap();
    assert_eq!(heap.stats().drop_panics, 501);
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (1009, 0));
    check_usable(&heap);
}

#[test]
fn a_panic_in_trace_keeps_everything_for_a_cycle() {
    struct Fragile {
        armed: Arc<AtomicBool>,
        traced: Arc<AtomicUsize>,
    }
    // SAFETY: it holds no `Gc`, so there is nothing to report. (It panics on purpose.)
    unsafe impl<'gc> Trace<'gc> for Fragile {
        fn trace(&self, _: &mut Tracer<'gc>) {
            self.traced.fetch_add(1, SeqCst);
            if self.armed.load(SeqCst) {
                quiet_panic();
            }
        }
    }
    #[derive(Trace)]
    struct Holder<'gc>(Gc<'gc, Fragile>, Gc<'gc, Canary>);
    for markers in [1, 3] {
        let heap = Heap::builder().markers(markers).build().unwrap();
        let (armed, traced, drops) = (Arc::new(AtomicBool::new(true)), counter(), counter());
        let roots: Vec<Root<Holder<'static>>> = heap.mutate(|mc| {
            let fragile = || Fragile { armed: armed.clone(), traced: traced.clone() };
            (0..50).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
            let holder = || Holder(Gc::new(mc, fragile()), Gc::new(mc, Canary(drops.clone())));
            (0..20).map(|_| Gc::new(mc, holder()).root(mc)).collect()
        });
        heap.collect().unwrap();
        let stats = heap.stats();
        assert!(stats.trace_panics >= 1 && traced.load(SeqCst) >= 1, "{stats:?}");
        assert_eq!(drops.load(SeqCst), 0, "nothing dies in a cycle with a panic");
        armed.store(false, SeqCst);
        heap.collect().unwrap();
        assert_eq!(drops.load(SeqCst), 50);
        assert_eq!(heap.stats().trace_panics, stats.trace_panics);
        drop(roots);
        heap.collect().unwrap();
        assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (70, 0));
        check_usable(&heap);
    }
}

#[test]
fn a_panic_in_an_iterator_drops_what_it_yielded() {
    let (heap, drops) = (Heap::new(), counter());
    for (len, at) in [(10, 4), (5000, 0), (5000, 4999), (100_000, 70_000)] {
        let before = drops.load(SeqCst);
        let died = catch_unwind(AssertUnwindSafe(|| {
            heap.mutate(|mc| {
                Gc::from_iter_in(
                    mc,
                    (0..len).map(|i| if i == at { quiet_panic() } else { Canary(drops.clone()) }),
                );
            });
        }));
        assert!(died.is_err());
        heap.collect().unwrap();
        assert_eq!(drops.load(SeqCst) - before, at);
    }
    assert_eq!(heap.stats().live_objects, 0);
    check_usable(&heap);
}

#[test]
fn an_iterator_may_allocate_and_may_end_early() {
    struct Liar(usize);
    impl Iterator for Liar {
        type Item = Box<usize>;
        fn next(&mut self) -> Option<Box<usize>> {
            self.0 = self.0.checked_sub(1)?;
            Some(Box::new(self.0))
        }
    }
    struct Says(Liar, usize);
    impl Iterator for Says {
        type Item = Box<usize>;
        fn next(&mut self) -> Option<Box<usize>> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.1, Some(self.1))
        }
    }
    impl ExactSizeIterator for Says {}
    let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
    let nested: Root<[Gc<'static, [Gc<'static, u64>]>]> = heap.mutate(|mc| {
        assert_eq!(Gc::from_iter_in(mc, Says(Liar(3), 100)).len(), 3);
        assert_eq!(Gc::from_iter_in(mc, Says(Liar(100), 3)).len(), 3);
        let number = |r: u32, c: u32| Gc::new(mc, u64::from(r * 100 + c));
        let row = |r: u32| Gc::from_iter_in(mc, (0..100u32).map(|c| number(r, c)));
        Gc::from_iter_in(mc, (0..300u32).map(row)).root(mc)
    });
    heap.collect().unwrap();
    heap.mutate(|mc| {
        let rows = nested.get(mc);
        let all: Vec<u64> = rows.iter().flat_map(|row| row.iter().map(|gc| **gc)).collect();
        assert!(all.into_iter().eq(0..30_000));
    });
    assert_eq!(heap.stats().live_objects, 30_301);
}

#[test]
fn threads_that_die_in_mutate_leave_nothing() {
    let (heap, drops) = (Heap::new(), counter());
    for i in 0..50 {
        std::thread::scope(|s| {
            let thread = s.spawn(|| {
                let own = (i % 2 == 0).then(|| heap.mutator());
                let body = |n: u32| {
                    heap.mutate(|mc| {
                        (0..n).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
                        if n == 7 {
                            quiet_panic();
                        }
                    })
                };
                body(3);
                match own {
                    Some(own) => own.mutate(|_| body(7)),
                    None => body(7),
                }
            });
            assert!(thread.join().is_err());
        });
    }
    heap.collect().unwrap();
    assert_eq!(drops.load(SeqCst), 500);
    check_usable(&heap);
}

#[test]
fn thousands_of_short_threads() {
    let (heap, drops) = (Heap::builder().min_heap(1 << 20).build().unwrap(), counter());
    let roots = Mutex::new(Vec::<Root<Node<'static>>>::new());
    for batch in 0..250u64 {
        std::thread::scope(|s| {
            for t in 0..8 {
                let (heap, roots, drops) = (&heap, &roots, &drops);
                s.spawn(move || {
                    let root = heap.mutate(|mc| {
                        (0..20).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
                        let value = batch * 8 + t;
                        Gc::new(mc, Node { next: GcCell::new(None), value }).root(mc)
                    });
                    roots.lock().unwrap().push(root);
                });
            }
        });
    }
    heap.collect().unwrap();
    assert_eq!(drops.load(SeqCst), 40_000);
    let mut values: Vec<u64> =
        heap.mutate(|mc| roots.lock().unwrap().iter().map(|root| root.get(mc).value).collect());
    values.sort_unstable();
    assert!(values.into_iter().eq(0..2000));
    assert_eq!(heap.stats().live_objects, 2000);
}

#[test]
fn many_threads_on_few_cores() {
    let (heap, drops) = (Heap::builder().min_heap(1 << 20).build().unwrap(), counter());
    std::thread::scope(|s| {
        for _ in 0..32 {
            s.spawn(|| {
                let mut kept: Vec<Root<Node<'static>>> = Vec::new();
                for i in 0..300u64 {
                    let root = heap.mutate(|mc| {
                        (0..20).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
                        let next = kept.last().map(|root| root.get(mc));
                        Gc::new(mc, Node { next: GcCell::new(next), value: i }).root(mc)
                    });
                    kept.push(root);
                    if kept.len() > 8 {
                        kept.remove(0);
                    }
                }
                let length = heap.mutate(|mc| {
                    let (mut at, mut n) = (Some(kept[7].get(mc)), 0u64);
                    while let Some(node) = at {
                        assert_eq!(node.value, 299 - n);
                        (at, n) = (node.next.get(), n + 1);
                    }
                    n
                });
                assert_eq!(length, 300);
            });
        }
    });
    heap.collect().unwrap();
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (32 * 6000, 0));
}
