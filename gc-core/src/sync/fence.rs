#![forbid(unsafe_code)]
//! The full fence of each build.
//!
//! A pin needs one between publishing its epoch and reading the global one again, and a handshake
//! needs one on its side (INV-1). `handshake::light` has pins that need not execute it, because the
//! collector makes every thread execute one. ThreadSanitizer does not model fences, so in its build
//! (`--cfg gc_tsan`) each fence is a read-modify-write of one global word.

#[cfg(any(loom, gc_tsan))]
use super::Ordering;

/// A full fence.
#[inline]
pub fn full_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(all(not(loom), gc_tsan))]
    tsan_fence();
    #[cfg(all(not(loom), not(gc_tsan)))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

#[cfg(all(not(loom), gc_tsan))]
fn tsan_fence() {
    static WORD: super::AtomicU64 = super::AtomicU64::new(0);
    WORD.fetch_add(1, Ordering::SeqCst);
}

/// Keeps the compiler from moving accesses across it; the processor may still do so.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn compiler_fence() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}
