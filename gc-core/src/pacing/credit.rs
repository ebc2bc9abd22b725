//! The heap's size as pacing counts it, in words that all threads read.

use super::{Held, Plan};
use crate::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Ordering, plain};
use crate::word::Bytes;

/// The heap's size as pacing counts it: bytes found live by the last marking, and bytes allocated
/// since.
///
/// | field | written by | read by |
/// |---|---|---|
/// | `allocated`, `unused`, `freed`, `pressure`, `external` | the thread that takes, gives back or sweeps a span, or holds external memory | pacing, statistics |
/// | `waiting` | the sweep that finds dead objects with destructors, and threads that have run these | pacing |
/// | `way`, `offset`, `trigger`, `goal`, `kept`, `end`, `start`, `work`, `starved`, `relieved` | the collector, at the start and the end of marking | refills |
/// | `doubt` | the collector, at the end of marking | the collector |
///
/// Only pacing depends on these words, so all accesses are relaxed.
#[derive(Debug)]
pub(crate) struct Credit {
    allocated: AtomicU64,
    unused: AtomicU64,
    freed: AtomicU64,
    pressure: AtomicU64,
    external: &'static Held,
    /// Bytes of dead objects whose destructors have not run; `sweep::drops` counts them.
    waiting: Arc<plain::AtomicU64>,
    /// Bytes from `live` to the trigger.
    way: AtomicU64,
    offset: AtomicU64,
    trigger: AtomicU64,
    goal: AtomicU64,
    kept: AtomicU64,
    end: AtomicU64,
    /// The heap's size when this cycle started, and the bytes that its markers are expected to
    /// find.
    start: AtomicU64,
    work: AtomicU64,
    starved: AtomicBool,
    yielded: AtomicBool,
    relieved: AtomicBool,
    doubt: Doubt,
}

/// Trials that show whether the collector would have a core to itself if mutators stopped yielding.
/// Without trials, a heap that overshoots by nature would let mutators yield for ever.
#[derive(Debug)]
struct Doubt {
    /// Judgements since the last trial in which the collector had a core after mutators had
    /// yielded.
    judged: AtomicU32,
    /// Number of such judgements that leads to a trial. In a trial no mutator yields below twice
    /// the goal. The number doubles after a failed trial.
    patience: AtomicU32,
}

impl Doubt {
    const PATIENCE: [u32; 2] = [4, 256];

    fn new() -> Doubt {
        Doubt { judged: AtomicU32::new(0), patience: AtomicU32::new(Doubt::PATIENCE[0]) }
    }
    /// Counts a judgement that proves nothing: the collector had a core, but mutators had yielded.
    /// Returns whether to try without yields.
    fn is_time_to_try(&self) -> bool {
        let judged = self.judged.load(Ordering::Relaxed) + 1;
        let tries = judged >= self.patience.load(Ordering::Relaxed);
        self.judged.store(if tries { 0 } else { judged }, Ordering::Relaxed);
        tries
    }
    /// The trial failed: the collector had no core while it counted as not starved.
    fn failed(&self) {
        let patience = self.patience.load(Ordering::Relaxed) * 2;
        self.patience.store(patience.min(Doubt::PATIENCE[1]), Ordering::Relaxed);
        self.judged.store(0, Ordering::Relaxed);
    }
}

/// How much of a core the collector's thread had when it last marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoreShare {
    /// One to itself.
    Whole,
    /// Less: other threads ran there too.
    Part,
}

/// How far allocation has run ahead of the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Not too far ahead.
    Nothing,
    /// Mark a little.
    Assist,
    /// Let other threads run, above all the collector. It marks faster than a mutator that opens a
    /// span for a few objects.
    Yield,
    /// Both of these.
    AssistAndYield,
}

fn load(bytes: &AtomicU64) -> Bytes {
    Bytes::new(bytes.load(Ordering::Relaxed))
}
fn store(to: &AtomicU64, bytes: Bytes) {
    to.store(bytes.get(), Ordering::Relaxed);
}

