//! Heap snapshots from outside: the shape of known graphs, names of fields, retained sizes against
//! a naive computation, leaks, roots by line, and programs that change everything meanwhile.

mod changing;

use gc_core::{
    CollectError, Ephemeron, External, Gc, GcAny, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock,
    GcWeak, GcWeakMap, Heap, Mutation, Root, Snapshot, SnapshotError, Trace, Tracer, rootable_dyn,
    unsize,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread::scope;

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    edges: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(mc: &Mutation<'gc>, number: u64) -> Gc<'gc, Node<'gc>> {
    Gc::new(mc, Node { number, edges: GcRefCell::new(Vec::new()) })
}

/// The fields on the way to an object.
fn fields<T: ?Sized>(snapshot: &Snapshot, to: *const T) -> String {
    let path = snapshot.why_alive(to).expect("a root leads there");
    let last = path.steps.last().map_or(path.root_address, |step| step.address);
    assert_eq!(last, to.cast::<()>().addr());
    path.fields()
}

#[derive(Trace)]
enum Shape<'gc> {
    Empty,
    One(Gc<'gc, u64>),
    Two { left: Gc<'gc, u64>, r#type: Option<Gc<'gc, u64>> },
}

#[derive(Trace)]
struct Deep<'gc, T> {
    shapes: [Shape<'gc>; 4],
    list: Vec<Option<Gc<'gc, u64>>>,
    ring: VecDeque<(u8, Gc<'gc, u64>)>,
    map: BTreeMap<u8, Gc<'gc, u64>>,
    boxed: Box<Inner<'gc>>,
    result: Result<Gc<'gc, u64>, Gc<'gc, u64>>,
    rows: Vec<Vec<Gc<'gc, u64>>>,
    cell: GcCell<'gc, Leaf64>,
    once: GcOnceCell<Gc<'gc, u64>>,
    mutex: GcMutex<Vec<Inner<'gc>>>,
    lock: GcRwLock<Option<Gc<'gc, u64>>>,
    any: GcAny<'gc>,
    #[trace(skip)]
    skipped: u8,
    generic: T,
}

type Leaf64 = u64;

#[derive(Trace)]
struct Inner<'gc> {
    inner: Gc<'gc, u64>,
}

#[test]
fn every_field_has_its_name() {
    let heap = Heap::new();
    let mut wanted: Vec<(usize, &str)> = Vec::new();
    let root: Root<Deep<'static, (u8, Gc<'static, u64>)>> = heap.mutate(|mc| {
        let mut new = |path| {
            let gc = Gc::new(mc, 7u64);
            wanted.push((Gc::as_ptr(gc).addr(), path));
            gc
        };
        let shapes = [
            Shape::Empty,
            Shape::One(new(".shapes[1].One.0")),
            Shape::Two { left: new(".shapes[2].Two.left"), r#type: None },
            Shape::Two {
                left: new(".shapes[3].Two.left"),
                r#type: Some(new(".shapes[3].Two.type")),
            },
        ];
        let deep = Deep {
            shapes,
            list: vec![
                None,
                Some(new(".list[1]")),
                Some(new(".list[2]")),
                None,
                Some(new(".list[4]")),
            ],
            ring: VecDeque::from([(1, new(".ring[0].1")), (2, new(".ring[1].1"))]),
            map: BTreeMap::from([(3, new(".map[0]")), (9, new(".map[1]"))]),
            boxed: Box::new(Inner { inner: new(".boxed.inner") }),
            result: Err(new(".result.Err")),
            rows: vec![vec![new(".rows[][0]")], vec![new(".rows[][0]"), new(".rows[][1]")]],
            cell: GcCell::new(Some(new(".cell"))),
            once: GcOnceCell::new(),
            mutex: GcMutex::new(vec![Inner { inner: new(".mutex[0].inner") }]),
            lock: GcRwLock::new(Some(new(".lock"))),
            any: GcAny::new(mc, Inner { inner: new(".any.inner") }),
            skipped: 1,
            generic: (0u8, new(".generic.1")),
        };
        deep.once.set(mc, new(".once")).unwrap_or_else(|_| unreachable!());
        mc.root(deep)
    });
    let snapshot = heap.snapshot().unwrap();
    for (address, path) in wanted {
        let found = snapshot.why_alive(address).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(found.fields(), path);
        assert!(found.root_type.contains("Deep"));
        assert_eq!(heap.mutate(|mc| root.get(mc).skipped), 1);
    }
    assert_eq!((snapshot.unread_objects(), snapshot.left_out(), snapshot.unreached().0), (0, 0, 0));
    drop(root);
}

trait Animal<'gc>: Send + Sync {
    fn mate(&self) -> Gc<'gc, u64>;
}
rootable_dyn!(Animal<'gc>);

#[derive(Trace)]
struct Dog<'gc> {
    mate: Gc<'gc, u64>,
}
impl<'gc> Animal<'gc> for Dog<'gc> {
    fn mate(&self) -> Gc<'gc, u64> {
        self.mate
    }
}

