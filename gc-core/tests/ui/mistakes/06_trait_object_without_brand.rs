//! A pointer to a trait object without the brand.
//!
//! Fix: Write the brand, as the trait's argument and as its bound: `Gc<'gc, dyn Shape<'gc> + 'gc>`.
use gc_core::{Gc, Trace};

trait Shape<'gc>: Send + Sync {
    fn name(&self) -> Gc<'gc, str>;
}

#[derive(Trace)]
struct Drawing<'gc> {
    shape: Gc<'gc, dyn Shape>,
}

fn main() {}
