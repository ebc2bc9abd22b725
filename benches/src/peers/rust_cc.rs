//! `rust-cc`: reference counts with a search for cycles, for one thread.
//!
//! An object that lost a pointer and still has others is remembered. A collection searches
//! everything reachable from those. Policy: the crate's own (feature `auto-collect`, a default). An
//! allocation collects when the allocated bytes pass a threshold. The threshold is doubled while it
//! is below those bytes, and halved while they are a tenth of it. The feature `finalization` is on,
//! as it is by default. The crate never marks live objects, so `mark` is refused.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use rust_cc::{Cc, Finalize, Trace};

use super::pointers;
use crate::objects::MESSAGE;

/// `--engine rust-cc`.
#[derive(Debug)]
pub(crate) struct RustCc;

pointers!(RustCc: Cc, RefCell, rest: ());

#[derive(Trace, Finalize)]
pub(crate) struct Pair {
    left: Option<Cc<Pair>>,
    right: Option<Cc<Pair>>,
}

#[derive(Trace, Finalize)]
pub(crate) struct Node {
    left: RefCell<Option<Cc<Node>>>,
    right: RefCell<Option<Cc<Node>>>,
    i: i32,
    j: i32,
}

#[derive(Trace, Finalize)]
pub(crate) struct Link {
    next: RefCell<Option<Cc<Link>>>,
    val: u64,
    words: [u64; 3],
}

#[derive(Trace, Finalize)]
pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}
