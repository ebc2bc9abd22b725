#![forbid(unsafe_code)]
//! Minimum mutator utilisation: how much of a window a thread had for itself, in its worst one.
//!
//! The measure is that of Cheng and Blelloch, "A parallel, real-time garbage collector" (2001). The
//! worst window of a given length begins where an interruption begins, or ends where one ends. So
//! it is enough to look at these ([`least`]).

use crate::word::Ticks;
use std::time::Duration;

/// How much of each window of one length a thread had for itself at least
/// ([`Heap::utilisation`](crate::Heap::utilisation)).
///
/// ```
/// use std::time::Duration;
/// use gc_core::{Gc, Heap, Utilisation};
/// let heap = Heap::new();
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// let windows = [1, 10, 100].map(Duration::from_millis);
/// let all: Vec<Utilisation> = heap.utilisation(&windows);
/// for of in &all {
///     println!("of {:?} at least {:.1} %", of.window, of.least * 100.0);
/// }
/// assert!(all.iter().all(|of| (0.0..=1.0).contains(&of.least)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Utilisation {
    /// The length of the window.
    pub window: Duration,
    /// The share of the worst window that its thread had for itself, from 0 to 1; 1 if no thread
    /// was looked at.
    pub least: f64,
    /// When that window began, since the heap was made.
    pub at: Duration,
    /// The number of its thread.
    pub thread: Option<u64>,
    /// The name of its thread.
    pub thread_name: Option<String>,
    /// The longest time of a thread that was looked at. Earlier interruptions are forgotten.
    pub covers: Duration,
}

/// The time of which a thread's interruptions are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownTime {
    pub(crate) from: Ticks,
    pub(crate) to: Ticks,
    /// Whether there was none before `from`, because the thread had no part in the heap.
    pub(crate) is_whole: bool,
}

/// A thread's interruptions of a time.
#[derive(Debug)]
pub(crate) struct Interruptions {
    /// Begin and length of the long ones; sorted by [`new`](Self::new).
    long: Vec<(Ticks, Ticks)>,
    known: KnownTime,
    /// The share of the time that short ones took.
    short: f64,
}

impl Interruptions {
    /// Those of the time `known`. An interruption that has others inside of it was noted with
    /// its own time only, so what overlaps is put one before the other.
    pub(crate) fn new(
        mut long: Vec<(Ticks, Ticks)>,
        known: KnownTime,
        short: f64,
    ) -> Interruptions {
        long.retain(|(begin, length)| *begin >= known.from && *begin + *length <= known.to);
        long.sort_unstable_by_key(|(begin, length)| std::cmp::Reverse(*begin + *length));
        let mut next = Ticks::MAX;
        for (begin, length) in &mut long {
            let end = (*begin + *length).min(next);
            *begin = end.since(*length);
            next = *begin;
        }
        long.reverse();
        Interruptions { long, known, short: short.clamp(0.0, 1.0) }
    }
    /// The time that is known.
    pub(crate) fn covers(&self) -> Ticks {
        self.known.to - self.known.from
    }

    /// The share of the worst window of a length that the thread had for itself, and when it began.
    /// `None` if less than a window is known.
    pub(crate) fn least(&self, window: Ticks) -> Option<(f64, Ticks)> {
        if window == Ticks::ZERO || self.covers() < window && !self.known.is_whole {
            return None;
        }
        // `sums[i]`: the length of the first i.
        let mut sums = vec![Ticks::ZERO];
        for (_, length) in &self.long {
            sums.push(sums.last().copied().unwrap_or_default() + *length);
        }
        // Interrupted ticks before a moment.
        let before = |moment: Ticks| {
            let begun = self.long.partition_point(|(begin, _)| *begin < moment);
            let Some((begin, length)) = begun.checked_sub(1).map(|last| self.long[last]) else {
                return Ticks::ZERO;
            };
            sums[begun] - (begin + length).since(moment)
        };
        let earliest =
            if self.known.is_whole { self.known.from.since(window) } else { self.known.from };
        let latest = self.known.to.since(window).max(earliest);
        let begins = self.long.iter().flat_map(|(begin, length)| {
            [*begin, (*begin + *length).since(window)].map(|at| at.clamp(earliest, latest))
        });
        let busiest = begins.map(|at| (before(at + window) - before(at), at)).max();
        let (ticks, at) = busiest.unwrap_or((Ticks::ZERO, self.known.from));
        let own = 1.0 - ticks.get() as f64 / window.get() as f64 - self.short;
        Some((own.clamp(0.0, 1.0), at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interruptions(long: &[(u64, u64)], to: u64, is_whole: bool, short: f64) -> Interruptions {
        let long = long.iter().map(|(begin, length)| (Ticks::new(*begin), Ticks::new(*length)));
        let known = KnownTime { from: Ticks::ZERO, to: Ticks::new(to), is_whole };
        Interruptions::new(long.collect(), known, short)
    }
    fn least(long: &[(u64, u64)], window: u64) -> f64 {
        interruptions(long, 1000, false, 0.0).least(Ticks::new(window)).unwrap().0
    }

    /// Tick by tick.
    fn simply(long: &[(u64, u64)], window: u64) -> f64 {
        let is_busy = |tick: u64| long.iter().any(|(b, l)| (*b..b + l).contains(&tick));
        let busy = |at: u64| (at..at + window).filter(|tick| is_busy(*tick)).count();
        let most = (0..=1000 - window).map(busy).max().unwrap();
        1.0 - most as f64 / window as f64
    }

    #[test]
    fn it_is_that_of_the_worst_window() {
        let some = [(10, 5), (20, 5), (26, 2), (300, 50), (360, 30), (900, 100)];
        for window in [1, 2, 5, 7, 20, 50, 100, 120, 400, 1000] {
            let (found, exact) = (least(&some, window), simply(&some, window));
            assert!((found - exact).abs() < 1e-9, "{window}: {found} for {exact}");
        }
        assert_eq!(least(&[], 10), 1.0);
    }

    #[test]
    fn what_is_inside_of_another_counts_once() {
        // 40 ticks from 100 on, in which 30 belong to an inner one: noted as the last ten.
        let nested = [(105, 30), (130, 10)];
        assert_eq!(least(&nested, 40), 0.0);
        assert_eq!(least(&nested, 80), 0.5);
    }

    #[test]
    fn short_ones_are_spread_and_a_short_past_is_no_past() {
        let least = |is_whole, window| {
            interruptions(&[(5, 5)], 20, is_whole, 0.25).least(Ticks::new(window))
        };
        assert_eq!(least(false, 20), Some((0.5, Ticks::ZERO)));
        assert_eq!((least(false, 40), least(false, 0)), (None, None));
        assert_eq!(least(true, 40).map(|(own, _)| own), Some(1.0 - 5.0 / 40.0 - 0.25));
    }
}
