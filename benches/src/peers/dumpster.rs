//! `dumpster::unsync`: reference counts with a search for cycles, for one thread.
//!
//! An object that lost a pointer and still has others is remembered; a collection searches what
//! those reach, and drops what only cycles hold. Policy: the crate's own. A drop collects when more
//! pointers were dropped since the last collection than there are. Nothing ever marks what is live,
//! so that `mark` means nothing and is refused.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use dumpster::Trace;
use dumpster::unsync::Gc;

use super::pointers::{NEVER_MARKS, pointers};
use crate::engines::{Can, on_one_thread, pointer_engine};
use crate::objects::MESSAGE;
use crate::{mark, mutate};

/// `--engine dumpster`.
#[derive(Debug)]
pub(crate) struct Dumpster;

pointers!(Dumpster: Gc, RefCell, rest: ());

pointer_engine!(Dumpster {
    fn mark(&self) -> Can<mark::Body> {
        Err(NEVER_MARKS)
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<Dumpster>)
    }
});

#[derive(Trace)]
pub(crate) struct Pair {
    left: Option<Gc<Pair>>,
    right: Option<Gc<Pair>>,
}

#[derive(Trace)]
pub(crate) struct Node {
    left: RefCell<Option<Gc<Node>>>,
    right: RefCell<Option<Gc<Node>>>,
    i: i32,
    j: i32,
}

#[derive(Trace)]
pub(crate) struct Link {
    next: RefCell<Option<Gc<Link>>>,
    val: u64,
    words: [u64; 3],
}

#[derive(Trace)]
pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}
