//! Behaviours of boa_gc's tests: counted allocation, cells, trait objects in chains, weak pointers,
//! ephemerons, weak maps.

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{
    Ephemeron, Gc, GcRefCell, GcWeak, GcWeakMap, Heap, Root, Trace, rootable_dyn, unsize,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

// behaviour (boa_gc): a cell of a number through a collection, counted
// origin: allocation: gc_basic_cell_allocation
#[test]
fn a_cell_of_a_number_survives() {
    let heap = Heap::new();
    let cell: Root<GcRefCell<u16>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcRefCell::new(16u16)), mc));
    heap.settle();
    let stats = heap.stats();
    assert_eq!((stats.cycles, stats.live_objects), (1, 1));
    assert!(stats.live_bytes >= size_of::<GcRefCell<u16>>() as u64);
    heap.mutate(|mc| {
        let cell = cell.get(mc);
        assert_eq!(*cell.borrow_mut(mc), 16);
        *cell.borrow_mut(mc) += 1;
    });
    heap.settle();
    assert_eq!(heap.mutate(|mc| *cell.get(mc).borrow()), 17);
}

// behaviour (boa_gc): a heap is empty after its last object
// origin: allocation: gc_basic_pointer_alloc
#[test]
fn a_heap_is_empty_again() {
    let heap = Heap::new();
    let root: Root<u8> = heap.mutate(|mc| Gc::root(Gc::new(mc, 16u8), mc));
    heap.settle();
    assert_eq!((heap.stats().live_objects, heap.mutate(|mc| *root.get(mc))), (1, 16));
    assert!(heap.stats().live_bytes > 0);
    drop(root);
    heap.settle();
    let stats = heap.stats();
    assert_eq!((stats.cycles, stats.live_objects, stats.live_bytes), (2, 0, 0));
    assert_eq!(stats.allocated_bytes, stats.freed_bytes);
}

// behaviour (boa_gc): more borrows than the flag has room for
// origin: cell: boa_borrow_mut_test
#[test]
fn a_cell_is_borrowed_to_the_last_count() {
    let (heap, drops) = (Heap::new(), Count::default());
    heap.mutate(|mc| {
        let list = Gc::new(mc, GcRefCell::new(Vec::new()));
        for i in 0..300 {
            list.borrow_mut(mc).push(Gc::new(mc, GcRefCell::new(node(mc, &drops, i))));
        }
        // More than a byte counts; and where the count ends, a borrow is refused and nothing is
        // disturbed.
        let guards: Vec<_> = std::iter::from_fn(|| list.try_borrow()).take(100_000).collect();
        assert_eq!(guards.len(), 65_535);
        assert!(guards.iter().all(|guard| guard.len() == 300));
        assert!(list.try_borrow_mut(mc).is_none());
        let one_more = catch_unwind(AssertUnwindSafe(|| drop(list.borrow()))).unwrap_err();
        let said = one_more.downcast_ref::<String>().map(String::as_str);
        let said = said.or(one_more.downcast_ref::<&str>().copied()).unwrap();
        assert!(said.contains("65,535 shared borrows"), "{said}");
        drop(guards);
        assert!(list.try_borrow_mut(mc).is_some() && list.try_borrow().is_some());
    });
    heap.settle();
    assert_eq!(drops.get(), 300);
}

// behaviour (boa_gc): a list whose links have forgotten their types
// origin: erased: nested_erased_gc
#[test]
fn a_list_of_trait_objects() {
    trait Item<'gc>: Send + Sync {
        fn value(&self) -> u64;
        fn next(&self) -> Option<Gc<'gc, dyn Item<'gc> + 'gc>>;
    }
    rootable_dyn!(Item<'gc>);
    #[derive(Trace)]
    struct Small<'gc>(u64, Option<Gc<'gc, dyn Item<'gc> + 'gc>>);
    #[derive(Trace)]
    struct Big<'gc>([u64; 20], Option<Gc<'gc, dyn Item<'gc> + 'gc>>, Canary);
    impl<'gc> Item<'gc> for Small<'gc> {
        fn value(&self) -> u64 {
            self.0
        }
        fn next(&self) -> Option<Gc<'gc, dyn Item<'gc> + 'gc>> {
            self.1
        }
    }
    impl<'gc> Item<'gc> for Big<'gc> {
        fn value(&self) -> u64 {
            self.0[19]
        }
        fn next(&self) -> Option<Gc<'gc, dyn Item<'gc> + 'gc>> {
            self.1
        }
    }
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<dyn Item<'static>> = heap.mutate(|mc| {
        let mut head: Option<Gc<'_, dyn Item<'_> + '_>> = None;
        for i in 0..100u64 {
            head = Some(if i % 2 == 0 {
                unsize!(Gc::new(mc, Small(i, head)) => dyn Item<'_> + '_)
            } else {
                unsize!(Gc::new(mc, Big([i; 20], head, drops.canary())) => dyn Item<'_> + '_)
            });
        }
        Gc::root(head.unwrap(), mc)
    });
    for _ in 0..2 {
        heap.settle();
        assert_eq!((heap.stats().live_objects, drops.get()), (100, 0));
        heap.mutate(|mc| {
            let mut at = Some(root.get(mc));
            for i in (0..100).rev() {
                let item = at.unwrap();
                assert_eq!(item.value(), i);
                at = item.next();
            }
            assert!(at.is_none());
        });
    }
    drop(root);
    heap.settle();
    assert_eq!((heap.stats().live_objects, drops.get()), (0, 50));
}