#[test]
fn trait_objects_arrays_and_large_objects_are_what_they_are() {
    let heap = Heap::new();
    let animal = heap.mutate(|mc| {
        let dog = Gc::new(mc, Dog { mate: Gc::new(mc, 3u64) });
        Gc::root(unsize!(dog => dyn Animal<'_>), mc)
    });
    let array: Root<[Option<Gc<'static, u64>>]> = heap.mutate(|mc| {
        let one = Gc::new(mc, 1u64);
        let some = |i: usize| (i == 70_000).then_some(one);
        Gc::root(Gc::from_iter_in(mc, (0..100_000).map(some)), mc)
    });
    let bytes = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[1u8; 1 << 20]), mc));
    let external = heap.mutate(|mc| mc.root((External::new(mc, 1 << 20), Gc::new(mc, 5u64))));
    let snapshot = heap.snapshot().unwrap();
    assert_eq!(snapshot.objects(), 7);
    let why = snapshot.why_alive("Dog").unwrap();
    assert_eq!((why.fields(), why.steps.len()), (String::new(), 0));
    let mate = heap.mutate(|mc| Gc::as_ptr(animal.get(mc).mate()));
    assert_eq!(fields(&snapshot, mate), ".mate");
    let element = heap.mutate(|mc| Gc::as_ptr(array.get(mc)[70_000].unwrap()));
    assert_eq!(fields(&snapshot, element), "[70000]");
    let other = heap.mutate(|mc| Gc::as_ptr(external.get(mc).1));
    assert_eq!(fields(&snapshot, other), ".1");
    let types = snapshot.types();
    let arrays = types.iter().find(|row| row.is_array).unwrap();
    assert!(arrays.objects == 1 && arrays.bytes >= 800_000, "{arrays}");
    assert_eq!(types.iter().map(|row| row.objects).sum::<u64>(), 7);
    assert_eq!(types.iter().map(|row| row.bytes).sum::<u64>(), snapshot.bytes());
    assert!(snapshot.bytes() >= (1 << 20) + 800_000);
    drop(bytes);
}

#[test]
fn weak_pointers_keep_nothing_and_ephemerons_their_values() {
    let heap = Heap::new();
    type Weak<'gc> =
        (GcWeak<'gc, Node<'gc>>, Ephemeron<'gc, Node<'gc>, u64>, GcCell<'gc, Node<'gc>>);
    let (weak, [kept, value, gone]) = heap.mutate(|mc| {
        let (kept, gone, value) = (node(mc, 1), node(mc, 2), Gc::new(mc, 7u64));
        let ephemeron = Ephemeron::new(mc, kept, value);
        let weak: Root<Weak<'static>> =
            mc.root((Gc::downgrade(gone, mc), ephemeron, GcCell::new(Some(kept))));
        (weak, [Gc::as_ptr(kept).addr(), Gc::as_ptr(value).addr(), Gc::as_ptr(gone).addr()])
    });
    let snapshot = heap.snapshot().unwrap();
    assert!(snapshot.why_alive(gone).is_none());
    assert_eq!(snapshot.why_alive(value).unwrap().fields(), ".1.value");
    // The key is kept by the cell, not by the ephemeron.
    assert_eq!(snapshot.why_alive(kept).unwrap().fields(), ".2");
    heap.mutate(|mc| weak.get(mc).2.set(mc, None));
    let snapshot = heap.snapshot().unwrap();
    assert!(snapshot.why_alive(kept).is_none() && snapshot.why_alive(value).is_none());

    let map: Root<GcWeakMap<'static, Node<'static>, u64>> =
        heap.mutate(|mc| mc.root(GcWeakMap::<Node<'_>, u64>::new()));
    let key: Root<Node<'static>> = heap.mutate(|mc| {
        let key = node(mc, 5);
        map.get(mc).insert(mc, key, Gc::new(mc, 8u64));
        Gc::root(key, mc)
    });
    let why = heap.why_alive("leaf data").unwrap().unwrap();
    assert!(why.root_type.contains("GcWeakMap") && why.fields().ends_with(".value"), "{why}");
    drop(key);
}

