//! [`External`]: memory that an object holds outside of the heap, told to the pacing.

use crate::mutation::Mutation;
use crate::pacing::Held;
use crate::sync::Arc;
use crate::trace::{Branded, Managed, Trace, Tracer};
use std::fmt;

/// Says that an object holds `bytes` outside of the heap (a buffer of a `Vec`, a texture, a mapped file), for as long as
/// this value lives. Put it beside what it speaks of.
///
/// Such bytes count as part of the heap where cycles are paced: towards the goal, and under `memory_limit`. Without them a
/// heap of small objects that own large buffers is collected too rarely. They do not count towards `heap_limit`, which
/// bounds spans. Costs an atomic addition for each change, and the look at the pace that a refill takes.
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
/// assert_eq!(heap.stats().external_bytes, 0);
/// # Ok::<(), gc_core::CollectError>(())
/// ```
pub struct External {
    held: Arc<Held>,
    bytes: usize,
}

impl External {
    /// Counts `bytes` as held.
    #[must_use = "the bytes count for as long as this value lives"]
    pub fn new(mc: &Mutation<'_>, bytes: usize) -> External {
        let mut external = External { held: mc.record().core().credit.held(), bytes: 0 };
        external.resize(mc, bytes);
        external
    }

    /// The bytes that it counts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts `bytes` instead of what it counted: after the buffer has grown or shrunk.
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
        self.held.change(self.bytes as u64, bytes as u64);
        let grown = bytes.saturating_sub(self.bytes);
        self.bytes = bytes;
        if grown > 0 {
            let (record, core) = (mc.record(), mc.record().core());
            record.ration_external(core, grown);
            record.pace(core);
        }
    }
}

impl Drop for External {
    fn drop(&mut self) {
        self.held.change(self.bytes as u64, 0);
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "External({} bytes)", self.bytes)
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
