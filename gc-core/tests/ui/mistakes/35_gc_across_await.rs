//! A `Gc` held across `.await`.
//!
//! Fix: Take a `Root` before the `.await`, and call `mutate` again after it.
use gc_core::{Gc, Heap};

async fn pause() {}

fn main() {
    let heap = Heap::new();
    let task = heap.mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        async move {
            pause().await;
            println!("{}", *gc);
        }
    });
    drop(task);
}
