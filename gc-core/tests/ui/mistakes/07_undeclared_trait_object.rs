//! A `Root` of a trait object that is not declared.
//!
//! Fix: Declare it beside the trait: `rootable_dyn!(Shape);`, or `rootable_dyn!(Shape<'gc>);` for one
//! with the brand.
use gc_core::{Gc, Heap, Trace, unsize};

trait Shape: Send + Sync {
    fn area(&self) -> f64;
}

#[derive(Trace)]
struct Circle(f64);

impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * 3.14
    }
}

fn main() {
    Heap::new().mutate(|mc| {
        let shape: Gc<'_, dyn Shape> = unsize!(Gc::new(mc, Circle(1.0)) => dyn Shape);
        Gc::root(shape, mc);
    });
}
