//! An object of one heap cannot point into another.
use gc_core::{Gc, GcCell, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
}

fn main() {
    let (one, two) = (Heap::new(), Heap::new());
    one.mutate(|mc1| {
        let a = Gc::new(mc1, Node { next: GcCell::new(None) });
        two.mutate(|mc2| {
            let b = Gc::new(mc2, Node { next: GcCell::new(None) });
            b.next.set(mc2, Some(a));
        });
    });
}
