#![forbid(unsafe_code)]
//! `Debug` of data that leads to itself.
//!
//! 1. Only a cell can close a cycle: a [`Gc`](crate::Gc) leads to an older object, unless a cell
//!    was set later.
//! 2. So a cell that prints its content by value sets a mark on its thread ([`debug_cell`]).
//! 3. Meanwhile a `Gc` prints its address ([`in_cell`]). So does another cell, which a handwritten
//!    `Debug` may reach through a `Gc`.
//!
//! The mark is cleared when the call ends, also when the `Debug` of a content panics.

use crate::sync::thread_local;
use std::cell::Cell;
use std::fmt;

thread_local! {
    static IN_CELL: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread prints the content of a cell; `true` also where the thread-local is
/// gone because the thread ends.
pub(super) fn in_cell() -> bool {
    IN_CELL.try_with(Cell::get).unwrap_or(true)
}

/// Prints the cell `name` at `at` by `content`, or by its address alone if it is inside another
/// cell that is being printed.
pub(super) fn debug_cell(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    at: *const (),
    content: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    /// Clears the mark, also when `content` panics.
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
