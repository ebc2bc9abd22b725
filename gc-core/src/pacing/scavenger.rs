#![forbid(unsafe_code)]
//! The scavenger's policy: how much memory of free blocks the collector gives back to the system,
//! and when.
//!
//! *How much.* `retained = max(goal, min(peak, limit))`. It counts blocks in use with their side
//! tables, and idle blocks. The goal is retained because the heap will have grown to it when the
//! next cycle ends. `peak` is the most in use in this period and in the one before. A cycle of this
//! program takes that much, with overshoot and with free slots that are not reused. A period lasts
//! from the end of one cycle to the end of another, and at least a second. Shorter periods would
//! differ too much where cycles take milliseconds. So in a steady state nothing is given back.
//! After a burst, everything above the goal is given back from the end of the second period on.
//! Under a memory limit, `limit` bounds the second term.
//!
//! *How fast.* A bucket fills with the rate and holds one slice, so idle time gives no credit. A
//! slice is short work: 1 MiB, 25 to 100 µs, about 0.5 % of a core with the default rate.
//!
//! *Over a limit* it is not the scavenger that gives back, but every look at the limit, at once. A
//! program under a limit passes it in each cycle, by as much as its threads may take without a wait
//! ([`Overshoot`]). If that went back each time, the next cycle's allocation would fetch it again,
//! page by page. That cost 15 % of the time of a program with 60 % live.
//!
//! Literature: Go's `mgcscavenge.go` (a retained goal from the last cycle's peak; 1 % of the time
//! as its pace).

use crate::word::Bytes;
use std::time::Duration;

/// The largest slice, and the smallest, which is a block.
const SLICE: Bytes = Bytes::new(1 << 20);
const LEAST: Bytes = Bytes::of(crate::config::BLOCK);
/// The time between slices, in which the bucket fills. A rate that gives less than a block in this
/// time makes it longer.
const BETWEEN: Duration = Duration::from_millis(15);
/// The shortest period, unless `idle_after` is shorter.
const PERIOD: Duration = Duration::from_secs(1);

/// What a heap takes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) in_use: Bytes,
    pub(crate) idle: Bytes,
    /// The goal of the next cycle.
    pub(crate) goal: Bytes,
}

/// The whole blocks of so many bytes.
fn in_blocks(bytes: Bytes) -> Bytes {
    bytes / LEAST * LEAST
}

impl Usage {
    /// The part of `idle` that is not retained.
    fn excess(self, retained: Bytes) -> Bytes {
        (self.in_use + self.idle).saturating_sub(retained).min(self.idle)
    }
}

/// How far a heap passed its soft limit lately. What was in use at that time may stay for a moment.
#[derive(Debug, Default)]
pub(crate) struct Overshoot {
    /// The most in use since the last window began, and in that before.
    peak: Bytes,
    last_peak: Bytes,
    /// When this window ends.
    until: Duration,
}

impl Overshoot {
    /// The length of a window. Idle blocks go back after two of them at the latest.
    pub(crate) const WINDOW: Duration = Duration::from_millis(100);

    /// Records that at most `used` bytes were in use since the last call.
    pub(crate) fn saw(&mut self, now: Duration, used: Bytes) {
        if now >= self.until {
            self.last_peak = std::mem::replace(&mut self.peak, used);
            self.until = now + Overshoot::WINDOW;
        }
        self.peak = self.peak.max(used);
    }
    /// Returns what blocks may take, idle and in use together: what was in use lately, but no less
    /// than the limit and no more than `most`.
    pub(crate) fn allows(&self, limit: Bytes, most: Bytes) -> Bytes {
        self.peak.max(self.last_peak).clamp(limit, most)
    }
}

