//! INV-12: a root slot with an owner is never freed, and its object is not touched after its last
//! drop.
#![cfg(loom)]

use gc_core::model::{Addr, RootSlot};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct World {
    slot: RootSlot,
    object: UnsafeCell<u32>,
}

fn run(look_at_count: bool) {
    let world = Arc::new(World { slot: RootSlot::new(), object: UnsafeCell::new(7) });
    world.slot.create(Addr::new(16));
    world.slot.share();
    let owners = [(); 2].map(|()| {
        let world = world.clone();
        thread::spawn(move || {
            world.object.with(|p| {
                // SAFETY: loom itself checks that no thread writes at the same time.
                assert_eq!(unsafe { *p }, 7, "freed under an owner");
            });
            world.slot.release();
        })
    });
    let free = if look_at_count {
        world.slot.free_if_flagged()
    } else {
        world.slot.scan().map(Addr::get).is_some()
    };
    if free {
        world.object.with_mut(|p| {
            // SAFETY: as above.
            unsafe { *p = 0 }
        });
    }
    for owner in owners {
        owner.join().unwrap();
    }
    assert!(
        free || world.slot.scan().map(Addr::get).is_some(),
        "a flagged slot is a root until it is freed"
    );
    assert!(!look_at_count || free || world.slot.free_if_flagged());
}

#[test]
fn a_slot_is_freed_after_its_last_owner() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic]
fn broken_a_slot_is_freed_whatever_its_count() {
    loom_tests::check(None, || run(false));
}

/// A slot that is being created is either free or whole for the scan.
#[test]
fn a_new_root_is_seen_whole() {
    loom_tests::check(None, || {
        let slot = Arc::new(RootSlot::new());
        let creator = {
            let slot = slot.clone();
            thread::spawn(move || slot.create(Addr::new(16)))
        };
        assert!(!slot.free_if_flagged(), "a slot with an owner was freed");
        assert!(slot.scan().map(Addr::get).is_none_or(|addr| addr == 16));
        creator.join().unwrap();
        assert_eq!(slot.scan().map(Addr::get), Some(16));
    });
}
