use gc_core::{Gc, Heap, Trace};

#[derive(Clone, Copy, Trace)]
union Number {
    int: u64,
    float: f64,
}

fn main() {
    // The derive still writes impls, so that nothing is said of this line.
    Heap::new().mutate(|mc| drop(Gc::new(mc, Number { int: 1 })));
}
