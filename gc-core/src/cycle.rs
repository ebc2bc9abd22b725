//! The collector: the order of the phases, and the only file that knows it.
//!
//! Life of a cycle with number n ([`Collector::cycle`]):
//! 1. *Prep n*: the barrier starts; wait until every thread has crossed; free flagged roots (rules 2 to 4).
//! 2. *Mark n*: the roots become work, markers drain ([`Collector::mark`]). The wait for this crossing is folded
//!    into the first termination round (rule 6).
//! 3. *Term n.k*: rounds until a clean one ([`Collector::round`], rule 7) that ephemerons have nothing to add to
//!    (`sweep::ephemeron`), then the weak gate closes (rule 8).
//! 4. The dead flags of weak boxes are set (rule 9).
//! 5. *Sweep n*: every thread crosses and gives its spans up, or the collector does it for an unpinned one
//!    (rules 10 and 11). While it waits it frees spans that are dead as a whole (`sweep::early`).
//! 6. The sweep opens; mutators sweep what they allocate from and the collector sweeps the rest
//!    ([`Collector::sweep`]); it closes when nothing is left.
//!
//! In between the collector sleeps with a timer and looks at the heap's size ([`Collector::run`]).

use crate::config::BLOCK;
use crate::control::Control;
use crate::dropper::Handover;
use crate::handshake::Epoch;
use crate::heap::span::SpanClass;
use crate::limits::Keeper;
use crate::mark::follow::{DIRECT, Follower};
use crate::mark::worker::Marker;
use crate::mutator::{Core, Record, enter_collector_thread};
use crate::observe::clock::ns_per_tick;
use crate::observe::gctrace::CycleLine;
use crate::pacing::{Footprint, Limiter, Marked, Pacer};
use crate::platform::thread::{process_cpu, short_timer_slack, thread_cpu};
use crate::rest::{Next, Rest};
use crate::sweep::early::Early;
use crate::sweep::{self, Keep};
use crate::sync::{Arc, Backoff, chaos, yield_now};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The collector's shortest and longest timed sleep while something happens.
const SHORT: Duration = Duration::from_micros(30);
const LONG: Duration = Duration::from_millis(2);
/// Sleeps without any allocation before the next one is deep.
const QUIET: u32 = 16;
/// The shortest marking that says whether this thread has a core to itself.
const WORTH_JUDGING: Duration = Duration::from_micros(300);
/// How long a stop waits for the threads.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// Spans swept between two yields: some 5 µs.
const SWEEP_QUANTUM: u32 = 32;

/// What the collector does instead of waiting for a thread that has not crossed.
enum Meanwhile {
    Wait,
    /// Nothing: something else was done, and it looks again at once.
    Worked,
    GiveUp,
}

/// What the collector's thread owns.
#[derive(Debug)]
pub(crate) struct Collector {
    core: Arc<Core>,
    marker: Marker,
    pacer: Pacer,
    limiter: Limiter,
    /// A limit sets the goal.
    is_limited: bool,
    /// As many mutators were busy in the last cycle as there are cores.
    is_crowded: bool,
    /// Bytes taken, and taken from fresh blocks, up to the end of the last sweep.
    taken: (u64, u64),
    /// Bytes allocated during the handshakes of this marking.
    aside: u64,
    /// Bytes outside of the heap that had been released by the end of this marking.
    released: u64,
    number: u64,
    rest: Rest,
    keeper: Keeper,
    born: Instant,
    straggler: Option<(Duration, u64)>,
    /// What the sweep finds dead that has destructors.
    dead: Handover,
    /// The threads wait at the start of their pins (the stopped mode).
    is_stopped: bool,
    last_cpu: Duration,
    last_line: Instant,
}

