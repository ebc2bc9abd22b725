//! `gcbench`: GCBench of Ellis, Kovac and Boehm as published, `--n` times (five).
//!
//! A tree of depth 18 stretches the heap and dies; a tree of depth 16, made top down, and an array of 500,000
//! doubles live to the end; for depths 4, 6 ... 16 trees are made that hold 2 * 524,287 nodes between them, once
//! top down (each node is stored into its parent) and once bottom up. Each tree is one `mutate`.
//!
//! The checksum counts the long-lived tree and the last tree of each loop, and is right only if element 1000 of
//! the array is too, as the published program checks.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_core::{Gc, GcCell, Mutation, Mutator, Root, Trace};

use crate::args::{Args, Engine};
use crate::measure::{Stopwatch, median};
use crate::owned::{Arcs, Boxes, Owner, Rcs};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin};

// The unit tests run without optimization.
const STRETCH_DEPTH: u32 = if cfg!(test) { 9 } else { 18 };
const LONG_LIVED_DEPTH: u32 = if cfg!(test) { 7 } else { 16 };
const ARRAY_SIZE: usize = 500_000;
const LEAST_DEPTH: u32 = 4;
const MOST_DEPTH: u32 = if cfg!(test) { 6 } else { 16 };

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let watch = Stopwatch::start();
    let (count, mut walls) = pin::on_one_thread(args.pin, || {
        let mut walls = Vec::new();
        let mut count = 0;
        for _ in 0..args.n {
            let watch = Stopwatch::start();
            count += match (&heap, args.engine) {
                (Some(heap), _) => bench(&GcGarden(heap.mutator())),
                (None, Engine::Rc) => bench(&OwnedGarden::<Rcs>::NEW),
                (None, Engine::Arc) => bench(&OwnedGarden::<Arcs>::NEW),
                (None, _) => bench(&OwnedGarden::<Boxes>::NEW),
            };
            walls.push(watch.stop().wall_s);
        }
        (count, walls)
    });
    let elapsed = watch.stop();
    report.count("n", args.n as u64);
    report.elapsed(elapsed);
    report.number("run_s", median(&mut walls));
    if let Some(heap) = &heap {
        report.heap(heap, None, args.pauses);
    }
    let loops: u64 = (LEAST_DEPTH..=MOST_DEPTH).step_by(2).map(|d| 2 * tree_size(d)).sum();
    check(report, count, args.n as u64 * (tree_size(LONG_LIVED_DEPTH) + loops))
}

/// Nodes of a tree of depth `d`.
fn tree_size(d: u32) -> u64 {
    (1 << (d + 1)) - 1
}

/// How many trees of depth `d` a loop makes.
fn iterations(d: u32) -> u64 {
    2 * tree_size(STRETCH_DEPTH) / tree_size(d)
}

/// The array's elements: the first half are reciprocals.
fn element(i: usize) -> f64 {
    if i < ARRAY_SIZE / 2 { 1.0 / i as f64 } else { 0.0 }
}

/// What the program makes its objects with.
trait Garden {
    /// The two long-lived objects.
    type Tree;
    type Array;

    /// Makes a tree top down, drops it; its size if `count`.
    fn top_down(&self, depth: u32, count: bool) -> u64;
    /// Makes a tree bottom up, drops it; its size if `count`.
    fn bottom_up(&self, depth: u32, count: bool) -> u64;
    fn long_lived(&self) -> (Self::Tree, Self::Array);
    /// The size of the long-lived tree and element 1000 of the array.
    fn inspect(&self, tree: &Self::Tree, array: &Self::Array) -> (u64, f64);
}

