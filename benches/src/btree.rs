//! `btree`: binary-trees of the Benchmarks Game at depth D.
//!
//! A stretch tree of depth D+1 is built, counted and dropped; a long-lived tree of depth D is kept;
//! for d = 4, 6 ... D, 2^(D-d+4) trees of depth d are built and counted, the trees of each depth
//! split over T threads. The checksum is the number of nodes counted. Each tree is one `mutate`.

#![forbid(unsafe_code)]

use std::marker::PhantomData;

use gc_core::{Gc, Heap, Mutation, Mutator, Root, Trace};

use crate::cli::{Common, Workload, number, threads};
use crate::engines::given;
use crate::measure::Stopwatch;
use crate::objects::Pointers;
use crate::report::Report;
use crate::{Outcome, check, pin};

const LEAST_DEPTH: u32 = 4;

/// What follows `btree` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Depth of the long-lived tree
    #[arg(long, value_name = "D", default_value_t = 18, value_parser = number(LEAST_DEPTH, 30))]
    depth: u32,
    /// Mutator threads, which share the short-lived trees
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = threads())]
    threads: usize,
    #[command(flatten)]
    common: Common,
}

/// Plays the game and returns how many nodes were counted.
pub(crate) type Body = fn(&Options, Option<&Heap>) -> u64;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.btree()).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.btree())?;
        let heap = self.common.heap()?;
        let watch = Stopwatch::start();
        let count = body(self, heap.as_ref());
        let elapsed = watch.stop();
        report.count("depth", self.depth.into());
        report.elapsed(elapsed);
        report.heap(heap.as_ref(), None, self.common.pauses);
        let depths = (LEAST_DEPTH..=self.depth).step_by(2);
        let short: u64 = depths.map(|d| trees(self.depth, d) * nodes(d)).sum();
        check(report, count, nodes(self.depth + 1) + nodes(self.depth) + short)
    }
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

    /// As [`count_one`](Forest::count_one), so many times.
    fn count_each(&mut self, depth: u32, times: u64) -> u64 {
        (0..times).map(|_| self.count_one(depth)).sum()
    }

    /// Builds a tree, works on while it is there, and counts it then.
    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R);
}

/// The game. The first phase has a thread of its own like the second, so that `--pin` places it.
/// The long-lived tree stays with it until the end.
pub(crate) fn play<F: Forest>(options: &Options, forest: impl Fn() -> F + Sync) -> u64 {
    let Options { depth, threads, common: Common { pin, .. } } = *options;
    pin::on_one_thread(pin, || {
        let mut here = forest();
        let stretch = here.count_one(depth + 1);
        let share = |forest: &mut F, thread: u64| {
            let mut count = 0;
            for d in (LEAST_DEPTH..=depth).step_by(2) {
                let mine = (thread..trees(depth, d)).step_by(threads).count();
                count += forest.count_each(d, mine as u64);
            }
            count
        };
        let (kept, short) = here.keep_while(depth, |here| -> u64 {
            if threads == 1 {
                share(here, 0)
            } else {
                let work = |i: usize| share(&mut forest(), i as u64);
                pin::on_threads(threads, pin, work).iter().sum()
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

pub(crate) fn ours(options: &Options, heap: Option<&Heap>) -> u64 {
    play(options, || GcForest(given(heap).mutator()))
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

pub(crate) fn pointers<P: Pointers>(options: &Options, _: Option<&Heap>) -> u64 {
    play(options, PointerForest::<P>::new)
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
