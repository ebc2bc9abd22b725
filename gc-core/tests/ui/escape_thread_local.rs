//! A thread-local outlives `mutate`, so it holds no `Gc`.
use gc_core::{Gc, Heap};
use std::cell::Cell;

thread_local!(static LAST: Cell<Option<Gc<'static, u64>>> = const { Cell::new(None) });

fn main() {
    Heap::new().mutate(|mc| LAST.set(Some(Gc::new(mc, 1u64))));
}
