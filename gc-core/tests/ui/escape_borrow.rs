//! What is borrowed of a `Gc` ends with `mutate`, by whatever trait it is borrowed.
use gc_core::{Gc, Heap};
use std::borrow::Borrow;

fn main() {
    let heap = Heap::new();
    let _text: &str = heap.mutate(|mc| Gc::as_ref(Gc::from_str(mc, "text")));
    let mut kept: &str = "";
    heap.mutate(|mc| {
        let gc = Gc::from_str(mc, "text");
        kept = gc.borrow();
    });
    println!("{kept}");
    heap.mutate(|mc| {
        let gc = Gc::from_str(mc, "text");
        kept = gc.as_ref();
    });
    println!("{kept}");
}
