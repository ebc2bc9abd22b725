//! A generic function without `T: Trace<'gc>`.
//!
//! Fix: Write the bounds: `T: Trace<'gc> + Send + Sync + 'gc`.
use gc_core::{Gc, Mutation};

fn pair<'gc, T>(mc: &'gc Mutation<'gc>, one: T, two: T) -> Gc<'gc, (T, T)> {
    Gc::new(mc, (one, two))
}

fn main() {}
