//! The way back to the concrete type is a supertrait.
use gc_core::{Gc, GcAny, Heap, Trace, unsize};

trait Shape<'gc>: Send + Sync {}

#[derive(Trace)]
struct Square(f64);
impl<'gc> Shape<'gc> for Square {}

struct Foreign;

fn main() {
    Heap::new().mutate(|mc| {
        let shape = unsize!(Gc::new(mc, Square(1.0)) => dyn Shape<'_> + '_);
        let _ = Gc::downcast::<Square>(shape);
        let _ = GcAny::new(mc, Square(1.0)).downcast::<Foreign>(mc);
    });
}
