//! The limiter: the collector's share of the process's CPU time, where the heap's limit keeps it
//! busy. The share is at most 50 %, with a burst allowance of 0.2 s.

use std::time::Duration;

/// Burst allowance in seconds: CPU time that the collector may take beyond its half.
const CAPACITY: f64 = 0.2;
/// Seconds of mutators' CPU time that a full bucket must lose before the collector may work again.
/// Short, because the heap grows meanwhile.
const RELIEF: f64 = 0.002;

/// A leaky bucket: `level += collector's time - mutators' time`, within `[0, CAPACITY]`. It trips
/// at `CAPACITY`, and recovers at `CAPACITY - RELIEF`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiter {
    level: f64,
    seen: Option<(Duration, Duration)>,
    is_on: bool,
}

impl Limiter {
    /// Takes the CPU time of the collector (with assists) and of the whole process, both since they
    /// began. Returns whether the collector has used up its share.
    pub(crate) fn update(&mut self, collector: Duration, process: Duration) -> bool {
        let (collector_before, process_before) = self.seen.unwrap_or((collector, process));
        self.seen = Some((collector, process));
        let all = process.saturating_sub(process_before).as_secs_f64();
        // At most the process's time, whatever the clocks say: a clock that jumped must not fill
        // the bucket.
        let own = collector.saturating_sub(collector_before).as_secs_f64().min(all);
        let others = all - own;
        self.level = (self.level + own - others).clamp(0.0, CAPACITY);
        if self.level >= CAPACITY {
            self.is_on = true;
        } else if self.level <= CAPACITY - RELIEF {
            self.is_on = false;
        }
        self.is_on
    }

    /// Forgets everything, since no limit sets the goal any more.
    pub(crate) fn reset(&mut self) {
        *self = Limiter::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn half_of_the_time_is_allowed() {
        let mut limiter = Limiter::default();
        for i in 0..10_000 {
            assert!(!limiter.update(ms(i * 5), ms(i * 10)));
        }
    }

    #[test]
    fn more_than_half_fills_the_bucket_and_the_mutators_empty_it() {
        let mut limiter = Limiter::default();
        limiter.update(ms(0), ms(0));
        assert!(!limiter.update(ms(190), ms(190)));
        assert!(limiter.update(ms(210), ms(210)));
        assert!(limiter.update(ms(210), ms(211)), "not yet enough");
        assert!(!limiter.update(ms(210), ms(213)));
    }

    #[test]
    fn it_starts_anew() {
        let mut limiter = Limiter::default();
        limiter.update(ms(0), ms(0));
        assert!(limiter.update(ms(500), ms(500)));
        limiter.reset();
        assert!(!limiter.update(ms(1000), ms(1000)), "what was before is not counted");
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_does_not_stop_the_collector() {
        let mut limiter = Limiter::default();
        assert!(!limiter.update(ms(1), ms(100)));
        assert!(!limiter.update(Duration::from_secs(1 << 40), ms(200)), "it jumped");
        for i in 3..1000 {
            assert!(!limiter.update(ms(i), ms(i * 100)), "look {i}");
        }
        assert!(!limiter.update(ms(0), ms(0)), "both have gone back");
    }
}
