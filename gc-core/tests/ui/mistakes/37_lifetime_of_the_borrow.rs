//! A function whose result has the lifetime of a borrow and not the brand.
//!
//! Fix: A `Gc` deref lends for as long as the variable lives; `Gc::as_ref(gc)` lends for all of
//! `'gc`. Take the `Gc` by value: it is `Copy`.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    name: Gc<'gc, str>,
}

fn names<'gc>(nodes: &[Gc<'gc, Node<'gc>>]) -> impl Iterator<Item = &'gc str> {
    nodes.iter().map(|node| &*node.name)
}

fn main() {}
