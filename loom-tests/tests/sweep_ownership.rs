//! INV-5: a span is swept once, by one thread, and never while the next Prep may shade
//! (`ActiveSweep`, `Stack`).
#![cfg(loom)]

use gc_core::model::{ActiveSweep, BlockId, Link, Stack};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct World {
    sweep: ActiveSweep,
    unswept: Stack,
    links: [Link; 2],
    /// How often each span was swept; loom checks that no two threads touch one at once.
    spans: [UnsafeCell<u32>; 2],
}

impl World {
    fn sweep_some(&self, most: usize) {
        for _ in 0..most {
            let Some(_right) = self.sweep.begin() else { return };
            let Some(span) = self.unswept.pop(|i| &self.links[i.index()]) else { return };
            self.spans[span.index()].with_mut(|p| {
                // SAFETY: loom itself checks that no other thread touches it.
                unsafe { *p += 1 }
            });
        }
    }
}

fn run(close: bool) {
    let world = Arc::new(World {
        sweep: ActiveSweep::new(),
        unswept: Stack::new(),
        links: [Link::new(0), Link::new(0)],
        spans: [UnsafeCell::new(0), UnsafeCell::new(0)],
    });
    for span in [0, 1].map(BlockId::new) {
        world.unswept.push(span, |i| &world.links[i.index()]);
    }
    world.sweep.open();
    let mutator = {
        let world = world.clone();
        thread::spawn(move || world.sweep_some(1))
    };
    world.sweep_some(3);
    while close && !world.sweep.close() {
        thread::yield_now();
    }
    // The next Prep: from here on any thread may set marks in any span.
    for span in &world.spans {
        span.with(|p| {
            // SAFETY: as above.
            assert_eq!(unsafe { *p }, 1, "each span is swept once");
        });
    }
    mutator.join().unwrap();
}

#[test]
fn every_span_is_swept_once_before_the_next_prep() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic]
fn broken_the_next_prep_while_somebody_sweeps() {
    loom_tests::check(None, || run(false));
}
