#![forbid(unsafe_code)]
//! A timeline in the Trace Event Format, as JSON: what `ui.perfetto.dev` and `chrome://tracing`
//! read.
//!
//! | on the timeline | in the trace |
//! |---|---|
//! | a thread's interruption | a slice (`X`, category `pause`) on its thread, named by its kind |
//! | a cycle, its phases, its handshakes | slices (`X`, category `gc`) on the collector's thread |
//! | a cycle's begin | an instant (`i`) there; and the heap's size, a counter (`C`) |
//! | a span's state | a slice (`b`, `e`, category `span`) by the number of the span |
//!
//! Times are microseconds since the heap was made. The process is the real one, so traces of
//! several heaps of it can be joined; the tracks are numbered by heap.

use crate::observe::life::{LifeStep, SpanState};
use crate::observe::timeline::{Mark, What};
use crate::word::{Bytes, HeapNumber, ThreadNumber, Ticks};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// How ticks become microseconds.
pub(super) struct Clock {
    pub(super) born: Ticks,
    pub(super) now: Ticks,
    pub(super) ns_per_tick: f64,
}

impl Clock {
    /// The time since the heap was made.
    fn at(&self, moment: Ticks) -> Duration {
        moment.since(self.born).time(self.ns_per_tick)
    }
    /// Begin and end of each mark. Readers drop a slice that reaches out of the one around it. So
    /// such a slice, which the clocks' rounding makes, ends with the other.
    fn nest(&self, marks: &[Mark]) -> Vec<(Duration, Duration)> {
        let of = |mark: &Mark| (self.at(mark.since), self.at(mark.since + mark.ticks));
        let mut times: Vec<(Duration, Duration)> = marks.iter().map(of).collect();
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by_key(|&i| (times[i].0, std::cmp::Reverse(times[i].1)));
        let mut around: Vec<Duration> = Vec::new();
        for i in order {
            let (begin, end) = times[i];
            while around.last().is_some_and(|end| *end <= begin) {
                around.pop();
            }
            let end = around.last().map_or(end, |around| end.min(*around));
            times[i].1 = end;
            around.push(end);
        }
        times
    }
}

fn us(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// The number of a track in a trace: of a thread's, or of the collector's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TrackId(u64);

impl TrackId {
    /// The collector's. In the trace its number is the heap's.
    const COLLECTOR: TrackId = TrackId(0);
    /// That of a thread. Below are the collectors, by heap.
    fn of(thread: ThreadNumber) -> TrackId {
        TrackId(1_000 + thread.get())
    }
}

/// What one thread did.
pub(super) struct Track {
    id: TrackId,
    name: String,
    pub(super) marks: Vec<Mark>,
}

impl Track {
    pub(super) fn collector(marks: Vec<Mark>) -> Track {
        Track { id: TrackId::COLLECTOR, name: String::new(), marks }
    }
    pub(super) fn thread(number: ThreadNumber, name: Option<String>, marks: Vec<Mark>) -> Track {
        let name = name.unwrap_or_else(|| format!("thread {number:?}"));
        Track { id: TrackId::of(number), name, marks }
    }
}

/// Writes the events, and counts them.
struct EventWriter<'a> {
    to: &'a mut dyn Write,
    heap: HeapNumber,
    clock: &'a Clock,
    written: u64,
}

/// What a trace is made of.
pub(super) struct HeapTimeline {
    pub(super) heap: HeapNumber,
    pub(super) clock: Clock,
    pub(super) tracks: Vec<Track>,
    pub(super) spans: Vec<LifeStep>,
    /// The names of the span classes.
    pub(super) classes: Vec<&'static str>,
}

/// Writes a trace. Returns the number of its events.
pub(super) fn write(to: &mut dyn Write, of: &HeapTimeline) -> io::Result<u64> {
    to.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let mut events = EventWriter { to, heap: of.heap, clock: &of.clock, written: 0 };
    for track in &of.tracks {
        events.track(track)?;
    }
    events.spans(of)?;
    let written = events.written;
    to.write_all(b"\n]}\n")?;
    Ok(written)
}

