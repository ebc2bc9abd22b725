//! Trees in an arena whose objects die together: the code that `bumpalo` and `typed-arena` share.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::hint::black_box;

use crate::alloc::BATCH;

/// Why an arena does not run a workload whose objects die one by one.
pub(super) const ALL_AT_ONCE: &str = "objects die one by one, and an arena frees all at once";

/// An arena that objects are moved into; they live as long as it is borrowed.
pub(super) trait Region<T> {
    fn put(&self, value: T) -> &T;
}

/// An object of two pointers that never change.
pub(super) struct Pair<'r> {
    pub(super) left: Option<&'r Pair<'r>>,
    pub(super) right: Option<&'r Pair<'r>>,
}

impl<'r> Pair<'r> {
    pub(super) const EMPTY: Self = Pair { left: None, right: None };

    pub(super) fn build(region: &'r impl Region<Pair<'r>>, depth: u32) -> &'r Pair<'r> {
        let child = || (depth > 0).then(|| Self::build(region, depth - 1));
        let (left, right) = (child(), child());
        region.put(Pair { left, right })
    }

    pub(super) fn count(&self) -> u64 {
        1 + self.left.map_or(0, Pair::count) + self.right.map_or(0, Pair::count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_none() && self.right.is_none()
    }
}

/// `alloc` on one thread: two arenas take turns, one batch each, so that the last node outlives its
/// batch.
pub(super) fn take_turns<R: Region<Pair<'static>>>(
    n: usize,
    new: impl Fn() -> R,
    empty: impl Fn(&mut R),
) -> u64 {
    fn fill<R: Region<Pair<'static>>>(region: &R, batch: usize) -> &Pair<'static> {
        let mut last = &Pair::EMPTY;
        for _ in 0..batch {
            last = black_box(region.put(Pair::EMPTY));
        }
        last
    }
    let (mut even, mut odd) = (new(), new());
    let mut last_odd = &Pair::EMPTY;
    let (mut count, mut left) = (0, n);
    while left > 0 {
        let batch = left.min(BATCH);
        empty(&mut even);
        let last_even = fill(&even, batch);
        count += if last_odd.is_empty() { batch as u64 } else { 0 };
        left -= batch;
        let batch = left.min(BATCH);
        empty(&mut odd);
        last_odd = fill(&odd, batch);
        count += if last_even.is_empty() { batch as u64 } else { 0 };
        left -= batch;
    }
    count
}

/// A node of `gcbench`.
pub(super) struct Node<'r> {
    left: Cell<Option<&'r Node<'r>>>,
    right: Cell<Option<&'r Node<'r>>>,
    i: i32,
    j: i32,
}

impl<'r> Node<'r> {
    fn new(left: Option<&'r Node<'r>>, right: Option<&'r Node<'r>>) -> Self {
        Node { left: Cell::new(left), right: Cell::new(right), i: 0, j: 0 }
    }

    pub(super) fn top_down(region: &'r impl Region<Node<'r>>, depth: u32) -> &'r Node<'r> {
        let root = region.put(Node::new(None, None));
        root.populate(region, depth);
        root
    }

    fn populate(&self, region: &'r impl Region<Node<'r>>, depth: u32) {
        if depth == 0 {
            return;
        }
        let new = || region.put(Node::new(None, None));
        let (left, right) = (new(), new());
        self.left.set(Some(left));
        self.right.set(Some(right));
        left.populate(region, depth - 1);
        right.populate(region, depth - 1);
    }

    pub(super) fn bottom_up(region: &'r impl Region<Node<'r>>, depth: u32) -> &'r Node<'r> {
        let child = || (depth > 0).then(|| Self::bottom_up(region, depth - 1));
        let (left, right) = (child(), child());
        region.put(Node::new(left, right))
    }

    pub(super) fn size(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        1 + self.left.get().map_or(0, Node::size) + self.right.get().map_or(0, Node::size)
    }
}
