//! The limits in force, in words that all threads read, and what a thread may take near them.
//!
//! Life of a limit:
//! 1. The builder sets it, and [`Limits::change`] sets another one while the heap runs. The
//!    collector notices a change ([`Limits::take_change`]). It reads the container's limit again
//!    with each cycle.
//! 2. The collector publishes what holds ([`Limits::adopt`]): the soft limit in bytes, and the part
//!    of it that the pacer may plan with.
//! 3. A refill that needs fresh memory asks how tight memory is ([`Limits::tightness`]). Below the
//!    lines it may take freely. Above a line it draws on its thread's ration, and a thread without
//!    a ration waits before its next pin.
//! 4. A thread that has waited gets a new ration: a share of what the cycle left
//!    ([`Limits::share`]).
//!
//! | line | at | a thread over it |
//! |---|---|---|
//! | soft | 17/16 of the soft limit, spans and external bytes | waits until a cycle ends, or for 10 ms a block |
//! | far | 11/10 of it | waits until a cycle ends, or for 100 ms |
//! | hard | 15/16 of the hard limit, spans only | waits for the end of a cycle, as long as that goes on |
//!
//! Only pacing depends on these words, so all accesses are relaxed. `heap::page_alloc` enforces the
//! hard limit itself.

use crate::config::{BLOCK, Settings};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::word::Bytes;
use std::time::Duration;

/// The longest single wait over the soft line, for each block, and over the far line.
const STEP: Duration = Duration::from_millis(10);
pub(crate) const LONGEST_STEP: Duration = Duration::from_millis(100);
/// The ration of a thread whose wait has freed nothing: a block, and free slots for some refills of
/// each of its classes. With each cycle a thread gives its spans up and takes them again. So with
/// fewer slots it would wait for a cycle at each refill.
pub(crate) const LEAST_RATION: Bytes = Bytes::of(BLOCK);
const LEAST_SLOTS: Bytes = Bytes::of(16 * BLOCK);

/// How tight memory is for a thread that needs fresh memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tightness {
    Free,
    /// Over a line of the soft limit; with the longest wait.
    Soft(Duration),
    /// Over the line of the hard limit. The value is the longest wait for the soft limit, if one of
    /// its lines is passed too.
    Hard(Option<Duration>),
}

/// What a thread may take before it waits again, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ration {
    /// Bytes of fresh memory.
    pub(crate) fresh: Bytes,
    /// Bytes of free slots. After that the thread looks whether its classes run out of them.
    pub(crate) slots: Bytes,
}

impl Ration {
    pub(crate) const LEAST: Ration = Ration { fresh: LEAST_RATION, slots: LEAST_SLOTS };
}

/// What the heap takes and what it may take, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Blocks in spans, and the most that they may be.
    pub(crate) used: Bytes,
    pub(crate) hard: Bytes,
    /// External bytes.
    pub(crate) external: Bytes,
    /// Bytes live after the last cycle, external ones included.
    pub(crate) kept: Bytes,
}

/// The limits of a heap.
///
/// | field | written by | read by |
/// |---|---|---|
/// | `settings`, `changed` | `change` | the collector |
/// | `soft`, `bound`, `busy` | the collector | refills that need fresh memory, the scavenger |
/// | `near` | refills that find it tight, the collector at the end of a cycle | `is_near_limit` |
/// | `pauses`, `floor` | threads that pause collection, and end that | the collector, refills |
#[derive(Debug)]
pub(crate) struct Limits {
    settings: Mutex<Settings>,
    changed: AtomicBool,
    soft: AtomicU64,
    bound: AtomicU64,
    busy: AtomicU32,
    near: AtomicBool,
    pauses: Mutex<Vec<Bytes>>,
    floor: AtomicU64,
}

impl Limits {
    pub(crate) fn new(settings: Settings) -> Limits {
        Limits {
            settings: Mutex::new(settings),
            changed: AtomicBool::new(false),
            soft: AtomicU64::new(u64::MAX),
            bound: AtomicU64::new(u64::MAX),
            busy: AtomicU32::new(1),
            near: AtomicBool::new(false),
            pauses: Mutex::new(Vec::new()),
            floor: AtomicU64::new(0),
        }
    }

