//! Behaviours of gc-arena's `tests/tests.rs`: allocation, weak pointers, drops, dynamic roots,
//! barriers, phases.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Gc, GcCell, GcRefCell, GcWeak, Heap, Root, Trace};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

// behaviour (gc-arena): a weak pointer upgrades while its target lives, and a cycle without a
//   request clears it
// origin: weak_allocation
// behaviour (boa_gc): a weak pointer upgrades until its target dies
// origin: weak: eph_weak_gc_test
#[test]
fn a_weak_pointer_follows_its_target_without_being_asked() {
    #[derive(Trace)]
    struct Both<'gc>(GcCell<'gc, Node<'gc>>, GcWeak<'gc, Node<'gc>>);
    let (heap, drops) = (Heap::builder().min_heap(256 << 10).build().unwrap(), Count::default());
    let root: Root<Both<'static>> = heap.mutate(|mc| {
        let target = node(mc, &drops, 42);
        let weak = Gc::downgrade(target, mc);
        assert!(weak.upgrade(mc).is_some());
        Gc::root(Gc::new(mc, Both(GcCell::new(Some(target)), weak)), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let both = root.get(mc);
        assert!(Gc::ptr_eq(both.1.upgrade(mc).unwrap(), both.0.get().unwrap()));
        both.0.set(mc, None);
    });
    // No thread asks for a cycle; garbage brings it about.
    wait_until(|| {
        heap.mutate(|mc| {
            (0..2000).for_each(|_| _ = Gc::new(mc, [0u64; 4]));
            let found = root.get(mc).1.upgrade(mc);
            assert!(found.is_none_or(|node| node.value == 42));
            found.is_none()
        })
    });
    wait_until(|| drops.get() == 1);
}

// behaviour (gc-arena): a slice of pointers keeps each, and frees each
// origin: dyn_sized_allocation
#[test]
fn a_slice_of_pointers_keeps_and_frees() {
    let (heap, drops) = (Heap::new(), Count::default());
    let slice: Root<[Ptr<'static>]> = heap.mutate(|mc| {
        Gc::root(Gc::from_iter_in(mc, (0..10u32).map(|i| node(mc, &drops, i.into()))), mc)
    });
    heap.settle();
    assert_eq!(drops.get(), 0);
    assert_eq!(heap.mutate(|mc| slice.get(mc).iter().map(|node| node.value).sum::<u64>()), 45);
    drop(slice);
    heap.settle();
    assert_eq!(drops.get(), 10);
}

// behaviour (gc-arena): random insertions and removals in a map leave exactly the map's values
//   alive
// origin: repeated_allocation_deallocation
#[test]
fn a_map_that_churns_keeps_exactly_its_values() {
    type Map<'gc> = GcRefCell<HashMap<u64, Ptr<'gc>>>;
    let (heap, drops) = (Heap::builder().min_heap(64 << 10).build().unwrap(), Count::default());
    let map: Root<Map<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcRefCell::new(HashMap::<u64, Ptr<'_>>::new())), mc));
    let (mut made, mut seed) = (0, 1u64);
    let mut key = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % 200
    };
    for round in 0..100 {
        heap.mutate(|mc| {
            let map = map.get(mc);
            let mut map = map.borrow_mut(mc);
            for _ in 0..20 {
                let new = key();
                made += 1;
                if let Some(old) = map.insert(new, node(mc, &drops, new)) {
                    assert_eq!(old.value, new);
                }
                let gone = key();
                assert!(map.remove(&gone).is_none_or(|old| old.value == gone));
            }
        });
        if round % 10 == 0 {
            heap.settle();
        }
    }
    heap.settle();
    let live = heap.mutate(|mc| map.get(mc).borrow().len());
    assert_eq!(drops.get() + live, made);
    assert!(live > 0);
}

// behaviour (gc-arena): everything unreachable is dropped by one cycle
// origin: all_garbage_collected
#[test]
fn clearing_a_vector_frees_what_it_held() {
    let (heap, drops) = (Heap::new(), Count::default());
    let vector: Root<GcRefCell<Vec<Ptr<'static>>>> = heap.mutate(|mc| {
        let all: Vec<_> = (0..100).map(|i| node(mc, &drops, i)).collect();
        Gc::root(Gc::new(mc, GcRefCell::new(all)), mc)
    });
    heap.settle();
    assert_eq!(drops.get(), 0);
    heap.mutate(|mc| vector.get(mc).borrow_mut(mc).clear());
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (100, 1));
}

