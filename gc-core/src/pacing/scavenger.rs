#![forbid(unsafe_code)]
//! The scavenger's policy: how much memory of free blocks the collector gives back to the system, and when.
//!
//! *How much.* Blocks in use with their side tables, and idle ones, together are kept up to the goal, because the heap will have grown to it when
//! the next cycle ends, and up to what was in use at most in this period and the one before, because that is what a cycle
//! of this program takes, with overshoot and with free slots that serve nobody. (A period is the time from the end of one
//! cycle to the end of the next, and a second at least: where cycles take milliseconds no two are alike.) So in a steady state nothing
//! is given back, and after a burst everything above the goal is, from the end of the second period on. A memory limit cuts the
//! second part off.
//!
//! *How fast.* By a bucket that fills with the rate and holds one slice, so that time in which nothing was to be done
//! gives no credit, and a slice is short work: 1 MiB, 25 to 100 µs, about 0.5 % of a core with the default rate.
//!
//! Literature: Go's `mgcscavenge.go` (a retained goal from the last cycle's peak; 1 % of the time as its pace).

use std::time::Duration;

/// The largest slice and the smallest, which is a block.
const SLICE: u64 = 1 << 20;
const LEAST: u64 = crate::config::BLOCK as u64;
/// The time between slices, in which the bucket fills; a rate so small that it does not give a block in that takes longer.
const BETWEEN: Duration = Duration::from_millis(15);
/// The shortest period, where a program that rests is not collected sooner.
const PERIOD: Duration = Duration::from_secs(1);

/// The collector's scavenger. Sizes are in bytes, times since the heap was made.
#[derive(Debug)]
pub(crate) struct Scavenger {
    rate: u64,
    limit: u64,
    slice: u64,
    /// How full the bucket is, as of `at`.
    bucket: f64,
    at: Duration,
    /// The most that was in use in this period and in the last one.
    peak: u64,
    last_peak: u64,
    /// How long a period lasts at least, and until when this one does.
    period: Duration,
    until: Duration,
    /// Cycles that have ended and ended no period yet; more than two are no news.
    ended: u32,
    /// The system refused a slice in this period.
    refused: bool,
    /// Nothing is kept, and no clock looked at: for the checkers.
    all: bool,
}

impl Scavenger {
    /// One that gives back `rate` bytes a second (0: none), and keeps no more than the goal beyond `limit`. With `all` it
    /// gives back whatever is idle, at every look. A program that rests is collected after `idle_after`.
    pub(crate) fn new(rate: usize, limit: u64, idle_after: Duration, all: bool) -> Scavenger {
        let rate = rate as u64;
        let slice = (rate as f64 * BETWEEN.as_secs_f64()) as u64;
        Scavenger {
            rate,
            limit,
            slice: slice.clamp(LEAST, SLICE) / LEAST * LEAST,
            bucket: 0.0,
            at: Duration::ZERO,
            peak: 0,
            last_peak: 0,
            period: PERIOD.min(idle_after),
            until: Duration::ZERO,
            ended: 0,
            refused: false,
            all,
        }
    }

    /// From now on no more is kept beyond the goal.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// So much is in use.
    pub(crate) fn saw(&mut self, used: u64) {
        self.peak = self.peak.max(used);
    }
    /// A cycle has ended, with so much in use.
    pub(crate) fn cycle_ended(&mut self, now: Duration, used: u64) {
        self.ended = (self.ended + 1).min(2);
        self.refused = false;
        self.end_period(now, used);
    }
    /// Ends the period, if a cycle has and it has lasted long enough.
    fn end_period(&mut self, now: Duration, used: u64) {
        if self.ended > 0 && now >= self.until {
            self.ended -= 1;
            self.last_peak = std::mem::replace(&mut self.peak, used);
            self.until = now + self.period;
        }
    }
    /// What is kept, idle blocks and those in use together, of a heap with this goal.
    pub(crate) fn retained(&self, goal: u64) -> u64 {
        if self.all { 0 } else { goal.max(self.peak.max(self.last_peak).min(self.limit)) }
    }

    /// Whether it is worth looking at how much is idle; a collector polls more often than that.
    pub(crate) fn is_time(&self, now: Duration) -> bool {
        self.rate > 0 && (self.all || now.saturating_sub(self.at) >= BETWEEN / 2)
    }
    /// How much to give back now, with so much `in_use` and `idle`.
    pub(crate) fn due(&mut self, now: Duration, in_use: u64, idle: u64, goal: u64) -> u64 {
        self.end_period(now, in_use);
        let more = self.rate as f64 * now.saturating_sub(self.at).as_secs_f64();
        (self.bucket, self.at) = ((self.bucket + more).min(self.slice as f64), now);
        let excess = excess(in_use, idle, self.retained(goal));
        let slice = excess.min(self.slice) / LEAST * LEAST;
        let is_time = self.all || self.bucket >= slice as f64;
        if self.rate == 0 || self.refused || !is_time { 0 } else { slice }
    }
    /// Of the slice that was due the system took so much.
    pub(crate) fn gave(&mut self, slice: u64, taken: u64) {
        self.bucket -= slice as f64;
        // Whatever stands in the way now will not have gone in a moment.
        self.refused = taken == 0;
    }
    /// How long it takes the bucket to fill.
    pub(crate) fn pause(&self) -> Duration {
        let lacks = (self.slice as f64 - self.bucket).max(0.0);
        Duration::try_from_secs_f64(lacks / self.rate as f64).unwrap_or(Duration::MAX)
    }
    /// Whether there is something to wait for, which may be the end of a period.
    pub(crate) fn has_more(&self, in_use: u64, idle: u64, goal: u64) -> bool {
        let retained = self.retained(goal);
        let retained = if self.ended > 0 { retained.min(goal) } else { retained };
        self.rate > 0 && !self.refused && excess(in_use, idle, retained) >= LEAST
    }
}

