//! The collector's share of the process's time: half, where the heap's limit makes it work without a pause.

use std::time::Duration;

/// Seconds that the collector may take in a row beyond its half.
const CAPACITY: f64 = 0.2;
/// Seconds of the mutators after which a full bucket is no longer full. Short: the heap grows meanwhile.
const RELIEF: f64 = 0.002;

/// A leaky bucket: the collector's time fills it, the mutators' time empties it. Full, it says no until a little has run
/// out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiter {
    level: f64,
    seen: Option<(Duration, Duration)>,
    is_on: bool,
}

impl Limiter {
    /// The time that the collector (assists included) and the whole process have taken since they began. Says whether
    /// the collector has had its share.
    pub(crate) fn update(&mut self, collector: Duration, process: Duration) -> bool {
        let (collector_before, process_before) = self.seen.unwrap_or((collector, process));
        self.seen = Some((collector, process));
        let all = process.saturating_sub(process_before).as_secs_f64();
        // A part of it, whatever the clocks say: one that jumped must not fill the bucket.
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

    /// The limit is out of sight: forgets everything.
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
