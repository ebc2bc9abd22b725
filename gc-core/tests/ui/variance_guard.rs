//! An exclusive guard is invariant in what it lends.
use gc_core::GcRefMut;

type Any = for<'a> fn(&'a str);
type Static = fn(&'static str);

fn shorten<'a, 'gc>(guard: GcRefMut<'a, 'gc, Any>) -> GcRefMut<'a, 'gc, Static> {
    guard
}

fn main() {}
