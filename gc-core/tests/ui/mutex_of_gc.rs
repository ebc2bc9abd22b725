//! Nor has a `Mutex`; `GcMutex` has.
use gc_core::{Gc, Trace};
use std::sync::Mutex;

#[derive(Trace)]
struct Node<'gc> {
    next: Mutex<Option<Gc<'gc, u64>>>,
}

fn main() {}
