//! `mark`: a live random graph of N nodes {a, b, payload} of 24 bytes, then five forced full
//! collections.
//!
//! One live array holds all nodes; a and b of each point to uniformly random ones. With `--order
//! sequential` the array lists the nodes in the order in which they were allocated, so the marker
//! walks memory in order; with `shuffled` it is a random permutation of that order; with `sparse`
//! only every 682nd of N nodes is kept, alone in its block of 16 KiB. With `lists` the array holds
//! the heads of lists of a thousand nodes, and there are no other edges.
//!
//! The checksum adds up the payloads, 0 to N-1, seen through the array, and is right only if the
//! edges lead to the same payloads after the collections as before.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use clap::ValueEnum;
use gc_core::{Gc, GcCell, Heap, Mutator, Root, Trace};

use crate::cli::{Common, Workload, size};
use crate::engines::{Kind, given};
use crate::measure::{Elapsed, Stopwatch, median};
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, pin};

const COLLECTIONS: usize = 5;
/// Nodes made or linked in one `mutate`.
const BATCH: usize = 256;
/// Nodes of a list.
const LIST: usize = 1000;
/// Nodes of 24 bytes in a block.
const IN_BLOCK: usize = 682;

/// How the nodes lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// In the order of the array
    Sequential,
    /// In any other order than that of the array
    Shuffled,
    /// Of N nodes only each that begins a block is kept (engine gc)
    Sparse,
    /// In lists of a thousand, each from the newest node to the oldest (engine gc)
    Lists,
}

impl Order {
    /// Whether only our heap is measured with it.
    fn is_ours(self) -> bool {
        matches!(self, Order::Sparse | Order::Lists)
    }

    /// The value of `--order`.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What follows `mark` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes of the graph
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = size())]
    n: usize,
    /// How the nodes lie in memory
    #[arg(long, value_name = "O", value_enum, default_value_t = Order::Sequential)]
    order: Order,
    #[command(flatten)]
    common: Common,
}

/// What a run gave.
pub(crate) struct Run {
    /// The seconds of each collection.
    times: Vec<f64>,
    /// The time until the end of the last.
    elapsed: Elapsed,
    /// The sums of the graph before the collections and after them.
    sums: [(u64, u64); 2],
}

/// Builds the graph and collects.
pub(crate) type Body = fn(&Options, Option<&Heap>, &Stopwatch) -> Result<Run, String>;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.mark()).err()
    }

    fn misfit(&self) -> Option<String> {
        let engine = self.common.engine;
        (engine.kind != Kind::Ours && self.order.is_ours()).then(|| {
            let order = self.order.name();
            format!("--order {order} is about the blocks of --engine gc, not {}", engine.name)
        })
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.mark())?;
        let is_sparse = self.order == Order::Sparse;
        let n = if is_sparse { self.n.div_ceil(IN_BLOCK) } else { self.n };
        // A cycle in between would let later nodes into the blocks of `sparse`.
        let heap = self.common.heap_without_cycles(is_sparse)?;
        let watch = Stopwatch::start();
        let run = body(&Options { n, ..self.clone() }, heap.as_ref(), &watch)?;
        let median_s = median(run.times);
        report.text("order", self.order.name());
        report.count("n", n as u64);
        report.number("median_ms", median_s * 1e3);
        report.number("mnodes_per_s", n as f64 / median_s / 1e6);
        report.elapsed(run.elapsed);
        report.heap(heap.as_ref(), None, self.common.pauses);
        let [before, after] = run.sums;
        if after != before {
            return Err(format!("the graph changed: {before:?} before, {after:?} after"));
        }
        let n = n as u64;
        check(report, after.0, if n.is_multiple_of(2) { n / 2 * (n - 1) } else { n * (n / 2) })
    }
}

/// Our heap is asked for collections from this thread, which is not a mutator.
pub(crate) fn ours(
    options: &Options,
    heap: Option<&Heap>,
    watch: &Stopwatch,
) -> Result<Run, String> {
    if options.order == Order::Lists {
        return collections::<LIST>(options, given(heap), watch);
    }
    collections::<1>(options, given(heap), watch)
}

