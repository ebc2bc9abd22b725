#![forbid(unsafe_code)]
//! Cycles without a trigger: for a program that rests, and for one that allocates slowly.
//!
//! A burst that ends leaves garbage below the next trigger. A program that then stops to allocate
//! never reaches the trigger. So the collector looks for *signs of life* ([`Signs`]): allocation,
//! external bytes, dropped roots, pools in use. They determine when it runs a cycle by itself
//! ([`Idle::due`]):
//!
//! - After `idle_after` (5 s) without a sign, if there was a sign since the last cycle began.
//! - Once more after the same time, to confirm. What was allocated during the last cycle was born
//!   black, and what destructors released is garbage only now. The scavenger forgets the burst with
//!   the second cycle after it.
//! - If signs go on and the trigger is far: [`TRICKLE`] times `idle_after` after the first sign.
//!
//! Such a cycle starts at least [`SPARING`] times the last cycle's cost after its end. So it takes
//! at most 2 % of a core, however large the heap. After a confirming cycle, the collector runs none
//! until there is a sign.

use crate::word::Bytes;
use std::time::Duration;

/// A heap with slow allocation gets a cycle after `TRICKLE * idle_after`.
const TRICKLE: u32 = 4;
/// The least time between such cycles is `SPARING` times the cost of one.
const SPARING: u32 = 50;

/// What shows that a program uses its heap. Each number only grows, except the pressure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Bytes of slots that threads took.
    pub(crate) taken: Bytes,
    /// External bytes taken, plus those released.
    pub(crate) external: Bytes,
    /// First uses of caches beside the heap after each cycle.
    pub(crate) caches: u64,
    /// External bytes that the next cycle may free. A cycle sets them to zero.
    pub(crate) pressure: Bytes,
}

/// When the collector runs a cycle without a trigger. Times count from when the heap was made.
#[derive(Debug)]
pub(crate) struct Idle {
    after: Duration,
    seen: Signs,
    /// There was a sign since the last cycle began.
    active: bool,
    /// There was no sign between the last cycle and the one before.
    settled: bool,
    /// Times of the first and the last sign since the last cycle, and of the end of that cycle.
    began: Duration,
    changed: Duration,
    ended: Duration,
    cost: Duration,
}

impl Idle {
    /// The state of an unused heap. The collector leaves a quiet heap alone for `after`; the
    /// largest number means for ever.
    pub(crate) fn new(after: Duration) -> Idle {
        Idle {
            after,
            seen: Signs::default(),
            active: false,
            settled: true,
            began: Duration::ZERO,
            changed: Duration::ZERO,
            ended: Duration::ZERO,
            cost: Duration::ZERO,
        }
    }

