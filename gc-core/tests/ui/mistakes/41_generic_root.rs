//! A generic function that roots `T`.
//!
//! Fix: Bound `T` by `Branded<'gc>`, whose `Static` is what the `Root` names.
use gc_core::{Gc, Mutation, Root, Trace};

fn keep<'gc, T: Trace<'gc>>(mc: &'gc Mutation<'gc>, gc: Gc<'gc, T>) -> Root<T> {
    Gc::root(gc, mc)
}

fn main() {}
