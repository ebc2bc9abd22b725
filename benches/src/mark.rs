//! `mark`: a live random graph of N nodes {a, b, payload} of 24 bytes, then five forced full collections.
//!
//! One live array holds all nodes; a and b of each point to uniformly random ones. With `--order sequential` the
//! array lists the nodes in the order in which they were allocated, so the marker walks memory in order;
//! with `shuffled` it is a random permutation of that order.
//!
//! The checksum adds up the payloads, 0 to N-1, seen through the array, and is right only if the edges lead
//! to the same payloads after the collections as before.

#![forbid(unsafe_code)]

use std::time::Instant;

use gc_core::{Gc, GcCell, Mutator, Root, Trace};

use crate::args::{Args, Order};
use crate::measure::{Stopwatch, median};
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, heap, pin};

const COLLECTIONS: usize = 5;
/// Nodes made or linked in one `mutate`.
const BATCH: usize = 256;

#[derive(Trace)]
struct Node<'gc> {
    a: GcCell<'gc, Node<'gc>>,
    b: GcCell<'gc, Node<'gc>>,
    payload: u64,
}

const _: () = assert!(size_of::<Node<'static>>() == 24);

type Graph = Root<[GcCell<'static, Node<'static>>]>;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap(args)?;
    let watch = Stopwatch::start();
    let (graph, before) = pin::on_one_thread(args.pin, || {
        let mutator = heap.mutator();
        let graph = build(&mutator, args.n, args.order);
        let sums = walk(&mutator, &graph, args.n);
        (graph, sums)
    });
    let mut times = Vec::new();
    for _ in 0..COLLECTIONS {
        let start = Instant::now();
        heap.collect().map_err(|e| format!("a collection failed: {e}"))?;
        times.push(start.elapsed().as_secs_f64());
    }
    let elapsed = watch.stop();
    let median_s = median(&mut times);
    report.text("order", args.order.name());
    report.count("n", args.n as u64);
    report.number("median_ms", median_s * 1e3);
    report.number("mnodes_per_s", args.n as f64 / median_s / 1e6);
    report.elapsed(elapsed);
    report.heap(&heap, None, args.pauses);
    let after = pin::on_one_thread(args.pin, || walk(&heap.mutator(), &graph, args.n));
    if after != before {
        return Err(format!("the graph changed: {before:?} before, {after:?} after"));
    }
    let n = args.n as u64;
    check(report, after.0, if n.is_multiple_of(2) { n / 2 * (n - 1) } else { n * (n / 2) })
}

fn build(mutator: &Mutator, n: usize, order: Order) -> Graph {
    let mut random = Random::new(42);
    let graph: Graph = mutator
        .mutate(|mc| Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node>::new(None))).root(mc));
    in_batches(n, |range| {
        mutator.mutate(|mc| {
            let slots = graph.get(mc);
            for i in range {
                let (a, b) = (GcCell::new(None), GcCell::new(None));
                slots[i].set(mc, Some(Gc::new(mc, Node { a, b, payload: i as u64 })));
            }
        });
    });
    if order == Order::Shuffled {
        // Fisher and Yates, in place: a permutation on the side would show in the resident memory.
        in_batches(n, |range| {
            mutator.mutate(|mc| {
                let slots = graph.get(mc);
                for i in range {
                    let j = i + random.below(n - i);
                    let (here, there) = (slots[i].get(), slots[j].get());
                    slots[i].set(mc, there);
                    slots[j].set(mc, here);
                }
            });
        });
    }
    in_batches(n, |range| {
        mutator.mutate(|mc| {
            let slots = graph.get(mc);
            for i in range {
                let node = slots[i].get().expect("every slot was filled");
                node.a.set(mc, slots[random.below(n)].get());
                node.b.set(mc, slots[random.below(n)].get());
            }
        });
    });
    graph
}

/// The sum of the payloads, and a sum over all edges of a mix of both ends.
fn walk(mutator: &Mutator, graph: &Graph, n: usize) -> (u64, u64) {
    let (mut payloads, mut edges) = (0u64, 0u64);
    in_batches(n, |range| {
        mutator.mutate(|mc| {
            let slots = graph.get(mc);
            for i in range {
                let Some(node) = slots[i].get() else { continue };
                let end = |cell: &GcCell<'_, Node<'_>>| cell.get().map_or(u64::MAX, |n| n.payload);
                payloads += node.payload;
                edges =
                    edges.wrapping_add(mix(node.payload ^ mix(end(&node.a) ^ mix(end(&node.b)))));
            }
        });
    });
    (payloads, edges)
}

fn in_batches(n: usize, mut work: impl FnMut(std::ops::Range<usize>)) {
    for start in (0..n).step_by(BATCH) {
        work(start..(start + BATCH).min(n));
    }
}
