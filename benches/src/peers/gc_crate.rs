//! `gc` (Manishearth's rust-gc): a mark-sweep collector for one thread, behind a pointer that can
//! be held anywhere.
//!
//! A pointer knows whether it is in an object or outside, and an object counts the pointers
//! outside: it is a root while there are any. Policy: the crate's own. An allocation collects when
//! the bytes since passed a threshold, which grows so that at most 70 percent of it are live after
//! a collection. Marking recurses, so that a graph of millions overflows the stack: `mark` is
//! refused.

#![forbid(unsafe_code)]
#![expect(non_local_definitions, reason = "gc_derive puts its impls into a named constant")]

use gc::{Finalize, Gc, GcCell, Trace};

use super::pointers::{Field, pointers};
use crate::engines::{Can, on_one_thread, pointer_engine};
use crate::objects::MESSAGE;
use crate::{mark, mutate};

/// `--engine gc-crate`.
#[derive(Debug)]
pub(crate) struct GcCrate;

pointers!(GcCrate: Gc, GcCell, rest: ());

pointer_engine!(GcCrate {
    fn mark(&self) -> Can<mark::Body> {
        Err("its marker recurses, and a random graph overflows the stack")
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<GcCrate>)
    }
});

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
