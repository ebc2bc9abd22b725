//! A type without `#[derive(Trace)]`.
//!
//! Fix: Write `#[derive(Trace)]` above the type.
use gc_core::{Gc, Heap};

struct Point(f64, f64);

fn main() {
    Heap::new().mutate(|mc| {
        Gc::new(mc, Point(1.0, 2.0));
    });
}
