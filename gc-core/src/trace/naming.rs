//! The names of edges: through which field of its object a pointer was met.
//!
//! 1. Marking needs no names, so [`Trace::trace`] has none. [`Trace::trace_named`] reports the same
//!    edges and tells each field's name before the field ([`Tracer::field`],
//!    [`Tracer::element`]). Only a *recording* tracer listens, which a heap snapshot uses
//!    (`crate::snapshot`).
//! 2. A name on the way to a pointer is a step in a tree ([`Names`]), whose nodes are small
//!    numbers: the *paths*. Two objects of one type have the same paths.
//! 3. A tracer's buffer holds addresses only. What they are called is noted beside it, in runs of
//!    edges that share a path ([`Naming::close`]). So the content of a cell is read about as fast
//!    as a marker reads it.

use super::near::Near;
use super::{Spill, Trace, Tracer};
use crate::word::{Addr, Cycle};

/// The number of a path in [`Names`]: the fields from an object to an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct NamePath(u16);

impl NamePath {
    /// The path of a number.
    pub(crate) const fn new(number: u16) -> NamePath {
        NamePath(number)
    }
    /// The number.
    pub(crate) const fn get(self) -> u16 {
        self.0
    }
    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The path of an object's own edges.
pub(crate) const WHOLE: NamePath = NamePath(0);
/// Steps of a path that are kept. What lies deeper has the path of its container.
const DEEPEST: u8 = 12;
/// Paths that are told apart, of all types together.
const MOST_PATHS: usize = 60_000;
/// The index of an edge that lies in no element.
pub(crate) const NO_INDEX: u32 = u32::MAX;

/// First byte of the span that a recording tracer scans: like `Near::NOWHERE`, the address of no
/// object.
pub(super) const RECORDING: Addr = Addr::new(Near::NOWHERE.get() + (1 << 40));

/// One step from a value to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field, or a variant and its field.
    Field(&'static str),
    /// An element of a container.
    Element,
}

#[derive(Debug)]
struct Known {
    parent: NamePath,
    step: Step,
    depth: u8,
    /// The paths that are one step longer.
    longer: Vec<NamePath>,
}

/// All paths that were met.
#[derive(Debug)]
pub(crate) struct Names(Vec<Known>);

#[cfg_attr(not(feature = "snapshot"), allow(dead_code, reason = "an exporter lists all paths"))]
impl Names {
    pub(crate) fn new() -> Names {
        // The first is `WHOLE`, whose step is never shown.
        Names(vec![Known { parent: WHOLE, step: Step::Element, depth: 0, longer: Vec::new() }])
    }
    /// The path one step from `path`, or `path` itself where that is too deep.
    fn after(&mut self, path: NamePath, step: Step) -> NamePath {
        let is_step = |at: &&NamePath| match (self.0[at.index()].step, step) {
            // By address first: a name is one constant of one derive.
            (Step::Field(a), Step::Field(b)) => std::ptr::eq(a, b) || a == b,
            (a, b) => a == b,
        };
        let from = &self.0[path.index()];
        if let Some(known) = from.longer.iter().find(is_step) {
            return *known;
        }
        let depth = from.depth + 1;
        if depth > DEEPEST || self.0.len() >= MOST_PATHS {
            return path;
        }
        let new = NamePath(self.0.len() as u16);
        self.0[path.index()].longer.push(new);
        self.0.push(Known { parent: path, step, depth, longer: Vec::new() });
        new
    }
    /// The steps of a path, the first one first.
    pub(crate) fn steps(&self, path: NamePath) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = path;
        while at != WHOLE {
            steps.push(self.0[at.index()].step);
            at = self.0[at.index()].parent;
        }
        steps.reverse();
        steps
    }
    /// Returns whether a path is an element of its object, and no more.
    pub(crate) fn is_element(&self, path: NamePath) -> bool {
        let Known { step, depth, .. } = self.0[path.index()];
        depth == 1 && step == Step::Element
    }
    /// Number of paths.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Edges in a row of the buffer that have one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathRun {
    /// Where in the buffer the run ends.
    pub(crate) end: usize,
    pub(crate) path: NamePath,
    /// The index of the first edge, or [`NO_INDEX`]. The indices of the others follow it.
    pub(crate) index: u32,
}

/// What a recording tracer knows of names.
#[derive(Debug)]
pub(crate) struct Naming {
    pub(crate) names: Names,
    pub(crate) runs: Vec<PathRun>,
    /// Edges of the buffer that are in a run.
    named: usize,
    path: NamePath,
    index: u32,
    /// Whether a guarded cell was borrowed, so that its content was not read.
    pub(crate) skipped: bool,
}

