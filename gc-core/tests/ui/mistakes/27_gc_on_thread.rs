//! A `Gc` in a thread that may outlive `mutate`.
//!
//! Fix: Send a `Root`: `let root = Gc::root(gc, mc);`, and `root.get(mc)` in the thread's own
//! `mutate`.
use gc_core::{Gc, Heap};

fn main() {
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        std::thread::spawn(move || println!("{}", *gc));
    });
}
