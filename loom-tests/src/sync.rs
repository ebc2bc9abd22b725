//! What `gc-core/src/handshake/registry.rs` takes from `crate::sync`, on loom, with a fence that
//! can be switched off.

#[path = "../../gc-core/src/sync/model.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the registry takes a part of it")]
mod model;

pub(crate) use model::{Arc, AtomicPtr, Mutex, Ordering};
use std::sync::atomic::AtomicBool;

/// Whether `full_fence` does anything. A twin's switch, not a part of the model.
pub static FENCES: AtomicBool = AtomicBool::new(true);

/// As in `gc_core::model`.
pub fn full_fence() {
    if FENCES.load(Ordering::Relaxed) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}
