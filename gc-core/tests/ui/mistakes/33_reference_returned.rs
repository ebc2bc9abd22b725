//! A reference into the heap returned from `mutate`.
//!
//! Fix: Return a copy (`*gc`, `gc.value.clone()`), or a `Root`.
use gc_core::{Gc, Heap};

fn main() {
    let heap = Heap::new();
    let text: &str = heap.mutate(|mc| Gc::as_ref(Gc::from_str(mc, "text")));
    println!("{text}");
}
