#![forbid(unsafe_code)]
//! Dominators, and what each node retains.
//!
//! A node *dominates* another if every path from the root to the other passes through it: without
//! it, the other would be garbage. What a node *retains* is its own size and that of all nodes that
//! it dominates.
//!
//! 1. A depth-first search numbers the nodes ([`DepthFirst`]). Nodes that no edge leads to from the
//!    root become children of [`UNREACHED`].
//! 2. In descending order each node gets its semidominator, from the predecessors by which the
//!    search did not come to it. A forest with compressed paths gives the least value on the way
//!    ([`Forest::least`]).
//! 3. In ascending order the immediate dominators follow from these: the nearest common ancestor
//!    of the parent and the semidominator in the tree so far (semi-NCA).
//! 4. Sizes are added up, children before parents.
//!
//! All arrays have four bytes a node; the offsets of the predecessors become the semidominators in
//! place. At most five are there at once, beside the rows. The search and the compression use no
//! recursion, so the depth of the graph does not matter.
//!
//! Literature: Lengauer and Tarjan 1979; Georgiadis, Tarjan and Werneck, "Finding dominators in
//! practice" (2006), for semi-NCA.

use super::rows::{Node, Rows};

/// The node from which all others are found.
pub(crate) const ROOT_NODE: Node = Node::new(0);
/// The node that leads to what no root leads to.
pub(crate) const UNREACHED: Node = Node::new(1);

/// The number that the search gives a node. Numbers ascend on each path of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
struct Number(u32);

impl Number {
    /// No number.
    const NONE: Number = Number(u32::MAX);
    /// The root's.
    const FIRST: Number = Number(0);

