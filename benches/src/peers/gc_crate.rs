//! `gc` (Manishearth's rust-gc): a mark-sweep collector for one thread. Its pointers can be held
//! anywhere.
//!
//! A pointer knows whether it is in an object or outside. An object counts the pointers outside,
//! and is a root while there are any. Policy: the crate's own. An allocation collects when the
//! bytes allocated since pass a threshold. The threshold grows so that at most 70 percent of it are
//! live after a collection. Marking recurses, so a graph of millions overflows the stack: `mark` is
//! refused.

#![forbid(unsafe_code)]
#![expect(non_local_definitions, reason = "gc_derive puts its impls into a named constant")]

use gc::{Finalize, Gc, GcCell, Trace};

use super::{Field, pointers};
use crate::objects::MESSAGE;

/// `--engine gc-crate`.
#[derive(Debug)]
pub(crate) struct GcCrate;

pointers!(GcCrate: Gc, GcCell, rest: ());

#[derive(Trace, Finalize)]
pub(crate) struct Pair {
    left: Option<Gc<Pair>>,
    right: Option<Gc<Pair>>,
}

#[derive(Trace, Finalize)]
pub(crate) struct Node {
    left: GcCell<Option<Gc<Node>>>,
    right: GcCell<Option<Gc<Node>>>,
    i: i32,
    j: i32,
}

#[derive(Trace, Finalize)]
pub(crate) struct Link {
    next: GcCell<Option<Gc<Link>>>,
    val: u64,
    words: [u64; 3],
}

#[derive(Trace, Finalize)]
pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}

impl<T: Trace + Clone> Field<T> for GcCell<Option<T>> {
    #[inline(always)]
    fn holding(value: Option<T>) -> Self {
        GcCell::new(value)
    }

    #[inline(always)]
    fn load(&self) -> Option<T> {
        self.borrow().clone()
    }

    #[inline(always)]
    fn put(&self, value: Option<T>) -> Option<T> {
        std::mem::replace(&mut *self.borrow_mut(), value)
    }

    #[inline(always)]
    fn lend<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        look(self.borrow().as_ref())
    }
}