    /// Compares the signs with those of the last look. Returns whether there was one since.
    pub(crate) fn look(&mut self, now: Duration, signs: Signs) -> bool {
        let before = std::mem::replace(&mut self.seen, signs);
        let moved = signs.taken != before.taken
            || signs.external != before.external
            || signs.caches != before.caches
            || signs.pressure > before.pressure;
        if moved {
            self.note(now);
        }
        moved
    }
    /// Records a sign of another kind.
    pub(crate) fn note(&mut self, now: Duration) {
        if !std::mem::replace(&mut self.active, true) {
            self.began = now;
        }
        self.changed = now;
    }
    /// Returns whether only a new sign can cause another such cycle.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.active && self.settled
    }

    /// Records that a cycle begins, for whatever reason.
    pub(crate) fn cycle_begins(&mut self, signs: Signs) {
        self.look(self.changed, signs);
        self.settled = !std::mem::take(&mut self.active);
    }
    /// Records that the cycle has ended, and took `cost` of CPU time.
    pub(crate) fn cycle_ended(&mut self, now: Duration, cost: Duration) {
        self.seen.pressure = Bytes::ZERO;
        (self.ended, self.cost) = (now, cost);
    }

    /// Returns when the next such cycle is due, if nothing changes.
    pub(crate) fn due(&self) -> Option<Duration> {
        if self.is_at_rest() {
            return None;
        }
        let since = |at: Duration, wait: Duration| at.checked_add(wait.max(self.cost * SPARING));
        let trickle = since(self.ended.max(self.began), self.after.checked_mul(TRICKLE)?)?;
        let quiet = since(self.ended, self.after)?.max(self.changed.checked_add(self.after)?);
        Some(quiet.min(trickle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MB: u64 = 1 << 20;
    const IDLE_AFTER: Duration = Duration::from_secs(5);

    /// A program that allocates `rate(second)` bytes a second, and its cycles (each costs `cost`),
    /// looked at every 100 ms for `seconds`: when they were.
    fn simulate(seconds: u32, cost: Duration, rate: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut idle = Idle::new(IDLE_AFTER);
        let (mut signs, mut cycles) = (Signs::default(), Vec::new());
        for step in 0..seconds * 10 {
            let now = step * 100 * MS;
            signs.taken += Bytes::new(rate(step / 10) / 10);
            idle.look(now, signs);
            if idle.due().is_some_and(|at| at <= now) {
                idle.cycle_begins(signs);
                idle.cycle_ended(now, cost);
                cycles.push(step / 10);
            }
        }
        cycles
    }

    #[test]
    fn a_burst_is_collected_twice_and_then_never() {
        let burst = |second| if second < 3 { 100 * MB } else { 0 };
        assert_eq!(simulate(600, 10 * MS, burst), [7, 12]);
        // Marking it takes a second: each waits for fifty.
        assert_eq!(simulate(600, 1000 * MS, burst), [7, 57]);
        assert_eq!(simulate(600, MS, |_| 0), [0u32; 0], "the heap is not used");
    }

    #[test]
    fn a_trickle_comes_down_and_pays_two_percent_at_most() {
        let trickle = |second| if second < 3 { 100 * MB } else { 1000 };
        assert_eq!(simulate(100, 10 * MS, trickle), [20, 40, 60, 80]);
        assert_eq!(simulate(400, 2000 * MS, trickle), [20, 120, 220, 320]);
        let now_and_then = |second| if second % 60 == 0 { MB } else { 0 };
        assert_eq!(simulate(180, MS, now_and_then), [5, 10, 65, 70, 125, 130]);
    }

    #[test]
    fn other_signs_and_other_cycles_count() {
        let mut idle = Idle::new(IDLE_AFTER);
        let at = |seconds| Duration::from_secs(seconds);
        let signs = Signs {
            taken: Bytes::new(MB),
            external: Bytes::new(3),
            caches: 2,
            pressure: Bytes::new(5),
        };
        assert!(idle.look(at(1), signs) && !idle.look(at(2), signs));
        // The trigger was reached: the cycle has to be confirmed.
        idle.cycle_begins(signs);
        idle.cycle_ended(at(3), MS);
        let signs = Signs { pressure: Bytes::ZERO, ..signs };
        assert!(!idle.look(at(4), signs), "the cycle took the pressure off");
        assert_eq!((idle.due(), idle.is_at_rest()), (Some(at(8)), false));
        idle.cycle_begins(signs);
        idle.cycle_ended(at(8), MS);
        assert!(idle.due().is_none() && idle.is_at_rest());
        let caches = Signs { caches: 3, ..signs };
        let pressed = Signs { pressure: Bytes::new(1), ..signs };
        let held = Signs { external: Bytes::new(4), ..signs };
        for sign in [pressed, held, caches] {
            assert!(idle.look(at(20), sign) && idle.due() == Some(at(25)));
            idle.cycle_begins(sign);
            idle.cycle_begins(sign);
            idle.look(at(20), signs);
            idle.cycle_begins(signs);
            idle.cycle_begins(signs);
            idle.cycle_ended(at(20), MS);
        }
        idle.note(at(30));
        assert_eq!(idle.due(), Some(at(35)), "a root was dropped");
        let mut never = Idle::new(Duration::MAX);
        assert!(never.look(at(1), signs) && never.due().is_none());
    }
}