impl EventWriter<'_> {
    fn event(&mut self, id: TrackId, mut event: Value) -> io::Result<()> {
        event["pid"] = json!(std::process::id());
        event["tid"] = json!(if id == TrackId::COLLECTOR { self.heap.get() } else { id.0 });
        let comma = if self.written == 0 { "\n" } else { ",\n" };
        self.written += 1;
        write!(self.to, "{comma}{event}")
    }

    fn track(&mut self, track: &Track) -> io::Result<()> {
        let name = if track.id == TrackId::COLLECTOR {
            format!("gc of heap {:?}", self.heap)
        } else {
            track.name.clone()
        };
        self.event(track.id, json!({"ph": "M", "name": "thread_name", "args": {"name": name}}))?;
        for (mark, time) in track.marks.iter().zip(self.clock.nest(&track.marks)) {
            self.mark(track.id, mark, time)?;
        }
        Ok(())
    }

    fn mark(
        &mut self,
        id: TrackId,
        mark: &Mark,
        (begin, end): (Duration, Duration),
    ) -> io::Result<()> {
        let (ts, dur) = (us(begin), us(end - begin));
        let slice = |cat: &str, name: &str, args: Value| json!({"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "args": args});
        let event = match mark.what {
            What::Pause(of) => {
                let phase = of.phase.map(|phase| phase.name());
                let place = of.place.map(|at| format!("{}:{}", at.file(), at.line()));
                let args = json!({"cycle": of.cycle, "phase": phase, "mutate at": place});
                slice("pause", &format!("{:?}", of.kind), args)
            }
            What::CycleBegin { cycle, heap_bytes } => {
                self.heap_bytes(id, ts, Bytes::new(heap_bytes))?;
                json!({"ph": "i", "cat": "gc", "name": "cycle begins", "ts": ts, "s": "t",
                       "args": {"cycle": cycle}})
            }
            What::Cycle { cycle, live_bytes } => {
                self.heap_bytes(id, ts + dur, Bytes::new(live_bytes))?;
                slice("gc", &format!("cycle {cycle}"), json!({"live bytes": live_bytes}))
            }
            What::Phase { cycle, phase } => slice("gc", phase.name(), json!({"cycle": cycle})),
            What::Handshake { cycle, phase, threads, straggler } => {
                let args = json!({"cycle": cycle, "threads": threads, "straggler": straggler});
                slice("gc", &format!("handshake {}", phase.name()), args)
            }
        };
        self.event(id, event)
    }

    fn heap_bytes(&mut self, id: TrackId, ts: f64, bytes: Bytes) -> io::Result<()> {
        let name = format!("heap {:?} bytes", self.heap);
        let event = json!({"ph": "C", "name": name, "ts": ts, "args": {"bytes": bytes.get()}});
        self.event(id, event)
    }

    /// The states of each span, one after the other.
    fn spans(&mut self, of: &HeapTimeline) -> io::Result<()> {
        let mut of_spans: BTreeMap<u32, Vec<LifeStep>> = BTreeMap::new();
        for step in &of.spans {
            let steps = of_spans.entry(step.span).or_default();
            if steps.last().is_none_or(|last| last.state != step.state) {
                steps.push(*step);
            }
        }
        for (span, steps) in of_spans {
            let id = format!("heap {:?} span {span}", self.heap);
            for (i, step) in steps.iter().enumerate() {
                if step.state == SpanState::Freed {
                    continue;
                }
                let to = steps.get(i + 1).map_or(self.clock.now, |next| next.at).max(step.at);
                let class = of.classes.get(step.class as usize).copied().unwrap_or("?");
                for (ph, moment) in [("b", step.at), ("e", to)] {
                    let ts = us(self.clock.at(moment));
                    let event = json!({"ph": ph, "cat": "span", "id": id, "ts": ts,
                                       "name": step.state.name(), "args": {"class": class}});
                    self.event(TrackId::COLLECTOR, event)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Phase;

    #[test]
    fn slices_lie_inside_of_each_other_or_apart() {
        let clock = Clock { born: Ticks::new(100), now: Ticks::new(1000), ns_per_tick: 0.5 };
        let mark = |since, ticks| {
            let what = What::Phase { cycle: 1, phase: Phase::Mark };
            Mark { since: Ticks::new(since), ticks: Ticks::new(ticks), what }
        };
        let marks = [mark(150, 60), mark(100, 100), mark(120, 20), mark(130, 40), mark(200, 10)];
        let nested = clock.nest(&marks);
        let ns = [(25, 50), (0, 50), (10, 20), (15, 20), (50, 55)];
        let times = ns.map(|(begin, end)| (Duration::from_nanos(begin), Duration::from_nanos(end)));
        assert_eq!(nested, times);
    }
}
