//! Panics everywhere: in closures, destructors and `trace`.

use crate::common::{Canary, Node, counter};
use crate::process::{Again, is_child};
use crate::settle::Settle;
use crate::{check_usable, quiet_panic};
use gc_core::{Gc, GcCell, Heap, Root, Trace, Tracer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

// condition (Panics): in the closure, nested
// measured: 200 panics, the heap goes on
#[test]
fn a_panic_inside_mutate_leaves_the_heap_as_it_is() {
    let (heap, drops) = (Heap::new(), counter());
    let head: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: 0 }), mc));
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
            heap.settle();
        }
        assert_eq!(heap.mutate(|mc| head.get(mc).next.get().unwrap().value), value);
    }
    assert_eq!(drops.load(SeqCst), 200);
    check_usable(&heap);
}

// behaviour (Oilpan): only types with destructors are finalized
// origin: FinalizerTrait
// also: `derive::every_shape_keeps_what_it_holds`
// condition (Panics): in `Drop`, one in a container
// measured: each counted in `drop_panics`, the rest dropped
// also: `hard::panics::one_panic_in_a_container_drops_the_rest`
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
    heap.settle();
    assert_eq!(heap.stats().drop_panics, 501);
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (1009, 0));
    check_usable(&heap);
}

// behaviour (gc-arena): a panic in `trace` leaves a heap that can be collected later
// origin: okay_panic
// behaviour (dumpster): a panic in `trace`
// origin: panic_visit
// condition (Panics): in `trace`
// measured: nothing dies meanwhile (1.3 MB kept over 20 cycles), all of it in the first cycle
//   without (48 KB left)
// also: `hard::panics::trace_that_panics_for_twenty_cycles_loses_nothing`
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
            (0..20).map(|_| Gc::root(Gc::new(mc, holder()), mc)).collect()
        });
        heap.settle();
        let stats = heap.stats();
        assert!(stats.trace_panics >= 1 && traced.load(SeqCst) >= 1, "{stats:?}");
        assert_eq!(drops.load(SeqCst), 0, "nothing dies in a cycle with a panic");
        armed.store(false, SeqCst);
        heap.settle();
        assert_eq!(drops.load(SeqCst), 50);
        assert_eq!(heap.stats().trace_panics, stats.trace_panics);
        drop(roots);
        heap.settle();
        assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (70, 0));
        check_usable(&heap);
    }
}

/// Panics when it is dropped, if told to, after it has counted.
#[derive(Trace)]
struct Mine {
    canary: Canary,
    armed: bool,
}
impl Drop for Mine {
    fn drop(&mut self) {
        if self.armed {
            quiet_panic();
        }
    }
}

#[test]
fn one_panic_in_a_container_drops_the_rest() {
    let (heap, drops) = (Heap::new(), counter());
    heap.mutate(|mc| {
        for at in 0..100 {
            let mines =
                (0..10).map(|i| Mine { canary: Canary(drops.clone()), armed: i == at % 10 });
            Gc::new(mc, mines.collect::<Vec<_>>());
            let boxed = Mine { canary: Canary(drops.clone()), armed: true };
            Gc::new(mc, (Box::new(boxed), Canary(drops.clone())));
        }
    });
    heap.settle();
    eprintln!("hard: {} panics in Drop, all caught", heap.stats().drop_panics);
    assert_eq!(heap.stats().drop_panics, 200);
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (1200, 0));
    check_usable(&heap);
}

// condition (Panics): in the `Drop` of a refused value
// measured: passes through `try_new`, the heap goes on
#[test]
fn a_refused_value_may_panic_as_it_is_dropped() {
    let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 20).build().unwrap();
    let drops = counter();
    let died = catch_unwind(AssertUnwindSafe(|| {
        heap.mutate(|mc| {
            while Gc::try_new(mc, [0u8; 1000]).is_ok() {}
            // What it needs fits no rest of a span, for its type has none yet.
            Gc::try_new(mc, Mine { canary: Canary(drops.clone()), armed: true }).is_ok()
        })
    }));
    assert!(died.is_err(), "the value's own panic passes through");
    assert_eq!(drops.load(SeqCst), 1);
    // The `try_` forms do not wait for a cycle.
    heap.collect().unwrap();
    check_usable(&heap);
}