// behaviour (boa_gc): an upgraded pointer does not need the weak one
// origin: weak: eph_basic_upgrade_test
// behaviour (Oilpan): a weak pointer is locked into a strong one
// origin: PersistentTest.Lock
#[test]
fn an_upgraded_pointer_needs_no_weak_one() {
    let (heap, drops) = (Heap::new(), Count::default());
    let weak: Root<GcWeak<'static, Node<'static>>> = heap.mutate(|mc| {
        let target = node(mc, &drops, 3);
        Gc::root(Gc::new(mc, Gc::downgrade(target, mc)), mc)
    });
    let strong: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(weak.get(mc).upgrade(mc).unwrap(), mc));
    drop(weak);
    heap.settle();
    assert_eq!((drops.get(), heap.mutate(|mc| strong.get(mc).value)), (0, 3));
    assert_eq!(heap.stats().live_objects, 1, "the weak pointer and its box are gone");
}

// behaviour (boa_gc): copies of a weak pointer say the same
// origin: weak: eph_basic_clone_test
// behaviour (Go): a weak pointer before and after its target's death
// origin: TestPointer
#[test]
fn copies_of_a_weak_pointer_agree() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (strong, first, second): (Root<Node<'static>>, Root<Weak<'static>>, Root<Weak<'static>>) =
        heap.mutate(|mc| {
            let target = node(mc, &drops, 4);
            let weak = Gc::downgrade(target, mc);
            (Gc::root(target, mc), Gc::root(Gc::new(mc, weak), mc), Gc::root(Gc::new(mc, weak), mc))
        });
    drop(first);
    heap.settle();
    heap.mutate(|mc| {
        let up = second.get(mc).upgrade(mc).unwrap();
        assert!(Gc::ptr_eq(up, strong.get(mc)) && up.value == 4);
    });
    drop(strong);
    heap.settle();
    assert!(heap.mutate(|mc| second.get(mc).upgrade(mc).is_none()));
    assert_eq!(drops.get(), 1);
}

// behaviour (boa_gc): a weak pointer to an object with a weak pointer
// origin: weak: eph_allocation_chains
#[test]
fn a_weak_pointer_to_a_weak_pointer() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    type Outer<'gc> = GcWeak<'gc, Weak<'gc>>;
    let (heap, drops) = (Heap::new(), Count::default());
    let (target, inner, outer): (Root<Node<'static>>, Root<Weak<'static>>, Root<Outer<'static>>) =
        heap.mutate(|mc| {
            let target = node(mc, &drops, 5);
            let inner = Gc::new(mc, Gc::downgrade(target, mc));
            (
                Gc::root(target, mc),
                Gc::root(inner, mc),
                Gc::root(Gc::new(mc, Gc::downgrade(inner, mc)), mc),
            )
        });
    let seen =
        || heap.mutate(|mc| outer.get(mc).upgrade(mc).map(|inner| inner.upgrade(mc).is_some()));
    heap.settle();
    assert_eq!(seen(), Some(true));
    drop(target);
    heap.settle();
    assert_eq!((seen(), drops.get()), (Some(false), 1));
    drop(inner);
    heap.settle();
    assert_eq!(seen(), None);
}

type Pair<'gc> = Ephemeron<'gc, Node<'gc>, Node<'gc>>;

