#![forbid(unsafe_code)]
//! The edges of a graph, row by row: for each node its targets and what they are called.
//!
//! 1. Rows come in the order of the nodes, and an entry is a target and a *label*. A row's start is
//!    the sum of the lengths before it. Every [`GROUP`]th start is kept, and the lengths take a
//!    byte each. So a node costs a byte and a quarter, and an edge six bytes.
//! 2. A label is a path (`trace::naming`), or one of those below. The index of an element follows
//!    from its place among the entries with one label. Where it does not, an entry with the label
//!    [`INDEX`] stands before it and has the index as its target.

use crate::trace::naming::NamePath;
use std::collections::HashMap;
use std::ops::Range;

/// A node of the graph, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Node(u32);

impl Node {
    /// No node.
    pub(crate) const NONE: Node = Node(u32::MAX);

    /// The node of a number. A graph has fewer than 2^32 nodes.
    #[inline(always)]
    pub(crate) const fn new(index: usize) -> Node {
        Node(index as u32)
    }
    /// The number.
    #[inline(always)]
    pub(crate) const fn get(self) -> u32 {
        self.0
    }
    /// The number, as an index.
    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
    /// The nodes of some numbers.
    pub(crate) fn all(of: Range<usize>) -> impl DoubleEndedIterator<Item = Node> {
        of.map(Node::new)
    }
}

/// What an edge is called: a path of names, or one of the constants below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct EdgeLabel(u16);

impl EdgeLabel {
    /// The label of an edge with a path.
    pub(crate) const fn of(path: NamePath) -> EdgeLabel {
        EdgeLabel(path.get())
    }
    /// The path of a label that is none of the constants.
    pub(crate) const fn path(self) -> NamePath {
        NamePath::new(self.0)
    }
}

/// The next entry's index is this entry's target.
const INDEX: EdgeLabel = EdgeLabel(u16::MAX);
/// The target of a weak pointer, which the edge does not keep.
pub(crate) const WEAK_TARGET: EdgeLabel = EdgeLabel(u16::MAX - 1);
/// The key of an ephemeron, which the edge does not keep.
pub(crate) const WEAK_KEY: EdgeLabel = EdgeLabel(u16::MAX - 2);
/// The value of an ephemeron.
pub(crate) const VALUE: EdgeLabel = EdgeLabel(u16::MAX - 3);
/// A root, from the place where it was made.
pub(crate) const ROOT: EdgeLabel = EdgeLabel(u16::MAX - 4);

/// Rows for which one start is kept.
const GROUP: usize = 16;
/// The length of a row that does not fit a byte.
const LONG: u8 = u8::MAX;

/// One edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) target: Node,
    pub(crate) label: EdgeLabel,
    /// Of meaning only if the label's path has an element.
    pub(crate) index: u32,
}

impl Edge {
    /// Returns whether the edge does not keep its target.
    pub(crate) fn is_weak(&self) -> bool {
        is_weak(self.label)
    }
}

fn is_weak(label: EdgeLabel) -> bool {
    matches!(label, WEAK_TARGET | WEAK_KEY)
}

/// The edges of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    starts: Vec<u32>,
    lengths: Vec<u8>,
    long: HashMap<u32, u32>,
    targets: Vec<Node>,
    labels: Vec<EdgeLabel>,
    /// Where the row begins that is being made, and its last edge.
    begin: usize,
    last: Option<(EdgeLabel, u32)>,
}

