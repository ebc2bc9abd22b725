//! INV-14 and rule 5 with content that loom watches: a borrower, another thread and a marker at one
//! cell. In Mark the first borrow shades and records. In Prep every borrow shades at both ends and
//! records nothing, or the pin keeps the cell. Then the pin shades at its first borrow and before
//! it ends, and another thread that uses the cell in between makes it shade again.
#![cfg(loom)]

use gc_core::model::{
    Borrow, CellLock, Cycle, Epoch, EpochWord, GreyRing, Mode, PinWord, ThreadNumber,
};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_tests::toy::{Toy, begin, handshake, pin, wait};

const CYCLE: Cycle = Cycle::new(1);
/// A root, scanned before the cell; empty.
const C: usize = 1;
/// The content of the cell.
const X: usize = 2;
/// White: made in Off or Prep.
const Y: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Whole,
    /// A borrow in Prep shades at its begin only.
    NoShadeAtTheEnd,
    /// A borrow in Prep records the cycle.
    PrepRecords,
    /// A borrow in Mark shades nothing.
    NoShadeInMark,
    /// The marker scans although the cell is borrowed.
    ScanWithoutTheBit,
    /// The borrower does not wait for a scan.
    BorrowOverAScan,
    /// A pin that keeps the cell does not shade what it has changed before it ends.
    NoSettling,
    /// Another thread's shared borrow of a kept cell leaves no trace.
    ReadUnseen,
    /// Another thread's exclusive borrow takes the kept content for shaded.
    TakenForShaded,
}

/// The keeper's number, and another thread's.
const KEEPER: ThreadNumber = ThreadNumber::new(5);
const OTHER: ThreadNumber = ThreadNumber::new(6);

struct World {
    epoch: EpochWord,
    pins: [PinWord; 2],
    rings: [GreyRing; 2],
    toy: Toy,
    lock: CellLock,
    content: UnsafeCell<usize>,
}

impl World {
    fn read(&self) -> usize {
        self.content.with(|p| {
            // SAFETY: loom itself checks that no thread writes at the same time.
            unsafe { *p }
        })
    }
    /// An exclusive borrow by thread `who` that leaves `new` in the cell. Returns the old content,
    /// or `None` if another thread borrows the cell.
    fn replace(&self, step: Step, mode: Mode, who: usize, new: usize) -> Option<usize> {
        loop {
            match self.lock.exclude() {
                Borrow::Done => break,
                Borrow::Scanning if step == Step::BorrowOverAScan => break,
                Borrow::Scanning => thread::yield_now(),
                Borrow::Taken | Borrow::Kept => return None,
            }
        }
        let ring = &self.rings[who];
        match mode {
            Mode::Off => {}
            Mode::Prep => {
                self.toy.shade(self.read(), ring);
                if step == Step::PrepRecords {
                    self.lock.record(CYCLE);
                }
            }
            Mode::Mark => {
                if step != Step::NoShadeInMark && !self.lock.is_recorded(CYCLE) {
                    self.toy.shade(self.read(), ring);
                    self.lock.record(CYCLE);
                }
            }
        }
        let old = self.content.with_mut(|p| {
            // SAFETY: as above.
            std::mem::replace(unsafe { &mut *p }, new)
        });
        if mode == Mode::Prep && step != Step::NoShadeAtTheEnd {
            self.toy.shade(self.read(), ring);
        }
        self.lock.release_exclusive();
        Some(old)
    }
    /// An exclusive borrow in Prep by a pin that keeps the cell.
    fn replace_kept(&self, new: usize) -> usize {
        let kept = loop {
            match self.lock.exclude_from(KEEPER) {
                Borrow::Done => break false,
                Borrow::Kept => break true,
                _ => thread::yield_now(),
            }
        };
        if !kept {
            self.toy.shade(self.read(), &self.rings[1]);
            self.lock.keep(KEEPER);
        }
        let old = self.content.with_mut(|p| {
            // SAFETY: as above.
            std::mem::replace(unsafe { &mut *p }, new)
        });
        self.lock.release_kept(true);
        old
    }
    /// Ends that pin.
    fn settle(&self, step: Step) {
        self.lock.settle(KEEPER, || {
            if step != Step::NoSettling {
                self.toy.shade(self.read(), &self.rings[1]);
            }
        });
        self.pins[1].clear();
    }
    /// A shared borrow by another thread. Returns the content, or null if the cell is taken.
    fn look(&self, step: Step) -> usize {
        let borrow = match self.lock.share() {
            Borrow::Scanning => self.lock.share_kept(|_| step == Step::ReadUnseen),
            other => other,
        };
        if borrow != Borrow::Done {
            return 0;
        }
        let seen = self.read();
        self.lock.release_shared();
        seen
    }
    /// An exclusive borrow in Mark by another thread, which empties the cell.
    fn take(&self, step: Step) -> usize {
        let who = if step == Step::TakenForShaded { KEEPER } else { OTHER };
        match self.lock.exclude_from(who) {
            Borrow::Done if !self.lock.is_recorded(CYCLE) => {
                self.toy.shade(self.read(), &self.rings[0]);
                self.lock.record(CYCLE);
            }
            Borrow::Done | Borrow::Kept => {}
            _ => return 0,
        }
        let old = self.content.with_mut(|p| {
            // SAFETY: as above.
            std::mem::replace(unsafe { &mut *p }, 0)
        });
        self.lock.release_exclusive();
        old
    }
    fn scan(&self, step: Step) {
        let scan = || {
            let _ = self.toy.mark(self.read());
        };
        if step == Step::ScanWithoutTheBit {
            scan();
        } else {
            self.lock.scan(CYCLE, scan);
        }
    }
    fn scan_root(&self) {
        assert!(self.toy.mark(C));
        self.toy.scan(&mut vec![C]);
    }
    fn finish(&self) {
        self.rings.iter().for_each(|ring| self.toy.drain(ring));
        self.toy.check(&[C, self.read()]);
    }
}

