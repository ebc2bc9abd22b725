//! The root table: slots that keep objects alive between pins.
//!
//! 1. A thread inside a pin publishes an object in a free slot of its own batch
//!    ([`RootSlot::create`]). In Prep it shades the object first (rule 2).
//! 2. Each clone counts ([`RootSlot::share`]). The last drop, on any thread at any time, leaves the
//!    count at zero and the value as it is: a *flagged* slot ([`RootSlot::release`]).
//! 3. The collector frees flagged slots after Prep is set and strictly before Mark is set (rule 4,
//!    [`RootTable::free_flagged`]). A slot that is flagged later stays live for the rest of the
//!    cycle.
//! 4. At Mark every slot with a value is a root ([`RootTable::each_live`]).
//!
//! Beside each slot lies the place in the program that made its root, for people who look for what
//! keeps an object ([`RootTable::each_place`]). It decides nothing.

use crate::observe::site::Site;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::word::{Addr, Bytes};
use std::panic::Location;
use std::ptr::NonNull;

/// One root.
///
/// | state | value | count |
/// |---|---|---|
/// | free | 0 | 0 |
/// | live | address | at least 1 |
/// | flagged | address | 0 |
#[derive(Debug)]
pub struct RootSlot {
    value: AtomicUsize,
    count: AtomicUsize,
}

impl RootSlot {
    /// A free slot.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        RootSlot { value: AtomicUsize::new(0), count: AtomicUsize::new(0) }
    }
    /// Free to live. By the owner of the free slot.
    pub fn create(&self, addr: Addr) {
        self.count.store(1, Ordering::Relaxed);
        self.value.store(addr.get(), Ordering::Release);
    }
    /// Counts one more owner. The caller is an owner.
    pub fn share(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            crate::error::fatal("a root was cloned (and leaked) more often than can be counted");
        }
    }
    /// Counts one owner less. Release: the last reads through the root happen before the slot is
    /// freed.
    pub fn release(&self) {
        self.count.fetch_sub(1, Ordering::Release);
    }
    /// Returns the address in a live or flagged slot, for the scan.
    pub fn scan(&self) -> Option<Addr> {
        let addr = Addr::new(self.value.load(Ordering::Acquire));
        (!addr.is_null()).then_some(addr)
    }
    /// Returns whether the slot is flagged.
    pub fn is_flagged(&self) -> bool {
        // Value first: a slot that is being created has its count before its value.
        self.value.load(Ordering::Acquire) != 0 && self.count.load(Ordering::Acquire) == 0
    }
    /// Flagged to free. Returns whether the slot was flagged. By the collector.
    #[must_use]
    pub fn free_if_flagged(&self) -> bool {
        if !self.is_flagged() {
            return false;
        }
        self.value.store(0, Ordering::Relaxed);
        true
    }
}

/// A slot of the table, and where its root was made.
#[derive(Debug)]
struct Entry {
    slot: RootSlot,
    place: Site,
}

/// A slot of a table that outlives the reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotRef(NonNull<Entry>);

// SAFETY: INV-12: a `SlotRef` is a shared reference to a `Sync` slot; the table never frees a slot.
unsafe impl Send for SlotRef {}
// SAFETY: INV-12: as above.
unsafe impl Sync for SlotRef {}

impl SlotRef {
    /// Returns the slot. The caller keeps the table alive.
    #[inline]
    pub(crate) fn slot(&self) -> &RootSlot {
        &self.entry().slot
    }
    #[inline]
    fn entry(&self) -> &Entry {
        // SAFETY: INV-12: slots live as long as their table. The holder of a `SlotRef` holds the
        // heap's shared state, which owns the table.
        unsafe { self.0.as_ref() }
    }
    /// Free to live, with the place of the program that makes the root. By the owner of the free
    /// slot.
    #[inline]
    pub(crate) fn create(&self, addr: Addr, place: &'static Location<'static>) {
        // First: the slot's release store shows it to those who see the address.
        self.entry().place.set(place);
        self.slot().create(addr);
    }
    /// Which slot this is, among all of its process.
    #[cfg(not(loom))]
    pub(crate) fn number(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

/// A live root, as [`RootTable::each_place`] finds it.
#[cfg(not(loom))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RootAt {
    /// The slot's number.
    pub(crate) slot: usize,
    pub(crate) addr: Addr,
    /// Where the root was made. It may be the place of the slot's next root, if the slot changes
    /// hands while it is read.
    pub(crate) place: Option<&'static Location<'static>>,
}

/// Few under a scheduler, where a scan of free slots would otherwise be most of a cycle.
const CHUNK: usize = if cfg!(shuttle) { 16 } else { 256 };

/// All root slots of a heap.
#[derive(Debug)]
pub(crate) struct RootTable {
    chunks: Mutex<Vec<Box<[Entry]>>>,
    free: Mutex<Vec<SlotRef>>,
}

/// Bytes of a new chunk of slots. They count as allocation, so that a program which only makes and
/// drops roots gets its slots back by a cycle.
pub(crate) const CHUNK_BYTES: Bytes = Bytes::of(CHUNK * size_of::<Entry>());

impl RootTable {
    pub(crate) fn new() -> Self {
        RootTable { chunks: Mutex::new(Vec::new()), free: Mutex::new(Vec::new()) }
    }

