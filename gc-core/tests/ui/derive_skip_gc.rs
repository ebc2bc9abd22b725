//! What is skipped is `'static`.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    #[trace(skip)]
    other: Gc<'gc, u64>,
}

fn main() {}