#[test]
fn roots_tell_the_line_that_made_them() {
    let heap = Heap::new();
    let mut kept: Vec<Root<Node<'static>>> = Vec::new();
    let line = line!() + 2;
    for i in 0..10 {
        kept.push(heap.mutate(|mc| Gc::root(node(mc, i), mc)));
    }
    let any = heap.mutate(|mc| GcAny::new(mc, String::from("any")).root(mc));
    let any_line = line!() - 1;
    let clone = kept[0].clone();
    let places = heap.root_places();
    assert_eq!(places.len(), 2);
    let place = places[0].place.unwrap();
    assert_eq!((places[0].roots, place.line(), place.file()), (10, line, file!()));
    assert!(places[0].type_name.contains("Node"));
    assert_eq!(places[1].place.unwrap().line(), any_line);

    let snapshot = heap.snapshot().unwrap();
    let holders = snapshot.roots();
    assert_eq!((holders[0].roots, holders[0].place), (10, places[0].place));
    assert_eq!(holders[0].retained_bytes, 10 * 48);
    assert!(holders[0].types[0].0.contains("Node") && holders[0].types[0].1 == 10);
    let why = snapshot.why_alive("Node").unwrap();
    assert_eq!(why.place.unwrap().line(), line);
    assert!(why.to_string().contains(&format!("snapshot/main.rs:{line}:")), "{why}");
    // Nothing else keeps the object of a root, and its clone is the same root.
    assert!(snapshot.why_alive(&kept[0]).is_none() && snapshot.why_alive(&clone).is_none());
    heap.mutate(|mc| {
        let target = kept[0].get(mc);
        kept[1].get(mc).edges.borrow_mut(mc).push(target);
    });
    let why = heap.why_alive(&kept[0]).unwrap().unwrap();
    assert_eq!(why.fields(), ".edges[0]");
    drop((any, clone, kept));
    heap.collect().unwrap();
    assert!(heap.root_places().is_empty());
    assert_eq!(heap.snapshot().unwrap().objects(), 0);
}

