//! `typed-arena`: an arena for objects of one type, which die together with it.
//!
//! Not a collector; as `bumpalo`, but such an arena cannot be emptied and used again, so each tree
//! has a new one, and in `alloc` each batch. What dies one by one is refused.

#![forbid(unsafe_code)]

use std::hint::black_box;

use typed_arena::Arena;

use super::regions::{ALL_AT_ONCE, Node, Pair, Region, take_turns};
use crate::alloc::BATCH;
use crate::btree::Forest;
use crate::engines::{Can, Engine};
use crate::gcbench::{ARRAY_SIZE, Garden, LONG_LIVED_DEPTH, element};
use crate::{alloc, btree, gcbench, lru, mutate, window};

impl<T> Region<T> for Arena<T> {
    #[inline(always)]
    fn put(&self, value: T) -> &T {
        self.alloc(value)
    }
}

/// `--engine typed-arena`.
#[derive(Debug)]
pub(super) struct TypedArena;

impl Engine for TypedArena {
    fn alloc(&self) -> Can<alloc::Body> {
        Ok(|_, n| {
            let new = || Arena::with_capacity(BATCH);
            take_turns(n, new, |arena| *arena = new())
        })
    }

    fn btree(&self) -> Can<btree::Body> {
        Ok(|options, _| btree::play(options, || Trees))
    }

    fn gcbench(&self) -> Can<gcbench::Body> {
        Ok(|_| gcbench::bench(&mut Trees))
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

/// Trees, each in an arena of its own.
#[derive(Debug)]
struct Trees;

impl Forest for Trees {
    fn count_one(&mut self, depth: u32) -> u64 {
        let arena = Arena::new();
        Pair::build(&arena, depth).count()
    }

    fn keep_while<R>(&mut self, depth: u32, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        let kept = Arena::new();
        let tree = Pair::build(&kept, depth);
        let done = work(self);
        (tree.count(), done)
    }
}

impl Garden for Trees {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        let arena = Arena::new();
        let tree = black_box(Node::top_down(&arena, depth));
        if count { tree.size() } else { 0 }
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        let arena = Arena::new();
        let tree = black_box(Node::bottom_up(&arena, depth));
        if count { tree.size() } else { 0 }
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        let kept = Arena::new();
        let tree = Node::top_down(&kept, LONG_LIVED_DEPTH);
        let array: Box<[f64]> = (0..ARRAY_SIZE).map(element).collect();
        let done = work(self);
        (tree.size(), array[1000], done)
    }
}
