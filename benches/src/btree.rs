//! `btree`: binary-trees of the Benchmarks Game at depth D.
//!
//! A stretch tree of depth D+1 is built, counted and dropped; a long-lived tree of depth D is kept; for d = 4,
//! 6 ... D, 2^(D-d+4) trees of depth d are built and counted, the trees of each depth split over T threads. The
//! checksum is the number of nodes counted. Each tree is one `mutate`.

#![forbid(unsafe_code)]

use gc_core::{Gc, Mutation, Mutator, Root, Trace};

use crate::args::{Args, Engine};
use crate::measure::Stopwatch;
use crate::owned::{Arcs, Boxes, Owner, Rcs};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin};

const LEAST_DEPTH: u32 = 4;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let count = match (&heap, args.engine) {
        (Some(heap), _) => play(args, || GcForest(heap.mutator())),
        (None, Engine::Rc) => play(args, || OwnedForest::<Rcs>::NEW),
        (None, Engine::Arc) => play(args, || OwnedForest::<Arcs>::NEW),
        (None, _) => play(args, || OwnedForest::<Boxes>::NEW),
    };
    let elapsed = watch.stop();
    report.count("depth", args.depth.into());
    report.elapsed(elapsed);
    if let Some(heap) = &heap {
        report.heap(heap, None, args.pauses);
    }
    let depths = (LEAST_DEPTH..=args.depth).step_by(2);
    let short: u64 = depths.map(|d| trees(args.depth, d) * nodes(d)).sum();
    check(report, count, nodes(args.depth + 1) + nodes(args.depth) + short)
}

/// How many trees of depth `d` there are.
fn trees(depth: u32, d: u32) -> u64 {
    1 << (depth - d + LEAST_DEPTH)
}

/// How many nodes a tree of depth `d` has.
fn nodes(d: u32) -> u64 {
    (1 << (d + 1)) - 1
}

/// What one thread builds trees with.
trait Forest {
    /// A tree that stays.
    type Kept;

    /// Builds a tree, counts it, drops it.
    fn count_one(&self, depth: u32) -> u64;

    /// Builds a tree to stay.
    fn keep(&self, depth: u32) -> Self::Kept;

    /// Counts one that stayed.
    fn count_kept(&self, kept: &Self::Kept) -> u64;
}

/// The game. The first phase has a thread of its own like the second, so that `--pin` places it; the
/// long-lived tree stays with it until the end.
fn play<F: Forest>(args: &Args, forest: impl Fn() -> F + Sync) -> u64 {
    let depth = args.depth;
    pin::on_one_thread(args.pin, || {
        let here = forest();
        let stretch = here.count_one(depth + 1);
        let kept = here.keep(depth);
        let share = |forest: &F, thread: u64| {
            let mut count = 0;
            for d in (LEAST_DEPTH..=depth).step_by(2) {
                for _ in (thread..trees(depth, d)).step_by(args.threads) {
                    count += forest.count_one(d);
                }
            }
            count
        };
        let short: u64 = if args.threads == 1 {
            share(&here, 0)
        } else {
            let work = |i: usize| share(&forest(), i as u64);
            pin::on_threads(args.threads, args.pin, work).iter().sum()
        };
        stretch + short + here.count_kept(&kept)
    })
}

#[derive(Trace)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

fn build<'gc>(mc: &'gc Mutation<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
    let child = || (depth > 0).then(|| build(mc, depth - 1));
    let (left, right) = (child(), child());
    Gc::new(mc, Tree { left, right })
}

impl Tree<'_> {
    fn count(&self) -> u64 {
        let below =
            |child: &Option<Gc<'_, Tree<'_>>>| child.as_ref().map_or(0, |tree| tree.count());
        1 + below(&self.left) + below(&self.right)
    }
}

struct GcForest(Mutator);

impl Forest for GcForest {
    type Kept = Root<Tree<'static>>;

    fn count_one(&self, depth: u32) -> u64 {
        self.0.mutate(|mc| build(mc, depth).count())
    }

    fn keep(&self, depth: u32) -> Self::Kept {
        self.0.mutate(|mc| build(mc, depth).root(mc))
    }

    fn count_kept(&self, kept: &Self::Kept) -> u64 {
        self.0.mutate(|mc| kept.get(mc).count())
    }
}

struct OwnedTree<O: Owner> {
    left: Option<O::Ptr<OwnedTree<O>>>,
    right: Option<O::Ptr<OwnedTree<O>>>,
}

impl<O: Owner> OwnedTree<O> {
    fn build(depth: u32) -> O::Ptr<OwnedTree<O>> {
        let child = || (depth > 0).then(|| Self::build(depth - 1));
        let (left, right) = (child(), child());
        O::new(OwnedTree { left, right })
    }

    fn count(&self) -> u64 {
        let below =
            |child: &Option<O::Ptr<OwnedTree<O>>>| child.as_ref().map_or(0, |tree| tree.count());
        1 + below(&self.left) + below(&self.right)
    }
}

struct OwnedForest<O>(std::marker::PhantomData<O>);

impl<O> OwnedForest<O> {
    const NEW: Self = OwnedForest(std::marker::PhantomData);
}

impl<O: Owner> Forest for OwnedForest<O> {
    type Kept = O::Ptr<OwnedTree<O>>;

    fn count_one(&self, depth: u32) -> u64 {
        OwnedTree::<O>::build(depth).count()
    }

    fn keep(&self, depth: u32) -> Self::Kept {
        OwnedTree::<O>::build(depth)
    }

    fn count_kept(&self, kept: &Self::Kept) -> u64 {
        kept.count()
    }
}
