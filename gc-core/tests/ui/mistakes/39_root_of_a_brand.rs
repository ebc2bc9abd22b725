//! A `Root` that names a brand.
//!
//! Fix: A `Root` names the type at `'static`: `Root<Node<'static>>`.
use gc_core::{Gc, Mutation, Root, Trace};

#[derive(Trace)]
struct Node<'gc> {
    name: Gc<'gc, str>,
}

fn keep<'gc>(mc: &'gc Mutation<'gc>, node: Gc<'gc, Node<'gc>>) -> Root<Node<'gc>> {
    Gc::root(node, mc)
}

fn main() {}
