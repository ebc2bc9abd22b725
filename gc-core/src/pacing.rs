#![forbid(unsafe_code)]
//! Pacing: when a cycle starts, and how hard mutators are held back. Pure arithmetic, and one atomic type.
//!
//! 1. At the end of marking the *live* bytes are what markers found, and an eighth of what was born black
//!    meanwhile (most of that is garbage already: 20 MB beside 8 MB found in `btree`).
//! 2. The *goal* is `live * (1 + gc_percent / 100)`, at least `min_heap`, and at most `memory_limit` where the
//!    live bytes allow it.
//! 3. A cycle is triggered one *runway* below the goal: what recent cycles allocated between their trigger and
//!    the end of their marking. The runway is at least 5 % and at most 80 % of the way from live to goal.
//! 4. Where the collector's thread did not get a core of its own lately, mutators assist at refill over the goal
//!    while marking, and yield over 1.1 times the goal in every phase. Where it did, a small overshoot is cheaper
//!    than a pause: they assist over 1.5 times the goal and yield over twice ([`Credit::demand`]).
//!
//! `live < trigger < goal`, so the heap at the end of marking exceeds the goal by no more than this cycle's
//! allocation exceeds the runway.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// The heap's size as pacing counts it: found live by the last marking, and allocated since.
///
/// | field | written by | read by |
/// |---|---|---|
/// | `allocated`, `unused`, `freed`, `pressure` | whoever takes, gives back or sweeps a span | pacing, statistics |
/// | `offset`, `trigger`, `goal`, `starved` | the collector, at the end of marking | refills |
///
/// Nothing but pacing depends on them, so all is relaxed.
#[derive(Debug)]
pub(crate) struct Credit {
    allocated: AtomicU64,
    unused: AtomicU64,
    freed: AtomicU64,
    pressure: AtomicU64,
    offset: AtomicU64,
    trigger: AtomicU64,
    goal: AtomicU64,
    starved: AtomicBool,
    yielded: AtomicBool,
}

impl Credit {
    pub(crate) fn new(plan: Plan) -> Credit {
        let credit = Credit {
            allocated: AtomicU64::new(0),
            unused: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            pressure: AtomicU64::new(0),
            offset: AtomicU64::new(0),
            trigger: AtomicU64::new(0),
            goal: AtomicU64::new(0),
            starved: AtomicBool::new(true),
            yielded: AtomicBool::new(false),
        };
        credit.adopt(plan, 0);
        credit
    }
    /// Counts slots taken by a thread.
    pub(crate) fn allocate(&self, bytes: u64) {
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Counts slots that a thread took and gives back unused.
    pub(crate) fn unuse(&self, bytes: u64) {
        self.unused.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Counts slots swept.
    pub(crate) fn free(&self, bytes: u64) {
        self.freed.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Counts bytes outside of the heap that the next cycle may free.
    pub(crate) fn press(&self, bytes: u64) {
        self.pressure.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Such bytes since the last marking.
    pub(crate) fn pressure(&self) -> u64 {
        self.pressure.load(Ordering::Relaxed)
    }
    /// Bytes allocated since the heap was made.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed).saturating_sub(self.unused.load(Ordering::Relaxed))
    }
    /// Bytes freed since the heap was made.
    pub(crate) fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }
    /// Live bytes as of the last marking, and all allocated since, with the pressure from outside.
    pub(crate) fn heap(&self) -> u64 {
        self.allocated().saturating_sub(self.offset.load(Ordering::Relaxed))
            + self.pressure.load(Ordering::Relaxed)
    }
    /// Says whether the collector's thread got a core to itself, the last time it marked. That it did proves
    /// nothing if mutators made room for it.
    pub(crate) fn judge(&self, own_core: bool) {
        let yielded = self.yielded.swap(false, Ordering::Relaxed);
        self.starved.store(yielded || !own_core, Ordering::Relaxed);
    }
    /// What a mutator should do for a collector that has fallen behind.
    pub(crate) fn demand(&self) -> Demand {
        let (heap, goal) = (self.heap(), self.goal());
        if heap <= goal {
            return Demand::Nothing;
        }
        let starved = self.starved.load(Ordering::Relaxed);
        if heap > goal + if starved { goal / 10 } else { goal } {
            self.yielded.store(true, Ordering::Relaxed);
            Demand::AssistAndYield
        } else if starved || heap > goal + goal / 2 {
            Demand::Assist
        } else {
            Demand::Nothing
        }
    }
    pub(crate) fn trigger(&self) -> u64 {
        self.trigger.load(Ordering::Relaxed)
    }
    pub(crate) fn goal(&self) -> u64 {
        self.goal.load(Ordering::Relaxed)
    }
    /// Starts counting from `plan.live` at the moment when `allocated` bytes had been allocated.
    pub(crate) fn adopt(&self, plan: Plan, allocated: u64) {
        self.pressure.store(0, Ordering::Relaxed);
        self.offset.store(allocated.saturating_sub(plan.live), Ordering::Relaxed);
        self.trigger.store(plan.trigger, Ordering::Relaxed);
        self.goal.store(plan.goal, Ordering::Relaxed);
    }
}

/// How far allocation has run ahead of the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Not too far.
    Nothing,
    /// Mark a little.
    Assist,
    /// Mark a little, and let other threads run.
    AssistAndYield,
}

/// The outcome of a marking for the next cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) live: u64,
    pub(crate) trigger: u64,
    pub(crate) goal: u64,
}

