//! `#[derive(Trace)]`: what it finds out about a type. Objects of each shape keep what they hold.

#![forbid(unsafe_code)]
#![allow(dead_code, reason = "most types here only have to compile")]

#[path = "common/settle.rs"]
mod settle;

use gc_core::__private::{Branded, Managed};
use gc_core::{Gc, GcCell, Heap, Root, Trace};
use settle::Settle;
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A leaf of another crate that does not know ours.
struct Foreign(u64);

#[derive(Trace)]
struct Unit;

#[derive(Trace)]
struct Empty {}

#[derive(Trace)]
enum Never {}

#[derive(Trace)]
struct Leaf {
    r#type: u64,
    name: String,
    #[trace(skip)]
    foreign: Foreign,
}

#[derive(Trace)]
struct Tuple<'gc>(Gc<'gc, u64>, u8);

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

#[derive(Trace)]
enum Shape<'a> {
    Nothing,
    Pair(Gc<'a, Canary>, Gc<'a, Canary>),
    Named {
        left: Option<Gc<'a, Canary>>,
        #[trace(skip)]
        _foreign: Foreign,
        right: Vec<Gc<'a, Canary>>,
    },
}

#[derive(Trace)]
struct Wrapper<T = u8> {
    value: T,
}

#[derive(Trace)]
struct Array<T, const N: usize>([T; N]);

#[derive(Trace)]
struct Entry<'gc, K, V> {
    key: K,
    value: V,
    next: GcCell<'gc, Entry<'gc, K, V>>,
}

/// Bounds on the type have to hold for each brand.
#[derive(Trace)]
struct Sorted<'gc, K: Ord + Clone, V>
where
    V: PartialEq<K> + 'gc,
    Option<V>: PartialEq,
{
    map: BTreeMap<K, V>,
    next: GcCell<'gc, Unit>,
}

#[derive(Trace)]
struct Demanding<'gc, T: Trace<'gc>>(T, PhantomData<&'gc ()>);

#[derive(Trace)]
struct Owned<T: 'static>(T);

/// `Gc` has no bound on its target, so this type needs none either.
#[derive(Trace)]
#[trace(bound = "")]
struct Link<'gc, T: ?Sized> {
    to: Gc<'gc, T>,
}

#[derive(Trace)]
struct UnsizedDefault<'gc, T: ?Sized>(Gc<'gc, T>);

#[derive(Trace)]
#[trace(bound = "I: Trace<'gc>, <I as Iterator>::Item: Trace<'gc>")]
struct Peeked<I: Iterator> {
    iter: I,
    next: Option<I::Item>,
}

/// Recursive types, which must not ask for their own `NEEDS_TRACE`.
#[derive(Trace)]
enum List {
    Nil,
    Cons(u64, Box<List>),
}

#[derive(Trace)]
struct Mutual1(Vec<Mutual2>);

#[derive(Trace)]
struct Mutual2(Option<Box<Mutual1>>);

#[derive(Trace)]
enum Tree<T> {
    Leaf,
    Node(Box<Self>, T, Box<Tree<T>>),
}

#[derive(Trace)]
struct Expr<'gc>(Vec<Stmt<'gc>>);

#[derive(Trace)]
struct Stmt<'gc>(Option<Box<Expr<'gc>>>, Gc<'gc, u64>);

/// `'gc` is in use for something else.
#[derive(Trace)]
struct Callback<T> {
    #[trace(skip)]
    call: for<'gc> fn(&'gc u8) -> &'gc u8,
    value: T,
}

/// A condition that is higher-ranked already.
#[derive(Trace)]
struct Named<T>
where
    T: for<'a> PartialEq<&'a str> + Clone,
    for<'a> &'a T: Sized,
{
    name: T,
}

/// A last field that may be unsized.
#[derive(Trace)]
struct Tail<T: ?Sized> {
    head: u8,
    tail: T,
}

#[derive(Trace)]
enum Choice<T> {
    One(T, u8),
    Two {
        many: Vec<T>,
        #[trace(skip)]
        foreign: Foreign,
    },
    Three,
}

/// The crate under another name.
mod facade {
    pub(crate) use ::gc_core as heap;
}

