//! A type that holds a `Gc` is invariant in its brand, and a family cannot be another type's.

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, Trace};

#[derive(Trace)]
struct Node<'gc>(Gc<'gc, u64>);

#[derive(Trace)]
enum Choice<'gc, T> {
    One(GcCell<'gc, T>),
}

fn shorter<'short, 'gc: 'short>(node: Node<'gc>) -> Node<'short> {
    node
}

fn longer<'short, 'gc: 'short>(choice: &'short Choice<'short, u8>) -> &'short Choice<'gc, u8> {
    choice
}

fn main() {}
