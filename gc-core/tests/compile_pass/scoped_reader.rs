//! A scoped thread may read through pointers that are lent to it: the lender's pin holds for both.
use gc_core::{Gc, GcCell, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

#[test]
fn a_scoped_thread_reads_through_what_it_was_lent() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let a = Gc::new(mc, Node { next: GcCell::new(None), value: 1 });
        let b = Gc::new(mc, Node { next: GcCell::new(Some(a)), value: 2 });
        let sum = std::thread::scope(|scope| {
            let reader = scope.spawn(move || b.value + b.next.get().map_or(0, |a| a.value));
            reader.join().unwrap()
        });
        assert_eq!(sum, 3);
    });
}
