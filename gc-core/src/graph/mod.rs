#![forbid(unsafe_code)]
//! The graph of a heap's objects at one moment, as a snapshot keeps it: no pointer into the heap,
//! and little memory for an object.
//!
//! 1. `crate::snapshot` copies the mark bits of every span ([`Graph::add_span`]). An object's
//!    *node* is a number: the rank of its bit among all of them. So no table of addresses is
//!    needed. Where a word's bits begin is kept for each word ([`Graph::node_at`]).
//! 2. Nodes before the objects: the root ([`ROOT_NODE`]), one for what no root leads to
//!    ([`UNREACHED`]), and one for each place in the program that made roots.
//! 3. Objects that were born meanwhile have no bit. They are added as they are met, at the end
//!    ([`Graph::add_young`]).
//! 4. Edges come row by row (`rows`), dominators are computed when they are asked for
//!    (`dominators`).
//!
//! Files, lowest first: `rows`, `dominators`.

pub(crate) mod dominators;
pub(crate) mod rows;

use crate::trace::naming::{NO_INDEX, Names, Step};
use crate::word::{Addr, Blocks};
use dominators::{Dominated, ROOT_NODE, UNREACHED};
use rows::{Edge, Node, ROOT, Rows, VALUE, WEAK_KEY, WEAK_TARGET};
use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

/// Nodes that a graph may have: their numbers have four bytes.
const MOST_NODES: usize = u32::MAX as usize - 16;
/// Bytes that one bit of a word stands for, as a shift, and those of a word.
const GRANULE_SHIFT: u32 = crate::config::GRANULE_SHIFT;
const BLOCK_SHIFT: u32 = crate::config::BLOCK_SHIFT;
const WORD_SHIFT: u32 = GRANULE_SHIFT + 6;
/// The index of no span.
const NO_SPAN: u32 = u32::MAX;

/// A place in the program that made roots.
pub(crate) type Place = Option<&'static Location<'static>>;

/// What the objects of one class have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) type_name: &'static str,
    pub(crate) is_array: bool,
    /// Bytes of a slot; 0 for large objects.
    pub(crate) slot: usize,
    /// Bytes from the start of a slot to its object.
    pub(crate) origin: usize,
}

/// A span with objects.
#[derive(Debug)]
struct Span {
    start: Addr,
    /// Its first node, and its first word.
    first: Node,
    word: u32,
    words: u32,
    kind: u32,
    /// Bytes of each of its objects.
    bytes: u64,
}

/// An object that was born while the graph was recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Young {
    pub(crate) addr: Addr,
    pub(crate) kind: u32,
    pub(crate) bytes: u64,
}

/// A root of the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RootEdge {
    pub(crate) slot: usize,
    pub(crate) addr: Addr,
    /// Index of its place.
    pub(crate) place: u32,
}

/// What a node is.
#[cfg_attr(not(feature = "snapshot"), allow(dead_code, reason = "an exporter writes it"))]
#[derive(Debug, Clone, Copy)]
pub(crate) enum NodeKind {
    Root,
    Unreached,
    Place(Place),
    Object,
}

/// Why a graph was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The marks are incomplete, since a `trace` panicked.
    Unmarked,
    /// Threads wait for the cycle because memory is short.
    Short,
    /// More objects or pointers than can be counted.
    Large,
    /// The heap ends.
    Ending,
}

/// A recorded graph.
#[derive(Debug)]
pub(crate) struct Graph {
    base: Addr,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) places: Vec<Place>,
    /// In the order of their places.
    pub(crate) roots: Vec<RootEdge>,
    spans: Vec<Span>,
    /// The span of each block.
    blocks: Vec<u32>,
    /// The bits of all spans, and the node of each word's first bit.
    words: Vec<u64>,
    ranks: Vec<Node>,
    /// The number of nodes before the young ones.
    old: usize,
    young: Vec<Young>,
    young_by_addr: HashMap<Addr, Node>,
    pub(crate) rows: Rows,
    pub(crate) names: Names,
    /// Objects whose cells were borrowed all the time, or whose `trace` panicked.
    pub(crate) unread: u64,
    /// Edges to objects that were born meanwhile, beyond what is kept of these.
    pub(crate) left_out: u64,
    /// How long the recording took.
    pub(crate) recorded_in: Duration,
}

