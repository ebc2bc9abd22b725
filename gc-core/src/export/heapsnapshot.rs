#![forbid(unsafe_code)]
//! A [`Snapshot`] as V8's `.heapsnapshot`, which Chrome's DevTools and other tools open.
//!
//! 1. The format is one JSON object: a description of itself (`snapshot.meta`), two long lists of
//!    numbers (`nodes`, `edges`) and the texts that they mean (`strings`). A node's edges are the
//!    next so many of the list.
//! 2. Everything is written as it is computed ([`Numbers`]). So the memory for it does not depend
//!    on the heap. Texts go through serde_json.
//! 3. The first node is the root. It leads to a node for each place in the program that made roots,
//!    and to one for what no root leads to. An object's number is that of its address, so two
//!    snapshots of one heap can be compared.
//! 4. A field is an edge of the type "property", an array's element one of the type "element". What
//!    a weak pointer leads to is "weak", which the tools do not count as kept.

use crate::graph::dominators::{UNREACHED, unreached};
use crate::graph::rows::{Edge, Node, ROOT, VALUE, WEAK_KEY, WEAK_TARGET};
use crate::graph::{Graph, NodeKind};
use crate::inspect::Snapshot;
use crate::trace::naming::{NamePath, Step};
use std::io::{self, Write};

/// Numbers of a node and of an edge in the lists.
const NODE_FIELDS: u64 = 7;
/// Indices into the lists of types of nodes and edges in [`META`].
const OBJECT: u64 = 3;
const SYNTHETIC: u64 = 9;
const ELEMENT: u64 = 1;
const PROPERTY: u64 = 2;
const WEAK: u64 = 6;
/// Numbers below are of nodes that are no objects.
const FIRST_ID: u64 = 1 << 20;

const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],"trace_node_fields":["id","function_info_index","count","size","children"],"sample_fields":["timestamp_us","last_assigned_id"],"location_fields":["object_index","script_id","line","column"]}"#;

/// Lists of numbers, through a buffer.
struct Numbers<W> {
    to: W,
    buffer: Vec<u8>,
    is_first: bool,
}

const BUFFER: usize = 1 << 16;

impl<W: Write> Numbers<W> {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
    fn begin(&mut self, name: &str) -> io::Result<()> {
        self.is_first = true;
        self.text(&format!(",\n\"{name}\":["))
    }
    fn end(&mut self) -> io::Result<()> {
        self.text("]")
    }
    /// One row of a list.
    fn row<const N: usize>(&mut self, numbers: [u64; N]) -> io::Result<()> {
        for number in numbers {
            if !std::mem::take(&mut self.is_first) {
                self.buffer.push(b',');
            }
            self.number(number);
        }
        self.text("\n")
    }
    fn number(&mut self, mut number: u64) {
        let (mut digits, mut at) = ([0u8; 20], 20);
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[at..]);
    }
}

/// The texts and where they begin: those of the nodes that are no objects, those of kinds, those of
/// paths, and two for weak edges.
struct Texts<'a> {
    graph: &'a Graph,
    all: Vec<String>,
    kinds: u64,
    paths: u64,
    others: u64,
}

/// The texts of edges that have no path.
const OTHERS: [&str; 3] = ["target", "key", "value"];