impl Naming {
    pub(crate) fn new() -> Naming {
        Naming {
            names: Names::new(),
            runs: Vec::new(),
            named: 0,
            path: WHOLE,
            index: NO_INDEX,
            skipped: false,
        }
    }
    /// Before an object, whatever happened while the last one was traced.
    pub(crate) fn begin(&mut self) {
        self.runs.clear();
        (self.named, self.path, self.index, self.skipped) = (0, WHOLE, NO_INDEX, false);
    }
    /// The first `len` edges of the buffer have had their names told.
    pub(crate) fn close(&mut self, len: usize) {
        if len == self.named {
            return;
        }
        let start = std::mem::replace(&mut self.named, len);
        let (path, index) = (self.path, self.index);
        if let Some(last) = self.runs.last_mut()
            && last.path == path
        {
            let begin = self.runs.len().checked_sub(2).map_or(0, |i| self.runs[i].end);
            let last = self.runs.last_mut().expect("it has one");
            let next = last.index.saturating_add((start - begin) as u32);
            if last.index == NO_INDEX && index == NO_INDEX || len == start + 1 && index == next {
                last.end = len;
                return;
            }
        }
        // Several edges of one element have its index.
        let ends = if index == NO_INDEX { len..=len } else { start + 1..=len };
        self.runs.extend(ends.map(|end| PathRun { end, path, index }));
    }
    /// The buffer was emptied.
    pub(crate) fn emptied(&mut self) {
        self.runs.clear();
        self.named = 0;
    }
}

impl<'gc> Tracer<'gc> {
    /// A tracer that records names in `naming`, for a snapshot.
    ///
    /// # Safety
    ///
    /// As for [`with_near`](Tracer::with_near).
    pub(crate) unsafe fn recording(
        buf: *mut Addr,
        spill: Spill,
        owner: *mut (),
        naming: *mut Naming,
    ) -> Self {
        let tracer = Tracer::new(buf, spill, owner, Cycle::NONE);
        Tracer { near_from: RECORDING, near: naming.cast(), ..tracer }
    }

    /// What records names, if this tracer does.
    #[inline]
    fn naming(&mut self) -> Option<&mut Naming> {
        if self.near_from != RECORDING {
            return None;
        }
        // SAFETY: INV-7: `near_from` is from `recording`, whose caller promised that it is ours.
        Some(unsafe { &mut *self.near.cast::<Naming>() })
    }

    /// Goes a step down while `report` runs.
    fn within(&mut self, step: Step, index: Option<usize>, report: impl FnOnce(&mut Self)) {
        let len = self.len;
        let Some(naming) = self.naming() else { return report(self) };
        naming.close(len);
        let outside = (naming.path, naming.index);
        naming.path = naming.names.after(outside.0, step);
        if let Some(index) = index {
            naming.index = u32::try_from(index).unwrap_or(NO_INDEX);
        }
        report(self);
        let len = self.len;
        if let Some(naming) = self.naming() {
            naming.close(len);
            (naming.path, naming.index) = outside;
        }
    }

