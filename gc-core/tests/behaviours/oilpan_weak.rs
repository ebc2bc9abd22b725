//! Behaviours of Oilpan's ephemerons and weak containers.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Ephemeron, Gc, GcWeakMap, Heap, Root};

type Pair<'gc> = Ephemeron<'gc, Node<'gc>, Node<'gc>>;

// behaviour (Oilpan): the key is found after the ephemeron
// origin: EphemeronPairTest.ValueNotMarkedBeforeKey
#[test]
fn a_key_comes_to_light_while_marking() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    // The first key is white behind the scan, the second one only weakly reachable, the third one
    // not at all.
    let pairs: Root<[Pair<'static>]> = heap.mutate(|mc| {
        let keys = [0, 1, 2].map(|i| node(mc, &drops, i));
        held.get(mc).back[0].set(mc, Some(keys[0]));
        let value =
            |key: Ptr<'_>| pair(mc, &drops, key.value + 10, Some(node(mc, &drops, 20)), None);
        Gc::root(Gc::from_iter_in(mc, keys.map(|key| Ephemeron::new(mc, key, value(key)))), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let (held, pairs) = (held.get(mc), pairs.get(mc));
            held.front[0].set(mc, held.back[0].take(mc));
            held.front[1].set(mc, pairs[1].key(mc));
        });
    });
    for cycle in 0..2 {
        heap.mutate(|mc| {
            let pairs = pairs.get(mc);
            for (i, pair) in pairs.iter().enumerate().take(2) {
                let value = pair.value(mc).unwrap();
                assert_eq!((value.value, value.next.get().unwrap().value), (i as u64 + 10, 20));
                assert!(Gc::ptr_eq(pair.key(mc).unwrap(), held.get(mc).front[i].get().unwrap()));
            }
            assert!(pairs[2].value(mc).is_none() && pairs[2].is_dead(), "cycle {cycle}");
        });
        assert_eq!(drops.get(), 3);
        heap.settle();
    }
}

// behaviour (Oilpan): a value is read while marking, and its ephemeron goes
// origin: EphemeronPairTest.ValueNotMarkedBeforeKey
#[test]
fn a_value_taken_while_marking_outlives_its_ephemeron() {
    let ((heap, held, latch), drops) = (held(), Count::default());
    let pair: Root<Pair<'static>> = heap.mutate(|mc| {
        let key = node(mc, &drops, 1);
        held.get(mc).back[0].set(mc, Some(key));
        Gc::root(Gc::new(mc, Ephemeron::new(mc, key, node(mc, &drops, 2))), mc)
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let held = held.get(mc);
            held.front[0].set(mc, pair.get(mc).value(mc));
            held.back[0].set(mc, None);
        });
        drop(pair);
    });
    heap.settle();
    assert_eq!(drops.get(), 1, "the key");
    assert_eq!(heap.mutate(|mc| held.get(mc).front[0].get().unwrap().value), 2);
}

// behaviour (Oilpan): ephemerons of mixins
// origin: EphemeronPairTest: EphemeronPairWithMixinKey, EphemeronPairWithEmptyMixinValue
#[test]
fn an_ephemeron_of_unsized_objects() {
    type Unsized<'gc> = Ephemeron<'gc, str, [Canary]>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (key, pair): (Root<str>, Root<Unsized<'static>>) = heap.mutate(|mc| {
        let key = Gc::from_str(mc, "key");
        let value = Gc::from_iter_in(mc, (0..5000).map(|_| drops.canary()));
        (Gc::root(key, mc), Gc::root(Gc::new(mc, Ephemeron::new(mc, key, value)), mc))
    });
    heap.settle();
    heap.mutate(|mc| {
        let pair = pair.get(mc);
        assert_eq!((&*pair.key(mc).unwrap(), pair.value(mc).unwrap().len()), ("key", 5000));
    });
    assert_eq!(drops.get(), 0);
    drop(key);
    heap.settle();
    assert!(drops.get() == 5000 && heap.mutate(|mc| pair.get(mc).value(mc).is_none()));
}

// behaviour (Oilpan): a weak container changes while the collector marks
// origin: WeakContainerTest.TraceableGCedTraced, ConcurrentMarkingTest
#[test]
fn a_weak_map_changes_while_marking() {
    type Map<'gc> = GcWeakMap<'gc, Node<'gc>, Node<'gc>>;
    let ((heap, held, latch), drops) = (held(), Count::default());
    let map: Root<Map<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcWeakMap::<Node<'_>, Node<'_>>::new()), mc));
    heap.mutate(|mc| {
        let (held, map) = (held.get(mc), map.get(mc));
        for i in 0..200 {
            let key = node(mc, &drops, i);
            held.back_list.borrow_mut(mc).push(key);
            map.insert(mc, key, node(mc, &drops, 1000 + i));
        }
    });
    latch.hold(&heap, || {
        heap.mutate(|mc| {
            let (held, map) = (held.get(mc), map.get(mc));
            let keys = std::mem::take(&mut *held.back_list.borrow_mut(mc));
            for key in keys {
                // The values change places: each is taken out and becomes the value of another key.
                let value = map.remove(mc, key).unwrap();
                let new = pair(mc, &drops, 2000 + key.value, Some(key), None);
                assert!(map.insert(mc, new, value).is_none());
                held.front_list.borrow_mut(mc).push(new);
            }
        });
    });
    heap.settle();
    heap.mutate(|mc| {
        let (held, map) = (held.get(mc), map.get(mc));
        for (key, i) in held.front_list.borrow().iter().zip(0..) {
            assert_eq!((key.value, key.next.get().unwrap().value), (2000 + i, i));
            assert_eq!(map.get(mc, *key).unwrap().value, 1000 + i);
        }
        map.purge(mc);
        assert_eq!(map.len(), 200);
        held.front_list.borrow_mut(mc).clear();
    });
    assert_eq!(drops.get(), 0);
    heap.settle();
    heap.mutate(|mc| map.get(mc).purge(mc));
    assert!(drops.get() == 600 && heap.mutate(|mc| map.get(mc).is_empty()));
}
