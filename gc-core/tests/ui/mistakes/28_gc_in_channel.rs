//! A `Gc` in a channel.
//!
//! Fix: Send a `Root`: `sender.send(Gc::root(gc, mc))`.
use gc_core::{Gc, Heap};
use std::sync::mpsc;

fn main() {
    let heap = Heap::new();
    let (sender, receiver) = mpsc::channel();
    heap.mutate(|mc| sender.send(Gc::new(mc, 1u64)).unwrap());
    heap.mutate(|_| println!("{}", *receiver.recv().unwrap()));
}