#[test]
fn a_leak_is_what_has_grown() {
    let heap = Heap::new();
    type Cache<'gc> = GcRefCell<HashMap<u64, Gc<'gc, (u64, Gc<'gc, str>)>>>;
    let cache: Root<Cache<'static>> = heap.mutate(|mc| mc.root(Cache::default()));
    let serve = |from: u64| {
        for i in from..from + 500 {
            heap.mutate(|mc| {
                let entry = Gc::new(mc, (i, Gc::from_str(mc, "an answer")));
                // The key is always new, so the cache is never hit.
                cache.get(mc).borrow_mut(mc).insert(i, entry);
                for _ in 0..20 {
                    node(mc, i);
                }
            });
        }
    };
    serve(0);
    let before = heap.snapshot().unwrap();
    serve(500);
    let after = heap.snapshot().unwrap();
    let grown = after.diff(&before);
    assert!(grown.iter().all(|row| row.objects() == 500), "{grown:#?}");
    assert_eq!(grown.len(), 2);
    assert!(grown.iter().all(|row| !row.type_name.contains("Node")));
    assert!(after.diff(&after).is_empty());
    assert_eq!(before.diff(&after)[0].objects(), -500);
    let why =
        after.why_alive("(u64, gc_core::pointers::gc::Gc<str>)").or(after.why_alive("leaf data"));
    assert!(why.unwrap().root_type.contains("HashMap"));
    let top = after.largest(1)[0];
    assert!(top.type_name.contains("HashMap") && top.retained_bytes == after.bytes(), "{top}");
    assert!(heap.census()[0].objects >= 1000);
}

/// The retained size of each node of a graph by the definition: what is not reached without it.
fn naive(edges: &[Vec<usize>], roots: &[usize], size: u64) -> Vec<u64> {
    let reach = |without: usize| {
        let (mut seen, mut stack) = (HashSet::new(), roots.to_vec());
        while let Some(at) = stack.pop() {
            if at != without && seen.insert(at) {
                stack.extend(&edges[at]);
            }
        }
        seen
    };
    let all = reach(usize::MAX).len();
    (0..edges.len()).map(|at| (all - reach(at).len()) as u64 * size).collect()
}

#[test]
fn random_graphs_retain_what_the_definition_says() {
    let mut state = 9u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for round in 0..60 {
        let heap = Heap::new();
        let n = 2 + random(40);
        let mut edges = vec![Vec::new(); n];
        (0..random(3 * n)).for_each(|_| edges[random(n)].push(random(n)));
        let roots: Vec<usize> = (0..1 + random(3)).map(|_| random(n)).collect();
        let (kept, addrs): (Vec<Root<Node<'static>>>, Vec<usize>) = heap.mutate(|mc| {
            let nodes: Vec<_> = (0..n).map(|i| node(mc, i as u64)).collect();
            for (from, to) in edges.iter().enumerate() {
                nodes[from].edges.borrow_mut(mc).extend(to.iter().map(|to| nodes[*to]));
            }
            let kept = roots.iter().map(|root| Gc::root(nodes[*root], mc)).collect();
            (kept, nodes.iter().map(|node| Gc::as_ptr(*node).addr()).collect())
        });
        let snapshot = heap.snapshot().unwrap();
        let found = snapshot.largest(n);
        let expected = naive(&edges, &roots, 48);
        let reached = expected.iter().filter(|size| **size > 0).count();
        assert_eq!(found.len(), reached, "round {round}");
        for row in &found {
            let at = addrs.iter().position(|addr| *addr == row.address).unwrap();
            assert_eq!(
                row.retained_bytes, expected[at],
                "round {round}: {at} of {edges:?}, {roots:?}"
            );
            let why = snapshot.why_alive(row.address).unwrap();
            assert_eq!(why.steps.len(), distance(&edges, &roots, at));
        }
        assert_eq!(snapshot.unreached(), (0, 0));
        let most = found.windows(2).all(|pair| pair[0].retained_bytes >= pair[1].retained_bytes);
        assert!(most);
        drop(kept);
    }
}

/// The number of edges on the shortest way from a root.
fn distance(edges: &[Vec<usize>], roots: &[usize], to: usize) -> usize {
    let mut far: Vec<Option<usize>> = vec![None; edges.len()];
    let mut queue: VecDeque<usize> = VecDeque::new();
    for root in roots {
        far[*root] = Some(0);
        queue.push_back(*root);
    }
    while let Some(at) = queue.pop_front() {
        for next in &edges[at] {
            if far[*next].is_none() {
                far[*next] = far[at].map(|far| far + 1);
                queue.push_back(*next);
            }
        }
    }
    far[to].unwrap()
}

#[test]
fn what_cannot_wait_is_refused_and_the_heap_goes_on() {
    let heap = Heap::new();
    let inside = heap.mutate(|_| heap.snapshot().unwrap_err());
    assert_eq!(inside, SnapshotError::Refused(CollectError::InsideMutate));
    // A long pin makes the first one wait, and the second is told so.
    let (inside, is_inside) = channel();
    let (leave, left) = channel::<()>();
    scope(|s| {
        let heap = &heap;
        s.spawn(move || {
            heap.mutate(|_| {
                inside.send(()).unwrap();
                left.recv().unwrap_err();
            });
        });
        is_inside.recv().unwrap();
        let (answer, answers) = channel();
        for _ in 0..2 {
            let answer = answer.clone();
            s.spawn(move || answer.send(heap.snapshot().map(|snapshot| snapshot.objects())));
        }
        assert_eq!(answers.recv().unwrap(), Err(SnapshotError::InProgress));
        drop(leave);
        assert_eq!(answers.recv().unwrap(), Ok(0));
    });
    assert!(heap.snapshot().is_ok());
}

