//! A `Gc` assigned to a variable outside of `mutate`.
//!
//! Fix: Assign a `Root`: `outside = Some(Gc::root(gc, mc))`.
use gc_core::{Gc, Heap};

fn main() {
    let mut outside = None;
    Heap::new().mutate(|mc| {
        outside = Some(Gc::new(mc, 1u64));
    });
}
