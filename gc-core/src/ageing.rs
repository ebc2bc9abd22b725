#![forbid(unsafe_code)]
//! Caches that cycles empty: how a cache learns of a cycle, and which thread empties a cache that
//! no thread uses.
//!
//! 1. A heap has one [`Ageing`]. Its number of cycles grows at the end of each cycle
//!    ([`Ageing::cycle_ended`]).
//! 2. A thread that uses a cache compares this number with the one that the cache saw last, and
//!    ages the cache itself. So ageing costs the collector nothing, and values are dropped where
//!    they are used.
//! 3. An unused cache has no such thread. So each of its parts has a [`Sign`], which tells the
//!    collector how much the part holds and when it aged last. If a part is two cycles behind, the
//!    collector starts a thread that ages the cache and ends ([`Ageing::empty`]).
//! 4. So no value is dropped on the collector's thread. A destructor that blocks there would stop
//!    all cycles. Here it delays only the unused caches of the same heap.
//!
//! A heap without caches pays one uncontended lock a cycle. There is a thread only while it empties
//! caches.

use crate::error::contain;
use crate::platform::thread::with_signals_blocked;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, Weak, thread};
use crate::word::Cycle;

/// Number of cycles after which an unused part holds only values to drop.
const GENERATIONS: u64 = 2;

/// A cache that drops what was not used for two cycles.
pub(crate) trait Ages: Send + Sync {
    /// Ages every part to the end of cycle `last`, and drops what is too old, on the calling
    /// thread.
    fn age(&self, last: Cycle);
}

/// The state of a cache's part, for readers without its lock: a hint, which may be a moment old.
///
/// The holder of the part's lock writes both fields. They order nothing.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Sign {
    /// The number of the last cycle that the part has seen.
    seen: AtomicU64,
    held: AtomicU64,
}

impl Sign {
    /// Records that the part has seen the end of cycle `last`. Under its lock.
    pub(crate) fn saw(&self, last: Cycle) {
        self.seen.store(last.get(), Ordering::Relaxed);
    }
    /// Records that the part holds `held` values. Under its lock.
    #[inline]
    pub(crate) fn holds(&self, held: usize) {
        self.held.store(held as u64, Ordering::Relaxed);
    }
    /// The number of values in the part.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed) as usize
    }
    fn is_stale(&self, last: Cycle) -> bool {
        let seen = Cycle::new(self.seen.load(Ordering::Relaxed));
        self.held() > 0 && last.since(seen) >= GENERATIONS
    }
}

/// A cache that has registered with its heap.
struct KnownCache {
    cache: Weak<dyn Ages>,
    signs: Arc<[Sign]>,
}

impl KnownCache {
    fn is_stale(&self, last: Cycle) -> bool {
        self.signs.iter().any(|sign| sign.is_stale(last))
    }
}

#[derive(Default)]
struct State {
    caches: Vec<KnownCache>,
    /// Whether a thread is emptying caches.
    emptying: bool,
}

/// The caches of a heap, and the cycles that have ended.
#[derive(Default)]
pub(crate) struct Ageing {
    /// The number of the last cycle that has ended. Written by the collector.
    last: AtomicU64,
    /// Parts that were first used after a cycle: a sign of life for a heap that rests.
    uses: AtomicU64,
    state: Mutex<State>,
}

impl std::fmt::Debug for Ageing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ageing").field("last", &self.last()).finish_non_exhaustive()
    }
}

impl Ageing {
    /// The last cycle that has ended.
    #[inline]
    pub(crate) fn last(&self) -> Cycle {
        Cycle::new(self.last.load(Ordering::Relaxed))
    }
    /// Counts the first use of a part after a cycle.
    pub(crate) fn note_use(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }
    /// Number of first uses of parts after a cycle.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    /// Registers a cache with a sign for each part. Counts as its first use.
    pub(crate) fn register(&self, cache: Weak<dyn Ages>, signs: Arc<[Sign]>) {
        self.note_use();
        self.state.lock().caches.push(KnownCache { cache, signs });
    }

    /// Records the end of a cycle. By the collector only.
    pub(crate) fn cycle_ended(self: &Arc<Self>) {
        let last = self.last().next();
        self.last.store(last.get(), Ordering::Relaxed);
        let mut state = self.state.lock();
        // The collector must not hold a cache: its last owner drops the values.
        state.caches.retain(|known| known.cache.strong_count() > 0);
        if state.emptying || !state.caches.iter().any(|known| known.is_stale(last)) {
            return;
        }
        let own = self.clone();
        let builder = thread::Builder::new().name("gc-pool".into());
        // If the system refuses a thread, the next cycle asks again.
        state.emptying = with_signals_blocked(|| builder.spawn(move || own.empty())).is_ok();
    }

    /// The body of the thread that empties caches.
    fn empty(&self) {
        let last = self.last();
        let stale: Vec<_> = {
            let state = self.state.lock();
            let stale = state.caches.iter().filter(|known| known.is_stale(last));
            stale.filter_map(|known| known.cache.upgrade()).collect()
        };
        for cache in stale {
            // The cache's other owners may be gone by now.
            contain(move || {
                cache.age(last);
                drop(cache);
            });
        }
        self.state.lock().emptying = false;
    }
}
