//! A field whose type has no `#[derive(Trace)]`.
//!
//! Fix: Write `#[derive(Trace)]` above the field's type, too.
use gc_core::{Gc, Trace};

struct Name<'gc>(Gc<'gc, str>);

#[derive(Trace)]
struct Node<'gc> {
    name: Name<'gc>,
}

fn main() {}