// behaviour (gc-arena): sizes and alignments: content and address are right, also in `Drop`
// origin: test_layouts
// also: `api::odd_sizes_and_alignments`
#[test]
fn drop_sees_the_address_that_was_given() {
    let heap = Heap::new();
    macro_rules! layout {
        ($align:literal: $($size:literal)*) => {$({
            static DROPPED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
            #[derive(Trace)]
            #[repr(align($align))]
            struct Bytes([u8; $size]);
            impl Drop for Bytes {
                fn drop(&mut self) {
                    DROPPED.lock().unwrap().push(std::ptr::from_ref(self).addr());
                }
            }
            let content = std::array::from_fn(|i| i as u8);
            let at = heap.mutate(|mc| {
                let object = Gc::new(mc, Bytes(content));
                assert!(object.0 == content && Gc::as_ptr(object).addr().is_multiple_of($align));
                Gc::as_ptr(object).addr()
            });
            heap.settle();
            assert_eq!(*DROPPED.lock().unwrap(), [at], "{} bytes aligned to {}", $size, $align);
        })*};
    }
    layout!(1: 0 1 2 3 100 5000);
    layout!(2: 0 2 4 6);
    layout!(8: 0 8 16 4096);
    layout!(16: 0 16 48);
    layout!(64: 0 64 128 20_000);
    layout!(1024: 0 1024);
}

// behaviour (gc-arena): roots made at run time, copied, made again from their object, dropped in
//   any order
// origin: test_dynamic_roots
#[test]
fn dynamic_roots_of_several_types() {
    let (heap, drops) = (Heap::new(), Count::default());
    let (first, second): (Root<(u32, Canary)>, Root<Node<'static>>) = heap.mutate(|mc| {
        (Gc::root(Gc::new(mc, (12u32, drops.canary())), mc), Gc::root(node(mc, &drops, 13), mc))
    });
    heap.settle();
    let again: Root<Node<'static>> = heap.mutate(|mc| {
        assert_eq!((first.get(mc).0, second.get(mc).value), (12, 13));
        Gc::root(second.get(mc), mc)
    });
    let copies = (first.clone(), second.clone());
    drop((first, second));
    heap.settle();
    assert_eq!(drops.get(), 0, "the copies keep both");
    drop(copies);
    heap.settle();
    assert_eq!(drops.get(), 1, "the second has a root of its own");
    drop(again);
    heap.settle();
    assert_eq!(drops.get(), 2);
}

// behaviour (gc-arena): cells in fields and in structs in fields are written with the barrier
// origin: field_locks
#[test]
fn cells_in_nested_fields() {
    #[derive(Trace)]
    struct Inner<'gc> {
        back: GcCell<'gc, Outer<'gc>>,
    }
    #[derive(Trace)]
    struct Outer<'gc> {
        number: GcRefCell<Gc<'gc, u32>>,
        nested: (Inner<'gc>, u8),
    }
    let heap = Heap::new();
    let root: Root<Outer<'static>> = heap.mutate(|mc| {
        let nested = (Inner { back: GcCell::new(None) }, 1);
        Gc::root(Gc::new(mc, Outer { number: GcRefCell::new(Gc::new(mc, 10u32)), nested }), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let this = root.get(mc);
        assert!(**this.number.borrow() == 10 && this.nested.0.back.get().is_none());
        *this.number.borrow_mut(mc) = Gc::new(mc, 42);
        this.nested.0.back.set(mc, Some(this));
    });
    heap.settle();
    assert_eq!(heap.stats().live_objects, 2, "the old number is gone");
    heap.mutate(|mc| {
        let this = root.get(mc);
        assert_eq!(**this.number.borrow(), 42);
        assert!(Gc::ptr_eq(this.nested.0.back.get().unwrap(), this));
    });
}

// behaviour (gc-arena): no cycle starts below the threshold
// origin: gc_sleep_actually_sleeps
#[test]
fn a_small_heap_starts_no_cycle() {
    let heap = Heap::builder().min_heap(64 << 20).build().unwrap();
    for _ in 0..100 {
        heap.mutate(|mc| (0..100).for_each(|_| _ = Gc::new(mc, [0u64; 8])));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(heap.stats().cycles, 0);
    heap.settle();
    assert_eq!((heap.stats().cycles, heap.stats().freed_objects), (1, 10_000));
}

// behaviour (gc-arena): an upgrade after marking has begun brings the target back for this cycle;
//   stored, for good
// origin: basic_finalization
// behaviour (Go): an upgrade while marking is seen by the collector
// origin: TestIssue69210
#[test]
fn an_upgrade_while_marking_keeps_its_target_for_the_cycle() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    let weaks: Root<[GcWeak<'static, Node<'static>>]> = heap.mutate(|mc| {
        let weak = |value: u32| Gc::downgrade(node(mc, &drops, value.into()), mc);
        Gc::root(Gc::from_iter_in(mc, (0..3).map(weak)), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let weaks = weaks.get(mc);
            let (used, kept) = (weaks[0].upgrade(mc).unwrap(), weaks[1].upgrade(mc).unwrap());
            held.get(mc).front[0].set(mc, Some(kept));
            assert_eq!((used.value, kept.value), (0, 1));
        });
    });
    assert_eq!(drops.get(), 1, "the one that was not upgraded");
    heap.mutate(|mc| {
        let weaks = weaks.get(mc);
        assert!(weaks[0].upgrade(mc).is_some() && !weaks[1].is_dead() && weaks[2].is_dead());
    });
    heap.settle();
    assert_eq!(drops.get(), 2, "the one that was not stored");
    heap.mutate(|mc| {
        let weaks = weaks.get(mc);
        assert!(weaks[0].is_dead() && weaks[0].upgrade(mc).is_none());
        assert!(Gc::ptr_eq(weaks[1].upgrade(mc).unwrap(), held.get(mc).front[0].get().unwrap()));
    });
}

