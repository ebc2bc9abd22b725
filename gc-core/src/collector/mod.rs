//! The collector: the order of the phases, which only this file knows.
//!
//! Life of the cycle with number n ([`Collector::cycle`]):
//! 1. *Prep n*: the barrier starts. The collector waits until every thread has crossed, and frees
//!    flagged roots (rules 2 to 4).
//! 2. *Mark n*: the roots become work, and markers drain ([`Collector::mark`]). The wait for this
//!    crossing is part of the first termination round (rule 6).
//! 3. *Term n.k*: rounds until a clean one ([`Collector::round`], rule 7) after which ephemerons
//!    add nothing (`weak::ephemeron`). Then the weak gate closes (rule 8).
//! 4. The collector sets the dead flags of weak boxes (rule 9), and judges sampled objects
//!    (`observe::sample`).
//! 5. *Sweep n*: every thread crosses and gives its spans up; for an unpinned one the collector
//!    does it (rules 10 and 11). While it waits, the collector frees spans without live objects
//!    (`sweep::early`).
//!    After that a snapshot is recorded, if a thread has asked for one (`crate::snapshot`).
//! 6. The sweep opens. Mutators sweep the spans they allocate from, and the collector sweeps the
//!    rest ([`Collector::sweep`]). The sweep closes when nothing is left.
//!
//! Between cycles the collector sleeps with a timer and looks at the heap's size
//! ([`Collector::run`]).
//!
//! Files, lowest first: `crossing`, `marking`, `dropper`, `limits`, `rest`.

mod crossing;
pub(crate) mod dropper;
pub(crate) mod limits;
mod marking;
mod rest;

pub(crate) use marking::marker_thread;

use crate::control::{Control, Sleep};
use crate::handshake::Epoch;
use crate::heap::span::{OwnedSpan, SpanClass};
use crate::mark::worker::Marker;
use crate::mutator::{Core, Record, enter_collector_thread};
use crate::observe::clock::{ns_per_tick, ns_per_tick_so_far, ticks};
use crate::observe::metrics::Sweeper;
use crate::observe::{CycleReport, Event, Phase, Straggler};
use crate::pacing::{Footprint, Limiter, Marked, Pacer};
use crate::platform::thread::{process_cpu, short_timer_slack, thread_cpu};
use crate::snapshot;
use crate::sweep::early::Early;
use crate::sweep::{self, Keep};
use crate::sync::{Arc, yield_now};
use crate::weak;
use crate::word::{Bytes, Cycle, Ticks};
use crossing::Meanwhile;
use dropper::Handover;
use limits::{Keeper, Moment};
use rest::{Next, Rest};
use std::time::{Duration, Instant};

/// The collector's shortest and longest timed sleep while the program uses the heap.
const SHORT: Duration = Duration::from_micros(30);
const LONG: Duration = Duration::from_millis(2);
/// Number of sleeps without any allocation before the next sleep is deep.
const QUIET: u32 = 16;
/// Spans swept between two yields: some 5 µs.
const SWEEP_QUANTUM: u32 = 32;

/// Clocks and counters at the start of a cycle.
struct Before {
    time: Instant,
    allocated: Bytes,
    /// Bytes that had been taken outside of the heap.
    taken: Bytes,
}

/// What the collector's thread owns.
#[derive(Debug)]
pub(crate) struct Collector {
    core: Arc<Core>,
    marker: Marker,
    pacer: Pacer,
    limiter: Limiter,
    /// Whether a limit sets the goal.
    is_limited: bool,
    /// Whether in the last cycle at least as many mutators were busy as there are cores.
    is_crowded: bool,
    /// Bytes allocated, and those of them from fresh blocks, up to the end of the last sweep.
    taken: (Bytes, Bytes),
    /// Bytes allocated during the handshakes of this marking.
    aside: Bytes,
    /// External bytes that had been released by the end of this marking.
    released: Bytes,
    number: Cycle,
    rest: Rest,
    keeper: Keeper,
    born: Instant,
    /// The longest wait of a handshake in this cycle.
    straggler: Option<Straggler>,
    /// Dead objects with destructors that the sweep finds.
    dead: Handover,
    /// Whether the threads wait at the start of their pins (the stopped mode).
    is_stopped: bool,
    last_cpu: Duration,
    last_line: Instant,
}

