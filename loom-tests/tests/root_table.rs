//! INV-12, the table. One thread makes a root, drops it and makes another. The collector frees
//! flagged slots. A second thread takes a batch meanwhile, which may contain the freed slot. Every
//! root is in the table once.
#![cfg(loom)]

use gc_core::model::{Addr, RootTable};
use loom::sync::Arc;
use loom::thread;

const DROPPED: usize = 16;
const FIRST: usize = 32;
const SECOND: usize = 48;

/// With `taken`, the first thread's second root gets a slot of its batch. Else it gets the slot of
/// the root that was dropped, which belongs to the collector by then.
fn run(taken: bool) {
    let table = Arc::new(RootTable::new());
    let mut batch = table.take_batch();
    let first = {
        let table = table.clone();
        thread::spawn(move || {
            if taken {
                batch.with_next(|slot| {
                    slot.create(Addr::new(DROPPED));
                    slot.release();
                });
                batch.with_next(|slot| slot.create(Addr::new(FIRST)));
            } else {
                batch.with_last(|slot| {
                    slot.create(Addr::new(DROPPED));
                    slot.release();
                    slot.create(Addr::new(FIRST));
                });
            }
            drop(table);
        })
    };
    let second = {
        let table = table.clone();
        thread::spawn(move || {
            thread::yield_now();
            table.take_batch().with_next(|slot| slot.create(Addr::new(SECOND)));
        })
    };
    table.free_flagged();
    first.join().unwrap();
    second.join().unwrap();
    table.free_flagged();
    let mut live = Vec::new();
    table.each_live(|addr| live.push(addr));
    live.sort_unstable();
    assert_eq!(live, [FIRST, SECOND].map(Addr::new), "a root was lost or kept");
}

#[test]
fn every_root_is_in_the_table_once() {
    loom_tests::check(Some(2), || run(true));
}

#[test]
#[should_panic(expected = "a root was lost or kept")]
fn broken_a_dropped_slot_is_used_again() {
    loom_tests::check(Some(2), || run(false));
}
