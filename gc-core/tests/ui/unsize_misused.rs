//! `unsize!` coerces and does nothing else.
use gc_core::{Gc, Heap, unsize};
use std::fmt::Debug;

fn main() {
    Heap::new().mutate(|mc| {
        let number = Gc::new(mc, 1u64);
        unsize!(number => i64);
        unsize!(number => [u8]);
        unsize!(number => dyn Fn());
        unsize!(Gc::new(mc, [1u8]) => [u16]);
        let object = unsize!(number => dyn Debug);
        unsize!(object => dyn Debug + Send);
    });
}