impl Collector {
    pub(crate) fn new(core: Arc<Core>, marker: Marker, pacer: Pacer, keeper: Keeper) -> Collector {
        let now = Instant::now();
        Collector {
            rest: Rest::new(&core),
            core,
            marker,
            pacer,
            limiter: Limiter::default(),
            keeper,
            is_limited: false,
            is_crowded: false,
            taken: (Bytes::ZERO, Bytes::ZERO),
            aside: Bytes::ZERO,
            released: Bytes::ZERO,
            number: Cycle::NONE,
            born: now,
            straggler: None,
            dead: Handover::new(),
            is_stopped: false,
            last_cpu: Duration::ZERO,
            last_line: now,
        }
    }

    fn control(&self) -> &Control {
        &self.core.control
    }

    /// The body of the collector's thread.
    pub(crate) fn run(mut self) {
        enter_collector_thread();
        short_timer_slack();
        let mut last = (Instant::now(), self.core.credit.allocated());
        let (mut quiet, mut pressure) = (0, Bytes::ZERO);
        let core = self.core.clone();
        let credit = &core.credit;
        loop {
            if self.control().is_stopping() {
                break;
            }
            self.look_at_limits(Moment::Poll);
            self.dead.look(&core);
            self.settle();
            let is_held = credit.heap() < core.limits.floor();
            let is_due = !is_held && credit.heap() >= credit.trigger() || core.control.is_wished();
            let begins = !self.dead.awaits(&core, is_due) && is_due && !self.has_had_its_share();
            if self.control().is_asked() || begins {
                // The next look measures the rate of allocation since the look before the cycle.
                self.cycle();
                quiet = 0;
                continue;
            }
            let now = (Instant::now(), credit.allocated());
            let (time, bytes) = (now.0 - last.0, now.1.saturating_sub(last.1));
            last = now;
            let moved = !bytes.is_zero() || credit.pressure() != pressure;
            pressure = credit.pressure();
            quiet = if moved { 0 } else { quiet + 1 };
            let sleep = match self.rest.step(&core, quiet > QUIET) {
                Next::Cycle if is_held => LONG,
                Next::Cycle => {
                    self.cycle();
                    last = (Instant::now(), self.core.credit.allocated());
                    quiet = QUIET / 2;
                    continue;
                }
                Next::Sleep(time) => time,
            };
            if quiet > QUIET {
                self.control().sleep(sleep, Sleep::Deep);
                last = (Instant::now(), self.core.credit.allocated());
                quiet = QUIET / 2;
                continue;
            }
            // Half of the time until the trigger at the present rate.
            let left = credit.trigger().saturating_sub(credit.heap()).as_f64();
            let rate = bytes.as_f64() / time.as_secs_f64().max(1e-7);
            let wait = if rate > 0.0 { left / rate / 2.0 } else { f64::MAX };
            // Past the trigger, the limiter or a destructor holds the cycle back.
            let shortest = if is_due { LONG } else { SHORT };
            let wait = wait.clamp(shortest.as_secs_f64(), LONG.as_secs_f64());
            self.control().sleep(Duration::from_secs_f64(wait), Sleep::Light);
        }
        self.end();
    }

    /// Plans again when destructors have released external bytes of dead objects.
    fn settle(&mut self) {
        if !self.dead.may_give_back(&self.core) {
            return;
        }
        let released = self.core.credit.held().released();
        let bytes = released.saturating_sub(self.released);
        if !bytes.is_zero() {
            self.released = released;
            let plan = self.pacer.after_drops(bytes);
            self.core.credit.amend(plan);
            self.is_limited = plan.limited;
        }
    }

