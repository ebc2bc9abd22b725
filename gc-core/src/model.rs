//! The protocol types, for the models in `loom-tests`.

pub use crate::handshake::registry::Registry;
pub use crate::handshake::{Crossing, Epoch, EpochWord, LightEpoch, Mode, PinWord};
pub use crate::heap::bitmap::MarkWord;
pub use crate::heap::central::{Link, Stack};
pub use crate::heap::grey::{Grey, GreySpan};
pub use crate::mark::detector::Detector;
pub use crate::mark::ring::GreyRing;
pub use crate::observe::{Note, Place};
pub use crate::pacing::Held;
pub use crate::pointers::lock::{Borrow, CellLock};
pub use crate::roots::RootSlot;
pub use crate::sweep::doomed::{Doomed, DropBatch, Ward};
pub use crate::sweep::{ActiveSweep, Sweeping};
pub use crate::sync::{full_fence, on_compiler_fence};
pub use crate::weak::ephemeron::{EphemeronBox, Ephemerons};
pub use crate::weak::gate::{Gate, WeakBox};
pub use crate::word::{Addr, BlockId, Bytes, Cycle, SweepNumber, ThreadNumber};

/// The shared state of marking: the detector, and whether the cycle is poisoned.
#[derive(Debug)]
pub struct Marking(crate::mark::Marking);

impl Marking {
    /// No work, and no marker may start.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Marking {
        Marking(crate::mark::Marking::new(Vec::new()))
    }
    /// Who marks.
    pub fn detector(&self) -> &Detector {
        &self.0.detector
    }
    /// An object could not be traced.
    pub fn poison(&self) {
        self.0.poison();
    }
    /// Whether nothing may die in this cycle.
    pub fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }
    /// The cycle is over.
    pub fn heal(&self) {
        self.0.heal();
    }
}

/// The root table.
#[derive(Debug)]
pub struct RootTable(crate::roots::RootTable);

/// Free slots of a thread. Its table must outlive it.
#[derive(Debug)]
pub struct Batch(Vec<crate::roots::SlotRef>);

impl RootTable {
    /// No slots.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> RootTable {
        RootTable(crate::roots::RootTable::new())
    }
    /// Free slots.
    pub fn take_batch(&self) -> Batch {
        let mut batch = Vec::new();
        self.0.take_batch(&mut batch);
        Batch(batch)
    }
    /// Frees every flagged slot.
    pub fn free_flagged(&self) {
        self.0.free_flagged();
    }
    /// Calls `each` with the address in every live or flagged slot.
    pub fn each_live(&self, each: impl FnMut(Addr)) {
        self.0.each_live(each);
    }
}

impl Batch {
    /// A free slot from the end, as `Record::root` takes it: calls `with` with it.
    pub fn with_next<R>(&mut self, with: impl FnOnce(&RootSlot) -> R) -> R {
        with(self.0.pop().expect("a batch is not empty").slot())
    }
    /// The slot that was freed last, without taking it.
    pub fn with_last<R>(&self, with: impl FnOnce(&RootSlot) -> R) -> R {
        with(self.0.last().expect("a batch is not empty").slot())
    }
}
