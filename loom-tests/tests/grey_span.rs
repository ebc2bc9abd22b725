//! INV-16: each marked object of a span is scanned exactly once, in whatever order threads find it,
//! or twice if it was near. A slot that is born black never is.
#![cfg(loom)]

use gc_core::model::{Grey, GreySpan, MarkWord};
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

const A: u64 = 1;
const B: u64 = 2;
const C: u64 = 4;
const BLACK: u64 = 8;

/// What a twin does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Twin {
    No,
    /// The marks are read before the span is taken out of its queue.
    LooksThenTakes,
    /// The span is queued before the object is marked.
    QueuesThenMarks,
    /// A black slot is marked before it is entered as scanned.
    MarksThenEnters,
    /// A near object is entered as scanned before its scan, and never scanned.
    EntersOnly,
}

struct World {
    twin: Twin,
    span: GreySpan,
    marks: MarkWord,
    scans: MarkWord,
    /// The queue: the objects under which the span waits. A lock, and so an order of its own
    /// between the steps it separates.
    queue: Mutex<Vec<u64>>,
    queued: AtomicUsize,
    scanned: [AtomicU64; 4],
}

impl World {
    fn new(twin: Twin) -> World {
        World {
            twin,
            span: GreySpan::new(),
            marks: MarkWord::new(),
            scans: MarkWord::new(),
            queue: Mutex::new(Vec::new()),
            queued: AtomicUsize::new(0),
            scanned: Default::default(),
        }
    }
    fn mark(&self, object: u64) {
        let early = self.twin == Twin::QueuesThenMarks && self.span.add();
        if self.marks.test_and_set(object)
            && (early || self.twin != Twin::QueuesThenMarks && self.span.add())
        {
            self.queue.lock().unwrap().push(object);
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// Marks both at once, as a marker does with neighbours.
    fn mark_all(&self, objects: u64) {
        let new = self.marks.test_and_set_all(objects);
        let queue = match new.count_ones() {
            0 => false,
            1 => self.span.add(),
            _ => self.span.add_several(),
        };
        if queue {
            self.queue.lock().unwrap().push(new & new.wrapping_neg());
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn born_black(&self) {
        if self.twin == Twin::MarksThenEnters {
            self.marks.set_own(BLACK);
        }
        let _ = self.scans.add(BLACK);
        if self.twin != Twin::MarksThenEnters {
            self.marks.set_own(BLACK);
        }
    }
    /// A marker that scans the span finds an object in it, scans it, and then marks and enters it.
    fn near(&self, object: u64) {
        if self.marks.bits() & object != 0 {
            // Another marker has it.
            return;
        }
        if self.twin != Twin::EntersOnly {
            self.scanned[object.trailing_zeros() as usize].fetch_add(1, Ordering::Relaxed);
        }
        let _ = self.marks.test_and_set_all(object);
        let _ = self.scans.add(object);
    }
    /// Takes the span out of the queue, if it is there, and scans.
    fn scan(&self) -> bool {
        // A relaxed load first, so that an empty queue's lock orders nothing.
        if self.queued.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let Some(object) = self.queue.lock().unwrap().pop() else { return false };
        self.queued.fetch_sub(1, Ordering::Relaxed);
        let early = self.marks.bits();
        let mine = match self.span.take() {
            Grey::One => self.scans.add(object),
            Grey::Many if self.twin == Twin::LooksThenTakes => {
                self.scans.add(early & !self.scans.bits())
            }
            Grey::Many => {
                let marks = self.marks.bits();
                self.scans.add(marks & !self.scans.bits())
            }
        };
        for (i, count) in self.scanned.iter().enumerate() {
            if mine >> i & 1 == 1 {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }
    fn check(&self) {
        let (counts, expected) = self.counts();
        assert_eq!(counts[..3], expected, "scanned once");
        assert_eq!(counts[3], 0, "a slot was scanned that held no object yet");
    }
    /// The number of scans of each object in the end; every marked one was scanned.
    fn counts(&self) -> ([u64; 4], [u64; 3]) {
        while self.scan() {}
        let counts = self.scanned.each_ref().map(|count| count.load(Ordering::Relaxed));
        let expected = [A, B, C].map(|object| u64::from(self.marks.is_set(object)));
        assert!(counts.iter().zip(&expected).all(|(n, e)| n >= e), "a marked object was lost");
        (counts, expected)
    }
}

/// A marker marks A and B. Another one marks B and scans.
fn two_markers(twin: Twin) {
    let world = Arc::new(World::new(twin));
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            world.mark(A);
            world.mark(B);
        })
    };
    world.mark(B);
    world.scan();
    other.join().unwrap();
    world.check();
}

/// A marker marks A and B. Another one scans what the first has queued.
fn one_scans(twin: Twin) {
    let world = Arc::new(World::new(twin));
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            world.scan();
            world.scan();
        })
    };
    world.mark(A);
    world.mark(B);
    other.join().unwrap();
    world.check();
}

