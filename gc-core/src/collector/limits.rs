#![forbid(unsafe_code)]
//! The collector's part of the limits. It finds out which limits hold, plans again when they
//! change, and notifies registered functions when memory is short. `pacing::limits` has the lines
//! and the rations; `mutator::ration` makes a thread keep to them.
//!
//! 1. Before each cycle and while it polls, the collector looks for changed settings
//!    ([`Keeper::look`]). It reads the container's limit with each cycle, and once a second while
//!    it polls.
//! 2. After each cycle it records whether memory is short. If so it calls the registered functions
//!    ([`Keeper::tell`]).

use crate::config::BLOCK;
use crate::mutator::Core;
use crate::observe::Pressure;
use crate::pacing::{Aim, Pacer, Plan, Tightness};
use crate::platform::cgroup;
use crate::word::Bytes;
use std::time::{Duration, Instant};

/// The shortest time between two reads of the container's limit, and the time while no cycle comes.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_secs(1);
/// The memory of the process beside the heap is rounded up to so many bytes.
const STEP: u64 = 1 << 20;

/// When the collector looks at the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A cycle is about to begin.
    Cycle,
    /// The collector polls.
    Poll,
}

impl Moment {
    /// The shortest time between two reads of the container's limit.
    fn between(self) -> Duration {
        match self {
            Moment::Cycle => OFTEN,
            Moment::Poll => SELDOM,
        }
    }
}

/// The collector's view of the limits.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// The soft and the hard limit that the container leaves, and when they were read.
    container: Option<(Bytes, Bytes)>,
    read: Instant,
    /// Bytes that the process took at that time, without the heap and external bytes.
    beside: Bytes,
    /// What the pacer plans with.
    planned: Aim,
}

impl Keeper {
    pub(crate) fn new(core: &Core) -> Keeper {
        let planned = Aim { gc_percent: core.config.gc_percent, limit: Bytes::MAX };
        let mut keeper =
            Keeper { container: None, read: Instant::now(), beside: Bytes::ZERO, planned };
        if core.config.cgroup_percent.is_some() && !cfg!(shuttle) {
            keeper.read(core);
        }
        keeper.planned.limit = keeper.adopt(core);
        keeper
    }

    /// Reads the container's limit, and what the process takes beside the heap. `malloc` keeps much
    /// of what is freed, for instance by the destructors of objects that held it.
    fn read(&mut self, core: &Core) {
        (self.container, self.read) = (core.config.container(), Instant::now());
        let idle = core.space.pages.idle() * BLOCK;
        let ours = Bytes::of(core.space.resident() + idle);
        let counted = ours.saturating_add(core.credit.external());
        // In steps, so that the limit does not change with every cycle.
        let beside = cgroup::taken().saturating_sub(counted.get());
        self.beside = Bytes::new(beside.next_multiple_of(STEP));
    }

    /// What the pacer plans with.
    pub(crate) fn planned(&self) -> Aim {
        self.planned
    }

    /// Publishes the limits that hold. Returns the limit that the pacer plans with.
    fn adopt(&self, core: &Core) -> Bytes {
        let settings = core.limits.settings();
        let (mut soft, mut hard) =
            (Bytes::of(settings.memory_limit), Bytes::of(settings.heap_limit));
        if let Some((some, most)) = self.container {
            // In a container all memory of the process counts. The heap keeps half of its part in
            // any case: with less, its cycles would free nothing more.
            let tables = Bytes::of(core.space.tables_resident());
            let beside = tables.saturating_add(self.beside).min(some / 2);
            soft = soft.min(some - beside);
            let held = beside.saturating_add(core.credit.external());
            hard = hard.min(most.saturating_sub(held));
        }
        core.space.pages.set_limit((hard / Bytes::of(BLOCK)) as usize);
        let line = Bytes::of(core.space.pages.limit() * BLOCK) / 16 * 15;
        let bound = soft.min(line);
        core.limits.adopt(soft, bound);
        bound
    }

    /// Returns the new plan if something has changed.
    pub(crate) fn look(&mut self, core: &Core, pacer: &mut Pacer, at: Moment) -> Option<Plan> {
        let is_changed = core.limits.take_change();
        let is_bounded = core.config.cgroup_percent.is_some() && !cfg!(shuttle);
        if !is_changed && !is_bounded {
            return None;
        }
        if is_bounded && self.read.elapsed() >= at.between() {
            self.read(core);
        }
        let gc_percent = core.limits.settings().gc_percent;
        let aim = Aim { gc_percent, limit: self.adopt(core) };
        let before = std::mem::replace(&mut self.planned, aim);
        (before != aim).then(|| pacer.set(aim))
    }

    /// Records after a cycle whether memory is short, and if so calls the registered functions.
    pub(crate) fn tell(&self, core: &Core, live: Bytes) {
        let room = core.room();
        let used = room.used.saturating_add(room.external);
        let pressure = Pressure::new(used, live.saturating_add(room.external), core.limits.bound());
        let is_tight = core.limits.tightness(room, Bytes::ZERO) != Tightness::Free;
        let is_short = is_tight || pressure.is_high();
        core.limits.set_near(is_short);
        if is_short {
            core.totals.pressure_panics.add(core.listeners.tell(pressure));
        }
    }
}
