//! Slices without bytes: empty ones, and slices of values without a size, at each alignment and at
//! the ends of `usize`. Also identities of dead objects.

#![forbid(unsafe_code)]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{Ephemeron, Gc, GcCell, GcWeak, GcWeakMap, Heap, Root, Trace, unsize};
use settle::Settle;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A type with a pointer and a type with drop glue, aligned so.
macro_rules! aligned {
    ($($name:ident $droppy:ident $nothing:ident $align:literal),*) => {
        $(
            #[derive(Trace, Clone, Copy)]
            #[repr(align($align))]
            struct $name<'gc>(Gc<'gc, u64>);
            #[derive(Trace)]
            #[repr(align($align))]
            struct $droppy(String);
            #[derive(Trace, Clone, Copy)]
            #[repr(align($align))]
            struct $nothing<'gc>(PhantomData<&'gc ()>);
        )*
        #[test]
        fn slices_of_each_alignment() {
            let heap = Heap::new();
            let mut kept = Vec::new();
            $(heap.mutate(|mc| {
                let seven = Gc::new(mc, 7u64);
                // Several, so that one is the last slot of a span.
                for len in (0..4).cycle().take(2000 / $align + 200) {
                    let traced = Gc::from_iter_in(mc, (0..len).map(|_| $name(seven)));
                    let copied = Gc::from_slice(mc, &vec![$name(seven); len]);
                    let dropped = Gc::from_iter_in(mc, (0..len).map(|i| $droppy(i.to_string())));
                    let nothing = Gc::from_slice(mc, &vec![$nothing(PhantomData); len]);
                    let lens = [traced.len(), copied.len(), dropped.len(), nothing.len()];
                    assert_eq!(lens, [len; 4]);
                    for at in [
                        Gc::as_ptr(traced).addr(),
                        Gc::as_ptr(copied).addr(),
                        Gc::as_ptr(dropped).addr(),
                        Gc::as_ptr(nothing).addr(),
                        Gc::as_ptr(Gc::new(mc, $nothing(PhantomData))).addr(),
                    ] {
                        assert!(at.is_multiple_of($align), "{at:#x}");
                    }
                    let weak = Gc::downgrade(traced, mc);
                    assert!(GcWeak::ptr_eq(weak, Gc::downgrade(traced, mc)));
                    let other = Gc::downgrade(copied, mc);
                    assert!(!GcWeak::ptr_eq(weak, other), "two objects at one address");
                    let roots = (Gc::root(traced, mc), Gc::root(dropped, mc));
                    kept.push(Box::new(roots) as Box<dyn std::any::Any>);
                }
            });)*
            heap.settle();
            heap.mutate(|mc| { $(_ = Gc::from_slice(mc, &[] as &[$name]);)* });
            heap.settle();
            drop(kept);
            heap.settle();
            assert_eq!(heap.stats().live_objects, 0);
        }
    };
}

trait Any {}
impl<T> Any for T {}

aligned!(
    A1 D1 N1 1, A8 D8 N8 8, A16 D16 N16 16, A32 D32 N32 32, A64 D64 N64 64, A256 D256 N256 256,
    A1024 D1024 N1024 1024, A2048 D2048 N2048 2048, A4096 D4096 N4096 4096
);

#[test]
fn as_many_values_without_a_size_as_can_be_counted() {
    #[derive(Trace, Clone, Copy)]
    struct Nothing<'gc>(PhantomData<&'gc ()>);
    #[derive(Trace)]
    struct Nested<'gc> {
        array: Box<[Nothing<'gc>; usize::MAX]>,
        list: Vec<Nothing<'gc>>,
        next: GcCell<'gc, Nested<'gc>>,
    }
    let heap = Heap::new();
    let roots = heap.mutate(|mc| {
        let all = Gc::from_slice(mc, &[Nothing(PhantomData); usize::MAX]);
        let (array, mut list) = (Box::new([Nothing(PhantomData); usize::MAX]), Vec::new());
        list.resize(1000, Nothing(PhantomData));
        let nested = Gc::new(mc, Nested { array, list, next: GcCell::default() });
        nested.next.set(mc, Some(nested));
        let root: (Root<[Nothing<'static>]>, Root<Nested<'static>>) =
            (Gc::root(all, mc), Gc::root(nested, mc));
        root
    });
    heap.settle();
    heap.mutate(|mc| {
        assert_eq!(roots.0.get(mc).len(), usize::MAX);
        assert_eq!((roots.1.get(mc).array.len(), roots.1.get(mc).list.len()), (usize::MAX, 1000));
    });
}

