//! A trait has one family: a second declaration, under whatever name of the brand, collides with
//! the first.
use gc_core::rootable_dyn;

trait Shape<'gc> {}
rootable_dyn!(Shape<'gc>);
rootable_dyn!(impl<'other> Shape<'other>);
rootable_dyn!(impl<'other> Shape<'static>);

fn main() {}
