#![forbid(unsafe_code)]
//! The drop thread: it runs the destructors of dead objects, outside of every cycle.
//!
//! 1. The collector hands over the dead objects that a sweep found ([`Handover`]). The first
//!    hand-over starts the thread, so a heap without destructors has none.
//! 2. The thread runs batch after batch (`sweep::drops`), and yields now and then
//!    ([`drop_thread`]).
//! 3. A cycle that is due waits for destructors that return quickly ([`Handover::awaits`]). On two
//!    cores a third thread would disturb, and `free` is slow beside `malloc` on another core.
//! 4. If the system gives no thread, not even one with a smaller stack, the collector's thread
//!    drops between two cycles ([`drop_here`]).
//! 5. When the heap has ended and nothing waits, the thread gives the memory back and ends.
//!
//! The thread's stack is large: drop glue is recursive, and a list of boxes in one object may be
//! long.

use crate::heap::span::{OwnedSpan, SpanClass};
use crate::mutator::{Core, on_collector_thread};
use crate::observe::Event;
use crate::platform::thread::with_signals_blocked;
use crate::sweep::Keep;
use crate::sweep::doom::Doom;
use crate::sweep::doomed::Ward;
use crate::sweep::drops::{NextDrop, is_dropping};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, yield_now};
use crate::word::{Bytes, SweepNumber};
use std::time::{Duration, Instant};

type Class = &'static SpanClass;

/// Objects that are dropped between two yields: some 0.5 ms of small ones.
const QUANTUM: u64 = 16384;
/// Number of spans with dead objects that are handed over at once. In a small heap that is a whole
/// sweep, for which the drop thread wakes once.
const WARDS: usize = 256;
/// The longest time that a cycle that is due waits for destructors that return. At the same time
/// they would take its core, or a mutator's.
const DROPS_FIRST: Duration = Duration::from_millis(100);
/// Interval at which the collector looks for a destructor that runs for long.
const WATCH: Duration = Duration::from_millis(100);

/// The collector's side: dead objects with destructors that its sweep finds, and the progress of
/// these.
#[derive(Debug)]
pub(crate) struct Handover {
    /// Spans with dead objects that are not handed over yet.
    wards: Vec<Ward<Class>>,
    /// The sweep that is in progress or was last, and what it keeps.
    sweep: (SweepNumber, Keep),
    /// Bytes that waited for destructors before that sweep.
    backlog: Bytes,
    watched: Instant,
    /// The time since which a cycle that is due waits for destructors.
    awaits: Option<Instant>,
    /// Ticket of the last sweep's dead objects, while their destructors may release external
    /// bytes.
    settling: Option<u64>,
}

impl Handover {
    pub(crate) fn new() -> Handover {
        Handover {
            wards: Vec::new(),
            sweep: (SweepNumber::default(), Keep::All),
            backlog: Bytes::ZERO,
            watched: Instant::now(),
            awaits: None,
            settling: None,
        }
    }

    /// Between two cycles, looks now and then for a destructor that runs for long. Drops here if
    /// the system gave no thread for it.
    pub(crate) fn look(&mut self, core: &Core) {
        let now = Instant::now();
        if now - self.watched >= WATCH && !cfg!(shuttle) {
            self.watched = now;
            watch(core);
        }
        if core.drops.has_no_thread() {
            drop_here(core, u64::MAX);
        }
    }
    /// Returns whether a cycle that is due waits for destructors. It waits only while they return
    /// one after another, and never for long.
    pub(crate) fn awaits(&mut self, core: &Core, is_due: bool) -> bool {
        if cfg!(shuttle) || !is_due || !core.drops.is_busy() {
            self.awaits = None;
            return false;
        }
        self.awaits.get_or_insert_with(Instant::now).elapsed() < DROPS_FIRST
    }

    /// Begins sweep `number` with the spans that wait, before any list. Spans whose objects are
    /// dropped from here on go into the lists of this sweep.
    pub(crate) fn begin_sweep(&mut self, core: &Core, number: SweepNumber, keep: Keep) {
        self.sweep = (number, keep);
        self.backlog = core.drops.bytes();
        core.count(core.drops.sweep(&core.space, number, keep));
    }
    /// Sweeps a span whose objects have destructors. The dead wait for the drop thread.
    pub(crate) fn doom(&mut self, core: &Arc<Core>, span: OwnedSpan) {
        let (number, keep) = self.sweep;
        let (swept, doom) = span.doom(&core.space, number, keep);
        core.count(swept);
        match doom {
            Doom::Ward(ward) => self.wards.push(ward),
            Doom::Alive(span) => span.put_swept(&core.space, number),
        }
        if self.wards.len() >= WARDS {
            self.hand_over(core);
        }
    }
    /// Hands over the spans that the sweep has found.
    pub(crate) fn hand_over(&mut self, core: &Arc<Core>) {
        if !self.wards.is_empty() {
            act(core, core.drops.push(&mut self.wards));
        }
    }
    /// Records the end of the sweep.
    pub(crate) fn swept(&mut self, core: &Core) {
        self.settling = (!core.drops.bytes().is_zero()).then(|| core.drops.ticket());
    }

