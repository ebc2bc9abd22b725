//! `gcbench`: GCBench of Ellis, Kovac and Boehm as published, `--n` times (five).
//!
//! A tree of depth 18 stretches the heap and dies; a tree of depth 16, made top down, and an array
//! of 500,000 doubles live to the end; for depths 4, 6 ... 16 trees are made that hold 2 * 524,287
//! nodes between them, once top down (each node is stored into its parent) and once bottom up. Each
//! tree is one `mutate`.
//!
//! The checksum counts the long-lived tree and the last tree of each loop, and is right only if
//! element 1000 of the array is too, as the published program checks.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::marker::PhantomData;

use gc_core::{Gc, GcCell, Heap, Mutation, Mutator, Root, Trace};

use crate::cli::{Common, Workload, size};
use crate::engines::given;
use crate::measure::{Stopwatch, median};
use crate::objects::Pointers;
use crate::report::Report;
use crate::{Outcome, check, pin};

// The unit tests run without optimization.
const STRETCH_DEPTH: u32 = if cfg!(test) { 9 } else { 18 };
pub(crate) const LONG_LIVED_DEPTH: u32 = if cfg!(test) { 7 } else { 16 };
pub(crate) const ARRAY_SIZE: usize = 500_000;
const LEAST_DEPTH: u32 = 4;
const MOST_DEPTH: u32 = if cfg!(test) { 6 } else { 16 };

/// What follows `gcbench` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs of the published program
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = size())]
    n: usize,
    #[command(flatten)]
    common: Common,
}

/// One run of the program: returns how many nodes were counted.
pub(crate) type Body = fn(Option<&Heap>) -> u64;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.gcbench()).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.gcbench())?;
        let heap = self.common.heap()?;
        let watch = Stopwatch::start();
        let (count, walls) = pin::on_one_thread(self.common.pin, || {
            let (mut walls, mut count) = (Vec::new(), 0);
            for _ in 0..self.n {
                let watch = Stopwatch::start();
                count += body(heap.as_ref());
                walls.push(watch.stop().wall_s);
            }
            (count, walls)
        });
        let elapsed = watch.stop();
        report.count("n", self.n as u64);
        report.elapsed(elapsed);
        report.number("run_s", median(walls));
        report.heap(heap.as_ref(), None, self.common.pauses);
        let loops: u64 = (LEAST_DEPTH..=MOST_DEPTH).step_by(2).map(|d| 2 * tree_size(d)).sum();
        check(report, count, self.n as u64 * (tree_size(LONG_LIVED_DEPTH) + loops))
    }
}

/// Nodes of a tree of depth `d`.
fn tree_size(d: u32) -> u64 {
    (1 << (d + 1)) - 1
}

/// The number of trees of depth `d` that a loop makes.
fn iterations(d: u32) -> u64 {
    2 * tree_size(STRETCH_DEPTH) / tree_size(d)
}

/// The array's elements: the first half are reciprocals.
pub(crate) fn element(i: usize) -> f64 {
    if i < ARRAY_SIZE / 2 { 1.0 / i as f64 } else { 0.0 }
}

/// The operations with which the program makes its objects.
pub(crate) trait Garden {
    /// Makes a tree top down and drops it. Returns its size if `count`.
    fn top_down(&mut self, depth: u32, count: bool) -> u64;
    /// Makes a tree bottom up and drops it. Returns its size if `count`.
    fn bottom_up(&mut self, depth: u32, count: bool) -> u64;
    /// Makes so many trees top down, one after the other; the size of the last.
    fn each_top_down(&mut self, depth: u32, times: u64) -> u64 {
        (1..=times).map(|i| self.top_down(depth, i == times)).sum()
    }
    /// The same bottom up.
    fn each_bottom_up(&mut self, depth: u32, times: u64) -> u64 {
        (1..=times).map(|i| self.bottom_up(depth, i == times)).sum()
    }
    /// Makes the two long-lived objects and works on while they are there; then the size of the
    /// tree, which is made top down, and element 1000 of the array.
    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R);
}

