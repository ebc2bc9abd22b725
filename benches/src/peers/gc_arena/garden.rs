//! `gcbench` in `gc-arena`.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, Lock, Mutation, Rootable};

use super::{Kept, Pacing, keep};
use crate::gcbench::{self, ARRAY_SIZE, LONG_LIVED_DEPTH, element};

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
pub(super) struct Garden(Arena<Rootable![LongLived<'_>]>);

impl Garden {
    pub(super) fn new(pacing: Pacing) -> Garden {
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
