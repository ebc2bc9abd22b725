//! A lock-free list whose nodes die once and for ever, in safe Rust.
//!
//! 1. A node is pushed at the head, and nowhere else, with a compare-and-exchange.
//! 2. A flag of its own (`is_dead`) ends its life, and never goes back.
//! 3. Any thread unlinks dead nodes at any time: [`prune`] makes a cell point past them.
//!
//! Why no live node is ever lost: no node is inserted after another one, so a `next` only ever
//! moves forward over dead nodes. From any cell all later live nodes stay reachable, also from an
//! unlinked node's cell.
//!
//! Why ABA does no harm: if the head is `a` again, every node pushed above `a` meanwhile is dead.
//!
//! Why no dead node stays linked: a thread that sets a flag and then prunes leaves no path to that
//! node. Take another pruner that makes a cell point to the node. It must have read the node as
//! live, so before the flag was set. It had read the node that the cell pointed to as dead, before
//! that. The first pruner sees that node dead too, and does not pass the cell before it has
//! replaced its value. (Flags are sequentially consistent for this argument.)
//!
//! With a collector this is all: no marked pointers, no counted references, no hazard pointers, no
//! epochs. A reader that stands on an unlinked node just goes on.

use gc_core::{Gc, GcCell, Mutation, Trace};

/// A node of a list.
pub(crate) trait Node<'gc>: Trace<'gc> + Send + Sync + Sized + 'gc {
    /// The next node. Only [`push`] and [`prune`] write it.
    fn next(&self) -> &GcCell<'gc, Self>;
    /// Whether this node may be unlinked; once `true`, always `true`.
    fn is_dead(&self) -> bool;
}

/// Makes `node`, which is in no list yet, the head of the list if the head still is `seen`. Gives
/// back the head it found otherwise.
pub(crate) fn push<'gc, T: Node<'gc>>(
    mc: &'gc Mutation<'gc>,
    head: &GcCell<'gc, T>,
    seen: Option<Gc<'gc, T>>,
    node: Gc<'gc, T>,
) -> Result<(), Option<Gc<'gc, T>>> {
    node.next().set(mc, seen);
    head.compare_exchange(mc, seen, Some(node)).map(drop)
}

/// What [`prune`] saw and did.
#[derive(Default)]
pub(crate) struct Pruned {
    /// The live nodes that it met.
    pub(crate) live: u32,
    /// The dead nodes that it unlinked; two pruners at once may both count one.
    pub(crate) unlinked: u32,
}

/// Unlinks every node that was dead when the call began, and perhaps some that died since.
pub(crate) fn prune<'gc, T: Node<'gc>>(
    mc: &'gc Mutation<'gc>,
    head: &'gc GcCell<'gc, T>,
) -> Pruned {
    let mut done = Pruned::default();
    let mut cell = head;
    loop {
        let first = cell.get();
        let mut live = first;
        let mut dead = 0;
        while let Some(node) = live
            && node.is_dead()
        {
            live = node.next().get();
            dead += 1;
        }
        // If the exchange fails, another thread pushed or unlinked here: look at the same cell
        // again.
        if dead > 0 && cell.compare_exchange(mc, first, live).is_err() {
            continue;
        }
        done.unlinked += dead;
        let Some(node) = live else { return done };
        done.live += 1;
        cell = Gc::as_ref(node).next();
    }
}

/// The nodes from `at` on, dead ones too.
pub(crate) fn iter<'gc, T: Node<'gc>>(
    at: Option<Gc<'gc, T>>,
) -> impl Iterator<Item = Gc<'gc, T>> + use<'gc, T> {
    std::iter::successors(at, |node| node.next().get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gc_core::Heap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[derive(Trace)]
    struct Item<'gc> {
        next: GcCell<'gc, Item<'gc>>,
        name: u64,
        is_dead: AtomicBool,
    }

    impl<'gc> Node<'gc> for Item<'gc> {
        fn next(&self) -> &GcCell<'gc, Self> {
            &self.next
        }
        fn is_dead(&self) -> bool {
            self.is_dead.load(Ordering::SeqCst)
        }
    }

    #[derive(Trace)]
    struct List<'gc> {
        head: GcCell<'gc, Item<'gc>>,
    }

    #[test]
    fn no_live_node_is_lost_and_no_dead_one_left() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        // One node in this many lives, so the list stays short and all threads meet at its head.
        const KEPT: u64 = 1_000;
        let heap = Heap::new();
        let list = heap.mutate(|mc| Gc::root(Gc::new(mc, List { head: GcCell::new(None) }), mc));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (heap, list) = (&heap, &list);
                scope.spawn(move || {
                    for i in 0..EACH {
                        heap.mutate(|mc| {
                            let head = &Gc::as_ref(list.get(mc)).head;
                            let name = thread * EACH + i;
                            let is_dead = AtomicBool::new(false);
                            let item = Gc::new(mc, Item { next: GcCell::new(None), name, is_dead });
                            let mut seen = head.get();
                            while let Err(now) = push(mc, head, seen, item) {
                                seen = now;
                            }
                            if i % KEPT != 0 {
                                item.is_dead.store(true, Ordering::SeqCst);
                                prune(mc, head);
                            }
                        });
                    }
                });
            }
        });
        heap.mutate(|mc| {
            let mut names: Vec<u64> = iter(list.get(mc).head.get()).map(|item| item.name).collect();
            names.sort_unstable();
            let kept: Vec<u64> =
                (0..THREADS * EACH).filter(|name| (name % EACH).is_multiple_of(KEPT)).collect();
            assert_eq!(names, kept);
        });
    }
}