/// What of `idle` is not `retained`.
fn excess(in_use: u64, idle: u64, retained: u64) -> u64 {
    (in_use + idle).saturating_sub(retained).min(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;
    const RATE: usize = 64 << 20;
    const MS: Duration = Duration::from_millis(1);
    const IDLE_AFTER: Duration = Duration::from_secs(5);

    /// A heap whose blocks are all in use, or idle, or given back.
    struct World {
        scavenger: Scavenger,
        now: Duration,
        used: u64,
        idle: u64,
        goal: u64,
        given: u64,
    }

    impl World {
        fn new(rate: usize) -> World {
            let scavenger = Scavenger::new(rate, u64::MAX, IDLE_AFTER, false);
            World { scavenger, now: Duration::ZERO, used: 0, idle: 0, goal: 4 * MB, given: 0 }
        }
        fn set_used(&mut self, used: u64) {
            self.idle = (self.used + self.idle).saturating_sub(used);
            self.used = used;
            self.scavenger.saw(used);
        }
        /// A cycle ends, and leaves so much in use.
        fn cycle(&mut self, used: u64, goal: u64) {
            self.set_used(used);
            self.goal = goal;
            self.scavenger.cycle_ended(self.now, used);
        }
        fn run(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                let slice = self.scavenger.due(self.now, self.used, self.idle, self.goal);
                if slice > 0 {
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
        assert_eq!(world.given, 0, "the period before had the burst");
        world.cycle(20 * MB, 40 * MB);
        world.run(1000 * MS);
        assert!((60 * MB..=65 * MB).contains(&world.given), "{} MB", world.given / MB);
        let more = world.scavenger.has_more(world.used, world.idle, world.goal);
        assert!(more && world.scavenger.pause() <= BETWEEN + MS);
        world.run(10_000 * MS);
        assert_eq!(world.used + world.idle, 40 * MB);
        assert!(!world.scavenger.has_more(world.used, world.idle, world.goal));
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
        assert_eq!(world.given, 0);
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
        assert_eq!(world.given, 0);
        // And not for longer, if no other cycle comes.
        world.cycle(2 * MB, 4 * MB);
        world.cycle(2 * MB, 4 * MB);
        assert!(world.scavenger.has_more(world.used, world.idle, world.goal));
        world.run(900 * MS);
        assert_eq!(world.given, 0);
        world.run(3000 * MS);
        assert_eq!(world.used + world.idle, 4 * MB);
        assert!(!world.scavenger.has_more(world.used, world.idle, world.goal));
    }

    #[test]
    fn the_bucket_holds_one_slice() {
        let mut world = World::new(RATE);
        world.run(60_000 * MS);
        world.set_used(100 * MB);
        world.cycle(0, 4 * MB);
        world.now += PERIOD;
        world.cycle(0, 4 * MB);
        world.run(2 * MS);
        assert!(world.given > 0 && world.given <= SLICE, "{}", world.given);
    }

    #[test]
    fn a_limit_cuts_the_memory_of_peaks_and_a_rate_of_zero_is_off() {
        let mut limited = Scavenger::new(RATE, 100 * MB, IDLE_AFTER, false);
        limited.saw(300 * MB);
        assert_eq!((limited.retained(50 * MB), limited.retained(120 * MB)), (100 * MB, 120 * MB));
        let mut off = Scavenger::new(0, u64::MAX, IDLE_AFTER, false);
        assert_eq!((off.due(1000 * MS, 0, 100 * MB, 0), off.has_more(0, 100 * MB, 0)), (0, false));
        let mut slow = Scavenger::new(1, u64::MAX, IDLE_AFTER, false);
        assert_eq!(slow.due(1000 * MS, 0, 100 * MB, 0), 0);
        assert!(slow.has_more(0, 100 * MB, 0) && slow.pause() > Duration::from_secs(10_000));
        let mut all = Scavenger::new(RATE, u64::MAX, IDLE_AFTER, true);
        all.saw(100 * MB);
        assert_eq!(all.due(Duration::ZERO, 0, 100 * MB, 100 * MB), SLICE / LEAST * LEAST * 61 / 64);
    }

    #[test]
    fn what_is_refused_is_asked_for_again_after_a_cycle() {
        let mut scavenger = Scavenger::new(RATE, u64::MAX, IDLE_AFTER, false);
        let slice = scavenger.due(1000 * MS, 0, 100 * MB, 0);
        scavenger.gave(slice, 0);
        assert_eq!(scavenger.due(2000 * MS, 0, 100 * MB, 0), 0);
        assert!(!scavenger.has_more(0, 100 * MB, 0));
        scavenger.cycle_ended(2000 * MS, 0);
        assert_eq!(scavenger.due(3000 * MS, 0, 100 * MB, 0), slice);
    }
}
