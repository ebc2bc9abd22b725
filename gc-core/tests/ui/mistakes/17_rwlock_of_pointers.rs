//! A `RwLock` around pointers.
//!
//! Fix: The collector has to see each store. Write `GcRwLock`.
use gc_core::{Gc, Trace};
use std::sync::RwLock;

#[derive(Trace)]
struct Node<'gc> {
    others: RwLock<Vec<Gc<'gc, u64>>>,
}

fn main() {}
