//! A simulated program under the real pacer, as in Go's `mgcpacer_test.go`. Time goes in steps of
//! 50 µs. Mutators allocate, the collector marks at its own speed, and assists mark in quanta.
//! Nothing here knows a real heap, so a run of minutes takes milliseconds. A scenario is a function
//! from time to live bytes.

use super::*;
use crate::config::Settings;
use std::time::Duration;

const MB: Bytes = Bytes::new(1 << 20);
const STEP: f64 = 50e-6;

/// A program and a machine.
struct World {
    /// Live bytes at a time in seconds.
    live: fn(f64) -> Bytes,
    /// Bytes that all mutators together allocate in a second, if they do nothing else.
    allocation: f64,
    /// Bytes marked in a second: by the collector's thread, and by an assisting mutator.
    marking: f64,
    /// Seconds that each handshake of a cycle lasts.
    handshake: f64,
    gc_percent: u32,
    limit: Bytes,
    /// Whether the collector has a core that no mutator uses.
    own_core: bool,
    seconds: f64,
}

impl Default for World {
    fn default() -> World {
        World {
            live: |_| 100 * MB,
            allocation: 200.0 * MB.as_f64(),
            marking: 500.0 * MB.as_f64(),
            handshake: 50e-6,
            gc_percent: 100,
            limit: Bytes::MAX,
            own_core: true,
            seconds: 20.0,
        }
    }
}

/// What happened in one cycle.
#[derive(Debug, Clone, Copy)]
struct Cycle {
    at: f64,
    goal: Bytes,
    /// The heap at the end of marking.
    peak: Bytes,
    live: Bytes,
}

struct Outcome {
    cycles: Vec<Cycle>,
    allocated: f64,
    /// The collector's share of all CPU time, assists included, over the second half of the run.
    share: f64,
    /// Shares of the mutators' time: spent in assists, given away by yields, and waited at the
    /// limit.
    assisting: f64,
    yielding: f64,
    waiting: f64,
    /// Peak size of the heap.
    most: Bytes,
    /// The least number of bytes allocated in any tenth of the run after the first two.
    least: f64,
}

impl Outcome {
    /// The largest ratio of heap to goal, from `from` seconds on.
    fn overshoot(&self, from: f64) -> f64 {
        let late = self.cycles.iter().filter(|c| c.at >= from);
        late.map(|c| c.peak.as_f64() / c.goal.as_f64()).fold(0.0, f64::max)
    }
    fn count(&self, from: f64, to: f64) -> usize {
        self.cycles.iter().filter(|c| c.at >= from && c.at < to).count()
    }
}

/// The phase of the simulated collector.
enum Phase {
    Idle,
    /// Seconds left, and whether marking is done.
    Handshake(f64, bool),
    /// Bytes marked in all, and by assists.
    Marking {
        total: f64,
        done: f64,
        assisted: f64,
    },
}

fn bytes(of: f64) -> Bytes {
    Bytes::new(of as u64)
}

/// What the mutator did in one step.
struct Turn {
    /// It waited at the limit.
    waits: bool,
    allocated: Bytes,
    /// Bytes that it marked.
    assisted: f64,
    /// The share of a core that the collector had.
    own: f64,
}

/// A run in progress: the state of the program, the pacer and the collector.
struct Simulation<'a> {
    world: &'a World,
    now: f64,
    pacer: Pacer,
    credit: Credit,
    limiter: Limiter,
    limited: bool,
    phase: Phase,
    /// Bytes allocated before this cycle, and while it marked; and what it has marked.
    begun: Bytes,
    in_mark: Bytes,
    marked: Marked,
    cycles: Vec<Cycle>,
    gc_time: f64,
    all_time: f64,
    assist_time: f64,
    yield_time: f64,
    gate: Gate,
    /// Bytes allocated in each tenth of the run.
    tenths: [f64; 10],
}

