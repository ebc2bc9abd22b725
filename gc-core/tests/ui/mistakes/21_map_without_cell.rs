//! A map in the heap that is changed through a `Gc`.
//!
//! Fix: Put it into a `GcRefCell` (or `GcMutex`, `GcRwLock`): `map.borrow_mut(mc).insert(…)`.
use gc_core::{Gc, Heap};
use std::collections::HashMap;

fn main() {
    Heap::new().mutate(|mc| {
        let map = Gc::new(mc, HashMap::<u64, u64>::new());
        map.insert(1, 2);
    });
}
