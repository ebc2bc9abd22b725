//! A thread that may outlive the `mutate` gets no pointer.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        std::thread::spawn(move || println!("{}", *gc));
    });
}