impl Graph {
    /// A graph of a heap at `base`, without objects; `roots` are in any order, with their places.
    pub(crate) fn new(base: Addr, roots: Vec<(RootEdge, Place)>) -> Graph {
        let mut roots = roots;
        let key = |place: &Place| place.map(|at| (at.file(), at.line(), at.column()));
        roots.sort_by_key(|(_, place)| key(place));
        let mut places: Vec<Place> = Vec::new();
        let mut edges = Vec::with_capacity(roots.len());
        for (root, place) in roots {
            if places.last().is_none_or(|last| key(last) != key(&place)) {
                places.push(place);
            }
            edges.push(RootEdge { place: places.len() as u32 - 1, ..root });
        }
        Graph {
            base,
            kinds: Vec::new(),
            old: 2 + places.len(),
            places,
            roots: edges,
            spans: Vec::new(),
            blocks: Vec::new(),
            words: Vec::new(),
            ranks: Vec::new(),
            young: Vec::new(),
            young_by_addr: HashMap::new(),
            rows: Rows::default(),
            names: Names::new(),
            unread: 0,
            left_out: 0,
            recorded_in: Duration::ZERO,
        }
    }

    /// Adds a span of `blocks` blocks from address `start` on, whose live objects have the bits of
    /// `words`. Spans come in the order of their addresses. Returns whether there was room.
    pub(crate) fn add_span(
        &mut self,
        (start, blocks): (Addr, Blocks),
        (kind, bytes): (u32, u64),
        words: impl Iterator<Item = u64>,
    ) -> bool {
        let (first, word) = (Node::new(self.old), self.words.len());
        for bits in words {
            self.ranks.push(Node::new(self.old));
            self.words.push(bits);
            self.old += bits.count_ones() as usize;
        }
        let words = (self.words.len() - word) as u32;
        if self.old == first.index() {
            self.words.truncate(word);
            self.ranks.truncate(word);
            return true;
        }
        let block = (start - self.base) >> BLOCK_SHIFT;
        self.blocks.resize(block, NO_SPAN);
        self.blocks.resize(block + blocks.get(), self.spans.len() as u32);
        self.spans.push(Span { start, first, word: word as u32, words, kind, bytes });
        self.old < MOST_NODES && self.words.len() < MOST_NODES
    }

    /// All spans are there: the rows of the root and of what no root leads to. Those of the places
    /// follow, and then those of the objects.
    pub(crate) fn begin_rows(&mut self) {
        self.rows = Rows::with_rows(self.old);
        let places = Node::all(2..2 + self.places.len());
        for target in places.chain([UNREACHED]) {
            self.rows.push(Edge { target, label: ROOT, index: NO_INDEX });
        }
        self.rows.end_row();
        self.rows.end_row();
    }

    fn span_at(&self, addr: Addr) -> Option<&Span> {
        let block = addr.checked_since(self.base)? >> BLOCK_SHIFT;
        let span = *self.blocks.get(block)?;
        self.spans.get(span as usize)
    }
    /// The node of the object at an address.
    #[inline]
    pub(crate) fn node_at(&self, addr: Addr) -> Option<Node> {
        if let Some(span) = self.span_at(addr) {
            let offset = addr - span.start;
            let word = offset >> WORD_SHIFT;
            if word < span.words as usize {
                let at = span.word as usize + word;
                let bit = 1u64 << (offset >> GRANULE_SHIFT & 63);
                let bits = self.words[at];
                if bits & bit != 0 {
                    let before = (bits & (bit - 1)).count_ones() as usize;
                    return Some(Node::new(self.ranks[at].index() + before));
                }
            }
        }
        self.young_by_addr.get(&addr).copied()
    }
    /// Adds an object that has no node. Returns its node, or `None` if there is no room.
    pub(crate) fn add_young(&mut self, young: Young) -> Option<Node> {
        let node = self.old + self.young.len();
        if node >= MOST_NODES {
            return None;
        }
        self.young.push(young);
        self.young_by_addr.insert(young.addr, Node::new(node));
        Some(Node::new(node))
    }
    /// The young objects from the `i`th on.
    pub(crate) fn young(&self, i: usize) -> Option<Young> {
        self.young.get(i).copied()
    }

