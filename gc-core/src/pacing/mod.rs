#![forbid(unsafe_code)]
//! Pacing: when a cycle starts, how hard mutators are held back, and how much the collector may
//! cost. Pure arithmetic ([`Pacer`], [`Limiter`]), and one type of counters ([`Credit`]).
//!
//! Life of a cycle, as pacing sees it:
//! 1. At the end of marking, the pacer counts three things as live. These are the bytes that
//!    markers found, an eighth of the bytes born black meanwhile, and external bytes. Most of what
//!    is born black is garbage already: 20 MB beside 8 MB found in `btree`. External bytes are
//!    those that the program reports as held outside of the heap.
//! 2. `goal = max(live * (1 + gc_percent / 100), min_heap)`. Under a limit the goal is at most what
//!    fits. That is the blocks that may still be taken, and the free slots of spans, as far as such
//!    slots were reused lately ([`Footprint`]).
//! 3. The *runway* is the bytes that will be allocated from the trigger to the end of marking:
//!    `runway = work * ratio + aside`. `work` is the bytes to mark, `ratio` the bytes allocated for
//!    each byte that markers mark by themselves. `aside` is the bytes allocated during handshakes.
//!    Both rates in `ratio` are measured over the same stretch of time, so only their quotient
//!    counts. `trigger = goal - runway`. The runway is at least 5 % of the way from live to goal.
//!    If more than half of the way is expected, the runway is shorter than that (`runway_in`). Then
//!    marking ends a little over the goal, on purpose.
//! 4. After the sweep, the pacer plans again with what is then known exactly: external bytes and
//!    free slots.
//! 5. Some heaps have a collector without a core of its own. While marking, such a heap compares
//!    the share of the runway that is used up with the share of the work done. When the work is
//!    behind, mutators assist ([`Credit::demand`]). Above 1.1 times the goal they yield. A
//!    collector with a core of its own is left alone until marking should have ended.
//! 6. Where the limit sets the goal, the collector may take half of the process's CPU time
//!    ([`Limiter`]). Beyond that, the heap grows over the (soft) limit instead.
//!
//! `live < trigger < goal`. `simulate.rs` runs a simulated program under all this.
//!
//! Literature: Go's `mgcpacer.go` (cons/mark ratio, assist ratio) and `mgclimit.go` (the leaky
//! bucket).
//!
//! Files, lowest first: `held`, `limits`, `limiter`, `scavenger`, `idle`, `credit`, `simulate`.

mod credit;
mod held;
mod idle;
mod limiter;
mod limits;
mod scavenger;
#[cfg(all(test, not(loom)))]
mod simulate;

pub(crate) use credit::{CoreShare, Credit, Demand};
pub(crate) use held::{Held, QUANTUM, Share, together};
pub(crate) use idle::{Idle, Signs};
pub(crate) use limiter::Limiter;
pub(crate) use limits::{LEAST_RATION, LONGEST_STEP, Limits, Ration, Room, Tightness};
pub(crate) use scavenger::{Overshoot, Scavenger, Usage};

use crate::word::Bytes;

/// Cycles whose measurements the pacer keeps. The worst of them sets the runway.
const MEMORY: usize = 4;
/// `live / ROOM + LEAST_ROOM` bytes may always be allocated before the next goal. Without them, a
/// program under a limit that its live heap nearly fills would make no progress.
const ROOM: u64 = 16;
const LEAST_ROOM: Bytes = Bytes::new(65_536);

/// A heap may pass its goal on purpose by `goal / OVER`.
const OVER: u64 = 12;

/// What the pacer is to achieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aim {
    /// Growth over the live bytes until the next marking should be over, in percent.
    pub(crate) gc_percent: u32,
    /// What the heap and its external bytes should never pass together.
    pub(crate) limit: Bytes,
}

