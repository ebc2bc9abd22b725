//! Behaviours of Oilpan's statistics.

use crate::settle::Settle;
use gc_core::{Gc, Heap, Root};

const BLOCK: u64 = 16 << 10;

// behaviour (Oilpan): statistics of an empty heap
// origin: HeapStatisticsCollectorTest: EmptyHeapBriefStatisitcs, EmptyHeapDetailedStatisitcs
#[test]
fn a_new_heap_is_empty() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.live_objects, stats.heap_bytes), (0, 0, 0));
    assert_eq!((stats.allocated_bytes, stats.freed_bytes, stats.cycles), (0, 0, 0));
    assert_eq!((stats.spans_in_use, stats.goal_bytes), (0, 1 << 20));
    heap.settle();
    assert_eq!((heap.stats().live_bytes, heap.stats().heap_bytes, heap.stats().cycles), (0, 0, 1));
}

// behaviour (Oilpan): statistics of a normal page, of a large one
// origin: HeapStatisticsCollectorTest: NonEmptyNormalPage, NonEmptyLargePage, ObjectSizeTraitTest,
//   GCHeapTest.ObjectPayloadSize
#[test]
fn one_small_and_one_large_object_are_counted() {
    let heap = Heap::new();
    let small: Root<[u64; 4]> = heap.mutate(|mc| Gc::root(Gc::new(mc, [1u64; 4]), mc));
    heap.settle();
    let one = heap.stats();
    assert_eq!((one.live_objects, one.live_bytes, one.spans_in_use), (1, 32, 1));
    let large: Root<[u64]> = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[2u64; 100_000]), mc));
    heap.settle();
    let two = heap.stats();
    assert_eq!((two.live_objects, two.heap_bytes), (2, two.spans_in_use * BLOCK));
    assert!((800_000..800_000 + BLOCK).contains(&(two.live_bytes - one.live_bytes)), "{two:?}");
    assert!(two.heap_bytes - one.heap_bytes >= 800_000);
    drop(large);
    heap.settle();
    let again = heap.stats();
    assert_eq!((again.live_objects, again.live_bytes, again.spans_in_use), (1, 32, 1));
    assert_eq!(heap.mutate(|mc| small.get(mc)[3]), 1);
}

// behaviour (Oilpan): sizes allocated, marked and freed add up over cycles
// origin: StatsCollectorTest: AllocatedObjectSize, AllocatedObjectSizeNoMarkedBytes,
//   AllocatedObjectSizeAllocateAfterMarking
#[test]
fn stats_follow_allocation_and_death() {
    let heap = Heap::builder().min_heap(64 << 20).build().unwrap();
    let mut kept: Vec<Root<[u64; 8]>> = Vec::new();
    for round in 1..=5u64 {
        heap.mutate(|mc| {
            (0..1000u64).for_each(|i| {
                let object = Gc::new(mc, [i; 8]);
                if i % 10 == 0 {
                    kept.push(Gc::root(object, mc));
                }
            });
        });
        heap.settle();
        let stats = heap.stats();
        assert_eq!((stats.allocated_objects, stats.freed_objects), (round * 1000, round * 900));
        assert_eq!((stats.live_objects, stats.live_bytes), (round * 100, round * 100 * 64));
        assert_eq!(stats.allocated_bytes - stats.freed_bytes, stats.live_bytes);
    }
}

// behaviour (Oilpan): the limit grows with the heap, and not below the least
// origin: HeapGrowingTest: ConstantGrowingFactor, SmallHeapGrowing, InitialHeapSize
#[test]
fn the_goal_follows_what_is_live() {
    let heap = Heap::builder().min_heap(1 << 20).gc_percent(100).build().unwrap();
    assert_eq!(heap.stats().goal_bytes, 1 << 20);
    let eight: Root<[u64]> =
        heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &vec![1u64; 1 << 20]), mc));
    heap.settle();
    let (live, goal) = (heap.stats().live_bytes, heap.stats().goal_bytes);
    assert!(goal >= 2 * live && goal <= 2 * live + live / 4, "goal {goal} for {live} live");
    drop(eight);
    heap.settle();
    heap.settle();
    assert_eq!(heap.stats().goal_bytes, 1 << 20, "never below the least heap");
}
