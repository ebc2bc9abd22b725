#![forbid(unsafe_code)]
//! Pins without a fence of their own: the collector makes every thread execute one instead.
//!
//! A pin needs a full fence between publishing its epoch and reading the global one again (INV-1).
//! It is the frequent side of the handshake, so on Linux and Windows the pair is asymmetric. The
//! pin has a compiler fence ([`publish_light`](super::PinWord::publish_light)). The handshake makes
//! a call by which every other thread executes a full fence (`platform::barrier`). Such a pin reads
//! the epoch, both times, in a word of its own, the [`LightEpoch`]:
//!
//! 1. The collector sets the epoch, sets the light epoch to the same, and fences all threads
//!    ([`LightEpoch::fence_all`]).
//! 2. Where there is no such call, the light epoch is *closed* from the start. It equals no epoch,
//!    so every pin takes the slow path, which has a fence ([`publish`](super::PinWord::publish)).
//! 3. The system may refuse the call later, in the middle of a handshake. Then the collector closes
//!    the light epoch and visits every core, once. After that each thread has executed a full fence
//!    since the closing.
//!
//! Why 3 is enough: a light pin stands only if its second read still found its epoch. If the read
//! came before the fence of the visit, that fence has made the pin visible to the collector. If it
//! came after, it found the light epoch closed. The proof rests on the order of the pin's store and
//! the second read alone. A flag that selects the fence would have to be read between them as well
//! (loom `light_pin.rs`, with twins).

use super::epoch::Epoch;
use crate::sync::{AtomicU64, Ordering, full_fence};

/// Equal to no epoch.
const CLOSED: Epoch = Epoch::LAST;

/// The epoch for light pins.
///
/// | from | to | by | when |
/// |---|---|---|---|
/// | e | a later e | the collector | after `EpochWord::advance`, before the fence |
/// | e | closed | the collector | the system refuses to fence the other threads |
#[derive(Debug)]
pub struct LightEpoch(AtomicU64);

impl LightEpoch {
    /// For a new heap at epoch `epoch`; closed where light pins are not `allowed`.
    pub fn new(epoch: Epoch, allowed: bool) -> LightEpoch {
        LightEpoch(AtomicU64::new(if allowed { epoch } else { CLOSED }.word()))
    }
    /// Returns whether the system can fence the other threads of this process. The first call asks
    /// the system.
    #[cfg(not(loom))]
    pub(crate) fn is_allowed() -> bool {
        // A schedule is sequentially consistent, so it needs no fence. ThreadSanitizer would not
        // see one.
        if cfg!(any(shuttle, gc_tsan)) {
            return cfg!(shuttle);
        }
        static REGISTERED: crate::sync::OnceLock<bool> = crate::sync::OnceLock::new();
        *REGISTERED.get_or_init(crate::platform::barrier::register)
    }

    /// Returns the current epoch, or one that no thread has seen. Acquire, as in
    /// [`EpochWord::load`](super::EpochWord::load).
    #[inline(always)]
    pub fn load(&self) -> Epoch {
        Epoch::of_word(self.0.load(Ordering::Acquire))
    }
    /// Sets the light epoch to the heap's. By the collector, before the handshake's fence.
    pub fn advance(&self, to: Epoch) {
        if self.load() != CLOSED {
            self.0.store(to.word(), Ordering::SeqCst);
        }
    }
    /// The collector's side of the pair. After it, every thread has executed a full fence, or its
    /// pin does not stand until it has. `fence_others` and `visit_all_cores` return whether the
    /// system did what they ask.
    pub fn fence_all(
        &self,
        fence_others: impl FnOnce() -> bool,
        visit_all_cores: impl FnOnce() -> bool,
    ) {
        full_fence();
        if self.load() == CLOSED || fence_others() {
            return;
        }
        self.0.store(CLOSED.word(), Ordering::SeqCst);
        full_fence();
        if !visit_all_cores() {
            crate::error::fatal(
                "the system refuses membarrier, which it granted when the heap was made, and the collector's \
                 thread may not move to other cores instead (sched_setaffinity); allow either of them, or \
                 refuse membarrier before the first heap is made",
            );
        }
    }
}
