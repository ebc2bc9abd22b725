//! A clock that costs a few nanoseconds: the processor's time-stamp counter where it is known to be
//! steady, and the system's monotonic clock elsewhere. Ticks become nanoseconds only when they are
//! read.

use crate::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where ticks and time began.
#[derive(Debug)]
struct Origin {
    ticks: u64,
    time: Instant,
}

fn origin() -> &'static Origin {
    static ORIGIN: OnceLock<Origin> = OnceLock::new();
    ORIGIN.get_or_init(|| Origin { ticks: raw(), time: Instant::now() })
}

/// Starts the clock, so that by the first reading ticks and time have run side by side for a while.
pub(crate) fn start() {
    origin();
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn raw() -> u64 {
    // SAFETY: every x86-64 processor has the counter.
    unsafe { std::arch::x86_64::_rdtsc() }
}
#[cfg(not(target_arch = "x86_64"))]
fn raw() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    ZERO.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Now, in ticks.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    raw()
}

/// Ticks since an earlier reading; none if the counter stands before it, as on a core whose counter
/// is behind.
#[inline(always)]
pub(crate) fn since(earlier: u64) -> u64 {
    ticks().saturating_sub(earlier)
}

/// Nanoseconds for each tick, by the time that has passed since [`start`].
pub(crate) fn ns_per_tick() -> f64 {
    let origin = origin();
    // A few microseconds apart the two clocks' own jitter would show. A clock that stands still is
    // not waited for.
    for _ in 0..100 {
        if origin.time.elapsed().as_millis() >= 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    rate(origin.time.elapsed().as_nanos(), raw().saturating_sub(origin.ticks))
}

/// The same without a wait, and less exact in the first two milliseconds.
pub(crate) fn ns_per_tick_so_far() -> f64 {
    let origin = origin();
    rate(origin.time.elapsed().as_nanos(), raw().saturating_sub(origin.ticks))
}

/// So many ticks as a time.
pub(crate) fn time(ticks: u64, ns_per_tick: f64) -> Duration {
    Duration::from_nanos((ticks as f64 * ns_per_tick) as u64)
}

/// The same as it was when it was first asked for: what was counted below a bound stays below it.
pub(crate) fn fixed_ns_per_tick() -> f64 {
    static FIXED: OnceLock<f64> = OnceLock::new();
    *FIXED.get_or_init(ns_per_tick)
}

/// Nanoseconds for each tick; one for one where a clock has not moved, or has moved back.
fn rate(ns: u128, ticks: u64) -> f64 {
    if ns == 0 || ticks == 0 { 1.0 } else { ns as f64 / ticks as f64 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ticks_become_time() {
        super::start();
        let from = super::ticks();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let ns = (super::ticks() - from) as f64 * super::ns_per_tick();
        assert!((19e6..2e9).contains(&ns), "{ns}");
    }

    #[test]
    fn clocks_that_step_back_or_stand_still_give_numbers_of_use() {
        assert_eq!(super::since(super::ticks() + (1 << 40)), 0);
        assert_eq!((super::rate(0, 0), super::rate(0, 5), super::rate(5, 0)), (1.0, 1.0, 1.0));
        assert_eq!(super::rate(10, 20), 0.5);
    }
}
