//! Erased pointers: the types that they lead back to, and those that they do not.

#![forbid(unsafe_code)]
#![deny(warnings)]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    Branded, Ephemeron, Erased, Gc, GcAny, GcCell, GcRefCell, GcWeak, GcWeakMap, Heap, Managed,
    Mutation, Root, Trace, rootable_dyn, unsize,
};
use settle::Settle;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}
impl Node<'_> {
    fn new<'gc>(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Node<'gc>> {
        Gc::new(mc, Node { next: GcCell::new(None), value })
    }
}

/// The same layout as `Node`, the same edges, another type.
#[derive(Trace)]
struct Twin<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    _value: u64,
}

#[derive(Trace)]
#[repr(transparent)]
struct Wrapper<T>(T);

#[derive(Trace)]
struct Unit;

#[derive(Trace)]
struct OtherUnit;

#[derive(Trace)]
#[repr(align(64))]
struct Wide([u8; 64]);

/// Types of the same name, as in two versions of a crate.
mod first {
    #[derive(gc_core::Trace)]
    pub(crate) struct Named(pub(crate) String);
}
mod second {
    #[derive(gc_core::Trace)]
    pub(crate) struct Named(pub(crate) String);
}

#[test]
fn an_erased_pointer_is_one_word_and_goes_everywhere() {
    fn is_one_word<T: Copy + Send + Sync + Eq + std::hash::Hash + std::fmt::Debug>() -> bool {
        size_of::<T>() == size_of::<usize>() && size_of::<Option<T>>() == size_of::<usize>()
    }
    fn managed<T: Managed>() {}
    assert!(is_one_word::<GcAny<'_>>());
    managed::<GcAny<'static>>();
    managed::<HashMap<GcAny<'static>, Vec<GcAny<'static>>>>();
}

#[test]
fn downcast_leads_back_to_the_type_and_to_no_other() {
    Heap::new().mutate(|mc| {
        let node = Node::new(mc, 7);
        let any = Gc::erase(node);
        assert!(Gc::ptr_eq(any.downcast::<Node<'_>>(mc).unwrap(), node));
        assert!(any.downcast::<Twin<'_>>(mc).is_none(), "one layout, two types");
        assert!(!any.is::<Wrapper<Node<'_>>>(mc), "a wrapper is another type");
        assert!(!any.is::<GcCell<'_, Node<'_>>>(mc), "its first field is another type");
        assert!(!any.is::<Gc<'_, Node<'_>>>(mc), "a pointer to it is another type");
        assert!(!any.is::<[Node<'_>; 1]>(mc), "an array of one is another type");
        assert!(!any.is::<u64>(mc) && !any.is::<()>(mc));

        let (one, other) = (first::Named("one".into()), second::Named("other".into()));
        let (one, other) = (Gc::erase(Gc::new(mc, one)), Gc::erase(Gc::new(mc, other)));
        assert!(one.is::<first::Named>(mc) && !one.is::<second::Named>(mc));
        assert_eq!(other.downcast::<second::Named>(mc).unwrap().0, "other");
        assert_eq!(one.downcast::<first::Named>(mc).unwrap().0, "one");
        assert!(other.downcast::<first::Named>(mc).is_none());
    });
}

/// A generic type is a different type for each argument.
#[test]
fn the_arguments_of_a_generic_type_are_part_of_it() {
    Heap::new().mutate(|mc| {
        let node = Node::new(mc, 1);
        let (strong, weak) = (Wrapper(node), Wrapper(Gc::downgrade(node, mc)));
        let any = [Gc::erase(Gc::new(mc, strong)), Gc::erase(Gc::new(mc, weak))];
        assert_eq!(any.map(|any| any.is::<Wrapper<Gc<'_, Node<'_>>>>(mc)), [true, false]);
        assert_eq!(any.map(|any| any.is::<Wrapper<GcWeak<'_, Node<'_>>>>(mc)), [false, true]);
        assert_eq!(any.map(|any| any.is::<Wrapper<Gc<'_, Twin<'_>>>>(mc)), [false; 2]);
        let list = Gc::erase(Gc::new(mc, GcRefCell::new(vec![any[0]])));
        assert!(list.is::<GcRefCell<Vec<GcAny<'_>>>>(mc) && !list.is::<GcRefCell<Vec<u8>>>(mc));
    });
}

#[test]
fn leaf_data_has_spans_of_its_type() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let (int, float, unit) =
            (GcAny::new(mc, 5u64), GcAny::new(mc, 5.0f64), GcAny::new(mc, Unit));
        assert!(int.is::<u64>(mc) && !int.is::<i64>(mc) && !int.is::<f64>(mc));
        assert_eq!(float.downcast::<f64>(mc).map(|float| *float), Some(5.0));
        assert!(unit.is::<Unit>(mc) && !unit.is::<OtherUnit>(mc) && !unit.is::<()>(mc));
        assert!(GcAny::new(mc, ()).is::<()>(mc) && !GcAny::new(mc, OtherUnit).is::<Unit>(mc));
        assert_ne!(GcAny::new(mc, Unit), unit, "objects without a size have an address");
        // Over-aligned leaf data has spans of its own anyway.
        let wide = Gc::new(mc, Wide([9; 64]));
        assert!(Gc::erase(wide).is::<Wide>(mc) && GcAny::new(mc, Wide([1; 64])).is::<Wide>(mc));
        // For types that are no leaf, `new` is `Gc::new`.
        let node = GcAny::new(mc, Node { next: GcCell::new(None), value: 1 });
        assert_eq!(node.downcast::<Node<'_>>(mc).unwrap().value, 1);
    });
    let names: Vec<_> = heap.classes().iter().map(|class| class.type_name).collect();
    assert_eq!(names.iter().filter(|name| **name == "u64").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("any::Node")).count(), 1, "{names:?}");
}

#[test]
fn objects_of_every_size_are_found() {
    fn check<const N: usize>(mc: &Mutation<'_>) {
        let plain = GcAny::new(mc, [N as u8; N]);
        assert_eq!(*plain.downcast::<[u8; N]>(mc).unwrap(), [N as u8; N]);
        let strings = Gc::erase(Gc::new(mc, ([0u8; N], String::from("kept"))));
        let back = strings.downcast::<([u8; N], String)>(mc).unwrap();
        assert_eq!((back.0.len(), &*back.1), (N, "kept"));
        assert!(!plain.is::<([u8; N], String)>(mc) && !strings.is::<[u8; N]>(mc));
    }
    fn all() {
        let heap = Heap::new();
        let root: Root<Erased> = heap.mutate(|mc| {
            check::<0>(mc);
            check::<1>(mc);
            check::<17>(mc);
            check::<1000>(mc);
            check::<5000>(mc);
            check::<40_000>(mc);
            check::<300_000>(mc);
            GcAny::new(mc, [1u16; 300_000]).root(mc)
        });
        heap.settle();
        heap.mutate(|mc| {
            let huge = GcAny::from(root.get(mc)).downcast::<[u16; 300_000]>(mc).unwrap();
            assert_eq!(huge.iter().map(|n| u64::from(*n)).sum::<u64>(), 300_000);
        });
    }
    // Values of this size pass over the stack several times in a debug build.
    std::thread::Builder::new().stack_size(64 << 20).spawn(all).unwrap().join().unwrap();
}

/// A value that lies in memory before: another type's span is there now.
#[test]
fn a_span_that_another_type_takes_over_knows_that_type() {
    let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build().unwrap();
    let mut places = HashSet::new();
    let mut seen_again = 0;
    for round in 0..20 {
        let root: Root<GcRefCell<Vec<GcAny<'static>>>> = heap.mutate(|mc| {
            let fill = |_| match round % 3 {
                0 => Gc::erase(Node::new(mc, round)),
                1 => GcAny::new(mc, [round; 2]),
                _ => Gc::erase(Gc::new(mc, Twin { next: GcCell::new(None), _value: round })),
            };
            Gc::root(Gc::new(mc, GcRefCell::new((0..4000).map(fill).collect::<Vec<_>>())), mc)
        });
        heap.mutate(|mc| {
            for any in root.get(mc).borrow().iter() {
                let kinds =
                    [any.is::<Node<'_>>(mc), any.is::<[u64; 2]>(mc), any.is::<Twin<'_>>(mc)];
                let mut expected = [false; 3];
                expected[round as usize % 3] = true;
                assert_eq!(kinds, expected, "round {round}");
                seen_again += u32::from(!places.insert((any.as_ptr().addr(), round % 3)));
            }
        });
        drop(root);
        heap.settle();
    }
    let addresses: HashSet<_> = places.iter().map(|(address, _)| address).collect();
    assert!(addresses.len() < places.len(), "two types have lain at one address");
    assert!(seen_again > 0);
}

#[derive(Trace)]
struct Canary(Arc<AtomicU64>);
impl Drop for Canary {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn an_erased_pointer_keeps_its_object_and_what_that_holds() {
    let (heap, drops) = (Heap::new(), Arc::new(AtomicU64::new(0)));
    let canary = || Canary(drops.clone());
    let (list, alone): (Root<GcRefCell<Vec<GcAny<'static>>>>, Root<Erased>) = heap.mutate(|mc| {
        let list = Gc::new(mc, GcRefCell::new(Vec::new()));
        for _ in 0..100 {
            list.borrow_mut(mc).push(Gc::erase(Gc::new(mc, Wrapper(Gc::new(mc, canary())))));
        }
        // A cycle through an erased pointer.
        list.borrow_mut(mc).push(Gc::erase(list));
        (Gc::root(list, mc), GcAny::new(mc, canary()).root(mc))
    });
    heap.settle();
    assert_eq!(drops.load(SeqCst), 0);
    heap.mutate(|mc| {
        let first = list.get(mc).borrow()[0];
        let first = first.downcast::<Wrapper<Gc<'_, Canary>>>(mc).unwrap();
        assert_eq!(first.0.0.load(SeqCst), 0);
    });
    drop(list);
    heap.settle();
    assert_eq!(drops.load(SeqCst), 100);
    drop(alone);
    heap.settle();
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (101, 0));
}

/// `Gc<Erased>` in a cell, weakly, as a key, in an ephemeron.
#[test]
fn cells_and_weak_pointers_take_erased_objects() {
    #[derive(Trace)]
    struct Holder<'gc> {
        cell: GcCell<'gc, Erased>,
        weak: GcRefCell<Vec<GcWeak<'gc, Erased>>>,
        map: GcWeakMap<'gc, Erased, Erased>,
    }
    let heap = Heap::new();
    let root: Root<Holder<'static>> = heap.mutate(|mc| {
        let holder = Holder {
            cell: GcCell::new(None),
            weak: GcRefCell::new(Vec::new()),
            map: GcWeakMap::new(),
        };
        Gc::root(Gc::new(mc, holder), mc)
    });
    let pair: Root<Ephemeron<'static, Erased, Erased>> = heap.mutate(|mc| {
        let holder = root.get(mc);
        let (kept, lost) = (GcAny::new(mc, 1u32).as_gc(), GcAny::new(mc, 2u32).as_gc());
        holder.cell.set(mc, Some(kept));
        for any in [kept, lost] {
            holder.weak.borrow_mut(mc).push(Gc::downgrade(any, mc));
            holder.map.insert(mc, any, GcAny::new(mc, "value").as_gc());
        }
        Gc::root(Gc::new(mc, Ephemeron::new(mc, kept, GcAny::new(mc, 'v').as_gc())), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let holder = root.get(mc);
        let kept = GcAny::from(holder.cell.get().unwrap());
        assert_eq!(*kept.downcast::<u32>(mc).unwrap(), 1);
        let weak: Vec<_> = holder.weak.borrow().iter().map(|weak| weak.upgrade(mc)).collect();
        assert!(weak[1].is_none() && weak[0].is_some_and(|gc| GcAny::from(gc) == kept));
        let value = holder.map.get(mc, kept.as_gc()).map(GcAny::from).unwrap();
        assert_eq!(*value.downcast::<&'static str>(mc).unwrap(), "value");
        assert_eq!(holder.map.entries(mc).len(), 1);
        let value = pair.get(mc).value(mc).map(GcAny::from).unwrap();
        assert_eq!(*value.downcast::<char>(mc).unwrap(), 'v');
    });
}

