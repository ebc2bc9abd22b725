//! `btree`: binary-trees of the Benchmarks Game at depth D.
//!
//! A stretch tree of depth D+1 is built, counted and dropped; a long-lived tree of depth D is kept.
//! For d = 4, 6 ... D, 2^(D-d+4) trees of depth d are built and counted, and T threads share the
//! trees of each depth. The checksum is the number of nodes counted. Each tree is one `mutate`.

#![forbid(unsafe_code)]

use std::marker::PhantomData;

use gc_core::{Gc, Mutation, Mutator, Root, Trace};

use crate::args::Args;
#[cfg(feature = "peers")]
use crate::engines::Engine;
use crate::measure::Stopwatch;
use crate::objects::Pointers;
#[cfg(feature = "peers")]
use crate::peers::{self, Pacing};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin, with_pointers};

const LEAST_DEPTH: u32 = 4;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let count = match (&heap, args.engine) {
        (Some(heap), _) => play(args, || GcForest(heap.mutator())),
        #[cfg(feature = "peers")]
        (None, Engine::GcArena | Engine::GcArenaStw) => {
            let pacing = Pacing::of(args.engine);
            play(args, || peers::gc_arena::Trees::new(pacing))
        }
        #[cfg(feature = "peers")]
        (None, Engine::Bumpalo) => play(args, peers::bumpalo::Trees::default),
        #[cfg(feature = "peers")]
        (None, Engine::TypedArena) => play(args, || peers::typed_arena::Trees),
        (None, engine) => with_pointers!(engine, P => play(args, PointerForest::<P>::new)),
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

/// The number of trees of depth `d`.
fn trees(depth: u32, d: u32) -> u64 {
    1 << (depth - d + LEAST_DEPTH)
}

/// The number of nodes in a tree of depth `d`.
fn nodes(d: u32) -> u64 {
    (1 << (d + 1)) - 1
}

/// What one thread builds trees with.
pub(crate) trait Forest {
    /// Builds a tree, counts it, drops it.
    fn count_one(&mut self, depth: u32) -> u64;

    /// Builds a tree, works on while it is there, and counts it then.
    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R);
}

/// The game. The first phase has a thread of its own like the second, so that `--pin` places it.
/// The long-lived tree stays with it until the end.
fn play<F: Forest>(args: &Args, forest: impl Fn() -> F + Sync) -> u64 {
    let depth = args.depth;
    pin::on_one_thread(args.pin, || {
        let mut here = forest();
        let stretch = here.count_one(depth + 1);
        let share = |forest: &mut F, thread: u64| {
            let mut count = 0;
            for d in (LEAST_DEPTH..=depth).step_by(2) {
                for _ in (thread..trees(depth, d)).step_by(args.threads) {
                    count += forest.count_one(d);
                }
            }
            count
        };
        let (kept, short) = here.keep_while(depth, |here| -> u64 {
            if args.threads == 1 {
                share(here, 0)
            } else {
                let work = |i: usize| share(&mut forest(), i as u64);
                pin::on_threads(args.threads, args.pin, work).iter().sum()
            }
        });
        stretch + short + kept
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
    fn count_one(&mut self, depth: u32) -> u64 {
        self.0.mutate(|mc| build(mc, depth).count())
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        let kept: Root<Tree<'static>> = self.0.mutate(|mc| Gc::root(build(mc, depth), mc));
        let done = work(self);
        (self.0.mutate(|mc| kept.get(mc).count()), done)
    }
}

struct PointerForest<P>(PhantomData<P>);

impl<P: Pointers> PointerForest<P> {
    fn new() -> Self {
        PointerForest(PhantomData)
    }

    fn build(depth: u32) -> P::Pair {
        let child = || (depth > 0).then(|| Self::build(depth - 1));
        let (left, right) = (child(), child());
        P::pair(left, right)
    }

    fn count(tree: &P::Pair) -> u64 {
        let (left, right) = P::sides(tree);
        1 + left.map_or(0, Self::count) + right.map_or(0, Self::count)
    }
}

impl<P: Pointers> Forest for PointerForest<P> {
    fn count_one(&mut self, depth: u32) -> u64 {
        let count = Self::count(&Self::build(depth));
        P::rest();
        count
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        let kept = Self::build(depth);
        let done = work(self);
        (Self::count(&kept), done)
    }
}
