//! What each operation costs in each phase of a cycle: the table "Costs" in the documentation of
//! `gc-core`.
//!
//! A phase is held still by a thread that stays inside `mutate`, so the figures have no spread from
//! cycles that begin and end. The marker is idle meanwhile: docs/DESIGN.md says what its use of the
//! same memory costs.
//!
//! Run it on an otherwise idle machine:
//!
//! ```text
//! cargo bench -p gc-bench --bench cost
//! ```

use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use gc_core::{
    Gc, GcCell, GcMutex, GcRefCell, GcWeak, GcWeakMap, Heap, Mutation, Mutator, Root, Trace,
};

/// Operations in one `mutate`.
const BATCH: usize = 256;
/// Batches in a sample.
const BATCHES: usize = 64;
/// Samples of an operation. The fastest is printed, because other programs only ever add to one.
const SAMPLES: usize = 41;
/// Nodes that are allocated and die before anything is measured, so that no sample is the first to
/// touch a page.
const WARM: usize = 8_000_000;
/// Pointers in the guarded cells.
const CONTENT: usize = 8;

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

impl<'gc> Node<'gc> {
    fn new(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Node<'gc>> {
        Gc::new(mc, Node { next: GcCell::new(None), value })
    }
}

type Pointers<'gc> = Vec<Gc<'gc, Node<'gc>>>;

/// What the operations work on.
#[derive(Trace)]
struct Fixture<'gc> {
    nodes: Gc<'gc, [Gc<'gc, Node<'gc>>]>,
    ref_cell: GcRefCell<Pointers<'gc>>,
    mutex: GcMutex<Pointers<'gc>>,
    weak: GcWeak<'gc, Node<'gc>>,
    map: GcWeakMap<'gc, Node<'gc>, u64>,
    value: Gc<'gc, u64>,
}

