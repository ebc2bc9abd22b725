//! A `Mutex` around pointers.
//!
//! Fix: The collector has to see each store. Write `GcMutex`.
use gc_core::{Gc, Trace};
use std::sync::Mutex;

#[derive(Trace)]
struct Node<'gc> {
    others: Mutex<Vec<Gc<'gc, u64>>>,
}

fn main() {}
