//! `rust-cc`: reference counts with a search for cycles, for one thread.
//!
//! An object that lost a pointer and still has others is remembered; a collection searches what
//! those reach. Policy: the crate's own (feature `auto-collect`, a default). An allocation collects
//! when the allocated bytes pass a threshold, which is doubled while less than they are and halved
//! while they are a tenth of it. The feature `finalization` is on, as it is by default. Nothing
//! ever marks what is live: `mark` is refused.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use rust_cc::{Cc, Finalize, Trace};

use super::pointers::{NEVER_MARKS, pointers};
use crate::engines::{Can, on_one_thread, pointer_engine};
use crate::objects::MESSAGE;
use crate::{mark, mutate};

/// `--engine rust-cc`.
#[derive(Debug)]
pub(crate) struct RustCc;

pointers!(RustCc: Cc, RefCell, rest: ());

pointer_engine!(RustCc {
    fn mark(&self) -> Can<mark::Body> {
        Err(NEVER_MARKS)
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<RustCc>)
    }
});

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