// behaviour (gc-arena): what only a dead object reaches is dead in the same cycle
// origin: transitive_death
// behaviour (Oilpan): a weak field does not
// origin: MemberHeapTest: WeakMemberDoesNotRetainObject, ConstWeakRefIsClearedOnGC
#[test]
fn what_only_the_dead_reach_dies_with_it() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (outer, weaks): (Root<Node<'static>>, Root<(Weak<'static>, Weak<'static>)>) =
        heap.mutate(|mc| {
            let inner = node(mc, &drops, 2);
            let outer = pair(mc, &drops, 1, Some(inner), None);
            let weaks = Gc::new(mc, (Gc::downgrade(outer, mc), Gc::downgrade(inner, mc)));
            (Gc::root(outer, mc), Gc::root(weaks, mc))
        });
    let alive = || heap.mutate(|mc| (!weaks.get(mc).0.is_dead(), !weaks.get(mc).1.is_dead()));
    heap.settle();
    assert_eq!((alive(), drops.get()), ((true, true), 0));
    drop(outer);
    heap.settle();
    assert_eq!((alive(), drops.get()), ((false, false), 2));
}

// behaviour (gc-arena): the phases follow each other, and none is left out
// origin: test_phases
// behaviour (Oilpan): phases can be asked for
// origin: GCHeapTest: IsMarking, IsSweeping, IsInAtomicPause, Epoch
#[test]
fn the_phases_come_in_order() {
    let (heap, _held, latch) = held();
    heap.settle();
    assert_eq!((mode(&heap).as_str(), heap.stats().cycles), ("Off", 1));
    // A thread inside `mutate` since before the cycle: the handshake waits for it, and marking has
    // not begun.
    std::thread::scope(|s| {
        heap.mutator().mutate(|_| {
            s.spawn(|| heap.settle());
            let seen = s.spawn(|| wait_until(|| mode(&heap) == "Prep"));
            seen.join().unwrap();
            std::thread::sleep(Duration::from_millis(5));
            s.spawn(|| assert_eq!(mode(&heap), "Prep")).join().unwrap();
        });
    });
    assert_eq!((mode(&heap).as_str(), heap.stats().cycles), ("Off", 2));
    latch.hold(&heap, || assert_eq!((mode(&heap).as_str(), heap.stats().cycles), ("Mark", 2)));
    let drops = Latch::default();
    heap.mutate(|mc| _ = Gc::new(mc, Stopper(drops.clone())));
    // No cycle waits for a destructor: neither the one that found the object nor the next.
    drops.hold(&heap, || {
        heap.collect().unwrap();
        assert_eq!((mode(&heap).as_str(), heap.stats().cycles), ("Off", 5));
        assert_eq!(heap.stats().undropped_objects, 1);
    });
    heap.settle();
    assert_eq!((heap.stats().cycles, heap.stats().undropped_objects), (6, 0));
}

// behaviour (gc-arena): a black object adopts a white one
// origin: barriers (forward, backward)
// behaviour (Oilpan): a store of one field into another
// origin: WriteBarrierTest.MemberReferenceAssignMember
#[test]
fn a_scanned_object_may_adopt_a_white_one() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    for round in 1..=3 {
        heap.mutate(|mc| {
            let held = held.get(mc);
            let tail = node(mc, &drops, round * 10 + 1);
            held.back[0].set(mc, Some(pair(mc, &drops, round * 10, Some(tail), None)));
            held.back_list.borrow_mut(mc).push(node(mc, &drops, round * 10 + 2));
        });
        latch.hold(&heap, || {
            heap.mutate(|mc| {
                let held = held.get(mc);
                let white = held.back[0].get().unwrap();
                held.front[0].set(mc, Some(white));
                held.back[0].set(mc, None);
                let white = held.back_list.borrow_mut(mc).pop().unwrap();
                held.front_list.borrow_mut(mc).push(white);
            });
        });
        // The pair of the round before was overwritten in this one, and is kept by it.
        heap.settle();
        assert_eq!(drops.get() as u64, (round - 1) * 2);
        heap.mutate(|mc| {
            let held = held.get(mc);
            let first = held.front[0].get().unwrap();
            assert_eq!(
                (first.value, first.next.get().unwrap().value),
                (round * 10, round * 10 + 1)
            );
            let list: Vec<u64> = held.front_list.borrow().iter().map(|node| node.value).collect();
            assert!(list.into_iter().eq((1..=round).map(|round| round * 10 + 2)));
        });
    }
}

