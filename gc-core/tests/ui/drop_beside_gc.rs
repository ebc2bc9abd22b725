//! A type that can hold a `Gc` has no `Drop`: the target may be gone.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    other: Gc<'gc, u64>,
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        println!("{}", *self.other);
    }
}

#[derive(Trace)]
struct Generic<T: AsRef<u64>> {
    other: T,
}

impl<T: AsRef<u64>> Drop for Generic<T> {
    fn drop(&mut self) {
        println!("{}", self.other.as_ref());
    }
}

fn main() {}
