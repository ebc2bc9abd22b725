//! None of what is given to `unsize!` is inside its `unsafe`.
use gc_core::{Gc, Heap, Mutation, unsize};
use std::fmt::Debug;

unsafe fn make<'gc>(mc: &Mutation<'gc>) -> Gc<'gc, u8> {
    Gc::new(mc, 1)
}
const unsafe fn length() -> usize {
    1
}

fn main() {
    Heap::new().mutate(|mc| {
        unsize!(make(mc) => dyn Debug);
        unsize!(Gc::new(mc, [1u8]) => [u8; length()]);
    });
}
