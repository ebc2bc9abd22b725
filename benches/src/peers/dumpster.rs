//! `dumpster::unsync`: reference counts with a search for cycles, for one thread.
//!
//! An object that lost a pointer and still has others is remembered. A collection searches
//! everything reachable from those, and drops what only cycles hold. Policy: the crate's own. A
//! drop collects when more pointers were dropped since the last collection than exist. The crate
//! never marks live objects, so `mark` is refused.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use dumpster::Trace;
use dumpster::unsync::Gc;

use super::pointers;
use crate::objects::MESSAGE;

/// `--engine dumpster`.
#[derive(Debug)]
pub(crate) struct Dumpster;

pointers!(Dumpster: Gc, RefCell, rest: ());

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
