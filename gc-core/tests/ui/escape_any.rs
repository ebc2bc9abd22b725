//! What holds a `Gc` is not `'static`, so it becomes no `dyn Any`.
use gc_core::{Gc, Heap};
use std::any::Any;

fn main() {
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        let any: Box<dyn Any + Send + Sync> = Box::new(gc);
        Gc::new(mc, any);
    });
}
