//! Clocks and gauges: wall and CPU time, resident memory, and histograms of latencies.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use statrs::statistics::{Data, OrderStatistics};

use crate::pin;
use crate::random::Random;
use crate::timeline::{self, Long};

/// Bytes of the unit in which memory is reported.
pub(crate) const MB: f64 = (1u64 << 20) as f64;

/// A running stopwatch over wall time and the CPU time of the whole process.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu_s: f64,
}

/// The times of a [`Stopwatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed {
    /// Seconds of wall time.
    pub(crate) wall_s: f64,
    /// Seconds of CPU time, user and system, of all threads: the collector's too.
    pub(crate) cpu_s: f64,
    /// The peak resident memory of the process by then, in bytes: what checks the result comes
    /// later.
    pub(crate) peak_rss: f64,
}

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch { cpu_s: usage().0, wall: Instant::now() }
    }

    /// The time since the start.
    pub(crate) fn stop(&self) -> Elapsed {
        let wall_s = self.wall.elapsed().as_secs_f64();
        let (cpu_s, peak_rss) = usage();
        Elapsed { wall_s, cpu_s: cpu_s - self.cpu_s, peak_rss }
    }
}

/// CPU seconds and peak resident bytes of this process.
fn usage() -> (f64, f64) {
    // SAFETY: an `rusage` is a struct of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable. The call cannot fail with these arguments, and a failure would
    // leave zeros.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    // Linux counts `ru_maxrss` in units of 1024 bytes.
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as f64 * 1024.0)
}

/// The resident memory of this process now, in bytes.
pub(crate) fn current_rss() -> Result<f64, String> {
    let statm = std::fs::read_to_string("/proc/self/statm")
        .map_err(|e| format!("cannot read /proc/self/statm for the resident memory: {e}"))?;
    let pages: f64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .ok_or("/proc/self/statm has no second number")?;
    // SAFETY: `sysconf` reads no memory of ours.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * page as f64)
}

/// A histogram of latencies in nanoseconds, to three significant digits.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    /// The long ones, if a timeline was asked for.
    long: Vec<Long>,
    /// A latency of at least so many nanoseconds is long.
    threshold: u64,
    /// The zero of the timeline.
    begin: Instant,
    /// How many histograms were merged into this one.
    merged: u32,
}

impl Latencies {
    /// An empty one. A latency above a minute counts as a minute.
    pub(crate) fn new() -> Latencies {
        let bounds = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Latencies {
            histogram: bounds.expect("1 ns to 60 s in three digits are valid bounds"),
            long: Vec::new(),
            threshold: timeline::threshold(),
            begin: Instant::now(),
            merged: 0,
        }
    }

    /// Runs `work`, records how long it took, and returns the time of its end.
    #[inline(always)]
    pub(crate) fn time(&mut self, work: impl FnOnce()) -> Instant {
        self.time_from(Instant::now(), work)
    }

    /// As [`time`](Latencies::time), counted from `start`: for a program that waited to be let in.
    #[inline(always)]
    pub(crate) fn time_from(&mut self, start: Instant, work: impl FnOnce()) -> Instant {
        work();
        let end = Instant::now();
        let nanos = (end - start).as_nanos() as u64;
        self.histogram.saturating_record(nanos);
        if nanos >= self.threshold {
            self.note(start, nanos);
        }
        end
    }

    #[cold]
    fn note(&mut self, start: Instant, nanos: u64) {
        let start = (start - self.begin).as_nanos() as u64;
        self.long.push(Long { thread: 0, start, nanos });
    }

    /// The long ones, by thread and time.
    pub(crate) fn long(&self) -> &[Long] {
        &self.long
    }

    /// Adds what `other` recorded.
    pub(crate) fn merge(&mut self, other: &Latencies) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
        let thread = self.merged;
        self.long.extend(other.long.iter().map(|long| Long { thread, ..*long }));
        self.merged += 1;
    }

    /// The latency that the share `q` of all samples did not exceed, in microseconds.
    pub(crate) fn quantile_us(&self, q: f64) -> f64 {
        self.histogram.value_at_quantile(q) as f64 / 1e3
    }

    /// The longest, in microseconds.
    pub(crate) fn max_us(&self) -> f64 {
        self.histogram.max() as f64 / 1e3
    }
}

/// What the machine itself does to a loop that neither allocates nor shares: half a second of
/// samples of about a microsecond of arithmetic. A tail of a workload means nothing below it.
pub(crate) fn noise_floor(pin: bool) -> Latencies {
    pin::on_one_thread(pin, || {
        let (mut floor, mut random) = (Latencies::new(), Random::new(1));
        let end = Instant::now() + Duration::from_millis(500);
        let sample = |random: &mut Random| {
            for _ in 0..600 {
                std::hint::black_box(random.next());
            }
        };
        while floor.time(|| sample(&mut random)) < end {}
        floor
    })
}

/// The middle value, the upper one of two.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    let upper = values.len() / 2 + 1;
    Data::new(values).order_statistic(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_plausible() {
        let (now, peak) = (current_rss().unwrap(), Stopwatch::start().stop().peak_rss);
        assert!(now > 100_000.0 && peak > 100_000.0, "{now} {peak}");
    }

    #[test]
    fn a_sleep_is_seen() {
        let mut latencies = Latencies::new();
        let watch = Stopwatch::start();
        latencies.time(|| std::thread::sleep(Duration::from_millis(5)));
        assert!(latencies.max_us() >= 5000.0);
        assert!(watch.stop().wall_s >= 0.005);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 3.0);
        assert_eq!(median(vec![7.0]), 7.0);
    }
}
