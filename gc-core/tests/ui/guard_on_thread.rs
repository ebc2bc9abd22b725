//! A guard ends where it began: it has the barrier of its thread.
use gc_core::{GcRefCell, GcRefMut, Heap};

fn main() {
    Heap::new().mutate(|mc| {
        let cell = GcRefCell::new((1, 2));
        let guard = GcRefMut::map(cell.borrow_mut(mc), |pair| &mut pair.0);
        std::thread::scope(|s| {
            s.spawn(move || drop(guard));
        });
    });
}
