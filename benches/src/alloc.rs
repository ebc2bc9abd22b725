//! `alloc`: N garbage nodes {left, right} of 16 bytes, only the last one alive; split over T
//! threads.
//!
//! The checksum counts the nodes, batch by batch, and counts a batch only if the node that it left
//! alive still has its two nulls after the next one.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::cli::{Common, Workload, size, threads};
use crate::engines::given;
use crate::measure::Stopwatch;
use crate::objects::Pointers;
use crate::report::Report;
use crate::{Outcome, check, pin};

/// Allocations in one `mutate`: about half a microsecond.
pub(crate) const BATCH: usize = 256;

/// What follows `alloc` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes to allocate
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = size())]
    n: usize,
    /// Mutator threads, which share the work
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = threads())]
    threads: usize,
    #[command(flatten)]
    common: Common,
}

/// The work of one thread: allocates so many nodes and returns how many it counted.
pub(crate) type Body = fn(Option<&Heap>, usize) -> u64;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.alloc()).err()
    }

    fn misfit(&self) -> Option<String> {
        let (threads, n) = (self.threads, self.n);
        (threads > n).then(|| format!("--threads {threads} is more than --n {n}"))
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let Options { n, threads, ref common } = *self;
        let body = common.engine.can(|engine| engine.alloc())?;
        let heap = common.heap()?;
        let watch = Stopwatch::start();
        let counts = pin::on_threads(threads, common.pin, |i| {
            // The first threads take one more where N does not divide.
            body(heap.as_ref(), n / threads + usize::from(i < n % threads))
        });
        let elapsed = watch.stop();
        report.count("n", n as u64);
        report.number("ns_per_op", elapsed.wall_s * 1e9 / n as f64);
        report.elapsed(elapsed);
        report.heap(heap.as_ref(), None, common.pauses);
        check(report, counts.iter().sum(), n as u64)
    }
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

pub(crate) fn ours(heap: Option<&Heap>, n: usize) -> u64 {
    let mutator = given(heap).mutator();
    let keeper: Root<Keeper<'static>> = mutator.mutate(|mc| {
        let first = Gc::new(mc, Node { left: None, right: None });
        Gc::root(Gc::new(mc, Keeper { last: GcCell::new(Some(first)) }), mc)
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

pub(crate) fn pointers<P: Pointers>(_: Option<&Heap>, n: usize) -> u64 {
    let mut last = P::pair(None, None);
    let (mut count, mut left) = (0, n);
    while left > 0 {
        let batch = left.min(BATCH);
        let intact = matches!(P::sides(&last), (None, None));
        for _ in 0..batch {
            let right = if P::BECOMES_CALLOC { black_box(None) } else { None };
            last = black_box(P::pair(None, right));
        }
        P::rest();
        count += if intact { batch as u64 } else { 0 };
        left -= batch;
    }
    count
}
