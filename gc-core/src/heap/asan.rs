//! AddressSanitizer's manual interface: free slots are poisoned, so that a use after a free is reported at the use.
//!
//! Only in the build with `--cfg gc_asan` (`ci/sanitize.sh`); elsewhere these functions are empty. Memory of spans is
//! poisoned from the making of the span on; a run is readable from its taking until it is given up, an object until it
//! is swept.

/// Any use of `[at, at + bytes)` is reported from now on.
#[inline(always)]
pub(crate) fn poison(at: usize, bytes: usize) {
    #[cfg(gc_asan)]
    // SAFETY: INV-5: the range is free memory of a span of the caller; the call changes the sanitizer's shadow only.
    unsafe {
        __asan_poison_memory_region(at as *const u8, bytes);
    }
    #[cfg(not(gc_asan))]
    let _ = (at, bytes);
}

/// The range may be used again.
#[inline(always)]
pub(crate) fn unpoison(at: usize, bytes: usize) {
    #[cfg(gc_asan)]
    // SAFETY: INV-5: as above.
    unsafe {
        __asan_unpoison_memory_region(at as *const u8, bytes);
    }
    #[cfg(not(gc_asan))]
    let _ = (at, bytes);
}

#[cfg(gc_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(at: *const u8, bytes: usize);
    fn __asan_unpoison_memory_region(at: *const u8, bytes: usize);
}
