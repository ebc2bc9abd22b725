//! INV-14: content that an exclusive borrow can change was shaded or scanned before; a scan never
//! overlaps a borrow.
#![cfg(loom)]

use gc_core::model::{Borrow, CellLock, Cycle, MarkWord};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

const X: usize = 16;
const CYCLE: Cycle = Cycle::new(1);

struct World {
    lock: CellLock,
    mark: MarkWord,
    content: UnsafeCell<usize>,
}

impl World {
    fn shade(&self, addr: usize) {
        if addr == X {
            let _ = self.mark.test_and_set(1);
        }
    }
    fn read(&self) -> usize {
        // SAFETY: loom itself checks that no thread writes at the same time.
        self.content.with(|p| unsafe { *p })
    }
}

fn run(shade: bool) {
    let world = Arc::new(World {
        lock: CellLock::new(),
        mark: MarkWord::new(),
        content: UnsafeCell::new(X),
    });
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            while world.lock.exclude() != Borrow::Done {
                thread::yield_now();
            }
            if shade && !world.lock.is_recorded(CYCLE) {
                world.shade(world.read());
                world.lock.record(CYCLE);
            }
            world.content.with_mut(|p| {
                // SAFETY: as above.
                unsafe { *p = 0 }
            });
            world.lock.release_exclusive();
        })
    };
    let scanned = world.lock.scan(CYCLE, || world.shade(world.read()));
    mutator.join().unwrap();
    assert!(world.mark.is_set(1), "the old content was lost");
    assert!(scanned || world.lock.is_recorded(CYCLE), "a skip records nothing, the borrower did");
}

#[test]
fn the_content_before_a_borrow_is_kept() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_borrow_without_the_shade() {
    loom_tests::check(None, || run(false));
}