#[test]
fn equality_and_hash_are_those_of_the_address() {
    Heap::new().mutate(|mc| {
        let (a, b) = (GcAny::new(mc, 1), GcAny::new(mc, 1));
        let copy = a;
        assert!(a == copy && a != b);
        let state = RandomState::new();
        assert_eq!(state.hash_one(a), state.hash_one(copy));
        let map = HashMap::from([(a, 'a'), (b, 'b')]);
        assert_eq!((map[&copy], map[&b], map.len()), ('a', 'b', 2));
        assert_eq!(a.as_ptr(), Gc::as_ptr(a.as_gc()).cast());
    });
}

#[test]
fn debug_prints_the_name_and_the_address() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let any = GcAny::new(mc, 5u16);
        let expected = format!("GcAny(u16 at {:p})", any.as_ptr());
        assert_eq!(
            (format!("{any:?}"), format!("{any:p}")),
            (expected.clone(), format!("{:p}", any.as_ptr()))
        );
        assert_eq!(format!("{:?}", any.as_gc()), expected);
        assert_eq!(any.type_name(mc), "u16");
        assert!(Gc::erase(Node::new(mc, 1)).type_name(mc).starts_with("any::Node"));
        // A thread that has never used the heap does not know its types.
        std::thread::scope(|s| {
            let text = s.spawn(move || format!("{any:?}")).join().unwrap();
            assert_eq!(text, format!("GcAny({:p})", any.as_ptr()));
        });
        // Inside another heap's `mutate`.
        Heap::new().mutate(|inner| {
            let here = GcAny::new(inner, 1u8);
            assert_eq!(
                format!("{any:?} {here:?}"),
                format!("{expected} GcAny(u8 at {:p})", here.as_ptr())
            );
        });
    });
}

