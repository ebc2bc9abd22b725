//! A field of another crate's type.
//!
//! Fix: It holds no `Gc`, so write `#[trace(skip)]` on the field, or make the field a
//! `Leaf<Command>`.
use gc_core::{Gc, Trace};
use std::process::Command;

#[derive(Trace)]
struct Job<'gc> {
    after: Option<Gc<'gc, Job<'gc>>>,
    command: Command,
}

fn main() {}
