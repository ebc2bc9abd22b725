#![forbid(unsafe_code)]
//! The drop thread: it runs the destructors of dead objects, outside of every cycle.
//!
//! 1. The collector hands over what a sweep found dead ([`hand_over`]). The first time it starts
//!    the thread, so a heap without destructors has none.
//! 2. The thread runs batch after batch (`sweep::drops`) and lets others run now and then
//!    ([`drop_thread`]).
//! 3. If the system gives no thread, not even one with a smaller stack, the collector's thread
//!    drops between two cycles ([`drop_here`]).
//! 4. When the heap has ended and nothing waits, the thread gives the memory back and ends.
//!
//! The thread's stack is large: drop glue is recursive, and a list of boxes in one object may be
//! long.

use crate::mutator::Core;
use crate::platform::thread::with_signals_blocked;
use crate::sweep::doomed::Ward;
use crate::sweep::drops::Next;
use crate::sync::{Arc, thread, yield_now};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Wards = Vec<Ward<&'static crate::heap::span::SpanClass>>;

/// Objects that are dropped between two yields: some 0.5 ms of small ones.
const QUANTUM: u64 = 16384;

/// Hands the dead of `wards` over to whoever drops.
pub(crate) fn hand_over(core: &Arc<Core>, wards: &mut Wards) {
    if !wards.is_empty() {
        act(core, core.drops.push(wards));
    }
}

/// Does what the queue asks for.
fn act(core: &Arc<Core>, next: Next) {
    match next {
        // The collector looks at the end of its cycle.
        Next::Nothing | Next::Drop => {}
        Next::Start => start(core),
        Next::Tell(waker) => {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker())) {
                crate::error::discard(payload);
            }
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
        if core.drops.bytes() == 0 {
            // A cycle that is due may wait for this moment.
            core.control.poke();
        }
    }
    core.drops.leave(&progress);
    if !core.drops.is_leaked() {
        core.release_all();
    }
}

/// Drops up to `most` objects that wait, on the calling thread; returns how many it was.
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

/// The program gives its queue up: who drops what waits in it, and what comes later?
pub(crate) fn disown(core: &Arc<Core>) {
    match core.drops.disown() {
        // The heap has ended.
        Next::Drop => {
            drop_here(core, u64::MAX);
            core.release_all();
        }
        next => act(core, next),
    }
}

/// Looks for a destructor that runs for long, and names it in the trace.
pub(crate) fn watch(core: &Core) {
    if let Some(name) = core.drops.watch()
        && core.config.gc_trace
    {
        let waiting = core.drops.waiting();
        let _ = writeln!(
            std::io::stderr(),
            "gc: the destructor of {name} has run for more than a second; \
             {} objects ({} bytes) are undropped",
            waiting.objects,
            waiting.bytes,
        );
    }
}