/// The body of an additional marker's thread: marks whenever there is something to mark.
pub(crate) fn marker_thread(core: &Core, mut marker: Marker) {
    enter_collector_thread();
    let mut backoff = Backoff::new();
    let mut hungry = false;
    while core.control.wait_for_marking() {
        let worked = core.marking.detector.start() && {
            marker.cycle = core.epoch.load().cycle();
            if hungry && !(core.marking.is_empty() && core.rings_are_empty()) {
                Marker::set_hungry(&core.marking, false);
                hungry = false;
            }
            let worked = !hungry;
            if worked {
                let cpu = thread_cpu();
                drain(core, &mut marker);
                let cpu = thread_cpu().saturating_sub(cpu);
                core.totals.marker_ns.add(cpu.as_nanos() as u64);
            }
            core.marking.detector.stop();
            worked
        };
        if worked {
            backoff = Backoff::new();
        }
        if !hungry && !core.marking.detector.is_parked() {
            Marker::set_hungry(&core.marking, true);
            hungry = true;
        }
        backoff.wait();
    }
    if hungry {
        Marker::set_hungry(&core.marking, false);
    }
}

/// Drains until nothing is left to take; a panic in a `trace` poisons the cycle and the draining goes on.
fn drain(core: &Core, marker: &mut Marker) {
    loop {
        let result = catch_unwind(AssertUnwindSafe(|| {
            marker.drain(&core.marking, &|each| core.each_ring(each), usize::MAX)
        }));
        match result {
            Ok(_) => return,
            Err(payload) => {
                crate::error::discard(payload);
                core.trace_panicked();
            }
        }
    }
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
            taken: (0, 0),
            aside: 0,
            released: 0,
            number: 0,
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
        let (mut quiet, mut pressure) = (0, 0);
        let core = self.core.clone();
        let credit = &core.credit;
        loop {
            if self.control().is_stopping() {
                break;
            }
            self.look_at_limits(false);
            self.dead.look(&core);
            self.settle();
            let is_held = credit.heap() < core.limits.floor();
            let is_due = !is_held && credit.heap() >= credit.trigger() || core.control.is_wished();
            let begins = !self.dead.awaits(&core, is_due) && is_due && !self.has_had_its_share();
            if self.control().is_asked() || begins {
                // The next look measures the rate of allocation since the one before the cycle.
                self.cycle();
                quiet = 0;
                continue;
            }
            let now = (Instant::now(), credit.allocated());
            let (time, bytes) = (now.0 - last.0, now.1.saturating_sub(last.1));
            last = now;
            let moved = bytes != 0 || credit.pressure() != pressure;
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
                self.control().sleep(sleep, true);
                last = (Instant::now(), self.core.credit.allocated());
                quiet = QUIET / 2;
                continue;
            }
            // Half of the time until the trigger at the present rate.
            let left = credit.trigger().saturating_sub(credit.heap()) as f64;
            let rate = bytes as f64 / time.as_secs_f64().max(1e-7);
            let wait = if rate > 0.0 { left / rate / 2.0 } else { f64::MAX };
            // Past the trigger it is the limiter or a destructor that holds the cycle back.
            let shortest = if is_due { LONG } else { SHORT };
            let wait = wait.clamp(shortest.as_secs_f64(), LONG.as_secs_f64());
            self.control().sleep(Duration::from_secs_f64(wait), false);
        }
        self.end();
    }

    /// Plans again as destructors give back what the dead held outside of the heap.
    fn settle(&mut self) {
        if !self.dead.may_give_back(&self.core) {
            return;
        }
        let released = self.core.credit.held().released();
        let bytes = released.saturating_sub(self.released);
        if bytes > 0 {
            self.released = released;
            let plan = self.pacer.after_drops(bytes);
            self.core.credit.amend(plan);
            self.is_limited = plan.limited;
        }
    }

    /// Waits until every thread has crossed into `to`, which is set; `each` is called for every record after its thread has.
    /// While it waits it asks `meanwhile` what to do; says whether all have crossed.
    fn await_crossing(
        &mut self,
        to: Epoch,
        each: impl Fn(&Record),
        mut meanwhile: impl FnMut() -> Meanwhile,
    ) -> bool {
        let core = self.core.clone();
        for record in core.records.snapshot() {
            let begin = Instant::now();
            let mut backoff = Backoff::new();
            let mut waited = false;
            while !record.crossed(to) {
                match meanwhile() {
                    Meanwhile::Wait => backoff.wait(),
                    Meanwhile::Worked => {}
                    Meanwhile::GiveUp => return false,
                }
                waited = true;
            }
            if waited {
                self.note_straggler(begin.elapsed(), record.number);
            }
            each(record);
            core.control.went_on();
        }
        self.core.totals.handshakes.add(1);
        true
    }

    fn begin_handshake(&self, to: Epoch) {
        chaos();
        self.core.advance(to);
        chaos();
    }

    fn note_straggler(&mut self, wait: Duration, number: u64) {
        if self.straggler.is_none_or(|(longest, _)| wait > longest) {
            self.straggler = Some((wait, number));
        }
    }

    /// Keeps every thread at the start of its pins, from epoch `to` on; says whether all are there. If not, a thread
    /// stays in its pin for so long that it may be waiting for one of the others, and all go on.
    fn stop(&mut self, to: Epoch) -> bool {
        let core = self.core.clone();
        core.stop.close();
        self.begin_handshake(to);
        let begin = Instant::now();
        for record in core.records.snapshot() {
            let mut backoff = Backoff::new();
            while !record.is_unpinned() {
                if begin.elapsed() > STOP_PATIENCE {
                    self.note_straggler(begin.elapsed(), record.number);
                    core.stop.open();
                    return false;
                }
                backoff.wait();
            }
        }
        true
    }

    /// One whole cycle.
    fn cycle(&mut self) {
        let core = self.core.clone();
        let number = self.number + 1;
        self.number = number;
        core.control.begin(number);
        self.look_at_limits(true);
        core.credit.begin();
        self.rest.cycle_begins(&core, thread_cpu());
        self.is_crowded = core.is_crowded();
        self.straggler = None;
        let mut line = CycleLine { number, goal: core.credit.goal(), ..CycleLine::default() };
        let start = Instant::now();
        let allocated_start = core.credit.allocated();
        line.heap_start = core.credit.heap();
        let held = core.credit.held();
        let taken_start = held.taken();

        let prep = Epoch::prep(number);
        self.is_stopped = core.config.stop_the_world && self.stop(prep);
        let stopped = Instant::now();
        if !core.config.stop_the_world {
            self.begin_handshake(prep);
        }
        if !fault!("prep_not_awaited") {
            self.await_crossing(prep, |_| {}, || Meanwhile::Wait);
        }
        core.roots.free_flagged();
        line.prep = start.elapsed();
        self.aside = core.credit.allocated().saturating_sub(allocated_start);

        let mark = Instant::now();
        line.rounds = self.mark(number);
        line.mark = mark.elapsed();
        line.heap_end = core.credit.heap();

        let cross = Instant::now();
        if !core.marking.is_poisoned() && !fault!("dead_not_flagged") {
            sweep::weak::flag_dead(&core.space, number);
        }
        #[cfg(gc_verify)]
        self.verify();
        let allocated_end = core.credit.allocated();
        let found = core.marking.take_found();
        let black = allocated_end.saturating_sub(allocated_start);
        let plan = self.pacer.after_mark(Marked {
            found: if core.marking.is_poisoned() { line.heap_end } else { found.bytes },
            assisted: found.assisted,
            black,
            in_mark: black.saturating_sub(self.aside),
            external: core.credit.external(),
            external_black: held.taken().saturating_sub(taken_start),
        });
        self.released = held.released();
        core.credit.adopt(plan, allocated_end);
        let sweep_epoch = Epoch::sweep(number);
        if fault!("sweep_early") {
            core.sweep.open();
            self.sweep(number);
        }
        core.gate.settle();
        let mut early = Early::new(&core.space, number, core.keep());
        self.begin_handshake(sweep_epoch);
        let give_up = |record: &Record| record.give_up_for(sweep_epoch);
        self.await_crossing(sweep_epoch, give_up, || {
            let worked = early.step(|swept| core.count(swept));
            if worked { Meanwhile::Worked } else { Meanwhile::Wait }
        });
        early.end();
        if !fault!("gate_not_reset") {
            core.gate.reset();
        }
        line.cross = cross.elapsed();
        if core.config.stop_the_world {
            line.stopped = Some(if self.is_stopped { stopped.elapsed() } else { Duration::ZERO });
        }
        if std::mem::take(&mut self.is_stopped) {
            core.stop.open();
        }

        let sweep = Instant::now();
        core.sweep.open();
        self.sweep(number);
        core.marking.heal();
        line.sweep = sweep.elapsed();
        self.plan_again();
        self.rest.cycle_ended(&core, thread_cpu());
        core.totals.cycles.add(1);
        core.ageing.cycle_ended();
        core.control.end();
        self.keeper.tell(&core, plan.live);

        if core.config.gc_trace {
            line.at = start - self.born;
            line.live = plan.live;
            line.marked_objects = found.objects;
            line.straggler = self.straggler;
            let waiting = core.drops.waiting();
            line.undropped = (waiting.objects, waiting.bytes, waiting.age);
            let (cpu, now) = (thread_cpu(), Instant::now());
            let wall = (now - self.last_line).as_secs_f64().max(1e-9);
            line.busy = (cpu.saturating_sub(self.last_cpu)).as_secs_f64() / wall;
            (self.last_cpu, self.last_line) = (cpu, now);
            // A closed standard error must not end the collector.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Marks everything reachable; returns the rounds it took.
    fn mark(&mut self, number: u64) -> u32 {
        let core = self.core.clone();
        let mut epoch = Epoch::mark(number);
        self.begin_handshake(epoch);
        if fault!("roots_freed_in_mark") {
            core.roots.free_flagged();
        }
        self.marker.cycle = number;
        core.marking.detector.resume();
        if !core.marking.detector.start() {
            crate::error::fatal("the detector is parked although only the collector parks it");
        }
        let marker = &mut self.marker;
        if core.config.markers > 1 {
            core.control.set_marking(true);
        }
        core.roots.each_live(|addr| marker.root(addr));
        core.marking.detector.stop();
        let mut rounds = 0;
        loop {
            self.drain();
            // Nobody starts from here on, so that what is recorded stays true of the markers.
            core.marking.detector.park();
            let mut backoff = Backoff::new();
            while !core.marking.detector.is_quiet() {
                backoff.wait();
            }
            chaos();
            let recorded = core.pushed();
            chaos();
            if core.marking.is_empty() && core.rings_are_empty() {
                if self.shade_ephemerons() {
                    core.marking.detector.resume();
                    continue;
                }
                epoch = epoch.next_round();
                rounds += 1;
                if self.round(epoch, recorded)
                    && (fault!("key_uncounted") || !self.shade_ephemerons())
                    && self.resolve(recorded)
                {
                    if core.config.markers > 1 {
                        core.control.set_marking(false);
                    }
                    return rounds;
                }
            }
            core.marking.detector.resume();
        }
    }

    /// Marks the values of ephemerons whose keys are marked, and follows them; returns whether there were any.
    fn shade_ephemerons(&mut self) -> bool {
        let core = &self.core;
        if !core.ephemerons.exist() {
            return false;
        }
        let mut follower = Follower::new(*core.space, self.number);
        for look in 0..=DIRECT {
            let add = if look < DIRECT { Follower::add_ready } else { Follower::add };
            sweep::ephemeron::each_ephemeron(&core.space, |ephemeron, key, value| {
                add(&mut follower, ephemeron, key, value);
            });
            if !follower.is_ready() {
                return look > 0;
            }
            let marker = &mut self.marker;
            while let Err(payload) = catch_unwind(AssertUnwindSafe(|| follower.follow(marker))) {
                crate::error::discard(payload);
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
                self.core.credit.judge(got > wall * 9 / 10 && !self.is_crowded);
            }
        }
    }

    /// What is known better after the sweep than at the end of marking.
    fn plan_again(&mut self) {
        let core = &self.core;
        let taken = (core.credit.allocated(), core.totals.fresh_bytes.get());
        let fresh = taken.1 - self.taken.1;
        let used = (core.space.pages.used() * BLOCK) as u64;
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

    /// Plans with the limits and the settings that hold now.
    fn look_at_limits(&mut self, in_cycle: bool) {
        if let Some(plan) = self.keeper.look(&self.core, &mut self.pacer, in_cycle) {
            self.core.credit.amend(plan);
            self.is_limited = plan.limited;
        }
    }

    /// Whether the collector has taken its half of the process's time while a limit sets the goal. Then nobody assists, and
    /// the next cycle waits although it is due.
    fn has_had_its_share(&mut self) -> bool {
        if !self.is_limited || cfg!(shuttle) {
            return false;
        }
        let totals = &self.core.totals;
        let assists = totals.assist_ticks.get() as f64 * ns_per_tick();
        let own = thread_cpu()
            + Duration::from_nanos(totals.marker_ns.get().saturating_add(assists as u64));
        let has = self.limiter.update(own, process_cpu());
        self.core.credit.relieve(has);
        has
    }

    /// A termination round: whether nothing was shaded until every thread had crossed into `epoch`. Gives up as
    /// soon as something is, so that marking goes on while a long pin lasts; a later round's crossing stands for
    /// this one's.
    fn round(&mut self, epoch: Epoch, recorded: u64) -> bool {
        let core = self.core.clone();
        let before = core.credit.allocated();
        let clean = self.crossing_is_clean(&core, epoch, recorded);
        self.aside += core.credit.allocated().saturating_sub(before);
        clean
    }

    fn crossing_is_clean(&mut self, core: &Core, epoch: Epoch, recorded: u64) -> bool {
        self.begin_handshake(epoch);
        if fault!("round_skipped") {
            return true;
        }
        let is_clean = || core.pushed() == recorded;
        let meanwhile = || if is_clean() { Meanwhile::Wait } else { Meanwhile::GiveUp };
        let crossed = self.await_crossing(epoch, |_| {}, meanwhile);
        crossed && is_clean() && core.marking.is_empty() && core.rings_are_empty()
    }

    /// Closes the weak gate, unless an upgrade shaded something since the round (rule 8). With a poisoned cycle
    /// nothing dies and the gate stays open.
    fn resolve(&self, recorded: u64) -> bool {
        let core = &self.core;
        if core.marking.is_poisoned() {
            return true;
        }
        core.gate.resolve(|| {
            core.pushed() == recorded && core.marking.is_empty() && core.rings_are_empty()
        })
    }

    /// Sweeps every span that no mutator sweeps, and closes the sweep.
    fn sweep(&mut self, number: u64) {
        let core = self.core.clone();
        self.dead.begin_sweep(&core, number, core.keep());
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

    fn sweep_class(&mut self, class: &'static SpanClass, number: u64, quantum: &mut u32) {
        let core = self.core.clone();
        loop {
            let Some(right) = core.sweep.begin() else { return };
            let Some(span) = sweep::take_unswept(&right, &core.space, class, number) else {
                return;
            };
            if class.needs_drop() {
                self.dead.doom(&core, class, span);
            } else {
                core.count(sweep::sweep_span(&core.space, class, span, number, core.keep()));
                sweep::put_swept(&core.space, class, span, number);
            }
            drop(right);
            core.control.went_on();
            *quantum += 1;
            if *quantum >= SWEEP_QUANTUM {
                *quantum = 0;
                // Where memory is short, or threads stall, it is what they wait for.
                if !core.limits.is_near() && !core.control.has_stalled() {
                    yield_now();
                }
            }
        }
    }

    /// The heap ends: no thread can be inside `mutate` any more. Hands over everything that has a
    /// destructor, and gives the rest of the memory back.
    fn end(mut self) {
        let core = self.core.clone();
        core.marking.detector.park();
        if core.drops.is_leaked() {
            core.drops.close();
            return;
        }
        let number = self.number + 1;
        let end = Epoch::sweep(number);
        for record in core.records.snapshot() {
            record.give_up_for(end);
        }
        self.dead.begin_sweep(&core, number, Keep::Nothing);
        let mut spans = Vec::new();
        core.space.each_span(|span, class| spans.push((span, class)));
        for (span, class) in spans {
            if !class.needs_drop() {
                core.count(sweep::sweep_span(&core.space, class, span, number, Keep::Nothing));
                core.space.free_span(span);
            } else if core.space.meta(span as usize).sweep() != number as u32 {
                // The others have just been looked at, and their objects wait.
                self.dead.doom(&core, class, span);
            }
        }
        self.dead.hand_over(&core);
        self.dead.look(&core);
        core.space.release_all();
        core.drops.close();
    }

    /// Verifying build: stops the world and compares reachability with the marks.
    #[cfg(gc_verify)]
    fn verify(&mut self) {
        let core = self.core.clone();
        if core.marking.is_poisoned() {
            return;
        }
        // If a thread does not come to a stop this cycle goes unverified.
        if self.is_stopped || self.stop(core.epoch.load().next_round()) {
            crate::verify::check_marks(&core);
            core.totals.verified.add(1);
        }
        if !self.is_stopped {
            core.stop.open();
        }
    }
}
