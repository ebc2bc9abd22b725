//! A closure that holds a `Gc` is not `'static`, so it is no leaf.
use gc_core::{Gc, Heap, Leaf};

fn main() {
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        let code: Leaf<Box<dyn Fn() -> u64 + Send + Sync>> = Leaf(Box::new(move || *gc));
        Gc::new(mc, code);
    });
}