    // ---- settings ----

    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock()
    }
    /// Changes the settings by `change`, or leaves them as they are if `change` fails.
    pub(crate) fn change<E>(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut settings = self.settings.lock();
        let mut changed = *settings;
        change(&mut changed)?;
        *settings = changed;
        self.changed.store(true, Ordering::Relaxed);
        Ok(())
    }
    /// Returns whether the settings were changed since the last call.
    pub(crate) fn take_change(&self) -> bool {
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::Relaxed)
    }

    // ---- what holds ----

    /// Sets the soft limit and the pacer's limit `bound`, in bytes.
    pub(crate) fn adopt(&self, soft: Bytes, bound: Bytes) {
        self.soft.store(soft.get(), Ordering::Relaxed);
        self.bound.store(bound.get(), Ordering::Relaxed);
    }
    /// The soft limit; [`Bytes::MAX`] if there is none.
    pub(crate) fn soft(&self) -> Bytes {
        Bytes::new(self.soft.load(Ordering::Relaxed))
    }
    /// The soft line and the far line.
    fn lines(&self) -> (Bytes, Bytes) {
        let soft = self.soft();
        (soft.saturating_add(soft / 16), self.far())
    }
    /// The far line: most of what the heap takes over its soft limit.
    pub(crate) fn far(&self) -> Bytes {
        let soft = self.soft();
        soft.saturating_add(soft / 10)
    }
    /// The limit that the pacer plans with: the smaller of the soft limit and the line of the hard
    /// limit.
    pub(crate) fn bound(&self) -> Bytes {
        Bytes::new(self.bound.load(Ordering::Relaxed))
    }
    /// Records how many threads allocate.
    pub(crate) fn set_busy(&self, threads: usize) {
        self.busy.store(threads.max(1) as u32, Ordering::Relaxed);
    }
    /// Returns whether memory was short at the last look.
    #[inline(always)]
    pub(crate) fn is_near(&self) -> bool {
        self.near.load(Ordering::Relaxed)
    }
    pub(crate) fn set_near(&self, near: bool) {
        if self.is_near() != near {
            self.near.store(near, Ordering::Relaxed);
        }
    }

    // ---- rations ----

    /// Returns how tight memory is when `more` bytes are about to be taken.
    pub(crate) fn tightness(&self, room: Room, more: Bytes) -> Tightness {
        let total = room.used.saturating_add(room.external).saturating_add(more);
        let (line, far) = self.lines();
        let step = (total > line).then(|| if total > far { LONGEST_STEP } else { STEP });
        if room.used.saturating_add(more) > room.hard - room.hard / 16 {
            Tightness::Hard(step)
        } else {
            step.map_or(Tightness::Free, Tightness::Soft)
        }
    }

    /// Returns the ration of a thread after a cycle, in a heap that counts `live` bytes. All
    /// threads that allocate get the same.
    ///
    /// Together they get half of what is left above the line if more than 3/4 of the limit is live.
    /// So the last part of a hard limit is used up within some ten cycles, and then allocation
    /// fails. If less is live, the heap should reuse free slots. Then the threads get 1/8 of what
    /// is left of the soft limit, and 1/32 of the hard one. Live bytes may pass a soft limit: then
    /// the threads get at least 1/64 of it.
    pub(crate) fn share(&self, room: Room, live: Bytes, hard: bool) -> Ration {
        let soft = self.soft();
        let (line, far) = self.lines();
        let total = room.used.saturating_add(room.external);
        // Only bytes above a line are drawn from a ration.
        let left = far.saturating_sub(total.max(line));
        let by_soft = match room.kept {
            _ if soft == Bytes::MAX => Bytes::MAX,
            kept if kept > soft => (left / 2).max(soft / 64),
            kept if kept > soft / 4 * 3 => left / 2,
            _ => left / 8,
        };
        let part = if live > room.hard / 4 * 3 { 2 } else { 32 };
        let line = room.hard - room.hard / 16;
        let by_hard = room.hard.saturating_sub(room.used.max(line)) / part;
        let busy = u64::from(self.busy.load(Ordering::Relaxed));
        let fresh = if hard { by_hard.min(by_soft) } else { by_soft };
        let fresh = (fresh / busy).max(LEAST_RATION);
        let slots = room.used.saturating_sub(live) / 8 / busy;
        Ration { fresh, slots: slots.max(fresh).max(LEAST_SLOTS) }
    }

    // ---- pauses ----

    /// Stops cycles from starting by themselves below `bytes`, until `resume` is called with the
    /// same number.
    pub(crate) fn pause(&self, bytes: Bytes) {
        self.with_pauses(|pauses| pauses.push(bytes));
    }
    pub(crate) fn resume(&self, bytes: Bytes) {
        self.with_pauses(|pauses| {
            if let Some(at) = pauses.iter().position(|each| *each == bytes) {
                pauses.swap_remove(at);
            }
        });
    }
    fn with_pauses(&self, change: impl FnOnce(&mut Vec<Bytes>)) {
        let mut pauses = self.pauses.lock();
        change(&mut pauses);
        let floor = pauses.iter().copied().min().unwrap_or_default();
        self.floor.store(floor.get(), Ordering::Relaxed);
    }
    /// Bytes below which no cycle starts by itself.
    pub(crate) fn floor(&self) -> Bytes {
        Bytes::new(self.floor.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    const MB: Bytes = Bytes::new(1 << 20);

    fn limits(soft: Bytes) -> Limits {
        let limits = Limits::new(Settings { gc_percent: 100, memory_limit: 0, heap_limit: 0 });
        limits.adopt(soft, soft);
        limits
    }
    fn room(used: u64, external: u64) -> Room {
        Room { used: used * MB, hard: 1600 * MB, external: external * MB, kept: Bytes::ZERO }
    }

    #[test]
    fn it_is_tight_above_the_lines() {
        let limits = limits(160 * MB);
        let at = |used, external, more| limits.tightness(room(used, external), more * MB);
        assert_eq!(at(100, 60, 10), Tightness::Free);
        assert_eq!(at(100, 60, 11), Tightness::Soft(STEP));
        assert_eq!(at(10, 160, 7), Tightness::Soft(LONGEST_STEP));
        assert_eq!(at(1500, 0, 1), Tightness::Hard(Some(LONGEST_STEP)));
        limits.adopt(Bytes::MAX, Bytes::MAX);
        assert_eq!(
            at(1500, 1 << 40, 0),
            Tightness::Free,
            "nothing external counts for the hard limit"
        );
        assert_eq!(at(1500, 0, 1), Tightness::Hard(None));
    }

    #[test]
    fn what_is_left_is_shared_and_nobody_gets_nothing() {
        let limits = limits(640 * MB);
        limits.set_busy(4);
        let fresh = |used, external, live, hard| {
            let room = Room { kept: (live + external) * MB, ..room(used, external) };
            limits.share(room, live * MB, hard).fresh
        };
        assert_eq!(
            fresh(660, 0, 500, false),
            24 * MB / 2 / 4,
            "below the line nothing is rationed"
        );
        assert_eq!(fresh(690, 0, 500, false), 14 * MB / 2 / 4);
        assert_eq!(fresh(900, 0, 500, false), LEAST_RATION, "what lives is below the limit");
        assert_eq!(fresh(900, 0, 700, false), 10 * MB / 4);
        assert_eq!(fresh(100, 1000, 50, false), 10 * MB / 4);
        assert_eq!(fresh(640, 0, 50, false), 3 * MB / 4);
        assert_eq!(fresh(900, 0, 50, false), LEAST_RATION);
        limits.adopt(Bytes::MAX, Bytes::MAX);
        assert_eq!(fresh(1560, 0, 1500, true), 5 * MB);
        assert_eq!(fresh(1568, 0, 500, true), MB / 4);
        assert_eq!(fresh(1600, 0, 1500, true), LEAST_RATION);
        limits.set_busy(0);
        assert_eq!(fresh(1560, 0, 1500, true), 20 * MB);
        assert_eq!(limits.share(room(1560, 0), 760 * MB, true).slots, 100 * MB);
    }

    #[test]
    fn a_hard_limit_that_nothing_is_freed_below_is_used_up_in_some_ten_waits() {
        let limits = limits(Bytes::MAX);
        let mut used = 1500 * MB;
        let waits = (1..).find(|_| {
            let room = Room { used, hard: 1600 * MB, external: Bytes::ZERO, kept: used };
            used += limits.share(room, used, true).fresh;
            used >= 1600 * MB
        });
        assert!(waits.is_some_and(|n| n < 20), "{waits:?}");
    }

    #[test]
    fn the_lowest_pause_counts_until_it_ends() {
        let limits = limits(MB);
        assert_eq!(limits.floor(), Bytes::new(0));
        limits.pause(Bytes::new(50));
        limits.pause(Bytes::new(20));
        limits.pause(Bytes::new(20));
        limits.resume(Bytes::new(20));
        assert_eq!(limits.floor(), Bytes::new(20));
        limits.resume(Bytes::new(20));
        assert_eq!(limits.floor(), Bytes::new(50));
        limits.resume(Bytes::new(50));
        assert_eq!(limits.floor(), Bytes::new(0));
    }

    #[test]
    fn a_change_is_noticed_once_and_a_refused_one_never() {
        let limits = limits(MB);
        let refused: Result<(), ()> = limits.change(|settings| {
            settings.gc_percent = 7;
            Err(())
        });
        assert!(refused.is_err() && !limits.take_change() && limits.settings().gc_percent == 100);
        let done: Result<(), ()> = limits.change(|settings| {
            settings.gc_percent = 50;
            Ok(())
        });
        assert!(done.is_ok() && limits.take_change() && !limits.take_change());
        assert_eq!(limits.settings().gc_percent, 50);
    }
}
