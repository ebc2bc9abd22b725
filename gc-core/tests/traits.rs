//! The traits that the crate's types implement, and the types that implement `Trace`. They cover
//! unwinding, borrowing as the content, identities, leaves, function pointers, tuples, and with the
//! features the types of other crates.

#![forbid(unsafe_code)]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    ByAddress, Ephemeron, External, Gc, GcCell, GcMappedRefMut, GcMutex, GcOnceCell, GcRef,
    GcRefCell, GcRefMut, GcRwLock, GcWeak, GcWeakMap, Heap, HeapBuilder, Histogram, Leaf, Managed,
    Mutation, Mutator, Object, Pauses, Root, Stats, Trace,
};
use settle::Settle;
use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};

#[test]
fn what_crosses_a_catch_unwind() {
    fn both<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}
    both::<Heap>();
    both::<HeapBuilder>();
    both::<Mutator>();
    both::<Mutation<'_>>();
    both::<Root<u64>>();
    both::<Root<str>>();
    both::<Root<GcRefCell<Vec<Gc<'static, u8>>>>>();
    both::<Gc<'_, [u64]>>();
    both::<ByAddress<'_, u64>>();
    both::<GcCell<'_, u64>>();
    both::<GcOnceCell<Gc<'_, u64>>>();
    both::<GcRefCell<u64>>();
    both::<GcMutex<u64>>();
    both::<GcRwLock<u64>>();
    both::<GcWeak<'_, u64>>();
    both::<Ephemeron<'_, u64, u64>>();
    both::<GcWeakMap<'_, u64, u64>>();
    both::<GcRef<'_, u64>>();
    both::<GcRefMut<'_, '_, u64>>();
    both::<GcMappedRefMut<'_, '_, str>>();
    both::<External>();
    both::<Leaf<u64>>();
    both::<Stats>();
    both::<Pauses>();
    both::<Histogram>();
}

#[test]
fn a_panic_in_mutate_is_caught_without_a_wrapper() {
    let (heap, mutator) = (Heap::new(), Heap::new().mutator());
    assert_eq!(catch_unwind(|| heap.mutate(|mc| *Gc::new(mc, 1))).unwrap(), 1);
    let root: Root<GcMutex<u64>> = heap.mutate(|mc| mc.root(GcMutex::new(1u64)));
    let panicked = catch_unwind(|| {
        heap.mutate(|mc| {
            let root = root.get(mc);
            let mut guard = root.lock(mc);
            *guard = 2;
            std::panic::resume_unwind(Box::new("on purpose"));
        })
    });
    assert!(panicked.is_err());
    // Not poisoned: the next borrower sees what was written.
    assert_eq!(catch_unwind(|| heap.mutate(|mc| *root.get(mc).lock(mc))).unwrap(), 2);
    assert!(catch_unwind(|| mutator.mutate(|_| std::panic::resume_unwind(Box::new(())))).is_err());
    assert_eq!(mutator.mutate(|mc| *Gc::new(mc, 3)), 3);
    heap.mutate(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(1));
        assert!(catch_unwind(|| *cell.borrow_mut(mc) += 1).is_ok());
        let guard = cell.borrow();
        assert_eq!(catch_unwind(|| *guard).unwrap(), 2);
    });
}

#[test]
fn a_map_of_pointers_is_asked_by_content() {
    use std::borrow::Borrow;
    Heap::new().mutate(|mc| {
        let mut by_name: HashMap<Gc<str>, u32> = HashMap::new();
        by_name.insert(Gc::from_str(mc, "one"), 1);
        assert_eq!((by_name.get("one"), by_name.get("two")), (Some(&1), None));
        let sorted: BTreeMap<Gc<[u8]>, u32> = [(Gc::from_slice(mc, b"key"), 2)].into();
        assert_eq!(sorted.get(&b"key"[..]), Some(&2));
        let names: HashSet<Gc<String>> = [Gc::new(mc, String::from("a"))].into();
        assert!(names.contains(&String::from("a")));
        fn length(text: impl AsRef<str>) -> usize {
            text.as_ref().len()
        }
        let text = Gc::from_str(mc, "four");
        assert_eq!(length(text), 4);
        let borrowed: &str = text.borrow();
        // The associated function gives the brand's lifetime, which the trait cannot.
        let whole: &str = Gc::as_ref(text);
        assert!(std::ptr::eq(borrowed, whole));
    });
}

