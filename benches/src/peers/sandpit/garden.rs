//! `gcbench` in `sandpit`.

#![forbid(unsafe_code)]

use std::hint::black_box;

use sandpit::{Arena, Gc, GcOpt, Mutator, Root, Trace, field};

use super::{Kept, in_turns};
use crate::gcbench::{self, ARRAY_SIZE, LONG_LIVED_DEPTH, element};
use crate::pin::on_all_cores;

/// A node of `gcbench`.
#[derive(Trace)]
struct Node<'gc> {
    left: GcOpt<'gc, Node<'gc>>,
    right: GcOpt<'gc, Node<'gc>>,
    i: i32,
    j: i32,
}

type NodePtr<'gc> = Gc<'gc, Node<'gc>>;

impl<'gc> Node<'gc> {
    fn make(
        mu: &'gc Mutator<'gc>,
        left: GcOpt<'gc, Node<'gc>>,
        right: GcOpt<'gc, Node<'gc>>,
    ) -> NodePtr<'gc> {
        Gc::new(mu, Node { left, right, i: 0, j: 0 })
    }

    fn leaf(mu: &'gc Mutator<'gc>) -> NodePtr<'gc> {
        Node::make(mu, GcOpt::new_none(), GcOpt::new_none())
    }

    fn populate(mu: &'gc Mutator<'gc>, node: &NodePtr<'gc>, depth: u32) {
        if depth == 0 {
            return;
        }
        let (left, right) = (Node::leaf(mu), Node::leaf(mu));
        node.write_barrier(mu, |barrier| {
            field!(barrier, Node, left).set(left.clone());
            field!(barrier, Node, right).set(right.clone());
        });
        Node::populate(mu, &left, depth - 1);
        Node::populate(mu, &right, depth - 1);
    }

    fn top_down(mu: &'gc Mutator<'gc>, depth: u32) -> NodePtr<'gc> {
        let root = Node::leaf(mu);
        Node::populate(mu, &root, depth);
        root
    }

    fn bottom_up(mu: &'gc Mutator<'gc>, depth: u32) -> NodePtr<'gc> {
        if depth == 0 {
            return Node::leaf(mu);
        }
        let (left, right) = (Node::bottom_up(mu, depth - 1), Node::bottom_up(mu, depth - 1));
        Node::make(mu, left.into(), right.into())
    }

    fn size(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        let below = |child: &GcOpt<'gc, Node<'gc>>| child.as_option().map_or(0, |n| n.size());
        1 + below(&self.left) + below(&self.right)
    }
}

/// The long-lived objects of `gcbench`.
#[derive(Trace)]
struct LongLived<'gc> {
    tree: Gc<'gc, Kept<'gc, Node<'gc>>>,
    array: Gc<'gc, [f64]>,
}

/// The arena of `gcbench`.
pub(super) struct Garden(Arena<Root![Gc<'_, LongLived<'_>>]>);

impl Garden {
    pub(super) fn new() -> Garden {
        let new = || {
            Arena::new(|mu| {
                Gc::new(mu, LongLived { tree: Kept::new(mu), array: mu.alloc_array(0.0, 1) })
            })
        };
        Garden(on_all_cores(new))
    }
}

impl gcbench::Garden for Garden {
    fn top_down(&mut self, depth: u32, count: bool) -> u64 {
        let size = self.each_top_down(depth, 1);
        if count { size } else { 0 }
    }

    fn bottom_up(&mut self, depth: u32, count: bool) -> u64 {
        let size = self.each_bottom_up(depth, 1);
        if count { size } else { 0 }
    }

    fn each_top_down(&mut self, depth: u32, times: u64) -> u64 {
        let (mut i, mut size) = (0, 0);
        in_turns!(self.0, times, |mu, _root| {
            let tree = black_box(Node::top_down(mu, depth));
            i += 1;
            size = if i == times { tree.size() } else { 0 };
        });
        size
    }

    fn each_bottom_up(&mut self, depth: u32, times: u64) -> u64 {
        let (mut i, mut size) = (0, 0);
        in_turns!(self.0, times, |mu, _root| {
            let tree = black_box(Node::bottom_up(mu, depth));
            i += 1;
            size = if i == times { tree.size() } else { 0 };
        });
        size
    }

    fn keep_while<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, f64, R) {
        self.0.mutate(|mu, root| {
            Kept::set(&root.tree, mu, Node::top_down(mu, LONG_LIVED_DEPTH));
            let array = mu.alloc_array_from_fn(ARRAY_SIZE, element);
            root.write_barrier(mu, |barrier| field!(barrier, LongLived, array).set(array));
        });
        let done = work(self);
        let (mut size, mut middle) = (0, 0.0);
        self.0.mutate(|_, root| {
            size = root.tree.object.as_option().map_or(0, |tree| tree.size());
            middle = root.array.get(1000).copied().unwrap_or_default();
        });
        (size, middle, done)
    }
}
