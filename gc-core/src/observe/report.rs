#![forbid(unsafe_code)]
//! What a cycle did ([`CycleReport`]) and for whom it waited ([`Straggler`]).
//!
//! `Display` prints the line of `GC_TRACE=1`:
//!
//! ```text
//! gc 12 heap 1 @1.204s 45%: 0.02+3.1+0.05+1.2 ms, 8.1->9.4->4.2 MB (goal 8.4), \
//!    3 rounds, 210 k marked, straggler 0.4 ms (thread 2)
//! ```
//!
//! | field | meaning | counter of the same value |
//! |---|---|---|
//! | `gc 12` | number of the cycle | `Stats::cycles` |
//! | `heap 1` | number of the heap in this process | [`Heap::number`](crate::Heap::number) |
//! | `@1.204s` | since the heap was made | |
//! | `45%` | share of one core that the collector's own thread took since the last line | |
//! | `0.02+3.1+0.05+1.2 ms` | Prep handshake, marking with its rounds, weak pass and Sweep handshake, sweep | |
//! | `8.1->9.4->4.2 MB` | heap at the start, at the end of marking, and found live | `Stats::live_bytes` |
//! | `goal 8.4` | what the end of marking tried to stay below | `Stats::goal_bytes` |
//! | `3 rounds` | termination rounds | |
//! | `210 k marked` | objects marked by markers | |
//! | `stopped` | in the stopped mode: how long threads waited at the start of `mutate`; or that they did not | |
//! | `undropped 12 k, 1.3 MB, 4 ms` | objects that wait for their destructors, their bytes, the oldest's age | `Stats::undropped_objects` |
//! | `straggler` | the longest that a handshake waited, and for which thread (its number, its name, its call of `mutate`) | |

use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// The thread for which a handshake waited longest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Straggler {
    /// How long the handshake waited for this thread.
    pub wait: Duration,
    /// The thread's number in its process, in order of registration; [`Mutator`](crate::Mutator)'s
    /// `Debug` shows it.
    pub thread: u64,
    /// The thread's name, if it has one.
    pub name: Option<String>,
    /// The call of `mutate` that the thread was in.
    pub place: Option<&'static Location<'static>>,
}

impl Straggler {
    /// Keeps this one if it waited longer.
    pub(crate) fn keep_if_longer(self, longest: &mut Option<Straggler>) {
        if longest.as_ref().is_none_or(|other| self.wait > other.wait) {
            *longest = Some(self);
        }
    }
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms (thread {}", self.wait.as_secs_f64() * 1e3, self.thread)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        if let Some(place) = self.place {
            write!(f, ", mutate at {}:{}", place.file(), place.line())?;
        }
        f.write_str(")")
    }
}

/// What a cycle did. `Display` prints the line of `GC_TRACE=1`.
///
/// ```
/// use gc_core::{CycleReport, Event, Heap, Straggler};
/// let print = |cycle: &CycleReport| {
///     let waited = cycle.straggler.as_ref().map(|straggler: &Straggler| straggler.wait);
///     println!("cycle {} marked for {:?}, waited for {waited:?}", cycle.cycle, cycle.mark);
/// };
/// let listener = move |_heap: u64, event: &Event<'_>| {
///     if let Event::CycleEnd(cycle) = event {
///         print(cycle);
///     }
/// };
/// let heap = Heap::builder().event_listener(listener).build()?;
/// heap.collect().unwrap();
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CycleReport {
    /// The heap's number in its process, from 1.
    pub heap: u64,
    /// The cycle's number, from 1.
    pub cycle: u64,
    /// When it began, since the heap was made.
    pub at: Duration,
    /// CPU time that the collector's own thread has taken since the last report, over wall time.
    pub busy: f64,
    /// How long the handshake of Prep took.
    pub prep: Duration,
    /// How long marking took, its termination rounds included.
    pub mark: Duration,
    /// How long the weak pass and the handshake of Sweep took.
    pub cross: Duration,
    /// How long the sweep took.
    pub sweep: Duration,
    /// Bytes in the heap at the start, as pacing counts them.
    pub heap_start_bytes: u64,
    /// Bytes in the heap at the end of marking.
    pub heap_end_bytes: u64,
    /// Bytes found live.
    pub live_bytes: u64,
    /// Bytes that the end of marking tried to stay below.
    pub goal_bytes: u64,
    /// Termination rounds.
    pub rounds: u32,
    /// Objects marked by markers.
    pub marked_objects: u64,
    /// How long the threads were stopped. `None` outside of the stopped mode; zero if a thread did
    /// not come to a stop.
    pub stopped: Option<Duration>,
    /// Objects that wait for their destructors at the end.
    pub undropped_objects: u64,
    /// Bytes of these.
    pub undropped_bytes: u64,
    /// How long the oldest of them has waited.
    pub undropped_age: Duration,
    /// The thread for which a handshake waited longest.
    pub straggler: Option<Straggler>,
}

