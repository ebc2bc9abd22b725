//! What a program can read about the memory of its types: `Heap::classes`, and the refills in
//! `Heap::stats`.

#[path = "common/settle.rs"]
mod settle;

use gc_core::{ClassStats, Gc, GcCell, Heap, Root, Trace};
use settle::Settle;

#[derive(Trace)]
struct Small<'gc> {
    next: GcCell<'gc, Small<'gc>>,
    numbers: [u64; 2],
}

#[derive(Trace)]
struct Named(String);

fn find(heap: &Heap, name: &str, is_array: bool) -> ClassStats {
    let all = heap.classes();
    let mut found = all.iter().filter(|c| c.type_name.contains(name) && c.is_array == is_array);
    let class = *found.next().unwrap_or_else(|| panic!("no {name} in {all:?}"));
    assert!(found.next().is_none(), "{name} twice in {all:?}");
    class
}

/// `n` objects, of which every `each`th is kept.
fn fill(heap: &Heap, n: u64, each: u64) -> Vec<Root<Small<'static>>> {
    let mut kept = Vec::new();
    heap.mutate(|mc| {
        for i in 0..n {
            let small = Gc::new(mc, Small { next: GcCell::new(None), numbers: [i, i] });
            if i % each == 0 {
                kept.push(Gc::root(small, mc));
            }
        }
    });
    kept
}

#[test]
fn a_class_says_what_its_objects_fill() {
    let heap = Heap::new();
    assert!(heap.classes().is_empty(), "nothing was allocated");
    let kept = fill(&heap, 100_000, 100);
    let named = heap.mutate(|mc| Gc::root(Gc::new(mc, Named("a".into())), mc));
    let large = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[1u8; 100_000]), mc));
    heap.settle();
    let class = find(&heap, "Small", false);
    assert_eq!((class.slot_bytes, class.live_objects, class.live_bytes), (24, 1000, 24_000));
    // A hundred nodes lie between two that are kept, so every span holds a few.
    assert!(class.spans > 100 && class.span_bytes == class.spans * (16 << 10), "{class:?}");
    assert_eq!(class.waste_bytes(), class.span_bytes - 24_000);
    let other = find(&heap, "Named", false);
    assert_eq!((other.live_objects, other.spans, other.slot_bytes), (1, 1, 24));
    let leaf = heap.classes().into_iter().find(|c| c.slot_bytes == 0).expect("the large array");
    assert_eq!((leaf.live_objects, leaf.span_bytes, leaf.waste_bytes()), (1, 7 << 14, 0));
    let (sum, stats) = (heap.classes().iter().map(|c| c.span_bytes).sum::<u64>(), heap.stats());
    assert_eq!(sum, stats.heap_bytes);
    assert_eq!(heap.classes().iter().map(|c| c.live_objects).sum::<u64>(), stats.live_objects);
    drop((kept, named, large));
    heap.settle();
    let class = find(&heap, "Small", false);
    assert_eq!((class.live_objects, class.spans, class.waste_bytes()), (0, 0, 0));
}

#[test]
fn refills_say_whether_free_slots_are_of_use() {
    let heap = Heap::builder().min_heap(256 << 20).build().unwrap();
    let kept = fill(&heap, 100_000, 100);
    let first = find(&heap, "Small", false);
    assert_eq!(first.refills_reused, 0, "there was nothing to reuse");
    assert_eq!(first.refills_fresh, first.spans);
    heap.settle();
    // The holes take nearly as many again.
    drop(fill(&heap, 90_000, 100));
    let second = find(&heap, "Small", false);
    assert_eq!(second.refills_fresh, first.refills_fresh, "the holes were enough");
    assert!(second.refills_reused * 10 >= first.refills_fresh * 9, "{first:?}, then {second:?}");
    let stats = heap.stats();
    let all = heap.classes();
    assert_eq!(stats.refills_fresh, all.iter().map(|c| c.refills_fresh).sum::<u64>());
    assert_eq!(stats.refills_reused, all.iter().map(|c| c.refills_reused).sum::<u64>());
    drop(kept);
}

#[test]
fn arrays_have_classes_of_their_own() {
    let heap = Heap::new();
    let roots: Vec<Root<[Named]>> = (1..=3)
        .map(|n| {
            heap.mutate(|mc| {
                Gc::root(Gc::from_iter_in(mc, (0..n * 40).map(|_| Named("b".into()))), mc)
            })
        })
        .collect();
    let arrays: Vec<ClassStats> =
        heap.classes().into_iter().filter(|c| c.type_name.contains("Named")).collect();
    assert_eq!(arrays.len(), 3, "a class for each length: {arrays:?}");
    assert!(arrays.iter().all(|c| c.is_array && c.to_string().ends_with("Named]")), "{arrays:?}");
    heap.settle();
    assert_eq!(heap.stats().live_objects, 3);
    drop(roots);
}
