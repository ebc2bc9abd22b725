//! A `mutate` ends before the task waits: its closure is no `async` one.
use gc_core::{Gc, Heap};

async fn handle(heap: Heap) -> usize {
    heap.mutate(|mc| {
        let text = Gc::from_str(mc, "a request");
        std::future::ready(()).await;
        text.len()
    })
}

fn main() {
    let _ = handle(Heap::new());
}