/// The collector's scavenger. Sizes are in bytes, times since the heap was made.
#[derive(Debug)]
pub(crate) struct Scavenger {
    rate: Bytes,
    limit: Bytes,
    slice: Bytes,
    /// How full the bucket is, as of `at`.
    bucket: f64,
    at: Duration,
    /// Peak use in this period and in the last one.
    peak: Bytes,
    last_peak: Bytes,
    /// The least length of a period, and the time before which this one does not end.
    period: Duration,
    until: Duration,
    /// Cycles that ended without ending a period; counted up to two.
    ended: u32,
    /// The system refused a slice in this period.
    refused: bool,
    /// Nothing is retained and no clock is read: for the checkers.
    all: bool,
}

impl Scavenger {
    /// A scavenger that gives back `rate` bytes a second (zero: none). `limit` bounds what is
    /// retained above the goal. With `all` it gives back every idle block at each look. A program
    /// that rests is collected after `idle_after`.
    pub(crate) fn new(rate: Bytes, limit: Bytes, idle_after: Duration, all: bool) -> Scavenger {
        let slice = rate.scale(BETWEEN.as_secs_f64());
        Scavenger {
            rate,
            limit,
            slice: in_blocks(slice.clamp(LEAST, SLICE)),
            bucket: 0.0,
            at: Duration::ZERO,
            peak: Bytes::ZERO,
            last_peak: Bytes::ZERO,
            period: PERIOD.min(idle_after),
            until: Duration::ZERO,
            ended: 0,
            refused: false,
            all,
        }
    }

    /// Sets the bound on what is retained above the goal.
    pub(crate) fn set_limit(&mut self, limit: Bytes) {
        self.limit = limit;
    }

    /// Records how much is in use.
    pub(crate) fn saw(&mut self, used: Bytes) {
        self.peak = self.peak.max(used);
    }
    /// Records the end of a cycle, with `used` bytes in use.
    pub(crate) fn cycle_ended(&mut self, now: Duration, used: Bytes) {
        self.ended = (self.ended + 1).min(2);
        self.refused = false;
        self.end_period(now, used);
    }
    /// Ends the period, if a cycle has ended since and the period has lasted long enough.
    fn end_period(&mut self, now: Duration, used: Bytes) {
        if self.ended > 0 && now >= self.until {
            self.ended -= 1;
            self.last_peak = std::mem::replace(&mut self.peak, used);
            self.until = now + self.period;
        }
    }
    /// Bytes that are retained, idle and in use together, in a heap with this goal.
    pub(crate) fn retained(&self, goal: Bytes) -> Bytes {
        if self.all { Bytes::ZERO } else { goal.max(self.peak.max(self.last_peak).min(self.limit)) }
    }

