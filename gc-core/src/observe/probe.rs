//! Probes for tools outside of the process: bpftrace, perf, gdb, SystemTap (USDT, feature `usdt`).
//!
//! A probe is a `nop` in the code, and a note in the executable that tells where it is and where
//! its arguments are. So it costs what its arguments cost. All lie on cold paths. Without the
//! feature, and where the crate `probe` knows no probes (other systems than Linux), these functions
//! are empty.
//!
//! | probe of `gc_core` | arguments |
//! |---|---|
//! | `cycle_begin` | heap.get(), cycle, bytes in the heap |
//! | `cycle_end` | heap.get(), cycle, live bytes |
//! | `phase_begin` | heap.get(), cycle, name of the phase |
//! | `phase_end` | heap.get(), cycle, name of the phase, ns |
//! | `handshake` | heap.get(), cycle, name of the phase, ns, threads, the straggler's ns |
//! | `slow_pause` | heap, thread, name of the kind, ns |
//! | `out_of_memory` | heap, bytes asked for, limit in bytes |
//!
//! Names are pointers to C strings, numbers are 64 bits: `str(arg2)` and `arg3` in bpftrace.

use super::event::{Event, Phase};
use super::histogram::PauseKind;
use crate::word::{Bytes, HeapNumber, ThreadNumber};
use std::ffi::CStr;

/// Calls a probe, or does nothing with its arguments.
macro_rules! fire {
    ($name:ident, $($arg:expr),*) => {
        #[cfg(feature = "usdt")]
        ::probe::probe!(gc_core, $name, $($arg),*);
        #[cfg(not(feature = "usdt"))]
        let _ = ($($arg),*);
    };
}

/// Whether an event may fire a probe.
pub(crate) const ARE_IN: bool = cfg!(feature = "usdt");

/// An event of the collector.
pub(crate) fn event(heap: HeapNumber, event: &Event<'_>) {
    match *event {
        Event::CycleBegin { cycle, heap_bytes, .. } => {
            fire!(cycle_begin, heap.get(), cycle, heap_bytes);
        }
        Event::PhaseBegin { cycle, phase } => {
            fire!(phase_begin, heap.get(), cycle, phase_name(phase).as_ptr());
        }
        Event::PhaseEnd { cycle, phase, time } => {
            fire!(phase_end, heap.get(), cycle, phase_name(phase).as_ptr(), time.as_nanos() as u64);
        }
        Event::Handshake(of) => {
            let (name, ns) = (phase_name(of.phase).as_ptr(), of.time.as_nanos() as u64);
            let wait = of.straggler.as_ref().map_or(0, |of| of.wait.as_nanos() as u64);
            fire!(handshake, heap.get(), of.cycle, name, ns, of.threads, wait);
        }
        Event::CycleEnd(of) => {
            fire!(cycle_end, heap.get(), of.cycle, of.live_bytes);
        }
        Event::SlowDestructor { .. } => {}
    }
}

/// A thread was interrupted for long, or over a budget.
pub(crate) fn slow_pause(
    heap: HeapNumber,
    thread: ThreadNumber,
    kind: PauseKind,
    ns: impl Fn() -> u64,
) {
    if ARE_IN {
        fire!(slow_pause, heap.get(), thread.get(), kind_name(kind).as_ptr(), ns());
    }
}

/// An allocation is refused.
pub(crate) fn out_of_memory(heap: HeapNumber, requested: Bytes, limit: Bytes) {
    fire!(out_of_memory, heap.get(), requested.get(), limit.get());
}

fn phase_name(phase: Phase) -> &'static CStr {
    match phase {
        Phase::Prep => c"prep",
        Phase::Mark => c"mark",
        Phase::Cross => c"cross",
        Phase::Sweep => c"sweep",
    }
}

fn kind_name(kind: PauseKind) -> &'static CStr {
    match kind {
        PauseKind::Refill => c"Refill",
        PauseKind::Sweep => c"Sweep",
        PauseKind::Assist => c"Assist",
        PauseKind::Handover => c"Handover",
        PauseKind::Handshake => c"Handshake",
        PauseKind::Gate => c"Gate",
        PauseKind::Stall => c"Stall",
        PauseKind::Cell => c"Cell",
        PauseKind::Stop => c"Stop",
        PauseKind::Shade => c"Shade",
        PauseKind::Yield => c"Yield",
        PauseKind::Drops => c"Drops",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kinds() {
        for phase in Phase::ALL {
            assert_eq!(phase_name(phase).to_bytes(), phase.name().as_bytes());
        }
        for kind in (0..).map_while(PauseKind::of_index) {
            assert_eq!(kind_name(kind).to_bytes(), format!("{kind:?}").as_bytes());
        }
    }
}
