//! Erased pointers have one word: slices, strings and trait objects need an object around them.
use gc_core::{Gc, Heap, unsize};
use std::fmt::Debug;

fn main() {
    Heap::new().mutate(|mc| {
        let _ = Gc::erase(Gc::from_str(mc, "text"));
        let _ = Gc::erase(Gc::from_slice(mc, &[1, 2]));
        let _ = Gc::erase(unsize!(Gc::new(mc, 1u64) => dyn Debug));
    });
}
