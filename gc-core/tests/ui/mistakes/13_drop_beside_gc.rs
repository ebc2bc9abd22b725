//! A `Drop` on a type that can hold a `Gc`.
//!
//! Fix: When an object is dropped, what it points to may be gone. Move the `Drop` to a type
//! without pointers, and make that a field.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct File<'gc> {
    name: Gc<'gc, str>,
    handle: u64,
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        println!("close {}", self.handle);
    }
}

fn main() {}
