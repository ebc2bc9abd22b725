#![forbid(unsafe_code)]
//! The word of every guarded cell. It records who borrows the cell, and whether a marker scans it.
//! It also records the cycle in which the cell was scanned or shaded (rule 5 of the protocol,
//! INV-14).
//!
//! - Borrows exclude each other as in a `RefCell` or a lock.
//! - A marker sets a *scan* bit during a scan. It skips a cell that is exclusively borrowed: the
//!   borrower has shaded the content, in a pin that termination waits for. A skip records nothing.
//! - An exclusive borrow waits for a scan to end. That is the only wait, as long as the content
//!   takes to scan.
//! - A pin in Prep *keeps* a cell between its borrows. It shades the content at its first borrow,
//!   and once more in [`CellLock::settle`], before the pin ends. Until then the cell may hold
//!   pointers that are not shaded, which the word notes. Another thread that uses the cell either
//!   shades it, or clears the note, so that the keeper shades again.
//!
//! A leaked guard leaves its cell locked for ever, so the objects that it points to may be freed.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::word::{Cycle, ThreadNumber};

const EXCLUSIVE: u32 = 1 << 31;
const KEPT: u32 = 1 << 30;
const CHANGED: u32 = 1 << 29;
const NOTES: u32 = KEPT | CHANGED;
const SCAN: u32 = 1 << 16;
const SHARED: u32 = SCAN - 1;

/// The result of an attempt to borrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Borrow {
    /// The caller has the borrow.
    Done,
    /// The caller has the borrow. Its pin kept the cell and no other thread has been in it, so the
    /// content need not be shaded again.
    Kept,
    /// Another borrow conflicts.
    Taken,
    /// A marker is scanning, or a pin keeps the cell; try again with `exclude_from` or
    /// `share_kept`.
    Scanning,
}

/// Ends a scan, also when it panics.
struct Leave<'a>(&'a CellLock);
impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(SCAN, Ordering::Release);
    }
}

/// One word of borrows, and the cycle recorded.
///
/// `state`: bit 31 is an exclusive borrow. Bits 29 and 30 are the notes of a pin that keeps the
/// cell. *Kept*: no other thread has been in it since the keeper shaded it. *Changed*: it may hold
/// pointers that are not shaded. Bits 16 to 28 count markers that scan, bits 0 to 15 shared
/// borrows. While there is a note, `cycle` holds the keeper.
///
/// | from | to | by |
/// |---|---|---|
/// | no exclusive | one shared more | `share`, `share_kept` |
/// | kept | changed | `share_kept`, by another than the keeper |
/// | no exclusive | one scan more | `scan` |
/// | 0 | exclusive | `exclude` |
/// | notes | exclusive, and changed if the keeper is the caller and it is kept | `exclude_from` |
/// | exclusive | 0 | `release_exclusive` |
/// | exclusive | kept, and changed if it is or was | `release_kept` |
/// | notes | no notes | `settle`, by the keeper |
#[derive(Debug)]
pub struct CellLock {
    state: AtomicU32,
    /// The cycle in which a marker last scanned the content or its first borrower shaded it; 0 for
    /// none. While `state` has notes, the number of the keeper's record instead. Written under the
    /// scan bit or an exclusive borrow.
    cycle: AtomicU64,
}

