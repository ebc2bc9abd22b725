//! An object whose trait object is fixed at `'static` has no family, so it is not erased: it could
//! come back as one with the brand, and be given what does not live long enough.
use gc_core::{Gc, GcAny, Mutation, Trace, rootable_dyn};

#[derive(Trace)]
struct Holder<T>(T);

trait Sink<'x>: Send + Sync {
    fn put(&self, text: &'x str);
}
rootable_dyn!(Sink<'x>);

fn erase<'gc>(mc: &Mutation<'gc>, sink: Gc<'gc, dyn Sink<'static>>) -> GcAny<'gc> {
    Gc::erase(Gc::new(mc, Holder(sink)))
}

fn main() {}
