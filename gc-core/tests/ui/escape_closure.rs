//! A closure that holds a `Gc` does not leave `mutate`.
use gc_core::{Gc, Heap};

fn main() {
    let mut kept: Option<Box<dyn Fn() -> u64>> = None;
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        kept = Some(Box::new(move || *gc));
    });
    kept.map(|read| read());
}
