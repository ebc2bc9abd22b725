//! `rc`, `arc` and `box`: the pointers of the standard library, which collect nothing.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::{Can, on_one_thread, pointer_engine};
use crate::lru::{self, SlabCache};
use crate::mutate;
use crate::owned::{Arcs, Boxes, Rcs};

pointer_engine!(Rcs {
    fn mutate(&self, threads: usize) -> Can<mutate::Body> {
        on_one_thread(threads, mutate::local::<Rcs>)
    }
});

pointer_engine!(Arcs {
    fn mutate(&self, _threads: usize) -> Can<mutate::Body> {
        Ok(mutate::shared::<Arcs>)
    }

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Ok(lru::shared::<SlabCache<Arc<[u8]>>>)
    }
});

pointer_engine!(Boxes {
    fn mutate(&self, _threads: usize) -> Can<mutate::Body> {
        Err("its nodes have two owners, a slot and another node")
    }

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Ok(lru::shared::<SlabCache<Box<[u8]>>>)
    }
});
