//! A `Root` used as if it were a pointer.
//!
//! Fix: Inside of `mutate`, `root.get(mc)` gives the `Gc`.
use gc_core::{Gc, Heap, Root, Trace};

#[derive(Trace)]
struct Point {
    x: f64,
}

fn main() {
    let heap = Heap::new();
    let root: Root<Point> = heap.mutate(|mc| Gc::root(Gc::new(mc, Point { x: 1.0 }), mc));
    println!("{}", root.x);
}
