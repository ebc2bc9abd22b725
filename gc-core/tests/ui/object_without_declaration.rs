//! A root of a trait object needs the family of the trait.
use gc_core::{Gc, Heap, Root, unsize};

trait Shape {}
impl Shape for u64 {}

fn main() {
    let heap = Heap::new();
    let _root: Root<dyn Shape> =
        heap.mutate(|mc| Gc::root(unsize!(Gc::new(mc, 1u64) => dyn Shape), mc));
}
