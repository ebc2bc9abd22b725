#![forbid(unsafe_code)]
//! A hiccup meter: how long a thread with nothing to do but to wake up is kept from it. It measures
//! from outside what the machine, the system and the heap's threads do to every thread, as jHiccup
//! does (Gil Tene).
//!
//! 1. A thread of its own sleeps for the resolution, again and again ([`HiccupMeter::start`]).
//! 2. What a sleep took beyond that, less the shortest such time so far, is a hiccup.
//! 3. A sleep that was much too long stands for those that could not begin meanwhile: they are
//!    counted too, each shorter by the resolution.

use super::clock;
use super::histogram::{Histogram, Times};
use crate::platform::process::Process;
use crate::platform::thread::{short_timer_slack, with_signals_blocked};
use crate::sync::plain::{AtomicU32, Ordering};
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Arc, nap};
use crate::word::Ticks;
use std::fmt;
use std::io;
use std::time::Duration;

/// The shortest sleep.
const SHORTEST: Duration = Duration::from_micros(100);

/// Measures hiccups of the whole process until it is dropped: how much later than due an otherwise
/// idle thread runs.
///
/// Its numbers stand beside those of [`Heap::pauses`](crate::Heap::pauses). A hiccup without a
/// pause is not the heap's: the machine is busy, or a marker holds the core. The meter knows no
/// heap, and takes about ten microseconds of a core for each sleep.
///
/// ```
/// use std::time::Duration;
/// use gc_core::{Heap, HiccupMeter};
/// let (heap, meter) = (Heap::new(), HiccupMeter::start(Duration::from_millis(1))?);
/// heap.mutate(|mc| { gc_core::Gc::new(mc, 1); });
/// std::thread::sleep(Duration::from_millis(20));
/// let (pauses, hiccups) = (heap.pauses().all(), meter.hiccups());
/// println!("99 %: paused {:?}, late {:?}", pauses.percentile(99.0), hiccups.percentile(99.0));
/// assert!(!hiccups.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct HiccupMeter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    home: Process,
}

struct Shared {
    times: Times,
    /// 1 when the meter is to end. Written by the handle, read by the meter's thread.
    ends: AtomicU32,
    resolution: Duration,
}

impl HiccupMeter {
    /// Starts the meter. Each sleep lasts for `resolution`, and at least 0.1 ms; 1 ms is usual.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread.
    pub fn start(resolution: Duration) -> io::Result<HiccupMeter> {
        clock::start();
        let resolution = resolution.max(SHORTEST);
        let ends = AtomicU32::new(0);
        let shared = Arc::new(Shared { times: Times::default(), ends, resolution });
        let own = shared.clone();
        let builder = Builder::new().name("gc-hiccups".into());
        let thread = with_signals_blocked(|| builder.spawn(move || measure(&own)))?;
        Ok(HiccupMeter { shared, thread: Some(thread), home: Process::current() })
    }
    /// The hiccups so far.
    #[must_use]
    pub fn hiccups(&self) -> Histogram {
        self.shared.times.histogram()
    }
    /// Ends the meter and returns all hiccups.
    ///
    /// ```
    /// use gc_core::HiccupMeter;
    /// let meter = HiccupMeter::start(std::time::Duration::from_millis(1))?;
    /// println!("{:?}", meter.stop().max());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn stop(mut self) -> Histogram {
        self.end();
        self.hiccups()
    }

    fn end(&mut self) {
        self.shared.ends.store(1, Ordering::Relaxed);
        // The child of a fork does not have the thread.
        if let Some(thread) = self.thread.take()
            && self.home == Process::current()
        {
            // The meter's thread runs no code of the user's, and does not panic.
            let _ended = thread.join();
        }
    }
}

impl Drop for HiccupMeter {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for HiccupMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiccupMeter({:?})", self.shared.resolution)
    }
}

/// The body of the meter's thread.
fn measure(shared: &Shared) {
    short_timer_slack();
    let due = Ticks::of(shared.resolution, clock::ns_per_tick());
    let mut shortest = Ticks::MAX;
    while shared.ends.load(Ordering::Relaxed) == 0 {
        let since = clock::ticks();
        nap(shared.resolution);
        let late = clock::since(since).since(due);
        shortest = shortest.min(late);
        count(&shared.times, late - shortest, due);
    }
}

/// Counts a hiccup, and those that could not begin in it.
fn count(times: &Times, mut late: Ticks, due: Ticks) {
    loop {
        times.count(late);
        if due == Ticks::ZERO || late <= due {
            return;
        }
        late -= due;
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_long_hiccup_stands_for_those_that_it_kept_away() {
        let times = Times::default();
        count(&times, Ticks::new(10), Ticks::new(4));
        count(&times, Ticks::new(3), Ticks::new(4));
        let all: u64 = times.histogram().iter().map(|(_, n)| n).sum();
        assert_eq!(all, 3 + 1, "10, 6, 2, and 3");
    }
}