    /// Reports every `Gc` that the field `value` holds, under the field's name. For a hand-written
    /// [`Trace::trace_named`].
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Trace, Tracer};
    /// struct Pair<'gc> { left: Gc<'gc, u64>, right: Gc<'gc, u64> }
    /// // SAFETY: it reports both pointers, and has no `Drop`.
    /// unsafe impl<'gc> Trace<'gc> for Pair<'gc> {
    ///     fn trace(&self, tracer: &mut Tracer<'gc>) {
    ///         tracer.edges(&self.left);
    ///         tracer.edges(&self.right);
    ///     }
    ///     fn trace_named(&self, tracer: &mut Tracer<'gc>) {
    ///         tracer.field("left", &self.left);
    ///         tracer.field("right", &self.right);
    ///     }
    /// }
    /// # Heap::new().mutate(|mc| {
    /// #     let (left, right) = (Gc::new(mc, 1), Gc::new(mc, 2));
    /// #     let pair = Gc::new(mc, Pair { left, right });
    /// #     assert_eq!(*pair.left + *pair.right, 3);
    /// # });
    /// ```
    pub fn field<T: Trace<'gc> + ?Sized>(&mut self, name: &'static str, value: &T) {
        if T::NEEDS_TRACE {
            self.within(Step::Field(name), None, |tracer| value.trace_named(tracer));
        }
    }

    /// Reports every `Gc` that the element `value` of a container holds, under its index. For a
    /// hand-written [`Trace::trace_named`].
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Trace, Tracer};
    /// struct Stack<T>(Vec<T>);
    /// // SAFETY: all pointers in a stack are in its elements, and it has no `Drop`.
    /// unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Stack<T> {
    ///     const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    ///     fn trace(&self, tracer: &mut Tracer<'gc>) {
    ///         tracer.edges(&self.0);
    ///     }
    ///     fn trace_named(&self, tracer: &mut Tracer<'gc>) {
    ///         self.0.iter().enumerate().for_each(|(i, value)| tracer.element(i, value));
    ///     }
    /// }
    /// # Heap::new().mutate(|mc| {
    /// #     let stack = Gc::new(mc, Stack(vec![Gc::new(mc, 1)]));
    /// #     assert_eq!(*stack.0[0], 1);
    /// # });
    /// ```
    pub fn element<T: Trace<'gc> + ?Sized>(&mut self, index: usize, value: &T) {
        if T::NEEDS_TRACE {
            self.within(Step::Element, Some(index), |tracer| value.trace_named(tracer));
        }
    }

    /// The same for all elements of a container, in its order.
    pub(crate) fn elements<'a, T: Trace<'gc> + 'a>(
        &mut self,
        all: impl IntoIterator<Item = &'a T>,
    ) {
        all.into_iter().enumerate().for_each(|(i, value)| self.element(i, value));
    }

    /// The same for the keys and values of a map. An entry's index is its place in the map's order.
    pub(crate) fn entries<'a, K, V>(&mut self, all: impl IntoIterator<Item = (&'a K, &'a V)>)
    where
        K: Trace<'gc> + 'a,
        V: Trace<'gc> + 'a,
    {
        for (i, (key, value)) in all.into_iter().enumerate() {
            self.within(Step::Element, Some(i), |tracer| {
                tracer.field("key", key);
                tracer.named(value);
            });
        }
    }

    /// Reports what [`edges`](Self::edges) does, with the names of its fields.
    pub(crate) fn named<T: Trace<'gc> + ?Sized>(&mut self, value: &T) {
        if T::NEEDS_TRACE {
            value.trace_named(self);
        }
    }

    /// A guarded cell is exclusively borrowed, so its content was not reported.
    pub(crate) fn has_skipped(&mut self) {
        if let Some(naming) = self.naming() {
            naming.skipped = true;
        }
    }

    /// Empties the buffer: calls `each` with the address, the path and the index of every edge. For
    /// the owner of a recording tracer, and of `each` while nothing is traced.
    pub(crate) fn take_named(&mut self, mut each: impl FnMut(Addr, NamePath, u32)) {
        let (buf, len) = (self.buf, std::mem::take(&mut self.len));
        // SAFETY: INV-7: `len` entries of the buffer are written.
        let edges = unsafe { std::slice::from_raw_parts(buf, len) };
        let Some(naming) = self.naming() else { return };
        naming.close(len);
        let mut at = 0;
        for run in &naming.runs {
            for (addr, i) in edges[at..run.end].iter().zip(0..) {
                let index = if run.index == NO_INDEX { NO_INDEX } else { run.index + i };
                each(*addr, run.path, index);
            }
            at = run.end;
        }
        naming.emptied();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::PACKET;

    struct Edge(usize);
    // SAFETY: it holds no `Gc`, and the numbers that it reports are only compared.
    unsafe impl<'gc> Trace<'gc> for Edge {
        fn trace(&self, tracer: &mut Tracer<'gc>) {
            tracer.visit(Addr::new(self.0));
        }
    }

    /// The edges of a value with their paths as text.
    fn named(value: &impl Trace<'static>) -> Vec<(usize, String)> {
        unsafe fn never(_: *mut Tracer<'static>) {
            unreachable!("a test reports less than a packet");
        }
        let (mut buf, mut naming) = ([Addr::NULL; PACKET], Naming::new());
        // SAFETY: INV-7: both live on this stack, and nothing else uses them while it traces.
        let mut tracer = unsafe {
            Tracer::recording(buf.as_mut_ptr(), never, std::ptr::null_mut(), &raw mut naming)
        };
        tracer.named(value);
        let mut all = Vec::new();
        tracer.take_named(|addr, path, index| all.push((addr, path, index)));
        let text = |(addr, path, index): (Addr, NamePath, u32)| {
            let steps = naming.names.steps(path).into_iter().map(|step| match step {
                Step::Field(name) => format!(".{name}"),
                Step::Element => format!("[{index}]"),
            });
            (addr.get(), steps.collect())
        };
        all.into_iter().map(text).collect()
    }

    #[test]
    fn each_edge_has_its_path_and_its_index() {
        let edge = |n: usize| Some(Edge(n));
        let value = (Edge(1), vec![edge(2), None, edge(3), edge(4)], Box::new((Edge(5), edge(6))));
        let expected =
            [(1, ".0"), (2, ".1[0]"), (3, ".1[2]"), (4, ".1[3]"), (5, ".2.0"), (6, ".2.1")];
        assert_eq!(named(&value), expected.map(|(n, path)| (n, path.to_owned())));
    }

    #[test]
    fn a_path_that_is_too_deep_is_that_of_its_container() {
        let mut names = Names::new();
        let mut path = WHOLE;
        for _ in 0..1000 {
            path = names.after(path, Step::Field("next"));
        }
        assert_eq!((names.len(), names.steps(path).len()), (1 + usize::from(DEEPEST), 12));
        assert_eq!(names.after(WHOLE, Step::Field("next")).get(), 1);
    }
}
