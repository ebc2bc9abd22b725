#![forbid(unsafe_code)]
//! The word under every guarded cell: who borrows it, whether a marker scans it, and for which cycle it has been
//! scanned or shaded (rule 5 of the protocol, INV-14).
//!
//! - Borrows exclude each other as in a `RefCell` or a lock.
//! - A marker takes the *scan* bit for the time of a scan; a cell that is exclusively borrowed it skips, because
//!   the borrower has shaded all that it holds, within a pin that the termination waits for. A skip records nothing.
//! - An exclusive borrow waits for a scan to end: the only wait, as long as the content takes to scan.
//!
//! A leaked guard leaves its cell locked for ever, so its content may go.

use crate::sync::{AtomicU32, AtomicU64, Ordering, chaos};

const EXCLUSIVE: u32 = 1 << 31;
const SCAN: u32 = 1 << 16;
const SHARED: u32 = SCAN - 1;

/// Why a borrow was refused, or that it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Borrow {
    /// It is the caller's.
    Done,
    /// Somebody else's borrow is in the way.
    Taken,
    /// A marker is scanning; try again.
    Scanning,
}

/// One word of borrows, and the cycle recorded.
///
/// `state`: bit 31 exclusive; bits 16 to 30 markers that scan; bits 0 to 15 shared borrows.
///
/// | from | to | by |
/// |---|---|---|
/// | no exclusive | one shared more | `share` |
/// | no exclusive | one scan more | `scan` |
/// | 0 | exclusive | `exclude` |
/// | exclusive | 0 | `release_exclusive` |
#[derive(Debug)]
pub struct CellLock {
    state: AtomicU32,
    /// The cycle in which the content was last scanned by a marker or shaded by its first borrower; 0 for none.
    /// Written under the scan bit or an exclusive borrow.
    cycle: AtomicU64,
}

impl CellLock {
    /// Not borrowed, no cycle recorded.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        CellLock { state: AtomicU32::new(0), cycle: AtomicU64::new(0) }
    }
    fn enter(&self, blocked: impl Fn(u32) -> bool, step: u32) -> Result<(), u32> {
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
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }
    /// A shared borrow. Acquire: what the last exclusive borrower wrote is visible.
    pub fn share(&self) -> Borrow {
        // The count must not run into the scan bits: the borrow that would make it is refused.
        match self.enter(|state| state & EXCLUSIVE != 0 || state & SHARED == SHARED, 1) {
            Ok(()) => Borrow::Done,
            Err(_) => Borrow::Taken,
        }
    }
    /// The end of a shared borrow.
    pub fn release_shared(&self) {
        self.state.fetch_sub(1, Ordering::Release);
    }
    /// An exclusive borrow.
    pub fn exclude(&self) -> Borrow {
        // Without a look first, which would fetch the line from another core twice: to read it, and to write to it.
        match self.state.compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Borrow::Done,
            Err(state) if state & (EXCLUSIVE | SHARED) == 0 => Borrow::Scanning,
            Err(_) => Borrow::Taken,
        }
    }
    /// The end of an exclusive borrow. Release: the next borrower and the markers see what it wrote.
    pub fn release_exclusive(&self) {
        // Nobody else changes the word meanwhile: every other transition is from a state without the bit. So it need not be a
        // read-modify-write, which would wait for all that the borrower has stored.
        self.state.store(0, Ordering::Release);
    }
    /// Runs `scan` unless the cell is exclusively borrowed, and records `cycle` then (if not 0); says whether.
    pub fn scan(&self, cycle: u64, scan: impl FnOnce()) -> bool {
        /// Leaves also when `scan` panics.
        struct Leave<'a>(&'a CellLock);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.state.fetch_sub(SCAN, Ordering::Release);
            }
        }
        if self.enter(|state| state & EXCLUSIVE != 0, SCAN).is_err() {
            if fault!("skip_records") {
                self.record(cycle);
            }
            return false;
        }
        let _leave = Leave(self);
        chaos();
        scan();
        if cycle != 0 {
            self.cycle.store(cycle, Ordering::Relaxed);
        }
        true
    }
    /// Whether somebody borrows exclusively. For an owner of the cell, whom nobody can be borrowing from: whether a guard
    /// was leaked.
    pub fn is_excluded(&self) -> bool {
        self.state.load(Ordering::Relaxed) & EXCLUSIVE != 0
    }
    /// Whether the content was scanned or shaded in `cycle`. For an exclusive borrower.
    pub fn is_recorded(&self, cycle: u64) -> bool {
        self.cycle.load(Ordering::Relaxed) == cycle
    }
    /// Records that the content was shaded in `cycle`. For an exclusive borrower, from Mark on only.
    pub fn record(&self, cycle: u64) {
        self.cycle.store(cycle, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
        assert!(!lock.scan(3, || panic!("a borrowed cell is skipped")) && !lock.is_recorded(3));
        lock.release_exclusive();
        assert!(
            lock.scan(3, || assert_eq!(lock.exclude(), Borrow::Scanning)) && lock.is_recorded(3)
        );
        assert_eq!(lock.exclude(), Borrow::Done);
    }
}