/// The plan for the next cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Bytes of the heap that count as live, without external ones.
    pub(crate) live: Bytes,
    /// Bytes that count as live, with external ones.
    pub(crate) kept: Bytes,
    /// Bytes at which the cycle starts, and those below which its marking should end. Both include
    /// external bytes.
    pub(crate) trigger: Bytes,
    pub(crate) goal: Bytes,
    /// Bytes at which marking is expected to end. Above the goal where the pacer passes it on
    /// purpose, else the goal.
    pub(crate) end: Bytes,
    /// Bytes that the markers are expected to find.
    pub(crate) work: Bytes,
    /// Whether a limit sets the goal.
    pub(crate) limited: bool,
}

/// What one marking found and cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marked {
    /// Bytes that markers found.
    pub(crate) found: Bytes,
    /// Bytes of `found` that mutators marked.
    pub(crate) assisted: Bytes,
    /// Bytes allocated from the start of the cycle to the end of marking.
    pub(crate) black: Bytes,
    /// Bytes of `black` that were allocated while markers worked; the rest were allocated during
    /// handshakes.
    pub(crate) in_mark: Bytes,
    /// External bytes, and those of them that were taken since the start of the cycle.
    pub(crate) external: Bytes,
    pub(crate) external_black: Bytes,
}

/// The heap's memory at the end of a sweep.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Footprint {
    /// Bytes of blocks in spans.
    pub(crate) used: Bytes,
    /// Bytes that pacing counts in those blocks.
    pub(crate) counted: Bytes,
    /// Bytes that refills took since the last sweep: from spans in use, and from fresh blocks.
    pub(crate) reused: Bytes,
    pub(crate) fresh: Bytes,
    /// External bytes, and those released since the end of marking.
    pub(crate) external: Bytes,
    pub(crate) external_freed: Bytes,
}

/// The pacer's settings and measurements.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    aim: Aim,
    min_heap: Bytes,
    live: Bytes,
    external: Bytes,
    /// Bytes that markers found in the last cycle, and those that they are expected to find in the
    /// next.
    found: Bytes,
    work: Bytes,
    /// Of the last cycles: bytes allocated for each byte marked, and bytes allocated during
    /// handshakes.
    ratios: [f64; MEMORY],
    asides: [Bytes; MEMORY],
    at: usize,
    /// Bytes that may be allocated beyond `live` before the limit is reached.
    room: Bytes,
    /// Bytes of free slots at the end of the last sweep, and the share of free slots that is
    /// reused before fresh blocks are taken.
    free: Bytes,
    reuse: f64,
}

impl Pacer {
    pub(crate) fn new(min_heap: Bytes, aim: Aim) -> Pacer {
        Pacer {
            aim,
            min_heap,
            live: Bytes::ZERO,
            external: Bytes::ZERO,
            found: Bytes::ZERO,
            work: Bytes::ZERO,
            ratios: [0.0; MEMORY],
            asides: [min_heap / 4; MEMORY],
            at: 0,
            room: aim.limit,
            free: Bytes::ZERO,
            reuse: 1.0,
        }
    }

    /// Changes the settings and returns a plan with them.
    pub(crate) fn set(&mut self, aim: Aim) -> Plan {
        // The room changes by the difference of the limits.
        let (before, limit) = (self.aim.limit, aim.limit);
        self.room = if limit > before {
            self.room.saturating_add(limit - before)
        } else {
            self.room.saturating_sub(before - limit)
        };
        self.aim = aim;
        self.plan()
    }

    /// Returns the plan for the time before the first cycle.
    pub(crate) fn first(&self) -> Plan {
        self.plan()
    }

    /// Returns the plan after a marking.
    pub(crate) fn after_mark(&mut self, marked: Marked) -> Plan {
        let Marked { found, assisted, black, in_mark, external, external_black } = marked;
        // An estimate of what markers alone would have marked in this time. If assists counted in
        // full, the next runway would be too short.
        let alone = (found - assisted.min(found) / 2).get().max(1);
        self.ratios[self.at] = in_mark.as_f64() / alone as f64;
        self.asides[self.at] = black.saturating_sub(in_mark);
        self.at = (self.at + 1) % MEMORY;
        // A heap that grows from cycle to cycle has more to mark in the next one.
        let growth = found.as_f64() / self.found.get().max(1) as f64;
        self.work = if self.found.is_zero() { found } else { found.scale(growth.clamp(1.0, 2.0)) };
        self.found = found;
        let before = self.live;
        self.live = found + black / 8;
        // All external bytes count until the sweep tells which of them the dead held. Of those
        // taken in this cycle an eighth counts.
        self.external = external.saturating_sub(external_black / 8 * 7);
        self.room = self.room.saturating_sub(self.live.saturating_sub(before));
        self.plan()
    }