    /// One whole cycle.
    fn cycle(&mut self) {
        let (core, since) = (self.core.clone(), ticks());
        let mut line = self.begin();
        let number = self.number;
        let begin = Before {
            time: Instant::now(),
            allocated: core.credit.allocated(),
            taken: core.credit.held().taken(),
        };

        self.begin_phase(Phase::Prep);
        let stopped = self.prep(number);
        line.prep = self.end_phase(Phase::Prep, begin.time);
        self.aside = core.credit.allocated().saturating_sub(begin.allocated);

        let mark = self.begin_phase(Phase::Mark);
        line.rounds = self.mark(number);
        line.mark = self.end_phase(Phase::Mark, mark);
        line.heap_end_bytes = core.credit.heap().get();

        let cross = self.begin_phase(Phase::Cross);
        self.flag_dead(number);
        if !core.marking.is_poisoned() {
            core.samples.judge(number, |addr| core.space.is_marked(addr));
        }
        self.plan(&begin, &mut line);
        self.cross(number);
        line.cross = self.end_phase(Phase::Cross, cross);
        if core.config.stop_the_world {
            line.stopped = Some(if self.is_stopped { stopped.elapsed() } else { Duration::ZERO });
        }
        if std::mem::take(&mut self.is_stopped) {
            core.stop.open();
        }

        // Before anything is freed: marks are exact, and no marked slot is used again.
        self.record(number);

        let sweep = self.begin_phase(Phase::Sweep);
        core.sweep.open();
        self.sweep(number);
        core.marking.heal();
        line.sweep = self.end_phase(Phase::Sweep, sweep);
        self.plan_again();
        let cpu = thread_cpu();
        self.rest.cycle_ended(&core, cpu);
        core.totals.cycle_ended(&line, since, cpu);
        core.watch.tune(ns_per_tick_so_far());
        core.ageing.cycle_ended();
        let live = line.live_bytes;
        if core.events.are_heard() {
            line.at = begin.time - self.born;
            self.report(line);
        }
        core.control.end();
        self.keeper.tell(&core, Bytes::new(live));
    }

    /// What is to be done before the first handshake; begins the cycle's report.
    fn begin(&mut self) -> CycleReport {
        let core = &self.core;
        self.number = self.number.next();
        core.control.begin(self.number);
        self.look_at_limits(Moment::Cycle);
        let core = &self.core;
        core.credit.begin();
        self.rest.cycle_begins(core, thread_cpu());
        self.is_crowded = core.is_crowded();
        self.straggler = None;
        let line = CycleReport {
            heap: core.events.heap.get(),
            cycle: self.number.get(),
            goal_bytes: core.credit.goal().get(),
            heap_start_bytes: core.credit.heap().get(),
            ..CycleReport::default()
        };
        core.events.tell(&Event::CycleBegin {
            cycle: line.cycle,
            heap_bytes: line.heap_start_bytes,
            goal_bytes: line.goal_bytes,
        });
        line
    }

    /// The Prep phase. Returns the time from which threads are stopped, in the stopped mode.
    fn prep(&mut self, number: Cycle) -> Instant {
        let core = self.core.clone();
        let prep = Epoch::prep(number);
        self.is_stopped = core.config.stop_the_world && self.stop(prep);
        let stopped = Instant::now();
        if !core.config.stop_the_world {
            self.begin_handshake(prep);
        }
        self.await_crossing(prep, |_| {}, || Meanwhile::Wait);
        core.roots.free_flagged();
        stopped
    }

    /// Sets the dead flags of weak boxes (rule 9).
    fn flag_dead(&mut self, number: Cycle) {
        if !self.core.marking.is_poisoned() {
            weak::gate::flag_dead(&self.core.space, number);
        }
        self.verify();
    }