    /// Number of young objects.
    pub(crate) fn youngs(&self) -> usize {
        self.young.len()
    }
    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.old + self.young.len()
    }
    /// The first node that is an object.
    pub(crate) fn first_object(&self) -> Node {
        Node::new(2 + self.places.len())
    }
    /// All objects, in the order of their nodes: the node, its address, its kind and its bytes.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (Node, Addr, u32, u64)> + '_ {
        let old = self.spans.iter().flat_map(move |span| {
            let kind = &self.kinds[span.kind as usize];
            let words = span.word as usize..(span.word + span.words) as usize;
            words.flat_map(move |at| {
                let before = (at - span.word as usize) * 64;
                let (mut left, mut next) = (self.words[at], self.ranks[at].index());
                std::iter::from_fn(move || {
                    if left == 0 {
                        return None;
                    }
                    let granule = before + left.trailing_zeros() as usize;
                    left &= left - 1;
                    let node = Node::new(next);
                    next += 1;
                    Some((node, span.start + offset_of(kind, granule), span.kind, span.bytes))
                })
            })
        });
        let young = self.young.iter().zip(Node::all(self.old..self.len()));
        old.chain(young.map(|(young, node)| (node, young.addr, young.kind, young.bytes)))
    }
    /// Kinds with the bytes and the number of some objects of that kind; together all objects.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&Kind, u64, u64)> {
        let old = self.spans.iter().map(|span| {
            let words = span.word as usize..(span.word + span.words) as usize;
            let objects = self.words[words].iter().map(|word| u64::from(word.count_ones())).sum();
            (span.kind, span.bytes, objects)
        });
        let young = self.young.iter().map(|young| (young.kind, young.bytes, 1));
        old.chain(young).map(|(kind, bytes, n)| (&self.kinds[kind as usize], bytes, n))
    }
    /// Returns for each kind whether there is an object of it.
    pub(crate) fn kinds_met(&self) -> Vec<bool> {
        let mut met = vec![false; self.kinds.len()];
        self.spans.iter().for_each(|span| met[span.kind as usize] = true);
        self.young.iter().for_each(|young| met[young.kind as usize] = true);
        met
    }
    /// The address, the kind and the bytes of an object.
    pub(crate) fn object(&self, node: Node) -> Option<(Addr, u32, u64)> {
        if node < self.first_object() {
            return None;
        }
        if let Some(young) = node.index().checked_sub(self.old) {
            let young = self.young.get(young)?;
            return Some((young.addr, young.kind, young.bytes));
        }
        let span = &self.spans[self.spans.partition_point(|span| span.first <= node) - 1];
        let words = span.word as usize..(span.word + span.words) as usize;
        let at = words.start + self.ranks[words].partition_point(|rank| *rank <= node) - 1;
        let mut bits = self.words[at];
        for _ in self.ranks[at].index()..node.index() {
            bits &= bits - 1;
        }
        let granule = (at - span.word as usize) * 64 + bits.trailing_zeros() as usize;
        let kind = &self.kinds[span.kind as usize];
        Some((span.start + offset_of(kind, granule), span.kind, span.bytes))
    }
    /// A number for an address.
    #[cfg(feature = "snapshot")]
    pub(crate) fn granule(&self, addr: Addr) -> u64 {
        ((addr - self.base) >> GRANULE_SHIFT) as u64
    }
    /// What a node is.
    #[cfg_attr(not(feature = "snapshot"), allow(dead_code, reason = "an exporter writes it"))]
    pub(crate) fn what(&self, node: Node) -> NodeKind {
        match node {
            ROOT_NODE => NodeKind::Root,
            UNREACHED => NodeKind::Unreached,
            _ => match self.object(node) {
                Some(_) => NodeKind::Object,
                None => NodeKind::Place(self.places[node.index() - 2]),
            },
        }
    }

    /// Computes dominators and retained sizes.
    pub(crate) fn dominate(&self) -> Dominated {
        dominators::dominate(&self.rows, || {
            let mut sizes = vec![0; self.len()];
            self.objects().for_each(|(node, _, _, bytes)| sizes[node.index()] = bytes);
            sizes
        })
    }

    /// What an edge is called: `.field`, `[3]`, `.list[3].field`. The index is that of the
    /// innermost element.
    pub(crate) fn label(&self, edge: Edge) -> String {
        match edge.label {
            WEAK_TARGET => return ".target (weak)".into(),
            WEAK_KEY => return ".key (weak)".into(),
            VALUE => return ".value".into(),
            ROOT => return String::new(),
            _ => {}
        }
        let steps = self.names.steps(edge.label.path());
        let last = steps.iter().rposition(|step| *step == Step::Element);
        let mut text = String::new();
        for (i, step) in steps.iter().enumerate() {
            match step {
                Step::Field(name) => {
                    text.push('.');
                    text.push_str(name);
                }
                Step::Element if Some(i) == last => text.push_str(&format!("[{}]", edge.index)),
                Step::Element => text.push_str("[]"),
            }
        }
        text
    }
}

