//! [`External`]: memory that an object holds outside of the heap, reported to the pacing.

use crate::api::Mutation;
use crate::pacing::Held;
use crate::trace::{Branded, Managed, Trace, Tracer};
use crate::word::Bytes;
use std::fmt;

/// Reports that an object holds `bytes` outside of the heap for as long as this value lives.
/// Examples are the buffer of a `Vec`, a texture, a mapped file. Put it beside what it stands for.
///
/// Such bytes count as part of the heap where cycles are paced: towards the goal, and under
/// `memory_limit`. Without them, a heap of small objects that own large buffers is collected too
/// rarely. They do not count towards `heap_limit`, which bounds spans. Making one costs some 2 ns,
/// dropping it some 6 ns: a thread counts by itself, and adds to the heap's count every 32 KiB. So
/// the pacing may miss up to 32 KiB for each thread.
///
/// The count belongs to the heap of `mc`, wherever the value is kept.
///
/// ```
/// use gc_core::{External, Gc, GcMutex, Heap, Trace};
/// #[derive(Trace)]
/// struct Image {
///     pixels: Vec<u8>,
///     external: External,
/// }
/// let heap = Heap::new();
/// heap.mutate(|mc| {
///     let pixels = vec![0; 1 << 20];
///     let external = External::new(mc, pixels.capacity());
///     Gc::new(mc, Image { pixels, external });
/// });
/// assert_eq!(heap.stats().external_bytes, 1 << 20);
/// heap.collect()?;
/// heap.drain_drops(std::time::Duration::from_secs(10))?;
/// assert_eq!(heap.stats().external_bytes, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct External {
    held: &'static Held,
    bytes: Bytes,
}

impl External {
    /// Counts `bytes` as held.
    #[must_use = "the bytes count for as long as this value lives"]
    #[inline]
    pub fn new(mc: &Mutation<'_>, bytes: usize) -> External {
        let record = mc.record();
        let bytes = Bytes::of(bytes);
        record.hold(bytes);
        External { held: record.core().credit.held(), bytes }
    }

    /// Counts `bytes` as held without pacing the caller, which holds a lock.
    pub(super) fn unpaced(mc: &Mutation<'_>, bytes: Bytes) -> External {
        let held = mc.record().core().credit.held();
        held.take(bytes);
        External { held, bytes }
    }
    /// Counts `bytes` instead, without pacing the caller.
    pub(super) fn resize_unpaced(&mut self, mc: &Mutation<'_>, bytes: Bytes) {
        let new = External::unpaced(mc, bytes);
        *self = new;
    }

    /// The bytes that this value counts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.size()
    }

    /// Counts `bytes` instead, after the buffer has grown or shrunk.
    ///
    /// ```
    /// # use gc_core::{External, Heap};
    /// # let heap = Heap::new();
    /// heap.mutate(|mc| {
    ///     let mut external = External::new(mc, 100);
    ///     external.resize(mc, 4000);
    ///     assert_eq!(external.bytes(), 4000);
    /// });
    /// ```
    pub fn resize(&mut self, mc: &Mutation<'_>, bytes: usize) {
        let (before, new) = (self.bytes, Bytes::of(bytes));
        if before.is_zero() {
            *self = External::new(mc, bytes);
        } else if new > before {
            let grown = new - before;
            self.held.take(grown);
            self.bytes = new;
            mc.record().pace_external(grown);
        } else {
            self.bytes = new;
            self.held.give_back(before - new);
        }
    }
}

impl Drop for External {
    #[inline]
    fn drop(&mut self) {
        // Without bytes of ours the heap may have ended, and another heap may use the count.
        if !self.bytes.is_zero() {
            self.held.drop_holder(self.bytes);
        }
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "External({:?} bytes)", self.bytes)
    }
}

// SAFETY: INV-7: it holds no `Gc`.
unsafe impl<'gc> Trace<'gc> for External {
    const NEEDS_TRACE: bool = false;
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: INV-8: it has no brand.
unsafe impl Managed for External {
    type At<'gc> = External;
}
// SAFETY: INV-8: the inverse.
unsafe impl Branded<'_> for External {
    type Static = External;
}
