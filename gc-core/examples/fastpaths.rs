//! The paths that a program takes all the time, each as a function of its own, to show the code
//! that the compiler generates. `ci/asm.sh` disassembles and counts them; `docs/FASTPATHS.md`
//! explains its output.

use gc_core::{Gc, GcCell, Heap, Mutation, Mutator, Trace};
use std::hint::black_box;

/// An object of 16 bytes.
#[derive(Debug, Trace)]
pub struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
}

/// An allocation.
#[inline(never)]
pub fn fast_alloc<'gc>(
    mc: &'gc Mutation<'gc>,
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
) -> Gc<'gc, Node<'gc>> {
    Gc::new(mc, Node { left, right })
}

/// A pointer store, with the barrier's test.
#[inline(never)]
pub fn fast_store<'gc>(
    mc: &'gc Mutation<'gc>,
    cell: &GcCell<'gc, Node<'gc>>,
    to: Option<Gc<'gc, Node<'gc>>>,
) {
    cell.set(mc, to);
}

/// The entry and the exit of `mutate` by a handle.
#[inline(never)]
pub fn fast_mutate(mutator: &Mutator) {
    mutator.mutate(|mc| {
        black_box(mc);
    });
}

/// A loop that asks whether it is awaited, `n` times at most; returns how often it still could.
#[inline(never)]
pub fn fast_poll(mc: &Mutation<'_>, mut n: u64) -> u64 {
    while n > 0 && !mc.is_awaited() {
        n -= 1;
    }
    n
}

fn main() {
    let heap = Heap::new();
    let mutator = heap.mutator();
    for _ in 0..1000 {
        fast_mutate(black_box(&mutator));
        mutator.mutate(|mc| {
            let a = fast_alloc(mc, None, None);
            let b = fast_alloc(mc, Some(a), None);
            let cell = GcCell::new(None);
            fast_store(mc, black_box(&cell), Some(b));
            fast_poll(mc, black_box(10));
            let b = cell.get().expect("it was stored");
            assert!(b.left.is_some_and(|left| left.right.is_none()) && b.right.is_none());
        });
    }
    println!("fast paths: 1000 rounds");
}