#[derive(Trace)]
#[trace(crate = "facade::heap")]
struct Renamed<'gc>(Gc<'gc, u64>);

macro_rules! renamed {
    ($($name:ident $krate:path),*) => {$(
        #[derive(Trace)]
        #[trace(crate = $krate)]
        struct $name<'gc>(Gc<'gc, u64>);
    )*};
}
renamed!(RenamedByPath crate::facade::heap, RenamedFromTheRoot ::gc_core);

/// Names that the derive uses, or might.
mod names {
    use super::{Gc, Trace};

    struct Tracer;
    struct MoveDropToAFieldWithoutPointers;
    fn __gc_tracer() {}
    trait Edges {
        fn edges<T: ?Sized>(&self, _: &T) {}
        fn __leaf<T: ?Sized>(&self, _: &T) {}
    }
    impl<T> Edges for T {}

    macro_rules! holder {
        ($lifetime:lifetime, $name:ident $field:ident $ty:ty) => {
            #[derive(Trace)]
            pub(super) struct $name<$lifetime> {
                pub(super) $field: $ty,
            }
        };
    }
    holder!('gc, Holder tracer Gc<'gc, super::Canary>);
}

/// A leaf that counts its drops. It may have a `Drop` since it cannot hold a `Gc`.
#[derive(Trace)]
struct Canary(Arc<AtomicUsize>);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn needs<T: Trace<'static> + ?Sized>() -> bool {
    T::NEEDS_TRACE
}