    /// Returns the plan after the sweep, with what is known exactly by then.
    pub(crate) fn after_sweep(&mut self, now: Footprint) -> Plan {
        if !self.free.is_zero() {
            let seen = (now.reused.as_f64() / self.free.as_f64()).clamp(0.0, 1.0);
            // Where fresh blocks were needed, the slots that had not been reused do not fit what
            // the program allocates. Where none were needed, more slots might have been reused.
            let more = self.reuse.max(seen);
            self.reuse = if !now.fresh.is_zero() { seen } else { more + (1.0 - more) / 8.0 };
        }
        self.free = now.used.saturating_sub(now.counted);
        self.external = self.external.saturating_sub(now.external_freed);
        // Half of the slots, because a heap that has passed its limit stays over it: spans rarely
        // become empty again.
        let slots = self.free.scale(self.reuse) / 2;
        let total = now.used.saturating_add(now.external);
        self.room = (self.aim.limit.saturating_add(slots).saturating_sub(total))
            // Bytes allocated since marking ended are in `used` and not in `live`.
            .saturating_add(now.counted.saturating_sub(self.live));
        self.plan()
    }

    /// Returns the plan after destructors have released `bytes` of external memory that the dead
    /// held.
    pub(crate) fn after_drops(&mut self, bytes: Bytes) -> Plan {
        self.external = self.external.saturating_sub(bytes);
        self.room = self.room.saturating_add(bytes);
        self.plan()
    }

    fn plan(&self) -> Plan {
        let live = self.live.saturating_add(self.external);
        let wanted =
            live.saturating_add(live.percent(self.aim.gc_percent.into())).max(self.min_heap);
        let room = self.room.max(live / ROOM + LEAST_ROOM);
        let most = live.saturating_add(room);
        let goal = wanted.min(most);
        let way = goal - live.min(goal);
        let ratio = self.ratios.iter().copied().fold(0.0, f64::max);
        let aside = self.asides.iter().copied().max().unwrap_or_default();
        let expected = self.work.scale(ratio).saturating_add(aside);
        // The pacer may pass a goal on purpose, but not a limit.
        let over = (goal / OVER).min(most - goal);
        let runway = runway_in(way, over, expected);
        Plan {
            live: self.live,
            kept: live,
            trigger: goal - runway,
            goal,
            end: goal.saturating_add(expected.saturating_sub(runway).min(over)),
            work: self.work,
            limited: goal < wanted,
        }
    }
}

