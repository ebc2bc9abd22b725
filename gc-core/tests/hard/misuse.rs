//! Misuse: what is refused with a message, and what iterators may do to an allocation.

use crate::common::{Canary, counter};
use crate::settle::Settle;
use crate::{check_usable, panic_of, quiet_panic};
use gc_core::{CollectError, Gc, Heap, Root};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

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
    let root: Root<u64> = heap.mutate(|mc| Gc::root(Gc::new(mc, 4u64), mc));
    let text = panic_of(|| other.mutate(|mc| _ = root.get(mc)));
    assert!(text.contains("belongs to another heap"), "{text}");
    assert_eq!(heap.mutate(|mc| *root.get(mc)), 4);
    check_usable(&other);
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
        heap.settle();
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