impl<'gc> Fixture<'gc> {
    fn new(mc: &Mutation<'gc>) -> Fixture<'gc> {
        let nodes = Gc::from_iter_in(mc, (0..BATCH).map(|i| Node::new(mc, i as u64)));
        let content = || nodes[..CONTENT].to_vec();
        let map = GcWeakMap::new();
        let value = Gc::new(mc, 1u64);
        for node in nodes.iter() {
            map.insert(mc, *node, value);
        }
        Fixture {
            nodes,
            ref_cell: GcRefCell::new(content()),
            mutex: GcMutex::new(content()),
            weak: Gc::downgrade(nodes[0], mc),
            map,
            value,
        }
    }
}

/// [`BATCH`] operations inside one `mutate`.
type Operation = for<'gc> fn(&'gc Mutation<'gc>, &'gc Fixture<'gc>);

const OPERATIONS: [(&str, Operation); 13] = [
    ("`Gc::new`, 16 bytes", |mc, _| {
        (0..BATCH as u64).for_each(|i| _ = black_box(Node::new(mc, i)));
    }),
    ("`GcCell::get`", |_, all| all.nodes.iter().for_each(|node| _ = black_box(node.next.get()))),
    ("`GcCell::set`", |mc, all| {
        let new = Some(all.nodes[0]);
        all.nodes.iter().for_each(|node| black_box(&node.next).set(mc, new));
    }),
    ("`GcCell::compare_exchange`", |mc, all| {
        let new = Some(all.nodes[0]);
        for node in all.nodes.iter() {
            _ = black_box(node.next.compare_exchange(mc, node.next.get(), new));
        }
    }),
    ("`GcRefCell::borrow`", |_, all| {
        (0..BATCH).for_each(|_| _ = black_box(black_box(&all.ref_cell).borrow().len()));
    }),
    ("`GcRefCell::borrow_mut`, written through", |mc, all| {
        (0..BATCH).for_each(|i| black_box(&all.ref_cell).borrow_mut(mc)[0] = all.nodes[i % 8]);
    }),
    ("`GcMutex::lock`, written through", |mc, all| {
        (0..BATCH).for_each(|i| black_box(&all.mutex).lock(mc)[0] = all.nodes[i % 8]);
    }),
    ("`Gc::root`, and its drop", |mc, all| {
        all.nodes.iter().for_each(|node| drop(black_box(Gc::root(*node, mc))));
    }),
    ("`Root::clone`, and its drop", |mc, all| {
        let root = Gc::root(all.nodes[0], mc);
        (0..BATCH).for_each(|_| drop(black_box(black_box(&root).clone())));
    }),
    ("`Gc::downgrade`", |mc, all| {
        all.nodes.iter().for_each(|node| _ = black_box(Gc::downgrade(*node, mc)));
    }),
    ("`GcWeak::upgrade`", |mc, all| {
        (0..BATCH).for_each(|_| _ = black_box(black_box(&all.weak).upgrade(mc)));
    }),
    ("`GcWeakMap::get`", |mc, all| {
        all.nodes.iter().for_each(|node| _ = black_box(all.map.get(mc, *node)));
    }),
    ("`GcWeakMap::insert`, of a key that is there", |mc, all| {
        all.nodes.iter().for_each(|node| _ = black_box(all.map.insert(mc, *node, all.value)));
    }),
];

/// The fastest of [`SAMPLES`] samples, in ns for each of the [`BATCH`] operations of `batch`.
fn fastest(mut batch: impl FnMut()) -> f64 {
    batch();
    let samples = (0..SAMPLES).map(|_| {
        let start = Instant::now();
        (0..BATCHES).for_each(|_| batch());
        start.elapsed()
    });
    let least = samples.min().expect("there are samples");
    least.as_nanos() as f64 / (BATCH * BATCHES) as f64
}

/// The figures of one phase, in the order of the table.
fn figures(heap: &Heap, mutator: &Mutator, phase: &str) -> Vec<f64> {
    let is_there = || mode(mutator).contains(phase);
    assert!(is_there(), "{} at the start of {phase}", mode(mutator));
    let fixture: Root<Fixture<'static>> = mutator.mutate(|mc| mc.root(Fixture::new(mc)));
    let mut all = vec![
        fastest(|| (0..BATCH).for_each(|_| mutator.mutate(|mc| _ = black_box(mc)))),
        fastest(|| (0..BATCH).for_each(|_| heap.mutate(|mc| _ = black_box(mc)))),
    ];
    for (_, operation) in OPERATIONS {
        all.push(fastest(|| mutator.mutate(|mc| operation(mc, Gc::as_ref(fixture.get(mc))))));
    }
    assert!(is_there(), "{} at the end of {phase}", mode(mutator));
    all
}

fn mode(mutator: &Mutator) -> String {
    mutator.mutate(|mc| format!("{mc:?}"))
}

/// A thread that is inside `mutate` until it is told, or until its handle is dropped.
struct Inside(#[allow(dead_code, reason = "its drop ends the wait")] Sender<()>);

impl Inside {
    fn new(heap: &Heap) -> Inside {
        let (release, until): (Sender<()>, Receiver<()>) = channel();
        let (entered, is_inside) = channel();
        let heap = heap.clone();
        thread::spawn(move || {
            heap.mutate(|_| {
                entered.send(()).expect("the caller waits");
                _ = until.recv();
            });
        });
        is_inside.recv().expect("the thread enters");
        Inside(release)
    }
}

fn await_phase(mutator: &Mutator, phase: &str) {
    while !mode(mutator).contains(phase) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn main() {
    // No cycle starts by itself, no thread assists, and memory that was touched stays.
    let builder = Heap::builder().min_heap(1 << 34).scavenge_rate(0);
    let heap = builder.build().expect("a valid configuration");
    let mutator = heap.mutator();
    for start in (0..WARM).step_by(BATCH) {
        mutator.mutate(|mc| (0..BATCH).for_each(|i| _ = Node::new(mc, (start + i) as u64)));
    }
    heap.collect().expect("it is outside of mutate");
    let off = figures(&heap, &mutator, "Off");

    let in_off = Inside::new(&heap);
    let collecting = heap.clone();
    let cycle = thread::spawn(move || collecting.collect());
    await_phase(&mutator, "Prep");
    let prep = figures(&heap, &mutator, "Prep");

    // The next one enters in Prep, so Mark begins when the first one leaves, and does not end.
    let in_prep = Inside::new(&heap);
    drop(in_off);
    await_phase(&mutator, "Mark");
    let mark = figures(&heap, &mutator, "Mark");
    drop(in_prep);
    cycle.join().expect("the thread does not panic").expect("it is outside of mutate");

    println!("| operation | between cycles | Prep | Mark |\n|---|---|---|---|");
    let names = ["`Mutator::mutate`, empty", "`Heap::mutate`, empty"];
    let names = names.into_iter().chain(OPERATIONS.iter().map(|(name, _)| *name));
    for (i, name) in names.enumerate() {
        println!("| {name} | {:.1} | {:.1} | {:.1} |", off[i], prep[i], mark[i]);
    }
}