#[test]
fn lengths_that_overflow_are_refused() {
    /// An iterator that announces more items than it yields.
    struct Many<F>(usize, F);
    impl<T, F: Fn() -> T> Iterator for Many<F> {
        type Item = T;
        fn next(&mut self) -> Option<T> {
            unreachable!("nothing was allocated to put it into");
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.0, Some(self.0))
        }
    }
    impl<T, F: Fn() -> T> ExactSizeIterator for Many<F> {}
    let heap = Heap::new();
    heap.mutate(|mc| {
        for len in [usize::MAX, usize::MAX / 2 + 1, usize::MAX / 8, usize::MAX / 24 + 1, 1 << 60] {
            assert!(Gc::try_from_iter_in(mc, Many(len, String::new)).is_err(), "{len}");
            assert!(Gc::try_from_iter_in(mc, Many(len, || 1u64)).is_err(), "{len}");
            assert!(Gc::try_from_iter_in(mc, Many(len, || Gc::new(mc, 1u8))).is_err(), "{len}");
        }
        let error = Gc::try_from_iter_in(mc, Many(usize::MAX, || 1u8)).unwrap_err();
        assert!(error.requested >= usize::MAX - 16 && error.limit < usize::MAX, "{error}");
    });
}

#[test]
fn values_without_a_size_and_with_a_destructor_are_dropped_once_each() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Trace)]
    #[repr(align(64))]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.fetch_add(1, SeqCst);
        }
    }
    let heap = Heap::new();
    heap.mutate(|mc| {
        for len in 0..50 {
            assert_eq!(Gc::from_iter_in(mc, (0..len).map(|_| Nothing)).len(), len);
        }
    });
    heap.settle();
    assert_eq!(DROPS.load(SeqCst), 49 * 25);
}

/// The slots of many dead objects are reused; no new object is taken for a dead one.
#[test]
fn a_dead_weak_pointer_is_not_to_the_new_object_in_its_slot() {
    let heap = Heap::new();
    type Weaks = Vec<GcWeak<'static, u64>>;
    let (dead, _live): (Root<Weaks>, Vec<Root<u64>>) = heap.mutate(|mc| {
        let objects: Vec<_> = (0..4000u64).map(|i| Gc::new(mc, i)).collect();
        let weaks: Vec<_> = objects.iter().map(|&gc| Gc::downgrade(gc, mc)).collect();
        let live = objects.iter().step_by(2).map(|&gc| Gc::root(gc, mc)).collect();
        (mc.root(weaks), live)
    });
    heap.settle();
    heap.mutate(|mc| {
        let weaks = dead.get(mc);
        let addresses: std::collections::HashMap<String, usize> =
            weaks.iter().enumerate().map(|(i, weak)| (format!("{weak:?}"), i)).collect();
        let mut reused = 0;
        for i in 0..10_000 {
            let new = Gc::downgrade(Gc::new(mc, i), mc);
            if let Some(&old) = addresses.get(&format!("{new:?}").replace(')', ", dead)")) {
                reused += 1;
                let old = weaks[old];
                assert!(old.is_dead() && !GcWeak::ptr_eq(old, new) && !GcWeak::ptr_eq(new, old));
                assert!(old.upgrade(mc).is_none() && new.upgrade(mc).is_some());
            }
        }
        assert!(reused > 0, "no slot was reused, so nothing was tested");
        for (i, &weak) in weaks.iter().enumerate() {
            let copy = weak;
            assert!(GcWeak::ptr_eq(weak, copy));
            match weak.upgrade(mc) {
                Some(gc) => {
                    assert_eq!(i % 2, 0);
                    assert!(GcWeak::ptr_eq(weak, Gc::downgrade(gc, mc)));
                }
                None => assert!(i % 2 == 1 && !GcWeak::ptr_eq(weak, weaks[i - 1])),
            }
        }
    });
}

