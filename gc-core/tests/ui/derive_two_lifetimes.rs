use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Borrows<'gc, 'a> {
    gc: Gc<'gc, u64>,
    text: &'a str,
}

fn main() {}