impl CellLock {
    /// Not borrowed, no cycle recorded.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        CellLock { state: AtomicU32::new(0), cycle: AtomicU64::new(0) }
    }
    /// Adds `step`, unless `blocked`. Returns the word before, as `Err` if it was blocked.
    fn enter(&self, blocked: impl Fn(u32) -> bool, step: u32) -> Result<u32, u32> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if blocked(state) {
                return Err(state);
            }
            match self.state.compare_exchange_weak(
                state,
                state + step,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(before) => return Ok(before),
                Err(now) => state = now,
            }
        }
    }
    /// The keeper, while there are notes.
    fn keeper(&self) -> ThreadNumber {
        ThreadNumber::new(self.cycle.load(Ordering::Relaxed))
    }
    /// Takes a shared borrow. Acquire: what the last exclusive borrower wrote is visible.
    pub fn share(&self) -> Borrow {
        // The count must not overflow into the scan bits, so the last borrow is refused.
        match self.enter(|state| state & (EXCLUSIVE | KEPT) != 0 || state & SHARED == SHARED, 1) {
            Ok(_) => Borrow::Done,
            Err(state) if state & EXCLUSIVE == 0 && state & SHARED != SHARED => Borrow::Scanning,
            Err(_) => Borrow::Taken,
        }
    }
    /// Takes a shared borrow of a cell that a pin keeps. `is_mine` returns whether a keeper is the
    /// calling thread's only pin. Another thread could copy a pointer that is not shaded, or store
    /// into cells inside without a shade (in Off). So after it the keeper is no longer alone.
    pub fn share_kept(&self, is_mine: impl FnOnce(ThreadNumber) -> bool) -> Borrow {
        let before = self.enter(|state| state & EXCLUSIVE != 0 || state & SHARED == SHARED, 1);
        let Ok(before) = before else { return Borrow::Taken };
        // The shared borrow excludes every keeper. So the keeper that is read here is the one of
        // `before`, or has settled.
        let alone = before & KEPT == 0 || is_mine(self.keeper());
        if !alone {
            // Before the caller reads the content, and so before the keeper's next borrow. One note
            // stays set, so that `cycle` is not taken for a cycle.
            self.state.fetch_or(CHANGED, Ordering::Relaxed);
            self.state.fetch_and(!KEPT, Ordering::Relaxed);
        }
        Borrow::Done
    }
    /// Ends a shared borrow.
    pub fn release_shared(&self) {
        self.state.fetch_sub(1, Ordering::Release);
    }
    /// Takes an exclusive borrow.
    pub fn exclude(&self) -> Borrow {
        // Without a load first, which would fetch the line from another core twice: to read it, and
        // to write it.
        match self.state.compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Borrow::Done,
            Err(state) if state & (EXCLUSIVE | SHARED) == 0 => Borrow::Scanning,
            Err(_) => Borrow::Taken,
        }
    }
    /// Takes an exclusive borrow, by the record `who`, of a cell that a pin may keep. A caller that
    /// is not the keeper finds no cycle recorded. So it shades what the keeper has not shaded.
    pub fn exclude_from(&self, who: ThreadNumber) -> Borrow {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & (EXCLUSIVE | SHARED) != 0 {
                return Borrow::Taken;
            }
            if state & !NOTES != 0 {
                return Borrow::Scanning;
            }
            let to = EXCLUSIVE | state & CHANGED;
            match self.state.compare_exchange(state, to, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & NOTES == 0 {
            return Borrow::Done;
        }
        if state & KEPT != 0 && self.keeper() == who {
            return Borrow::Kept;
        }
        self.cycle.store(0, Ordering::Relaxed);
        // No other thread changes the word while the bit is set.
        self.state.store(EXCLUSIVE, Ordering::Relaxed);
        Borrow::Done
    }
    /// Lets the exclusive borrower keep the cell: its pin, of the record `who`, is in Prep and has
    /// shaded the content.
    pub fn keep(&self, who: ThreadNumber) {
        self.cycle.store(who.get(), Ordering::Relaxed);
    }
    /// Ends an exclusive borrow by the keeper, which may have changed the content. Release: as
    /// below.
    pub fn release_kept(&self, changed: bool) {
        let before = self.state.load(Ordering::Relaxed) & CHANGED;
        let notes = KEPT | before | if changed { CHANGED } else { 0 };
        self.state.store(notes, Ordering::Release);
    }
    /// Ends the keeping of `who`, before its pin ends. Runs `shade` if the content was changed
    /// since it was shaded. Does nothing if another thread has taken the cell over: that thread has
    /// shaded it, or is in Off.
    pub fn settle(&self, who: ThreadNumber, shade: impl FnOnce()) {
        // As a scan, so that it does not wait for other threads' borrows. A thread that borrows
        // exclusively has taken the cell over.
        let Ok(before) = self.enter(|state| state & EXCLUSIVE != 0, SCAN) else { return };
        let _leave = Leave(self);
        if before & NOTES == 0 || self.keeper() != who {
            return;
        }
        if before & CHANGED != 0 {
            shade();
        }
        self.cycle.store(0, Ordering::Relaxed);
        // Release: a marker that finds no notes records its cycle after this.
        self.state.fetch_and(!NOTES, Ordering::Release);
    }
    /// Ends an exclusive borrow. Release: the next borrower and the markers see what it wrote.
    pub fn release_exclusive(&self) {
        // No other thread changes the word meanwhile: every other transition is from a state
        // without the bit. So a plain store suffices. A read-modify-write would wait for all that
        // the borrower has stored.
        self.state.store(0, Ordering::Release);
    }
    /// Runs `scan` and then records `cycle`, if there is one. Does nothing if the cell is
    /// exclusively borrowed. Returns whether it ran.
    pub fn scan(&self, cycle: Cycle, scan: impl FnOnce()) -> bool {
        let Ok(before) = self.enter(|state| state & EXCLUSIVE != 0, SCAN) else {
            return false;
        };
        let _leave = Leave(self);
        scan();
        // While there are notes, `cycle` is the keeper's number.
        if cycle != Cycle::NONE && before & NOTES == 0 {
            self.cycle.store(cycle.get(), Ordering::Relaxed);
        }
        true
    }
    /// Returns whether there is an exclusive borrow. For an owner of the cell, which excludes
    /// borrows by other threads: whether a guard was leaked.
    pub fn is_excluded(&self) -> bool {
        self.state.load(Ordering::Relaxed) & EXCLUSIVE != 0
    }
    /// Returns whether the content was scanned or shaded in `cycle`. For an exclusive borrower.
    pub fn is_recorded(&self, cycle: Cycle) -> bool {
        self.cycle.load(Ordering::Relaxed) == cycle.get()
    }
    /// Records that the content was shaded in `cycle`. For an exclusive borrower, from Mark on
    /// only.
    pub fn record(&self, cycle: Cycle) {
        self.cycle.store(cycle.get(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    const THIRD: Cycle = Cycle::new(3);

    #[test]
    fn borrows_exclude_each_other() {
        let lock = CellLock::new();
        assert_eq!(
            (lock.share(), lock.share(), lock.exclude()),
            (Borrow::Done, Borrow::Done, Borrow::Taken)
        );
        lock.release_shared();
        lock.release_shared();
        assert_eq!(
            (lock.exclude(), lock.exclude(), lock.share()),
            (Borrow::Done, Borrow::Taken, Borrow::Taken)
        );
        assert!(
            !lock.scan(THIRD, || panic!("a borrowed cell is skipped")) && !lock.is_recorded(THIRD)
        );
        lock.release_exclusive();
        assert!(
            lock.scan(THIRD, || assert_eq!(lock.exclude(), Borrow::Scanning))
                && lock.is_recorded(THIRD)
        );
        assert_eq!(lock.exclude(), Borrow::Done);
    }

    #[test]
    fn a_cell_is_kept_until_another_comes_or_it_is_settled() {
        const ME: ThreadNumber = ThreadNumber::new(7);
        const OTHER: ThreadNumber = ThreadNumber::new(8);
        let keep = |changed| {
            let lock = CellLock::new();
            assert_eq!(lock.exclude(), Borrow::Done);
            lock.keep(ME);
            lock.release_kept(changed);
            lock
        };
        let lock = keep(true);
        assert_eq!((lock.exclude(), lock.exclude_from(ME)), (Borrow::Scanning, Borrow::Kept));
        assert!(!lock.scan(THIRD, || panic!("a borrowed cell is skipped")));
        lock.release_kept(false);
        // A scan and the keeper's own read leave the notes. A change stays noted.
        assert!(lock.scan(THIRD, || {}) && !lock.is_recorded(THIRD));
        assert_eq!(
            (lock.share(), lock.share_kept(|who| who == ME)),
            (Borrow::Scanning, Borrow::Done)
        );
        lock.release_shared();
        assert_eq!(lock.exclude_from(ME), Borrow::Kept);
        lock.release_kept(false);
        // Another thread's read clears the note.
        assert_eq!(lock.share_kept(|_| false), Borrow::Done);
        assert_eq!(lock.exclude_from(ME), Borrow::Taken);
        lock.release_shared();
        assert_eq!(lock.share(), Borrow::Done);
        lock.release_shared();
        let mut shaded = 0;
        lock.settle(ME, || shaded += 1);
        lock.settle(ME, || shaded += 1);
        assert_eq!((shaded, lock.exclude()), (1, Borrow::Done));

        // Another thread's borrow takes the cell over, with no cycle recorded.
        let lock = keep(true);
        assert_eq!(lock.exclude_from(OTHER), Borrow::Done);
        assert!(!lock.is_recorded(Cycle::new(ME.get())) && lock.is_recorded(Cycle::NONE));
        lock.settle(ME, || panic!("it is another's"));
        lock.keep(OTHER);
        lock.release_kept(true);
        lock.settle(ME, || panic!("it is another's"));
        // Unchanged content is not shaded again, unless another thread may have changed a cell
        // inside.
        let lock = keep(false);
        assert_eq!(lock.exclude_from(ME), Borrow::Kept);
        lock.release_kept(false);
        lock.settle(ME, || panic!("nothing was changed"));
        assert_eq!(lock.exclude(), Borrow::Done);
        let lock = keep(false);
        assert_eq!(lock.share_kept(|_| false), Borrow::Done);
        lock.release_shared();
        assert!(lock.scan(Cycle::new(ME.get()), || {}) && lock.exclude_from(ME) == Borrow::Done);
        assert!(!lock.is_recorded(Cycle::new(ME.get())));
    }
}
