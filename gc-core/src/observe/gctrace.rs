#![forbid(unsafe_code)]
//! The trace on standard error: a listener of the heap's events ([`super::door`]).
//!
//! `GC_TRACE=1` prints a line for each cycle ([`CycleReport`](super::CycleReport)), and
//! `GC_TRACE=2` one for each handshake before it:
//!
//! ```text
//! gc 12 heap 1 mark: 4 threads in 0.41 ms, straggler 0.400 ms \
//!    (thread 2 "worker", mutate at src/main.rs:31)
//! ```

use super::event::{Event, EventListener};
use crate::config::TraceLevel;
use crate::sync::Arc;
use std::io::Write as _;

/// Prints events on standard error. A closed standard error does not end the collector.
#[derive(Debug)]
pub(crate) struct Stderr {
    /// Handshakes too.
    handshakes: bool,
}

impl EventListener for Stderr {
    fn event(&self, heap: u64, event: &Event<'_>) {
        let mut err = std::io::stderr();
        let _ = match event {
            Event::CycleEnd(report) => writeln!(err, "{report}"),
            Event::Handshake(of) if self.handshakes => {
                let (time, phase) = (of.time.as_secs_f64() * 1e3, of.phase.name());
                let given_up = if of.is_complete { "" } else { " (given up)" };
                let mut line = format!(
                    "gc {} heap {heap} {phase}: {} threads in {time:.3} ms{given_up}",
                    of.cycle, of.threads,
                );
                if let Some(straggler) = &of.straggler {
                    line += &format!(", straggler {straggler}");
                }
                writeln!(err, "{line}")
            }
            Event::SlowDestructor { type_name, objects, bytes } => writeln!(
                err,
                "gc heap {heap}: the destructor of {type_name} has run for more than a second; \
                 {objects} objects ({bytes} bytes) are undropped",
            ),
            _ => Ok(()),
        };
    }
}

impl Stderr {
    /// What is printed at a level of the trace: 0 for nothing, 1 for cycles, 2 for handshakes too.
    pub(crate) fn of_level(level: TraceLevel) -> Option<Arc<dyn EventListener>> {
        let handshakes = level == TraceLevel::Handshakes;
        (level != TraceLevel::Off)
            .then(|| Arc::new(Stderr { handshakes }) as Arc<dyn EventListener>)
    }
}
