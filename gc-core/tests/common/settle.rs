//! A cycle and the destructors of the dead objects that it found. Most tests that count drops wait
//! for both.

use gc_core::Heap;
use std::time::Duration;

pub(crate) trait Settle {
    /// Runs a cycle, and waits until what it found dead is dropped. A minute is for ever.
    fn settle(&self);
}

impl Settle for Heap {
    #[track_caller]
    fn settle(&self) {
        self.collect().unwrap();
        self.drain_drops(Duration::from_secs(60)).unwrap();
    }
}
