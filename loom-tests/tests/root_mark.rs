//! INV-12 over a cycle. Flagged slots are freed before Mark is set (rule 4). A slot goes round
//! among two owners and a creator, and is freed once for each time it was made.
#![cfg(loom)]

use gc_core::model::{Addr, Cycle, Epoch, EpochWord, GreyRing, Mode, PinWord, RootSlot};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use loom_tests::toy::{Toy, begin, handshake, pin};

/// A root, scanned first; empty.
const C: usize = 1;
/// Only the slot keeps it.
const X: usize = 2;

struct Marked {
    epoch: EpochWord,
    pin: PinWord,
    ring: GreyRing,
    toy: Toy,
    slot: RootSlot,
}

/// The owner of a root stores its object behind the marker and drops the root, in one pin, after
/// Prep's handshake.
fn last_drop(freed_in_prep: bool) {
    let world = Arc::new(Marked {
        epoch: EpochWord::new(),
        pin: PinWord::new(),
        ring: GreyRing::new(),
        toy: Toy::new(&[0, 0]),
        slot: RootSlot::new(),
    });
    world.slot.create(Addr::new(X));
    begin(&world.epoch, Epoch::prep(Cycle::new(1)));
    let owner = {
        let world = world.clone();
        thread::spawn(move || {
            let mode: Mode = pin(&world.pin, &world.epoch).mode();
            let x = world.slot.scan().map(Addr::get).expect("a slot with an owner is live");
            world.slot.release();
            world.toy.store(mode, C, x, &world.ring);
            world.pin.clear();
        })
    };
    let free = || {
        let _ = world.slot.free_if_flagged();
    };
    if freed_in_prep {
        free();
    }
    let mark = Epoch::mark(Cycle::new(1));
    begin(&world.epoch, mark);
    if !freed_in_prep {
        free();
    }
    assert!(world.toy.mark(C));
    world.toy.scan(&mut vec![C]);
    if let Some(x) = world.slot.scan().map(Addr::get) {
        let _ = world.toy.mark(x);
    }
    handshake(&world.epoch, &[&world.pin], mark.next_round());
    world.toy.drain(&world.ring);
    owner.join().unwrap();
    world.toy.check(&[C]);
}

#[test]
fn what_a_dropped_root_kept_is_marked() {
    loom_tests::check(None, || last_drop(true));
}

#[test]
#[should_panic(expected = "was lost")]
fn broken_flagged_slots_freed_after_mark_is_set() {
    loom_tests::check(None, || last_drop(false));
}

/// The operations of a slot that the model needs.
trait Slot: Send + Sync + 'static {
    fn new() -> Self;
    fn create(&self, addr: usize);
    fn share(&self);
    fn release(&self);
    fn free_if_flagged(&self) -> bool;
}

impl Slot for RootSlot {
    fn new() -> Self {
        RootSlot::new()
    }
    fn create(&self, addr: usize) {
        RootSlot::create(self, Addr::new(addr));
    }
    fn share(&self) {
        RootSlot::share(self);
    }
    fn release(&self) {
        RootSlot::release(self);
    }
    fn free_if_flagged(&self) -> bool {
        RootSlot::free_if_flagged(self)
    }
}

/// A copy of `RootSlot` with steps left out.
struct Weak<const COUNT_FIRST: bool, const RELEASE: bool, const CLEARS: bool> {
    value: AtomicUsize,
    count: AtomicUsize,
}

impl<const COUNT_FIRST: bool, const RELEASE: bool, const CLEARS: bool> Slot
    for Weak<COUNT_FIRST, RELEASE, CLEARS>
{
    fn new() -> Self {
        Weak { value: AtomicUsize::new(0), count: AtomicUsize::new(0) }
    }
    fn create(&self, addr: usize) {
        if COUNT_FIRST {
            self.count.store(1, Ordering::Relaxed);
        }
        self.value.store(addr, Ordering::Release);
        if !COUNT_FIRST {
            self.count.store(1, Ordering::Relaxed);
        }
    }
    fn share(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
    fn release(&self) {
        self.count.fetch_sub(1, if RELEASE { Ordering::Release } else { Ordering::Relaxed });
    }
    fn free_if_flagged(&self) -> bool {
        if self.value.load(Ordering::Acquire) == 0 || self.count.load(Ordering::Acquire) != 0 {
            return false;
        }
        if CLEARS {
            self.value.store(0, Ordering::Relaxed);
        }
        true
    }
}

struct Round<S> {
    slot: S,
    /// The free list of the table, of at most this one slot.
    free: Mutex<bool>,
    /// The object that the slot keeps: its owners read it, the collector reuses it.
    object: UnsafeCell<u32>,
}

/// Two owners drop. The collector looks three times. A creator takes the slot if it finds it free,
/// and keeps it.
fn round<S: Slot>() {
    let world =
        Arc::new(Round { slot: S::new(), free: Mutex::new(false), object: UnsafeCell::new(7) });
    world.slot.create(16);
    let drop_one = |world: &Round<S>| {
        world.object.with(|p| {
            // SAFETY: loom itself checks that no thread writes at the same time.
            assert_eq!(unsafe { *p }, 7, "freed under an owner");
        });
        world.slot.release();
    };
    world.slot.share();
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            drop_one(&world);
            let mut free = world.free.lock().unwrap();
            let got = std::mem::take(&mut *free);
            drop(free);
            if got {
                world.slot.create(32);
            }
            got
        })
    };
    drop_one(&world);
    let mut freed = 0;
    for _ in 0..3 {
        if world.slot.free_if_flagged() {
            freed += 1;
            assert_eq!(freed, 1, "freed more often than made and dropped");
            world.object.with_mut(|p| {
                // SAFETY: as above.
                unsafe { *p = 0 }
            });
            *world.free.lock().unwrap() = true;
        }
    }
    let made_again = other.join().unwrap();
    assert!(!made_again || !world.slot.free_if_flagged(), "a new root was freed");
}

#[test]
fn a_slot_goes_round() {
    loom_tests::check(None, round::<RootSlot>);
}

/// The copy is faithful if no step is left out.
#[test]
fn the_copy_with_everything_in_place() {
    loom_tests::check(None, round::<Weak<true, true, true>>);
}

#[test]
#[should_panic(expected = "freed more often")]
fn broken_a_value_before_its_count() {
    loom_tests::check(None, round::<Weak<false, true, true>>);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_drop_without_release() {
    loom_tests::check(None, round::<Weak<true, false, true>>);
}

#[test]
#[should_panic(expected = "freed more often")]
fn broken_a_freed_slot_keeps_its_value() {
    loom_tests::check(None, round::<Weak<true, true, false>>);
}
