#![forbid(unsafe_code)]
//! Samples of allocations: the door through which they leave the heap, shut by default.
//!
//! 1. A thread takes a sample of the objects in whose slot a point of a Poisson process falls, on
//!    average one point in [`Samples::rate`] bytes (`mutator::sample`). While the rate is zero, a
//!    refill loads it and goes on.
//! 2. The thread tells the listener ([`Samples::take`]), which gives the site a number. The sample
//!    is then *live*.
//! 3. When marking is over, and before any slot can be free again, the collector looks whether each
//!    live sample is marked ([`Samples::judge`]). It tells the listener which died, and which died
//!    or lived in the first cycle that could find them dead.
//!
//! An object that is born while its cycle marks is marked from the start, so the first cycle that
//! can find it dead is the next one.
//!
//! No lock is held while the listener runs.

#![cfg_attr(not(feature = "profile"), allow(dead_code, reason = "no other feature listens"))]

use crate::error::contain;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::word::{Addr, Bytes, Cycle};
use std::any::Any;
use std::fmt;

/// Verdicts that are told in one call.
const TOLD: usize = 256;

/// An allocation that a thread has sampled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampled {
    /// The name of the object's type; for an array, of its elements.
    pub(crate) name: fn() -> &'static str,
    pub(crate) is_array: bool,
    /// Bytes of the object's slot, or of its blocks.
    pub(crate) bytes: usize,
    /// Mean distance of the points that chose it.
    pub(crate) rate: Bytes,
}

/// What a cycle has found out about a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It lives, after the first cycle that could find it dead.
    Survived,
    /// It died in the first cycle that could find it dead.
    DiedYoung,
    /// It died in a later one.
    Died,
}

/// Something that is told of samples.
pub(crate) trait SampleListener: Send + Sync {
    /// Returns a number for the site. On the thread that allocates, inside its pin, before the
    /// object is written.
    fn sampled(&self, sample: &Sampled) -> u32;
    /// Tells the verdicts on samples by their sites. On the collector's thread.
    fn judged(&self, verdicts: &[(u32, Verdict)]);
    /// For the owner of the listener.
    fn as_any(&self) -> &dyn Any;
}

/// The rate of a heap's samples when it is made, and what makes their listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) rate: Bytes,
    pub(crate) listener: fn() -> Arc<dyn SampleListener>,
}

/// A sample whose object has not been found dead.
#[derive(Debug)]
struct Live {
    addr: Addr,
    site: u32,
    /// The first cycle that can find it dead. None: one has, and it lived.
    first: Option<Cycle>,
}

/// A heap's samples.
#[derive(Default)]
pub(crate) struct Samples {
    /// Mean distance of samples, in bytes; 0: none are taken.
    rate: AtomicU64,
    listener: OnceLock<Arc<dyn SampleListener>>,
    live: Mutex<Vec<Live>>,
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Samples(one in {:?} bytes)", self.rate())
    }
}

impl Samples {
    /// The mean distance of samples, or zero.
    #[inline(always)]
    pub(crate) fn rate(&self) -> Bytes {
        Bytes::new(self.rate.load(Ordering::Relaxed))
    }
    /// The samples of a heap that is made.
    pub(crate) fn new(from: Option<Sampling>) -> Samples {
        let samples = Samples::default();
        if let Some(Sampling { rate, listener }) = from {
            samples.open(rate, listener);
        }
        samples
    }
    /// Sets the rate, and the listener if there is none.
    pub(crate) fn open(&self, rate: Bytes, listener: impl FnOnce() -> Arc<dyn SampleListener>) {
        if !rate.is_zero() && self.listener.get().is_none() {
            // Outside of the once-lock, whose waiters no scheduler sees.
            let made = listener();
            self.listener.get_or_init(|| made);
        }
        self.rate.store(rate.get(), Ordering::Relaxed);
    }
    /// The listener, if there is one.
    pub(crate) fn listener(&self) -> Option<&dyn SampleListener> {
        self.listener.get().map(|listener| &**listener)
    }

    /// Takes a sample of the object at `addr`, which `first` is the first cycle to find dead. If
    /// the listener panics there is no sample.
    pub(crate) fn take(&self, addr: Addr, sample: &Sampled, first: Cycle) {
        let Some(listener) = self.listener() else { return };
        let mut site = None;
        contain(|| site = Some(listener.sampled(sample)));
        if let Some(site) = site {
            self.live.lock().push(Live { addr, site, first: Some(first) });
        }
    }

    /// Judges all samples in the cycle of a number, whose marks are complete. Samples that are
    /// taken meanwhile are of marked objects.
    pub(crate) fn judge(&self, cycle: Cycle, is_marked: impl Fn(Addr) -> bool) {
        let Some(listener) = self.listener() else { return };
        let mut all = std::mem::take(&mut *self.live.lock());
        let mut verdicts = Vec::with_capacity(TOLD);
        all.retain_mut(|sample| {
            let lives = is_marked(sample.addr);
            let is_first = sample.first.is_some_and(|first| first <= cycle);
            let verdict = match (lives, is_first) {
                (true, false) => return true,
                (true, true) => Verdict::Survived,
                (false, true) => Verdict::DiedYoung,
                (false, false) => Verdict::Died,
            };
            sample.first = None;
            if verdicts.len() == TOLD {
                contain(|| listener.judged(&verdicts));
                verdicts.clear();
            }
            verdicts.push((sample.site, verdict));
            lives
        });
        contain(|| listener.judged(&verdicts));
        let mut live = self.live.lock();
        all.append(&mut live);
        *live = all;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<(u32, Verdict)>>);

    impl SampleListener for Told {
        fn sampled(&self, sample: &Sampled) -> u32 {
            assert_ne!(sample.bytes, 13, "the listener panics");
            sample.bytes as u32
        }
        fn judged(&self, verdicts: &[(u32, Verdict)]) {
            self.0.lock().extend(verdicts);
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    fn take(samples: &Samples, addr: usize, bytes: usize, first: u64) {
        let sample = Sampled { name: || "x", is_array: false, bytes, rate: Bytes::new(1) };
        samples.take(Addr::new(addr), &sample, Cycle::new(first));
    }

    #[test]
    fn each_sample_is_judged_once_young_and_once_dead() {
        let samples = Samples::default();
        take(&samples, 1, 1, 1);
        assert!(samples.live.lock().is_empty(), "the door is shut");
        samples.open(Bytes::new(1), || Arc::new(Told::default()));
        let told = || {
            let told = samples.listener().unwrap().as_any().downcast_ref::<Told>().unwrap();
            std::mem::take(&mut *told.0.lock())
        };
        take(&samples, 16, 16, 1);
        take(&samples, 32, 32, 2);
        take(&samples, 48, 48, 1);
        take(&samples, 64, 13, 1);
        samples.judge(Cycle::new(1), |addr| addr.get() != 48);
        assert_eq!(told(), [(16, Verdict::Survived), (48, Verdict::DiedYoung)]);
        samples.judge(Cycle::new(2), |addr| addr.get() != 16);
        assert_eq!(told(), [(16, Verdict::Died), (32, Verdict::Survived)]);
        samples.judge(Cycle::new(3), |_| true);
        assert_eq!(told(), []);
        for addr in 0..2 * TOLD {
            take(&samples, addr, 7, 4);
        }
        samples.judge(Cycle::new(4), |_| false);
        assert_eq!(told().len(), 2 * TOLD + 1, "in more than one call");
        assert!(samples.live.lock().is_empty());
    }
}