    /// Bytes that will be dropped soon: those that this sweep found. Bytes from before wait because
    /// destructors are slow.
    pub(crate) fn soon(&self, core: &Core) -> Bytes {
        core.drops.bytes().saturating_sub(self.backlog)
    }
    /// Returns whether destructors of the last sweep's dead may have released something since the
    /// last look.
    pub(crate) fn may_give_back(&mut self, core: &Core) -> bool {
        let Some(ticket) = self.settling else { return false };
        // Before the caller counts, so that its count includes what they have released by then.
        if core.drops.is_done(ticket) {
            self.settling = None;
        }
        true
    }
}

/// Does what the queue asks for.
fn act(core: &Arc<Core>, next: NextDrop) {
    match next {
        // The collector looks at the end of its cycle.
        NextDrop::Nothing | NextDrop::Drop => {}
        NextDrop::Start => start(core),
        NextDrop::Tell(waker) => {
            crate::error::contain(|| waker());
        }
    }
}

/// Starts the drop thread, with a smaller stack if the system refuses the large one.
fn start(core: &Arc<Core>) {
    let sizes = [core.config.drop_stack_size, core.config.stack_size];
    let thread = sizes.into_iter().find_map(|size| {
        let builder = thread::Builder::new().name("gc-drop".into());
        // A schedule's stacks are not the system's.
        let builder = if cfg!(shuttle) { builder } else { builder.stack_size(size) };
        let own = core.clone();
        with_signals_blocked(|| builder.spawn(move || drop_thread(&own))).ok()
    });
    core.drops.started(thread);
}

/// The body of the drop thread.
fn drop_thread(core: &Arc<Core>) {
    let progress = core.drops.enter();
    let mut since_yield = 0;
    while core.drops.wait() {
        since_yield += core.drop_some(&progress, u64::MAX);
        if since_yield >= QUANTUM {
            since_yield = 0;
            yield_now();
        }
        if core.drops.bytes().is_zero() {
            // A cycle that is due may wait for this moment.
            core.control.poke();
        }
    }
    core.drops.leave(&progress);
    if !core.drops.is_leaked() {
        core.release_all();
    }
}

/// Drops up to `most` waiting objects on the calling thread. Returns their number.
pub(crate) fn drop_here(core: &Core, most: u64) -> u64 {
    let progress = core.drops.enter();
    let mut sum = 0;
    while sum < most {
        match core.drop_some(&progress, most - sum) {
            0 => break,
            n => sum += n,
        }
    }
    core.drops.leave(&progress);
    sum
}

/// The program gives its queue up. Decides which thread drops what waits in it, and what comes
/// later.
pub(crate) fn disown(core: &Arc<Core>) {
    match core.drops.disown() {
        // The heap has ended.
        NextDrop::Drop => {
            drop_here(core, u64::MAX);
            core.release_all();
        }
        next => act(core, next),
    }
}

/// Ends the heap after its last handle: ends the collector, whose threads are `threads`. Waits for
/// at most `time` until every object is dropped. Returns whether they are.
pub(crate) fn end(core: &Core, threads: Vec<JoinHandle<()>>, time: Duration) -> bool {
    core.control.stop();
    // A destructor cannot wait for itself, nor can a collector thread (a `trace` that drops a
    // handle).
    if core.drops.is_leaked() || on_collector_thread() || is_dropping() {
        return false;
    }
    if !core.drops.wait_for_end(time) {
        // They end by themselves, after the destructor that does not return.
        return false;
    }
    for thread in threads.into_iter().chain(core.drops.take_thread()) {
        // A thread that panicked has printed its message.
        let _ = thread.join();
    }
    true
}

/// Looks for a destructor that runs for long, and tells the listeners.
pub(crate) fn watch(core: &Core) {
    if let Some(type_name) = core.drops.watch() {
        let waiting = core.drops.waiting();
        let (objects, bytes) = (waiting.objects, waiting.bytes);
        core.events.tell(&Event::SlowDestructor { type_name, objects, bytes });
    }
}