    /// Returns whether it is worth finding out how much is idle. The collector polls more often
    /// than that.
    pub(crate) fn is_time(&self, now: Duration) -> bool {
        !self.rate.is_zero() && (self.all || now.saturating_sub(self.at) >= BETWEEN / 2)
    }
    /// Returns how much to give back now.
    pub(crate) fn due(&mut self, now: Duration, usage: Usage) -> Bytes {
        self.end_period(now, usage.in_use);
        let more = self.rate.as_f64() * now.saturating_sub(self.at).as_secs_f64();
        (self.bucket, self.at) = ((self.bucket + more).min(self.slice.as_f64()), now);
        let excess = usage.excess(self.retained(usage.goal));
        let slice = in_blocks(excess.min(self.slice));
        let is_time = self.all || self.bucket >= slice.as_f64();
        if self.rate.is_zero() || self.refused || !is_time { Bytes::ZERO } else { slice }
    }
    /// Records that the system took `taken` bytes of the slice that was due.
    pub(crate) fn gave(&mut self, slice: Bytes, taken: Bytes) {
        self.bucket -= slice.as_f64();
        // The reason for a refusal will not go away in a moment.
        self.refused = taken.is_zero();
    }
    /// Returns how long the bucket takes to fill.
    pub(crate) fn pause(&self) -> Duration {
        let lacks = (self.slice.as_f64() - self.bucket).max(0.0);
        Duration::try_from_secs_f64(lacks / self.rate.as_f64()).unwrap_or(Duration::MAX)
    }
    /// Returns whether there is something to wait for, which may be the end of a period.
    pub(crate) fn has_more(&self, usage: Usage) -> bool {
        let retained = self.retained(usage.goal);
        let retained = if self.ended > 0 { retained.min(usage.goal) } else { retained };
        !self.rate.is_zero() && !self.refused && usage.excess(retained) >= LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: Bytes = Bytes::new(1 << 20);
    const RATE: Bytes = Bytes::new(64 << 20);
    const NONE: Bytes = Bytes::ZERO;
    const MS: Duration = Duration::from_millis(1);
    const IDLE_AFTER: Duration = Duration::from_secs(5);

    #[test]
    fn what_was_in_use_over_the_limit_stays_for_two_windows() {
        let mut overshoot = Overshoot::default();
        let (limit, most) = (100 * MB, 110 * MB);
        let mut allowed = |at: u32, used: u64| {
            overshoot.saw(at * MS, used * MB);
            overshoot.allows(limit, most) / MB
        };
        assert_eq!(
            [(0, 90), (10, 103), (20, 90), (90, 120)].map(|(at, used)| allowed(at, used)),
            [100, 103, 103, 110]
        );
        assert_eq!([100, 199, 200, 300].map(|at| allowed(at, 90)), [110, 110, 100, 100]);
        assert_eq!(overshoot.allows(Bytes::MAX, Bytes::MAX), Bytes::MAX);
    }

    fn usage(in_use: Bytes, idle: Bytes, goal: Bytes) -> Usage {
        Usage { in_use, idle, goal }
    }

    /// A heap whose blocks are in use, idle, or given back.
    struct World {
        scavenger: Scavenger,
        now: Duration,
        used: Bytes,
        idle: Bytes,
        goal: Bytes,
        given: Bytes,
    }

    impl World {
        fn new(rate: Bytes) -> World {
            let scavenger = Scavenger::new(rate, Bytes::MAX, IDLE_AFTER, false);
            World {
                scavenger,
                now: Duration::ZERO,
                used: NONE,
                idle: NONE,
                goal: 4 * MB,
                given: NONE,
            }
        }
        fn usage(&self) -> Usage {
            usage(self.used, self.idle, self.goal)
        }
        fn set_used(&mut self, used: Bytes) {
            self.idle = (self.used + self.idle).saturating_sub(used);
            self.used = used;
            self.scavenger.saw(used);
        }
        /// A cycle ends and leaves `used` bytes in use.
        fn cycle(&mut self, used: Bytes, goal: Bytes) {
            self.set_used(used);
            self.goal = goal;
            self.scavenger.cycle_ended(self.now, used);
        }
        fn run(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                let slice = self.scavenger.due(self.now, self.usage());
                if !slice.is_zero() {
                    self.scavenger.gave(slice, slice);
                    (self.idle, self.given) = (self.idle - slice, self.given + slice);
                }
                self.now += MS;
            }
        }
    }

    #[test]
    fn a_burst_goes_back_to_the_goal_at_the_rate() {
        let mut world = World::new(RATE);
        world.set_used(300 * MB);
        world.cycle(20 * MB, 40 * MB);
        world.run(1000 * MS);
        assert_eq!(world.given, NONE, "the period before had the burst");
        world.cycle(20 * MB, 40 * MB);
        world.run(1000 * MS);
        assert!((60 * MB..=65 * MB).contains(&world.given), "{} MB", world.given / MB);
        let more = world.scavenger.has_more(world.usage());
        assert!(more && world.scavenger.pause() <= BETWEEN + MS);
        world.run(10_000 * MS);
        assert_eq!(world.used + world.idle, 40 * MB);
        assert!(!world.scavenger.has_more(world.usage()));
    }

