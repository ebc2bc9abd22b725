//! `dumpster::sync`: as `dumpster::unsync`, with pointers that threads share.
//!
//! A field that changes is a `Mutex`. Policy: the crate's own, as there; any thread's drop may
//! collect for all. `mark` is refused for the same reason.

#![forbid(unsafe_code)]

use std::sync::Mutex;

use dumpster::Trace;
use dumpster::sync::Gc;

use super::pointers::{NEVER_MARKS, pointers};
use crate::engines::{Can, pointer_engine};
use crate::objects::MESSAGE;
use crate::{lru, mark, mutate};
use cache::DumpsterCache;

mod cache;

/// `--engine dumpster-sync`.
#[derive(Debug)]
pub(crate) struct DumpsterSync;

pointers!(DumpsterSync: Gc, Mutex, rest: ());

pointer_engine!(DumpsterSync {
    fn mark(&self) -> Can<mark::Body> {
        Err(NEVER_MARKS)
    }

    fn mutate(&self, _threads: usize) -> Can<mutate::Body> {
        Ok(mutate::shared::<DumpsterSync>)
    }

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Ok(lru::shared::<DumpsterCache>)
    }
});

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
