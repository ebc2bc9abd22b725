//! Records the graph of a heap's objects while the program runs, for a snapshot.
//!
//! 1. A thread asks (`desk`), and waits for the end of a cycle. The collector records between the
//!    crossing into Sweep and the opening of the sweep ([`record`]). There the marks are exact:
//!    each is under an object that is initialised, for all threads have given their spans up. No
//!    slot with a mark is freed or used again before the sweep opens. So the collector may read
//!    each marked object as a marker does, through its type's `trace`, as long as it likes.
//! 2. The protocol is not changed. The collector may be slow between any two of its steps, and the
//!    model says nothing of how slow. No thread waits for the record, but for one cell at a time.
//! 3. The *nodes* are the marked objects: all that was reachable when marking began, or was born
//!    while it lasted. The *edges* are what their fields held when they were read.
//! 4. A field may have changed since marking ended, and hold an object that is not marked. That
//!    object was born after the crossing, for what is not marked and was born before is
//!    unreachable. It lives until the next cycle. So it becomes a node too, up to a number of them,
//!    and is read in turn ([`GraphSink::find`]). Then every edge leads to a node.
//! 5. So what the graph says of each field was true at some moment of the recording, not of one
//!    moment for all fields. An object that moves from field to field all the while may be met
//!    twice or not at all: then no edge leads to it, but it is there (`graph`'s node for what no
//!    root leads to).
//! 6. A guarded cell that is borrowed exclusively cannot be read. The collector tries again for a
//!    moment, and then counts the object as unread.
//!
//! Meanwhile allocation goes on in fresh blocks, as while a thread in a long pin makes the crossing
//! wait. If threads have to wait for the cycle because memory is short, the collector gives the
//! snapshot up.

use crate::error::contain;
use crate::graph::rows::{Edge, EdgeLabel, Node, ROOT, VALUE, WEAK_KEY, WEAK_TARGET};
use crate::graph::{Failed, Graph, Kind, RootEdge, Young};
use crate::heap::Space;
use crate::heap::span::{SpanBits, SpanClass};
use crate::mutator::Core;
use crate::sync::Backoff;
use crate::trace::naming::{NO_INDEX, Naming};
use crate::trace::{PACKET, Tracer};
use crate::weak::ephemeron::EphemeronBox;
use crate::weak::gate::WeakBox;
use crate::word::{Addr, BlockId};
use std::time::{Duration, Instant};

/// How long one object's cells, and all objects' cells, may keep the recording waiting.
const WAIT_OF_ONE: Duration = Duration::from_millis(5);
const WAIT_OF_ALL: Duration = Duration::from_millis(200);
/// Objects born meanwhile that become nodes: so many, and a part of the marked ones.
const FEW_YOUNG: usize = 100_000;
const YOUNG_PART: usize = 8;

/// What the tracer's spill function needs.
struct GraphSink<'a> {
    space: &'a Space,
    graph: Graph,
    /// The kind of each class, by the class's number.
    kinds: Vec<Option<u32>>,
    most_young: usize,
}