/// Objects that have one address, one after the other. One dies in each cycle, and each has two
/// weak pointers.
#[test]
fn dead_weak_pointers_are_equal_by_the_object_that_they_were_to() {
    let heap = Heap::new();
    let mut all: Vec<Root<[GcWeak<'static, [u64; 3]>; 2]>> = Vec::new();
    for _ in 0..8 {
        heap.mutate(|mc| {
            for i in 0..200u64 {
                let object = Gc::new(mc, [i; 3]);
                all.push(mc.root([Gc::downgrade(object, mc), Gc::downgrade(object, mc)]));
            }
        });
        heap.settle();
    }
    heap.mutate(|mc| {
        let place = |weak: &GcWeak<'_, _>| format!("{weak:?}");
        let all: Vec<_> = all.iter().map(|root| *root.get(mc)).collect();
        let mut at_one_place = 0;
        for (i, [a, b]) in all.iter().enumerate() {
            assert!(a.is_dead() && GcWeak::ptr_eq(*a, *b));
            for [other, _] in &all[..i] {
                at_one_place += usize::from(place(a) == place(other));
                assert!(!GcWeak::ptr_eq(*a, *other) && !GcWeak::ptr_eq(*other, *b));
            }
        }
        assert!(at_one_place > 0, "no slot was reused, so nothing was tested");
    });
}

/// A weak map and an ephemeron whose key's slot has another object in it.
#[test]
fn a_dead_key_is_not_the_new_object_in_its_slot() {
    let heap = Heap::new();
    let map: Root<GcWeakMap<'static, u64, u64>> =
        heap.mutate(|mc| mc.root(GcWeakMap::<u64, u64>::new()));
    let pairs: Root<Vec<Ephemeron<'static, u64, u64>>> = heap.mutate(|mc| {
        let mut pairs = Vec::new();
        for i in 0..3000 {
            let (key, value) = (Gc::new(mc, i), Gc::new(mc, i));
            map.get(mc).insert(mc, key, value);
            pairs.push(Ephemeron::new(mc, key, value));
        }
        mc.root(pairs)
    });
    heap.settle();
    heap.mutate(|mc| {
        for i in 0..6000 {
            let new = Gc::new(mc, i);
            assert!(map.get(mc).get(mc, new).is_none());
            if i % 2 == 0 {
                assert!(map.get(mc).remove(mc, new).is_none());
            } else {
                assert!(map.get(mc).insert(mc, new, new).is_none());
                assert!(Gc::ptr_eq(map.get(mc).get(mc, new).unwrap(), new));
            }
        }
        assert!(
            pairs.get(mc).iter().all(|pair| pair.key(mc).is_none() && pair.value(mc).is_none())
        );
    });
}

#[test]
fn trait_objects_of_nothing_have_identities() {
    #[derive(Trace)]
    #[repr(align(32))]
    struct Nothing;
    Heap::new().mutate(|mc| {
        let all: Vec<Gc<dyn Any>> =
            (0..300).map(|_| unsize!(Gc::new(mc, Nothing) => dyn Any)).collect();
        for pair in all.windows(2) {
            assert!(!Gc::ptr_eq(pair[0], pair[1]));
            let weaks = [Gc::downgrade(pair[0], mc), Gc::downgrade(pair[1], mc)];
            assert!(!GcWeak::ptr_eq(weaks[0], weaks[1]));
            assert!(GcWeak::ptr_eq(weaks[0], Gc::downgrade(pair[0], mc)));
        }
    });
}