// behaviour (gc-arena): the derive knows whether a type needs tracing, with its attributes and
//   bounds
// origin: derive_collect, static_collect_with_param
// also: `derive::families_are_written`
#[test]
fn needs_trace_is_known() {
    assert!(!needs::<Unit>() && !needs::<Empty>() && !needs::<Never>() && !needs::<Leaf>());
    assert!(!needs::<Canary>() && !needs::<List>() && !needs::<Mutual1>());
    assert!(!needs::<Wrapper>() && !needs::<Array<String, 3>>() && !needs::<Owned<u8>>());
    assert!(!needs::<Callback<u8>>());
    assert!(needs::<Tuple<'static>>() && needs::<Node<'static>>() && needs::<Shape<'static>>());
    assert!(needs::<Wrapper<Tuple<'static>>>() && needs::<Array<Gc<'static, u8>, 3>>());
    assert!(needs::<Entry<'static, u8, u8>>() && needs::<Stmt<'static>>());
    assert!(needs::<Link<'static, str>>() && needs::<Tree<Gc<'static, u8>>>());
    assert!(needs::<Callback<Gc<'static, u8>>>());
    assert!(!needs::<Choice<u8>>() && needs::<Choice<Gc<'static, u8>>>());
    assert!(!needs::<Named<String>>() && !needs::<Tail<u8>>() && needs::<Renamed<'static>>());
    assert!(needs::<RenamedByPath<'static>>() && needs::<RenamedFromTheRoot<'static>>());
    assert!(!needs::<Tail<[u8]>>() && needs::<Tail<[Gc<'static, u8>]>>());
}

/// `S` and `A` name each other at one brand.
fn family<'gc, S: Managed<At<'gc> = A>, A: Branded<'gc, Static = S>>(_: &'gc ()) {}

// behaviour (rust-gc): generic types with bounds derive
// origin: derive_bounds
// also: `derive::generic_nodes_form_rings`
#[test]
fn families_are_written() {
    fn at_a_brand<'g>(brand: &'g ()) {
        family::<Unit, Unit>(brand);
        family::<Never, Never>(brand);
        family::<Leaf, Leaf>(brand);
        family::<List, List>(brand);
        family::<Tuple<'static>, Tuple<'g>>(brand);
        family::<Node<'static>, Node<'g>>(brand);
        family::<Shape<'static>, Shape<'g>>(brand);
        family::<Stmt<'static>, Stmt<'g>>(brand);
        family::<Wrapper, Wrapper>(brand);
        family::<Wrapper<Tuple<'static>>, Wrapper<Tuple<'g>>>(brand);
        family::<Array<Tuple<'static>, 3>, Array<Tuple<'g>, 3>>(brand);
        family::<Sorted<'static, u8, u8>, Sorted<'g, u8, u8>>(brand);
        family::<Demanding<'static, Tuple<'static>>, Demanding<'g, Tuple<'g>>>(brand);
        family::<Owned<String>, Owned<String>>(brand);
        family::<Link<'static, str>, Link<'g, str>>(brand);
        family::<Link<'static, [Tuple<'static>]>, Link<'g, [Tuple<'g>]>>(brand);
        family::<UnsizedDefault<'static, [u8]>, UnsizedDefault<'g, [u8]>>(brand);
        family::<Peeked<Range<u8>>, Peeked<Range<u8>>>(brand);
        family::<Tree<Gc<'static, u8>>, Tree<Gc<'g, u8>>>(brand);
        family::<Named<String>, Named<String>>(brand);
        family::<Tail<Gc<'static, u8>>, Tail<Gc<'g, u8>>>(brand);
        family::<Choice<Gc<'static, u8>>, Choice<Gc<'g, u8>>>(brand);
        family::<Renamed<'static>, Renamed<'g>>(brand);
        family::<
            Entry<'static, String, HashMap<u8, Tuple<'static>>>,
            Entry<'g, String, HashMap<u8, Tuple<'g>>>,
        >(brand);
    }
    at_a_brand(&());
}

/// Each shape keeps its canaries alive while a root holds it, and no longer.
#[test]
fn every_shape_keeps_what_it_holds() {
    let heap = Heap::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let canary = || Canary(dropped.clone());

    let roots = heap.mutate(|mc| {
        let new = || Gc::new(mc, canary());
        let pair = Gc::new(mc, Shape::Pair(new(), new()));
        let named =
            Shape::Named { left: Some(new()), _foreign: Foreign(1), right: vec![new(), new()] };
        let named = Gc::new(mc, named);
        let wrapper = Gc::new(mc, Wrapper { value: (1u8, Some(new())) });
        let array = Gc::new(mc, Array([new(), new()]));
        let tree = Tree::Node(Box::new(Tree::Leaf), new(), Box::new(Tree::Leaf));
        let tree = Gc::new(mc, Tree::Node(Box::new(tree), new(), Box::new(Tree::Leaf)));
        let link = Gc::new(mc, Link { to: new() });
        let choice = [
            Gc::new(mc, Choice::One(new(), 1)),
            Gc::new(mc, Choice::Two { many: vec![new()], foreign: Foreign(2) }),
        ];
        let holder = Gc::new(mc, names::Holder { tracer: new() });
        (
            [Gc::root(pair, mc), Gc::root(named, mc)],
            Gc::root(wrapper, mc),
            Gc::root(array, mc),
            Gc::root(tree, mc),
            Gc::root(link, mc),
            choice.map(|choice| Gc::root(choice, mc)),
            Gc::root(holder, mc),
        )
    });
    heap.settle();
    assert_eq!(dropped.load(SeqCst), 0);

    heap.mutate(|mc| {
        let Shape::Pair(left, _) = Gc::as_ref(roots.0[0].get(mc)) else { panic!("it was a pair") };
        assert!(Arc::ptr_eq(&left.0, &dropped));
    });
    drop(roots);
    // The sweep, which drops, may still be under way when a cycle is over.
    for _ in 0..100 {
        heap.settle();
        if dropped.load(SeqCst) == 14 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(dropped.load(SeqCst), 14);
}

/// A generic list through `GcCell`s, tied to a ring.
#[test]
fn generic_nodes_form_rings() {
    let heap = Heap::new();
    let root: Root<Entry<'static, String, Wrapper<u64>>> = heap.mutate(|mc| {
        let entry = |key: &str, value: u64, next| {
            Gc::new(
                mc,
                Entry { key: key.to_owned(), value: Wrapper { value }, next: GcCell::new(next) },
            )
        };
        let last = entry("b", 2, None);
        let first = entry("a", 1, Some(last));
        last.next.set(mc, Some(first));
        Gc::root(last, mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let last = root.get(mc);
        let first = last.next.get().unwrap();
        assert_eq!((first.key.as_str(), first.value.value), ("a", 1));
        assert!(Gc::ptr_eq(first.next.get().unwrap(), last));
    });
}
