#![forbid(unsafe_code)]
//! The cycle trace: one line for each cycle on standard error under `GC_TRACE=1`.
//!
//! ```text
//! gc 12 @1.204s 45%: 0.02+3.1+0.05+1.2 ms, 8.1->9.4->4.2 MB (goal 8.4), 3 rounds, 210 k marked, straggler 0.4 ms (thread 2)
//! ```
//!
//! | field | meaning | counter of the same value |
//! |---|---|---|
//! | `gc 12` | number of the cycle | `Stats::cycles` |
//! | `@1.204s` | since the heap was made | |
//! | `45%` | share of one core that the collector's own thread took since the last line | |
//! | `0.02+3.1+0.05+1.2 ms` | Prep handshake, marking with its rounds, weak pass and Sweep handshake, sweep | |
//! | `8.1->9.4->4.2 MB` | heap at the start, at the end of marking, and found live | `Stats::live_bytes` |
//! | `goal 8.4` | what the end of marking tried to stay below | `Stats::goal_bytes` |
//! | `3 rounds` | termination rounds | |
//! | `210 k marked` | objects marked by markers | |
//! | `stopped` | in the stopped mode: how long threads waited at the start of `mutate`; or that they did not | |
//! | `undropped 12 k, 1.3 MB, 4 ms` | objects that wait for their destructors, their bytes, the oldest's age | `Stats::undropped_objects` |
//! | `straggler` | the longest that a handshake waited, and for which thread (in order of registration) | |

use std::fmt;
use std::time::Duration;

/// What a cycle did.
#[derive(Debug, Clone, Default)]
pub(crate) struct CycleLine {
    pub(crate) number: u64,
    pub(crate) at: Duration,
    pub(crate) busy: f64,
    pub(crate) prep: Duration,
    pub(crate) mark: Duration,
    pub(crate) cross: Duration,
    pub(crate) sweep: Duration,
    pub(crate) heap_start: u64,
    pub(crate) heap_end: u64,
    pub(crate) live: u64,
    pub(crate) goal: u64,
    pub(crate) rounds: u32,
    pub(crate) marked_objects: u64,
    /// How long the threads were stopped; `None` outside of the stopped mode, zero if a thread did not come to a stop.
    pub(crate) stopped: Option<Duration>,
    /// What waits to be dropped when the cycle ends: objects, bytes, the oldest's age.
    pub(crate) undropped: (u64, u64, Duration),
    /// The longest wait of a handshake and whom it waited for.
    pub(crate) straggler: Option<(Duration, u64)>,
}

impl fmt::Display for CycleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        write!(
            f,
            "gc {} @{:.3}s {:.0}%: {:.3}+{:.3}+{:.3}+{:.3} ms, {:.1}->{:.1}->{:.1} MB (goal {:.1}), \
             {} rounds, {} k marked",
            self.number,
            self.at.as_secs_f64(),
            self.busy * 100.0,
            ms(self.prep),
            ms(self.mark),
            ms(self.cross),
            ms(self.sweep),
            mb(self.heap_start),
            mb(self.heap_end),
            mb(self.live),
            mb(self.goal),
            self.rounds,
            self.marked_objects / 1000,
        )?;
        match self.stopped {
            Some(Duration::ZERO) => write!(f, ", not stopped")?,
            Some(time) => write!(f, ", stopped {:.3} ms", ms(time))?,
            None => {}
        }
        let (objects, bytes, age) = self.undropped;
        if objects > 0 {
            let objects = objects.div_ceil(1000);
            write!(f, ", undropped {objects} k, {:.1} MB, {:.0} ms", mb(bytes), ms(age))?;
        }
        if let Some((wait, thread)) = self.straggler {
            write!(f, ", straggler {:.3} ms (thread {thread})", ms(wait))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_documented() {
        let line = CycleLine {
            number: 12,
            at: Duration::from_millis(1204),
            heap_start: 8_100_000,
            marked_objects: 210_400,
            rounds: 3,
            straggler: Some((Duration::from_micros(400), 2)),
            ..CycleLine::default()
        };
        let text = line.to_string();
        assert!(text.starts_with("gc 12 @1.204s 0%: 0.000+"), "{text}");
        assert!(text.ends_with("3 rounds, 210 k marked, straggler 0.400 ms (thread 2)"), "{text}");
        let line = CycleLine { stopped: Some(Duration::from_millis(3)), straggler: None, ..line };
        assert!(line.to_string().ends_with("k marked, stopped 3.000 ms"));
        let undropped = (12_345, 1_310_000, Duration::from_millis(4));
        let text = CycleLine { undropped, stopped: None, ..line.clone() }.to_string();
        assert!(text.ends_with("k marked, undropped 13 k, 1.3 MB, 4 ms"), "{text}");
        let line = CycleLine { stopped: Some(Duration::ZERO), ..line };
        assert!(line.to_string().ends_with("k marked, not stopped"));
    }
}