// condition (Panics): a destructor that uses the heap, and panics in it, while a panic unwinds
// measured: works inside and outside of `mutate`
#[test]
fn a_destructor_uses_the_heap_while_a_panic_unwinds() {
    /// A local of the closure: its destructor allocates, panics in `mutate`, and catches that.
    struct Local<'a>(&'a Heap, &'a Root<Node<'static>>, Arc<AtomicUsize>);
    impl Drop for Local<'_> {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            let inner = catch_unwind(AssertUnwindSafe(|| {
                self.0.mutate(|mc| {
                    (0..100).for_each(|_| _ = Gc::new(mc, Canary(self.2.clone())));
                    let next = Gc::new(mc, Node { next: GcCell::new(None), value: 7 });
                    self.1.get(mc).next.set(mc, Some(next));
                    quiet_panic();
                })
            }));
            assert!(inner.is_err());
        }
    }
    let (heap, drops) = (Heap::new(), counter());
    let root: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: 1 }), mc));
    for inside in [true, false] {
        let died = catch_unwind(AssertUnwindSafe(|| {
            let _outer = (!inside).then(|| Local(&heap, &root, drops.clone()));
            heap.mutate(|_| {
                let _local = inside.then(|| Local(&heap, &root, drops.clone()));
                quiet_panic();
            });
        }));
        assert!(died.is_err());
        heap.settle();
        assert_eq!(heap.mutate(|mc| root.get(mc).next.take(mc).unwrap().value), 7);
    }
    assert_eq!(drops.load(SeqCst), 200);
    drop(root);
    check_usable(&heap);
}

// condition (Panics): two in one value's drop glue
// measured: SIGABRT, "panic in a destructor during cleanup": Rust's rule for any value
#[test]
fn two_panics_in_one_value_end_the_process_as_rust_says() {
    /// Its field panics while its own panic unwinds: Rust ends the process, wherever that happens.
    #[derive(Trace)]
    struct Pair(#[allow(dead_code, reason = "it is there to be dropped")] Mine);
    impl Drop for Pair {
        fn drop(&mut self) {
            quiet_panic();
        }
    }
    if is_child() {
        let heap = Heap::new();
        let mine = Mine { canary: Canary(counter()), armed: true };
        heap.mutate(|mc| _ = Gc::new(mc, Pair(mine)));
        heap.settle();
        return;
    }
    let ended = Again::new("panics::two_panics_in_one_value_end_the_process_as_rust_says").run();
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{}", ended.errors);
    let text = "panic in a destructor during cleanup";
    assert!(ended.errors.contains(text), "{}", ended.errors);
    eprintln!("hard: two panics in one value's drop: SIGABRT, \"{text}\"");
}

#[test]
fn trace_that_panics_for_twenty_cycles_loses_nothing() {
    struct Sore(AtomicBool, AtomicUsize);
    // SAFETY: it holds no `Gc`, so there is nothing to report. (It panics on purpose.)
    unsafe impl<'gc> Trace<'gc> for Sore {
        fn trace(&self, _: &mut Tracer<'gc>) {
            self.1.fetch_add(1, SeqCst);
            if self.0.load(SeqCst) {
                quiet_panic();
            }
        }
    }
    #[derive(Trace)]
    struct Keeper<'gc>(Gc<'gc, Sore>, GcCell<'gc, Node<'gc>>);
    let heap = Heap::builder().min_heap(256 << 10).markers(2).build().unwrap();
    let drops = counter();
    let root: Root<Keeper<'static>> = heap.mutate(|mc| {
        let sore = Gc::new(mc, Sore(AtomicBool::new(true), AtomicUsize::new(0)));
        Gc::root(Gc::new(mc, Keeper(sore, GcCell::new(None))), mc)
    });
    for round in 0..20u64 {
        // Four threads go on meanwhile; the list behind the object that panics must stay whole.
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..20 {
                        heap.mutate(|mc| {
                            (0..50).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())))
                        });
                    }
                });
            }
            s.spawn(|| {
                heap.mutate(|mc| {
                    let cell = &root.get(mc).1;
                    let next = GcCell::new(cell.get());
                    cell.set(mc, Some(Gc::new(mc, Node { next, value: round })));
                });
            });
            heap.settle();
        });
    }
    let stats = heap.stats();
    assert!(stats.trace_panics >= 20, "{stats:?}");
    assert_eq!(drops.load(SeqCst), 0, "nothing dies in a cycle with a panic");
    heap.mutate(|mc| {
        let nodes = std::iter::successors(root.get(mc).1.get(), |node| node.next.get());
        assert!(nodes.map(|node| node.value).eq((0..20).rev()));
        root.get(mc).0.0.store(false, SeqCst);
    });
    heap.settle();
    eprintln!(
        "hard: {} panics in trace in {} cycles, {} KiB kept until it healed, then {} KiB",
        stats.trace_panics,
        stats.cycles,
        stats.heap_bytes >> 10,
        heap.stats().heap_bytes >> 10
    );
    assert_eq!(drops.load(SeqCst), 20 * 4 * 20 * 50);
    assert_eq!(heap.stats().live_objects, 22);
    drop(root);
    check_usable(&heap);
}
