//! What `rootable_dyn!` refuses: a fixed brand, what is no trait, a brand that nothing declares,
//! and two bounds.
use gc_core::rootable_dyn;

trait Shape<'gc> {}
trait Visitor<T> {}
struct Thing;

rootable_dyn!(Shape<'static>);
rootable_dyn!(Thing);
rootable_dyn!(Visitor<gc_core::Gc<'gc, u64>>);
rootable_dyn!(Shape<'gc> + 'gc);

fn main() {}