/// The same for a graph with so many nodes behind each slot of the array.
fn collections<const IN_LIST: usize>(
    options: &Options,
    heap: &Heap,
    watch: &Stopwatch,
) -> Result<Run, String> {
    let Options { n, order, common: Common { pin, .. } } = *options;
    let (array, before) = pin::on_one_thread(pin, || {
        let mut graph = GcGraph::<IN_LIST>::new(heap, n, order);
        build(&mut graph, n, order);
        let sums = walk(&graph, n);
        (graph.array, sums)
    });
    let mut times = Vec::new();
    for _ in 0..COLLECTIONS {
        let (time, collected) = seconds(|| heap.collect());
        collected.map_err(|e| format!("a collection failed: {e}"))?;
        times.push(time);
    }
    let elapsed = watch.stop();
    let after = pin::on_one_thread(pin, || {
        let array = array.clone();
        walk(&GcGraph::<IN_LIST> { mutator: heap.mutator(), array, garbage: 0 }, n)
    });
    Ok(Run { times, elapsed, sums: [before, after] })
}

/// The graph of a collector that is asked from the thread of its mutator.
#[cfg(feature = "peers")]
pub(crate) fn alone<G: Graph>(
    options: &Options,
    watch: &Stopwatch,
    graph: impl Fn(usize) -> G + Sync,
    collect: fn(&mut G),
) -> Run {
    let n = options.n;
    pin::on_one_thread(options.common.pin, || {
        let mut graph = graph(n);
        build(&mut graph, n, options.order);
        let before = walk(&graph, n);
        let times =
            (0..COLLECTIONS).map(|_| seconds(|| collect(&mut graph))).map(|(s, ())| s).collect();
        let elapsed = watch.stop();
        Run { times, elapsed, sums: [before, walk(&graph, n)] }
    })
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
    /// Gives the payloads of the nodes in these places and of the ends of their edges, `u64::MAX`
    /// for none.
    fn read(&self, range: Range<usize>, each: impl FnMut(u64, u64, u64));
}

fn build(graph: &mut impl Graph, n: usize, order: Order) {
    let mut random = Random::new(42);
    in_batches(n, |range| graph.make(range));
    if order == Order::Shuffled {
        // Fisher and Yates, in place: a separate permutation would show in the resident memory.
        in_batches(n, |range| graph.swap(range.map(|i| (i, i + random.below(n - i)))));
    }
    if order == Order::Lists {
        return;
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

/// The graph in our heap, with so many nodes behind each slot of the array.
struct GcGraph<const IN_LIST: usize> {
    mutator: Mutator,
    array: Root<[GcCell<'static, Node<'static>>]>,
    /// Number of nodes that are made beside each node that is kept.
    garbage: usize,
}

impl<const IN_LIST: usize> GcGraph<IN_LIST> {
    fn new(heap: &Heap, n: usize, order: Order) -> GcGraph<IN_LIST> {
        let mutator = heap.mutator();
        let garbage = if order == Order::Sparse { IN_BLOCK - 1 } else { 0 };
        let array = mutator.mutate(|mc| {
            let slots = (0..n.div_ceil(IN_LIST)).map(|_| GcCell::<Node>::new(None));
            Gc::root(Gc::from_iter_in(mc, slots), mc)
        });
        GcGraph { mutator, array, garbage }
    }
}

impl<const IN_LIST: usize> Graph for GcGraph<IN_LIST> {
    fn make(&mut self, range: Range<usize>) {
        self.mutator.mutate(|mc| {
            let slots = self.array.get(mc);
            for i in range {
                let slot = &slots[i / IN_LIST];
                let node = || {
                    let (a, b) = (GcCell::new(slot.get()), GcCell::new(None));
                    Gc::new(mc, Node { a, b, payload: i as u64 })
                };
                slot.set(mc, Some(node()));
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
            for i in range.filter(|i| i.is_multiple_of(IN_LIST)) {
                let mut at = slots[i / IN_LIST].get();
                for _ in 0..IN_LIST {
                    let Some(node) = at else { break };
                    let end =
                        |cell: &GcCell<'_, Node<'_>>| cell.get().map_or(u64::MAX, |n| n.payload);
                    each(node.payload, end(&node.a), end(&node.b));
                    at = node.a.get();
                }
            }
        });
    }
}