impl Credit {
    pub(crate) fn new(plan: Plan) -> Credit {
        let credit = Credit {
            allocated: AtomicU64::new(0),
            unused: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            pressure: AtomicU64::new(0),
            external: Held::for_heap(),
            waiting: Arc::new(plain::AtomicU64::new(0)),
            way: AtomicU64::new(0),
            offset: AtomicU64::new(0),
            trigger: AtomicU64::new(0),
            goal: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            end: AtomicU64::new(0),
            start: AtomicU64::new(0),
            work: AtomicU64::new(0),
            starved: AtomicBool::new(true),
            yielded: AtomicBool::new(false),
            relieved: AtomicBool::new(false),
            doubt: Doubt::new(),
        };
        credit.adopt(plan, Bytes::ZERO);
        credit
    }

    // ---- sizes ----

    /// Counts bytes of slots that a thread takes.
    pub(crate) fn allocate(&self, bytes: Bytes) {
        self.allocated.fetch_add(bytes.get(), Ordering::Relaxed);
    }
    /// Counts bytes of slots that a thread took and gives back unused.
    pub(crate) fn unuse(&self, bytes: Bytes) {
        self.unused.fetch_add(bytes.get(), Ordering::Relaxed);
    }
    /// Counts bytes of slots that a sweep found dead.
    pub(crate) fn free(&self, bytes: Bytes) {
        self.freed.fetch_add(bytes.get(), Ordering::Relaxed);
    }
    /// Counts external bytes that the next cycle may free.
    pub(crate) fn press(&self, bytes: Bytes) {
        self.pressure.fetch_add(bytes.get(), Ordering::Relaxed);
    }
    /// The count of external bytes, for holders of such bytes.
    pub(crate) fn held(&self) -> &'static Held {
        self.external
    }
    /// External bytes of the heap's objects, without those that threads have not yet added to the
    /// count.
    pub(crate) fn external(&self) -> Bytes {
        self.external.taken().saturating_sub(self.external.released())
    }
    /// External bytes reported by `press` since the last marking.
    pub(crate) fn pressure(&self) -> Bytes {
        load(&self.pressure)
    }
    /// Bytes of slots that threads took since the heap was made, used or not.
    pub(crate) fn taken(&self) -> Bytes {
        load(&self.allocated)
    }
    /// Those of them that threads gave back unused.
    pub(crate) fn unused(&self) -> Bytes {
        load(&self.unused)
    }
    /// Bytes allocated since the heap was made.
    pub(crate) fn allocated(&self) -> Bytes {
        load(&self.allocated).saturating_sub(load(&self.unused))
    }
    /// Bytes freed since the heap was made.
    pub(crate) fn freed(&self) -> Bytes {
        load(&self.freed)
    }
    /// Bytes live as of the last marking and bytes allocated since, without external ones.
    pub(crate) fn counted(&self) -> Bytes {
        self.allocated().saturating_sub(load(&self.offset))
    }
    /// The count of bytes that wait for destructors.
    pub(crate) fn waiting(&self) -> Arc<plain::AtomicU64> {
        self.waiting.clone()
    }
    /// `counted` plus external bytes and pressure. Bytes that wait for destructors do not count: a
    /// cycle does not make destructors run faster.
    pub(crate) fn heap(&self) -> Bytes {
        self.counted().saturating_add(load(&self.pressure)).saturating_add(self.external())
    }
    /// Returns whether more bytes wait for destructors than may be allocated in two cycles. Then
    /// allocation is faster than the destructors.
    pub(crate) fn is_dropping_behind(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) / 2 > load(&self.way).get()
    }
    pub(crate) fn trigger(&self) -> Bytes {
        load(&self.trigger)
    }
    pub(crate) fn goal(&self) -> Bytes {
        load(&self.goal)
    }
    /// Bytes live after the last cycle, external ones included.
    pub(crate) fn kept(&self) -> Bytes {
        load(&self.kept)
    }

    // ---- set by the collector ----

    /// Starts to count from `plan.live`, as of the moment when `allocated` bytes had been
    /// allocated.
    pub(crate) fn adopt(&self, plan: Plan, allocated: Bytes) {
        store(&self.pressure, Bytes::ZERO);
        store(&self.offset, allocated.saturating_sub(plan.live));
        self.amend(plan);
    }
    /// Changes the trigger and the goal, and goes on counting.
    pub(crate) fn amend(&self, plan: Plan) {
        store(&self.trigger, plan.trigger);
        store(&self.way, plan.trigger.saturating_sub(plan.live));
        store(&self.goal, plan.goal);
        store(&self.kept, plan.kept);
        store(&self.end, plan.end);
        store(&self.work, plan.work);
    }
    /// Records the start of a cycle.
    pub(crate) fn begin(&self) {
        store(&self.start, self.heap());
    }
    /// Records how much of a core the collector's thread had when it last marked. A whole one
    /// proves nothing if mutators yielded; now and then a trial shows what happens without yields.
    pub(crate) fn judge(&self, had: CoreShare) {
        let own_core = had == CoreShare::Whole;
        let yielded = self.yielded.swap(false, Ordering::Relaxed);
        if !own_core && !self.is_starved() {
            self.doubt.failed();
        }
        let starved = !own_core || yielded && !self.doubt.is_time_to_try();
        self.starved.store(starved, Ordering::Relaxed);
    }
    /// Returns whether the collector's thread lacked a core of its own lately.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }
    /// Records whether the collector has used up its share of the CPU time. If so, mutators do not
    /// assist.
    pub(crate) fn relieve(&self, yes: bool) {
        self.relieved.store(yes, Ordering::Relaxed);
    }

    /// Returns whether the collector has used up its share of the CPU time.
    pub(crate) fn is_relieved(&self) -> bool {
        self.relieved.load(Ordering::Relaxed)
    }

    // ---- what a mutator should do ----

    /// Returns what a mutator past the trigger should do for the collector. `done` is the bytes of
    /// work that are done, if the collector is marking.
    pub(crate) fn demand(&self, done: Option<Bytes>) -> Demand {
        if self.is_relieved() {
            return Demand::Nothing;
        }
        let (heap, goal) = (self.heap(), self.goal());
        let starved = self.is_starved();
        // A collector with a core is expected to be ready at `end`.
        if heap > if starved { goal } else { load(&self.end) } {
            if heap > goal + if starved { goal / 10 } else { goal } {
                self.yielded.store(true, Ordering::Relaxed);
                return if starved { Demand::Yield } else { Demand::AssistAndYield };
            }
            return Demand::Assist;
        }
        match done {
            Some(done) if starved && self.is_behind(heap, goal, done) => Demand::Assist,
            _ => Demand::Nothing,
        }
    }

    /// Returns whether the share of the work that is done is smaller than the share of the way that
    /// is used. The work is taken 9/8 times, so that the termination rounds end below the goal too.
    fn is_behind(&self, heap: Bytes, goal: Bytes, done: Bytes) -> bool {
        let start = load(&self.start);
        let (gone, way) = (heap.saturating_sub(start), goal.saturating_sub(start));
        let [gone, way, done, work] =
            [gone, way, done, load(&self.work)].map(|bytes| u128::from(bytes.get()));
        let due = work * gone / way.max(1) * 9 / 8;
        done < due.min(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const PLAN: Plan = Plan {
        live: Bytes::ZERO,
        kept: Bytes::ZERO,
        trigger: Bytes::new(60),
        goal: Bytes::new(100),
        end: Bytes::new(100),
        work: Bytes::new(800),
        limited: false,
    };

    #[test]
    fn demand_grows_with_the_heap_and_with_starvation() {
        let credit = Credit::new(PLAN);
        let demands = |share| {
            [100, 105, 115, 160, 201].map(Bytes::new).map(|heap| {
                credit.demand(None);
                credit.judge(share);
                credit.judge(share);
                credit.allocate(heap - credit.heap());
                let demand = credit.demand(None);
                credit.adopt(PLAN, credit.allocated());
                demand
            })
        };
        use Demand::{Assist, AssistAndYield, Nothing, Yield};
        assert_eq!(demands(CoreShare::Part), [Nothing, Assist, Yield, Yield, Yield]);
        assert_eq!(demands(CoreShare::Whole), [Nothing, Assist, Assist, Assist, AssistAndYield]);
    }

    #[test]
    fn a_marking_that_should_end_over_the_goal_is_left_alone_until_then() {
        let credit = Credit::new(Plan { end: Bytes::new(108), ..PLAN });
        credit.judge(CoreShare::Whole);
        let demands = [100, 108, 109].map(Bytes::new).map(|heap| {
            credit.allocate(heap - credit.heap());
            credit.demand(None)
        });
        assert_eq!(demands, [Demand::Nothing, Demand::Nothing, Demand::Assist]);
        credit.adopt(Plan { end: Bytes::new(108), ..PLAN }, credit.allocated() - Bytes::new(104));
        assert_eq!(credit.demand(None), Demand::Nothing);
        credit.judge(CoreShare::Part);
        assert_eq!(credit.demand(None), Demand::Assist, "without a core it will not be ready");
    }

    #[test]
    fn below_the_goal_mutators_help_a_starved_collector_that_is_behind() {
        let credit = Credit::new(PLAN);
        credit.allocate(Bytes::new(60));
        credit.begin();
        credit.allocate(Bytes::new(20));
        // Half of the way, so 450 of the 800 should be done.
        credit.judge(CoreShare::Part);
        let demands = [0, 449, 450, 800].map(|done| credit.demand(Some(Bytes::new(done))));
        use Demand::{Assist, Nothing};
        assert_eq!(demands, [Assist, Assist, Nothing, Nothing]);
        credit.judge(CoreShare::Whole);
        assert_eq!(credit.demand(Some(Bytes::ZERO)), Nothing);
    }

    #[test]
    fn nobody_helps_a_collector_that_has_had_its_share() {
        let credit = Credit::new(PLAN);
        credit.allocate(Bytes::new(1000));
        credit.relieve(true);
        assert_eq!(credit.demand(Some(Bytes::ZERO)), Demand::Nothing);
        credit.relieve(false);
        assert_eq!(credit.demand(Some(Bytes::ZERO)), Demand::Yield);
    }

    #[test]
    fn making_room_does_not_count_as_having_room() {
        let credit = Credit::new(PLAN);
        credit.allocate(Bytes::new(150));
        assert_eq!(credit.demand(None), Demand::Yield, "starved until proven otherwise");
        credit.judge(CoreShare::Whole);
        assert_eq!(credit.demand(None), Demand::Yield);
        // (The second judgement of four, so no trial yet.)
        credit.judge(CoreShare::Whole);
        assert_eq!(credit.demand(None), Demand::Yield);
        credit.judge(CoreShare::Whole);
        credit.adopt(PLAN, Bytes::new(50));
        credit.judge(CoreShare::Whole);
        assert_eq!(credit.demand(None), Demand::Nothing);
    }

    #[test]
    fn a_collector_that_was_made_room_for_is_tried_alone_and_the_less_often_the_more_that_fails() {
        let credit = Credit::new(PLAN);
        credit.allocate(Bytes::new(150));
        // How many judgements pass until mutators stop yielding.
        let until_trial = || {
            (1..1000).find(|_| {
                let _ = credit.demand(None);
                credit.judge(CoreShare::Whole);
                credit.demand(None) != Demand::Yield
            })
        };
        assert_eq!(until_trial(), Some(4));
        credit.judge(CoreShare::Whole);
        assert!(!credit.is_starved(), "it has proved itself, and stays");
        for patience in [8, 16, 32, 64, 128, 256, 256] {
            credit.judge(CoreShare::Part);
            assert!(credit.is_starved());
            assert_eq!(until_trial(), Some(patience));
        }
    }

    #[test]
    fn twice_the_way_to_the_trigger_may_wait_for_destructors() {
        let credit = Credit::new(PLAN);
        let waiting = credit.waiting();
        let behind = [0, 121, 122, 1000].map(|bytes| {
            waiting.store(bytes, Ordering::Relaxed);
            (credit.heap().get(), credit.is_dropping_behind())
        });
        assert_eq!(behind, [(0, false), (0, false), (0, true), (0, true)], "the trigger is at 60");
    }

    #[test]
    fn external_bytes_count_towards_the_heap() {
        let credit = Credit::new(PLAN);
        credit.held().take(Bytes::new(70));
        credit.held().give_back(Bytes::new(50));
        credit.allocate(Bytes::new(5));
        let sizes = [credit.external(), credit.counted(), credit.heap()];
        assert_eq!(sizes, [20, 5, 25].map(Bytes::new));
    }
}
