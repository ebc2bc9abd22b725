//! A `Mutator` belongs to its thread, and a task may go on on another one: use `heap.mutate` in
//! tasks.
use gc_core::Heap;
use std::future::Future;

fn spawn<F: Future<Output = ()> + Send + 'static>(_task: F) {}

fn main() {
    let heap = Heap::new();
    spawn(async move {
        let mutator = heap.mutator();
        std::future::ready(()).await;
        mutator.mutate(|_| ());
    });
}
