//! What rust-gc's tests check: tracing and dropping, cycles, cells. Also its issues: about
//! destructors that reach destroyed objects (36, 37) or revive one (124, 187), and about pointers
//! in thread-locals (102).

use crate::settle::Settle;
use crate::tools::*;
use gc_core::{Gc, GcCell, GcRefCell, GcWeak, Heap, Root, Trace};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, OnceLock, mpsc};

// behaviour (rust-gc): an object is traced in each cycle while it is rooted, then dropped once
// origin: gc_semantics: basic_allocate
#[test]
fn an_object_is_traced_while_it_lives_and_not_after() {
    /// With a pointer, for what can hold none is never traced.
    #[derive(Trace)]
    struct Watched<'gc>(Probe, Canary, GcCell<'gc, Node<'gc>>);
    let (heap, traces, drops) = (Heap::new(), Count::default(), Count::default());
    let root: Root<Watched<'static>> = heap.mutate(|mc| {
        Gc::root(Gc::new(mc, Watched(traces.probe(), drops.canary(), GcCell::new(None))), mc)
    });
    assert_eq!(traces.get(), 0);
    for _ in 0..3 {
        let before = traces.get();
        heap.settle();
        assert!(traces.get() > before && drops.get() == 0);
    }
    let before = traces.get();
    drop(root);
    heap.settle();
    assert_eq!((traces.get(), drops.get()), (before, 1));
    heap.settle();
    assert_eq!((traces.get(), drops.get()), (before, 1));
}

// behaviour (rust-gc): each field is traced, once, through boxes and shared leaves
// origin: trace_impl
// also: `api::containers_keep_what_they_hold`
#[test]
fn each_field_is_traced_as_often_as_another() {
    #[derive(Trace)]
    struct Inner<'gc>(Probe, GcCell<'gc, Node<'gc>>);
    #[derive(Trace)]
    struct Outer<'gc>(Inner<'gc>, Box<[u32]>, Box<str>, Arc<str>, Vec<Inner<'gc>>);
    let (heap, one, two) = (Heap::new(), Count::default(), Count::default());
    let _root: Root<Outer<'static>> = heap.mutate(|mc| {
        let inner = |count: &Count| Inner(count.probe(), GcCell::new(None));
        let list = vec![inner(&two), inner(&two)];
        let outer = Outer(inner(&one), Box::new([1, 2]), "a".into(), "b".into(), list);
        Gc::root(Gc::new(mc, outer), mc)
    });
    for _ in 0..4 {
        heap.settle();
        assert!(one.get() > 0);
        assert_eq!(one.get() * 2, two.get());
    }
}

// behaviour (rust-gc): two that hold each other live by one root, and die together
// origin: gc_semantics: basic_cycle_allocate
#[test]
fn a_cycle_of_two_dies_with_its_last_root() {
    let (heap, drops) = (Heap::new(), Count::default());
    let first: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc, &drops, 1), mc));
    let second: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(pair(mc, &drops, 2, Some(first.get(mc)), None), mc));
    heap.settle();
    heap.mutate(|mc| first.get(mc).next.set(mc, Some(second.get(mc))));
    drop(second);
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (0, 2));
    assert_eq!(heap.mutate(|mc| first.get(mc).next.get().unwrap().value), 2);
    drop(first);
    heap.settle();
    assert_eq!((drops.get(), heap.stats().live_objects), (2, 0));
}

// behaviour (rust-gc): a ring built from back to front is collected whole
// origin: gymnastics_cycle: test_cycle
#[test]
fn a_ring_of_four_dies() {
    let (heap, drops) = (Heap::new(), Count::default());
    heap.mutate(|mc| {
        let first = node(mc, &drops, 0);
        let last = (1..4).fold(first, |last, i| pair(mc, &drops, i, Some(last), None));
        first.next.set(mc, Some(last));
    });
    heap.settle();
    assert_eq!(drops.get(), 4);
}