/// `main` of the published program.
fn bench<G: Garden>(garden: &G) -> u64 {
    garden.bottom_up(STRETCH_DEPTH, false);
    let (tree, array) = garden.long_lived();
    let mut count = 0;
    for depth in (LEAST_DEPTH..=MOST_DEPTH).step_by(2) {
        let last = iterations(depth) - 1;
        for i in 0..=last {
            count += garden.top_down(depth, i == last);
        }
        for i in 0..=last {
            count += garden.bottom_up(depth, i == last);
        }
    }
    let (size, element) = garden.inspect(&tree, &array);
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

struct GcGarden(Mutator);

impl Garden for GcGarden {
    type Tree = Root<Node<'static>>;
    type Array = Root<[f64]>;

    fn top_down(&self, depth: u32, count: bool) -> u64 {
        self.0.mutate(|mc| {
            let tree = black_box(top_down(mc, depth));
            if count { tree.count() } else { 0 }
        })
    }

    fn bottom_up(&self, depth: u32, count: bool) -> u64 {
        self.0.mutate(|mc| {
            let tree = black_box(bottom_up(mc, depth));
            if count { tree.count() } else { 0 }
        })
    }

    fn long_lived(&self) -> (Self::Tree, Self::Array) {
        let tree = self.0.mutate(|mc| top_down(mc, LONG_LIVED_DEPTH).root(mc));
        let elements = (0..ARRAY_SIZE).map(element);
        (tree, self.0.mutate(|mc| Gc::from_iter_in(mc, elements).root(mc)))
    }

    fn inspect(&self, tree: &Self::Tree, array: &Self::Array) -> (u64, f64) {
        self.0.mutate(|mc| (tree.get(mc).count(), array.get(mc)[1000]))
    }
}

struct OwnedNode<O: Owner> {
    left: Option<O::Ptr<OwnedNode<O>>>,
    right: Option<O::Ptr<OwnedNode<O>>>,
    i: i32,
    j: i32,
}

impl<O: Owner> OwnedNode<O> {
    const EMPTY: Self = OwnedNode { left: None, right: None, i: 0, j: 0 };

    fn count(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        let below =
            |child: &Option<O::Ptr<OwnedNode<O>>>| child.as_ref().map_or(0, |node| node.count());
        1 + below(&self.left) + below(&self.right)
    }

    fn populate(&mut self, depth: u32) {
        if depth == 0 {
            return;
        }
        let left = self.left.insert(O::new(Self::EMPTY));
        let right = self.right.insert(O::new(Self::EMPTY));
        O::get_mut(left).populate(depth - 1);
        O::get_mut(right).populate(depth - 1);
    }

    fn top_down(depth: u32) -> O::Ptr<Self> {
        let mut root = O::new(Self::EMPTY);
        O::get_mut(&mut root).populate(depth);
        root
    }

    fn bottom_up(depth: u32) -> O::Ptr<Self> {
        let child = || (depth > 0).then(|| Self::bottom_up(depth - 1));
        let (left, right) = (child(), child());
        O::new(OwnedNode { left, right, i: 0, j: 0 })
    }
}

struct OwnedGarden<O>(std::marker::PhantomData<O>);

impl<O> OwnedGarden<O> {
    const NEW: Self = OwnedGarden(std::marker::PhantomData);
}

impl<O: Owner> Garden for OwnedGarden<O> {
    type Tree = O::Ptr<OwnedNode<O>>;
    type Array = Box<[f64]>;

    fn top_down(&self, depth: u32, count: bool) -> u64 {
        let tree = black_box(OwnedNode::<O>::top_down(depth));
        if count { tree.count() } else { 0 }
    }

    fn bottom_up(&self, depth: u32, count: bool) -> u64 {
        let tree = black_box(OwnedNode::<O>::bottom_up(depth));
        if count { tree.count() } else { 0 }
    }

    fn long_lived(&self) -> (Self::Tree, Self::Array) {
        (OwnedNode::<O>::top_down(LONG_LIVED_DEPTH), (0..ARRAY_SIZE).map(element).collect())
    }

    fn inspect(&self, tree: &Self::Tree, array: &Self::Array) -> (u64, f64) {
        (tree.count(), array[1000])
    }
}