fn world() -> Arc<World> {
    Arc::new(World {
        epoch: EpochWord::new(),
        pins: [PinWord::new(), PinWord::new()],
        rings: [GreyRing::new(), GreyRing::new()],
        toy: Toy::new(&[0, 0, 0]),
        lock: CellLock::new(),
        content: UnsafeCell::new(X),
    })
}

/// In Mark: one thread takes the content and moves it behind the marker; another reads it.
fn in_mark(step: Step, reader: bool) {
    let world = world();
    let taker = {
        let world = world.clone();
        thread::spawn(move || {
            let x = loop {
                match world.replace(step, Mode::Mark, 0, 0) {
                    Some(x) => break x,
                    None => thread::yield_now(),
                }
            };
            world.toy.store(Mode::Mark, C, x, &world.rings[0]);
        })
    };
    let reader = reader.then(|| {
        let world = world.clone();
        thread::spawn(move || {
            if world.lock.share() == Borrow::Done {
                let x = world.read();
                world.lock.release_shared();
                return x;
            }
            0
        })
    });
    world.scan_root();
    world.scan(step);
    taker.join().unwrap();
    let seen = reader.map_or(0, |t| t.join().unwrap());
    world.finish();
    world.toy.check(&[seen]);
}

/// A borrower in Prep leaves Y, white, in the cell; the marker passes by.
fn from_prep(step: Step) {
    let world = world();
    let prep = Epoch::prep(CYCLE);
    begin(&world.epoch, prep);
    assert_eq!(pin(&world.pins[0], &world.epoch), prep);
    let borrower = {
        let world = world.clone();
        thread::spawn(move || {
            assert_eq!(world.replace(step, Mode::Prep, 0, Y), Some(X));
            world.pins[0].clear();
        })
    };
    let mark = Epoch::mark(CYCLE);
    begin(&world.epoch, mark);
    world.scan_root();
    world.scan(step);
    handshake(&world.epoch, &[&world.pins[0]], mark.next_round());
    borrower.join().unwrap();
    world.finish();
}

/// A thread in Prep has borrowed the cell. A thread still in Off leaves Y there. When it is in
/// Mark, it takes Y out behind the marker.
fn off_after_prep(step: Step) {
    let world = world();
    assert_eq!(pin(&world.pins[0], &world.epoch).mode(), Mode::Off);
    let prep = Epoch::prep(CYCLE);
    begin(&world.epoch, prep);
    assert_eq!(pin(&world.pins[1], &world.epoch), prep);
    let in_prep = {
        let world = world.clone();
        thread::spawn(move || {
            world.replace(step, Mode::Prep, 1, 0);
            world.pins[1].clear();
        })
    };
    let in_off = {
        let world = world.clone();
        thread::spawn(move || {
            world.replace(step, Mode::Off, 0, Y);
            world.pins[0].clear();
            thread::yield_now();
            let mode = pin(&world.pins[0], &world.epoch).mode();
            if let Some(y) = world.replace(step, mode, 0, 0) {
                world.toy.store(mode, C, y, &world.rings[0]);
            }
            world.pins[0].clear();
        })
    };
    let pins = [&world.pins[0], &world.pins[1]];
    wait(&pins, prep);
    let mark = Epoch::mark(CYCLE);
    begin(&world.epoch, mark);
    world.scan_root();
    thread::yield_now();
    world.scan(step);
    handshake(&world.epoch, &pins, mark.next_round());
    in_prep.join().unwrap();
    in_off.join().unwrap();
    world.finish();
}

