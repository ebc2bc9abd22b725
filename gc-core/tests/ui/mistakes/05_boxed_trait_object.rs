//! A boxed trait object.
//!
//! Fix: Put the object into the heap: `Gc<'gc, dyn Shape>`, made by `unsize!(gc => dyn Shape)`; with
//! pointers in it, `Gc<'gc, dyn Shape<'gc> + 'gc>`. A box without pointers may be skipped:
//! `#[trace(skip)]`.
use gc_core::{Gc, Trace};

trait Shape: Send + Sync {
    fn area(&self) -> f64;
}

#[derive(Trace)]
struct Drawing<'gc> {
    title: Gc<'gc, str>,
    shape: Box<dyn Shape>,
}

fn main() {}
