//! Bytes that objects hold outside of the heap, and who may count them.
//!
//! 1. A heap takes a count with [`Held::for_heap`]. The heap itself holds one byte of it
//!    ([`Held::OWN`]), so the count cannot reach zero while the heap lives.
//! 2. A thread counts what it takes in a [`Share`] of its own, without an atomic read-modify-write.
//!    The share adds its sum to the count at every [`QUANTUM`] bytes.
//! 3. A holder is dropped on any thread, perhaps after its heap. [`Held::release`] subtracts its
//!    bytes at once; a sweep subtracts what it drops in one go ([`together`]).
//! 4. A heap that ends adds what its threads have counted ([`Share::settle`]) and gives its own
//!    byte back ([`Held::end`]).
//! 5. The thread that gives the last byte back after that puts the count onto the list of free
//!    ones, for the next heap.
//!
//! So a holder needs no reference count of its own: its bytes are the reference.

use crate::sync::{AtomicBool, AtomicU64, Ordering, plain};
use crate::word::Bytes;

/// Bytes that a thread counts by itself before it adds them to the heap's count. The pacing may
/// miss so many for each thread.
pub(crate) const QUANTUM: Bytes = Bytes::new(32 << 10);

/// What is held outside of one heap.
///
/// | from | to | by |
/// |---|---|---|
/// | live | live, more taken | `take`, by a share or a holder that grows |
/// | live | live, more released | `release` |
/// | live | ended | `end`, after every share has settled |
/// | ended, `released < taken` | ended, more released | `release` |
/// | ended, `released == taken` | free | the `release` or `end` that made them equal |
///
/// `taken` and `released` only grow. `ended` is written once, by the heap's last owner.
#[derive(Debug)]
pub struct Held {
    /// Written by shares and growing holders; read by the pacing and the thread that releases
    /// last.
    taken: AtomicU64,
    /// Written by threads that release. Its modification order decides which thread is last.
    released: AtomicU64,
    /// Whether only holders can add to `taken` from now on.
    ended: AtomicBool,
}

impl Held {
    /// The heap's own byte.
    pub(crate) const OWN: Bytes = Bytes::new(1);

    /// A count for a heap that begins, with the heap's own byte only.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Held {
        Held {
            taken: AtomicU64::new(Held::OWN.get()),
            released: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }
    /// Adds `bytes`. The caller belongs to the heap, or holds some of its bytes.
    pub fn take(&self, bytes: Bytes) {
        self.taken.fetch_add(bytes.get(), Ordering::Relaxed);
    }
    /// Gives `bytes` back; returns whether the count is unused now.
    #[must_use = "the last one gives the count back"]
    pub fn release(&self, bytes: Bytes) -> bool {
        // Acquire and release: the last one sees that the heap has ended. Acquire of `ended`: a
        // thread that sees it sees all that the shares took.
        let released = self.released.fetch_add(bytes.get(), Ordering::AcqRel) + bytes.get();
        self.ended.load(Ordering::Acquire) && released == self.taken.load(Ordering::Relaxed)
    }
    /// Ends the heap's own use, after every share has settled; returns whether the count is unused
    /// now.
    #[must_use = "the last one gives the count back"]
    pub fn end(&self) -> bool {
        self.ended.store(true, Ordering::Release);
        self.release(Held::OWN)
    }

    /// All bytes that were ever taken, as far as shares have added them.
    pub(crate) fn taken(&self) -> Bytes {
        Bytes::new(self.taken.load(Ordering::Relaxed)) - Held::OWN
    }
    /// All bytes that were given back.
    pub(crate) fn released(&self) -> Bytes {
        Bytes::new(self.released.load(Ordering::Relaxed))
    }
}

#[cfg(not(loom))]
mod list {
    use super::Held;
    use crate::sync::{Mutex, OnceLock};
    use crate::word::Bytes;

    /// Counts that no heap and no holder uses. A process has as many as it ever had heaps at once.
    fn free() -> &'static Mutex<Vec<&'static Held>> {
        static FREE: OnceLock<Mutex<Vec<&'static Held>>> = OnceLock::new();
        FREE.get_or_init(|| Mutex::new(Vec::new()))
    }