// behaviour (boa_gc): an ephemeron's value lives as long as its key, and is finalized after it
// origin: weak: eph_ephemeron_test, eph_basic_alloc_dump_test, eph_finalizer, eph_gc_finalizer
// behaviour (Oilpan): an ephemeron's value is marked if its key is, and else not
// origin: EphemeronPairTest: ValueMarkedWhenKeyIsMarked, ValueNotMarkedWhenKeyIsNotMarked,
//   TraceEphemeronDispatch, EphemeronPairGCTest.EphemeronPairValueIsCleared
#[test]
fn an_ephemeron_follows_its_key() {
    let (heap, drops) = (Heap::new(), Count::default());
    let (key, pair): (Root<Node<'static>>, Root<Pair<'static>>) = heap.mutate(|mc| {
        let (key, value) = (node(mc, &drops, 3), node(mc, &drops, 4));
        (Gc::root(key, mc), Gc::root(Gc::new(mc, Ephemeron::new(mc, key, value)), mc))
    });
    let copy = key.clone();
    let seen = || {
        heap.mutate(|mc| {
            let pair = pair.get(mc);
            (pair.key(mc).map(|key| key.value), pair.value(mc).map(|value| value.value))
        })
    };
    assert_eq!(seen(), (Some(3), Some(4)));
    drop(key);
    heap.settle();
    assert_eq!((seen(), drops.get()), ((Some(3), Some(4)), 0));
    drop(copy);
    heap.settle();
    assert_eq!((seen(), drops.get()), ((None, None), 2));
    assert!(heap.mutate(|mc| pair.get(mc).is_dead()));
}

// behaviour (boa_gc): an ephemeron whose key is itself a weak pointer
// origin: weak: eph_allocation_chains
#[test]
fn an_ephemeron_whose_key_is_a_weak_pointer() {
    type Weak<'gc> = GcWeak<'gc, Node<'gc>>;
    type Chain<'gc> = Ephemeron<'gc, Weak<'gc>, Node<'gc>>;
    type Roots = (Root<Node<'static>>, Root<Weak<'static>>, Root<Chain<'static>>);
    let (heap, drops) = (Heap::new(), Count::default());
    let (target, weak, pair): Roots = heap.mutate(|mc| {
        let target = node(mc, &drops, 1);
        let weak = Gc::new(mc, Gc::downgrade(target, mc));
        let pair = Ephemeron::new(mc, weak, node(mc, &drops, 3));
        (Gc::root(target, mc), Gc::root(weak, mc), Gc::root(Gc::new(mc, pair), mc))
    });
    let value = || heap.mutate(|mc| pair.get(mc).value(mc).map(|value| value.value));
    heap.settle();
    assert_eq!(value(), Some(3));
    drop(target);
    heap.settle();
    assert!(heap.mutate(|mc| weak.get(mc).is_dead()));
    assert_eq!((value(), drops.get()), (Some(3), 1), "the weak pointer is there, dead or not");
    drop(weak);
    heap.settle();
    assert_eq!((value(), drops.get()), (None, 2));
}

// behaviour (boa_gc): an ephemeron in its own key, whose value leads back to the key
// origin: weak: eph_self_referential
#[test]
fn an_ephemeron_held_by_its_own_key() {
    /// Holds the ephemeron of which it is the key; the value leads back to it.
    #[derive(Trace)]
    struct Key<'gc>(GcRefCell<Option<Ephemeron<'gc, Key<'gc>, Back<'gc>>>>, Canary);
    #[derive(Trace)]
    struct Back<'gc>(Gc<'gc, Key<'gc>>, Canary);
    let (heap, drops) = (Heap::new(), Count::default());
    let root: Root<Key<'static>> = heap.mutate(|mc| {
        let key = Gc::new(mc, Key(GcRefCell::new(None), drops.canary()));
        let pair = Ephemeron::new(mc, key, Gc::new(mc, Back(key, drops.canary())));
        *key.0.borrow_mut(mc) = Some(pair);
        Gc::root(key, mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let key = root.get(mc);
        let pair = key.0.borrow().unwrap();
        assert!(Gc::ptr_eq(pair.value(mc).unwrap().0, key));
    });
    assert_eq!((drops.get(), heap.stats().live_objects), (0, 3));
    heap.mutate(|mc| *root.get(mc).0.borrow_mut(mc) = None);
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (1, 1));
    // And once more, to die with the key although the value leads there.
    heap.mutate(|mc| {
        let key = root.get(mc);
        let pair = Ephemeron::new(mc, key, Gc::new(mc, Back(key, drops.canary())));
        *key.0.borrow_mut(mc) = Some(pair);
    });
    drop(root);
    heap.settle();
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (3, 0));
}