// behaviour (gc-arena): a black object adopts a new one
// origin: barriers (forward, backward)
// behaviour (Oilpan): a field set after marking has begun
// origin: IncrementalMarkingTest: MemberIsMarkedAfterMarkingSteps,
//   MemberWithWriteBarrierIsMarkedAfterMarkingSteps
#[test]
fn an_object_born_while_marking_lives_through_the_cycle() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    let canaries = |n: usize| (0..n).map(|_| drops.canary());
    let roots: [Root<[Canary]>; 3] = latch.hold(&heap, || {
        heap.mutate(|mc| {
            held.get(mc).front[1].set(mc, Some(node(mc, &drops, 17)));
            // Nothing keeps these; they float until the next cycle.
            node(mc, &drops, 18);
            Gc::from_iter_in(mc, canaries(10_000));
            // Arrays of a size class, of a span of their own, and nearly that.
            [1, 300, 10_000].map(|n| Gc::root(Gc::from_iter_in(mc, canaries(n)), mc))
        })
    });
    assert_eq!(drops.get(), 0);
    heap.settle();
    assert_eq!(drops.get(), 10_001);
    heap.mutate(|mc| {
        assert_eq!(held.get(mc).front[1].get().unwrap().value, 17);
        assert_eq!(roots.each_ref().map(|root| root.get(mc).len()), [1, 300, 10_000]);
    });
}

// behaviour (gc-arena): a black object adopts a weak pointer, whose target dies nevertheless
// origin: barriers (weak)
#[test]
fn adopting_a_weak_pointer_keeps_nothing() {
    type Weaks<'gc> = GcRefCell<Vec<GcWeak<'gc, Node<'gc>>>>;
    let ((heap, held, latch), drops) = (held(), Count::default());
    let weaks: Root<Weaks<'static>> = heap.mutate(|mc| {
        held.get(mc).back[0].set(mc, Some(node(mc, &drops, 1)));
        let none = Vec::<GcWeak<'_, Node<'_>>>::new();
        Gc::root(Gc::new(mc, GcRefCell::new(none)), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let white = held.get(mc).back[0].take(mc).unwrap();
            let black = node(mc, &drops, 2);
            weaks
                .get(mc)
                .borrow_mut(mc)
                .extend([Gc::downgrade(white, mc), Gc::downgrade(black, mc)]);
        });
    });
    // Both were reachable or born while marking, and live for this cycle and no longer.
    assert_eq!(drops.get(), 0);
    let upgrades = || {
        heap.mutate(|mc| weaks.get(mc).borrow().iter().filter_map(|weak| weak.upgrade(mc)).count())
    };
    assert_eq!(upgrades(), 2);
    heap.settle();
    assert_eq!((drops.get(), upgrades()), (2, 0));
}

// behaviour (gc-arena): a slice with a header is one object, for all sizes and alignments of both
// origin: test_alloc_slice_with_header, test_slice_with_header_copy
// behaviour (gc-arena): header and elements are dropped
// origin: test_slice_with_header_drop
// behaviour (Oilpan): objects with additional bytes
// origin: GCHeapTest: AllocateWithAdditionalBytes, AllocatedSizeDependOnAdditionalBytes
#[test]
fn a_header_beside_a_slice_lives_and_dies_with_it() {
    #[derive(Trace)]
    struct WithHeader<'gc> {
        header: (u64, Canary),
        slice: Gc<'gc, [Canary]>,
    }
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<WithHeader<'static>> = heap.mutate(|mc| {
        let slice = Gc::from_iter_in(mc, (0..10).map(|_| drops.canary()));
        Gc::root(Gc::new(mc, WithHeader { header: (47, drops.canary()), slice }), mc)
    });
    heap.settle();
    assert_eq!(heap.mutate(|mc| (root.get(mc).header.0, root.get(mc).slice.len())), (47, 10));
    assert_eq!(drops.get(), 0);
    drop(root);
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (11, 0));
}
