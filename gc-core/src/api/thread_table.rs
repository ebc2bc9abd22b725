//! The table of a thread: its record in each heap that it has used.
//!
//! 1. [`last`] is the fast way: the heap that the thread used last, and its record there.
//! 2. [`record_of`] looks the heap up, makes a record at the first use, and makes it the last one.
//! 3. The thread's end gives the records back ([`ThreadTable::drop`]).

use crate::mutator::{Core, PlacedRecord, Record};
use crate::sync::{Arc, Weak, thread_local};
use crate::word::Addr;
use std::cell::{Cell, RefCell};

thread_local! {
    /// The heap that this thread used last, and this thread's record in it.
    static LAST: Cell<(*const Core, *const Record)> =
        const { Cell::new((std::ptr::null(), std::ptr::null())) };
    static THREAD: ThreadTable = const { ThreadTable { entries: RefCell::new(Vec::new()) } };
}

/// This thread's record in the heap of `core`, if it is the heap that the thread used last.
///
/// The record stays while the thread's table has it. The table forgets a record only after the last
/// handle of its heap is gone, and clears this entry before.
#[inline(always)]
pub(super) fn last(core: *const Core) -> Option<*const Record> {
    let (last, record) = LAST.try_with(Cell::get).unwrap_or((std::ptr::null(), std::ptr::null()));
    std::ptr::eq(last, core).then_some(record)
}

/// This thread's record in the heap of `core`, made at the first use. `None` while the thread ends
/// and its table is gone.
pub(super) fn record_of(core: &Arc<Core>) -> Option<Arc<PlacedRecord>> {
    THREAD.try_with(|thread| thread.record_of(core)).ok()
}

/// The name of the type of a live object, if the calling thread has used its heap through
/// `Heap::mutate`.
pub(crate) fn type_name_at(addr: Addr) -> Option<&'static str> {
    let find = |thread: &ThreadTable| {
        let entries = thread.entries.try_borrow().ok()?;
        // The tables of a heap that has ended are gone, and another heap may have its addresses.
        let live = entries.iter().filter_map(|(core, _)| core.upgrade());
        let mut live = live.filter(|core| !core.control.is_stopping());
        live.find_map(|core| core.space.type_at(addr))
    };
    THREAD.try_with(find).ok().flatten().map(|info| (info.name)())
}

/// This thread's records: one for each heap that it has used through `Heap::mutate`. The table
/// does not keep a heap alive. Of a heap that has ended it keeps a little memory, whose address no
/// other heap can have meanwhile.
struct ThreadTable {
    entries: RefCell<Vec<(Weak<Core>, Weak<PlacedRecord>)>>,
}

impl ThreadTable {
    fn record_of(&self, core: &Arc<Core>) -> Arc<PlacedRecord> {
        let is_its = |c: &Weak<Core>| std::ptr::eq(c.as_ptr(), Arc::as_ptr(core));
        let found = self.entries.borrow().iter().find(|(c, _)| is_its(c)).map(|(_, r)| r.clone());
        let found = found.and_then(|record| record.upgrade());
        let record = found.unwrap_or_else(|| {
            self.forget_dead_heaps();
            let record = core.register();
            let entry = (Arc::downgrade(core), Arc::downgrade(&record));
            self.entries.borrow_mut().push(entry);
            record
        });
        LAST.with(|last| last.set((Arc::as_ptr(core), std::ptr::from_ref(&**record))));
        record
    }

    /// Drops the entries of heaps that have ended.
    fn forget_dead_heaps(&self) {
        let mut dead = Vec::new();
        self.entries.borrow_mut().retain(|entry| {
            // In the child of a fork this thread keeps its record: a new one would need more locks.
            let stopped = entry
                .0
                .upgrade()
                .is_none_or(|core| !core.control.is_orphaned() && core.control.is_stopping());
            if stopped {
                dead.push(entry.clone());
            }
            !stopped
        });
        if !dead.is_empty() {
            LAST.with(|last| last.set((std::ptr::null(), std::ptr::null())));
        }
    }
}

impl Drop for ThreadTable {
    fn drop(&mut self) {
        // A destructor that runs later on this thread must not find the record.
        let _ = LAST.try_with(|last| last.set((std::ptr::null(), std::ptr::null())));
        for (core, record) in self.entries.get_mut().drain(..) {
            let Some((core, record)) = core.upgrade().zip(record.upgrade()) else { continue };
            core.retire_if_alive(record);
        }
    }
}
