//! The grey ring of a thread: its barrier puts shaded objects into it, and markers take them.
//!
//! 1. The owner, inside a pin, stores an address and then the new tail ([`GreyRing::push`]): two
//!    plain stores. Nothing is left to hand over when the pin ends, and the mutator never wakes
//!    another thread or waits for one.
//! 2. A marker copies the entries between head and tail and then moves the head
//!    ([`GreyRing::take`]). Markers exclude each other by a flag that the owner never reads. The
//!    slots are allocated at the first push, because most threads of a process never shade. Their
//!    address is stored before the tail, so a thread that sees an entry in the ring sees the
//!    address too.
//! 3. The tail never wraps: it is a part of the thread's *push counter* for termination (rule 7).
//!    The other part counts each shade once more, before its mark ([`GreyRing::begin`]). It also
//!    counts shades that do not go through the ring ([`GreyRing::count_elsewhere`]).
//!
//! Why before the mark: two threads may shade one object at once. The first does so in a pin that a
//! round does not wait for, the second in a pin that it does. The second finds the object marked,
//! has nothing to do and ends its pin, while the first has not pushed yet. So every thread that
//! sees the mark, and the collector that waits for it, must see the count. The SPIN model found
//! this case (`COUNTAFTER`), after the stress program had.

use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::word::Addr;
use std::ptr;

/// Number of entries. A pin pushes two words for each store, and a marker looks every few
/// microseconds. Under a checker the ring is short, so that it runs full.
const LEN: usize = if cfg!(any(loom, shuttle)) { 2 } else { 4096 };

/// A single-producer ring of grey addresses.
///
/// | field | written by | read by | pairs with |
/// |---|---|---|---|
/// | `slots` | owner, once, before the first `tail` | the taking marker, after `tail` | `tail` |
/// | a slot | owner, before `tail` | the taking marker, after `tail` | `tail` |
/// | `tail` | owner (Release) | markers, the collector (Acquire) | itself |
/// | `head` | the taking marker (Release) | owner (Acquire: the slot may be written again) | itself |
/// | `counted` | owner (Release) | the collector (Acquire) | the mark after it, or the mark or the shared queue's push before it |
#[derive(Debug)]
pub struct GreyRing {
    /// Null before the first push; a leaked box after it.
    slots: AtomicPtr<Slots>,
    owner: Owner,
    taker: Taker,
}

type Slots = [AtomicUsize; LEN];

/// Words that the owner writes, on a cache line of their own.
#[derive(Debug)]
#[repr(align(64))]
struct Owner {
    tail: AtomicU64,
    counted: AtomicU64,
}

/// Words that markers write.
#[derive(Debug)]
#[repr(align(64))]
struct Taker {
    head: AtomicU64,
    taking: AtomicBool,
}

impl GreyRing {
    /// Number of addresses that fit.
    #[cfg(loom)]
    pub const CAPACITY: usize = LEN;

