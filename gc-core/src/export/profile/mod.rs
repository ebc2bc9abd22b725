#![forbid(unsafe_code)]
//! The heap profile: which call stacks allocate, what lives of it, and what dies young.
//!
//! 1. A heap with a rate samples allocations (`mutator::sample`). For each sample the allocating
//!    thread walks its stack ([`stack`]) and counts the site ([`sites`]).
//! 2. The collector tells what became of the sampled objects (`observe::sample`).
//! 3. [`Heap::profile`] copies the sites. Names and lines of the frames are looked up when the
//!    copy is read ([`read`]), not before.
//! 4. The copy is written for `go tool pprof` ([`pprof`]), or as folded stacks and as a flame graph
//!    ([`flame`]).
//!
//! Files, lowest first: `stack`, `sites`, `read`, `pprof`, `flame`.

mod flame;
mod pprof;
mod read;
mod sites;
mod stack;

pub use read::{HeapProfile, ProfileFrame, ProfileSite, ProfileValue};

use crate::api::Heap;
use crate::api::HeapBuilder;
use crate::observe::sample::{SampleListener, Sampling};
use crate::sync::Arc;
use crate::word::Bytes;
use sites::SiteRecorder;
use std::fmt;

/// Why there is no profile.
///
/// ```
/// use gc_core::{Heap, ProfileError};
/// assert_eq!(Heap::new().profile().unwrap_err(), ProfileError::Off);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileError {
    /// The heap takes no samples.
    Off,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileError::Off => f.write_str(
                "the heap takes no samples: give it a rate with HeapBuilder::profile_rate or \
                 Heap::set_profile_rate",
            ),
        }
    }
}

impl std::error::Error for ProfileError {}

fn recorder() -> Arc<dyn SampleListener> {
    Arc::new(SiteRecorder::new())
}

impl HeapBuilder {
    /// Has the heap sample its allocations for [`Heap::profile`], on average one in so many bytes
    /// (0, which is none). [`HeapProfile::RATE`] costs some 2 % where a program only allocates. 1
    /// is each allocation, for tests: some microseconds each.
    ///
    /// ```
    /// use gc_core::{Heap, HeapProfile};
    /// let heap = Heap::builder().profile_rate(HeapProfile::RATE).build()?;
    /// assert_eq!(heap.profile().unwrap().rate(), 512 << 10);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn profile_rate(mut self, bytes: u64) -> Self {
        self.events.sampling = Some(Sampling { rate: Bytes::new(bytes), listener: recorder });
        self
    }
}

impl Heap {
    /// Changes the rate of samples ([`HeapBuilder::profile_rate`]). A thread goes by the new rate
    /// when it takes its next free slots, after some 16 KiB of a type. Samples that there are stay.
    ///
    /// ```
    /// use gc_core::{Heap, HeapProfile, ProfileError};
    /// let heap = Heap::new();
    /// heap.set_profile_rate(HeapProfile::RATE);
    /// assert!(heap.profile().is_ok());
    /// heap.set_profile_rate(0);
    /// assert_eq!(heap.profile().unwrap_err(), ProfileError::Off);
    /// ```
    pub fn set_profile_rate(&self, bytes: u64) {
        self.core().samples.open(Bytes::new(bytes), recorder);
    }

    /// The profile of what was allocated since the heap has had a rate.
    ///
    /// What is dead and not yet found so counts as in use, as in
    /// [`Stats::live_bytes`](crate::Stats::live_bytes): call [`collect`](Heap::collect) first to
    /// see what is really kept. It may be called in any state of the heap, from any number of
    /// threads.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, ProfileValue};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// let kept = heap.mutate(|mc| {
    ///     Gc::new(mc, [1u64; 4]);
    ///     Gc::root(Gc::new(mc, [2u64; 8]), mc)
    /// });
    /// heap.collect().unwrap();
    /// let profile = heap.profile().unwrap();
    /// assert_eq!(profile.total(ProfileValue::AllocSpace), 96);
    /// assert_eq!(profile.total(ProfileValue::InuseSpace), 64);
    /// # drop(kept);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the heap has no rate.
    pub fn profile(&self) -> Result<HeapProfile, ProfileError> {
        let samples = &self.core().samples;
        let (rate, listener) = (samples.rate(), samples.listener());
        let recorder = listener.and_then(|of| of.as_any().downcast_ref::<SiteRecorder>());
        match recorder {
            Some(recorder) if !rate.is_zero() => Ok(HeapProfile::new(rate, recorder.read())),
            _ => Err(ProfileError::Off),
        }
    }
}
