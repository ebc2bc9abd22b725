//! `alloc`: N garbage nodes {left, right} of 16 bytes, only the last one alive; split over T threads.
//!
//! The checksum counts the nodes, batch by batch, and counts a batch only if the node that it left alive still
//! has its two nulls after the next one.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::args::{Args, Engine};
use crate::measure::Stopwatch;
use crate::owned::{Arcs, Boxes, Owner, Rcs};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin};

/// Allocations in one `mutate`: about half a microsecond.
const BATCH: usize = 256;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let counts = pin::on_threads(args.threads, args.pin, |i| {
        // The first threads take one more where N does not divide.
        let n = args.n / args.threads + usize::from(i < args.n % args.threads);
        match (&heap, args.engine) {
            (Some(heap), _) => gc(heap, n),
            (None, Engine::Rc) => owned::<Rcs>(n),
            (None, Engine::Arc) => owned::<Arcs>(n),
            (None, _) => owned::<Boxes>(n),
        }
    });
    let elapsed = watch.stop();
    report.count("n", args.n as u64);
    report.number("ns_per_op", elapsed.wall_s * 1e9 / args.n as f64);
    report.elapsed(elapsed);
    if let Some(heap) = &heap {
        report.heap(heap, None, args.pauses);
    }
    check(report, counts.iter().sum(), args.n as u64)
}

#[derive(Trace)]
struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
}

/// Keeps the last node alive between two pins.
#[derive(Trace)]
struct Keeper<'gc> {
    last: GcCell<'gc, Node<'gc>>,
}

fn gc(heap: &Heap, n: usize) -> u64 {
    let mutator = heap.mutator();
    let keeper: Root<Keeper<'static>> = mutator.mutate(|mc| {
        let first = Gc::new(mc, Node { left: None, right: None });
        Gc::new(mc, Keeper { last: GcCell::new(Some(first)) }).root(mc)
    });
    let (mut count, mut left) = (0, n);
    while left > 0 {
        let batch = left.min(BATCH);
        let intact = mutator.mutate(|mc| {
            let keeper = keeper.get(mc);
            let kept = keeper.last.get().expect("the keeper is never empty");
            let intact = kept.left.is_none() && kept.right.is_none();
            let mut last = kept;
            for _ in 0..batch {
                last = black_box(Gc::new(mc, Node { left: None, right: None }));
            }
            keeper.last.set(mc, Some(last));
            intact
        });
        count += if intact { batch as u64 } else { 0 };
        left -= batch;
    }
    count
}

struct OwnedNode<O: Owner> {
    left: Option<O::Ptr<OwnedNode<O>>>,
    right: Option<O::Ptr<OwnedNode<O>>>,
}

fn owned<O: Owner>(n: usize) -> u64 {
    let mut last = O::new(OwnedNode::<O> { left: None, right: None });
    let (mut count, mut left) = (0, n);
    while left > 0 {
        let batch = left.min(BATCH);
        let intact = last.left.is_none() && last.right.is_none();
        for _ in 0..batch {
            let right = if O::BECOMES_CALLOC { black_box(None) } else { None };
            last = black_box(O::new(OwnedNode { left: None, right }));
        }
        count += if intact { batch as u64 } else { 0 };
        left -= batch;
    }
    count
}