// behaviour (rust-gc): the content of a borrowed cell is neither lost nor freed
// origin: gc_semantics: gccell_rooting
#[test]
fn a_cell_borrowed_while_the_cycle_begins_loses_nothing() {
    let (heap, drops) = (on_the_fly(), Count::default());
    let list: Root<GcRefCell<Vec<Ptr<'static>>>> = heap.mutate(|mc| {
        {
            // A cell outside of the heap is borrowed like any other.
            let loose = GcRefCell::new(node(mc, &drops, 0));
            assert_eq!(loose.borrow().value + loose.borrow().value, 0);
            *loose.borrow_mut(mc) = node(mc, &drops, 1);
        }
        Gc::root(Gc::new(mc, GcRefCell::new(Vec::<Ptr<'_>>::new())), mc)
    });
    std::thread::scope(|s| {
        heap.mutator().mutate(|mc| {
            let list = list.get(mc);
            let mut guard = list.borrow_mut(mc);
            guard.push(node(mc, &drops, 2));
            s.spawn(|| heap.settle());
            s.spawn(|| wait_until(|| mode(&heap) == "Prep")).join().unwrap();
            // The cycle has begun, and this pin is older than it.
            guard.push(node(mc, &drops, 3));
        });
    });
    heap.settle();
    assert_eq!(drops.get(), 2, "those of the loose cell");
    heap.mutate(|mc| {
        let list = list.get(mc);
        assert!(list.borrow().iter().map(|node| node.value).eq([2, 3]));
    });
}

// behaviour (rust-gc): pointers are the same if their object is, on whatever way they were reached
// origin: gc_semantics: ptr_eq, as_ptr
// behaviour (dumpster): addresses are stable
// origin: unsync_as_ptr
#[test]
fn addresses_agree_however_an_object_is_reached() {
    let (heap, drops) = (Heap::new(), Count::default());
    heap.mutate(|mc| {
        let (a, b) = (node(mc, &drops, 1), node(mc, &drops, 1));
        let (via_a, via_a_too) =
            (pair(mc, &drops, 2, Some(a), None), pair(mc, &drops, 2, Some(a), None));
        let via_b = pair(mc, &drops, 3, Some(b), None);
        fn inner<'gc>(outer: Ptr<'gc>) -> Ptr<'gc> {
            outer.next.get().unwrap()
        }
        assert!(Gc::ptr_eq(a, inner(via_a)) && Gc::ptr_eq(inner(via_a), inner(via_a_too)));
        assert!(!Gc::ptr_eq(a, b) && !Gc::ptr_eq(inner(via_a), inner(via_b)));
        assert!(
            Gc::as_ptr(a) == Gc::as_ptr(inner(via_a)) && Gc::as_ptr(b) == Gc::as_ptr(inner(via_b))
        );
        assert!(Gc::as_ptr(a) != Gc::as_ptr(b) && Gc::ptr_eq(a, Gc::root(a, mc).get(mc)));
    });
}

