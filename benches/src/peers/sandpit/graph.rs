//! `mark` in `sandpit`.

#![forbid(unsafe_code)]

use std::ops::Range;

use sandpit::{Arena, Gc, GcOpt, GcSync, Root, Trace, field};

use crate::mark::{self, Edges, Graph, Options, Run};
use crate::measure::Stopwatch;
use crate::pin::on_all_cores;

pub(super) fn mark(options: &Options, watch: &Stopwatch) -> Run {
    mark::alone(options, watch, ArenaGraph::new, ArenaGraph::collect)
}

#[derive(Trace)]
struct Vertex<'gc> {
    a: GcOpt<'gc, Vertex<'gc>>,
    b: GcOpt<'gc, Vertex<'gc>>,
    payload: u64,
}

/// The graph of `mark`: the array is one object.
struct ArenaGraph(Arena<Root![Gc<'_, [GcOpt<'_, Vertex<'_>>]>]>);

impl ArenaGraph {
    fn new(n: usize) -> ArenaGraph {
        let new = || Arena::new(|mu| mu.alloc_array_from_fn(n, |_| GcOpt::new_none()));
        ArenaGraph(on_all_cores(new))
    }

    /// A full collection.
    fn collect(&mut self) {
        on_all_cores(|| self.0.major_collect());
    }
}

impl Graph for ArenaGraph {
    fn make(&mut self, range: Range<usize>) {
        self.0.mutate(|mu, array| {
            for i in range {
                let (a, b) = (GcOpt::new_none(), GcOpt::new_none());
                let vertex = GcOpt::new(mu, Vertex { a, b, payload: i as u64 });
                GcOpt::update_array(mu, array.clone(), i, vertex);
            }
        });
    }

    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        self.0.mutate(|mu, array| {
            for (i, j) in pairs {
                let (here, there) = (array[i].clone(), array[j].clone());
                GcOpt::update_array(mu, array.clone(), i, there);
                GcOpt::update_array(mu, array.clone(), j, here);
            }
        });
    }

    fn link(&mut self, edges: impl Iterator<Item = Edges>) {
        self.0.mutate(|mu, array| {
            for Edges { from, a, b } in edges {
                array[from].unwrap().write_barrier(mu, |barrier| {
                    field!(barrier, Vertex, a).set(array[a].clone());
                    field!(barrier, Vertex, b).set(array[b].clone());
                });
            }
        });
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u64, u64, u64)) {
        self.0.mutate(|_, array| {
            for vertex in &array[range] {
                let Some(vertex) = vertex.as_option() else { continue };
                let end =
                    |to: &GcOpt<'_, Vertex<'_>>| to.as_option().map_or(u64::MAX, |v| v.payload);
                each(vertex.payload, end(&vertex.a), end(&vertex.b));
            }
        });
    }
}
