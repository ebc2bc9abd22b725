//! `alloc`: N garbage nodes {left, right} of 16 bytes, only the last one alive; split over T threads.
//!
//! The checksum counts the nodes, batch by batch. A batch counts only if the node that it left
//! alive still has its two nulls after the next batch.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::args::Args;
#[cfg(feature = "peers")]
use crate::engines::Engine;
use crate::measure::Stopwatch;
use crate::objects::Pointers;
#[cfg(feature = "peers")]
use crate::peers::{self, Pacing};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin, with_pointers};

/// Allocations in one `mutate`: about half a microsecond.
pub(crate) const BATCH: usize = 256;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let counts = pin::on_threads(args.threads, args.pin, |i| {
        // The first threads take one more where N does not divide.
        let n = args.n / args.threads + usize::from(i < args.n % args.threads);
        match (&heap, args.engine) {
            (Some(heap), _) => gc(heap, n),
            #[cfg(feature = "peers")]
            (None, Engine::GcArena | Engine::GcArenaStw) => {
                peers::gc_arena::alloc(Pacing::of(args.engine), n)
            }
            #[cfg(feature = "peers")]
            (None, Engine::Bumpalo) => peers::bumpalo::alloc(n),
            #[cfg(feature = "peers")]
            (None, Engine::TypedArena) => peers::typed_arena::alloc(n),
            (None, engine) => with_pointers!(engine, P => pointers::<P>(n)),
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

fn pointers<P: Pointers>(n: usize) -> u64 {
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