/// The value of an ephemeron, with others in it.
#[derive(Trace)]
struct Link<'gc> {
    next: GcRefCell<Vec<Ephemeron<'gc, Node<'gc>, Link<'gc>>>>,
    own: GcRefCell<Vec<Gc<'gc, Link<'gc>>>>,
    canary: Canary,
}

// behaviour (boa_gc): ephemerons of one key in a ring through their values
// origin: weak: eph_self_referential_chain, eph_strong_self_reference
#[test]
fn ephemerons_in_a_ring_die_with_the_key_they_watch() {
    let (heap, drops, keys) = (Heap::new(), Count::default(), Count::default());
    let (watched, root): (Root<Node<'static>>, Root<Link<'static>>) = heap.mutate(|mc| {
        let link = || {
            let (next, own) = Default::default();
            Gc::new(mc, Link { next, own, canary: drops.canary() })
        };
        let (root, one, two) = (link(), link(), link());
        let watched = node(mc, &keys, 1);
        one.next.borrow_mut(mc).push(Ephemeron::new(mc, watched, two));
        two.next.borrow_mut(mc).push(Ephemeron::new(mc, watched, one));
        root.next.borrow_mut(mc).push(Ephemeron::new(mc, watched, one));
        // One holds itself, strongly and twice.
        one.own.borrow_mut(mc).extend([one, one]);
        (Gc::root(watched, mc), Gc::root(root, mc))
    });
    heap.settle();
    heap.mutate(|mc| {
        let one = root.get(mc).next.borrow()[0].value(mc).unwrap();
        let two = one.next.borrow()[0].value(mc).unwrap();
        assert!(Gc::ptr_eq(two.next.borrow()[0].value(mc).unwrap(), one));
    });
    assert_eq!((drops.get(), keys.get()), (0, 0));
    drop(watched);
    heap.settle();
    assert_eq!((drops.get(), keys.get()), (2, 1));
    assert!(heap.mutate(|mc| root.get(mc).next.borrow()[0].value(mc).is_none()));
    drop(root);
    heap.settle();
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (3, 0));
}

// behaviour (boa_gc): a chain of ephemerons, each value the next key
// origin: weak: eph_allocation_chains, MarkerTest.MarkerProcessesAllEphemeronPairs of Oilpan
#[test]
fn a_chain_of_ephemerons_lives_by_its_first_key() {
    let (heap, drops) = (Heap::builder().markers(2).build().unwrap(), Count::default());
    let n = 50;
    for backwards in [false, true] {
        let (first, pairs): (Root<Node<'static>>, Root<[Pair<'static>]>) = heap.mutate(|mc| {
            let nodes: Vec<Ptr<'_>> = (0..=n).map(|i| node(mc, &drops, i)).collect();
            let mut links: Vec<_> = nodes.windows(2).map(|pair| (pair[0], pair[1])).collect();
            if backwards {
                links.reverse();
            }
            let pairs: Vec<Pair<'_>> =
                links.into_iter().map(|(key, value)| Ephemeron::new(mc, key, value)).collect();
            (Gc::root(nodes[0], mc), Gc::root(Gc::from_iter_in(mc, pairs), mc))
        });
        let before = drops.get();
        heap.settle();
        heap.mutate(|mc| {
            let sum: u64 =
                pairs.get(mc).iter().map(|pair| pair.value(mc).map_or(1000, |v| v.value)).sum();
            assert_eq!(sum, n * (n + 1) / 2);
        });
        assert_eq!(drops.get(), before);
        drop(first);
        heap.settle();
        assert_eq!(drops.get() - before, n as usize + 1);
        assert!(heap.mutate(|mc| pairs.get(mc).iter().all(|pair| pair.is_dead())));
    }
}

type Map<'gc> = GcWeakMap<'gc, Node<'gc>, Node<'gc>>;

/// A map in a heap.
fn map(heap: &Heap) -> Root<Map<'static>> {
    heap.mutate(|mc| Gc::root(Gc::new(mc, GcWeakMap::<Node<'_>, Node<'_>>::new()), mc))
}

