#![forbid(unsafe_code)]
//! The shortest way from a root to an object: a breadth-first search from all roots at once, which
//! notes for each node by which one it came to it.

use crate::graph::rows::{Edge, Node};
use crate::graph::{Graph, Place};
use crate::word::Addr;
use std::fmt;
use std::panic::Location;

/// What [`Heap::why_alive`](crate::Heap::why_alive) looks for: a type by its name, an object by its
/// address, or the object of a [`Root`](crate::Root).
///
/// ```
/// use gc_core::{Gc, Heap, Wanted};
/// let heap = Heap::new();
/// let list = heap.mutate(|mc| mc.root(vec![Gc::new(mc, 1u64)]));
/// let address = heap.mutate(|mc| Gc::as_ptr(list.get(mc)[0]).addr());
/// let snapshot = heap.snapshot()?;
/// for wanted in [Wanted::from(address), Wanted::from("leaf data")] {
///     assert_eq!(snapshot.why_alive(wanted).unwrap().fields(), "[0]");
/// }
/// assert!(snapshot.why_alive(&list).is_none(), "nothing but this root keeps it");
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a>(pub(crate) Sought<'a>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Sought<'a> {
    Type(&'a str),
    Object(Addr),
    /// The object at an address, without the roots of a slot.
    Beside {
        slot: usize,
        addr: Addr,
    },
}

impl<'a> From<&'a str> for Wanted<'a> {
    /// Objects of a type: by its name with or without its path and parameters. If there are none,
    /// objects whose type mentions the name (`GcRefCell<Session>` for `Session`).
    fn from(type_name: &'a str) -> Self {
        Wanted(Sought::Type(type_name))
    }
}
impl From<usize> for Wanted<'_> {
    /// The object at an address.
    fn from(address: usize) -> Self {
        Wanted(Sought::Object(Addr::new(address)))
    }
}
impl<T: ?Sized> From<*const T> for Wanted<'_> {
    /// The object at an address.
    fn from(pointer: *const T) -> Self {
        Wanted(Sought::Object(Addr::of(pointer)))
    }
}

/// One step of a [`RootPath`]: a field, and the object to which it leads.
///
/// ```
/// use gc_core::{Gc, Heap, PathStep};
/// let heap = Heap::new();
/// let pair = heap.mutate(|mc| mc.root((Gc::new(mc, 1u64), String::new())));
/// let path = heap.why_alive("leaf data")?.unwrap();
/// let PathStep { field, type_name, .. } = &path.steps[0];
/// assert_eq!((field.as_str(), *type_name), (".0", "leaf data"));
/// # drop(pair);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathStep {
    /// The field in the object before: `.next`, `.children[3]`, `.Variant.0`. Empty where a
    /// hand-written `Trace` tells no names. Of containers in containers the innermost index is
    /// told: `.rows[][3]`.
    pub field: String,
    /// The object's type.
    pub type_name: &'static str,
    /// Its address.
    pub address: usize,
}

/// Why an object is alive: the way from a root to it.
///
/// ```
/// use gc_core::{Gc, Heap, RootPath};
/// let heap = Heap::new();
/// let list = heap.mutate(|mc| mc.root(vec![Gc::new(mc, 1u64)]));
/// let path: RootPath = heap.why_alive("leaf data")?.unwrap();
/// let text = path.to_string();
/// assert!(text.starts_with("a root made at ") && text.contains("[0] -> leaf data"), "{text}");
/// # drop(list);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootPath {
    /// Where in the program the root was made, or the first one of its clones.
    pub place: Option<&'static Location<'static>>,
    /// The type of the root's object, and its address.
    pub root_type: &'static str,
    /// The address of the root's object.
    pub root_address: usize,
    /// The steps from there. Empty if the root's object is the one that was wanted.
    pub steps: Vec<PathStep>,
}

impl RootPath {
    /// The fields on the way, one after the other: `.sessions[0].user`.
    #[must_use]
    pub fn fields(&self) -> String {
        self.steps.iter().map(|step| step.field.as_str()).collect()
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "a root made at {place}")?,
            None => f.write_str("a root made at an unknown place")?,
        }
        write!(f, " -> {} ({:#x})", self.root_type, self.root_address)?;
        for PathStep { field, type_name, address } in &self.steps {
            write!(f, "\n  {field} -> {type_name} ({address:#x})")?;
        }
        Ok(())
    }
}

