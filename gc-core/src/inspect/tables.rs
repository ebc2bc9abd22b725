#![forbid(unsafe_code)]
//! The rows of what a heap tells of its objects: types, roots, the largest, and what has grown.

use crate::graph::rows::Node;
use crate::graph::{Graph, Place};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

/// A type's name, with `[]` for its arrays.
struct Name(&'static str, bool);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

/// The objects of one type ([`Heap::census`](crate::Heap::census)).
///
/// ```
/// let heap = gc_core::Heap::new();
/// let kept = heap.mutate(|mc| mc.root((1u64, String::new())));
/// let row: &gc_core::TypeMemory = &heap.census()[0];
/// assert_eq!((row.objects, row.bytes), (1, 32));
/// # drop(kept);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeMemory {
    /// The type's name; "leaf data" for data without pointers, which shares spans.
    pub type_name: &'static str,
    /// Whether they are arrays of the type.
    pub is_array: bool,
    /// Number of objects.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

impl fmt::Display for TypeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Name(self.type_name, self.is_array);
        write!(f, "{:>12} objects {:>14} bytes  {name}", self.objects, self.bytes)
    }
}

/// Adds up objects and bytes by type.
pub(super) fn by_type(
    rows: impl Iterator<Item = ((&'static str, bool), (u64, u64))>,
) -> Vec<TypeMemory> {
    let mut sums: HashMap<(&'static str, bool), (u64, u64)> = HashMap::new();
    for (key, (objects, bytes)) in rows.filter(|row| row.1.0 > 0) {
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + objects, sum.1 + bytes);
    }
    let row = |((type_name, is_array), (objects, bytes))| TypeMemory {
        type_name,
        is_array,
        objects,
        bytes,
    };
    let mut all: Vec<TypeMemory> = sums.into_iter().map(row).collect();
    all.sort_by_key(|row| (Reverse(row.bytes), row.type_name));
    all
}

/// The place in the program that made a root.
fn show_place(place: Place) -> String {
    place.map_or("an unknown place".into(), ToString::to_string)
}

/// Roots that one line of the program made ([`Heap::root_places`](crate::Heap::root_places)).
///
/// ```
/// let heap = gc_core::Heap::new();
/// let kept = heap.mutate(|mc| mc.root(1u64));
/// let row: &gc_core::RootPlace = &heap.root_places()[0];
/// assert_eq!((row.type_name, row.roots), ("leaf data", 1));
/// # drop(kept);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootPlace {
    /// The line that made the roots, or the first of a root that was cloned.
    pub place: Option<&'static Location<'static>>,
    /// The type of the objects.
    pub type_name: &'static str,
    /// Number of roots. Clones count once.
    pub roots: u64,
}

impl fmt::Display for RootPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} roots of {}, made at {}",
            self.roots,
            self.type_name,
            show_place(self.place)
        )
    }
}

/// Counts roots by place and type.
pub(super) fn root_places(roots: Vec<(Place, &'static str)>) -> Vec<RootPlace> {
    let mut sums: HashMap<(Place, &'static str), u64> = HashMap::new();
    for key in roots {
        *sums.entry(key).or_default() += 1;
    }
    let row = |((place, type_name), roots)| RootPlace { place, type_name, roots };
    let mut all: Vec<RootPlace> = sums.into_iter().map(row).collect();
    all.sort_by_key(|row| (Reverse(row.roots), row.place, row.type_name));
    all
}

/// An object and what it retains ([`Snapshot::largest`](crate::Snapshot::largest)).
///
/// ```
/// let heap = gc_core::Heap::new();
/// let kept = heap.mutate(|mc| mc.root(vec![gc_core::Gc::new(mc, 1u64)]));
/// let snapshot = heap.snapshot()?;
/// let top: gc_core::Retainer = snapshot.largest(1)[0];
/// assert_eq!((top.bytes, top.retained_bytes), (24, 24 + 16));
/// # drop(kept);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retainer {
    /// The type's name.
    pub type_name: &'static str,
    /// Whether it is an array of the type.
    pub is_array: bool,
    /// Its address, for [`why_alive`](crate::Snapshot::why_alive).
    pub address: usize,
    /// Bytes of its slot.
    pub bytes: u64,
    /// Bytes that would be garbage without it, its own among them.
    pub retained_bytes: u64,
}

impl fmt::Display for Retainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Name(self.type_name, self.is_array);
        write!(f, "{:>14} bytes retained by {name} at {:#x}", self.retained_bytes, self.address)
    }
}

/// Leaves the `n` nodes that retain most, the largest first.
pub(super) fn keep_largest(nodes: &mut Vec<Node>, n: usize, retained: &[u64]) {
    nodes.sort_by_key(|node| (Reverse(retained[node.index()]), *node));
    nodes.truncate(n);
}

