//! `gc-arena`: an incremental mark-sweep collector for one thread, with pointers that live inside
//! `mutate` only, as in our heap.
//!
//! The program calls the collector between two `mutate`s. Policy: `collect_debt` after each, with
//! the crate's default pacing (engine `gc-arena`) or with its `Pacing::STOP_THE_WORLD`, which
//! collects in one go when the heap has doubled (engine `gc-arena-stw`). One arena belongs to one
//! thread.
//!
//! A barrier makes the collector look at the whole object again, so a slot of a long table that
//! changes is an object of its own (`GcLock`) here: with the table as one object each store would
//! cost a scan of all of it. `mark` forces collections with `finish_cycle`.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_arena::{Arena, Collect, Gc, GcLock, Lock, Mutation, Rootable};

use crate::alloc::BATCH;
use crate::btree::Forest;
use crate::engines::{Can, Engine, on_one_thread};
use crate::{alloc, btree, gcbench, lru, mark, mutate, window};

mod cache;
mod garden;
mod graph;
mod table;

/// When `gc-arena` collects: a little after each `mutate`, or all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pacing {
    Incremental,
    StopTheWorld,
}

/// `--engine gc-arena`, and `gc-arena-stw` if `STW`.
#[derive(Debug)]
pub(super) struct GcArena<const STW: bool>;

impl<const STW: bool> GcArena<STW> {
    const PACING: Pacing = if STW { Pacing::StopTheWorld } else { Pacing::Incremental };
}

impl<const STW: bool> Engine for GcArena<STW> {
    fn alloc(&self) -> Can<alloc::Body> {
        Ok(|_, n| alloc_in(Self::PACING, n))
    }

    fn btree(&self) -> Can<btree::Body> {
        Ok(|options, _| btree::play(options, || Trees::new(Self::PACING)))
    }

    fn gcbench(&self) -> Can<gcbench::Body> {
        Ok(|_| gcbench::bench(&mut garden::Garden::new(Self::PACING)))
    }

    fn window(&self) -> Can<window::Body> {
        Ok(|_, n| table::window(Self::PACING, n))
    }

    fn mark(&self) -> Can<mark::Body> {
        Ok(|options, _, watch| Ok(graph::mark(Self::PACING, options, watch)))
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, |options, _| table::mutate(Self::PACING, options))
    }

    fn lru(&self, threads: usize) -> Can<lru::Body> {
        on_one_thread(threads, |options, _, zipf| {
            lru::local(options, zipf, |n| cache::ArenaCache::new(Self::PACING, n))
        })
    }
}

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
fn alloc_in(pacing: Pacing, n: usize) -> u64 {
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
struct Trees(PairArena);

impl Trees {
    fn new(pacing: Pacing) -> Trees {
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

/// A table of slots that are objects of their own.
type Slots<'gc, T> = Box<[Kept<'gc, T>]>;

fn slots<'gc, T>(mc: &Mutation<'gc>, n: usize) -> Slots<'gc, T>
where
    T: Collect<'gc> + 'gc,
{
    (0..n).map(|_| keep(mc, None)).collect()
}
