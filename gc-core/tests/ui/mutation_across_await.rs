//! A future that holds the `Mutation` cannot leave `mutate`, whatever it is written as.
use gc_core::{Gc, Heap};

async fn a_block(heap: Heap) -> usize {
    heap.mutate(|mc| async move {
        let text = Gc::from_str(mc, "a request");
        std::future::ready(()).await;
        text.len()
    })
    .await
}

async fn a_closure(heap: Heap) -> usize {
    heap.mutate(async |mc| {
        std::future::ready(()).await;
        Gc::from_str(mc, "a request").len()
    })
    .await
}

fn main() {
    let _ = (a_block(Heap::new()), a_closure(Heap::new()));
}
