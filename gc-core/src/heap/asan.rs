//! AddressSanitizer's manual interface: free slots are poisoned, so that a use after free is
//! reported at the use.
//!
//! Only in the build with `--cfg gc_asan` (`ci/sanitize.sh`); elsewhere these functions are empty.
//! Memory of a span is poisoned when the span is made. A run is usable from its taking until it is
//! given up, an object until it is swept.

use crate::word::Addr;

/// Makes the sanitizer report any use of `[at, at + bytes)` from now on.
#[inline(always)]
pub(crate) fn poison(at: Addr, bytes: usize) {
    #[cfg(gc_asan)]
    // SAFETY: INV-5: the range is free memory of a span of the caller; the call changes only the
    // sanitizer's shadow.
    unsafe {
        __asan_poison_memory_region(at.ptr(), bytes);
    }
    #[cfg(not(gc_asan))]
    let _ = (at, bytes);
}

/// Lets the range be used again.
#[inline(always)]
pub(crate) fn unpoison(at: Addr, bytes: usize) {
    #[cfg(gc_asan)]
    // SAFETY: INV-5: as above.
    unsafe {
        __asan_unpoison_memory_region(at.ptr(), bytes);
    }
    #[cfg(not(gc_asan))]
    let _ = (at, bytes);
}

#[cfg(gc_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(at: *const u8, bytes: usize);
    fn __asan_unpoison_memory_region(at: *const u8, bytes: usize);
}