fn run(world: &World) -> Outcome {
    let mut run = Simulation::new(world);
    let mut half = (0.0, 0.0);
    while run.now < world.seconds {
        run.now += STEP;
        if run.now < world.seconds / 2.0 {
            half = (run.gc_time, run.all_time);
        }
        let turn = run.mutate();
        run.collect(&turn);
        run.relieve();
    }
    Outcome {
        allocated: run.credit.allocated().as_f64(),
        share: (run.gc_time - half.0) / (run.all_time - half.1),
        assisting: run.assist_time / world.seconds,
        yielding: run.yield_time / world.seconds,
        waiting: run.gate.waited / world.seconds,
        most: run.gate.most,
        least: run.tenths[2..].iter().copied().fold(f64::MAX, f64::min),
        cycles: run.cycles,
    }
}

impl Simulation<'_> {
    fn new(world: &World) -> Simulation<'_> {
        let aim = Aim { gc_percent: world.gc_percent, limit: world.limit };
        let pacer = Pacer::new(4 * MB, aim);
        let credit = Credit::new(pacer.first());
        credit.allocate((world.live)(0.0));
        Simulation {
            world,
            now: 0.0,
            pacer,
            credit,
            limiter: Limiter::default(),
            limited: false,
            phase: Phase::Idle,
            begun: Bytes::ZERO,
            in_mark: Bytes::ZERO,
            marked: Marked::default(),
            cycles: Vec::new(),
            gc_time: 0.0,
            all_time: 0.0,
            assist_time: 0.0,
            yield_time: 0.0,
            gate: Gate::new(world.limit),
            tenths: [0.0; 10],
        }
    }

    /// The mutator: it assists or yields first, as at a refill.
    fn mutate(&mut self) -> Turn {
        let world = self.world;
        let done = match self.phase {
            Phase::Marking { done, .. } => Some(bytes(done)),
            _ => None,
        };
        let demand = if self.credit.heap() < self.credit.trigger() {
            Demand::Nothing
        } else {
            self.credit.judge(if world.own_core { CoreShare::Whole } else { CoreShare::Part });
            self.credit.demand(done)
        };
        let marking = matches!(self.phase, Phase::Marking { .. });
        let assisting = matches!(demand, Demand::Assist | Demand::AssistAndYield) && marking;
        let yields = matches!(demand, Demand::Yield | Demand::AssistAndYield);
        // At most half of a mutator's time goes into assists, and a yield gives the rest away.
        let waits = self.gate.is_closed(self.now, self.credit.heap());
        let mutating = match (yields || waits, assisting) {
            (true, _) => 0.0,
            (_, true) => 0.5,
            _ => 1.0,
        };
        // A mutator that waits leaves its core to the collector.
        let own = match (world.own_core, waits || yields && !assisting) {
            (false, false) => 0.5,
            _ => 1.0,
        };
        let allocated = bytes(world.allocation * STEP * mutating);
        self.credit.allocate(allocated);
        self.gate.took(allocated);
        let tenth = (self.now / world.seconds * 10.0) as usize;
        self.tenths[tenth.min(9)] += allocated.as_f64();
        // A thread that waits uses no CPU time.
        self.all_time += if waits { 0.0 } else { STEP };
        self.yield_time += if yields { STEP } else { 0.0 };
        let assisted = if assisting { world.marking * STEP * 0.5 } else { 0.0 };
        if assisting {
            self.assist_time += STEP * 0.5;
            self.gc_time += STEP * 0.5;
        }
        Turn { waits, allocated, assisted, own }
    }

    /// The collector, beside that turn of the mutator.
    fn collect(&mut self, turn: &Turn) {
        let world = self.world;
        match &mut self.phase {
            Phase::Idle => {
                let is_due =
                    self.credit.heap() >= self.credit.trigger() && !self.credit.is_relieved();
                if is_due || turn.waits {
                    self.credit.begin();
                    self.begun = self.credit.allocated();
                    (self.in_mark, self.marked) = (Bytes::ZERO, Marked::default());
                    self.phase = Phase::Handshake(world.handshake, false);
                }
            }
            Phase::Handshake(left, over) => {
                *left -= STEP;
                if *left <= 0.0 && !*over {
                    let total = (world.live)(self.now).as_f64();
                    self.phase = Phase::Marking { total, done: 0.0, assisted: 0.0 };
                } else if *left <= 0.0 {
                    self.end_cycle();
                }
            }
            Phase::Marking { total, done, assisted } => {
                self.gc_time += STEP * turn.own;
                // Beside the program, or in place of a thread that waits.
                if world.own_core || turn.waits {
                    self.all_time += STEP;
                }
                *done += world.marking * STEP * turn.own + turn.assisted;
                *assisted += turn.assisted;
                self.in_mark += turn.allocated;
                if *done >= *total {
                    self.marked.found = bytes(*total);
                    self.marked.assisted = bytes(*assisted);
                    self.phase = Phase::Handshake(world.handshake, true);
                }
            }
        }
    }

    /// The end of a cycle: the pacer's plans after marking and after the sweep.
    fn end_cycle(&mut self) {
        let credit = &self.credit;
        self.marked.black = credit.allocated() - self.begun;
        self.marked.in_mark = self.in_mark;
        let (goal, peak) = (credit.goal(), credit.heap());
        let plan = self.pacer.after_mark(self.marked);
        credit.adopt(plan, credit.allocated());
        // The sweep: at once, and everything free is reused.
        let used = plan.live;
        let footprint = Footprint { used, counted: used, ..Footprint::default() };
        let plan = self.pacer.after_sweep(footprint);
        credit.amend(plan);
        self.limited = plan.limited;
        self.gate.cycle_ended(credit.heap(), plan.kept);
        self.cycles.push(Cycle { at: self.now, goal, peak, live: plan.live });
        self.phase = Phase::Idle;
    }

    /// The limiter of the collector's share, under a soft limit.
    fn relieve(&mut self) {
        let [gc, all] = [self.gc_time, self.all_time].map(Duration::from_secs_f64);
        let on = self.limited && self.limiter.update(gc, all);
        if !self.limited {
            self.limiter.reset();
        }
        self.credit.relieve(on);
    }
}