    /// Plans the next cycle with what marking has found.
    fn plan(&mut self, begin: &Before, line: &mut CycleReport) {
        let core = &self.core;
        let held = core.credit.held();
        let allocated_end = core.credit.allocated();
        let found = core.marking.take_found();
        let black = allocated_end.saturating_sub(begin.allocated);
        let (all, assisted) = (Bytes::new(found.bytes), Bytes::new(found.assisted));
        let is_whole = !core.marking.is_poisoned();
        let plan = self.pacer.after_mark(Marked {
            found: if is_whole { all } else { Bytes::new(line.heap_end_bytes) },
            assisted,
            black,
            in_mark: black.saturating_sub(self.aside),
            external: core.credit.external(),
            external_black: held.taken().saturating_sub(begin.taken),
        });
        self.released = held.released();
        core.credit.adopt(plan, allocated_end);
        line.live_bytes = plan.live.get();
        line.marked_objects = found.objects;
        core.totals.work.marked(all, assisted, line.mark);
    }

    /// The Cross phase: closes Mark on every thread, and frees what is dead as a whole meanwhile.
    fn cross(&mut self, number: Cycle) {
        let core = self.core.clone();
        let sweep_epoch = Epoch::sweep(number);
        core.gate.settle();
        let mut early = Early::new(&core.space, number.sweep(), core.keep());
        self.begin_handshake(sweep_epoch);
        let give_up = |record: &Record| record.give_up_for(sweep_epoch);
        self.await_crossing(sweep_epoch, give_up, || {
            let worked = early.step(|swept| {
                core.count(swept);
                core.totals.swept_by(Sweeper::Early);
            });
            if worked { Meanwhile::Worked } else { Meanwhile::Wait }
        });
        early.end();
        core.gate.reset();
    }

    /// Tells the listeners what the cycle did.
    fn report(&mut self, mut line: CycleReport) {
        line.straggler = self.straggler.take();
        let waiting = self.core.drops.waiting();
        line.undropped_objects = waiting.objects;
        line.undropped_bytes = waiting.bytes;
        line.undropped_age = waiting.age;
        let (cpu, now) = (thread_cpu(), Instant::now());
        let wall = (now - self.last_line).as_secs_f64().max(1e-9);
        line.busy = (cpu.saturating_sub(self.last_cpu)).as_secs_f64() / wall;
        (self.last_cpu, self.last_line) = (cpu, now);
        self.core.events.tell(&Event::CycleEnd(&line));
    }

    fn begin_phase(&self, phase: Phase) -> Instant {
        self.core.events.tell(&Event::PhaseBegin { cycle: self.number.get(), phase });
        Instant::now()
    }
    /// Tells that a phase is over, and returns how long it took.
    fn end_phase(&self, phase: Phase, begin: Instant) -> Duration {
        let time = begin.elapsed();
        self.core.events.tell(&Event::PhaseEnd { cycle: self.number.get(), phase, time });
        time
    }

    /// Plans again with sizes that are exact only after the sweep.
    fn plan_again(&mut self) {
        let core = &self.core;
        let taken = (core.credit.allocated(), Bytes::new(core.totals.fresh_bytes.get()));
        let fresh = taken.1 - self.taken.1;
        let used = core.space.pages.used().bytes();
        let released = core.credit.held().released();
        let plan = self.pacer.after_sweep(Footprint {
            used: used.saturating_sub(self.dead.soon(core)),
            counted: core.credit.counted(),
            reused: taken.0.saturating_sub(self.taken.0).saturating_sub(fresh),
            fresh,
            external: core.credit.external(),
            external_freed: released.saturating_sub(self.released),
        });
        core.credit.amend(plan);
        self.released = released;
        self.dead.swept(core);
        self.taken = taken;
        self.is_limited = plan.limited;
        if !plan.limited {
            self.limiter.reset();
            self.core.credit.relieve(false);
        }
    }