#[test]
#[should_panic(expected = "another heap")]
fn a_root_of_another_heap_is_refused() {
    let (one, other) = (Heap::new(), Heap::new());
    let root: Root<Erased> = one.mutate(|mc| GcAny::new(mc, 1u8).root(mc));
    other.mutate(|mc| _ = GcAny::from(root.get(mc)).downcast::<u8>(mc));
}

/// From a branded value to an erased one and back, generically.
#[test]
fn a_generic_function_needs_one_bound() {
    fn round<'gc, T: Branded<'gc> + Send + Sync + 'gc>(mc: &Mutation<'gc>, value: T) -> Gc<'gc, T> {
        GcAny::new(mc, value).downcast(mc).expect("it was made as a T")
    }
    Heap::new().mutate(|mc| {
        assert_eq!(*round(mc, 5u8), 5);
        assert_eq!(round(mc, Node { next: GcCell::new(None), value: 6 }).value, 6);
        assert_eq!(round(mc, vec![Gc::from_str(mc, "x")])[0].len(), 1);
    });
}

/// A trait object that is erased through an object that holds it.
#[test]
fn a_trait_object_is_erased_in_an_object() {
    trait Speak<'gc>: Send + Sync {
        fn speak(&self) -> u64;
    }
    rootable_dyn!(Speak<'gc>);
    impl<'gc> Speak<'gc> for Node<'gc> {
        fn speak(&self) -> u64 {
            self.value
        }
    }
    Heap::new().mutate(|mc| {
        let speaker = unsize!(Node::new(mc, 8) => dyn Speak<'_> + '_);
        let any = Gc::erase(Gc::new(mc, Wrapper(speaker)));
        let back = any.downcast::<Wrapper<Gc<'_, dyn Speak<'_> + '_>>>(mc).unwrap();
        assert_eq!(back.0.speak(), 8);
        let text = Gc::erase(Gc::new(mc, Wrapper(Gc::from_str(mc, "text"))));
        assert_eq!(&*text.downcast::<Wrapper<Gc<'_, str>>>(mc).unwrap().0, "text");
    });
}

