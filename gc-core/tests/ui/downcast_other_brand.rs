//! A type that has another lifetime than the brand where the brand is due could come back under
//! another type. It is neither let into a trait with `Downcast` nor erased.
use gc_core::{Downcast, Gc, GcAny, GcCell, Heap, Mutation, Trace};

#[derive(Trace)]
struct Node<'gc>(Gc<'gc, String>);

#[derive(Trace)]
struct Holder<T>(T);

trait Thing<'gc>: Downcast<'gc> + Send + Sync {}
impl<'gc, 'outer> Thing<'gc> for Holder<GcCell<'gc, Node<'outer>>> {}

fn inside<'outer>(_: &Mutation<'outer>) {
    Heap::new().mutate(|inner| {
        // Its type says that what is put into the cell lives as long as the outer `mutate`.
        let cell: GcCell<'_, Node<'outer>> = GcCell::new(None);
        _ = GcAny::new(inner, Holder(cell));
    });
}

fn main() {
    Heap::new().mutate(|mc| inside(mc));
}