impl fmt::Display for CycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        write!(
            f,
            "gc {} heap {} @{:.3}s {:.0}%: {:.3}+{:.3}+{:.3}+{:.3} ms, {:.1}->{:.1}->{:.1} MB (goal {:.1}), \
             {} rounds, {} k marked",
            self.cycle,
            self.heap,
            self.at.as_secs_f64(),
            self.busy * 100.0,
            ms(self.prep),
            ms(self.mark),
            ms(self.cross),
            ms(self.sweep),
            mb(self.heap_start_bytes),
            mb(self.heap_end_bytes),
            mb(self.live_bytes),
            mb(self.goal_bytes),
            self.rounds,
            self.marked_objects / 1000,
        )?;
        match self.stopped {
            Some(Duration::ZERO) => write!(f, ", not stopped")?,
            Some(time) => write!(f, ", stopped {:.3} ms", ms(time))?,
            None => {}
        }
        if self.undropped_objects > 0 {
            let objects = self.undropped_objects.div_ceil(1000);
            let (bytes, age) = (mb(self.undropped_bytes), ms(self.undropped_age));
            write!(f, ", undropped {objects} k, {bytes:.1} MB, {age:.0} ms")?;
        }
        if let Some(straggler) = &self.straggler {
            write!(f, ", straggler {straggler}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_documented() {
        let straggler =
            Straggler { wait: Duration::from_micros(400), thread: 2, name: None, place: None };
        let line = CycleReport {
            heap: 1,
            cycle: 12,
            at: Duration::from_millis(1204),
            heap_start_bytes: 8_100_000,
            marked_objects: 210_400,
            rounds: 3,
            straggler: Some(straggler),
            ..CycleReport::default()
        };
        let text = line.to_string();
        assert!(text.starts_with("gc 12 heap 1 @1.204s 0%: 0.000+"), "{text}");
        assert!(text.ends_with("3 rounds, 210 k marked, straggler 0.400 ms (thread 2)"), "{text}");
        let stopped = Some(Duration::from_millis(3));
        let line = CycleReport { stopped, straggler: None, ..line };
        assert!(line.to_string().ends_with("k marked, stopped 3.000 ms"));
        let undropped = CycleReport {
            undropped_objects: 12_345,
            undropped_bytes: 1_310_000,
            undropped_age: Duration::from_millis(4),
            stopped: None,
            ..line.clone()
        };
        let text = undropped.to_string();
        assert!(text.ends_with("k marked, undropped 13 k, 1.3 MB, 4 ms"), "{text}");
        let line = CycleReport { stopped: Some(Duration::ZERO), ..line };
        assert!(line.to_string().ends_with("k marked, not stopped"));
    }

    #[test]
    #[track_caller]
    fn a_straggler_shows_what_is_known() {
        let mut straggler =
            Straggler { wait: Duration::from_micros(400), thread: 2, name: None, place: None };
        assert_eq!(straggler.to_string(), "0.400 ms (thread 2)");
        straggler.name = Some("worker".into());
        assert_eq!(straggler.to_string(), "0.400 ms (thread 2 \"worker\")");
        straggler.place = Some(Location::caller());
        assert!(straggler.to_string().contains("\", mutate at "), "{straggler}");
    }
}