impl<'a> Texts<'a> {
    fn new(graph: &'a Graph) -> Texts<'a> {
        let places =
            Node::all(0..graph.first_object().index()).map(|node| match graph.what(node) {
                NodeKind::Root => "(roots of the program)".into(),
                NodeKind::Unreached => "(no root leads here)".into(),
                NodeKind::Place(Some(place)) => format!("Root made at {place}"),
                _ => "Root".into(),
            });
        let mut all: Vec<String> = places.collect();
        let kinds = all.len() as u64;
        all.extend(graph.kinds.iter().map(|kind| match kind.is_array {
            true => format!("[{}]", kind.type_name),
            false => kind.type_name.into(),
        }));
        let paths = all.len() as u64;
        all.extend((0..graph.names.len()).map(|path| {
            let mut text = String::new();
            for step in graph.names.steps(NamePath::new(path as u16)) {
                match step {
                    Step::Field(_) if text.is_empty() => {}
                    Step::Field(_) => text.push('.'),
                    Step::Element => text.push_str("[]"),
                }
                if let Step::Field(name) = step {
                    text.push_str(name);
                }
            }
            text
        }));
        let others = all.len() as u64;
        all.extend(OTHERS.map(String::from));
        Texts { graph, all, kinds, paths, others }
    }
    /// The type of an edge, and its index or its text.
    fn edge(&self, edge: Edge) -> (u64, u64) {
        match edge.label {
            WEAK_TARGET => (WEAK, self.others),
            WEAK_KEY => (WEAK, self.others + 1),
            VALUE => (PROPERTY, self.others + 2),
            ROOT => (ELEMENT, u64::from(edge.index)),
            label if self.graph.names.is_element(label.path()) => (ELEMENT, u64::from(edge.index)),
            label => (PROPERTY, self.paths + u64::from(label.path().get())),
        }
    }
}

impl Snapshot {
    /// Writes the snapshot in V8's format, for the memory panel of Chrome's DevTools ("Load") and
    /// other tools that read `.heapsnapshot` files. Needs the feature `snapshot`. About 45 bytes
    /// for an object and 20 for a pointer, and no more memory than the snapshot itself.
    ///
    /// The root's children are the lines of the program that made roots. A field in a container is
    /// called `list[].field`, without the index.
    ///
    /// # Errors
    ///
    /// What the writer returns, for example for a disk that is full.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let heap = gc_core::Heap::new();
    /// let kept = heap.mutate(|mc| mc.root(vec![gc_core::Gc::new(mc, 1u64)]));
    /// let mut file = Vec::new(); // or std::fs::File::create("heap.heapsnapshot")?
    /// heap.snapshot()?.write_heapsnapshot(&mut file)?;
    /// let read: serde_json::Value = serde_json::from_slice(&file)?;
    /// assert_eq!(read["snapshot"]["node_count"], 5); // the root, two below, and two objects
    /// # drop(kept);
    /// # Ok(()) }
    /// ```
    pub fn write_heapsnapshot(&self, to: impl Write) -> io::Result<()> {
        let mut out = Numbers { to, buffer: Vec::with_capacity(2 * BUFFER), is_first: true };
        let texts = Texts::new(&self.graph);
        let unreached = &unreached(&self.graph.rows);
        let edges = self.graph.rows.count() as u64 + unreached.len() as u64;
        let nodes = self.graph.len();
        out.text(&format!(
            "{{\"snapshot\":{{\"meta\":{META},\"node_count\":{nodes},\"edge_count\":{edges},\
             \"trace_function_count\":0}}"
        ))?;
        out.begin("nodes")?;
        self.write_nodes(&mut out, &texts, unreached)?;
        out.end()?;
        out.begin("edges")?;
        self.write_edges(&mut out, &texts, unreached)?;
        out.end()?;
        for name in ["trace_function_infos", "trace_tree", "samples", "locations"] {
            out.begin(name)?;
            out.end()?;
        }
        out.begin("strings")?;
        for (i, text) in texts.all.iter().enumerate() {
            out.text(if i == 0 { "" } else { ",\n" })?;
            out.text(&serde_json::to_string(text).map_err(io::Error::other)?)?;
        }
        out.end()?;
        out.text("}\n")?;
        out.flush()?;
        out.to.flush()
    }

    fn write_nodes(
        &self,
        out: &mut Numbers<impl Write>,
        texts: &Texts<'_>,
        unreached: &[Node],
    ) -> io::Result<()> {
        let graph = &self.graph;
        for node in Node::all(0..graph.first_object().index()) {
            let more = if node == UNREACHED { unreached.len() as u64 } else { 0 };
            let edges = graph.rows.edges(node).count() as u64 + more;
            let number = u64::from(node.get());
            out.row([SYNTHETIC, number, 1 + number, 0, edges, 0, 0])?;
        }
        for (node, addr, kind, bytes) in graph.objects() {
            let (name, id) = (texts.kinds + u64::from(kind), FIRST_ID + graph.granule(addr));
            out.row([OBJECT, name, id, bytes, graph.rows.edges(node).count() as u64, 0, 0])?;
        }
        Ok(())
    }

    fn write_edges(
        &self,
        out: &mut Numbers<impl Write>,
        texts: &Texts<'_>,
        unreached: &[Node],
    ) -> io::Result<()> {
        let graph = &self.graph;
        for node in Node::all(0..graph.len()) {
            for edge in graph.rows.edges(node) {
                let (kind, name) = texts.edge(edge);
                out.row([kind, name, u64::from(edge.target.get()) * NODE_FIELDS])?;
            }
            if node == UNREACHED {
                for (i, target) in unreached.iter().enumerate() {
                    out.row([ELEMENT, i as u64, u64::from(target.get()) * NODE_FIELDS])?;
                }
            }
        }
        Ok(())
    }
}
