//! A raw pointer in the heap.
//!
//! Fix: Wrap it in a type of your own with `unsafe impl Send` and `Sync`, if threads may share
//! it, and give that type `#[derive(Trace)]` with `#[trace(skip)]` on the field.
use gc_core::{Gc, Heap, Trace};

#[derive(Trace)]
struct Native {
    #[trace(skip)]
    handle: *mut u8,
}

fn main() {
    Heap::new().mutate(|mc| {
        Gc::new(mc, Native { handle: std::ptr::null_mut() });
    });
}
