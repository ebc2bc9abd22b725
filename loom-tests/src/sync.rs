//! What `gc-core/src/handshake/registry.rs` takes from `crate::sync`, on loom, while the list that it swaps is
//! crossbeam-epoch's.

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::Ordering;
use std::sync::atomic::AtomicBool;

/// Whether `full_fence` does anything: a twin's switch, not a part of the model.
pub static FENCES: AtomicBool = AtomicBool::new(true);

/// As in `gc_core::model`.
pub fn full_fence() {
    if FENCES.load(Ordering::Relaxed) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// loom's mutex with parking_lot's face.
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no model panics with a lock held")
    }
}
