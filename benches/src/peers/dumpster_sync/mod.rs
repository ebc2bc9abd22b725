//! `dumpster::sync`: as `dumpster::unsync`, with pointers that threads share.
//!
//! A field that changes is a `Mutex`. Policy: the crate's own, as there; any thread's drop may
//! collect for all threads. `mark` is refused for the same reason.

#![forbid(unsafe_code)]

use std::sync::Mutex;

use dumpster::Trace;
use dumpster::sync::Gc;

use super::pointers;
use crate::objects::MESSAGE;

mod cache;

pub(crate) use cache::DumpsterCache;

/// `--engine dumpster-sync`.
#[derive(Debug)]
pub(crate) struct DumpsterSync;

pointers!(DumpsterSync: Gc, Mutex, rest: ());

#[derive(Trace)]
pub(crate) struct Pair {
    left: Option<Gc<Pair>>,
    right: Option<Gc<Pair>>,
}

#[derive(Trace)]
pub(crate) struct Node {
    left: Mutex<Option<Gc<Node>>>,
    right: Mutex<Option<Gc<Node>>>,
    i: i32,
    j: i32,
}

#[derive(Trace)]
pub(crate) struct Link {
    next: Mutex<Option<Gc<Link>>>,
    val: u64,
    words: [u64; 3],
}

#[derive(Trace)]
pub(crate) struct Message {
    bytes: [u8; MESSAGE],
}