/// One thread at the lines of a soft limit, as `mutator::ration` treats it. The thread takes fresh
/// memory only.
struct Gate {
    limits: Limits,
    ration: i64,
    /// The time until which the thread waits, if no cycle ends before.
    until: f64,
    waited: f64,
    most: Bytes,
}

impl Gate {
    fn new(soft: Bytes) -> Gate {
        let settings = Settings { gc_percent: 0, memory_limit: 0, heap_limit: 0 };
        let limits = Limits::new(settings);
        limits.adopt(soft, soft);
        Gate { limits, ration: 0, until: 0.0, waited: 0.0, most: Bytes::ZERO }
    }
    fn room(heap: Bytes, kept: Bytes) -> Room {
        Room { used: heap, hard: Bytes::MAX, external: Bytes::ZERO, kept }
    }
    fn is_closed(&mut self, now: f64, heap: Bytes) -> bool {
        self.most = self.most.max(heap);
        if now < self.until {
            self.waited += STEP;
            return true;
        }
        match self.limits.tightness(Gate::room(heap, Bytes::ZERO), Bytes::ZERO) {
            Tightness::Soft(step) if self.ration < 0 => {
                let blocks = Bytes::new(self.ration.unsigned_abs()) / LEAST_RATION;
                let step = step.saturating_mul(blocks.clamp(1, 100) as u32).min(LONGEST_STEP);
                self.until = now + step.as_secs_f64();
                self.ration = LEAST_RATION.get() as i64;
                true
            }
            tightness => {
                if tightness == Tightness::Free {
                    self.ration = self.ration.max(0);
                }
                false
            }
        }
    }
    fn took(&mut self, bytes: Bytes) {
        self.ration -= bytes.get() as i64;
    }
    fn cycle_ended(&mut self, heap: Bytes, kept: Bytes) {
        self.until = 0.0;
        self.ration = self.limits.share(Gate::room(heap, kept), heap, false).fresh.get() as i64;
    }
}

