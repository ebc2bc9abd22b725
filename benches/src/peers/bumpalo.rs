//! `bumpalo`: a bump arena for objects of any type, which die together when it is reset.
//!
//! Not a collector, but the least that such trees can cost: `btree` and `gcbench` reset one arena
//! after each tree, and the long-lived objects have one of their own. `alloc` has two arenas that
//! take turns, one batch each, so that the last node outlives its batch. What dies one by one
//! (`window`, `mutate`, `lru`) would never be freed, and is refused.

#![forbid(unsafe_code)]

use std::hint::black_box;

use bumpalo::Bump;

use super::regions::{ALL_AT_ONCE, Node, Pair, Region, take_turns};
use crate::btree::Forest;
use crate::engines::{Can, Engine};
use crate::gcbench::{ARRAY_SIZE, Garden, LONG_LIVED_DEPTH, element};
use crate::{alloc, btree, gcbench, lru, mutate, window};

impl<T> Region<T> for Bump {
    #[inline(always)]
    fn put(&self, value: T) -> &T {
        self.alloc(value)
    }
}

/// `--engine bumpalo`.
#[derive(Debug)]
pub(super) struct Bumpalo;

impl Engine for Bumpalo {
    fn alloc(&self) -> Can<alloc::Body> {
        Ok(|_, n| take_turns(n, Bump::new, Bump::reset))
    }

    fn btree(&self) -> Can<btree::Body> {
        Ok(|options, _| btree::play(options, Trees::default))
    }

    fn gcbench(&self) -> Can<gcbench::Body> {
        Ok(|_| gcbench::bench(&mut Trees::default()))
    }

    fn window(&self) -> Can<window::Body> {
        Err(ALL_AT_ONCE)
    }

    fn mutate(&self, _threads: usize) -> Can<mutate::Body> {
        Err(ALL_AT_ONCE)
    }

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Err(ALL_AT_ONCE)
    }
}

/// Trees, one after the other in one arena.
#[derive(Debug, Default)]
struct Trees(Bump);

impl Forest for Trees {
    fn count_one(&mut self, depth: u32) -> u64 {
        self.0.reset();
        Pair::build(&self.0, depth).count()
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        let kept = Bump::new();
        let tree = Pair::build(&kept, depth);
        let done = work(self);
        (tree.count(), done)
    }
}

impl Garden for Trees {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        self.0.reset();
        let tree = black_box(Node::top_down(&self.0, depth));
        if count { tree.size() } else { 0 }
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        self.0.reset();
        let tree = black_box(Node::bottom_up(&self.0, depth));
        if count { tree.size() } else { 0 }
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        let kept = Bump::new();
        let tree = Node::top_down(&kept, LONG_LIVED_DEPTH);
        let array = kept.alloc_slice_fill_with(ARRAY_SIZE, element);
        let done = work(self);
        (tree.size(), array[1000], done)
    }
}