impl Rows {
    /// Room for entries, without which a table would be copied as it grows.
    pub(crate) fn with_rows(rows: usize) -> Rows {
        let (starts, lengths) = (Vec::with_capacity(rows / GROUP + 1), Vec::with_capacity(rows));
        Rows { starts, lengths, ..Rows::default() }
    }
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }
    /// Number of edges.
    pub(crate) fn count(&self) -> usize {
        self.labels.iter().filter(|label| **label != INDEX).count()
    }
    /// Returns whether no more entries can be counted.
    pub(crate) fn is_full(&self) -> bool {
        self.targets.len() >= u32::MAX as usize - u16::MAX as usize
    }
    /// Adds an edge to the row that is being made.
    pub(crate) fn push(&mut self, edge: Edge) {
        let Edge { target, label, index } = edge;
        let expected = match self.last {
            Some((last, at)) if last == label => at.wrapping_add(1),
            _ => 0,
        };
        let is_given = index != u32::MAX && index != expected;
        let index = if is_given { index } else { expected };
        if is_given {
            self.targets.push(Node(index));
            self.labels.push(INDEX);
        }
        self.targets.push(target);
        self.labels.push(label);
        self.last = Some((label, index));
    }
    /// Forgets the edges of the row that is being made.
    pub(crate) fn restart_row(&mut self) {
        self.targets.truncate(self.begin);
        self.labels.truncate(self.begin);
        self.last = None;
    }
    /// Ends the row.
    pub(crate) fn end_row(&mut self) {
        let row = self.lengths.len();
        if row.is_multiple_of(GROUP) {
            self.starts.push(self.begin as u32);
        }
        let length = self.targets.len() - self.begin;
        if length >= usize::from(LONG) {
            self.long.insert(row as u32, length as u32);
        }
        self.lengths.push(length.min(usize::from(LONG)) as u8);
        self.begin = self.targets.len();
        self.last = None;
    }
    /// No row will follow.
    pub(crate) fn finish(&mut self) {
        self.targets.shrink_to_fit();
        self.labels.shrink_to_fit();
        self.lengths.shrink_to_fit();
    }

    fn length(&self, row: usize) -> usize {
        match self.lengths[row] {
            LONG => self.long[&(row as u32)] as usize,
            length => usize::from(length),
        }
    }
    /// The entries of a node.
    pub(crate) fn range(&self, node: Node) -> Range<usize> {
        let node = node.index();
        let first = node - node % GROUP;
        let before: usize = (first..node).map(|row| self.length(row)).sum();
        let start = self.starts[node / GROUP] as usize + before;
        start..start + self.length(node)
    }
    /// The target of an entry, if it is an edge that keeps it.
    #[inline]
    pub(crate) fn kept(&self, entry: usize) -> Option<Node> {
        let label = self.labels[entry];
        (label != INDEX && !is_weak(label)).then(|| self.targets[entry])
    }
    /// The targets that a node keeps.
    pub(crate) fn kept_by(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        self.range(node).filter_map(|entry| self.kept(entry))
    }
    /// All edges of a node.
    pub(crate) fn edges(&self, node: Node) -> impl Iterator<Item = Edge> + '_ {
        let (mut last, mut given) = (None, None);
        self.range(node).filter_map(move |entry| {
            let (target, label) = (self.targets[entry], self.labels[entry]);
            if label == INDEX {
                given = Some(target.get());
                return None;
            }
            let next = match last {
                Some((last, at)) if last == label => u32::wrapping_add(at, 1),
                _ => 0,
            };
            let index = given.take().unwrap_or(next);
            last = Some((label, index));
            Some(Edge { target, label, index })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_back_what_was_pushed() {
        let mut rows = Rows::default();
        let row = |node: u32| -> Vec<Edge> {
            // Lengths below, at and over what a byte holds.
            let n = [0, 1, 3, 254, 255, 300][node as usize % 6];
            let label = |i: u32| EdgeLabel((i / 100) as u16);
            let index = |i: u32| if i.is_multiple_of(7) { i * 3 } else { (i / 7) * 21 + i % 7 };
            (0..n)
                .map(|i| Edge { target: Node(node * 7 + i), label: label(i), index: index(i) })
                .collect()
        };
        for node in 0..100 {
            rows.push(Edge { target: Node(1), label: WEAK_KEY, index: u32::MAX });
            rows.restart_row();
            row(node).into_iter().for_each(|edge| rows.push(edge));
            rows.end_row();
        }
        rows.finish();
        assert_eq!(rows.len(), 100);
        for node in 0..100 {
            assert_eq!(rows.edges(Node(node)).collect::<Vec<_>>(), row(node), "{node}");
            assert_eq!(rows.kept_by(Node(node)).count(), row(node).len());
        }
    }

    #[test]
    fn weak_edges_keep_nothing() {
        let mut rows = Rows::default();
        for (target, label, index) in
            [(5, WEAK_TARGET, u32::MAX), (6, VALUE, u32::MAX), (7, EdgeLabel(0), 9)]
        {
            rows.push(Edge { target: Node(target), label, index });
        }
        rows.end_row();
        assert_eq!(rows.kept_by(Node(0)).collect::<Vec<_>>(), [Node(6), Node(7)]);
        assert_eq!(rows.edges(Node(0)).filter(Edge::is_weak).count(), 1);
        assert_eq!(rows.edges(Node(0)).last().map(|edge| edge.index), Some(9));
    }
}
