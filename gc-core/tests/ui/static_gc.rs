//! A type without a lifetime cannot hold a `Gc`.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node {
    other: Gc<'static, u64>,
}

fn main() {}
