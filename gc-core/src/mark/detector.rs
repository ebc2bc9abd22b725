#![forbid(unsafe_code)]
//! Termination: no grey object anywhere, and none to come (rule 7).
//!
//! 1. Whoever marks counts itself active *before* it takes anything ([`Detector::start`]) and idle only after
//!    everything it took is scanned or back in a shared queue ([`Detector::stop`]). Work in anybody's hands
//!    therefore counts as grey, a mutator's that assists as well.
//! 2. For a round the collector lets nobody start ([`Detector::park`]), waits for active = 0
//!    ([`Detector::is_quiet`]), then looks at the queues, then records the push counters and looks again.
//! 3. After the next handshake it compares. Anything new: [`Detector::resume`], drain, and another round.

use crate::sync::{AtomicU64, Ordering, chaos};

const PARKED: u64 = 1 << 32;

/// How many threads hold grey work, and whether anybody may start: one word.
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
    /// Nobody active, and nobody may start.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Detector(AtomicU64::new(PARKED))
    }
    /// Counts the caller active, unless nobody may start. The caller takes work only if this says `true`.
    #[must_use]
    pub fn start(&self) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & PARKED != 0 && !fault!("start_while_parked") {
                return false;
            }
            chaos();
            if fault!("marker_uncounted") {
                return true;
            }
            // One read-modify-write: between the look at PARKED and the count nothing can happen.
            match self.0.compare_exchange_weak(now, now + 1, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }
    /// Counts the caller idle. Release: what it put back into the queues is seen by whoever finds it idle.
    pub fn stop(&self) {
        if fault!("marker_uncounted") {
            return;
        }
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before & (PARKED - 1) > 0, "stop without start");
    }
    /// Lets nobody start from now on.
    pub fn park(&self) {
        self.0.fetch_or(PARKED, Ordering::SeqCst);
    }
    /// Lets everybody start again.
    pub fn resume(&self) {
        self.0.fetch_and(!PARKED, Ordering::SeqCst);
    }
    /// Whether nobody is active. Acquire: their last work is visible.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.0.load(Ordering::SeqCst) & (PARKED - 1) == 0
    }
    /// Whether the collector wants everybody to stop soon.
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
