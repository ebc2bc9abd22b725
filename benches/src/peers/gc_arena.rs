//! `gc-arena`: an incremental mark-sweep collector for one thread, with pointers that live inside `mutate` only, as in
//! our heap.
//!
//! The program calls the collector between two `mutate`s. Policy: `collect_debt` after each, with the crate's default
//! pacing (engine `gc-arena`) or with its `Pacing::STOP_THE_WORLD`, which collects in one go when the heap has doubled
//! (engine `gc-arena-stw`). One arena belongs to one thread.
//!
//! A barrier makes the collector look at the whole object again, so a slot of a long table that changes is an
//! object of its own (`GcLock`) here: with the table as one object each store would cost a scan of all of it. `mark`
//! forces collections with `finish_cycle`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::ops::Range;

use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, GcLock, Lock, Mutation, RefLock, Rootable};

use super::Pacing;
use crate::alloc::BATCH;
use crate::btree::Forest;
use crate::gcbench::{self, ARRAY_SIZE, LONG_LIVED_DEPTH, element};
use crate::mark::{Edges, Graph};
use crate::mutate::{self, BROKEN, NONE, Player};
use crate::objects::MESSAGE;
use crate::random::Random;
use crate::window::{Run, WINDOW, bytes_of, last, pushes, sum_of};

impl Pacing {
    fn pace<R>(self, arena: Arena<R>) -> Arena<R>
    where
        R: for<'a> Rootable<'a>,
        for<'a> gc_arena::arena::Root<'a, R>: Sized,
    {
        arena.metrics().set_pacing(match self {
            Pacing::Incremental => gc_arena::metrics::Pacing::DEFAULT,
            Pacing::StopTheWorld => gc_arena::metrics::Pacing::STOP_THE_WORLD,
        });
        arena
    }
}

/// An object of two pointers that never change.
#[derive(Collect)]
#[collect(no_drop)]
struct Pair<'gc> {
    left: Option<Gc<'gc, Pair<'gc>>>,
    right: Option<Gc<'gc, Pair<'gc>>>,
}

impl<'gc> Pair<'gc> {
    #[inline(always)]
    fn empty(mc: &Mutation<'gc>) -> Gc<'gc, Pair<'gc>> {
        Gc::new(mc, Pair { left: None, right: None })
    }

    fn build(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Pair<'gc>> {
        let child = || (depth > 0).then(|| Self::build(mc, depth - 1));
        let (left, right) = (child(), child());
        Gc::new(mc, Pair { left, right })
    }

    fn count(&self) -> u64 {
        let below = |child: Option<Gc<'gc, Pair<'gc>>>| child.map_or(0, |pair| pair.count());
        1 + below(self.left) + below(self.right)
    }
}

/// A pointer that outlives a `mutate`.
type Kept<'gc, T> = GcLock<'gc, Option<Gc<'gc, T>>>;

fn keep<'gc, T>(mc: &Mutation<'gc>, object: Option<Gc<'gc, T>>) -> Kept<'gc, T>
where
    T: Collect<'gc> + 'gc,
{
    Gc::new(mc, Lock::new(object))
}

type PairArena = Arena<Rootable![Kept<'_, Pair<'_>>]>;

/// `alloc` on one thread.
pub(crate) fn alloc(pacing: Pacing, n: usize) -> u64 {
    let arena = PairArena::new(|mc| keep(mc, Some(Pair::empty(mc))));
    let mut arena = pacing.pace(arena);
    let (mut count, mut left) = (0, n);
    while left > 0 {
        let batch = left.min(BATCH);
        let intact = arena.mutate(|mc, root| {
            let mut last = root.get().expect("the root is never empty");
            let intact = last.left.is_none() && last.right.is_none();
            for _ in 0..batch {
                last = black_box(Pair::empty(mc));
            }
            root.set(mc, Some(last));
            intact
        });
        arena.collect_debt();
        count += if intact { batch as u64 } else { 0 };
        left -= batch;
    }
    count
}

/// The arena of one thread of `btree`.
pub(crate) struct Trees(PairArena);

impl Trees {
    pub(crate) fn new(pacing: Pacing) -> Trees {
        Trees(pacing.pace(Arena::new(|mc| keep(mc, None))))
    }
}

impl Forest for Trees {
    fn count_one(&mut self, depth: u32) -> u64 {
        let count = self.0.mutate(|mc, _| Pair::build(mc, depth).count());
        self.0.collect_debt();
        count
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        self.0.mutate(|mc, root| root.set(mc, Some(Pair::build(mc, depth))));
        self.0.collect_debt();
        let done = work(self);
        let count = self.0.mutate(|_, root| root.get().map_or(0, |tree| tree.count()));
        (count, done)
    }
}