/// A marker scans the span and finds B in it, while another one marks B and A. A near object may be
/// scanned twice.
fn near(twin: Twin) {
    let world = Arc::new(World::new(twin));
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            world.mark(B);
            world.mark(A);
            world.scan();
        })
    };
    world.near(B);
    other.join().unwrap();
    let (counts, expected) = world.counts();
    assert_eq!(expected, [1, 1, 0]);
    assert!(counts[0] == 1 && counts[1] <= 2);
}

/// Both objects are queued, and a mutator takes a run in the span while a marker scans.
fn black(twin: Twin) {
    let world = Arc::new(World::new(twin));
    world.mark(A);
    world.mark(B);
    let mutator = {
        let world = world.clone();
        thread::spawn(move || world.born_black())
    };
    world.scan();
    mutator.join().unwrap();
    world.check();
}

/// The span is queued with two objects. A marker marks a third while another one scans. Only the
/// order between mark and look decides which of them sees it (fault `grey_unordered`).
#[test]
fn what_is_marked_without_queueing_is_seen() {
    loom_tests::check(None, || {
        let world = Arc::new(World::new(Twin::No));
        world.mark(A);
        world.mark(B);
        let other = {
            let world = world.clone();
            thread::spawn(move || world.mark(C))
        };
        world.scan();
        other.join().unwrap();
        world.check();
    });
}

/// A marker marks B and C at once, while another one marks A and B at once and scans.
#[test]
fn neighbours_that_are_marked_at_once_are_scanned_once() {
    loom_tests::check(None, || {
        let world = Arc::new(World::new(Twin::No));
        let other = {
            let world = world.clone();
            thread::spawn(move || world.mark_all(B | C))
        };
        world.mark_all(A | B);
        world.scan();
        other.join().unwrap();
        world.check();
    });
}

#[test]
fn two_markers_scan_each_object_once() {
    loom_tests::check(None, || two_markers(Twin::No));
}

#[test]
fn what_is_marked_during_a_scan_is_scanned_by_it_or_after_it() {
    loom_tests::check(None, || one_scans(Twin::No));
}

#[test]
fn a_slot_that_is_born_black_is_not_scanned() {
    loom_tests::check(None, || black(Twin::No));
}

#[test]
fn what_is_near_is_scanned_whoever_else_finds_it() {
    loom_tests::check(None, || near(Twin::No));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_what_is_near_is_entered_and_not_scanned() {
    loom_tests::check(None, || near(Twin::EntersOnly));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_the_marks_are_looked_at_before_the_span_is_taken() {
    loom_tests::check(None, || one_scans(Twin::LooksThenTakes));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_the_span_is_queued_before_the_mark() {
    loom_tests::check(None, || one_scans(Twin::QueuesThenMarks));
}

#[test]
#[should_panic(expected = "held no object yet")]
fn broken_a_black_slot_is_marked_before_it_is_entered() {
    loom_tests::check(None, || black(Twin::MarksThenEnters));
}
