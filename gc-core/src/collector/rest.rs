#![forbid(unsafe_code)]
//! What the collector does between cycles, besides waiting for the trigger. It gives memory back,
//! and runs cycles for a program that rests. The policies are `pacing::scavenger` and
//! `pacing::idle`; here they are applied to the heap.
//!
//! Under a scheduler (`cfg(shuttle)`) there is no clock. So there are no such cycles, and slices
//! are given back without looking at the time.

use crate::config::BLOCK;
use crate::mutator::Core;
use crate::pacing::{Idle, Overshoot, Scavenger, Signs, Usage};
use crate::word::Bytes;
use std::time::{Duration, Instant};

/// Bound on the longest sleep of a collector that waits for nothing: four times `idle_after`, at
/// most this. It decides how soon the collector notices that roots were dropped.
const LOOK: Duration = Duration::from_secs(20);

/// How often idle blocks are compared with the limit.
const KEEP: Duration = Duration::from_millis(1);

/// The state of these policies.
#[derive(Debug)]
pub(crate) struct Rest {
    idle: Idle,
    scavenger: Scavenger,
    overshoot: Overshoot,
    born: Instant,
    /// Whether the scavenger has more to give back, and whether idle blocks stay over the limit.
    more: bool,
    over: bool,
    /// Interval between looks for flagged roots, and the time of the last one.
    look: Duration,
    looked: Duration,
    /// Time of the last look at the limit.
    kept: Duration,
    /// CPU time of the markers when this cycle began.
    cpu: Duration,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Cycle,
    /// Nothing, for this time.
    Sleep(Duration),
}

impl Rest {
    pub(crate) fn new(core: &Core) -> Rest {
        let config = &core.config;
        Rest {
            idle: Idle::new(config.idle_after),
            scavenger: Scavenger::new(
                Bytes::of(config.scavenge_rate),
                core.limits.soft(),
                config.idle_after,
                config.scavenge_all,
            ),
            overshoot: Overshoot::default(),
            born: Instant::now(),
            more: false,
            over: false,
            look: config.idle_after.saturating_mul(4).min(LOOK),
            looked: Duration::ZERO,
            kept: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    fn signs(core: &Core) -> Signs {
        let (credit, held) = (&core.credit, core.credit.held());
        Signs {
            taken: credit.taken(),
            external: held.taken().saturating_add(held.released()),
            caches: core.ageing.uses(),
            pressure: credit.pressure(),
        }
    }

    /// Returns the bytes in use now. Tells the policies the peak since the last look.
    fn look_at_use(&mut self, core: &Core, now: Duration) -> Bytes {
        let (used, blocks) = (Bytes::of(core.space.resident()), core.space.pages.used());
        let peak = core.space.pages.take_peak();
        self.scavenger.saw(used + peak.saturating_sub(blocks).bytes());
        self.overshoot.saw(now, peak.bytes().saturating_add(core.credit.external()));
        used
    }

    /// CPU time of all markers; `own` is that of the collector's thread.
    fn cpu(core: &Core, own: Duration) -> Duration {
        own + core.totals.marker_time.get()
    }

    /// Records that a cycle begins; `own` is the CPU time of the collector's thread so far.
    pub(crate) fn cycle_begins(&mut self, core: &Core, own: Duration) {
        self.idle.cycle_begins(Self::signs(core));
        self.cpu = Self::cpu(core, own);
    }
    /// Records that the cycle has ended.
    pub(crate) fn cycle_ended(&mut self, core: &Core, own: Duration) {
        let cost = Self::cpu(core, own).saturating_sub(self.cpu);
        let now = self.born.elapsed();
        self.idle.cycle_ended(now, cost);
        let used = self.look_at_use(core, now);
        self.scavenger.cycle_ended(now, used);
        self.keep_limit(core);
    }

    /// Gives idle blocks back at once that, together with blocks in use, are over what the soft
    /// limit allows.
    fn keep_limit(&mut self, core: &Core) {
        let soft = core.limits.soft();
        let limit = self.overshoot.allows(soft, core.limits.far());
        self.scavenger.set_limit(limit);
        if limit == Bytes::MAX {
            self.over = false;
            return;
        }
        let room = core.room();
        let idle = core.space.pages.idle().bytes();
        let total = room.used.saturating_add(room.external).saturating_add(idle);
        let over = total.saturating_sub(limit).min(idle);
        if over >= Bytes::of(BLOCK) {
            core.space.release(over.size());
        }
        self.over = total.saturating_sub(soft).min(idle - over) >= Bytes::of(BLOCK);
    }

    /// Does what is due between cycles, in a bounded time, and returns what comes next. For a
    /// `quiet` program it looks at the roots too.
    pub(crate) fn step(&mut self, core: &Core, quiet: bool) -> Next {
        let now = if cfg!(shuttle) { Duration::ZERO } else { self.born.elapsed() };
        let used = self.look_at_use(core, now);
        if now.saturating_sub(self.kept) >= KEEP {
            self.kept = now;
            self.keep_limit(core);
        }
        if self.scavenger.is_time(now) {
            let idle = core.space.pages.idle().bytes();
            let goal = core.credit.goal().saturating_sub(core.credit.external());
            let usage = Usage { in_use: used, idle, goal };
            let slice = self.scavenger.due(now, usage);
            if !slice.is_zero() {
                let taken = core.space.release(slice.size());
                self.scavenger.gave(slice, Bytes::of(taken));
            }
            self.more =
                self.scavenger.has_more(Usage { idle: idle.saturating_sub(slice), ..usage });
        }
        let mut next = if self.more { self.look.min(self.scavenger.pause()) } else { self.look };
        if self.over {
            next = next.min(Overshoot::WINDOW);
        }
        if cfg!(shuttle) {
            return Next::Sleep(next);
        }
        self.idle.look(now, Rest::signs(core));
        // A look at every root costs too much for every wake-up.
        if quiet && self.idle.is_at_rest() && now.saturating_sub(self.looked) >= self.look / 2 {
            self.looked = now;
            if core.roots.any_flagged() {
                self.idle.note(now);
            }
        }
        match self.idle.due() {
            Some(at) if at <= now => Next::Cycle,
            Some(at) => Next::Sleep(next.min(at - now)),
            None => Next::Sleep(next),
        }
    }
}
