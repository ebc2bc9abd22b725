//! A future that holds a `Gc` does not leave `mutate`.
use gc_core::{Gc, Heap};
use std::future::Future;
use std::pin::Pin;

fn main() {
    let heap = Heap::new();
    let _future: Pin<Box<dyn Future<Output = u64>>> = heap.mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        let future: Pin<Box<dyn Future<Output = u64>>> = Box::pin(async move { *gc });
        future
    });
}
