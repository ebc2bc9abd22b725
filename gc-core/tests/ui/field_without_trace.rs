//! Every field is traced, so its type has to be `Trace`. The error points at the field.
use gc_core::{Gc, Trace};

struct Foreign;

#[derive(Trace)]
struct Node<'gc> {
    other: Gc<'gc, u64>,
    foreign: Foreign,
}

#[derive(Trace)]
enum Leaf {
    One(Vec<Foreign>),
}

fn main() {}
