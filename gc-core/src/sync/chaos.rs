#![forbid(unsafe_code)]
//! Yields at random, for the verifying build. Every lock and every operation of an atomic but a
//! relaxed load calls `point` first. So threads meet in the middle of every protocol, also where
//! cores are few.

use super::{OnceLock, Ordering};
use std::cell::Cell;
use std::time::Duration;

/// Mean number of points from one yield to the next. With a smaller number the stress program gets
/// through fewer cycles, with a larger one fewer threads meet. On a busy machine a yield takes some
/// milliseconds. Waits at a limit give a cycle up that gets no further for 100 ms, so a pass over
/// 100,000 objects must not yield more than some ten times.
///
/// `GC_YIELD_MEAN` in the environment sets another one: the stress program finds more with 512.
const MEAN: u64 = 8192;
/// One in so many yields is a sleep.
const SLEEPS: u64 = 9;
/// Bound of a sleep, in microseconds. A power of two.
const LONGEST: u64 = 64;

/// The mean number of points, as the environment or the constant has it.
fn mean() -> u64 {
    static SET: OnceLock<u64> = OnceLock::new();
    *SET.get_or_init(|| {
        let set = std::env::var("GC_YIELD_MEAN").ok().and_then(|text| text.parse().ok());
        set.unwrap_or(MEAN).clamp(1, 1 << 32)
    })
}

/// What a thread keeps: the state of its random numbers, and how many points are left before it
/// yields.
struct Chaos {
    seed: Cell<u64>,
    left: Cell<u64>,
}
std::thread_local! {
    static CHAOS: Chaos = const { Chaos { seed: Cell::new(0), left: Cell::new(1) } };
}

/// A point before a load. A relaxed one is none: it takes part in no order, and passes over many
/// objects do little else.
#[inline]
pub(super) fn point_of_load(order: Ordering) {
    if order != Ordering::Relaxed {
        point();
    }
}

/// A point at which another thread may run.
#[inline]
pub(super) fn point() {
    // It has no destructor, so it is there until the thread's end.
    CHAOS.with(|chaos| {
        let left = chaos.left.get() - 1;
        chaos.left.set(left);
        if left == 0 {
            chaos.interrupt();
        }
    });
}

impl Chaos {
    #[cold]
    #[inline(never)]
    fn interrupt(&self) {
        let mut x = self.seed.get();
        if x == 0 {
            // The address of a thread's local differs by thread, which is sufficient here.
            x = std::ptr::from_ref(self) as u64 | 1;
        }
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed.set(x);
        // Until the mean is known, because that may take a lock, which is a point.
        self.left.set(u64::MAX);
        self.left.set(1 + (x >> 16) % (2 * mean()));
        if x.is_multiple_of(SLEEPS) {
            std::thread::sleep(Duration::from_micros(x >> 40 & (LONGEST - 1)));
        } else {
            std::thread::yield_now();
        }
    }
}
