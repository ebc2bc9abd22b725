//! A field that borrows from outside of the heap.
//!
//! Fix: An object may outlive what it borrows, so it owns it: `String`, `Arc<str>`, or `Gc<'gc,
//! str>`.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Token<'gc, 'source> {
    next: Option<Gc<'gc, u64>>,
    text: &'source str,
}

fn main() {}
