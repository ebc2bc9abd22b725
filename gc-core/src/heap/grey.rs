#![forbid(unsafe_code)]
//! Whether a span with grey objects is queued: one byte, [`GreySpan`]. [`scans`](super::scans)
//! tells what it is for.

use crate::sync::{AtomicU8, Ordering};

/// Not queued: each grey object of the span is in a marker's hands.
const IDLE: u8 = 0;
/// Queued; the object that queued the span is the only one.
const ONE: u8 = 1;
/// Queued; there may be more objects.
const MANY: u8 = 2;

/// What a marker looks for in a span that it takes out of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grey {
    /// Only the object that queued the span.
    One,
    /// Every object that is marked and not scanned.
    Many,
}

/// Whether a span is queued: one byte.
///
/// | from | to | by | when |
/// |---|---|---|---|
/// | idle | one | marker | `add`, after the mark; it queues the span |
/// | one | many | marker | `add`, after the mark |
/// | idle or one | many | marker | `add_several`, after the marks; from idle it queues the span |
/// | one or many | idle | marker | `take`, before it looks at the marks |
#[derive(Debug)]
#[repr(transparent)]
pub struct GreySpan(AtomicU8);

impl GreySpan {
    /// Not queued.
    #[cfg(any(test, loom))]
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        GreySpan(AtomicU8::new(IDLE))
    }

    /// Records that an object of the span has been marked. Returns whether the caller must queue
    /// the span under it. If not, the marker that takes the span out of the queue sees the mark.
    /// The reason: the mark and this load are sequentially consistent, and so are `take` and the
    /// read of the marks.
    #[inline(always)]
    #[must_use]
    pub fn add(&self) -> bool {
        let mut now = self.0.load(Ordering::SeqCst);
        loop {
            if now == MANY {
                return false;
            }
            match self.0.compare_exchange_weak(now, now + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return now == IDLE,
                Err(other) => now = other,
            }
        }
    }

    /// The same for several objects of the span, marked at once.
    #[inline(always)]
    #[must_use]
    pub fn add_several(&self) -> bool {
        if self.0.load(Ordering::SeqCst) == MANY {
            return false;
        }
        self.0.swap(MANY, Ordering::SeqCst) == IDLE
    }

    /// Records that the span was taken out of its queue. The caller reads the marks after this.
    #[inline(always)]
    #[must_use]
    pub fn take(&self) -> Grey {
        let was = self.0.swap(IDLE, Ordering::SeqCst);
        debug_assert_ne!(was, IDLE, "a span out of a queue that was not queued");
        if was == ONE { Grey::One } else { Grey::Many }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_queues_and_the_second_says_that_there_are_more() {
        let span = GreySpan::new();
        assert!(span.add());
        assert_eq!(span.take(), Grey::One);
        assert!(span.add() && !span.add() && !span.add());
        assert_eq!(span.take(), Grey::Many);
        assert!(span.add_several() && !span.add_several() && !span.add());
        assert_eq!(span.take(), Grey::Many);
        assert!(span.add() && !span.add_several());
        assert_eq!(span.take(), Grey::Many);
        assert!(span.add(), "idle again");
    }
}