#[test]
fn in_steady_state_the_peak_is_within_a_tenth_of_the_goal() {
    for own_core in [true, false] {
        for handshake in [50e-6, 5e-3] {
            for (allocation, marking) in [(50.0, 800.0), (200.0, 500.0), (600.0, 900.0)] {
                let (allocation, marking) = (allocation * MB.as_f64(), marking * MB.as_f64());
                let world = World { allocation, marking, handshake, own_core, ..World::default() };
                let outcome = run(&world);
                let (over, last) = (outcome.overshoot(5.0), outcome.cycles.last().unwrap());
                assert!(over < 1.1, "{own_core} {handshake} {allocation}: {over}");
                // The collector must not start far too early either.
                let under = last.peak.as_f64() / last.goal.as_f64();
                assert!(under > 0.75, "{own_core} {handshake} {allocation}: {under}");
            }
        }
    }
}

#[test]
fn a_program_that_keeps_the_collector_busy_passes_its_goal_by_less_than_a_tenth() {
    // Three quarters of the way from live to goal are allocated while it marks.
    for (gc_percent, allocation) in [(50, 340.0), (100, 675.0), (400, 2700.0)] {
        let allocation = allocation * MB.as_f64();
        let world =
            World { gc_percent, allocation, marking: 900.0 * MB.as_f64(), ..World::default() };
        let outcome = run(&world);
        let over = outcome.overshoot(5.0);
        assert!(over > 1.01 && over < 1.1, "{gc_percent}: {over}");
        assert!(outcome.assisting < 0.01 && outcome.yielding < 0.01, "{gc_percent}");
    }
}

#[test]
fn a_step_up_is_followed_within_two_cycles() {
    let world = World {
        live: |t| if t < 5.0 { 50 * MB } else { 400 * MB },
        seconds: 15.0,
        ..World::default()
    };
    let outcome = run(&world);
    let mut after = outcome.cycles.iter().filter(|c| c.at > 5.0);
    let settled = after.nth(2).expect("three cycles after the step");
    assert!(settled.goal >= 790 * MB, "{settled:?}");
    assert!(outcome.overshoot(8.0) < 1.1);
}

#[test]
fn a_step_down_is_followed_within_two_cycles() {
    let world = World {
        live: |t| if t < 10.0 { 400 * MB } else { 40 * MB },
        seconds: 20.0,
        ..World::default()
    };
    let outcome = run(&world);
    let settled = outcome.cycles.iter().filter(|c| c.at > 10.0).nth(2).expect("three cycles after");
    assert!(settled.goal < 120 * MB, "{settled:?}");
    assert!(outcome.overshoot(14.0) < 1.1);
}

#[test]
fn a_ramp_stays_near_its_goal() {
    // 20 MB more live in every second.
    let world = World { live: |t| 50 * MB + (t * 20.0) as u64 * MB, ..World::default() };
    let outcome = run(&world);
    assert!(outcome.overshoot(3.0) < 1.1, "{}", outcome.overshoot(3.0));
}

#[test]
fn bursts_neither_overshoot_for_long_nor_leave_the_goal_high() {
    // For a fifth of the time, five times as much is live.
    let world = World {
        live: |t| if t % 5.0 < 1.0 { 250 * MB } else { 50 * MB },
        seconds: 30.0,
        ..World::default()
    };
    let outcome = run(&world);
    assert!(outcome.overshoot(3.0) < 1.35, "{}", outcome.overshoot(3.0));
    let quiet = outcome.cycles.iter().filter(|c| c.at > 5.0 && c.at % 5.0 > 3.5);
    assert!(quiet.clone().count() > 4 && quiet.clone().all(|c| c.goal < 150 * MB));
}

#[test]
fn a_leak_takes_a_growing_heap_and_not_more_cycles() {
    let world =
        World { live: |t| 10 * MB + (t * 100.0) as u64 * MB, seconds: 30.0, ..World::default() };
    let outcome = run(&world);
    assert!(outcome.overshoot(3.0) < 1.15, "{}", outcome.overshoot(3.0));
    // The live heap doubles ever more slowly.
    assert!(outcome.count(20.0, 30.0) < outcome.count(2.0, 12.0));
}

