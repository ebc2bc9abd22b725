//! What is stored in a cell as one type must not be loaded as another: a cell is invariant in its content.

use gc_core::GcCell;
use std::sync::Arc;

type Any = Arc<for<'a> fn(&'a str)>;
type Static = Arc<fn(&'static str)>;

fn shorten<'a, 'gc>(cell: &'a GcCell<'gc, Any>) -> &'a GcCell<'gc, Static> {
    cell
}

fn main() {
    shorten(&GcCell::new(None));
}
