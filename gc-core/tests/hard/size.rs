//! A long chain and a long array: nothing recurses, and nothing is scanned in one piece.

use crate::common::{Node, status};
use crate::on_small_stack;
use crate::settle::Settle;
use gc_core::{Gc, GcCell, Heap, Root, Trace};
use std::time::Instant;

/// How many objects: a hundred million with `GC_BIG=1`.
fn size() -> usize {
    if std::env::var_os("GC_BIG").is_some() { 100_000_000 } else { 5_000_000 }
}

/// Prints what a test has taken so far.
fn report(what: &str, n: usize, begin: Instant, heap: &Heap) {
    let (rss, peak) = (status("VmRSS") >> 10, status("VmHWM") >> 10);
    let heap_mib = heap.stats().heap_bytes >> 20;
    let time = begin.elapsed();
    eprintln!(
        "hard: {n} {what} after {time:.1?}: heap {heap_mib} MiB, RSS {rss} MiB (peak {peak} MiB)"
    );
}

// behaviour (boa_gc): a list of a million is freed without recursion
// origin: allocation: gc_recursion
// behaviour (Oilpan): a deep hierarchy is marked
// origin: MarkerTest.DeepHierarchyIsMarked
// condition (Heaps): 5 million nodes in a chain
// measured: 11 s; heap 76 MB; on a stack of 128 KiB
// bound: exact counts; 1 MiB of heap left
// condition (Heaps): 100 million, release (`GC_BIG=1`)
// measured: 25 s: made after 8.8, marked after 19.7, walked and dropped after 24.7; heap 1525 MiB,
//   RSS 1558 MiB
// bound: same
#[test]
fn a_long_chain_is_marked_and_dropped_without_recursion() {
    // Drop glue beside the pointer, so that the sweep visits each.
    #[derive(Trace)]
    struct Link<'gc> {
        next: GcCell<'gc, Link<'gc>>,
        tail: Option<Box<u64>>,
    }
    let n = size() as u64;
    let begin = Instant::now();
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
                Gc::root(at.unwrap(), mc)
            }));
        }
        report("links made", size(), begin, &heap);
        heap.settle();
        report("links marked", size(), begin, &heap);
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
        heap.settle();
        assert_eq!(heap.stats().live_objects, 0);
        report("links dropped", size(), begin, &heap);
        // 16 bytes a link, and everything between spans and blocks.
        assert!(heap.stats().heap_bytes < 1 << 20, "{:?}", heap.stats());
    });
}

// condition (Heaps): an array of 5 million pointers
// measured: 15 s; heap 114 MB
// bound: exact counts
// condition (Heaps): 100 million, release (`GC_BIG=1`)
// measured: 34 s; heap 2288 MiB, RSS 2318 MiB
// bound: same
#[test]
fn a_long_array_is_marked_in_pieces() {
    let n = size();
    let begin = Instant::now();
    on_small_stack(|| {
        let heap = Heap::new();
        type Cells = [GcCell<'static, Node<'static>>];
        let array: Root<Cells> = heap.mutate(|mc| {
            Gc::root(Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node<'_>>::new(None))), mc)
        });
        for from in (0..n).step_by(1000) {
            heap.mutate(|mc| {
                let array = array.get(mc);
                for (value, cell) in (from as u64..).zip(&array[from..from + 1000]) {
                    cell.set(mc, Some(Gc::new(mc, Node { next: GcCell::new(None), value })));
                }
            });
        }
        report("pointers in an array", n, begin, &heap);
        heap.settle();
        report("pointers marked", n, begin, &heap);
        assert_eq!(heap.stats().live_objects, n as u64 + 1);
        heap.mutate(|mc| {
            let cells = array.get(mc);
            assert!((0u64..).zip(&*cells).all(|(i, cell)| cell.get().unwrap().value == i));
            cells.iter().step_by(2).for_each(|cell| cell.set(mc, None));
        });
        heap.settle();
        assert_eq!(heap.stats().live_objects, n as u64 / 2 + 1);
        drop(array);
        heap.settle();
        report("pointers dropped", n, begin, &heap);
        assert_eq!(heap.stats().live_objects, 0);
    });
}
