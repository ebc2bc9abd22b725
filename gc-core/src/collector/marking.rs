//! The Mark phase: markers drain, and termination rounds follow until one is clean.
//!
//! 1. [`Collector::mark`] makes work of the roots and drains with the other markers
//!    ([`marker_thread`]).
//! 2. When nothing is left it records the shades so far and crosses into a round
//!    ([`Collector::round`], rule 7).
//! 3. After a clean round it marks the values of ephemerons ([`Collector::shade_ephemerons`]).
//! 4. When these add nothing the weak gate closes ([`Collector::resolve`], rule 8).

use super::Collector;
use super::crossing::Meanwhile;
use crate::error::contain;
use crate::handshake::Epoch;
use crate::mark::Hunger;
use crate::mark::worker::Marker;
use crate::mutator::{Core, enter_collector_thread};
use crate::pacing::CoreShare;
use crate::platform::thread::thread_cpu;
use crate::sync::Backoff;
use crate::weak::ephemeron::each_ephemeron;
use crate::weak::follow::{DIRECT, Follower};
use crate::word::{Cycle, Shades};
use std::time::{Duration, Instant};

/// The shortest marking that shows whether this thread has a core to itself.
const WORTH_JUDGING: Duration = Duration::from_micros(300);

/// The body of an additional marker's thread: marks whenever there is work.
pub(crate) fn marker_thread(core: &Core, mut marker: Marker) {
    enter_collector_thread();
    let mut backoff = Backoff::new();
    let hunger = Hunger::new(&core.marking);
    while core.control.wait_for_marking() {
        let worked = core.marking.detector.start() && {
            marker.cycle = core.epoch.load().cycle();
            if hunger.is_on() && !(core.marking.is_empty() && core.rings_are_empty()) {
                hunger.set(false);
            }
            let worked = !hunger.is_on();
            if worked {
                let cpu = thread_cpu();
                drain(core, &mut marker);
                core.totals.marker_time.add(thread_cpu().saturating_sub(cpu));
            }
            core.marking.detector.stop();
            worked
        };
        if worked {
            backoff = Backoff::new();
        }
        if !core.marking.detector.is_parked() {
            hunger.set(true);
        }
        backoff.wait();
    }
}

/// Drains until there is nothing to take. A panic in a `trace` poisons the cycle, and the draining
/// goes on.
fn drain(core: &Core, marker: &mut Marker) {
    let mut drained = || {
        contain(|| {
            marker.drain(&core.marking, &|each| core.each_ring(each), usize::MAX);
        })
    };
    while !drained() {
        core.trace_panicked();
    }
}

impl Collector {
    /// Marks everything reachable. Returns the number of rounds.
    pub(super) fn mark(&mut self, number: Cycle) -> u32 {
        let core = self.core.clone();
        let mut epoch = Epoch::mark(number);
        self.begin_handshake(epoch);
        self.marker.cycle = number;
        core.marking.detector.resume();
        if !core.marking.detector.start() {
            crate::error::fatal("the detector is parked although only the collector parks it");
        }
        let marker = &mut self.marker;
        if core.config.markers > 1 {
            core.control.begin_marking();
        }
        core.roots.each_live(|addr| marker.root(addr));
        core.marking.detector.stop();
        let mut rounds = 0;
        loop {
            self.drain();
            // From here on no marker starts, so what is recorded stays true of the markers.
            core.marking.detector.park();
            let mut backoff = Backoff::new();
            while !core.marking.detector.is_quiet() {
                backoff.wait();
            }
            let recorded = core.pushed();
            if core.marking.is_empty() && core.rings_are_empty() {
                if self.shade_ephemerons() {
                    core.marking.detector.resume();
                    continue;
                }
                epoch = epoch.next_round();
                rounds += 1;
                if self.round(epoch, recorded) && !self.shade_ephemerons() && self.resolve(recorded)
                {
                    if core.config.markers > 1 {
                        core.control.end_marking();
                    }
                    return rounds;
                }
            }
            core.marking.detector.resume();
        }
    }

    /// Marks the values of ephemerons whose keys are marked, and what they lead to. Returns whether
    /// there were any.
    fn shade_ephemerons(&mut self) -> bool {
        let core = &self.core;
        if !core.ephemerons.exist() {
            return false;
        }
        let mut follower = Follower::new(*core.space, self.number);
        for look in 0..=DIRECT {
            let add = if look < DIRECT { Follower::add_ready } else { Follower::add };
            each_ephemeron(&core.space, |ephemeron, key, value| {
                add(&mut follower, ephemeron, key, value);
            });
            if !follower.is_ready() {
                return look > 0;
            }
            let marker = &mut self.marker;
            while !contain(|| follower.follow(marker)) {
                core.trace_panicked();
            }
        }
        true
    }

    fn drain(&mut self) {
        if self.core.marking.detector.start() {
            let (wall, cpu) = (Instant::now(), thread_cpu());
            drain(&self.core, &mut self.marker);
            self.core.marking.detector.stop();
            let wall = wall.elapsed();
            // Clocks would make a schedule depend on more than its seed.
            if wall > WORTH_JUDGING && !cfg!(shuttle) {
                let got = thread_cpu().saturating_sub(cpu);
                let has_whole = got > wall * 9 / 10 && !self.is_crowded;
                let share = if has_whole { CoreShare::Whole } else { CoreShare::Part };
                self.core.credit.judge(share);
            }
        }
    }

    /// A termination round. Returns whether nothing was shaded until every thread had crossed into
    /// `epoch`. Gives up as soon as something is shaded, so that marking goes on while a long pin
    /// lasts. A later round's crossing stands for this one's.
    fn round(&mut self, epoch: Epoch, recorded: Shades) -> bool {
        let core = self.core.clone();
        let before = core.credit.allocated();
        let clean = self.crossing_is_clean(&core, epoch, recorded);
        self.aside += core.credit.allocated().saturating_sub(before);
        clean
    }

    fn crossing_is_clean(&mut self, core: &Core, epoch: Epoch, recorded: Shades) -> bool {
        self.begin_handshake(epoch);
        let is_clean = || core.pushed() == recorded;
        let meanwhile = || if is_clean() { Meanwhile::Wait } else { Meanwhile::GiveUp };
        let crossed = self.await_crossing(epoch, |_| {}, meanwhile);
        crossed && is_clean() && core.marking.is_empty() && core.rings_are_empty()
    }

    /// Closes the weak gate, unless an upgrade shaded something since the round (rule 8). In a
    /// poisoned cycle nothing dies, and the gate stays open.
    fn resolve(&self, recorded: Shades) -> bool {
        let core = &self.core;
        if core.marking.is_poisoned() {
            return true;
        }
        core.gate.resolve(|| {
            core.pushed() == recorded && core.marking.is_empty() && core.rings_are_empty()
        })
    }
}