/// Bytes from a span's start to the object that begins in a granule of it.
fn offset_of(kind: &Kind, granule: usize) -> usize {
    let offset = granule << GRANULE_SHIFT;
    if kind.slot == 0 {
        return kind.origin;
    }
    kind.origin + offset.saturating_sub(kind.origin).div_ceil(kind.slot) * kind.slot
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Addr = Addr::new(1 << 30);

    fn graph() -> Graph {
        let root = |addr, slot| (RootEdge { slot, addr, place: 0 }, None);
        let mut graph = Graph::new(BASE, vec![root(BASE + 24, 1), root(Addr::new(7), 2)]);
        let kind = |slot, origin| Kind { type_name: "T", is_array: false, slot, origin };
        graph.kinds = vec![kind(24, 0), kind(0, 8), kind(80, 8)];
        // Objects 0, 1 and 40 of 24 bytes; a large one; the second and third of 80 bytes.
        let bits = [0usize, 24, 24 * 40].map(|at| at >> 4);
        let mut words = [0u64; 16];
        bits.iter().for_each(|granule| words[granule / 64] |= 1 << (granule % 64));
        assert!(graph.add_span((BASE, Blocks::ONE), (0, 24), words.into_iter()));
        assert!(graph.add_span((BASE + (1 << 14), Blocks::ONE), (0, 24), [0; 16].into_iter()));
        assert!(graph.add_span((BASE + (3 << 14), Blocks::new(4)), (1, 65000), [1].into_iter()));
        let bits = (1 << ((8 + 80) >> 4)) | 1 << ((8 + 160) >> 4);
        assert!(graph.add_span((BASE + (8 << 14), Blocks::ONE), (2, 80), [bits].into_iter()));
        graph
    }

    #[test]
    fn nodes_and_addresses_lead_to_each_other() {
        let mut graph = graph();
        let young = graph.add_young(Young { addr: BASE + (9 << 14), kind: 0, bytes: 24 });
        let (first, ninth) = (Node::new(3), Node::new(9));
        assert_eq!((young, graph.len(), graph.first_object()), (Some(ninth), 10, first));
        let large = BASE + (3 << 14) + 8;
        let eighty = BASE + (8 << 14) + 8;
        let addrs =
            [BASE, BASE + 24, BASE + 960, large, eighty + 80, eighty + 160, BASE + (9 << 14)];
        let all: Vec<_> = graph.objects().collect();
        assert_eq!(all.iter().map(|object| object.1).collect::<Vec<_>>(), addrs);
        for (node, addr, kind, bytes) in all {
            assert_eq!(graph.node_at(addr), Some(node));
            assert_eq!(graph.object(node), Some((addr, kind, bytes)));
        }
        for addr in [
            Addr::NULL,
            BASE - 16,
            BASE + 48,
            BASE + (1 << 14),
            BASE + (2 << 14),
            BASE + (90 << 14),
        ] {
            assert_eq!(graph.node_at(addr), None);
        }
        assert_eq!(graph.object(Node::new(2)).map(|object| object.0), None);
    }

    #[test]
    fn the_first_rows_are_the_roots() {
        let mut graph = graph();
        graph.begin_rows();
        assert_eq!(graph.rows.kept_by(ROOT_NODE).collect::<Vec<_>>(), [Node::new(2), UNREACHED]);
        assert_eq!(graph.rows.kept_by(UNREACHED).count(), 0);
        assert_eq!(graph.rows.len(), 2);
        assert!(matches!(graph.what(Node::new(2)), NodeKind::Place(None)));
    }
}
