//! A guard of a part outlives neither its cell nor `mutate`; and what it lends, it lends for as
//! long as it is there.
use gc_core::{GcRef, GcRefCell, GcRefMut, Heap};

fn main() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        let cell = GcRefCell::new((1, 2));
        let guard = GcRefMut::map(cell.borrow_mut(mc), |pair| &mut pair.0);
        drop(cell);
        drop(guard);
    });
    heap.mutate(|_| {
        let cell = GcRefCell::new((1, 2));
        let guard = GcRef::map(cell.borrow(), |pair| &pair.0);
        let lent: &i32 = &guard;
        drop(guard);
        println!("{lent}");
        let mut cell = cell;
        let first = cell.get_mut();
        drop(cell.borrow());
        first.0 += 1;
    });
}
