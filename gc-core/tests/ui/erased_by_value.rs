//! There are no values of `Erased`, so no object is one.
use gc_core::{Erased, Gc, Heap};

fn main() {
    Heap::new().mutate(|mc| _ = Gc::new(mc, Erased {}));
}