/// `main` of the published program.
pub(crate) fn bench<G: Garden>(garden: &mut G) -> u64 {
    garden.bottom_up(STRETCH_DEPTH, false);
    let (size, element, count) = garden.keep_while(|garden| {
        let mut count = 0;
        for depth in (LEAST_DEPTH..=MOST_DEPTH).step_by(2) {
            count += garden.each_top_down(depth, iterations(depth));
            count += garden.each_bottom_up(depth, iterations(depth));
        }
        count
    });
    if element == 1.0 / 1000.0 { count + size } else { 0 }
}

#[derive(Trace)]
struct Node<'gc> {
    left: GcCell<'gc, Node<'gc>>,
    right: GcCell<'gc, Node<'gc>>,
    i: i32,
    j: i32,
}

impl<'gc> Node<'gc> {
    fn new(left: Option<Gc<'gc, Node<'gc>>>, right: Option<Gc<'gc, Node<'gc>>>) -> Node<'gc> {
        Node { left: GcCell::new(left), right: GcCell::new(right), i: 0, j: 0 }
    }

    fn count(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        let below = |child: &GcCell<'gc, Node<'gc>>| child.get().map_or(0, |node| node.count());
        1 + below(&self.left) + below(&self.right)
    }
}

fn populate<'gc>(mc: &'gc Mutation<'gc>, depth: u32, node: Gc<'gc, Node<'gc>>) {
    if depth == 0 {
        return;
    }
    let (left, right) = (Gc::new(mc, Node::new(None, None)), Gc::new(mc, Node::new(None, None)));
    node.left.set(mc, Some(left));
    node.right.set(mc, Some(right));
    populate(mc, depth - 1, left);
    populate(mc, depth - 1, right);
}

fn top_down<'gc>(mc: &'gc Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
    let root = Gc::new(mc, Node::new(None, None));
    populate(mc, depth, root);
    root
}

fn bottom_up<'gc>(mc: &'gc Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
    let child = || (depth > 0).then(|| bottom_up(mc, depth - 1));
    let (left, right) = (child(), child());
    Gc::new(mc, Node::new(left, right))
}

pub(crate) fn ours(heap: Option<&Heap>) -> u64 {
    bench(&mut GcGarden(given(heap).mutator()))
}

struct GcGarden(Mutator);

impl Garden for GcGarden {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        self.0.mutate(|mc| {
            let tree = black_box(top_down(mc, depth));
            if count { tree.count() } else { 0 }
        })
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        self.0.mutate(|mc| {
            let tree = black_box(bottom_up(mc, depth));
            if count { tree.count() } else { 0 }
        })
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        let tree: Root<Node<'static>> =
            self.0.mutate(|mc| Gc::root(top_down(mc, LONG_LIVED_DEPTH), mc));
        let elements = (0..ARRAY_SIZE).map(element);
        let array: Root<[f64]> = self.0.mutate(|mc| Gc::root(Gc::from_iter_in(mc, elements), mc));
        let done = work(self);
        self.0.mutate(|mc| (tree.get(mc).count(), array.get(mc)[1000], done))
    }
}

pub(crate) fn pointers<P: Pointers>(_: Option<&Heap>) -> u64 {
    bench(&mut PointerGarden::<P>::new())
}

struct PointerGarden<P>(PhantomData<P>);

impl<P: Pointers> PointerGarden<P> {
    fn new() -> Self {
        PointerGarden(PhantomData)
    }

    fn top_down(depth: u32) -> P::Node {
        let mut root = P::node(None, None);
        P::populate(&mut root, depth);
        root
    }

    fn bottom_up(depth: u32) -> P::Node {
        let child = || (depth > 0).then(|| Self::bottom_up(depth - 1));
        let (left, right) = (child(), child());
        P::node(left, right)
    }

    fn finish(tree: P::Node, count: bool) -> u64 {
        let tree = black_box(tree);
        let size = if count { P::size(&tree) } else { 0 };
        drop(tree);
        P::rest();
        size
    }
}

impl<P: Pointers> Garden for PointerGarden<P> {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        Self::finish(Self::top_down(depth), count)
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        Self::finish(Self::bottom_up(depth), count)
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        let tree = Self::top_down(LONG_LIVED_DEPTH);
        let array: Box<[f64]> = (0..ARRAY_SIZE).map(element).collect();
        let done = work(self);
        (P::size(&tree), array[1000], done)
    }
}
