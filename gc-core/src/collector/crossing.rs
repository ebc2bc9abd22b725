//! Handshakes, as the collector sees them: it sets an epoch and waits thread by thread.
//!
//! 1. [`Collector::begin_handshake`] sets the epoch.
//! 2. [`Collector::await_crossing`] looks at one thread after the other until each has crossed
//!    (rule 2). It does other work meanwhile, or gives up.
//! 3. [`Collector::stop`] is the exception: it keeps the threads at the start of their pins, in the
//!    stopped mode and in the verifying build.

use super::Collector;
use crate::handshake::{Epoch, Mode};
use crate::mutator::Record;
use crate::observe::clock::ticks;
use crate::observe::{Event, Handshake, Phase, Straggler};
use crate::sync::Backoff;
use std::time::{Duration, Instant};

/// The longest time that a stop waits for the threads.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// What the collector does while it waits for a thread that has not crossed.
pub(super) enum Meanwhile {
    Wait,
    /// It has done other work, and looks again at once.
    Worked,
    GiveUp,
}

impl Collector {
    pub(super) fn begin_handshake(&self, to: Epoch) {
        self.core.advance(to);
    }

    /// Waits until every thread has crossed into `to`, which is set. Calls `each` for every record
    /// after its thread has crossed, and `meanwhile` while it waits. Returns whether all have
    /// crossed.
    pub(super) fn await_crossing(
        &mut self,
        to: Epoch,
        each: impl Fn(&Record),
        mut meanwhile: impl FnMut() -> Meanwhile,
    ) -> bool {
        let (start, since) = (Instant::now(), ticks());
        let is_heard = self.core.events.are_heard();
        let mut longest: Option<Straggler> = None;
        let mut threads = 0;
        let mut is_complete = true;
        'threads: for record in self.core.records.snapshot() {
            let begin = Instant::now();
            let mut backoff = Backoff::new();
            let mut straggler = None;
            let mut waited = false;
            while !record.crossed(to) {
                waited = true;
                // The place is that of the pin for which it waits.
                if is_heard && straggler.is_none() {
                    straggler = Some(record.straggler(Duration::ZERO));
                }
                match meanwhile() {
                    Meanwhile::Wait => backoff.wait(),
                    Meanwhile::Worked => {}
                    Meanwhile::GiveUp => {
                        is_complete = false;
                        break 'threads;
                    }
                }
            }
            if waited {
                self.core.totals.waited_for(begin.elapsed());
            }
            if let Some(straggler) = straggler {
                Straggler { wait: begin.elapsed(), ..straggler }.keep_if_longer(&mut longest);
            }
            threads += 1;
            each(record);
            self.core.control.went_on();
        }
        if is_complete {
            self.core.totals.handshakes.add(1);
            self.core.totals.handshake_times.record(since);
        }
        self.tell_handshake(to, start.elapsed(), (threads, is_complete), longest);
        is_complete
    }

    /// Tells the listeners of a handshake, and keeps its straggler for the cycle's report.
    fn tell_handshake(
        &mut self,
        to: Epoch,
        time: Duration,
        (threads, is_complete): (u64, bool),
        straggler: Option<Straggler>,
    ) {
        let events = &self.core.events;
        if events.are_heard() {
            let phase = match to.mode() {
                Mode::Prep => Phase::Prep,
                Mode::Mark => Phase::Mark,
                Mode::Off => Phase::Cross,
            };
            let (cycle, straggler) = (self.number.get(), straggler.clone());
            let handshake = Handshake { cycle, phase, time, threads, is_complete, straggler };
            events.tell(&Event::Handshake(&handshake));
        }
        if let Some(straggler) = straggler {
            straggler.keep_if_longer(&mut self.straggler);
        }
    }

    /// Keeps every thread at the start of its pins, from epoch `to` on. Returns whether all are
    /// there. If not, all go on: a thread stays in its pin for so long that it may be waiting for
    /// another one.
    pub(super) fn stop(&mut self, to: Epoch) -> bool {
        let core = self.core.clone();
        core.stop.close();
        self.begin_handshake(to);
        let begin = Instant::now();
        for record in core.records.snapshot() {
            let mut backoff = Backoff::new();
            while !record.is_unpinned() {
                if begin.elapsed() > STOP_PATIENCE {
                    record.straggler(begin.elapsed()).keep_if_longer(&mut self.straggler);
                    core.stop.open();
                    return false;
                }
                backoff.wait();
            }
        }
        true
    }

    /// In the verifying build, stops the world and compares reachability with the marks.
    #[cfg(not(gc_verify))]
    pub(super) fn verify(&mut self) {}
    #[cfg(gc_verify)]
    pub(super) fn verify(&mut self) {
        let core = self.core.clone();
        if core.marking.is_poisoned() {
            return;
        }
        // If a thread does not stop, this cycle is not verified.
        if self.is_stopped || self.stop(core.epoch.load().next_round()) {
            crate::verify::check_marks(&core);
            core.totals.verified.add(1);
        }
        if !self.is_stopped {
            core.stop.open();
        }
    }
}