    /// Plans again if the limits or the settings have changed.
    fn look_at_limits(&mut self, at: Moment) {
        if let Some(plan) = self.keeper.look(&self.core, &mut self.pacer, at) {
            self.core.credit.amend(plan);
            self.is_limited = plan.limited;
        }
    }

    /// Returns whether the collector has used up its half of the process's CPU time while a limit
    /// sets the goal. Then mutators do not assist, and the next cycle waits although it is due.
    fn has_had_its_share(&mut self) -> bool {
        if !self.is_limited || cfg!(shuttle) {
            return false;
        }
        let totals = &self.core.totals;
        let assists = Ticks::new(totals.assist_ticks.get()).time(ns_per_tick());
        let own = thread_cpu() + totals.marker_time.get() + assists;
        let has = self.limiter.update(own, process_cpu());
        self.core.credit.relieve(has);
        has
    }

    /// Records a snapshot, if a thread has asked for one. Meanwhile threads that allocate neither
    /// assist nor yield: there is nothing to mark, and no thread but the asking one waits for it.
    fn record(&self, number: Cycle) {
        let core = &self.core;
        core.desk.serve(number, || {
            let was_relieved = core.credit.is_relieved();
            core.credit.relieve(true);
            let made = snapshot::record(core);
            core.credit.relieve(was_relieved);
            made
        });
    }

    /// Sweeps every span that mutators do not sweep, and closes the sweep.
    fn sweep(&mut self, number: Cycle) {
        let core = self.core.clone();
        self.dead.begin_sweep(&core, number.sweep(), core.keep());
        let mut quantum = 0;
        loop {
            // Classes made meanwhile have fresh spans only.
            for class in core.space.all_classes() {
                self.sweep_class(class, number, &mut quantum);
            }
            self.dead.hand_over(&core);
            if core.sweep.close() {
                return;
            }
            yield_now();
        }
    }

    fn sweep_class(&mut self, class: &'static SpanClass, number: Cycle, quantum: &mut u32) {
        let core = self.core.clone();
        loop {
            let Some(right) = core.sweep.begin() else { return };
            let span = sweep::take_unswept(&right, &core.space, class, number.sweep());
            let Some(mut span) = span else { return };
            core.totals.swept_by(Sweeper::Collector);
            if class.needs_drop() {
                self.dead.doom(&core, span);
            } else {
                core.count(span.sweep(&core.space, number.sweep(), core.keep()));
                span.put_swept(&core.space, number.sweep());
            }
            drop(right);
            core.control.went_on();
            *quantum += 1;
            if *quantum >= SWEEP_QUANTUM {
                *quantum = 0;
                // Without the yield where memory is short or threads stall: they wait for this
                // sweep.
                if !core.limits.is_near() && !core.control.has_stalled() {
                    yield_now();
                }
            }
        }
    }

    /// Ends the heap, when no thread can be inside `mutate` any more. Hands over all objects with
    /// destructors, and gives the rest of the memory back.
    fn end(mut self) {
        let core = self.core.clone();
        core.marking.detector.park();
        if core.drops.is_leaked() {
            core.drops.close();
            return;
        }
        let number = self.number.next();
        let end = Epoch::sweep(number);
        for record in core.records.snapshot() {
            record.give_up_for(end);
        }
        self.dead.begin_sweep(&core, number.sweep(), Keep::Nothing);
        let mut spans = Vec::new();
        core.space.each_span(|span, class| spans.push((span, class)));
        for (block, class) in spans {
            // The lists and the caches are not used any more, so the span is this thread's.
            let mut span = OwnedSpan::from_parts(class, block);
            if !class.needs_drop() {
                core.count(span.sweep(&core.space, number.sweep(), Keep::Nothing));
                core.space.free_span(span);
            } else if core.space.meta(block).sweep() != number.sweep() {
                // Spans with that number have just been swept, and their objects wait.
                self.dead.doom(&core, span);
            }
        }
        self.dead.hand_over(&core);
        self.dead.look(&core);
        core.space.release_all();
        core.drops.close();
    }
}
