//! What a guard lends to the closure of `map` does not outlive the guard.
use gc_core::{GcMappedRefMut, GcRef, GcRefCell, GcRefMut, Heap};

fn main() {
    Heap::new().mutate(|mc| {
        let cell = GcRefCell::new(vec![1]);
        let mut stolen: Option<&mut Vec<i32>> = None;
        let guard = GcRefMut::map(cell.borrow_mut(mc), |list| {
            stolen = Some(list);
            &mut list[0]
        });
        let mut one: Option<&mut i32> = None;
        let guard = GcMappedRefMut::map(guard, |first| {
            one = Some(first);
            first
        });
        drop(guard);
        let mut seen: Option<&Vec<i32>> = None;
        drop(GcRef::map(cell.borrow(), |list| {
            seen = Some(list);
            list
        }));
    });
}
