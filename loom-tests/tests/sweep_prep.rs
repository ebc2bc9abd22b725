//! INV-5 with marks: two sweepers and the collector. The marks of the next Prep are not erased,
//! because the sweep is closed when no thread sweeps.
#![cfg(loom)]

use gc_core::model::{ActiveSweep, BlockId, Link, MarkWord, Stack};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

const OLD: u64 = 1;
const NEXT: u64 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// The collector goes on because the lists are empty.
    NotClosed,
    /// A sweeper gives its right back when it has its span.
    RightTooShort,
    /// A span is read off the list and not taken.
    NotTaken,
}

struct World {
    sweep: ActiveSweep,
    unswept: Stack,
    swept: Stack,
    links: [Link; 2],
    marks: [MarkWord; 2],
    times: [AtomicU32; 2],
    /// The top of the list as the twin that takes nothing sees it.
    peeked: AtomicU32,
}

impl World {
    fn push(&self, stack: &Stack, span: BlockId) {
        stack.push(span, |i| &self.links[i.index()]);
    }
    fn sweep_one(&self, step: Step) -> bool {
        let Some(right) = self.sweep.begin() else { return false };
        let got = if step == Step::NotTaken {
            let got = self.peeked.load(Ordering::Acquire);
            self.peeked.store(got.saturating_sub(1), Ordering::Release);
            got.checked_sub(1).map(|span| BlockId::new(span as usize))
        } else {
            self.unswept.pop(|i| &self.links[i.index()])
        };
        let Some(span) = got else { return false };
        let right = (step != Step::RightTooShort).then_some(right);
        let at = span.index();
        self.marks[at].take();
        self.times[at].fetch_add(1, Ordering::Relaxed);
        self.push(&self.swept, span);
        drop(right);
        true
    }
}

fn run(step: Step, sweepers: usize) {
    let world = Arc::new(World {
        sweep: ActiveSweep::new(),
        unswept: Stack::new(),
        swept: Stack::new(),
        links: [Link::new(0), Link::new(0)],
        marks: [MarkWord::new(), MarkWord::new()],
        times: [AtomicU32::new(0), AtomicU32::new(0)],
        peeked: AtomicU32::new(2),
    });
    for span in [0, 1].map(BlockId::new) {
        assert!(world.marks[span.index()].test_and_set(OLD));
        world.push(&world.unswept, span);
    }
    world.sweep.open();
    let others: Vec<_> = (0..sweepers)
        .map(|_| {
            let world = world.clone();
            thread::spawn(move || {
                world.sweep_one(step);
            })
        })
        .collect();
    while world.sweep_one(step) {}
    while step != Step::NotClosed && !world.sweep.close() {
        thread::yield_now();
    }
    // The next cycle: Prep shades.
    for marks in &world.marks {
        assert!(marks.test_and_set(NEXT));
    }
    for other in others {
        other.join().unwrap();
    }
    for span in 0..2 {
        assert_eq!(world.times[span].load(Ordering::Relaxed), 1, "each span is swept once");
        assert_eq!(world.marks[span].bits(), NEXT, "a sweep ran into the next Prep");
    }
}

#[test]
fn one_sweeper_beside_the_collector() {
    loom_tests::check(Some(3), || run(Step::Whole, 1));
}

#[test]
fn two_sweepers_beside_the_collector() {
    loom_tests::check(Some(2), || run(Step::Whole, 2));
}

#[test]
#[should_panic(expected = "ran into the next Prep")]
fn broken_the_lists_are_empty_and_that_is_all() {
    loom_tests::check(None, || run(Step::NotClosed, 1));
}

#[test]
#[should_panic(expected = "ran into the next Prep")]
fn broken_the_right_ends_before_the_sweep() {
    loom_tests::check(None, || run(Step::RightTooShort, 1));
}

#[test]
#[should_panic(expected = "swept once")]
fn broken_a_span_is_not_taken_off_its_list() {
    loom_tests::check(None, || run(Step::NotTaken, 1));
}
