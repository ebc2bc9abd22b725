//! INV-18 for a thread that sweeps, one that drops and one that allocates (`Doomed`, `MarkWord`,
//! `Stack`). A dead object with a destructor is dropped once, its slot is not reused before, and no
//! sweep misses its span.
#![cfg(loom)]

use gc_core::model::{BlockId, Doomed, Link, MarkWord, Stack, SweepNumber, Ward};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// The contents of a slot.
const FREE: u32 = 0;
const LIVE: u32 = 1;
const DROPPED: u32 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// The alloc bits are cleared before the destructors run.
    FreesFirst,
    /// A sweep does not ask which objects are known to be dead.
    ForgetsRunning,
    /// A sweep looks at its lists first, and then at the wards.
    ListsFirst,
}

/// One span of two slots.
struct World {
    doomed: Mutex<Doomed<()>>,
    alloc: AtomicU64,
    marks: MarkWord,
    sweep: AtomicU32,
    lists: [Stack; 2],
    link: [Link; 1],
    /// Loom checks that no two threads touch one at once.
    slots: [UnsafeCell<u32>; 2],
    broken: Broken,
}

impl World {
    /// Cycle 1 found the first object dead, but not the second.
    fn new(broken: Broken) -> World {
        let mut doomed = Doomed::new();
        doomed.push(Ward::new(BlockId::FIRST, (), 16, Box::new([0b01]), SweepNumber::new(1)));
        World {
            doomed: Mutex::new(doomed),
            alloc: AtomicU64::new(0b11),
            marks: MarkWord::new(),
            sweep: AtomicU32::new(1),
            lists: [Stack::new(), Stack::new()],
            link: [Link::new(0)],
            slots: [UnsafeCell::new(LIVE), UnsafeCell::new(LIVE)],
            broken,
        }
    }
    fn list(&self, number: SweepNumber) -> &Stack {
        &self.lists[number.parity()]
    }
    fn put(&self, number: SweepNumber) {
        self.list(number).push(BlockId::FIRST, |i| &self.link[i.index()]);
    }
    fn change(&self, slot: usize, from: &[u32], to: u32) {
        self.slots[slot].with_mut(|p| {
            // SAFETY: loom itself checks that no other thread touches it.
            let value = unsafe { &mut *p };
            assert!(from.contains(value), "slot {slot} was {value}, not {from:?}");
            *value = to;
        });
    }

    /// The sweep of cycle `number`, in which no object is marked.
    fn sweep(&self, number: SweepNumber) {
        if self.broken != Broken::ListsFirst {
            self.sweep_wards(number);
        }
        while self.list(number.previous()).pop(|i| &self.link[i.index()]).is_some() {
            let dead = self.alloc.load(Ordering::Acquire) & !self.marks.take();
            self.sweep.store(number.get(), Ordering::Release);
            if dead == 0 {
                self.put(number);
            } else {
                self.doomed.lock().unwrap().push(Ward::new(
                    BlockId::FIRST,
                    (),
                    16,
                    Box::new([dead]),
                    number,
                ));
            }
        }
        if self.broken == Broken::ListsFirst {
            self.sweep_wards(number);
        }
    }
    fn sweep_wards(&self, number: SweepNumber) {
        self.doomed.lock().unwrap().sweep_rest(number, |ward| {
            let dead = self.alloc.load(Ordering::Acquire) & !self.marks.take();
            let known = if self.broken == Broken::ForgetsRunning { 0 } else { ward.known(0) };
            ward.doom(0, dead & !known);
            self.sweep.store(number.get(), Ordering::Release);
        });
    }

    /// Drops a batch, if there is one.
    fn drop_some(&self) -> bool {
        let Some(batch) = self.doomed.lock().unwrap().take(u64::MAX) else { return false };
        let free = |world: &World| {
            let mut doomed = world.doomed.lock().unwrap();
            let left = world.alloc.load(Ordering::Acquire) & !batch.bits[0];
            world.alloc.store(left, Ordering::Release);
            if doomed.finish(&batch) {
                world.put(SweepNumber::new(world.sweep.load(Ordering::Acquire)));
            }
        };
        if self.broken == Broken::FreesFirst {
            free(self);
        }
        for slot in 0..2 {
            if batch.bits[0] >> slot & 1 != 0 {
                self.change(slot, &[LIVE], DROPPED);
            }
        }
        if self.broken != Broken::FreesFirst {
            free(self);
        }
        true
    }

    /// A thread that is in `Sweep number` takes the span's free slots and fills them.
    fn allocate(&self, number: SweepNumber) {
        if self.list(number).pop(|i| &self.link[i.index()]).is_none() {
            return;
        }
        let taken = self.alloc.load(Ordering::Acquire);
        for slot in 0..2 {
            if taken >> slot & 1 == 0 {
                self.change(slot, &[FREE, DROPPED], LIVE);
            }
        }
        self.alloc.store(0b11, Ordering::Release);
        self.put(number);
    }
}

fn run(broken: Broken) {
    let world = Arc::new(World::new(broken));
    let dropper = {
        let world = world.clone();
        thread::spawn(move || {
            world.drop_some();
            world.drop_some();
        })
    };
    let mutator = {
        let world = world.clone();
        thread::spawn(move || world.allocate(SweepNumber::new(2)))
    };
    world.sweep(SweepNumber::new(2));
    assert!(
        world.list(SweepNumber::new(1)).pop(|i| &world.link[i.index()]).is_none(),
        "the sweep has missed a span"
    );
    dropper.join().unwrap();
    mutator.join().unwrap();
    while world.drop_some() {}
    // The second object died in cycle 2. So each slot is free, or holds an object that the mutator
    // made.
    let made = world.alloc.load(Ordering::Acquire);
    for slot in 0..2 {
        let expected = if made >> slot & 1 == 0 { DROPPED } else { LIVE };
        world.change(slot, &[expected], FREE);
    }
    assert!(world.doomed.lock().unwrap().is_empty());
    assert!(
        world.list(SweepNumber::new(2)).pop(|i| &world.link[i.index()]).is_some(),
        "the span is lost"
    );
}

#[test]
fn the_dead_are_dropped_once_and_their_slots_reused_later() {
    loom_tests::check(None, || run(Broken::Nothing));
}

#[test]
#[should_panic]
fn broken_slots_are_freed_before_destructors_run() {
    loom_tests::check(None, || run(Broken::FreesFirst));
}

#[test]
#[should_panic(expected = "slot 0 was 2")]
fn broken_a_sweep_forgets_what_is_being_dropped() {
    loom_tests::check(None, || run(Broken::ForgetsRunning));
}

#[test]
#[should_panic(expected = "missed a span")]
fn broken_a_sweep_looks_at_its_lists_first() {
    loom_tests::check(None, || run(Broken::ListsFirst));
}