    #[test]
    fn a_steady_state_gives_nothing_back() {
        let mut world = World::new(RATE);
        // It overshoots its goal by a tenth, and a third of its spans is free slots.
        for _ in 0..50 {
            for used in [130, 150, 180, 220] {
                world.set_used(used * MB);
                world.run(20 * MS);
            }
            world.cycle(130 * MB, 200 * MB);
            world.run(20 * MS);
        }
        assert_eq!(world.given, NONE);
    }

    #[test]
    fn where_cycles_are_short_a_peak_is_remembered_for_a_second() {
        let mut world = World::new(RATE);
        for i in 0..400 {
            // Every tenth cycle takes a third more than the others.
            for used in [20, if i % 10 == 0 { 40 } else { 30 }] {
                world.set_used(used * MB);
                world.run(5 * MS);
            }
            world.cycle(15 * MB, 24 * MB);
        }
        assert_eq!(world.given, NONE);
        // And not for longer, if no other cycle comes.
        world.cycle(2 * MB, 4 * MB);
        world.cycle(2 * MB, 4 * MB);
        assert!(world.scavenger.has_more(world.usage()));
        world.run(900 * MS);
        assert_eq!(world.given, NONE);
        world.run(3000 * MS);
        assert_eq!(world.used + world.idle, 4 * MB);
        assert!(!world.scavenger.has_more(world.usage()));
    }

    #[test]
    fn the_bucket_holds_one_slice() {
        let mut world = World::new(RATE);
        world.run(60_000 * MS);
        world.set_used(100 * MB);
        world.cycle(NONE, 4 * MB);
        world.now += PERIOD;
        world.cycle(NONE, 4 * MB);
        world.run(2 * MS);
        assert!(!world.given.is_zero() && world.given <= SLICE, "{:?}", world.given);
    }

    #[test]
    fn a_limit_cuts_the_memory_of_peaks_and_a_rate_of_zero_is_off() {
        let mut limited = Scavenger::new(RATE, 100 * MB, IDLE_AFTER, false);
        limited.saw(300 * MB);
        assert_eq!((limited.retained(50 * MB), limited.retained(120 * MB)), (100 * MB, 120 * MB));
        let mut off = Scavenger::new(NONE, Bytes::MAX, IDLE_AFTER, false);
        assert_eq!(
            (
                off.due(1000 * MS, usage(NONE, 100 * MB, NONE)),
                off.has_more(usage(NONE, 100 * MB, NONE))
            ),
            (NONE, false)
        );
        let mut slow = Scavenger::new(Bytes::new(1), Bytes::MAX, IDLE_AFTER, false);
        assert_eq!(slow.due(1000 * MS, usage(NONE, 100 * MB, NONE)), NONE);
        assert!(
            slow.has_more(usage(NONE, 100 * MB, NONE))
                && slow.pause() > Duration::from_secs(10_000)
        );
        let mut all = Scavenger::new(RATE, Bytes::MAX, IDLE_AFTER, true);
        all.saw(100 * MB);
        assert_eq!(
            all.due(Duration::ZERO, usage(NONE, 100 * MB, 100 * MB)),
            in_blocks(SLICE) * 61 / 64
        );
    }

    #[test]
    fn what_is_refused_is_asked_for_again_after_a_cycle() {
        let mut scavenger = Scavenger::new(RATE, Bytes::MAX, IDLE_AFTER, false);
        let slice = scavenger.due(1000 * MS, usage(NONE, 100 * MB, NONE));
        scavenger.gave(slice, NONE);
        assert_eq!(scavenger.due(2000 * MS, usage(NONE, 100 * MB, NONE)), NONE);
        assert!(!scavenger.has_more(usage(NONE, 100 * MB, NONE)));
        scavenger.cycle_ended(2000 * MS, NONE);
        assert_eq!(scavenger.due(3000 * MS, usage(NONE, 100 * MB, NONE)), slice);
    }
}