#[test]
fn identities_are_keys() {
    #[derive(Trace)]
    struct Graph<'gc> {
        edges: GcRefCell<BTreeMap<ByAddress<'gc, GcRefCell<u8>>, u32>>,
        seen: GcRefCell<HashSet<ByAddress<'gc, str>>>,
    }
    let heap = Heap::new();
    let root: Root<Graph<'static>> = heap.mutate(|mc| {
        let graph = Graph { edges: GcRefCell::default(), seen: GcRefCell::default() };
        for i in 0..100 {
            graph.edges.borrow_mut(mc).insert(Gc::new(mc, GcRefCell::new(i)).into(), i.into());
            graph.seen.borrow_mut(mc).insert(ByAddress(Gc::from_str(mc, "same")));
        }
        mc.root(graph)
    });
    heap.settle();
    heap.mutate(|mc| {
        let graph = root.get(mc);
        assert_eq!((graph.edges.borrow().len(), graph.seen.borrow().len()), (100, 100));
        for (key, &value) in graph.edges.borrow().iter() {
            assert_eq!(u32::from(*key.borrow()), value);
            assert!(Gc::ptr_eq(key.0, **key) && *key == ByAddress(key.0));
        }
        let (a, b) = (ByAddress(Gc::new(mc, f64::NAN)), ByAddress(Gc::new(mc, f64::NAN)));
        assert!(a == a && a != b && (a < b) == (Gc::as_ptr(*a).addr() < Gc::as_ptr(*b).addr()));
        assert_eq!(format!("{a:?} {a:p}"), format!("ByAddress({:p}) {:p}", a.0, Gc::as_ptr(a.0)));
        assert_eq!(size_of::<Option<ByAddress<'_, u8>>>(), size_of::<usize>());
    });
}

