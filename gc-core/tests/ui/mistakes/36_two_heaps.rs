//! Pointers of two heaps in one object.
//!
//! Fix: An object points into its own heap only. Copy the content, or keep a `Root` of the
//! other heap in a field.
use gc_core::{Gc, GcCell, Heap};

fn main() {
    let (one, two) = (Heap::new(), Heap::new());
    one.mutate(|mc1| {
        two.mutate(|mc2| {
            let cell: GcCell<'_, u64> = GcCell::new(None);
            cell.set(mc2, Some(Gc::new(mc1, 1)));
        });
    });
}