/// The settings and the memory of the pacer.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    gc_percent: u64,
    min_heap: u64,
    memory_limit: u64,
    /// Bytes that a cycle allocates between its trigger and the end of its marking, lately.
    runway: u64,
}

impl Pacer {
    pub(crate) fn new(gc_percent: u32, min_heap: usize, memory_limit: usize) -> Pacer {
        Pacer {
            gc_percent: u64::from(gc_percent),
            min_heap: min_heap as u64,
            memory_limit: memory_limit as u64,
            runway: min_heap as u64 / 4,
        }
    }

    /// What to do before the first cycle.
    pub(crate) fn first(&self) -> Plan {
        self.plan(0)
    }

    /// What to do after a marking that found `found` bytes while `black` were born.
    pub(crate) fn after_mark(&mut self, found: u64, black: u64) -> Plan {
        // Up at once, down slowly: a runway too short overshoots, one too long only starts a little early.
        self.runway = if black > self.runway { black } else { (3 * self.runway + black) / 4 };
        self.plan(found + black / 8)
    }

    fn plan(&self, live: u64) -> Plan {
        let growth = (u128::from(live) * u128::from(self.gc_percent) / 100) as u64;
        let wanted = live.saturating_add(growth).max(self.min_heap);
        // Under a limit that the live heap nearly fills, a sixteenth is still needed to get anywhere.
        let goal = wanted.min(self.memory_limit.max(live + live / 16 + 65_536));
        let span = goal - live.min(goal);
        let runway = self.runway.clamp(span / 20, span * 4 / 5);
        Plan { live, trigger: goal - runway, goal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const MB: u64 = 1 << 20;

    fn pacer() -> Pacer {
        Pacer::new(100, 4 * MB as usize, usize::MAX)
    }

    #[test]
    fn the_trigger_lies_between_live_and_goal() {
        let mut p = pacer();
        for found in [0, 1, 100, MB, 50 * MB, 1 << 40] {
            for black in [0, 1, MB, 1 << 38] {
                let plan = p.after_mark(found, black);
                assert!(plan.live < plan.trigger && plan.trigger < plan.goal, "{plan:?}");
                assert!(plan.goal >= 4 * MB);
            }
        }
    }

    #[test]
    fn at_a_steady_rate_marking_ends_below_the_goal() {
        let mut p = pacer();
        let live = 100 * MB;
        let mut plan = p.after_mark(live, 0);
        for _ in 0..10 {
            // Every marking takes as long as it takes to allocate 30 MB.
            let end = plan.trigger + 30 * MB;
            plan = p.after_mark(live, 30 * MB);
            assert!(plan.trigger + 30 * MB <= plan.goal + MB && end <= 240 * MB);
        }
    }

    #[test]
    fn demand_grows_with_the_heap_and_with_starvation() {
        let credit = Credit::new(Plan { live: 0, trigger: 60, goal: 100 });
        let demands = |own_core: bool| {
            [100u64, 105, 115, 160, 201].map(|heap| {
                credit.demand();
                credit.judge(own_core);
                credit.judge(own_core);
                credit.allocate(heap - credit.heap());
                let demand = credit.demand();
                credit.adopt(Plan { live: 0, trigger: 60, goal: 100 }, credit.allocated());
                demand
            })
        };
        use Demand::{Assist, AssistAndYield as Yield, Nothing};
        assert_eq!(demands(false), [Nothing, Assist, Yield, Yield, Yield]);
        assert_eq!(demands(true), [Nothing, Nothing, Nothing, Assist, Yield]);
    }

    #[test]
    fn making_room_does_not_count_as_having_room() {
        let credit = Credit::new(Plan { live: 0, trigger: 60, goal: 100 });
        credit.allocate(150);
        assert_eq!(credit.demand(), Demand::AssistAndYield, "starved until proven otherwise");
        credit.judge(true);
        assert_eq!(credit.demand(), Demand::AssistAndYield);
        credit.judge(true);
        credit.adopt(Plan { live: 0, trigger: 60, goal: 100 }, 50);
        credit.judge(true);
        assert_eq!(credit.demand(), Demand::Nothing);
    }

    #[test]
    fn a_memory_limit_bounds_the_goal_but_not_the_live_heap() {
        let mut p = Pacer::new(100, MB as usize, (80 * MB) as usize);
        assert_eq!(p.after_mark(60 * MB, 0).goal, 80 * MB);
        let over = p.after_mark(100 * MB, 0);
        assert!(over.goal > over.live && over.goal < 110 * MB);
    }
}