/// Counts its drops.
#[derive(Debug, Default)]
struct Foreign(Arc<AtomicUsize>);
impl Drop for Foreign {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_leaf_is_what_it_holds() {
    #[derive(Trace)]
    struct Holder<'gc> {
        foreign: Leaf<Foreign>,
        next: Option<Gc<'gc, Holder<'gc>>>,
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let heap = Heap::new();
    heap.mutate(|mc| {
        let mut last = None;
        for _ in 0..10 {
            let foreign = Leaf(Foreign(drops.clone()));
            last = Some(Gc::new(mc, Holder { foreign, next: last }));
        }
        let last = last.unwrap();
        assert!(last.next.is_some() && last.foreign.0.0.load(SeqCst) == 0);
    });
    heap.settle();
    assert_eq!(drops.load(SeqCst), 10);
    let mut leaf = Leaf::from(5);
    *leaf += 1;
    assert_eq!((format!("{leaf} {leaf:?}"), Leaf::into_inner(leaf)), ("6 6".into(), 6));
    assert_eq!(size_of::<Leaf<u32>>(), 4);
    assert!(Leaf(1) < Leaf(2) && Leaf::<u8>::default() == Leaf(0));
    const { assert!(!<Leaf<Foreign> as Trace<'static>>::NEEDS_TRACE) };
}

#[test]
fn results_and_errors_leave_in_one_call() {
    #[derive(Trace, Debug)]
    struct Failure<'gc> {
        place: Gc<'gc, str>,
        cause: Option<Gc<'gc, Failure<'gc>>>,
    }
    fn run<'gc>(mc: &Mutation<'gc>, fails: bool) -> Result<Vec<Gc<'gc, u64>>, Failure<'gc>> {
        let cause = Gc::new(mc, Failure { place: Gc::from_str(mc, "within"), cause: None });
        let failure = Failure { place: Gc::from_str(mc, "here"), cause: Some(cause) };
        if fails { Err(failure) } else { Ok((0..3).map(|i| Gc::new(mc, i)).collect()) }
    }
    /// A helper of the user's, with one bound.
    fn keep<'gc, T: Object<'gc>>(mc: &Mutation<'gc>, value: T) -> Gc<'gc, GcRefCell<T>> {
        Gc::new(mc, GcRefCell::new(value))
    }
    let heap = Heap::new();
    let (good, bad) = heap.mutate(|mc| (mc.root(run(mc, false)), mc.root(run(mc, true))));
    let kept = heap.mutate(|mc| Gc::root(keep(mc, Gc::new(mc, 8u8)), mc));
    let plain: Root<(u8, String)> = heap.mutate(|mc| mc.root((1u8, String::from("a"))));
    heap.settle();
    heap.mutate(|mc| {
        let sum: u64 = Gc::as_ref(good.get(mc)).as_ref().unwrap().iter().map(|gc| **gc).sum();
        assert_eq!(sum, 3);
        let failure = Gc::as_ref(bad.get(mc)).as_ref().unwrap_err();
        assert_eq!((&*failure.place, &*failure.cause.unwrap().place), ("here", "within"));
        assert_eq!((**kept.get(mc).borrow(), plain.get(mc).1.as_str()), (8, "a"));
    });
}

/// A leaf at any brand, and its own family.
fn leaf<T: for<'gc> Trace<'gc> + Managed>() {
    assert!(!<T as Trace<'static>>::NEEDS_TRACE, "{}", std::any::type_name::<T>());
}

#[test]
fn function_pointers_are_leaves() {
    struct Foreign;
    leaf::<fn()>();
    leaf::<fn(u8) -> Foreign>();
    leaf::<fn(u8, Foreign, String, Box<dyn Fn()>) -> u8>();
    leaf::<fn(&str) -> usize>();
    leaf::<fn(&mut Foreign)>();
    leaf::<fn(&Foreign, &mut [u8], u8, &str) -> Result<(), Foreign>>();
    leaf::<fn(u8, &Foreign, &str, &mut String)>();
    leaf::<fn(&Foreign, &Foreign, &Foreign, &Foreign) -> bool>();
    leaf::<for<'a> fn(&'a str) -> &'a str>();
    leaf::<for<'a> fn(&'a mut Vec<u8>, usize) -> &'a mut u8>();
    leaf::<for<'a> fn(&'a [u8], usize, usize, bool) -> &'a [u8]>();
    leaf::<fn(&'static str) -> &'static str>();

    #[derive(Trace)]
    struct Table<'gc> {
        length: fn(&str) -> usize,
        push: fn(&mut Vec<u8>, u8),
        first: for<'a> fn(&'a str) -> &'a str,
        self_: GcOnceCell<Gc<'gc, Table<'gc>>>,
    }
    let heap = Heap::new();
    let root: Root<Table<'static>> = heap.mutate(|mc| {
        let (push, self_) = (Vec::push as fn(&mut Vec<u8>, u8), GcOnceCell::new());
        mc.root(Table { length: str::len, push, first: |text| &text[..1], self_ })
    });
    heap.mutate(|mc| {
        let (table, mut list) = (root.get(mc), vec![]);
        (table.push)(&mut list, 7);
        assert_eq!(((table.length)("four"), list, (table.first)("ab")), (4, vec![7], "a"));
        assert!(table.self_.set(mc, table).is_ok());
    });
}

