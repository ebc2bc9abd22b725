//! An erased pointer is looked up in the heap that it is of.
use gc_core::{GcAny, Heap};

fn main() {
    let (one, other) = (Heap::new(), Heap::new());
    one.mutate(|mc| {
        let any = GcAny::new(mc, 1u8);
        other.mutate(|inner| {
            let _ = any.downcast::<u8>(inner);
        });
    });
    let _leaked: GcAny<'static> = one.mutate(|mc| GcAny::new(mc, 1u8));
}
