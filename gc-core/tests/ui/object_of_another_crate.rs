//! Only the crate of a trait declares its family: make a trait of your own with the foreign one as
//! its supertrait. A parameter is one of the trait's.
use gc_core::rootable_dyn;

trait Visitor<T> {}

rootable_dyn!(std::fmt::Write);
rootable_dyn!(impl<'gc, T> Visitor<u8>);

fn main() {}