/// Panics when it is traced, as long as it is told to.
struct Bomb(AtomicBool);
// SAFETY: it holds no `Gc`; the panic is the test.
unsafe impl<'gc> Trace<'gc> for Bomb {
    fn trace(&self, _: &mut Tracer<'gc>) {
        assert!(!self.0.load(Relaxed), "the test's own panic");
    }
}
static ARMED: AtomicBool = AtomicBool::new(false);
/// Panics only while names are asked for.
struct NamedBomb<'gc>(Gc<'gc, u64>, Gc<'gc, u64>);
// SAFETY: `trace` reports both pointers; the panic is the test.
unsafe impl<'gc> Trace<'gc> for NamedBomb<'gc> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edges(&self.0);
        tracer.edges(&self.1);
    }
    fn trace_named(&self, tracer: &mut Tracer<'gc>) {
        tracer.field("first", &self.0);
        assert!(!ARMED.load(Relaxed), "the test's own panic");
        tracer.field("second", &self.1);
    }
}

#[test]
fn a_panic_in_a_trace_is_an_error_or_counted() {
    let heap = Heap::new();
    let first = heap.mutate(|mc| {
        let (first, second) = (Gc::new(mc, 1u64), Gc::new(mc, 2u64));
        let bomb = Gc::new(mc, NamedBomb(first, second));
        // It has no family, so a list of erased pointers keeps it.
        (mc.root(vec![first]), Gc::as_ptr(bomb).addr())
    });
    assert_eq!(heap.snapshot().unwrap().objects(), 2, "the list and the number");
    assert!(heap.snapshot().unwrap().why_alive(first.1).is_none());
    let holder: Root<GcRefCell<Vec<Holder<'static>>>> =
        heap.mutate(|mc| mc.root(GcRefCell::new(Vec::<Holder<'_>>::new())));
    heap.mutate(|mc| {
        let bomb = Gc::new(mc, NamedBomb(Gc::new(mc, 3u64), Gc::new(mc, 4u64)));
        holder.get(mc).borrow_mut(mc).push(Holder { bomb });
    });
    let snapshot = heap.snapshot().unwrap();
    assert_eq!((snapshot.objects(), snapshot.unread_objects()), (6, 0));
    ARMED.store(true, Relaxed);
    let snapshot = heap.snapshot().unwrap();
    ARMED.store(false, Relaxed);
    // What it had not told is there, and no root leads to it.
    assert_eq!((snapshot.objects(), snapshot.unread_objects(), snapshot.unreached().0), (6, 1, 1));
    assert_eq!(snapshot.why_alive("NamedBomb").unwrap().fields(), "[0].bomb");

    let bomb = heap.mutate(|mc| mc.root(Armed { bomb: Gc::new(mc, Bomb(AtomicBool::new(true))) }));
    assert_eq!(heap.snapshot().unwrap_err(), SnapshotError::TracePanicked);
    heap.mutate(|mc| bomb.get(mc).bomb.0.store(false, Relaxed));
    assert_eq!(heap.snapshot().unwrap().objects(), 8);
}

#[derive(Trace)]
struct Holder<'gc> {
    bomb: Gc<'gc, NamedBomb<'gc>>,
}
#[derive(Trace)]
struct Armed<'gc> {
    bomb: Gc<'gc, Bomb>,
}

#[test]
fn a_cell_that_stays_borrowed_is_counted() {
    let heap = Heap::new();
    let root: Root<Node<'static>> = heap.mutate(|mc| {
        let (one, other) = (node(mc, 1), node(mc, 2));
        one.edges.borrow_mut(mc).push(other);
        Gc::root(one, mc)
    });
    assert_eq!(heap.snapshot().unwrap().unread_objects(), 0);
    let (borrowed, is_borrowed) = channel();
    let (end, ended) = channel::<()>();
    scope(|s| {
        let (heap, root) = (&heap, &root);
        s.spawn(move || {
            // One pin after the other, so that cycles go on; each holds the cell for most of its
            // time.
            let mut first = Some(borrowed);
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                heap.mutate(|mc| {
                    let node = root.get(mc);
                    let guard = node.edges.borrow_mut(mc);
                    if let Some(first) = first.take() {
                        first.send(()).unwrap();
                    }
                    std::thread::sleep(std::time::Duration::from_millis(40));
                    drop(guard);
                });
            }
        });
        is_borrowed.recv().unwrap();
        let mut unread = 0;
        for _ in 0..20 {
            let snapshot = heap.snapshot().unwrap();
            unread += snapshot.unread_objects();
            assert_eq!(snapshot.objects(), 2);
        }
        assert!(unread > 0);
        drop(end);
    });
    assert_eq!(heap.snapshot().unwrap().unread_objects(), 0);
}
