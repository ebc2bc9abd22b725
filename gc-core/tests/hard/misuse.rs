//! Misuse: absurd settings, what is refused with a message, and what iterators may do to an
//! allocation.

use crate::common::{Canary, counter};
use crate::settle::Settle;
use crate::{check_usable, panic_of, quiet_panic};
use gc_core::{CollectError, ConfigError, Gc, Heap, HeapBuilder, Root};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

// behaviour (Oilpan): a collection where none is allowed
// origin: GCHeapTest.IsGarbageCollectionAllowed, SweeperTest.SweepDoesNotTriggerRecursiveGC
// also: `lifetimes::a_destructor_may_use_its_heap`
// condition (Misuse): `collect` inside `mutate`, also nested, and of another heap
// measured: `CollectError::InsideMutate`; of another heap it works
// bound: exact
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

// behaviour (gc-arena): a root is refused by another heap
// origin: test_dynamic_bad_set
// behaviour (Oilpan): an address finds its heap
// origin: HeapRegistryTest.FindsRightHeapForOnHeapAddress
// condition (Misuse): `Root::get` in another heap's `mutate`
// measured: a panic, "belongs to another heap"; both heaps go on
// bound: the message
#[test]
fn a_root_of_another_heap_is_refused() {
    let (heap, other) = (Heap::new(), Heap::new());
    let root: Root<u64> = heap.mutate(|mc| Gc::root(Gc::new(mc, 4u64), mc));
    let text = panic_of(|| other.mutate(|mc| _ = root.get(mc)));
    assert!(text.contains("belongs to another heap"), "{text}");
    assert_eq!(heap.mutate(|mc| *root.get(mc)), 4);
    check_usable(&other);
}

// behaviour (gc-arena): a panic while a slice is filled drops what it holds by then
// origin: test_panicking_slice_with_header_drop
// behaviour (dumpster): a panic while elements are cloned
// origin: from_slice_panic
// condition (Panics): in an iterator
// measured: exact
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
        heap.settle();
        assert_eq!(drops.load(SeqCst) - before, at);
    }
    assert_eq!(heap.stats().live_objects, 0);
    check_usable(&heap);
}

// behaviour (gc-arena): an allocation begun is finished or undone
// origin: test_builder_drop
// condition (Misuse): iterators that allocate, that end early, and that lie about their length
// measured: the slice has what was yielded, and each element is dropped once
// bound: exact
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
        Gc::root(Gc::from_iter_in(mc, (0..300u32).map(row)), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let rows = nested.get(mc);
        let all: Vec<u64> = rows.iter().flat_map(|row| row.iter().map(|gc| **gc)).collect();
        assert!(all.into_iter().eq(0..30_000));
    });
    assert_eq!(heap.stats().live_objects, 30_301);
}

// condition (Misuse): settings of zero, of the largest number, and below one another
// measured: `build` returns an error that names the setting, its value and what is allowed
// bound: the message
#[test]
fn absurd_settings_are_errors_that_say_what_is_allowed() {
    type Set = fn(HeapBuilder) -> HeapBuilder;
    let cases: [(Set, &str); 13] = [
        (|b| b.gc_percent(0), "gc_percent is 0 percent, but must be between 1 and 100000 percent"),
        (|b| b.gc_percent(u32::MAX), "gc_percent is 4294967295 percent, but must be between 1 and"),
        (|b| b.markers(0), "markers is 0 threads, but must be between 1 and 256 threads"),
        (|b| b.markers(100_000), "markers is 100000 threads, but must be between 1 and 256"),
        (|b| b.min_heap(0), "min_heap is 0 bytes, but must be between 16384 and"),
        (|b| b.min_heap(usize::MAX), "min_heap is 18446744073709551615 bytes, but must be between"),
        (|b| b.reserve(0), "reserve is 0 bytes, but must be between 16777216 and"),
        (|b| b.reserve(usize::MAX), "reserve is 18446744073709551615 bytes, but must be between"),
        (|b| b.heap_limit(0), "heap_limit is 0 bytes, but must be at least 1048576 bytes"),
        (|b| b.heap_limit(1000), "heap_limit is 1000 bytes, but must be at least 1048576 bytes"),
        (|b| b.memory_limit(0), "memory_limit is 0 bytes, but must be at least 1048576 bytes"),
        (
            |b| b.min_heap(4 << 20).heap_limit(2 << 20),
            "min_heap is 4194304 bytes, but must be at most heap_limit",
        ),
        (
            |b| b.min_heap(64 << 20).reserve(32 << 20),
            "min_heap is 67108864 bytes, but must be at most reserve",
        ),
    ];
    for (set, text) in cases {
        let error: ConfigError = set(Heap::builder()).build().expect_err(text);
        assert!(error.to_string().starts_with(text), "{error} is not {text}");
    }
    // A large reservation works, or falls back to a smaller one, or is a clear error; never an
    // abort.
    match Heap::builder().reserve(1 << 44).build() {
        Ok(heap) => check_usable(&heap),
        Err(error) => assert!(error.to_string().contains("address space"), "{error}"),
    }
}