// behaviour (boa_gc): a weak map loses the entries of dead keys
// origin: weak_map: weak_map_basic
// behaviour (Oilpan): a weak container keeps its own memory and clears dead entries
// origin: WeakContainerTest: PreciseGCTracesWeakContainerWhenTraced,
//   WeakContainerWeakCallbackCalled
#[test]
fn a_weak_map_forgets_its_dead_keys() {
    let (heap, drops) = (Heap::new(), Count::default());
    let map = map(&heap);
    let mut keys: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
        let map = map.get(mc);
        assert!(map.is_empty());
        let insert = |i| {
            let key = node(mc, &drops, i);
            // The value leads to its key.
            let value = pair(mc, &drops, i + 10, Some(key), None);
            assert!(map.insert(mc, key, value).is_none());
            Gc::root(key, mc)
        };
        (0..3).map(insert).collect()
    });
    while !keys.is_empty() {
        heap.settle();
        heap.mutate(|mc| {
            let map = map.get(mc);
            map.purge(mc);
            assert_eq!(map.len(), keys.len());
            for key in &keys {
                let key = key.get(mc);
                let value = map.get(mc, key).unwrap();
                assert!(
                    value.value == key.value + 10 && Gc::ptr_eq(value.next.get().unwrap(), key)
                );
            }
        });
        assert_eq!(drops.get(), (3 - keys.len()) * 2);
        keys.remove(0);
    }
    heap.settle();
    heap.mutate(|mc| map.get(mc).purge(mc));
    assert!(heap.mutate(|mc| map.get(mc).is_empty() && map.get(mc).entries(mc).is_empty()));
    drop(map);
    heap.settle();
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (6, 0));
}

// behaviour (boa_gc): maps with keys of their own and in common
// origin: weak_map: weak_map_multiple
#[test]
fn two_weak_maps_keep_apart() {
    let (heap, drops) = (Heap::new(), Count::default());
    let (one, two) = (map(&heap), map(&heap));
    let keys: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
        let key = |i| node(mc, &drops, i);
        let keys = [key(1), key(2), key(3)];
        one.get(mc).insert(mc, keys[0], node(mc, &drops, 11));
        one.get(mc).insert(mc, keys[1], node(mc, &drops, 12));
        two.get(mc).insert(mc, keys[2], node(mc, &drops, 13));
        // A key of both, with a value in each.
        two.get(mc).insert(mc, keys[1], node(mc, &drops, 22));
        keys.into_iter().map(|key| Gc::root(key, mc)).collect()
    });
    heap.settle();
    let found = |map: &Root<Map<'static>>| -> Vec<Option<u64>> {
        heap.mutate(|mc| {
            let value = |key: &Root<Node<'static>>| map.get(mc).get(mc, key.get(mc));
            keys.iter().map(|key| value(key).map(|value| value.value)).collect()
        })
    };
    assert_eq!(found(&one), [Some(11), Some(12), None]);
    assert_eq!(found(&two), [None, Some(22), Some(13)]);
    drop(one);
    heap.settle();
    heap.settle();
    assert_eq!((found(&two), drops.get()), (vec![None, Some(22), Some(13)], 2));
}

// behaviour (boa_gc): a key is found by any pointer, and removed
// origin: weak_map: weak_map_key_live
#[test]
fn a_weak_map_knows_a_key_by_any_pointer_to_it() {
    let (heap, drops) = (Heap::new(), Count::default());
    let map = map(&heap);
    let (key, copy): (Root<Node<'static>>, Root<Node<'static>>) = heap.mutate(|mc| {
        let key = node(mc, &drops, 1);
        (Gc::root(key, mc), Gc::root(key, mc))
    });
    heap.mutate(|mc| {
        let (map, key, copy) = (map.get(mc), key.get(mc), copy.get(mc));
        assert!(map.insert(mc, key, node(mc, &drops, 2)).is_none());
        assert_eq!(map.get(mc, copy).unwrap().value, 2);
        assert_eq!(map.insert(mc, copy, node(mc, &drops, 3)).unwrap().value, 2);
        assert_eq!(map.remove(mc, key).unwrap().value, 3);
        assert!(map.remove(mc, copy).is_none() && map.get(mc, key).is_none());
        map.insert(mc, key, node(mc, &drops, 4));
    });
    drop(key);
    heap.settle();
    assert_eq!(heap.mutate(|mc| map.get(mc).get(mc, copy.get(mc)).unwrap().value), 4);
    heap.settle();
    assert_eq!(drops.get(), 2, "the values that were replaced and removed");
}
