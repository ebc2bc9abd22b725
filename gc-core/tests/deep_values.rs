//! How deep a value may be: a list of boxes in one object, dropped, and traced on small stacks.

#[path = "common/settle.rs"]
mod settle;

use gc_core::{Gc, GcRefCell, Heap, Root, Trace};
use settle::Settle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

enum List<T> {
    End,
    Link(#[allow(dead_code, reason = "it is there to be traced")] T, Box<List<T>>),
}
// SAFETY: each field is reported.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for List<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    fn trace(&self, tracer: &mut gc_core::Tracer<'gc>) {
        if let List::Link(value, next) = self {
            tracer.edges(value);
            tracer.edges(next);
        }
    }
}

/// A list of `n` links, made without recursion.
fn list<T: Clone>(n: usize, value: &T) -> List<T> {
    let mut list = List::End;
    for _ in 0..n {
        list = List::Link(value.clone(), Box::new(list));
    }
    list
}

const DEEP: usize = 100_000;

// condition (Destructors): a list of 100,000 boxes in one object, dropped
// measured: on 64 MiB of stack, also without optimisation
// bound: exact
#[test]
fn a_hundred_thousand_boxes_in_one_object_are_dropped() {
    let heap = Heap::new();
    let count = Arc::new(());
    heap.mutate(|mc| _ = Gc::new(mc, list(DEEP, &count)));
    heap.settle();
    assert_eq!(Arc::strong_count(&count), 1);
    heap.mutate(|mc| _ = Gc::new(mc, list(DEEP, &count)));
    heap.shutdown(Duration::from_secs(60)).unwrap();
    assert_eq!(Arc::strong_count(&count), 1);
}

/// A cell in which such a list lies beside what makes it one.
#[derive(Trace)]
struct Deep<'gc> {
    list: GcRefCell<List<Gc<'gc, u64>>>,
    beside: Vec<Vec<Gc<'gc, u64>>>,
}

// condition (Destructors): the same with pointers, traced by collector threads and by borrows on
//   stacks of 256 KiB
// measured: 20 cycles
// bound: exact
#[test]
fn a_hundred_thousand_boxes_are_traced_on_any_stack() {
    let heap = Heap::builder().stack_size(256 << 10).min_heap(256 << 10).build().unwrap();
    let root: Root<Deep<'static>> = heap.mutate(|mc| {
        let deep = Deep {
            list: GcRefCell::new(list(DEEP, &Gc::new(mc, 7))),
            beside: (0..10).map(|i| vec![Gc::new(mc, i)]).collect(),
        };
        Gc::root(Gc::new(mc, deep), mc)
    });
    let over = AtomicBool::new(false);
    std::thread::scope(|s| {
        // Borrows in every phase shade the list on this thread's stack, and refills assist.
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let borrower = small.spawn_scoped(s, || {
            while !over.load(SeqCst) {
                heap.mutate(|mc| {
                    let deep = root.get(mc);
                    drop(deep.list.borrow_mut(mc));
                    (0..100u64).for_each(|i| _ = Gc::new(mc, [i; 16]));
                });
            }
        });
        for _ in 0..20 {
            heap.collect().unwrap();
        }
        over.store(true, SeqCst);
        borrower.unwrap().join().unwrap();
    });
    heap.mutate(|mc| {
        let deep = root.get(mc);
        let list = deep.list.borrow();
        let mut at = &*list;
        let mut n = 0;
        while let List::Link(value, next) = at {
            assert_eq!(**value, 7);
            (at, n) = (&**next, n + 1);
        }
        assert_eq!(n, DEEP);
        assert!(deep.beside.iter().zip(0..).all(|(one, i)| *one[0] == i));
    });
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_objects, 12);
    drop(root);
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);
}