    impl Held {
        /// A count for a heap that begins: an unused one, or a new one.
        pub(crate) fn for_heap() -> &'static Held {
            let used = free().lock().pop();
            used.map_or_else(|| &*Box::leak(Box::new(Held::new())), Held::reset)
        }
        /// Zeroes an unused count.
        fn reset(&'static self) -> &'static Held {
            use crate::sync::Ordering::Relaxed;
            self.ended.store(false, Relaxed);
            self.released.store(0, Relaxed);
            self.taken.store(Held::OWN.get(), Relaxed);
            self
        }
        /// Gives `bytes` back, and the count itself if it is unused now.
        pub(crate) fn give_back(&'static self, bytes: Bytes) {
            if self.release(bytes) {
                free().lock().push(self);
            }
        }
        /// The heap ends, after every share has settled.
        pub(crate) fn give_up(&'static self) {
            if self.end() {
                free().lock().push(self);
            }
        }
    }
}

#[cfg(not(loom))]
mod together {
    use super::Held;
    use crate::sync::thread_local;
    use crate::word::Bytes;
    use std::cell::Cell;

    /// What a sweeping thread has given back of one count, and not yet subtracted.
    #[derive(Clone, Copy)]
    struct NotSubtracted {
        held: Option<&'static Held>,
        bytes: Bytes,
    }

    thread_local! {
        /// Set while [`together`] runs on this thread.
        static WAITING: Cell<Option<NotSubtracted>> = const { Cell::new(None) };
    }

    /// Runs `drops`, and subtracts at its end what the holders give back that it drops: one atomic
    /// operation for all of them. Also when it panics.
    pub(crate) fn together<R>(drops: impl FnOnce() -> R) -> R {
        struct Subtract(Option<NotSubtracted>);
        impl Drop for Subtract {
            fn drop(&mut self) {
                let waiting = WAITING.try_with(|waiting| waiting.replace(self.0)).ok().flatten();
                if let Some(NotSubtracted { held: Some(held), bytes }) = waiting {
                    held.give_back(bytes);
                }
            }
        }
        let nothing = Some(NotSubtracted { held: None, bytes: Bytes::ZERO });
        let outer = WAITING.try_with(|waiting| waiting.replace(nothing)).ok().flatten();
        let _subtract = Subtract(outer);
        drops()
    }

    impl Held {
        /// A holder is dropped: gives `bytes` back, at once or with those of other holders.
        #[inline]
        pub(crate) fn drop_holder(&'static self, bytes: Bytes) {
            let waits = WAITING.try_with(|waiting| match waiting.get() {
                Some(NotSubtracted { held, bytes: before })
                    if held.is_none_or(|held| std::ptr::eq(held, self)) =>
                {
                    waiting.set(Some(NotSubtracted { held: Some(self), bytes: before + bytes }));
                    true
                }
                _ => false,
            });
            if waits != Ok(true) {
                self.give_back(bytes);
            }
        }
    }
}
#[cfg(not(loom))]
pub(crate) use together::together;

/// What one thread has taken and not yet added to the heap's count. Only its thread writes it, or
/// the heap when it ends; statistics read it.
#[derive(Debug, Default)]
pub(crate) struct Share {
    waiting: plain::AtomicU64,
}

impl Share {
    /// Counts `bytes` as taken; returns whether they, with what waited, were added to `held`.
    #[inline(always)]
    pub(crate) fn take(&self, held: &Held, bytes: Bytes) -> bool {
        let waiting = self.waiting().saturating_add(bytes);
        self.waiting.store(waiting.get(), Ordering::Relaxed);
        let is_full = waiting >= QUANTUM;
        if is_full {
            self.settle(held);
        }
        is_full
    }
    /// Adds what waits to `held`.
    #[cold]
    pub(crate) fn settle(&self, held: &Held) {
        held.take(self.waiting());
        self.waiting.store(0, Ordering::Relaxed);
    }
    /// Bytes that wait.
    #[inline(always)]
    pub(crate) fn waiting(&self) -> Bytes {
        Bytes::new(self.waiting.load(Ordering::Relaxed))
    }
}
