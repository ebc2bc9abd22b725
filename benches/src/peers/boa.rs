//! `boa_gc`: the mark-sweep collector of the Boa JavaScript engine, for one thread, behind a
//! pointer that can be held anywhere.
//!
//! A collection first counts for each object the pointers from other objects; one that is counted
//! less often than it is pointed to is a root. Policy: the crate's own. An allocation collects when
//! the bytes since passed a threshold (1 MB at first), which grows so that at most 70 percent of it
//! are live after a collection. `mark` forces collections with `force_collect`; the marker has a
//! queue and does not recurse.

#![forbid(unsafe_code)]

use std::ops::Range;

use boa_gc::{Finalize, Gc, GcRefCell, Trace, force_collect};

use super::pointers::{Field, pointers};
use crate::engines::{Can, on_one_thread, pointer_engine};
use crate::mark::{Edges, Graph};
use crate::objects::MESSAGE;
use crate::{mark, mutate};

/// `--engine boa`.
#[derive(Debug)]
pub(crate) struct Boa;

pointers!(Boa: Gc, GcRefCell, rest: ());

pointer_engine!(Boa {
    fn mark(&self) -> Can<mark::Body> {
        Ok(|options, _, watch| Ok(mark::alone(options, watch, BoaGraph::new, BoaGraph::collect)))
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<Boa>)
    }
});

#[derive(Trace, Finalize)]
pub(crate) struct Pair {
    left: Option<Gc<Pair>>,
    right: Option<Gc<Pair>>,
}

#[derive(Trace, Finalize)]
pub(crate) struct Node {
    left: GcRefCell<Option<Gc<Node>>>,
    right: GcRefCell<Option<Gc<Node>>>,
    i: i32,
    j: i32,
}

#[derive(Trace, Finalize)]
pub(crate) struct Link {
    next: GcRefCell<Option<Gc<Link>>>,
    val: u64,
    words: [u64; 3],
}

#[derive(Trace, Finalize)]
pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}

impl<T: Trace + Clone> Field<T> for GcRefCell<Option<T>> {
    #[inline(always)]
    fn holding(value: Option<T>) -> Self {
        GcRefCell::new(value)
    }

    #[inline(always)]
    fn load(&self) -> Option<T> {
        self.borrow().clone()
    }

    #[inline(always)]
    fn put(&self, value: Option<T>) -> Option<T> {
        std::mem::replace(&mut *self.borrow_mut(), value)
    }

    #[inline(always)]
    fn lend<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        look(self.borrow().as_ref())
    }
}

#[derive(Trace, Finalize)]
struct Vertex {
    a: GcRefCell<Option<Gc<Vertex>>>,
    b: GcRefCell<Option<Gc<Vertex>>>,
    payload: u64,
}

/// The graph of `mark`: the array is an object too.
struct BoaGraph(Gc<GcRefCell<Vec<Gc<Vertex>>>>);

impl BoaGraph {
    fn new(_: usize) -> BoaGraph {
        BoaGraph(Gc::new(GcRefCell::new(Vec::new())))
    }

    /// A full collection.
    fn collect(&mut self) {
        force_collect();
    }
}

impl Graph for BoaGraph {
    fn make(&mut self, range: Range<usize>) {
        for i in range {
            let (a, b) = (GcRefCell::new(None), GcRefCell::new(None));
            let vertex = Gc::new(Vertex { a, b, payload: i as u64 });
            self.0.borrow_mut().push(vertex);
        }
    }

    fn swap(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        let mut array = self.0.borrow_mut();
        pairs.for_each(|(i, j)| array.swap(i, j));
    }

    fn link(&mut self, edges: impl Iterator<Item = Edges>) {
        let array = self.0.borrow();
        for Edges { from, a, b } in edges {
            drop(Field::put(&array[from].a, Some(array[a].clone())));
            drop(Field::put(&array[from].b, Some(array[b].clone())));
        }
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u64, u64, u64)) {
        let array = self.0.borrow();
        for vertex in &array[range] {
            let end = |cell| {
                Field::lend(cell, |to: Option<&Gc<Vertex>>| to.map_or(u64::MAX, |to| to.payload))
            };
            each(vertex.payload, end(&vertex.a), end(&vertex.b));
        }
    }
}