impl GraphSink<'_> {
    /// The kind of a class, and the bytes of an object of it at `addr`.
    fn kind_of(&mut self, class: &SpanClass, addr: Addr) -> (u32, u64) {
        let at = class.id.index();
        if self.kinds.len() <= at {
            self.kinds.resize(at + 1, None);
        }
        let kinds = &mut self.graph.kinds;
        let kind = *self.kinds[at].get_or_insert_with(|| {
            let (type_name, is_array) = ((class.info.name)(), class.info.array);
            kinds.push(Kind { type_name, is_array, slot: class.slot, origin: class.origin });
            kinds.len() as u32 - 1
        });
        (kind, self.space.bytes_of(class, self.space.block_of(addr)) as u64)
    }
    /// The node of a live object: an old one, or one born meanwhile.
    #[inline]
    fn find(&mut self, addr: Addr) -> Option<Node> {
        self.graph.node_at(addr).or_else(|| self.find_young(addr))
    }
    #[cold]
    fn find_young(&mut self, addr: Addr) -> Option<Node> {
        if self.graph.youngs() >= self.most_young {
            self.graph.left_out += 1;
            return None;
        }
        let (kind, bytes) = self.kind_of(self.space.class_of(addr), addr);
        self.graph.add_young(Young { addr, kind, bytes })
    }
    fn edge(&mut self, addr: Addr, label: EdgeLabel, index: u32) {
        if let Some(target) = self.find(addr)
            && !self.graph.rows.is_full()
        {
            self.graph.rows.push(Edge { target, label, index });
        }
    }
    /// The rows before those of the objects.
    fn roots(&mut self) {
        self.graph.begin_rows();
        let roots = std::mem::take(&mut self.graph.roots);
        let mut rest = roots.iter().peekable();
        for place in 0..self.graph.places.len() as u32 {
            while let Some(root) = rest.next_if(|root| root.place == place) {
                self.edge(root.addr, ROOT, NO_INDEX);
            }
            self.graph.rows.end_row();
        }
        self.graph.roots = roots;
    }
    /// The edges of a weak box, or of an ephemeron's.
    fn weak_box(&mut self, class: &SpanClass, addr: Addr) {
        // SAFETY: INV-11: an allocated slot of this class holds a box, which changes by atomics.
        let weak = unsafe { &*addr.ptr::<WeakBox>() };
        let target = weak.filled_target();
        if target.is_null() || weak.is_dead() {
            return;
        }
        let label = if class.info.ephemeron { WEAK_KEY } else { WEAK_TARGET };
        // A weak pointer keeps nothing, so it makes no node.
        if let Some(target) = self.graph.node_at(target) {
            self.graph.rows.push(Edge { target, label, index: NO_INDEX });
        }
        if class.info.ephemeron {
            // SAFETY: INV-11: as above, of an ephemeron; INV-15: its key is live, and so is its
            // value.
            let value = unsafe { &*addr.ptr::<EphemeronBox>() }.value();
            self.edge(value, VALUE, NO_INDEX);
        }
    }
}

unsafe fn spill(tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: `GraphRecorder::read` made the tracer and lends it for the call.
    let tracer = unsafe { &mut *tracer };
    // SAFETY: INV-7: its owner is the recorder's sink, which nothing else uses during the call.
    let sink = unsafe { &mut *tracer.owner.cast::<GraphSink<'_>>() };
    tracer.take_named(|addr, path, index| sink.edge(addr, EdgeLabel::of(path), index));
}

/// A recording in progress.
struct GraphRecorder<'a> {
    core: &'a Core,
    sink: GraphSink<'a>,
    naming: Naming,
    buf: Box<[Addr; PACKET]>,
    /// Time spent on cells that were borrowed.
    waited: Duration,
}

/// Records the graph of all marked objects. By the collector, between the crossing into Sweep and
/// the opening of the sweep.
pub(crate) fn record(core: &Core) -> Result<Graph, Failed> {
    if core.marking.is_poisoned() {
        return Err(Failed::Unmarked);
    }
    let (space, since) = (&core.space, Instant::now());
    let mut roots = Vec::new();
    core.roots.each_place(|root| {
        roots.push((RootEdge { slot: root.slot, addr: root.addr, place: 0 }, root.place));
    });
    let graph = Graph::new(space.address(BlockId::FIRST), roots);
    let mut sink = GraphSink { space, graph, kinds: Vec::new(), most_young: 0 };
    let mut spans = Vec::new();
    let mut has_room = true;
    space.each_span(|span, class| {
        let first = space.first_word(span);
        let words = (0..class.starts.len()).map(|i| space.mark_word(first + i).bits());
        let (start, blocks) = (space.address(span), space.meta(span).blocks());
        let kind = sink.kind_of(class, start);
        let before = sink.graph.len();
        has_room &= sink.graph.add_span((start, blocks), kind, words);
        if sink.graph.len() > before {
            spans.push((span, class));
        }
    });
    sink.most_young = FEW_YOUNG + sink.graph.len() / YOUNG_PART;
    let recorder = GraphRecorder {
        core,
        sink,
        naming: Naming::new(),
        buf: Box::new([Addr::NULL; PACKET]),
        waited: Duration::ZERO,
    };
    let mut graph = if has_room { recorder.run(&spans)? } else { return Err(Failed::Large) };
    graph.recorded_in = since.elapsed();
    Ok(graph)
}

