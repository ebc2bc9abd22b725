//! `sandpit`: a concurrent, generational mark-sweep collector; its threads trace while the one
//! mutator runs.
//!
//! The crate is used with its feature `multi_threaded` and its default configuration: a monitor
//! thread, which looks every 10 ms whether a collection is due, and two tracers. Pointers live
//! inside `mutate` only, as in our heap.
//!
//! A collection ends outside of any `mutate`, and nothing enters one meanwhile. So a program stays
//! inside until `gc_yield` asks it to leave, as the crate's documentation says, and the workloads
//! do the same: they ask after each batch. A timed batch counts from the end of the batch before,
//! so that the wait to be let in again belongs to it.
//!
//! The crate starts its threads where the mutator is. So an arena is made, and a collection forced,
//! while the mutator may use all cores: `--pin` then holds for the mutator alone.
//!
//! An arena belongs to one thread, because its root is not `Sync`. `alloc` and `btree` on two
//! threads have two arenas; `mutate` and `lru` run on one thread. A slot of a long table is stored
//! with `GcSync::update_array`, which makes the tracers look at this slot again and not at the
//! whole table. `mark` forces collections with `major_collect`.

#![forbid(unsafe_code)]

use std::hint::black_box;

use sandpit::{Arena, Gc, GcOpt, Mutator, Root, Trace};

use crate::alloc::BATCH;
use crate::engines::{Can, Engine, on_one_thread};
use crate::pin::on_all_cores;
use crate::{alloc, btree, gcbench, lru, mark, mutate, window};

mod cache;
mod garden;
mod graph;
mod table;

/// `--engine sandpit`.
#[derive(Debug)]
pub(super) struct Sandpit;

impl Engine for Sandpit {
    fn alloc(&self) -> Can<alloc::Body> {
        Ok(|_, n| alloc_in(n))
    }

    fn btree(&self) -> Can<btree::Body> {
        Ok(|options, _| btree::play(options, Trees::new))
    }

    fn gcbench(&self) -> Can<gcbench::Body> {
        Ok(|_| gcbench::bench(&mut garden::Garden::new()))
    }

    fn window(&self) -> Can<window::Body> {
        Ok(|_, n| table::window(n))
    }

    fn mark(&self) -> Can<mark::Body> {
        Ok(|options, _, watch| Ok(graph::mark(options, watch)))
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, |options, _| table::mutate(options))
    }

    fn lru(&self, threads: usize) -> Can<lru::Body> {
        on_one_thread(threads, |options, _, zipf| lru::local(options, zipf, cache::ArenaCache::new))
    }
}

/// An object of two pointers that never change.
#[derive(Trace)]
struct Pair<'gc> {
    left: GcOpt<'gc, Pair<'gc>>,
    right: GcOpt<'gc, Pair<'gc>>,
}

impl<'gc> Pair<'gc> {
    #[inline(always)]
    fn empty(mu: &'gc Mutator<'gc>) -> Gc<'gc, Pair<'gc>> {
        Gc::new(mu, Pair { left: GcOpt::new_none(), right: GcOpt::new_none() })
    }

    fn build(mu: &'gc Mutator<'gc>, depth: u32) -> Gc<'gc, Pair<'gc>> {
        if depth == 0 {
            return Pair::empty(mu);
        }
        let (left, right) = (Pair::build(mu, depth - 1), Pair::build(mu, depth - 1));
        Gc::new(mu, Pair { left: left.into(), right: right.into() })
    }

    fn count(&self) -> u64 {
        let below = |child: &GcOpt<'gc, Pair<'gc>>| child.as_option().map_or(0, |p| p.count());
        1 + below(&self.left) + below(&self.right)
    }
}

/// A pointer that outlives a `mutate`: an object, because only an object has a barrier.
#[derive(Trace)]
struct Kept<'gc, T: Trace> {
    object: GcOpt<'gc, T>,
}

impl<'gc, T: Trace> Kept<'gc, T> {
    fn new(mu: &'gc Mutator<'gc>) -> Gc<'gc, Kept<'gc, T>> {
        Gc::new(mu, Kept { object: GcOpt::new_none() })
    }

    fn set(kept: &Gc<'gc, Kept<'gc, T>>, mu: &'gc Mutator<'gc>, object: Gc<'gc, T>) {
        kept.write_barrier(mu, |barrier| sandpit::field!(barrier, Kept, object).set(object));
    }
}

type PairArena = Arena<Root![Gc<'_, Kept<'_, Pair<'_>>>]>;

/// `alloc` on one thread.
fn alloc_in(n: usize) -> u64 {
    let arena = on_all_cores(|| {
        PairArena::new(|mu| {
            let kept = Kept::new(mu);
            Kept::set(&kept, mu, Pair::empty(mu));
            kept
        })
    });
    let (mut count, mut left) = (0, n);
    while left > 0 {
        arena.mutate(|mu, kept| {
            while left > 0 {
                let batch = left.min(BATCH);
                let mut last = kept.object.unwrap();
                let intact = last.left.is_none() && last.right.is_none();
                for _ in 0..batch {
                    last = black_box(Pair::empty(mu));
                }
                Kept::set(kept, mu, last);
                count += if intact { batch as u64 } else { 0 };
                left -= batch;
                if mu.gc_yield() {
                    break;
                }
            }
        });
    }
    count
}

/// Calls `work` again and again in one `mutate` after the other, until it has been called so many
/// times.
macro_rules! in_turns {
    ($arena:expr, $times:expr, |$mu:ident, $root:ident| $work:expr) => {{
        let mut left: u64 = $times;
        while left > 0 {
            $arena.mutate(|$mu, $root| {
                while left > 0 {
                    $work;
                    left -= 1;
                    if $mu.gc_yield() {
                        break;
                    }
                }
            });
        }
    }};
}
use in_turns;

/// The arena of one thread of `btree`.
struct Trees(PairArena);

impl Trees {
    fn new() -> Trees {
        Trees(on_all_cores(|| PairArena::new(|mu| Kept::new(mu))))
    }
}

impl btree::Forest for Trees {
    fn count_one(&mut self, depth: u32) -> u64 {
        self.count_each(depth, 1)
    }

    fn count_each(&mut self, depth: u32, times: u64) -> u64 {
        let mut count = 0;
        in_turns!(self.0, times, |mu, _root| count += Pair::build(mu, depth).count());
        count
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        self.0.mutate(|mu, kept| Kept::set(kept, mu, Pair::build(mu, depth)));
        let done = work(self);
        let mut count = 0;
        self.0.mutate(|_, kept| count = kept.object.as_option().map_or(0, |tree| tree.count()));
        (count, done)
    }
}
