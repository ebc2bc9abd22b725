//! The threads of a handshake. Threads register and end while the collector iterates.
//!
//! Writers (registration, rare) copy the list under a lock and swap it in. The collector reads a
//! snapshot under a crossbeam-epoch guard without any lock, so a preempted registration never
//! delays a cycle. The old list is reclaimed when no snapshot can be reading it.
//!
//! INV-2: a thread is in the registry from before its first pin until after its cache was given up.
//! So a thread that is missing from a snapshot either reads the new epoch at its first pin, or
//! holds nothing any more.

#[cfg(not(loom))]
use crate::sync::Ordering;
use crate::sync::{Arc, Mutex, full_fence};

#[cfg(not(loom))]
use crossbeam_epoch::{self as epoch, Atomic, Owned};

/// The registered records.
#[derive(Debug)]
pub struct Registry<R> {
    writer: Mutex<()>,
    #[cfg(not(loom))]
    list: Atomic<Vec<Arc<R>>>,
    #[cfg(loom)]
    list: Mutex<Vec<Arc<R>>>,
}

impl<R> Registry<R> {
    /// Without records.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Registry {
            writer: Mutex::new(()),
            #[cfg(not(loom))]
            list: Atomic::new(Vec::new()),
            #[cfg(loom)]
            list: Mutex::new(Vec::new()),
        }
    }

    /// Adds a record; its owner pins only after this returns.
    pub fn register(&self, record: Arc<R>) {
        self.change(|list| list.push(record));
        // Pairs with the fence of a handshake: the first pin's read of the epoch stays after the
        // registration.
        full_fence();
    }

    #[cfg(loom)]
    fn change(&self, change: impl FnOnce(&mut Vec<Arc<R>>)) {
        let _writer = self.writer.lock();
        change(&mut self.list.lock());
    }
    #[cfg(loom)]
    /// The records registered now.
    pub fn snapshot(&self) -> Vec<Arc<R>> {
        self.list.lock().clone()
    }
    #[cfg(loom)]
    /// Calls `each` for the records registered now.
    pub fn for_each(&self, mut each: impl FnMut(&R)) {
        self.snapshot().iter().for_each(|r| each(r));
    }
}

#[cfg(not(loom))]
impl<R> Registry<R> {
    fn change(&self, change: impl FnOnce(&mut Vec<Arc<R>>)) {
        let _writer = self.writer.lock();
        let guard = epoch::pin();
        let mut list = self.snapshot();
        change(&mut list);
        let old = self.list.swap(Owned::new(list), Ordering::AcqRel, &guard);
        // SAFETY: INV-2: `old` was just unlinked by the only writer (we hold the lock), so no new
        // reader can find it. The epoch guard keeps it for readers that have it.
        unsafe { guard.defer_destroy(old) };
    }

    /// The records registered now.
    pub fn snapshot(&self) -> Vec<Arc<R>> {
        let guard = epoch::pin();
        let list = self.list.load(Ordering::Acquire, &guard);
        // SAFETY: INV-2: the list is never null and, once unlinked, outlives every guard that could see it.
        unsafe { list.deref() }.clone()
    }

    /// Calls `each` for the records registered now, without counting references.
    pub fn for_each(&self, mut each: impl FnMut(&R)) {
        let guard = epoch::pin();
        let list = self.list.load(Ordering::Acquire, &guard);
        // SAFETY: INV-2: as in `snapshot`; the guard lives until the end.
        unsafe { list.deref() }.iter().for_each(|r| each(r));
    }
}

#[cfg(not(loom))]
impl<R> Drop for Registry<R> {
    fn drop(&mut self) {
        let list = std::mem::replace(&mut self.list, Atomic::null());
        // SAFETY: INV-2: `&mut self` proves that no snapshot is being taken; the last list has one
        // owner.
        drop(unsafe { list.into_owned() });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_outlives_what_it_shows() {
        let registry = Registry::new();
        let (a, b) = (Arc::new(1), Arc::new(2));
        registry.register(a.clone());
        let one = registry.snapshot();
        registry.register(b.clone());
        assert_eq!((one.len(), registry.snapshot().len()), (1, 2));
        let mut sum = 0;
        registry.for_each(|r| sum += r);
        assert_eq!(sum, 3);
    }
}
