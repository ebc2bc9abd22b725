//! A leaf is `'static`: no `Gc` gets into one, nor a cell that could hold one.
use gc_core::{Gc, GcRefCell, Heap, Leaf};

fn main() {
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        Gc::new(mc, Leaf(gc));
    });
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        Gc::new(mc, Leaf(GcRefCell::new(Some(gc))));
    });
}
