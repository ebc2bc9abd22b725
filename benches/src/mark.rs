//! `mark`: a live random graph of N nodes {a, b, payload} of 24 bytes, then five forced full collections.
//!
//! One live array holds all nodes; a and b of each point to uniformly random ones. With `--order
//! sequential` the array lists the nodes in the order of their allocation, so the marker walks
//! memory in order. With `shuffled` it is a random permutation of that order. With `sparse` only
//! every 682nd of N nodes is kept, alone in its block of 16 KiB.
//!
//! The checksum adds up the payloads, 0 to N-1, as read through the array. It is right only if the
//! edges lead to the same payloads after the collections as before.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use gc_core::{Gc, GcCell, Heap, Mutator, Root, Trace};

use crate::args::{Args, Order};
#[cfg(feature = "peers")]
use crate::engines::Engine;
use crate::measure::{Elapsed, Stopwatch, median};
#[cfg(feature = "peers")]
use crate::peers::{Pacing, boa::BoaGraph, gc_arena::ArenaGraph};
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin};

const COLLECTIONS: usize = 5;
/// Nodes made or linked in one `mutate`.
const BATCH: usize = 256;
/// Nodes of 24 bytes in a block.
const IN_BLOCK: usize = 682;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let sparse = Args { n: args.n.div_ceil(IN_BLOCK), ..args.clone() };
    let args = if args.order == Order::Sparse { &sparse } else { args };
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let (mut times, elapsed, sums) = match (&heap, args.engine) {
        (Some(heap), _) => gc(heap, args, &watch)?,
        #[cfg(feature = "peers")]
        (None, Engine::GcArena | Engine::GcArenaStw) => pin::on_one_thread(args.pin, || {
            let graph = ArenaGraph::new(Pacing::of(args.engine), args.n);
            alone(graph, ArenaGraph::collect, args, &watch)
        }),
        #[cfg(feature = "peers")]
        (None, Engine::Boa) => {
            pin::on_one_thread(args.pin, || alone(BoaGraph::new(), BoaGraph::collect, args, &watch))
        }
        (None, engine) => unreachable!("{} was refused while parsing", engine.name()),
    };
    let median_s = median(&mut times);
    report.text("order", args.order.name());
    report.count("n", args.n as u64);
    report.number("median_ms", median_s * 1e3);
    report.number("mnodes_per_s", args.n as f64 / median_s / 1e6);
    report.elapsed(elapsed);
    if let Some(heap) = &heap {
        report.heap(heap, None, args.pauses);
    }
    let [before, after] = sums;
    if after != before {
        return Err(format!("the graph changed: {before:?} before, {after:?} after"));
    }
    let n = args.n as u64;
    check(report, after.0, if n.is_multiple_of(2) { n / 2 * (n - 1) } else { n * (n / 2) })
}

/// The times of the collections, the time until their end, and the sums before and after.
type Run = (Vec<f64>, Elapsed, [(u64, u64); 2]);

/// This thread asks our heap for collections; it is not a mutator.
fn gc(heap: &Heap, args: &Args, watch: &Stopwatch) -> Result<Run, String> {
    let (array, before) = pin::on_one_thread(args.pin, || {
        let mut graph = GcGraph::new(heap, args.n, args.order);
        build(&mut graph, args.n, args.order);
        let sums = walk(&graph, args.n);
        (graph.array, sums)
    });
    let mut times = Vec::new();
    for _ in 0..COLLECTIONS {
        let (time, collected) = seconds(|| heap.collect());
        collected.map_err(|e| format!("a collection failed: {e}"))?;
        times.push(time);
    }
    let elapsed = watch.stop();
    let after = pin::on_one_thread(args.pin, || {
        walk(&GcGraph { mutator: heap.mutator(), array: array.clone(), garbage: 0 }, args.n)
    });
    Ok((times, elapsed, [before, after]))
}

/// A collector that works on the thread of its mutator.
#[cfg(feature = "peers")]
fn alone<G: Graph>(mut graph: G, collect: fn(&mut G), args: &Args, watch: &Stopwatch) -> Run {
    build(&mut graph, args.n, args.order);
    let before = walk(&graph, args.n);
    let times =
        (0..COLLECTIONS).map(|_| seconds(|| collect(&mut graph))).map(|(s, ())| s).collect();
    let elapsed = watch.stop();
    (times, elapsed, [before, walk(&graph, args.n)])
}