#[test]
fn a_collector_without_a_core_is_helped_early_and_a_little() {
    // A step makes one cycle late: assists before the goal keep it near.
    let world = World {
        own_core: false,
        live: |t| if t % 4.0 < 2.0 { 60 * MB } else { 100 * MB },
        ..World::default()
    };
    let outcome = run(&world);
    // Without assists below the goal it is 1.061.
    assert!(outcome.overshoot(5.0) < 1.058, "{}", outcome.overshoot(5.0));
    assert!(outcome.assisting > 0.0 && outcome.assisting < 0.25, "{}", outcome.assisting);
    assert!(outcome.yielding < 0.01, "{}", outcome.yielding);
    let alone = run(&World::default());
    assert!(alone.assisting < 0.01 && alone.yielding < 0.01, "{}", alone.assisting);
}

#[test]
fn near_the_limit_the_collector_takes_half_of_the_time_and_the_program_goes_on() {
    for own_core in [true, false] {
        // Less than cycles free in half of the time, and much more.
        for (allocation, share, progress) in [(10.0, 0.52, 0.99), (400.0, 1.0, 0.05)] {
            let world = World {
                live: |_| 95 * MB,
                limit: 100 * MB,
                allocation: allocation * MB.as_f64(),
                own_core,
                ..World::default()
            };
            let outcome = run(&world);
            assert!(outcome.share <= share, "{own_core}: {}", outcome.share);
            let done = outcome.allocated / (world.allocation * world.seconds);
            assert!(done > progress, "{own_core}: {done}");
            assert!(outcome.most < 115 * MB, "{own_core}: {} MB", outcome.most / MB);
        }
    }
}

#[test]
fn with_room_below_the_limit_the_limit_holds() {
    let world = World { live: |_| 60 * MB, limit: 100 * MB, ..World::default() };
    let outcome = run(&world);
    let late = outcome.cycles.iter().filter(|c| c.at > 5.0);
    assert!(late.clone().all(|c| c.peak <= 105 * MB && c.goal <= 100 * MB));
    assert!(late.count() > 10 && outcome.cycles.iter().all(|c| c.live < 100 * MB));
}

#[test]
fn a_larger_gc_percent_makes_fewer_cycles() {
    let count = |gc_percent| run(&World { gc_percent, ..World::default() }).count(5.0, 20.0) as f64;
    let (half, one, two) = (count(50), count(100), count(200));
    assert!((1.7..2.4).contains(&(half / one)), "{half} {one}");
    assert!((1.7..2.4).contains(&(one / two)), "{one} {two}");
}

#[test]
fn a_soft_limit_is_passed_by_a_tenth_and_a_little_and_the_program_goes_on() {
    for own_core in [true, false] {
        // A collector so slow that the heap would go to three times its limit without the gate.
        for (live, marking) in [(60, 100.0), (85, 300.0), (95, 500.0)] {
            let live: fn(f64) -> Bytes = match live {
                60 => |_| 60 * MB,
                85 => |_| 85 * MB,
                _ => |_| 95 * MB,
            };
            let world = World {
                live,
                marking: marking * MB.as_f64(),
                limit: 100 * MB,
                allocation: 1000.0 * MB.as_f64(),
                own_core,
                ..World::default()
            };
            let outcome = run(&world);
            assert!(outcome.most < 115 * MB, "{own_core} {marking}: {} MB", outcome.most / MB);
            // Allocation never falls far below its mean, so the program is never starved for long.
            let mean = outcome.allocated / 10.0;
            let least = outcome.least / mean;
            assert!(least > 0.5, "{own_core} {marking}: {least}");
        }
    }
}

#[test]
fn what_lives_may_pass_a_soft_limit_slowly() {
    // A leak of 100 MB a second; in the end twice the limit is live.
    let world = World {
        live: |t| (t.min(1.5) * 100.0) as u64 * MB + 50 * MB,
        limit: 100 * MB,
        seconds: 10.0,
        ..World::default()
    };
    let outcome = run(&world);
    let last = outcome.cycles.last().expect("it collects");
    assert!(last.live >= 200 * MB && outcome.most < 240 * MB, "{} MB", outcome.most / MB);
    assert!(outcome.least > 0.0 && outcome.waiting > 0.1, "{}", outcome.waiting);
}

#[test]
fn without_a_limit_or_far_below_it_nobody_waits() {
    for limit in [Bytes::MAX, 300 * MB] {
        assert_eq!(run(&World { limit, ..World::default() }).waiting, 0.0);
    }
}