    /// Moves free slots to `batch`. Returns whether the table had to grow.
    pub(crate) fn take_batch(&self, batch: &mut Vec<SlotRef>) -> bool {
        let mut free = self.free.lock();
        let grow = free.is_empty();
        if grow {
            let new = |_| Entry { slot: RootSlot::new(), place: Site::new() };
            let chunk: Box<[Entry]> = (0..CHUNK).map(new).collect();
            free.extend(chunk.iter().map(|entry| SlotRef(NonNull::from(entry))));
            self.chunks.lock().push(chunk);
        }
        let rest = free.len() - free.len().min(CHUNK / 4);
        batch.extend(free.drain(rest..));
        grow
    }

    /// Takes free slots back from a thread that ends.
    pub(crate) fn give_batch(&self, batch: &mut Vec<SlotRef>) {
        self.free.lock().append(batch);
    }

    /// Returns the slots as of now. The lock is held only to copy one word for each chunk, so that
    /// no mutator waits for a scan.
    fn all(&self) -> Vec<SlotRef> {
        let chunks: Vec<(NonNull<Entry>, usize)> = self
            .chunks
            .lock()
            .iter()
            .map(|c| (NonNull::from(&**c).cast::<Entry>(), c.len()))
            .collect();
        let slots = chunks.into_iter().flat_map(|(first, n)| {
            // SAFETY: INV-12: `first` points to a chunk of `n` slots, which is never freed or
            // moved.
            (0..n).map(move |i| SlotRef(unsafe { first.add(i) }))
        });
        slots.collect()
    }

    /// Returns whether a slot is flagged, so that a cycle would free something.
    pub(crate) fn any_flagged(&self) -> bool {
        self.all().iter().any(|s| s.slot().is_flagged())
    }

    /// How many slots are live, how many flagged, and how many there are. What changes meanwhile
    /// may count as either.
    pub(crate) fn count(&self) -> [u64; 3] {
        let all = self.all();
        let mut live = 0;
        let mut flagged = 0;
        for slot in all.iter().map(SlotRef::slot).filter(|slot| slot.scan().is_some()) {
            *if slot.is_flagged() { &mut flagged } else { &mut live } += 1;
        }
        [live, flagged, all.len() as u64]
    }

    /// Frees every flagged slot: after Prep is set, strictly before Mark is set.
    pub(crate) fn free_flagged(&self) {
        let mut freed: Vec<SlotRef> =
            self.all().into_iter().filter(|s| s.slot().free_if_flagged()).collect();
        for batch in freed.chunks_mut(CHUNK) {
            self.free.lock().extend_from_slice(batch);
        }
    }

    /// Calls `each` with the address in every live or flagged slot.
    pub(crate) fn each_live(&self, each: impl FnMut(Addr)) {
        self.all().iter().filter_map(|s| s.slot().scan()).for_each(each);
    }

    /// Calls `each` for every root that has an owner, with where it was made. A slot that is given
    /// up or made meanwhile may be missed.
    #[cfg(not(loom))]
    pub(crate) fn each_place(&self, mut each: impl FnMut(RootAt)) {
        for slot in self.all() {
            if let Some(addr) = slot.slot().scan()
                && !slot.slot().is_flagged()
            {
                each(RootAt { slot: slot.number(), addr, place: slot.entry().place.get() });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_goes_round() {
        let table = RootTable::new();
        let mut mine = Vec::new();
        assert!(table.take_batch(&mut mine));
        let slot = mine.pop().unwrap();
        assert!(!table.any_flagged(), "free slots are not flagged");
        assert_eq!(table.count(), [0, 0, CHUNK as u64]);
        slot.slot().create(Addr::new(64));
        slot.slot().share();
        slot.slot().release();
        table.free_flagged();
        let live = |t: &RootTable| {
            let mut all = Vec::new();
            t.each_live(|a| all.push(a));
            all
        };
        assert_eq!(live(&table), [Addr::new(64)]);
        slot.slot().release();
        assert_eq!(live(&table), [Addr::new(64)], "flagged, not free");
        assert!(table.any_flagged());
        assert_eq!(table.count(), [0, 1, CHUNK as u64]);
        table.free_flagged();
        assert!(live(&table).is_empty());
    }
}
