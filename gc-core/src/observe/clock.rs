//! A clock that costs a few nanoseconds: the processor's time-stamp counter where it is known to be steady, and
//! the system's monotonic clock elsewhere. Ticks become nanoseconds only when somebody reads. Beside it the
//! CPU time of threads, by the system.

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

/// Nanoseconds for each tick, by the time that has passed since [`start`].
pub(crate) fn ns_per_tick() -> f64 {
    let origin = origin();
    // A few microseconds apart the two clocks' own jitter would show.
    while origin.time.elapsed().as_millis() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let ticks = raw().wrapping_sub(origin.ticks);
    origin.time.elapsed().as_nanos() as f64 / ticks.max(1) as f64
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    #[cfg(unix)]
    return cpu_time(libc::CLOCK_THREAD_CPUTIME_ID);
    #[cfg(not(unix))]
    Duration::ZERO
}

/// CPU time of the process.
pub(crate) fn process_cpu() -> Duration {
    #[cfg(unix)]
    return cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID);
    #[cfg(not(unix))]
    Duration::ZERO
}

#[cfg(unix)]
fn cpu_time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    if done { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) } else { Duration::ZERO }
}

/// Lets short sleeps of this thread be short: the default slack of Linux is 50 µs.
pub(crate) fn short_timer_slack() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes plain integers.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 2_000, 0, 0, 0);
    }
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
}