impl GraphRecorder<'_> {
    fn run(mut self, spans: &[(BlockId, &'static SpanClass)]) -> Result<Graph, Failed> {
        self.sink.roots();
        for (span, class) in spans {
            self.go_on()?;
            self.read_span(*span, class);
        }
        let mut i = 0;
        while let Some(young) = self.sink.graph.young(i) {
            if i.is_multiple_of(512) {
                self.go_on()?;
            }
            self.read(self.sink.space.class_of(young.addr), young.addr);
            i += 1;
        }
        if self.sink.graph.rows.is_full() {
            return Err(Failed::Large);
        }
        let mut graph = self.sink.graph;
        graph.rows.finish();
        graph.names = self.naming.names;
        Ok(graph)
    }

    /// Between two spans: gives up if the cycle has to go on. It does not yield the processor: a
    /// thread that yields beside busy ones waits for a whole slice of each.
    fn go_on(&self) -> Result<(), Failed> {
        let control = &self.core.control;
        control.went_on();
        if control.has_stalled() {
            return Err(Failed::Short);
        }
        if control.is_stopping() { Err(Failed::Ending) } else { Ok(()) }
    }

    fn read_span(&mut self, span: BlockId, class: &'static SpanClass) {
        let space = self.sink.space;
        let first = space.first_word(span);
        for i in 0..class.starts.len() {
            // The same bits as before: no thread changes a mark before the sweep opens.
            let bits = space.mark_word(first + i).bits();
            let objects = SpanBits { word: i, bits };
            space.each_object(class, span, objects, |addr| self.read(class, addr));
        }
    }

    /// Makes the row of one object.
    fn read(&mut self, class: &'static SpanClass, addr: Addr) {
        if class.info.weak_box {
            self.sink.weak_box(class, addr);
        } else if class.needs_trace() {
            self.trace(class, addr);
        }
        self.sink.graph.rows.end_row();
    }

    fn trace(&mut self, class: &'static SpanClass, addr: Addr) {
        let mut patience: Option<(Instant, Backoff)> = None;
        loop {
            let is_whole = self.trace_once(class, addr);
            if is_whole && !self.naming.skipped {
                break;
            }
            // A panic will come again; a borrow may end.
            let (since, backoff) = patience.get_or_insert_with(|| (Instant::now(), Backoff::new()));
            let waits = since.elapsed();
            let is_over = waits > WAIT_OF_ONE || self.waited + waits > WAIT_OF_ALL;
            if !is_whole || is_over {
                self.sink.graph.unread += 1;
                break;
            }
            self.sink.graph.rows.restart_row();
            backoff.wait();
        }
        if let Some((since, _)) = patience {
            self.waited += since.elapsed();
        }
    }

    /// Returns whether the object's `trace` did not panic.
    fn trace_once(&mut self, class: &'static SpanClass, addr: Addr) -> bool {
        // SAFETY: INV-6: the object is live, and traced.
        let n = unsafe { class.info.values_at(addr) };
        self.naming.begin();
        let owner = (&raw mut self.sink).cast();
        let (buf, naming) = (self.buf.as_mut_ptr(), &raw mut self.naming);
        // SAFETY: INV-7: the buffer, the sink and the naming live as long as the tracer, and
        // nothing else uses them while it is lent.
        let mut tracer = unsafe { Tracer::recording(buf, spill, owner, naming) };
        let trace = class.info.trace_named;
        // SAFETY: INV-6: `n` values of the span's type lie at `addr`. A marked object after the
        // crossing is initialised, and so is one that an edge leads to; INV-4: neither is freed
        // before the sweep opens.
        let is_whole = contain(|| unsafe { trace(addr.ptr(), n, &raw mut tracer) });
        // SAFETY: INV-7: the tracer is live, and its owner is the sink.
        unsafe { spill(&raw mut tracer) };
        is_whole
    }
}
