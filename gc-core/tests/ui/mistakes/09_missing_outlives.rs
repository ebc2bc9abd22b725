//! A generic function without `T: 'gc`.
//!
//! Fix: Write the bounds: `T: Trace<'gc> + Send + Sync + 'gc`.
use gc_core::{Gc, Mutation, Trace};

fn boxed<'gc, T: Trace<'gc> + Send + Sync>(mc: &'gc Mutation<'gc>, value: T) -> Gc<'gc, T> {
    Gc::new(mc, value)
}

fn main() {}