/// Many threads, each with values of every kind, while the collector runs.
#[test]
fn threads_erase_and_look_up_while_the_collector_runs() {
    let heap = Heap::builder().min_heap(64 << 10).build().unwrap();
    let shared: Root<GcRefCell<Vec<GcAny<'static>>>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcRefCell::new(Vec::<GcAny<'_>>::new())), mc));
    std::thread::scope(|s| {
        for thread in 0..3u64 {
            let (heap, shared) = (&heap, &shared);
            s.spawn(move || {
                for i in 0u64.. {
                    // On a busy machine the collector may come late.
                    if i >= 3000 && heap.stats().cycles >= 2 {
                        break;
                    }
                    heap.mutate(|mc| {
                        let any = match i % 4 {
                            0 => GcAny::new(mc, thread),
                            1 => GcAny::new(mc, [thread; 3]),
                            2 => Gc::erase(Node::new(mc, thread)),
                            _ => GcAny::new(mc, Wrapper(GcAny::new(mc, thread))),
                        };
                        let list = shared.get(mc);
                        let Some(mut list) = list.try_borrow_mut(mc) else { return };
                        if list.len() > 500 {
                            list.clear();
                        }
                        list.push(any);
                        for any in list.iter().rev().take(5) {
                            let value = any.downcast::<u64>(mc).map(|n| *n);
                            let array = any.downcast::<[u64; 3]>(mc).map(|a| a[2]);
                            let node = any.downcast::<Node<'_>>(mc).map(|node| node.value);
                            let inner = any.downcast::<Wrapper<GcAny<'_>>>(mc);
                            let inner = inner.and_then(|w| w.0.downcast::<u64>(mc)).map(|n| *n);
                            let found = [value, array, node, inner];
                            assert_eq!(found.iter().flatten().count(), 1, "{found:?}");
                            assert!(found.iter().flatten().all(|n| *n < 3));
                        }
                    });
                }
            });
        }
    });
}