/// Returns whether a type is called so, by its whole name or its last part, with or without
/// parameters.
fn is_called(type_name: &str, wanted: &str) -> bool {
    let base = type_name.split('<').next().unwrap_or_default();
    let is_end = |name: &str| {
        name.strip_suffix(wanted).is_some_and(|path| path.is_empty() || path.ends_with("::"))
    };
    is_end(type_name) || is_end(base)
}
/// Returns whether a type's name has `wanted` as words of its own.
fn mentions(type_name: &str, wanted: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !wanted.is_empty()
        && type_name.match_indices(wanted).any(|(at, found)| {
            let before = type_name[..at].chars().next_back();
            let after = type_name[at + found.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The shortest path to what is wanted.
pub(super) fn path(graph: &Graph, wanted: &Wanted<'_>) -> Option<RootPath> {
    match wanted.0 {
        Sought::Object(addr) => {
            let node = graph.node_at(addr)?;
            PathSearch::new(graph).to(|at| at == node, None)
        }
        Sought::Beside { slot, addr } => {
            let node = graph.node_at(addr)?;
            PathSearch::new(graph).to(|at| at == node, Some(slot))
        }
        Sought::Type(name) => {
            let mut are = [is_called, mentions].map(|is| {
                graph.kinds.iter().map(|kind| is(kind.type_name, name)).collect::<Vec<bool>>()
            });
            // Kinds are those of all classes; only those of objects count.
            let met = graph.kinds_met();
            are.iter_mut().flat_map(|is| is.iter_mut().zip(&met)).for_each(|(is, met)| *is &= met);
            let is = are.into_iter().find(|is| is.contains(&true))?;
            let matches = |node| graph.object(node).is_some_and(|(_, kind, _)| is[kind as usize]);
            PathSearch::new(graph).to(matches, None)
        }
    }
}

struct PathSearch<'a> {
    graph: &'a Graph,
    /// From which node each one was found; itself for a root's object.
    from: Vec<Node>,
    queue: std::collections::VecDeque<Node>,
}

impl<'a> PathSearch<'a> {
    fn new(graph: &'a Graph) -> PathSearch<'a> {
        PathSearch { graph, from: vec![Node::NONE; graph.len()], queue: Default::default() }
    }

    fn find(&mut self, node: Node, from: Node) {
        if self.from[node.index()] == Node::NONE {
            self.from[node.index()] = from;
            self.queue.push_back(node);
        }
    }

    fn to(mut self, is_wanted: impl Fn(Node) -> bool, without: Option<usize>) -> Option<RootPath> {
        let graph = self.graph;
        for root in graph.roots.iter().filter(|root| Some(root.slot) != without) {
            if let Some(node) = graph.node_at(root.addr) {
                self.find(node, node);
            }
        }
        while let Some(node) = self.queue.pop_front() {
            if is_wanted(node) {
                return Some(self.path_to(node, without));
            }
            graph.rows.kept_by(node).for_each(|target| self.find(target, node));
        }
        None
    }

    fn path_to(&self, wanted: Node, without: Option<usize>) -> RootPath {
        let graph = self.graph;
        let (mut steps, mut at) = (Vec::new(), wanted);
        while self.from[at.index()] != at {
            let from = self.from[at.index()];
            let leads = |edge: &Edge| edge.target == at && !edge.is_weak();
            let edge = graph.rows.edges(from).find(leads).expect("the search came by an edge");
            let (address, type_name) = object(graph, at);
            steps.push(PathStep { field: graph.label(edge), type_name, address: address.get() });
            at = from;
        }
        steps.reverse();
        let (root_address, root_type) = object(graph, at);
        let is_it = |root: &&crate::graph::RootEdge| {
            root.addr == root_address && Some(root.slot) != without
        };
        let root = graph.roots.iter().find(is_it);
        let place: Place = root.and_then(|root| graph.places[root.place as usize]);
        RootPath { place, root_type, root_address: root_address.get(), steps }
    }
}

fn object(graph: &Graph, node: Node) -> (Addr, &'static str) {
    let (address, kind, _) = graph.object(node).expect("the node of an object");
    (address, graph.kinds[kind as usize].type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_called_by_its_last_part_and_mentioned_as_a_word() {
        for (name, wanted, called, mentioned) in [
            ("app::Session", "Session", true, true),
            ("app::Session<'_, u8>", "Session", true, true),
            ("app::Session", "app::Session", true, true),
            ("app::MySession", "Session", false, false),
            ("gc_core::GcRefCell<app::Session>", "Session", false, true),
            ("gc_core::GcRefCell<app::Sessions>", "Session", false, false),
            ("leaf data", "leaf data", true, true),
            ("u8", "u16", false, false),
        ] {
            assert_eq!(
                (is_called(name, wanted), mentions(name, wanted)),
                (called, mentioned),
                "{name}"
            );
        }
    }
}
