#![forbid(unsafe_code)]
//! The collector's part of the limits: it finds out what holds, plans anew when that changes, and
//! tells those who asked for it that memory is short. The lines and the rations are
//! `pacing::limits`; how a thread keeps to them is `mutator::ration`.
//!
//! 1. Before each cycle and while it polls, the collector looks for settings that were changed
//!    ([`Keeper::look`]). It reads the container's limit with each cycle, and once a second while
//!    it polls.
//! 2. After each cycle it sets whether memory is short, and calls those who registered
//!    ([`Keeper::tell`]).

use crate::cgroup;
use crate::config::BLOCK;
use crate::mutator::Core;
use crate::observe::Pressure;
use crate::pacing::{Pacer, Plan, Tightness};
use std::time::{Duration, Instant};

/// How often the container's limit is read at most, and how often while no cycle comes.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_secs(1);
/// Steps in which what is beside the heap is counted, in bytes.
const STEP: u64 = 1 << 20;

/// The collector's view of the limits.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// What the container leaves, softly and at most, and when that was read.
    container: Option<(u64, u64)>,
    read: Instant,
    /// What the process took beside the heap then, and beside external bytes.
    beside: u64,
    /// The percent and the limit that the pacer plans with.
    planned: (u32, u64),
}

impl Keeper {
    pub(crate) fn new(core: &Core) -> Keeper {
        let planned = (core.config.gc_percent, u64::MAX);
        let mut keeper = Keeper { container: None, read: Instant::now(), beside: 0, planned };
        if core.config.cgroup_percent.is_some() && !cfg!(shuttle) {
            keeper.read(core);
        }
        keeper.planned.1 = keeper.adopt(core);
        keeper
    }

    /// Reads the container's limit, and what the process takes beside the heap: `malloc` keeps much
    /// of what is freed, for instance by the destructors of objects that held it.
    fn read(&mut self, core: &Core) {
        (self.container, self.read) = (core.config.container(), Instant::now());
        let idle = core.space.pages.idle() * BLOCK;
        let ours = (core.space.resident() + idle) as u64;
        let counted = ours.saturating_add(core.credit.external());
        // In steps, so that not every cycle has another limit.
        self.beside = cgroup::taken().saturating_sub(counted).next_multiple_of(STEP);
    }

    /// What the pacer plans with at first.
    pub(crate) fn bound(&self) -> u64 {
        self.planned.1
    }

    /// Says to all threads what holds; returns what the pacer plans with.
    fn adopt(&self, core: &Core) -> u64 {
        let settings = core.limits.settings();
        let (mut soft, mut hard) = (settings.memory_limit as u64, settings.heap_limit as u64);
        if let Some((some, most)) = self.container {
            // In a container everything counts. The heap keeps half of its part, whatever else
            // there is: below that its cycles would free nothing more.
            let tables = core.space.tables_resident() as u64;
            let beside = tables.saturating_add(self.beside).min(some / 2);
            soft = soft.min(some - beside);
            let held = beside.saturating_add(core.credit.external());
            hard = hard.min(most.saturating_sub(held));
        }
        core.space.pages.set_limit((hard / BLOCK as u64) as usize);
        let line = (core.space.pages.limit() * BLOCK) as u64 / 16 * 15;
        let bound = soft.min(line);
        core.limits.adopt(soft, bound);
        bound
    }

    /// Looks whether something has changed; if so, returns the new plan. `in_cycle`: a cycle is
    /// about to begin or has ended.
    pub(crate) fn look(&mut self, core: &Core, pacer: &mut Pacer, in_cycle: bool) -> Option<Plan> {
        let is_changed = core.limits.take_change();
        let is_bounded = core.config.cgroup_percent.is_some() && !cfg!(shuttle);
        if !is_changed && !is_bounded {
            return None;
        }
        if is_bounded && self.read.elapsed() >= if in_cycle { OFTEN } else { SELDOM } {
            self.read(core);
        }
        let percent = core.limits.settings().gc_percent;
        let bound = self.adopt(core);
        let before = std::mem::replace(&mut self.planned, (percent, bound));
        (before != self.planned).then(|| pacer.set(percent, bound))
    }

    /// A cycle has ended: notes whether memory is short, and if so calls the registered functions.
    pub(crate) fn tell(&self, core: &Core, live: u64) {
        let room = core.room();
        let used = room.used.saturating_add(room.external);
        let pressure = Pressure::new(used, live.saturating_add(room.external), core.limits.bound());
        let is_tight = core.limits.tightness(room, 0) != Tightness::Free;
        let is_short = is_tight || pressure.is_high();
        core.limits.set_near(is_short);
        if is_short {
            core.totals.pressure_panics.add(core.listeners.tell(pressure));
        }
    }
}
