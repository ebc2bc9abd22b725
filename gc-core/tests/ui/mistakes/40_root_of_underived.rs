//! A `Root` of a type without `#[derive(Trace)]`.
//!
//! Fix: Write `#[derive(Trace)]` above the type.
use gc_core::{Heap, Root};

struct Point(f64, f64);

fn print(heap: &Heap, root: &Root<Point>) {
    heap.mutate(|mc| println!("{}", root.get(mc).0));
}

fn main() {}
