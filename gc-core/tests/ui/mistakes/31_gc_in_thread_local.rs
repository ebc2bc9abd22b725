//! A `Gc` in a thread-local or a static.
//!
//! Fix: Keep a `Root` there: `static LAST: Mutex<Option<Root<u64>>>`.
use gc_core::{Gc, Heap};
use std::cell::Cell;

thread_local! {
    static LAST: Cell<Option<Gc<'static, u64>>> = const { Cell::new(None) };
}

fn main() {
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1);
        LAST.with(|last| last.set(Some(gc)));
    });
}
