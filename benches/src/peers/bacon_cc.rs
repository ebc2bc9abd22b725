//! `bacon_rajan_cc`: reference counts with the trial deletion of Bacon and Rajan (2001), for one
//! thread.
//!
//! An object that lost a pointer and still has others is buffered as a possible root of dead
//! cycles; its memory stays until the next collection even if its count becomes zero. The crate
//! never collects by itself: its documentation says to call `collect_cycles` when the number of
//! buffered roots reaches some threshold. Policy: at the end of a batch, if 10,000 roots are
//! buffered (the figure of PHP, which has the same algorithm). A search recurses, which the shallow
//! objects of the workloads allow. Nothing ever marks what is live: `mark` is refused.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use bacon_rajan_cc::{Cc, Trace, Tracer, collect_cycles, number_of_roots_buffered};

use super::pointers::{NEVER_MARKS, pointers};
use crate::engines::{Can, on_one_thread, pointer_engine};
use crate::objects::MESSAGE;
use crate::{mark, mutate};

/// `--engine bacon-cc`.
#[derive(Debug)]
pub(crate) struct BaconCc;

/// Buffered roots at which a collection is due.
const ROOTS: usize = 10_000;

pointers!(BaconCc: Cc, RefCell, rest: collect_if_due());

pointer_engine!(BaconCc {
    fn mark(&self) -> Can<mark::Body> {
        Err(NEVER_MARKS)
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<BaconCc>)
    }
});

pub(crate) struct Pair {
    left: Option<Cc<Pair>>,
    right: Option<Cc<Pair>>,
}

pub(crate) struct Node {
    left: RefCell<Option<Cc<Node>>>,
    right: RefCell<Option<Cc<Node>>>,
    i: i32,
    j: i32,
}

pub(crate) struct Link {
    next: RefCell<Option<Cc<Link>>>,
    val: u64,
    words: [u64; 3],
}

pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}

#[inline(always)]
fn collect_if_due() {
    if number_of_roots_buffered() >= ROOTS {
        collect_cycles();
    }
}

impl Trace for Pair {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.left.trace(tracer);
        self.right.trace(tracer);
    }
}

impl Trace for Node {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.left.trace(tracer);
        self.right.trace(tracer);
    }
}

impl Trace for Link {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        self.next.trace(tracer);
    }
}

impl Trace for Message {
    fn trace(&self, _: &mut Tracer<'_>) {}
}