#[derive(Clone, Copy, PartialEq)]
enum Other {
    Nobody,
    Reads,
    Takes,
    /// The cell was recorded in the cycle before the keeper came, by this thread.
    TakesAgain,
}

/// A pin in Prep leaves Y, white, in a cell that it keeps, and perhaps takes it out again. A thread
/// in Mark finds it there meanwhile, and puts it behind the marker.
fn kept_in_prep(step: Step, other: Other, again: bool) {
    let world = world();
    let prep = Epoch::prep(CYCLE);
    begin(&world.epoch, prep);
    assert_eq!(pin(&world.pins[1], &world.epoch), prep);
    let mark = Epoch::mark(CYCLE);
    if other != Other::Nobody {
        begin(&world.epoch, mark);
        assert_eq!(pin(&world.pins[0], &world.epoch), mark);
    }
    if other == Other::TakesAgain {
        assert_eq!(world.take(Step::Whole), X);
    }
    if other != Other::Nobody {
        // The marker has been here. With three threads at once there are too many orders; the SPIN
        // model explores those.
        world.scan_root();
        world.scan(step);
    }
    let keeper = {
        let world = world.clone();
        thread::spawn(move || {
            world.replace_kept(Y);
            if again {
                world.replace_kept(0);
            }
            world.settle(step);
        })
    };
    let other = (other != Other::Nobody).then(|| {
        let world = world.clone();
        thread::spawn(move || {
            let found = if other == Other::Reads { world.look(step) } else { world.take(step) };
            world.toy.store(Mode::Mark, C, found, &world.rings[0]);
            world.pins[0].clear();
        })
    });
    if other.is_none() {
        begin(&world.epoch, mark);
        world.scan_root();
        world.scan(step);
        handshake(&world.epoch, &[&world.pins[0], &world.pins[1]], mark.next_round());
    }
    keeper.join().unwrap();
    other.into_iter().for_each(|other| other.join().unwrap());
    world.finish();
}

#[test]
fn left_in_a_kept_cell() {
    loom_tests::check(None, || kept_in_prep(Step::Whole, Other::Nobody, false));
}

#[test]
fn read_in_a_kept_cell() {
    loom_tests::check(Some(2), || kept_in_prep(Step::Whole, Other::Reads, true));
}

#[test]
fn taken_from_a_kept_cell() {
    loom_tests::check(Some(2), || kept_in_prep(Step::Whole, Other::Takes, true));
}

#[test]
fn taken_again_from_a_kept_cell() {
    loom_tests::check(Some(2), || kept_in_prep(Step::Whole, Other::TakesAgain, false));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_kept_cell_is_not_settled() {
    loom_tests::check(None, || kept_in_prep(Step::NoSettling, Other::Nobody, false));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_kept_cell_is_read_unseen() {
    loom_tests::check(Some(2), || kept_in_prep(Step::ReadUnseen, Other::Reads, true));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_kept_cell_is_taken_for_shaded() {
    loom_tests::check(Some(2), || kept_in_prep(Step::TakenForShaded, Other::TakesAgain, false));
}

#[test]
fn taken_from_a_cell_in_mark() {
    loom_tests::check(None, || in_mark(Step::Whole, false));
}

#[test]
fn taken_and_read_in_mark() {
    loom_tests::check(Some(2), || in_mark(Step::Whole, true));
}

#[test]
fn left_in_a_cell_in_prep() {
    loom_tests::check(None, || from_prep(Step::Whole));
}

#[test]
fn left_in_off_after_a_borrow_in_prep() {
    loom_tests::check(Some(2), || off_after_prep(Step::Whole));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_no_shade_in_mark() {
    loom_tests::check(None, || in_mark(Step::NoShadeInMark, false));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_scan_without_the_bit() {
    loom_tests::check(None, || in_mark(Step::ScanWithoutTheBit, false));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_borrow_over_a_scan() {
    loom_tests::check(None, || in_mark(Step::BorrowOverAScan, false));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_no_shade_at_the_end_in_prep() {
    loom_tests::check(None, || from_prep(Step::NoShadeAtTheEnd));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_a_borrow_in_prep_records() {
    loom_tests::check(Some(2), || off_after_prep(Step::PrepRecords));
}
