//! `mark` in `gc-arena`.

#![forbid(unsafe_code)]

use std::ops::Range;

use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, Lock, RefLock, Rootable};

use super::Pacing;
use crate::mark::{self, Edges, Graph, Options, Run};
use crate::measure::Stopwatch;

#[derive(Collect)]
#[collect(no_drop)]
struct Vertex<'gc> {
    a: Lock<Option<Gc<'gc, Vertex<'gc>>>>,
    b: Lock<Option<Gc<'gc, Vertex<'gc>>>>,
    payload: u64,
}

type VertexPtr<'gc> = Gc<'gc, Vertex<'gc>>;
type VertexArena = Arena<Rootable![Gc<'_, RefLock<Vec<VertexPtr<'_>>>>]>;

pub(super) fn mark(pacing: Pacing, options: &Options, watch: &Stopwatch) -> Run {
    mark::alone(options, watch, |n| ArenaGraph::new(pacing, n), ArenaGraph::collect)
}

/// The graph of `mark`. The array is one object, as everywhere; no collection runs while it is
/// filled and would be scanned after each batch, so that nothing but the graph is ever in the
/// arena.
struct ArenaGraph(VertexArena);

impl ArenaGraph {
    fn new(pacing: Pacing, n: usize) -> ArenaGraph {
        ArenaGraph(pacing.pace(Arena::new(|mc| Gc::new(mc, RefLock::new(Vec::with_capacity(n))))))
    }

    /// A full collection.
    fn collect(&mut self) {
        self.0.finish_cycle();
    }
}

impl Graph for ArenaGraph {
    fn make(&mut self, range: Range<usize>) {
        self.0.mutate(|mc, array| {
            let mut array = array.borrow_mut(mc);
            for i in range {
                let (a, b) = (Lock::new(None), Lock::new(None));
                array.push(Gc::new(mc, Vertex { a, b, payload: i as u64 }));
            }
        });
    }

    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        self.0.mutate(|mc, array| {
            let mut array = array.borrow_mut(mc);
            pairs.for_each(|(i, j)| array.swap(i, j));
        });
    }

    fn link(&mut self, edges: impl Iterator<Item = Edges>) {
        self.0.mutate(|mc, array| {
            let array = array.borrow();
            for Edges { from, a, b } in edges {
                let vertex = Gc::write(mc, array[from]);
                unlock!(vertex, Vertex, a).set(Some(array[a]));
                unlock!(vertex, Vertex, b).set(Some(array[b]));
            }
        });
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u64, u64, u64)) {
        self.0.mutate(|_, array| {
            for vertex in &array.borrow()[range] {
                let end = |to: Option<VertexPtr<'_>>| to.map_or(u64::MAX, |to| to.payload);
                each(vertex.payload, end(vertex.a.get()), end(vertex.b.get()));
            }
        });
    }
}
