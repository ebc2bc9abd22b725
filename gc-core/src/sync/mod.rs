//! The one switch between the real primitives and those of a checker. Every atomic, fence, lock,
//! thread and spin of the crate comes from here, so the models explore the code that runs.
//!
//! | build | primitives | what explores it |
//! |---|---|---|
//! | plain | std's, the locks without poison (`locks`) | threads |
//! | `--cfg gc_verify` | the same, with a random yield before each operation (`chaos`, `stepped`) | threads that meet more often |
//! | `--cfg loom` | loom's (`model`) | the protocol types, every interleaving and weak ordering |
//! | `--cfg shuttle` | std's atomics with a switch before each operation (`stepped`), shuttle's locks and threads (`schedule`) | whole heaps, random schedules from a seed |
//!
//! The fences are in `fence`.
//!
//! Files, lowest first: `chaos`, `stepped`, `fence`, `locks`, `model`, `schedule`.

#[cfg(all(gc_verify, not(any(loom, shuttle))))]
mod chaos;
#[cfg(loom)]
#[path = "model.rs"]
mod imp;
#[cfg(shuttle)]
#[path = "schedule.rs"]
mod imp;
#[cfg(not(any(loom, shuttle)))]
mod locks;
#[cfg(all(any(gc_verify, shuttle), not(loom)))]
mod stepped;
#[cfg(not(any(loom, shuttle)))]
mod imp {
    #[cfg(gc_verify)]
    pub(super) use super::chaos::{point, point_of_load};
    pub(crate) use super::locks::{Condvar, Mutex, RwLock};
    #[cfg(gc_verify)]
    pub(crate) use super::stepped::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
    #[cfg(not(gc_verify))]
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
    pub(crate) use std::sync::{Arc, Weak};
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;

    /// One step of a busy wait.
    #[inline]
    pub(crate) fn spin_hint() {
        std::hint::spin_loop();
    }
    /// Lets another thread run.
    pub(crate) fn yield_now() {
        std::thread::yield_now();
    }
    /// A point at which the verifying build may yield.
    #[cfg(not(gc_verify))]
    #[inline(always)]
    pub(super) fn point() {}
}

pub(crate) mod fence;
#[cfg(not(loom))]
pub(crate) use fence::compiler_fence;
pub use fence::full_fence;
#[cfg(loom)]
pub use imp::on_compiler_fence;
pub(crate) use imp::*;

#[cfg(gc_tsan)]
pub(crate) use locks::OnceLock;
#[cfg(not(any(gc_tsan, loom)))]
pub(crate) use std::sync::OnceLock;

/// Prefetches the cache line at `at`.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it reads nothing and faults on nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Whether a wait ended because of its time limit.
#[cfg(not(loom))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimedOut(bool);
#[cfg(not(loom))]
impl TimedOut {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

/// Atomics of counters and histograms, which take part in no protocol. A schedule must not depend
/// on a clock's value in them.
pub(crate) mod plain {
    #[cfg_attr(loom, allow(unused_imports, reason = "the models know few counters"))]
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
}

/// Waits for another thread: spins, then yields, then sleeps. A wait is usually short (a pin,
/// microseconds), but may be as long as the longest pin. A longer wait sleeps longer, about a
/// twelfth of its length so far, because each wake-up costs some 30 µs of a processor.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

/// Number of waits before the first that sleeps.
const AWAKE: u32 = 256;

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff(0)
    }
    /// Waits once; never shorter than the time before.
    pub(crate) fn wait(&mut self) {
        self.0 = self.0.saturating_add(1);
        if cfg!(any(loom, shuttle)) || (self.0 > 64 && self.0 < AWAKE) {
            yield_now();
        } else if self.0 <= 64 {
            spin_hint();
        } else {
            // The time doubles after every sixteen, up to 0.8 ms.
            #[cfg(not(any(loom, shuttle)))]
            std::thread::sleep(std::time::Duration::from_micros(
                50 << ((self.0 - AWAKE) / 16).min(4),
            ));
        }
    }
}

/// Sleeps for a moment. Under a scheduler, which has no clock, it lets others run.
#[cfg(not(loom))]
pub(crate) fn nap(time: std::time::Duration) {
    if cfg!(shuttle) { yield_now() } else { std::thread::sleep(time) }
}