pub(super) fn retainer(graph: &Graph, retained: &[u64], node: Node) -> Retainer {
    let (address, kind, bytes) = graph.object(node).expect("the node of an object");
    let kind = graph.kinds[kind as usize];
    Retainer {
        type_name: kind.type_name,
        is_array: kind.is_array,
        address: address.get(),
        bytes,
        retained_bytes: retained[node.index()],
    }
}

/// The roots that one line of the program made, and what they retain
/// ([`Snapshot::roots`](crate::Snapshot::roots)).
///
/// ```
/// let heap = gc_core::Heap::new();
/// let kept = heap.mutate(|mc| mc.root(String::from("kept")));
/// let snapshot = heap.snapshot()?;
/// let holder: &gc_core::RootHolder = &snapshot.roots()[0];
/// assert_eq!((holder.roots, holder.retained_bytes), (1, 24));
/// println!("{holder}");
/// # drop(kept);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootHolder {
    /// The line that made the roots, or the first of a root that was cloned.
    pub place: Option<&'static Location<'static>>,
    /// The types of their objects, the commonest first.
    pub types: Vec<(&'static str, u64)>,
    /// Number of roots. Clones count once.
    pub roots: u64,
    /// Bytes that would be garbage without the roots of this place.
    pub retained_bytes: u64,
}

impl fmt::Display for RootHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RootHolder { roots, retained_bytes, place, .. } = self;
        write!(
            f,
            "{retained_bytes:>14} bytes kept by {roots} roots made at {}",
            show_place(*place)
        )?;
        self.types.iter().take(3).try_for_each(|(name, n)| write!(f, ", {n} of {name}"))
    }
}

pub(super) fn root_holders(graph: &Graph, retained: &[u64]) -> Vec<RootHolder> {
    let mut types: Vec<HashMap<&'static str, u64>> = vec![HashMap::new(); graph.places.len()];
    for root in &graph.roots {
        let kind =
            graph.node_at(root.addr).and_then(|node| graph.object(node)).map(|found| found.1);
        let name = kind.map_or("an object", |kind| graph.kinds[kind as usize].type_name);
        *types[root.place as usize].entry(name).or_default() += 1;
    }
    let holder = |(i, types): (usize, HashMap<&'static str, u64>)| {
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|(name, n)| (Reverse(*n), *name));
        let roots = types.iter().map(|(_, n)| n).sum();
        RootHolder { place: graph.places[i], types, roots, retained_bytes: retained[2 + i] }
    };
    let mut all: Vec<RootHolder> = types.into_iter().enumerate().map(holder).collect();
    all.sort_by_key(|row| (Reverse(row.retained_bytes), Reverse(row.roots)));
    all
}

/// How the objects of one type and size have changed between two snapshots
/// ([`Snapshot::diff`](crate::Snapshot::diff)).
///
/// ```
/// let heap = gc_core::Heap::new();
/// let before = heap.snapshot()?;
/// let kept = heap.mutate(|mc| mc.root(String::from("kept")));
/// let rows: Vec<gc_core::Growth> = heap.snapshot()?.diff(&before);
/// assert_eq!((rows[0].objects(), rows[0].bytes()), (1, 24));
/// println!("{}", rows[0]);
/// # drop(kept);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Growth {
    /// The type's name.
    pub type_name: &'static str,
    /// Whether they are arrays of the type.
    pub is_array: bool,
    /// Bytes of a slot.
    pub size: u64,
    /// Objects in the earlier snapshot.
    pub objects_before: u64,
    /// Objects in the later one.
    pub objects_after: u64,
}

impl Growth {
    /// Objects that were added; negative if there are fewer.
    #[must_use]
    pub fn objects(&self) -> i64 {
        self.objects_after as i64 - self.objects_before as i64
    }
    /// Bytes that were added; negative if there are fewer.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        self.objects() * self.size as i64
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, size) = (Name(self.type_name, self.is_array), self.size);
        write!(
            f,
            "{:>+12} objects {:>+14} bytes  {name} ({size} bytes)",
            self.objects(),
            self.bytes()
        )
    }
}

pub(super) fn growth(before: &Graph, after: &Graph) -> Vec<Growth> {
    let mut sums: HashMap<(&'static str, bool, u64), [u64; 2]> = HashMap::new();
    for (i, graph) in [before, after].into_iter().enumerate() {
        for (kind, size, objects) in graph.totals() {
            sums.entry((kind.type_name, kind.is_array, size)).or_default()[i] += objects;
        }
    }
    let row = |((type_name, is_array, size), [objects_before, objects_after]): (_, [u64; 2])| {
        Growth { type_name, is_array, size, objects_before, objects_after }
    };
    let mut all: Vec<Growth> = sums.into_iter().map(row).collect();
    all.retain(|row| row.objects() != 0);
    all.sort_by_key(|row| (Reverse(row.bytes()), row.type_name, row.size));
    all
}
