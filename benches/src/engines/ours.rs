//! `gc`: this heap. How it does each workload stands in the workload's file.

#![forbid(unsafe_code)]

use super::{Can, Engine};
use crate::{alloc, btree, gcbench, idle, lru, mark, mutate, window};

/// `--engine gc`.
#[derive(Debug)]
pub(super) struct Ours;

impl Engine for Ours {
    fn alloc(&self) -> Can<alloc::Body> {
        Ok(alloc::ours)
    }

    fn btree(&self) -> Can<btree::Body> {
        Ok(btree::ours)
    }

    fn gcbench(&self) -> Can<gcbench::Body> {
        Ok(gcbench::ours)
    }

    fn window(&self) -> Can<window::Body> {
        Ok(window::ours)
    }

    fn mark(&self) -> Can<mark::Body> {
        Ok(mark::ours)
    }

    fn mutate(&self, _threads: usize) -> Can<mutate::Body> {
        Ok(mutate::ours)
    }

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Ok(lru::ours)
    }

    fn idle(&self) -> Can<idle::Body> {
        Ok(idle::ours)
    }
}