    /// An empty ring.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        GreyRing {
            slots: AtomicPtr::new(ptr::null_mut()),
            owner: Owner { tail: AtomicU64::new(0), counted: AtomicU64::new(0) },
            taker: Taker { head: AtomicU64::new(0), taking: AtomicBool::new(false) },
        }
    }

    /// Pushes a shaded object. Returns `false` if there is no room. Owner only, inside a pin.
    #[inline]
    #[must_use]
    pub fn push(&self, addr: Addr) -> bool {
        if self.is_full() {
            return false;
        }
        let tail = self.owner.tail.load(Ordering::Relaxed);
        self.own_slots()[tail as usize % LEN].store(addr.get(), Ordering::Relaxed);
        self.owner.tail.store(tail + 1, Ordering::Release);
        true
    }

    /// Returns the slots, and allocates them at the first push. Owner only.
    #[inline]
    fn own_slots(&self) -> &Slots {
        let slots = self.slots.load(Ordering::Relaxed);
        if slots.is_null() {
            return self.make_slots();
        }
        // SAFETY: INV-4: the owner has made them, and they live as long as the ring.
        unsafe { &*slots }
    }
    #[cold]
    fn make_slots(&self) -> &Slots {
        let all: Box<[AtomicUsize]> = (0..LEN).map(|_| AtomicUsize::new(0)).collect();
        let slots = Box::into_raw(all).cast::<Slots>();
        // Relaxed: a marker reads it after the tail, which is stored later with Release.
        self.slots.store(slots, Ordering::Relaxed);
        // SAFETY: INV-4: a box of `LEN` slots, leaked until the ring is dropped.
        unsafe { &*slots }
    }

    /// Returns whether there is no room. Owner only.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let tail = self.owner.tail.load(Ordering::Relaxed);
        tail - self.taker.head.load(Ordering::Acquire) == LEN as u64
    }

    /// Counts a shade that is about to be made, before its mark. Owner only, inside a pin.
    #[inline]
    pub fn begin(&self) {
        self.count();
    }
    /// Counts a shade after it was handed over through the shared queue, or after it was made if
    /// the object is a leaf. Owner only.
    pub fn count_elsewhere(&self) {
        self.count();
    }
    #[inline]
    fn count(&self) {
        let n = self.owner.counted.load(Ordering::Relaxed);
        self.owner.counted.store(n + 1, Ordering::Release);
    }

    /// Returns a number that grows when this thread begins a shade, and again when it has handed it
    /// over.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.owner.tail.load(Ordering::Acquire) + self.owner.counted.load(Ordering::Acquire)
    }

    /// Returns whether everything pushed so far has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Head first: it never passes the tail, so equal numbers mean that the ring was empty in
        // between.
        let head = self.taker.head.load(Ordering::Acquire);
        self.owner.tail.load(Ordering::Acquire) == head
    }

    /// Moves up to `most` addresses to `sink`, and returns their number. For a marker that counts
    /// as active.
    pub fn take(&self, most: usize, mut sink: impl FnMut(Addr)) -> usize {
        if self.is_empty() || self.taker.taking.swap(true, Ordering::Acquire) {
            return 0;
        }
        let head = self.taker.head.load(Ordering::Relaxed);
        let tail = self.owner.tail.load(Ordering::Acquire);
        let n = (tail - head).min(most as u64);
        // Acquire of the tail: something was pushed, so the slots are allocated.
        let slots = self.slots.load(Ordering::Relaxed);
        for i in head..head + n {
            // SAFETY: INV-4: made before the tail that was read, and they live as long as the ring.
            let slot = unsafe { &(*slots)[i as usize % LEN] };
            sink(Addr::new(slot.load(Ordering::Relaxed)));
        }
        self.taker.head.store(head + n, Ordering::Release);
        self.taker.taking.store(false, Ordering::Release);
        n as usize
    }
}

impl Drop for GreyRing {
    fn drop(&mut self) {
        let slots = self.slots.load(Ordering::Relaxed);
        if !slots.is_null() {
            // SAFETY: INV-4: a leaked box of `LEN` slots, which no other thread uses any more.
            drop(unsafe { Box::from_raw(slots) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_says_so_and_nothing_is_lost_or_reordered() {
        let ring = GreyRing::new();
        let mut next = 1;
        let mut expected = 1;
        for round in 0..50 {
            while ring.push(Addr::new(next)) {
                next += 1;
            }
            assert!(!ring.is_empty());
            let most = 1 + round * 97;
            let got = ring.take(most, |addr| {
                assert_eq!(addr, Addr::new(expected));
                expected += 1;
            });
            assert_eq!(got, most.min(LEN));
        }
        ring.take(usize::MAX, |_| expected += 1);
        assert_eq!((next, ring.is_empty()), (expected, true));
        assert_eq!(ring.pushed(), next as u64 - 1);
    }
}