/// How long `work` took.
fn seconds<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// The targets of a node's edges, by their places in the array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edges {
    pub(crate) from: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

/// The array and its nodes. Each call is a batch, and one `mutate` where there is one.
pub(crate) trait Graph {
    /// Makes the nodes with these payloads, without edges, each in the place of its payload.
    fn make(&mut self, range: Range<usize>);
    /// Exchanges two places of the array.
    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>);
    /// Sets both edges of nodes.
    fn link(&mut self, edges: impl Iterator<Item = Edges>);
    /// Gives the payloads of the nodes in these places and of the ends of their edges, `u64::MAX` for none.
    fn read(&self, range: Range<usize>, each: impl FnMut(u64, u64, u64));
}

fn build(graph: &mut impl Graph, n: usize, order: Order) {
    let mut random = Random::new(42);
    in_batches(n, |range| graph.make(range));
    if order == Order::Shuffled {
        // Fisher and Yates, in place: a separate permutation would show in the resident memory.
        in_batches(n, |range| graph.swap(range.map(|i| (i, i + random.below(n - i)))));
    }
    in_batches(n, |range| {
        graph.link(range.map(|from| Edges { from, a: random.below(n), b: random.below(n) }));
    });
}

/// The sum of the payloads, and a sum over all edges of a mix of both ends.
fn walk(graph: &impl Graph, n: usize) -> (u64, u64) {
    let (mut payloads, mut edges) = (0u64, 0u64);
    in_batches(n, |range| {
        graph.read(range, |payload, a, b| {
            payloads += payload;
            edges = edges.wrapping_add(mix(payload ^ mix(a ^ mix(b))));
        });
    });
    (payloads, edges)
}

fn in_batches(n: usize, mut work: impl FnMut(Range<usize>)) {
    for start in (0..n).step_by(BATCH) {
        work(start..(start + BATCH).min(n));
    }
}

#[derive(Trace)]
struct Node<'gc> {
    a: GcCell<'gc, Node<'gc>>,
    b: GcCell<'gc, Node<'gc>>,
    payload: u64,
}

const _: () = assert!(size_of::<Node<'static>>() == 24);

struct GcGraph {
    mutator: Mutator,
    array: Root<[GcCell<'static, Node<'static>>]>,
    /// Number of nodes that are made beside each node that is kept.
    garbage: usize,
}

impl GcGraph {
    fn new(heap: &Heap, n: usize, order: Order) -> GcGraph {
        let mutator = heap.mutator();
        let array = mutator.mutate(|mc| {
            Gc::root(Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node>::new(None))), mc)
        });
        GcGraph { mutator, array, garbage: if order == Order::Sparse { IN_BLOCK - 1 } else { 0 } }
    }
}

impl Graph for GcGraph {
    fn make(&mut self, range: Range<usize>) {
        self.mutator.mutate(|mc| {
            let slots = self.array.get(mc);
            for i in range {
                let node = || {
                    let (a, b) = (GcCell::new(None), GcCell::new(None));
                    Gc::new(mc, Node { a, b, payload: i as u64 })
                };
                slots[i].set(mc, Some(node()));
                (0..self.garbage).for_each(|_| _ = black_box(node()));
            }
        });
    }

    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        self.mutator.mutate(|mc| {
            let slots = self.array.get(mc);
            for (i, j) in pairs {
                let (here, there) = (slots[i].get(), slots[j].get());
                slots[i].set(mc, there);
                slots[j].set(mc, here);
            }
        });
    }

    fn link(&mut self, edges: impl Iterator<Item = Edges>) {
        self.mutator.mutate(|mc| {
            let slots = self.array.get(mc);
            for Edges { from, a, b } in edges {
                let node = slots[from].get().expect("every slot was filled");
                node.a.set(mc, slots[a].get());
                node.b.set(mc, slots[b].get());
            }
        });
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u64, u64, u64)) {
        self.mutator.mutate(|mc| {
            let slots = self.array.get(mc);
            for i in range {
                let Some(node) = slots[i].get() else { continue };
                let end = |cell: &GcCell<'_, Node<'_>>| cell.get().map_or(u64::MAX, |n| n.payload);
                each(node.payload, end(&node.a), end(&node.b));
            }
        });
    }
}