#[test]
fn handles_and_trait_objects_are_leaves() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    leaf::<Heap>();
    leaf::<Waker>();
    leaf::<Box<dyn Any + Send + Sync>>();
    leaf::<Box<dyn std::error::Error + Send + Sync>>();
    leaf::<Pin<Box<[u8; 4]>>>();
    #[derive(Trace)]
    struct Task<'gc> {
        heap: Heap,
        waker: Waker,
        result: Box<dyn Any + Send + Sync>,
        error: Option<Box<dyn std::error::Error + Send + Sync>>,
        pinned: Pin<Box<GcRefCell<Vec<Gc<'gc, String>>>>>,
    }
    let (heap, other) = (Heap::new(), Heap::new());
    let root: Root<Task<'static>> = heap.mutate(|mc| {
        let pinned = Box::pin(GcRefCell::new(vec![Gc::new(mc, String::from("kept"))]));
        let waker = Waker::from(Arc::new(Nothing));
        let (result, error) = (Box::new(String::from("any")), Some("wrong".into()));
        mc.root(Task { heap: other.clone(), waker, result, error, pinned })
    });
    heap.settle();
    heap.mutate(|mc| {
        let task = root.get(mc);
        assert_eq!(**task.pinned.borrow()[0], *"kept");
        assert_eq!(task.result.downcast_ref::<String>().unwrap(), "any");
        assert!(task.error.as_ref().unwrap().to_string() == "wrong");
        task.waker.wake_by_ref();
        assert_eq!(task.heap.mutate(|other| *Gc::new(other, 2)), 2);
    });
    let pinned: Root<Pin<Box<GcCell<'static, u8>>>> =
        heap.mutate(|mc| mc.root(Box::pin(GcCell::new(Some(Gc::new(mc, 4u8))))));
    heap.settle();
    assert_eq!(heap.mutate(|mc| pinned.get(mc).get().map(|gc| *gc)), Some(4));
}

#[test]
fn tuples_of_sixteen() {
    let heap = Heap::new();
    macro_rules! tuple {
        ($mc:ident $($i:literal)*) => { ($(Gc::new($mc, $i as u8),)*) };
    }
    let root = heap.mutate(|mc| mc.root(tuple!(mc 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)));
    let small = heap.mutate(|mc| mc.root(tuple!(mc 0 1 2 3 4 5 6 7 8 9 10 11 12)));
    heap.settle();
    heap.mutate(|mc| {
        let all = root.get(mc);
        assert_eq!((*all.0, *all.12, *all.13, *all.14, *all.15), (0, 12, 13, 14, 15));
        assert_eq!(*small.get(mc).12, 12);
    });
    assert_eq!(heap.stats().live_objects, 31);
}

/// Each container keeps what it holds: `made` fills it with canaries, and `read` gives their
/// numbers back.
#[cfg(any(
    feature = "arrayvec",
    feature = "either",
    feature = "hashbrown",
    feature = "indexmap",
    feature = "smallvec"
))]
mod containers {
    use super::*;
    use gc_core::Branded;

    type Ptr<'gc> = Gc<'gc, String>;

    /// Roots what `$made` makes of some pointers, and checks that they are there after cycles.
    macro_rules! keeps {
        ($name:literal, $n:literal, |$all:ident| $made:expr, |$kept:ident| $read:expr) => {{
            let heap = Heap::new();
            let root = heap.mutate(|mc| {
                let $all: Vec<Ptr<'_>> = (0..$n).map(|i| Gc::new(mc, i.to_string())).collect();
                mc.root($made)
            });
            for _ in 0..2 {
                heap.settle();
                heap.mutate(|mc| {
                    let $kept = root.get(mc);
                    let mut texts: Vec<String> = $read;
                    texts.sort();
                    let wanted: Vec<String> = (0..$n).map(|i: i32| i.to_string()).collect();
                    assert_eq!(texts, wanted, $name);
                });
            }
            assert_eq!(heap.stats().live_objects, $n + 1, $name);
        }};
    }
    fn needs<'gc, T: Branded<'gc>>(_: &T) -> bool {
        T::NEEDS_TRACE
    }

    #[cfg(feature = "arrayvec")]
    #[test]
    fn of_arrayvec() {
        use arrayvec::{ArrayString, ArrayVec};
        keeps!("ArrayVec", 4, |all| all.into_iter().collect::<ArrayVec<_, 9>>(), |kept| kept
            .iter()
            .map(|gc| gc.to_string())
            .collect());
        leaf::<ArrayString<8>>();
        assert!(!needs(&ArrayVec::<u8, 3>::new()));
    }

