//! The threads that a handshake must ask: they come while the collector iterates, and stay.
//!
//! 1. A registration (rare) takes the writers' lock and stores its record into the first free place
//!    of a *row*. When a row is full it makes the next one, of twice the length.
//! 2. Readers go through the rows until the first free place. They take no lock, so a preempted
//!    registration never delays a cycle.
//! 3. A place that was filled is never changed, and no row moves or ends before the registry does.
//!
//! INV-2: a thread is in the registry before its first pin and until after its cache was given up.
//! So a thread that a reader misses either reads the new epoch at its first pin, or holds nothing
//! any more.

use crate::sync::{Arc, AtomicPtr, Mutex, Ordering, full_fence};
use std::ptr;

/// Places of the first row. A checker's is short, so that it runs full.
const FIRST: usize = if cfg!(any(loom, shuttle)) { 1 } else { 4 };

/// The registered records, in order of registration.
///
/// | field | written by | read by | pairs with |
/// |---|---|---|---|
/// | a place | `register`, once (Release) | readers (Acquire) | itself: the record is whole |
/// | `next` of a row | `register`, once (Release) | readers (Acquire) | itself: empty places |
/// | `count` | `register` | `register` | its lock |
#[derive(Debug)]
pub struct Registry<R> {
    /// How many places are filled.
    count: Mutex<usize>,
    first: RecordRow<R>,
}

/// Places for records, filled from the front; null where there is none yet.
#[derive(Debug)]
struct RecordRow<R> {
    places: Box<[AtomicPtr<R>]>,
    next: AtomicPtr<RecordRow<R>>,
}

impl<R> RecordRow<R> {
    fn new(len: usize) -> RecordRow<R> {
        let places = (0..len).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        RecordRow { places, next: AtomicPtr::new(ptr::null_mut()) }
    }
    /// The next row, if there is one.
    fn next(&self) -> Option<&RecordRow<R>> {
        // SAFETY: INV-2: null, or a leaked box, which lives as long as the registry.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }
    /// The next row, made if there is none. The caller has the writers' lock.
    fn next_or_new(&self) -> &RecordRow<R> {
        if let Some(next) = self.next() {
            return next;
        }
        let made = Box::into_raw(Box::new(RecordRow::new(2 * self.places.len())));
        self.next.store(made, Ordering::Release);
        // SAFETY: INV-2: as above.
        unsafe { &*made }
    }
}

impl<R> Registry<R> {
    /// No thread is registered.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Registry { count: Mutex::new(0), first: RecordRow::new(FIRST) }
    }

    /// Adds a record; its owner pins only after this returns.
    pub fn register(&self, record: Arc<R>) {
        let mut count = self.count.lock();
        let (mut row, mut place) = (&self.first, *count);
        while place >= row.places.len() {
            place -= row.places.len();
            row = row.next_or_new();
        }
        row.places[place].store(Arc::into_raw(record).cast_mut(), Ordering::Release);
        *count += 1;
        drop(count);
        // Pairs with the fence of a handshake: the first pin's read of the epoch stays after the
        // registration.
        full_fence();
    }

    /// The records registered now.
    pub fn snapshot(&self) -> Vec<&R> {
        let mut all = Vec::new();
        self.visit(|record| {
            // SAFETY: INV-2: from `Arc::into_raw`, and counted until the registry is dropped.
            all.push(unsafe { &*record });
        });
        all
    }

    /// Calls `each` for the records registered now.
    pub fn for_each(&self, mut each: impl FnMut(&R)) {
        self.visit(|record| {
            // SAFETY: INV-2: as in `snapshot`.
            each(unsafe { &*record });
        });
    }

    fn visit(&self, mut each: impl FnMut(*const R)) {
        let mut row = Some(&self.first);
        while let Some(this) = row {
            for place in &this.places {
                let record = place.load(Ordering::Acquire);
                // Places are filled in order.
                if record.is_null() {
                    return;
                }
                each(record);
            }
            row = this.next();
        }
    }
}

impl<R> Drop for Registry<R> {
    fn drop(&mut self) {
        self.visit(|record| {
            // SAFETY: INV-2: from `Arc::into_raw`, once for each place; `&mut self` says that no
            // reader has it.
            drop(unsafe { Arc::from_raw(record) });
        });
        let mut next = self.first.next.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: INV-2: a leaked box, in one row's `next` only.
            let row = unsafe { Box::from_raw(next) };
            next = row.next.load(Ordering::Relaxed);
        }
    }
}

// SAFETY: INV-2: a registry owns counted references of its records, and gives `&R` to any thread.
unsafe impl<R: Send + Sync> Sync for Registry<R> {}
// SAFETY: as above.
unsafe impl<R: Send + Sync> Send for Registry<R> {}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn all_are_seen_in_order_and_dropped_once() {
        let registry = Registry::new();
        let records: Vec<Arc<usize>> = (0..100).map(Arc::new).collect();
        for (n, record) in records.iter().enumerate() {
            assert!(registry.snapshot().into_iter().copied().eq(0..n));
            registry.register(record.clone());
        }
        let mut sum = 0;
        registry.for_each(|r| sum += r);
        assert_eq!(sum, (0..100).sum::<usize>());
        drop(registry);
        assert!(records.iter().all(|record| Arc::strong_count(record) == 1));
    }

    #[test]
    fn a_reader_beside_registrations_sees_a_prefix() {
        let registry = Registry::new();
        std::thread::scope(|s| {
            s.spawn(|| (0..2000).for_each(|i| registry.register(Arc::new(i))));
            let mut len = 0;
            while len < 2000 {
                let seen = registry.snapshot();
                assert!(seen.len() >= len && seen.iter().copied().copied().eq(0..seen.len()));
                len = seen.len();
            }
        });
    }
}
