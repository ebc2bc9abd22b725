#![forbid(unsafe_code)]
//! Termination: no object is grey, and none can become grey (rule 7).
//!
//! 1. A thread that marks counts itself active *before* it takes anything ([`Detector::start`]). It
//!    counts itself idle only after everything that it took is scanned or back in a shared queue
//!    ([`Detector::stop`]). So work in a thread's hands counts as grey, also in those of a mutator
//!    that assists.
//! 2. For a round the collector keeps threads from starting ([`Detector::park`]) and waits for
//!    active = 0 ([`Detector::is_quiet`]). Then it records the push counters and looks at the
//!    queues.
//! 3. After the next handshake it compares. If there is anything new it calls [`Detector::resume`],
//!    drains, and begins another round.

use crate::sync::{AtomicU64, Ordering};

const PARKED: u64 = 1 << 32;

/// The number of threads that hold grey work, and whether more may start: one word.
///
/// | from | to | by | when |
/// |---|---|---|---|
/// | running(n) | running(n+1) | marker | `start` |
/// | running(n) or parked(n) | n-1 | marker | `stop`, after its last work is scanned or shared |
/// | running(n) | parked(n) | collector | `park` |
/// | parked(n) | running(n) | collector | `resume` |
#[derive(Debug)]
pub struct Detector(AtomicU64);

impl Detector {
    /// No thread is active, and none may start.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Detector(AtomicU64::new(PARKED))
    }
    /// Counts the caller active, unless the detector is parked. The caller takes work only if this
    /// returns `true`.
    #[must_use]
    pub fn start(&self) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & PARKED != 0 {
                return false;
            }
            // One read-modify-write, so that nothing happens between the test of PARKED and the
            // count.
            match self.0.compare_exchange_weak(now, now + 1, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }
    /// Counts the caller idle. Release: a thread that finds it idle sees what it put back into the
    /// queues.
    pub fn stop(&self) {
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before & (PARKED - 1) > 0, "stop without start");
    }
    /// Keeps threads from starting, from now on.
    pub fn park(&self) {
        self.0.fetch_or(PARKED, Ordering::SeqCst);
    }
    /// Lets threads start again.
    pub fn resume(&self) {
        self.0.fetch_and(!PARKED, Ordering::SeqCst);
    }
    /// Returns whether no thread is active. Acquire: the last work of all threads is visible.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.0.load(Ordering::SeqCst) & (PARKED - 1) == 0
    }
    /// Returns whether the collector wants active threads to stop soon.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & PARKED != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parked_means_that_nobody_starts() {
        let detector = Detector::new();
        assert!(!detector.start());
        detector.resume();
        assert!(detector.start() && detector.start());
        detector.park();
        assert!(!detector.start() && !detector.is_quiet());
        detector.stop();
        detector.stop();
        assert!(detector.is_quiet() && detector.is_parked());
    }
}
