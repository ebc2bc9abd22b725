//! A clock that costs a few nanoseconds: the processor's time-stamp counter where it is known to be
//! steady, and the system's monotonic clock elsewhere. Ticks become nanoseconds only when they are
//! read.

use crate::sync::OnceLock;
use crate::word::Ticks;
use std::time::Instant;

/// Where ticks and time began.
#[derive(Debug)]
struct Origin {
    ticks: Ticks,
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
fn raw() -> Ticks {
    // SAFETY: every x86-64 processor has the counter.
    Ticks::new(unsafe { std::arch::x86_64::_rdtsc() })
}
#[cfg(not(target_arch = "x86_64"))]
fn raw() -> Ticks {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    Ticks::new(ZERO.get_or_init(Instant::now).elapsed().as_nanos() as u64)
}

/// Now, in ticks.
#[inline(always)]
pub(crate) fn ticks() -> Ticks {
    raw()
}

/// Ticks since an earlier reading; none if the counter stands before it, as on a core whose counter
/// is behind.
#[inline(always)]
pub(crate) fn since(earlier: Ticks) -> Ticks {
    ticks().since(earlier)
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
    rate(origin.time.elapsed().as_nanos(), raw().since(origin.ticks))
}

/// The same without a wait, and less exact in the first two milliseconds.
pub(crate) fn ns_per_tick_so_far() -> f64 {
    let origin = origin();
    rate(origin.time.elapsed().as_nanos(), raw().since(origin.ticks))
}

/// The same as it was when it was first asked for: what was counted below a bound stays below it.
pub(crate) fn fixed_ns_per_tick() -> f64 {
    static FIXED: OnceLock<f64> = OnceLock::new();
    *FIXED.get_or_init(ns_per_tick)
}

/// Nanoseconds for each tick; one for one where a clock has not moved, or has moved back.
fn rate(ns: u128, ticks: Ticks) -> f64 {
    if ns == 0 || ticks == Ticks::ZERO { 1.0 } else { ns as f64 / ticks.get() as f64 }
}

#[cfg(test)]
mod tests {
    use crate::word::Ticks;

    #[test]
    fn ticks_become_time() {
        super::start();
        let from = super::ticks();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let time = super::since(from).time(super::ns_per_tick());
        assert!((19..2000).contains(&time.as_millis()), "{time:?}");
    }

    #[test]
    fn clocks_that_step_back_or_stand_still_give_numbers_of_use() {
        assert_eq!(super::since(super::ticks() + Ticks::new(1 << 40)), Ticks::ZERO);
        let rate = |ns, ticks| super::rate(ns, Ticks::new(ticks));
        assert_eq!((rate(0, 0), rate(0, 5), rate(5, 0)), (1.0, 1.0, 1.0));
        assert_eq!(rate(10, 20), 0.5);
    }
}