/// A node of `gcbench`.
#[derive(Collect)]
#[collect(no_drop)]
struct Node<'gc> {
    left: Lock<Option<Gc<'gc, Node<'gc>>>>,
    right: Lock<Option<Gc<'gc, Node<'gc>>>>,
    i: i32,
    j: i32,
}

type NodePtr<'gc> = Gc<'gc, Node<'gc>>;

impl<'gc> Node<'gc> {
    fn make(
        mc: &Mutation<'gc>,
        left: Option<NodePtr<'gc>>,
        right: Option<NodePtr<'gc>>,
    ) -> NodePtr<'gc> {
        Gc::new(mc, Node { left: Lock::new(left), right: Lock::new(right), i: 0, j: 0 })
    }

    fn populate(mc: &Mutation<'gc>, node: NodePtr<'gc>, depth: u32) {
        if depth == 0 {
            return;
        }
        let (left, right) = (Node::make(mc, None, None), Node::make(mc, None, None));
        let writable = Gc::write(mc, node);
        unlock!(writable, Node, left).set(Some(left));
        unlock!(writable, Node, right).set(Some(right));
        Node::populate(mc, left, depth - 1);
        Node::populate(mc, right, depth - 1);
    }

    fn top_down(mc: &Mutation<'gc>, depth: u32) -> NodePtr<'gc> {
        let root = Node::make(mc, None, None);
        Node::populate(mc, root, depth);
        root
    }

    fn bottom_up(mc: &Mutation<'gc>, depth: u32) -> NodePtr<'gc> {
        let child = || (depth > 0).then(|| Node::bottom_up(mc, depth - 1));
        let (left, right) = (child(), child());
        Node::make(mc, left, right)
    }

    fn size(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        let below = |child: Option<NodePtr<'gc>>| child.map_or(0, |node| node.size());
        1 + below(self.left.get()) + below(self.right.get())
    }
}

/// The long-lived objects of `gcbench`.
#[derive(Collect)]
#[collect(no_drop)]
struct LongLived<'gc> {
    tree: Kept<'gc, Node<'gc>>,
    array: Kept<'gc, Box<[f64]>>,
}

/// The arena of `gcbench`.
pub(crate) struct Garden(Arena<Rootable![LongLived<'_>]>);

impl Garden {
    pub(crate) fn new(pacing: Pacing) -> Garden {
        let arena = Arena::new(|mc| LongLived { tree: keep(mc, None), array: keep(mc, None) });
        Garden(pacing.pace(arena))
    }

    fn finish(&mut self, size: u64) -> u64 {
        self.0.collect_debt();
        size
    }
}

impl gcbench::Garden for Garden {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        let size = self.0.mutate(|mc, _| {
            let tree = black_box(Node::top_down(mc, depth));
            if count { tree.size() } else { 0 }
        });
        self.finish(size)
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        let size = self.0.mutate(|mc, _| {
            let tree = black_box(Node::bottom_up(mc, depth));
            if count { tree.size() } else { 0 }
        });
        self.finish(size)
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        self.0.mutate(|mc, root| {
            root.tree.set(mc, Some(Node::top_down(mc, LONG_LIVED_DEPTH)));
            let array: Box<[f64]> = (0..ARRAY_SIZE).map(element).collect();
            root.array.set(mc, Some(Gc::new(mc, array)));
        });
        self.0.collect_debt();
        let done = work(self);
        self.0.mutate(|_, root| {
            let size = root.tree.get().map_or(0, |tree| tree.size());
            (size, root.array.get().map_or(0.0, |array| array[1000]), done)
        })
    }
}

/// A table of slots that are objects of their own.
type Slots<'gc, T> = Box<[Kept<'gc, T>]>;

fn slots<'gc, T>(mc: &Mutation<'gc>, n: usize) -> Slots<'gc, T>
where
    T: Collect<'gc> + 'gc,
{
    (0..n).map(|_| keep(mc, None)).collect()
}

#[derive(Collect)]
#[collect(require_static)]
struct Message {
    bytes: [u8; MESSAGE],
}

/// `window`.
pub(crate) fn window(pacing: Pacing, n: usize) -> Run {
    let arena = Arena::<Rootable![Slots<'_, Message>]>::new(|mc| slots(mc, WINDOW));
    let mut arena = pacing.pace(arena);
    let (elapsed, latencies) = pushes(n, |i| {
        arena.mutate(|mc, ring| {
            ring[i % WINDOW].set(mc, Some(Gc::new(mc, Message { bytes: bytes_of(i) })));
        });
        arena.collect_debt();
    });
    let sum = |i: usize| {
        let at = |message: Gc<'_, Message>| sum_of(&message.bytes, i);
        arena.mutate(|_, ring| ring[i % WINDOW].get().map_or(0, at))
    };
    Run { elapsed, latencies, sum: last(n).map(sum).sum() }
}

/// A node of `mutate`.
#[derive(Collect)]
#[collect(no_drop)]
struct Link<'gc> {
    next: Lock<Option<Gc<'gc, Link<'gc>>>>,
    val: u64,
    words: [u64; 3],
}