// behaviour (rust-gc): dropping the outer runs the inner's finalizers, boxed ones too
// origin: finalize: drop_triggers_finalize
#[test]
fn drop_glue_runs_for_fields_and_boxes_in_order() {
    #[derive(Trace)]
    struct Says(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Says {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    #[derive(Trace)]
    struct Outer {
        _own: Says,
        _boxed: Box<(Says, Says)>,
        _last: Vec<Says>,
    }
    let (heap, said) = (Heap::new(), Arc::default());
    let says = |text| Says(text, Arc::clone(&said));
    heap.mutate(|mc| {
        let boxed = Box::new((says("boxed"), says("beside")));
        Gc::new(mc, Outer { _own: says("own"), _boxed: boxed, _last: vec![says("last")] });
    });
    assert!(said.lock().unwrap().is_empty());
    heap.settle();
    assert_eq!(*said.lock().unwrap(), ["own", "boxed", "beside", "last"]);
}

// behaviour (rust-gc): phantom data of types without values or size
// origin: phantom_data
#[test]
fn phantom_data_can_be_allocated() {
    enum Never {}
    Heap::new().mutate(|mc| {
        let nothing: Gc<'_, PhantomData<Never>> = Gc::new(mc, PhantomData);
        let text: Gc<'_, PhantomData<str>> = Gc::new(mc, PhantomData);
        assert_eq!((size_of_val(&*nothing), size_of_val(&*text)), (0, 0));
    });
}

// behaviour (rust-gc): a destructor brings its dying object back
// origin: issues 124, 187
// behaviour (dumpster): a dead pointer escapes from a destructor
// origin: escape_dead_pointer, dead_inside_alive
// also: `compile_fail::ui` (drop_beside_gc, static_gc)
#[test]
fn a_dying_object_cannot_be_revived_from_its_destructor() {
    /// Knows the heap, and itself by a weak pointer: all that a destructor can find itself by.
    #[derive(Trace)]
    struct Phoenix {
        #[trace(skip)]
        heap: Shared,
        own: Arc<OnceLock<Root<GcWeak<'static, Phoenix>>>>,
        found: Arc<Mutex<Vec<bool>>>,
        text: String,
    }
    impl Drop for Phoenix {
        fn drop(&mut self) {
            let heap = self.heap.heap().unwrap();
            let own = self.own.get().unwrap();
            let found = heap.mutate(|mc| own.get(mc).upgrade(mc).is_some());
            assert_eq!(self.text, "hello");
            self.found.lock().unwrap().push(found);
        }
    }
    let heap = Heap::new();
    let (shared, found) = (Shared::of(&heap), Arc::default());
    heap.mutate(|mc| {
        for _ in 0..100 {
            let own = Arc::default();
            let phoenix = Phoenix {
                heap: shared.clone(),
                own: Arc::clone(&own),
                found: Arc::clone(&found),
                text: "hello".into(),
            };
            let phoenix = Gc::new(mc, phoenix);
            assert!(own.set(Gc::root(Gc::new(mc, Gc::downgrade(phoenix, mc)), mc)).is_ok());
        }
    });
    heap.settle();
    assert_eq!(*found.lock().unwrap(), [false; 100]);
    assert_eq!(heap.stats().drop_panics, 0);
    shared.close();
    // The weak pointers' own roots went with the objects.
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);
}

// behaviour (rust-gc): a destructor clones or borrows a neighbour that has been destroyed
// origin: issues 36, 37
// also: `compile_fail::ui` (drop_beside_gc)
#[test]
fn a_destructor_may_read_what_a_root_keeps() {
    /// Two that die in one cycle, in whatever order; what their roots lead to is still whole.
    #[derive(Trace)]
    struct Reader {
        #[trace(skip)]
        heap: Shared,
        neighbour: Root<Node<'static>>,
        sum: Arc<Mutex<u64>>,
    }
    impl Drop for Reader {
        fn drop(&mut self) {
            let heap = self.heap.heap().unwrap();
            *self.sum.lock().unwrap() += heap.mutate(|mc| {
                let first = self.neighbour.get(mc);
                first.value + first.next.get().unwrap().value
            });
        }
    }
    let (heap, drops, sum) = (Heap::new(), Count::default(), Arc::<Mutex<u64>>::default());
    let shared = Shared::of(&heap);
    heap.mutate(|mc| {
        for i in 0..50 {
            let first = pair(mc, &drops, i, Some(node(mc, &drops, 1000)), None);
            let neighbour = Gc::root(first, mc);
            Gc::new(mc, Reader { heap: shared.clone(), neighbour, sum: Arc::clone(&sum) });
        }
    });
    heap.settle();
    assert_eq!((*sum.lock().unwrap(), drops.get()), (49 * 25 + 50_000, 0));
    heap.settle();
    assert_eq!(drops.get(), 100, "now that no root leads there");
    shared.close();
}

// behaviour (rust-gc): a pointer in a thread-local outlives what the thread's end destroys
// origin: issue 102
// also: `lifetimes::roots_and_handles_may_outlive_what_they_name`
#[test]
fn a_root_in_a_thread_local_dies_with_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<Root<Node<'static>>>> = const { RefCell::new(None) };
    }
    let (heap, drops) = (Heap::new(), Count::default());
    std::thread::scope(|s| {
        let (ready, wait) = mpsc::channel();
        let (end, go_on) = mpsc::channel::<()>();
        let (heap, drops) = (&heap, &drops);
        let thread = s.spawn(move || {
            let root = heap.mutate(|mc| Gc::root(node(mc, drops, 5), mc));
            KEPT.set(Some(root));
            ready.send(()).unwrap();
            go_on.recv().unwrap_err();
            KEPT.with_borrow(|kept| heap.mutate(|mc| kept.as_ref().unwrap().get(mc).value))
        });
        wait.recv().unwrap();
        heap.settle();
        assert_eq!(drops.get(), 0);
        drop(end);
        assert_eq!(thread.join().unwrap(), 5);
    });
    heap.settle();
    assert_eq!(drops.get(), 1);
}