/// Returns the runway in bytes. `way` is the distance from live to goal, `over` the most by which
/// marking may end above the goal. `wanted` is the bytes expected to be allocated until marking
/// ends.
///
/// With `half = way / 2` and `most = 4/5 * way`:
/// - `wanted <= half`: `runway = max(wanted, way / 20)`. Marking ends at the goal.
/// - `wanted <= most`: `runway = wanted - min((wanted - half) / 2, over)`. A longer runway would
///   keep the collector busy most of the time. A later start saves much of that work, and marking
///   ends a little above the goal.
/// - `wanted > most`: the runway for `wanted = most`, times `(most / wanted)^4`, and at least `way
///   / 10`. The goal is passed by much in any case, and an early start would only add cycles.
fn runway_in(way: Bytes, over: Bytes, wanted: Bytes) -> Bytes {
    let (half, most) = (way / 2, way / 5 * 4);
    if wanted <= half {
        return wanted.max(way / 20);
    }
    let fits = wanted.min(most).max(half);
    let runway = fits - ((fits - half) / 2).min(over);
    let part = (most.as_f64() / wanted.as_f64()).min(1.0);
    runway.scale(part.powi(4)).max(way / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    const MB: Bytes = Bytes::new(1 << 20);
    const NONE: Bytes = Bytes::ZERO;

    fn pacer_of(min_heap: Bytes, limit: Bytes) -> Pacer {
        Pacer::new(min_heap, Aim { gc_percent: 100, limit })
    }
    fn pacer() -> Pacer {
        pacer_of(4 * MB, Bytes::MAX)
    }
    /// One that has forgotten what it began with.
    fn old_pacer() -> Pacer {
        let mut p = pacer();
        for _ in 0..MEMORY {
            p.after_mark(marked(100 * MB, NONE));
        }
        p
    }
    fn marked(found: Bytes, black: Bytes) -> Marked {
        Marked { found, black, in_mark: black, ..Marked::default() }
    }

    #[test]
    fn the_trigger_lies_between_live_and_goal() {
        let mut p = pacer();
        for found in [0, 1, 100, 1 << 20, 50 << 20, 1 << 40].map(Bytes::new) {
            for black in [0, 1, 1 << 20, 1 << 38].map(Bytes::new) {
                for in_mark in [NONE, black / 2, black] {
                    let plan = p.after_mark(Marked { in_mark, ..marked(found, black) });
                    assert!(plan.live < plan.trigger && plan.trigger < plan.goal, "{plan:?}");
                    assert!(plan.goal >= 4 * MB && !plan.limited);
                }
            }
        }
    }

    #[test]
    fn at_a_steady_rate_marking_ends_below_the_goal() {
        let mut p = pacer();
        let live = 100 * MB;
        let mut plan = p.after_mark(marked(live, 30 * MB));
        for _ in 0..10 {
            // Every marking takes as long as it takes to allocate 30 MB.
            assert!(plan.trigger + 30 * MB <= plan.goal + MB, "{plan:?}");
            plan = p.after_mark(marked(live, 30 * MB));
        }
    }

    #[test]
    fn the_runway_grows_with_the_work() {
        let mut p = old_pacer();
        let small = p.after_mark(marked(100 * MB, 10 * MB));
        let large = p.after_mark(marked(200 * MB, 20 * MB));
        assert_eq!((small.work, small.goal - small.trigger), (100 * MB, 10 * MB));
        // Twice as much as before: as much again is expected.
        assert_eq!((large.work, large.goal - large.trigger), (400 * MB, 40 * MB));
    }

    #[test]
    fn a_runway_that_there_is_not_is_shorter_the_more_is_missing() {
        let runway_in = |way, over, wanted| {
            let [way, over, wanted] = [way, over, wanted].map(Bytes::new);
            super::runway_in(way, over, wanted).get()
        };
        let of = |wanted| runway_in(1000, 2000 / OVER, wanted);
        assert_eq!([0, 50, 300, 500].map(of), [50, 50, 300, 500]);
        assert_eq!([502, 600, 800].map(of), [501, 550, 650], "15 % over the goal");
        assert_eq!([801, 1000, 1600, 10_000].map(of), [646, 266, 100, 100]);
        assert_eq!(runway_in(1000, 100, 800), 700);
        assert_eq!(
            [500, 700, 800, 1000].map(|wanted| runway_in(1000, 0, wanted)),
            [500, 700, 800, 327]
        );
        assert_eq!(runway_in(0, 10, 5), 0);
        assert!(runway_in(u64::MAX, u64::MAX, u64::MAX) < u64::MAX / 10 * 9);
    }

    #[test]
    fn a_goal_is_passed_on_purpose_and_a_limit_is_not() {
        let late = |limit| {
            let mut p = pacer_of(MB, limit);
            p.after_mark(marked(100 * MB, 70 * MB));
            // Once more, without what was born black in the last one.
            p.after_mark(marked(100 * MB, NONE));
            let now = Footprint { used: 100 * MB, counted: 100 * MB, ..Footprint::default() };
            let Plan { trigger, goal, end, .. } = p.after_sweep(now);
            [trigger, goal, end].map(|bytes| bytes / MB)
        };
        assert_eq!(late(Bytes::MAX), [139, 200, 210]);
        assert_eq!(late(204 * MB), [133, 200, 204]);
        assert_eq!(late(200 * MB), [129, 200, 200]);
    }

    #[test]
    fn what_mutators_marked_is_not_the_markers_own_speed() {
        let mut p = old_pacer();
        let plan = p.after_mark(Marked { assisted: 100 * MB, ..marked(100 * MB, 10 * MB) });
        assert_eq!(plan.goal - plan.trigger, 20 * MB);
    }

    #[test]
    fn external_bytes_are_live() {
        let mut p = pacer();
        let plan = p.after_mark(Marked { external: 60 * MB, ..marked(40 * MB, NONE) });
        assert_eq!((plan.live, plan.goal), (40 * MB, 200 * MB));
        let now = Footprint {
            used: 40 * MB,
            counted: 40 * MB,
            external: 90 * MB,
            external_freed: 50 * MB,
            ..Footprint::default()
        };
        let swept = p.after_sweep(now).goal;
        assert_eq!(
            swept,
            100 * MB,
            "what the dead held is gone, what is new does not count as live"
        );
    }

    #[test]
    fn what_destructors_give_back_after_the_sweep_is_not_live() {
        let mut p = pacer();
        let now = |external, external_freed| Footprint {
            used: 40 * MB,
            counted: 40 * MB,
            external,
            external_freed,
            ..Footprint::default()
        };
        let mut goals = Vec::new();
        for late in [false, true] {
            p.after_mark(Marked { external: 60 * MB, ..marked(40 * MB, NONE) });
            let plan = p.after_sweep(if late { now(60 * MB, NONE) } else { now(10 * MB, 50 * MB) });
            goals.push(if late { p.after_drops(50 * MB).goal } else { plan.goal });
        }
        assert_eq!(goals, [100 * MB, 100 * MB]);
    }

    #[test]
    fn a_memory_limit_bounds_the_goal_but_not_the_live_heap() {
        let mut p = pacer_of(MB, 80 * MB);
        let tight = |used| Footprint { used, counted: used, ..Footprint::default() };
        p.after_mark(marked(60 * MB, NONE));
        let plan = p.after_sweep(tight(60 * MB));
        assert_eq!((plan.goal, plan.limited), (80 * MB, true));
        p.after_mark(marked(100 * MB, NONE));
        let over = p.after_sweep(tight(100 * MB));
        assert!(over.goal > over.live && over.goal < 110 * MB && over.limited);
        p.after_mark(marked(30 * MB, NONE));
        let under = p.after_sweep(tight(30 * MB));
        assert_eq!((under.goal, under.limited), (60 * MB, false));
    }

    #[test]
    fn under_a_limit_free_slots_count_as_far_as_they_are_reused() {
        let limit = 100 * MB;
        let now = |reused, fresh| Footprint {
            used: 80 * MB,
            counted: 50 * MB,
            reused,
            fresh,
            ..Footprint::default()
        };
        let mut p = pacer_of(MB, limit);
        p.after_mark(marked(50 * MB, NONE));
        assert_eq!(
            p.after_sweep(now(NONE, NONE)).goal,
            85 * MB,
            "20 MB of blocks, and half of the slots"
        );
        p.after_mark(marked(50 * MB, NONE));
        // Of 30 MB of free slots 3 were reused, and then fresh blocks were taken.
        assert_eq!(p.after_sweep(now(3 * MB, MB)).goal, 50 * MB + 21 * MB + MB / 2);
        p.after_mark(marked(50 * MB, NONE));
        let goal = p.after_sweep(now(20 * MB, NONE)).goal;
        assert!(goal > 80 * MB && goal < 83 * MB, "no fresh block was needed: {goal:?}");
        let over = Footprint { used: 130 * MB, ..now(20 * MB, NONE) };
        p.after_mark(marked(50 * MB, NONE));
        let least = 50 * MB + 50 * MB / ROOM + LEAST_ROOM;
        assert_eq!(p.after_sweep(over).goal, least, "what is over is taken off");
    }
}