impl<'gc> Link<'gc> {
    #[inline(always)]
    fn make(mc: &Mutation<'gc>, next: Option<Gc<'gc, Link<'gc>>>, val: u64) -> Gc<'gc, Link<'gc>> {
        Gc::new(mc, Link { next: Lock::new(next), val, words: mutate::words(val) })
    }

    fn is_intact(&self) -> bool {
        self.words == mutate::words(self.val)
    }
}

type LinkArena = Arena<Rootable![Slots<'_, Link<'_>>]>;

/// The table of `mutate`, and its one mutator.
pub(crate) struct Table(LinkArena);

impl Table {
    pub(crate) fn new(pacing: Pacing, n: usize) -> Table {
        let mut arena = pacing.pace(LinkArena::new(|mc| slots(mc, n)));
        for start in (0..n).step_by(BATCH) {
            arena.mutate(|mc, table| {
                for i in start..(start + BATCH).min(n) {
                    table[i].set(mc, Some(Link::make(mc, None, mutate::initial(i))));
                }
            });
            arena.collect_debt();
        }
        Table(arena)
    }
}

impl Player for Table {
    #[inline(always)]
    fn batch(&mut self, random: &mut Random, first: u64) {
        self.0.mutate(|mc, table| {
            for val in first..first + mutate::BATCH {
                let (i, j) = (random.below(table.len()), random.below(table.len()));
                let next = table[j].get();
                if let Some(next) = next {
                    unlock!(Gc::write(mc, next), Link, next).set(None);
                }
                table[i].set(mc, Some(Link::make(mc, next, val)));
            }
        });
        self.0.collect_debt();
    }

    fn slot(&self, i: usize) -> (u64, u64) {
        self.0.mutate(|_, table| {
            let Some(link) = table[i].get().filter(|link| link.is_intact()) else { return BROKEN };
            match link.next.get() {
                None => (link.val, NONE),
                Some(next) if next.is_intact() && next.next.get().is_none() => (link.val, next.val),
                Some(_) => BROKEN,
            }
        })
    }
}

#[derive(Collect)]
#[collect(no_drop)]
struct Vertex<'gc> {
    a: Lock<Option<Gc<'gc, Vertex<'gc>>>>,
    b: Lock<Option<Gc<'gc, Vertex<'gc>>>>,
    payload: u64,
}

type VertexPtr<'gc> = Gc<'gc, Vertex<'gc>>;
type VertexArena = Arena<Rootable![Gc<'_, RefLock<Vec<VertexPtr<'_>>>>]>;

/// The graph of `mark`. The array is one object, as everywhere; no collection runs while it is filled and would be
/// scanned after each batch, so that nothing but the graph is ever in the arena.
pub(crate) struct ArenaGraph(VertexArena);

impl ArenaGraph {
    pub(crate) fn new(pacing: Pacing, n: usize) -> ArenaGraph {
        ArenaGraph(pacing.pace(Arena::new(|mc| Gc::new(mc, RefLock::new(Vec::with_capacity(n))))))
    }

    /// A full collection.
    pub(crate) fn collect(&mut self) {
        self.0.finish_cycle();
    }
}

impl Graph for ArenaGraph {
    fn make(&mut self, range: Range<usize>) {
        self.0.mutate(|mc, array| {
            let mut array = array.borrow_mut(mc);
            for i in range {
                let (a, b) = (Lock::new(None), Lock::new(None));
                array.push(Gc::new(mc, Vertex { a, b, payload: i as u64 }));
            }
        });
    }

    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        self.0.mutate(|mc, array| {
            let mut array = array.borrow_mut(mc);
            pairs.for_each(|(i, j)| array.swap(i, j));
        });
    }

    fn link(&mut self, edges: impl Iterator<Item = Edges>) {
        self.0.mutate(|mc, array| {
            let array = array.borrow();
            for Edges { from, a, b } in edges {
                let vertex = Gc::write(mc, array[from]);
                unlock!(vertex, Vertex, a).set(Some(array[a]));
                unlock!(vertex, Vertex, b).set(Some(array[b]));
            }
        });
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u64, u64, u64)) {
        self.0.mutate(|_, array| {
            for vertex in &array.borrow()[range] {
                let end = |to: Option<VertexPtr<'_>>| to.map_or(u64::MAX, |to| to.payload);
                each(vertex.payload, end(vertex.a.get()), end(vertex.b.get()));
            }
        });
    }
}
