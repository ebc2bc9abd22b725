//! A `Gc<'static, T>` in a field.
//!
//! Fix: No pointer is `'static`. Give the type the brand: `struct Node<'gc>` with `other:
//! Gc<'gc, u64>`. Outside of the heap, hold a `Root`.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Node {
    other: Gc<'static, u64>,
}

fn main() {}
