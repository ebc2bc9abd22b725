//! Where a record lies: in pages of its own, of which those that its thread has not used take no
//! memory.
//!
//! A record has some 15 KiB. Most of them are cursors of classes that its thread never allocates
//! from, and a pool has many threads that hardly use the heap.
//! 1. The pages are zeroed by the system as they are touched. They are as many as the record needs,
//!    and open from the start (unlike a heap's `Reservation`), so the system joins those of many
//!    records. A cursor begins as zeroes (`Cache::begin`), so cursors are not written.
//! 2. The other fields are written where they are ([`Record::write`]): no record lies on a stack.
//! 3. Where a page is as large as a record, or the system refuses pages, a record is an ordinary
//!    allocation.

use super::{Core, Record};
use crate::platform::memory::{self, Region};
use crate::sync::Arc;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;

/// The largest page of which a part of a record does not take as much as all of it.
const LARGEST_PAGE: usize = size_of::<Record>() / 2;

/// A record in its place, which it owns.
#[derive(Debug)]
pub(crate) struct PlacedRecord {
    at: NonNull<Record>,
    /// Its pages, if it is no ordinary allocation.
    pages: Option<Region>,
}

/// Zeroed memory for a record.
struct RecordMemory {
    at: NonNull<Record>,
    pages: Option<Region>,
}

impl RecordMemory {
    fn of_pages() -> Option<RecordMemory> {
        let page = memory::page_size();
        // The sanitizer looks for leaks in ordinary allocations, and not in pages, which have
        // pointers to some of them.
        if page > LARGEST_PAGE || cfg!(gc_asan) {
            return None;
        }
        let pages = memory::reserve(size_of::<Record>().next_multiple_of(page)).ok()?;
        memory::no_huge_pages(pages);
        // SAFETY: INV-10: whole pages, reserved just now.
        if unsafe { memory::open(pages) }.is_err() {
            // SAFETY: INV-10: the same, and the address goes no further.
            unsafe { memory::unmap(pages) };
            return None;
        }
        NonNull::new(pages.at as *mut Record).map(|at| RecordMemory { at, pages: Some(pages) })
    }

    #[cold]
    fn allocated() -> RecordMemory {
        let at = NonNull::from(Box::leak(Box::<Record>::new_uninit())).cast::<Record>();
        // SAFETY: INV-3: a fresh allocation for a record.
        unsafe { at.write_bytes(0, 1) };
        RecordMemory { at, pages: None }
    }

    /// Makes a record of the heap of `core` here.
    fn fill(self, core: &Arc<Core>) -> PlacedRecord {
        // SAFETY: INV-3: zeroed memory for a record, of which no other thread knows.
        unsafe { Record::write(self.at.as_ptr(), core) };
        PlacedRecord { at: self.at, pages: self.pages }
    }
}

impl PlacedRecord {
    /// A record of the heap of `core`.
    pub(super) fn new(core: &Arc<Core>) -> PlacedRecord {
        RecordMemory::of_pages().unwrap_or_else(RecordMemory::allocated).fill(core)
    }
    /// Where the record is.
    pub(crate) fn addr(&self) -> RecordAddr {
        RecordAddr(self.at)
    }
}

impl Deref for PlacedRecord {
    type Target = Record;
    #[inline(always)]
    fn deref(&self) -> &Record {
        // SAFETY: INV-3: `fill` has written the record, and only `drop` ends it.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for PlacedRecord {
    fn drop(&mut self) {
        // SAFETY: INV-3: written by `fill`, and no reference outlives the owner.
        unsafe { self.at.drop_in_place() };
        if let Some(pages) = self.pages {
            // SAFETY: INV-10: the pages of `of_pages`, in which there is no record any more.
            unsafe { memory::unmap(pages) };
        } else {
            // SAFETY: INV-3: the box that `allocated` has leaked, without a record in it.
            drop(unsafe { Box::from_raw(self.at.as_ptr().cast::<MaybeUninit<Record>>()) });
        }
    }
}

// SAFETY: INV-3: it owns its record, which may be sent and shared.
unsafe impl Send for PlacedRecord {}
// SAFETY: INV-3: as above.
unsafe impl Sync for PlacedRecord {}

/// The address of a placed record, for a holder of the record: it saves a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordAddr(NonNull<Record>);

impl RecordAddr {
    /// The record.
    ///
    /// # Safety
    ///
    /// INV-10: the caller holds the record.
    #[inline(always)]
    pub(crate) unsafe fn get(&self) -> &Record {
        // SAFETY: INV-10: by the caller's promise.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: INV-3: an address; the record that it leads to may be sent and shared.
unsafe impl Send for RecordAddr {}
// SAFETY: INV-3: as above.
unsafe impl Sync for RecordAddr {}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn records_of_both_places_are_used_and_end() {
        let heap = crate::Heap::new();
        heap.mutate(|mc| {
            let places = [RecordMemory::of_pages(), Some(RecordMemory::allocated())];
            for place in places.into_iter().flatten() {
                let record = place.fill(&mc.core());
                assert!(record.is_unpinned() && !record.is_pinned_here());
                record.cache.each(|cursor| panic!("{cursor:?} holds a span"));
            }
        });
    }
}