    #[cfg(feature = "smallvec")]
    #[test]
    fn of_smallvec() {
        use smallvec::{SmallVec, smallvec};
        keeps!("inline", 3, |all| all.into_iter().collect::<SmallVec<[_; 4]>>(), |kept| kept
            .iter()
            .map(|gc| gc.to_string())
            .collect());
        keeps!("spilled", 9, |all| all.into_iter().collect::<SmallVec<[_; 4]>>(), |kept| kept
            .iter()
            .map(|gc| gc.to_string())
            .collect());
        let leaf: SmallVec<[u8; 3]> = smallvec![1];
        assert!(!needs(&leaf));
    }

    #[cfg(feature = "either")]
    #[test]
    fn of_either() {
        use either::Either;
        keeps!(
            "Either",
            2,
            |all| [Either::<_, (u8, _)>::Left(all[0]), Either::Right((0, all[1]))],
            |kept| kept
                .iter()
                .map(|e| e.either(|gc| gc.to_string(), |gc| gc.1.to_string()))
                .collect()
        );
    }

    #[cfg(feature = "hashbrown")]
    #[test]
    fn of_hashbrown() {
        use hashbrown::{HashMap, HashSet, HashTable};
        use std::hash::{BuildHasher, RandomState};
        keeps!(
            "HashMap",
            8,
            |all| {
                let mut map = HashMap::with_hasher(RandomState::new());
                map.extend(all.chunks(2).map(|pair| (pair[0], pair[1])));
                map
            },
            |kept| kept.iter().flat_map(|(k, v)| [k.to_string(), v.to_string()]).collect()
        );
        keeps!(
            "HashSet",
            8,
            |all| {
                let mut set = HashSet::with_hasher(RandomState::new());
                set.extend(all);
                set
            },
            |kept| kept.iter().map(|gc| gc.to_string()).collect()
        );
        keeps!(
            "HashTable",
            8,
            |all| {
                let (mut table, state) = (HashTable::new(), RandomState::new());
                for gc in all {
                    table.insert_unique(state.hash_one(gc), gc, |gc| state.hash_one(gc));
                }
                table
            },
            |kept| kept.iter().map(|gc| gc.to_string()).collect()
        );
    }

    #[cfg(feature = "indexmap")]
    #[test]
    fn of_indexmap() {
        use indexmap::{IndexMap, IndexSet};
        use std::hash::RandomState;
        keeps!(
            "IndexMap",
            8,
            |all| all.chunks(2).map(|p| (p[0], p[1])).collect::<IndexMap<_, _, RandomState>>(),
            |kept| kept.iter().flat_map(|(k, v)| [k.to_string(), v.to_string()]).collect()
        );
        keeps!(
            "IndexSet",
            8,
            |all| all.into_iter().collect::<IndexSet<_, RandomState>>(),
            |kept| kept.iter().map(|gc| gc.to_string()).collect()
        );
    }
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_are_leaves() {
    leaf::<bytes::Bytes>();
    leaf::<bytes::BytesMut>();
}

#[cfg(feature = "chrono")]
#[test]
fn dates_are_leaves() {
    leaf::<chrono::DateTime<chrono::Utc>>();
    leaf::<chrono::DateTime<chrono::FixedOffset>>();
    leaf::<chrono::NaiveDate>();
    leaf::<chrono::NaiveDateTime>();
    leaf::<chrono::NaiveTime>();
    leaf::<chrono::TimeDelta>();
    leaf::<chrono::Weekday>();
}

#[cfg(feature = "serde_json")]
#[test]
fn json_is_a_leaf() {
    leaf::<serde_json::Value>();
    leaf::<serde_json::Map<String, serde_json::Value>>();
    leaf::<serde_json::Number>();
}

#[cfg(feature = "uuid")]
#[test]
fn uuids_are_leaves() {
    leaf::<uuid::Uuid>();
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn pauses_become_a_histogram_of_hdrhistogram() {
    let heap = Heap::new();
    heap.mutate(|mc| _ = Gc::new(mc, 1));
    let ours: Histogram = heap.pauses().all();
    let theirs = hdrhistogram::Histogram::<u64>::from(&ours);
    assert_eq!(theirs.len(), ours.len());
    assert!(theirs.max() as f64 >= ours.max().as_nanos() as f64 * 0.999);
}
