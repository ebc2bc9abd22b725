//! INV-5: a central list gives a span to one thread only (`Stack`).
#![cfg(loom)]

use gc_core::model::{BlockId, Link, Stack};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// The stack without the version beside its head.
struct Unversioned(AtomicU32);

impl Unversioned {
    fn push(&self, index: u32, links: &[Link; 3]) {
        loop {
            let head = self.0.load(Ordering::Acquire);
            links[index as usize].store(head, Ordering::Relaxed);
            if self.0.compare_exchange(head, index + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return;
            }
        }
    }
    fn pop(&self, links: &[Link; 3]) -> Option<u32> {
        loop {
            let head = self.0.load(Ordering::Acquire);
            let top = head.checked_sub(1)?;
            let below = links[top as usize].load(Ordering::Relaxed);
            if self.0.compare_exchange(head, below, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(top);
            }
        }
    }
}

/// One thread pops; the other pops two and pushes the first back. No thread may hold an index that
/// the other thread or the list has.
fn run<S: Send + Sync + 'static>(
    stack: S,
    push: fn(&S, u32, &[Link; 3]),
    pop: fn(&S, &[Link; 3]) -> Option<u32>,
) {
    let world = Arc::new((stack, [Link::new(0), Link::new(0), Link::new(0)]));
    for i in 0..3 {
        push(&world.0, i, &world.1);
    }
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            let first = pop(&world.0, &world.1);
            let second = pop(&world.0, &world.1);
            if let Some(first) = first {
                push(&world.0, first, &world.1);
            }
            second
        })
    };
    let mine = pop(&world.0, &world.1);
    let theirs = other.join().unwrap();
    let mut all: Vec<u32> = mine.into_iter().chain(theirs).collect();
    while let Some(i) = pop(&world.0, &world.1) {
        all.push(i);
        assert!(all.len() <= 3, "an index was given out twice");
    }
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2], "an index was given out twice");
}

#[test]
fn an_index_has_one_owner() {
    loom_tests::check(None, || {
        run(
            Stack::new(),
            |s, i, links| s.push(BlockId::new(i as usize), |l| &links[l.index()]),
            |s, links| s.pop(|l| &links[l.index()]).map(|i| i.index() as u32),
        );
    });
}

#[test]
#[should_panic(expected = "given out twice")]
fn broken_a_head_without_a_version() {
    loom_tests::check(None, || {
        run(Unversioned(AtomicU32::new(0)), |s, i, l| s.push(i, l), |s, l| s.pop(l));
    });
}
