#![forbid(unsafe_code)]
//! Central lists: lock-free stacks of spans (or of free blocks), linked through the span table.
//!
//! A Treiber stack of indices. The head carries a counter beside the index, so that a head which
//! comes back is not taken for the one that was read (ABA). Links lie in a table that is never
//! freed. So a thread may read the link of a span that another thread has popped meanwhile.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::word::BlockId;

/// A link: the index of the next element plus one, or zero.
pub type Link = AtomicU32;

/// A lock-free stack of indices below 2^32 - 1.
///
/// `head` holds a version in its high half and the index of the top plus one in its low half.
#[derive(Debug)]
pub struct Stack {
    head: AtomicU64,
}

impl Stack {
    /// An empty stack.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Stack { head: AtomicU64::new(0) }
    }

    /// Pushes `index`, which is in no stack. Release: the thread that pops it sees what was done to
    /// it before.
    pub fn push<'a>(&self, index: BlockId, link: impl Fn(BlockId) -> &'a Link) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link(index).store(head as u32, Ordering::Relaxed);
            let next = (head >> 32).wrapping_add(1) << 32 | (index.index() as u64 + 1);
            match self.head.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Pops the index pushed last.
    pub fn pop<'a>(&self, link: impl Fn(BlockId) -> &'a Link) -> Option<BlockId> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let top = BlockId::new((head as u32).checked_sub(1)? as usize);
            let below = link(top).load(Ordering::Relaxed);
            let next = (head >> 32).wrapping_add(1) << 32 | u64::from(below);
            match self.head.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(top),
                Err(now) => head = now,
            }
        }
    }

    /// Returns the index that was on top: a hint, since another thread may have popped it.
    pub(crate) fn top(&self) -> Option<BlockId> {
        let top = (self.head.load(Ordering::Relaxed) as u32).checked_sub(1)?;
        Some(BlockId::new(top as usize))
    }

    /// Returns whether the stack was empty.
    #[cfg(loom)]
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) as u32 == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_neither_lose_nor_double_an_index() {
        let links: Vec<Link> = (0..1000).map(|_| Link::new(0)).collect();
        let stack = Stack::new();
        let link = |i: BlockId| &links[i.index()];
        for i in 0..1000 {
            stack.push(BlockId::new(i), link);
        }
        let taken: Vec<BlockId> = std::thread::scope(|s| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    s.spawn(|| {
                        let mut mine = Vec::new();
                        for round in 0..20_000 {
                            if let Some(i) = stack.pop(link) {
                                if round % 3 == 0 { mine.push(i) } else { stack.push(i, link) }
                            }
                        }
                        mine
                    })
                })
                .collect();
            workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
        });
        let mut all = taken;
        while let Some(i) = stack.pop(link) {
            all.push(i);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq((0..1000).map(BlockId::new)));
    }
}