    fn new(index: usize) -> Number {
        Number(index as u32)
    }
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The result, by node.
#[derive(Debug)]
pub(crate) struct Dominated {
    /// The immediate dominator; [`Node::NONE`] for the root.
    pub(crate) by: Vec<Node>,
    /// Bytes that go with the node.
    pub(crate) retained: Vec<u64>,
    /// Where the search went on among the nodes that the root does not lead to.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests look at it"))]
    pub(crate) unreached: Vec<Node>,
}

/// Finds the dominators of a graph whose node 0 is the root and leads to node 1, which has no edges
/// of its own. `sizes` gives the size of each node, when the search's arrays are gone.
pub(crate) fn dominate(rows: &Rows, sizes: impl FnOnce() -> Vec<u64>) -> Dominated {
    let n = rows.len();
    let mut search = DepthFirst::new(rows);
    search.from(ROOT_NODE, Number::FIRST);
    let unreached = search.rest();
    let DepthFirst { order, number, parent, stack, .. } = search;
    drop(stack);
    let (offsets, sources) = predecessors(rows, &order, &number, &parent);
    drop(number);
    let by = immediate(parent, offsets, &sources);
    drop(sources);

    let mut retained = sizes();
    for at in (1..n).rev() {
        let size = retained[order[at].index()];
        retained[order[by[at].index()].index()] += size;
    }
    let mut by_node = vec![Node::NONE; n];
    for at in 1..n {
        by_node[order[at].index()] = order[by[at].index()];
    }
    Dominated { by: by_node, retained, unreached }
}

/// Where a search goes on among the nodes to which the root does not lead, as in [`Dominated`].
/// Takes a bit for each node, and a stack.
#[cfg(feature = "snapshot")]
pub(crate) fn unreached(rows: &Rows) -> Vec<Node> {
    let n = rows.len();
    let mut seen = Bits::new(n);
    let mut stack = Vec::new();
    let mut visit = |from: Node, seen: &mut Bits| {
        seen.set(from);
        stack.push(from);
        while let Some(node) = stack.pop() {
            stack.extend(rows.kept_by(node).filter(|target| seen.set(*target)));
        }
    };
    visit(ROOT_NODE, &mut seen);
    let mut entries = Vec::new();
    let pointed = pointed(rows, |node| seen.has(node));
    for any in [false, true] {
        for node in Node::all(0..n) {
            if !seen.has(node) && (any || !pointed.has(node)) {
                entries.push(node);
                visit(node, &mut seen);
            }
        }
    }
    entries
}

/// A bit for each node.
struct Bits(Vec<u64>);

impl Bits {
    fn new(n: usize) -> Bits {
        Bits(vec![0; n.div_ceil(64)])
    }
    fn has(&self, node: Node) -> bool {
        self.0[node.index() / 64] >> (node.index() % 64) & 1 == 1
    }
    /// Returns whether it was not set.
    fn set(&mut self, node: Node) -> bool {
        let (word, bit) = (&mut self.0[node.index() / 64], 1 << (node.index() % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// The targets of the nodes that were not seen, but by themselves.
fn pointed(rows: &Rows, seen: impl Fn(Node) -> bool) -> Bits {
    let mut pointed = Bits::new(rows.len());
    for node in Node::all(0..rows.len()).filter(|node| !seen(*node)) {
        rows.kept_by(node).filter(|target| *target != node).for_each(|target| {
            pointed.set(target);
        });
    }
    pointed
}

/// A depth-first search over all nodes.
struct DepthFirst<'a> {
    rows: &'a Rows,
    /// The node with each number, and the number of each node.
    order: Vec<Node>,
    number: Vec<Number>,
    /// The number of the parent, by number.
    parent: Vec<Number>,
    /// Numbers on the way, each with the entry of its row that comes next.
    stack: Vec<(Number, u32)>,
}

impl<'a> DepthFirst<'a> {
    fn new(rows: &'a Rows) -> DepthFirst<'a> {
        let n = rows.len();
        let (order, parent) = (Vec::with_capacity(n), Vec::with_capacity(n));
        DepthFirst { rows, order, number: vec![Number::NONE; n], parent, stack: Vec::new() }
    }

    fn enter(&mut self, node: Node, parent: Number) {
        let number = Number::new(self.order.len());
        self.number[node.index()] = number;
        self.order.push(node);
        self.parent.push(parent);
        self.stack.push((number, self.rows.range(node).start as u32));
    }

    /// Visits `node`, a child of number `parent`, and all that it leads to and was not visited.
    fn from(&mut self, node: Node, parent: Number) {
        let rows = self.rows;
        self.enter(node, parent);
        while let Some((number, next)) = self.stack.last_mut() {
            let (at, end) = (*number, rows.range(self.order[number.index()]).end);
            let mut entries = *next as usize..end;
            let is_new = |target: &Node| self.number[target.index()] == Number::NONE;
            let found = entries.find_map(|entry| rows.kept(entry).filter(is_new));
            *next = entries.start as u32;
            match found {
                Some(target) => self.enter(target, at),
                None => {
                    self.stack.pop();
                }
            }
        }
    }

    /// Visits the nodes that are left: first from those to which no other of them leads. Returns
    /// the nodes from which it went on.
    fn rest(&mut self) -> Vec<Node> {
        let n = self.rows.len();
        let mut entries = Vec::new();
        if self.order.len() == n {
            return entries;
        }
        let pointed = pointed(self.rows, |node| self.number[node.index()] != Number::NONE);
        let parent = self.number[UNREACHED.index()];
        for any in [false, true] {
            for node in Node::all(0..n) {
                if self.number[node.index()] == Number::NONE && (any || !pointed.has(node)) {
                    entries.push(node);
                    self.from(node, parent);
                }
            }
        }
        entries
    }
}

/// The predecessors of each number by which the search did not come to it: where each one's begin
/// (with an end), and all of them.
fn predecessors(
    rows: &Rows,
    order: &[Node],
    number: &[Number],
    parent: &[Number],
) -> (Vec<u32>, Vec<Number>) {
    let n = order.len();
    let other = |from: Number, target: Node| {
        let to = number[target.index()];
        (to != from && parent[to.index()] != from).then_some(to)
    };
    let mut offsets = vec![0u32; n + 1];
    for node in Node::all(0..n) {
        let from = number[node.index()];
        rows.kept_by(node).filter_map(|target| other(from, target)).for_each(|to| {
            offsets[to.index()] += 1;
        });
    }
    let mut sum = 0;
    for offset in &mut offsets {
        sum += *offset;
        *offset = sum;
    }
    let mut sources = vec![Number::FIRST; sum as usize];
    for node in Node::all(0..n) {
        let from = number[node.index()];
        rows.kept_by(node).filter_map(|target| other(from, target)).for_each(|to| {
            offsets[to.index()] -= 1;
            sources[offsets[to.index()] as usize] = from;
        });
    }
    (offsets, sources)
}

/// The forest of the numbers that have their semidominator.
struct Forest {
    ancestor: Vec<Number>,
    label: Vec<Number>,
}

impl Forest {
    /// The least semidominator on the way from `at` up to the root of its tree, without that. Only
    /// numbers from `linked` on have a way up. Compresses the way, which it turns round meanwhile
    /// so that it needs no stack.
    fn least(&mut self, at: Number, linked: Number) -> Number {
        let Forest { ancestor, label } = self;
        let (mut below, mut top) = (Number::NONE, at);
        while ancestor[top.index()] >= linked && ancestor[top.index()] != Number::NONE {
            let up = std::mem::replace(&mut ancestor[top.index()], below);
            (below, top) = (top, up);
        }
        let (root, mut least) = (ancestor[top.index()], label[top.index()]);
        while below != Number::NONE {
            let down = std::mem::replace(&mut ancestor[below.index()], root);
            least = least.min(label[below.index()]);
            label[below.index()] = least;
            below = down;
        }
        label[at.index()]
    }
}

/// The immediate dominator of each number.
fn immediate(parent: Vec<Number>, mut offsets: Vec<u32>, sources: &[Number]) -> Vec<Number> {
    let n = parent.len();
    let mut by = parent.clone();
    let mut forest = Forest { ancestor: parent, label: (0..n).map(Number::new).collect() };
    let mut end = offsets[n];
    for at in (1..n).rev() {
        let begin = offsets[at];
        let mut semi = by[at];
        for source in &sources[begin as usize..end as usize] {
            semi = semi.min(forest.least(*source, Number::new(at + 1)));
        }
        forest.label[at] = semi;
        // The offset has been used; from here on it is the semidominator.
        offsets[at] = semi.0;
        end = begin;
    }
    drop(forest);
    for at in 1..n {
        while by[at] > Number(offsets[at]) {
            by[at] = by[by[at].index()];
        }
    }
    by
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Edge, EdgeLabel};
    use super::*;
    use crate::trace::naming::WHOLE;

    fn rows_of(edges: &[Vec<Node>]) -> Rows {
        let mut rows = Rows::default();
        for row in edges {
            row.iter().for_each(|target| {
                rows.push(Edge { target: *target, label: EdgeLabel::of(WHOLE), index: u32::MAX })
            });
            rows.end_row();
        }
        rows
    }

    /// What the root reaches without `without`.
    fn reached(edges: &[Vec<Node>], without: Option<Node>) -> Vec<bool> {
        let mut seen = vec![false; edges.len()];
        let mut stack = vec![ROOT_NODE];
        while let Some(node) = stack.pop() {
            if Some(node) == without || std::mem::replace(&mut seen[node.index()], true) {
                continue;
            }
            stack.extend(&edges[node.index()]);
        }
        seen
    }

    /// Compares with the definition: a node dominates what is unreachable without it.
    fn check(mut edges: Vec<Vec<Node>>, sizes: &[u64]) {
        let n = edges.len();
        let found = dominate(&rows_of(&edges), || sizes.to_vec());
        #[cfg(feature = "snapshot")]
        {
            let mut whole = edges.clone();
            whole[UNREACHED.index()] = unreached(&rows_of(&edges));
            assert!(reached(&whole, None).iter().all(|seen| *seen), "the same without dominators");
        }
        let before = reached(&edges, None);
        assert!(found.unreached.iter().all(|node| !before[node.index()]));
        edges[UNREACHED.index()].extend(&found.unreached);
        assert!(reached(&edges, None).iter().all(|seen| *seen), "all are found from somewhere");
        assert_eq!((found.by[0], found.retained[0]), (Node::NONE, sizes.iter().sum()));
        let mut dominators = vec![0usize; n];
        let mut nearest = vec![ROOT_NODE; n];
        let without: Vec<Vec<bool>> =
            Node::all(0..n).map(|node| reached(&edges, Some(node))).collect();
        for node in 1..n {
            let of = |by: &usize| *by != node && !without[*by][node];
            let all: Vec<usize> = (1..n).filter(of).collect();
            dominators[node] = all.len();
        }
        for node in 1..n {
            // The nearest one has the most dominators itself.
            let of = |by: &usize| *by != node && !without[*by][node];
            let near = (1..n).filter(of).max_by_key(|by| dominators[*by]);
            nearest[node] = Node::new(near.unwrap_or(0));
            let gone = (0..n).filter(|other| !without[node][*other]);
            let retained: u64 = gone.map(|other| sizes[other]).sum();
            assert_eq!(found.retained[node], retained, "{node} of {edges:?}");
        }
        assert_eq!(found.by[1..], nearest[1..], "{edges:?}");
    }

    #[test]
    fn random_graphs_have_the_dominators_of_the_definition() {
        let mut state = 1u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let rounds = if cfg!(miri) { 20 } else { 3000 };
        for round in 0..rounds {
            let n = 3 + random(if round % 10 == 0 { 40 } else { 12 });
            let mut edges = vec![Vec::new(); n];
            for _ in 0..random(3 * n) {
                let from = random(n);
                let to = 2 + random(n - 2);
                if from != UNREACHED.index() {
                    edges[from].push(Node::new(to));
                }
            }
            edges[0].push(UNREACHED);
            let sizes: Vec<u64> = (0..n).map(|_| random(100) as u64).collect();
            check(edges, &sizes);
        }
    }

    /// Shapes on which simpler algorithms take the square of the size, or overflow a stack.
    #[test]
    fn long_lists_with_tables_take_no_square() {
        let n: usize = if cfg!(miri) { 300 } else { 300_000 };
        let first = 3;
        for is_reversed in [false, true] {
            for list_first in [false, true] {
                // Node 2 is a table of all nodes of a doubly linked list, 3 its head.
                let mut edges = vec![Vec::new(), Vec::new(), Vec::new()];
                edges[0] = (if list_first { [first, 2, 1] } else { [2, first, 1] })
                    .map(Node::new)
                    .to_vec();
                let all = Node::all(first..first + n);
                edges[2] = if is_reversed { all.rev().collect() } else { all.collect() };
                for i in 0..n {
                    let mut row = Vec::new();
                    if i + 1 < n {
                        row.push(Node::new(first + i + 1));
                    }
                    if i > 0 {
                        row.push(Node::new(first + i - 1));
                    }
                    edges.push(row);
                }
                let sizes = vec![1; edges.len()];
                let found = dominate(&rows_of(&edges), || sizes);
                assert!(found.by[2..].iter().all(|by| *by == ROOT_NODE));
                assert_eq!(found.retained[2], 1);
            }
        }
        // A list that nothing else leads to.
        let edges: Vec<Vec<Node>> = std::iter::once([2, 1].map(Node::new).to_vec())
            .chain([Vec::new()])
            .chain((2..n).map(|i| if i + 1 < n { vec![Node::new(i + 1)] } else { Vec::new() }))
            .collect();
        let found = dominate(&rows_of(&edges), || vec![1; n]);
        assert_eq!((found.by[n - 1], found.retained[2]), (Node::new(n - 2), n as u64 - 2));
    }
}
