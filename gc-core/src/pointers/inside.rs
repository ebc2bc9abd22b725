#![forbid(unsafe_code)]
//! `Debug` of data that leads to itself.
//!
//! 1. Only a cell can close a cycle: what a [`Gc`](crate::Gc) leads to is older than the `Gc`,
//!    unless a cell was set later.
//! 2. So a cell prints what it holds by value, and says to its thread that it does
//!    ([`debug_cell`]).
//! 3. Meanwhile a `Gc` prints its address ([`in_cell`]), and so does another cell, which a `Debug`
//!    written by hand may reach through a `Gc`.
//!
//! The mark is the thread's and ends with the call, also when a content's `Debug` panics.

use crate::sync::thread_local;
use std::cell::Cell;
use std::fmt;

thread_local! {
    static IN_CELL: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread prints the content of a cell; also where the thread ends and nobody knows.
pub(super) fn in_cell() -> bool {
    IN_CELL.try_with(Cell::get).unwrap_or(true)
}

/// Prints the cell `name` at `at` by `content`; by its address alone if it is printed from inside
/// of another cell.
pub(super) fn debug_cell(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    at: *const (),
    content: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    /// Ends the mark also when `content` panics.
    struct Out;
    impl Drop for Out {
        fn drop(&mut self) {
            let _ = IN_CELL.try_with(|inside| inside.set(false));
        }
    }
    if in_cell() {
        return write!(f, "{name}({at:p})");
    }
    let _ = IN_CELL.try_with(|inside| inside.set(true));
    let _out = Out;
    content(f)
}
