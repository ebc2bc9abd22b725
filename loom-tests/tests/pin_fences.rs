//! INV-1, the fences: each of the pair is needed. A pin in the new epoch sees what the collector
//! did before it.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, PinWord, full_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// The operations of a pin word that the model needs.
trait Pin: Send + Sync + 'static {
    fn new() -> Self;
    fn publish(&self, at: Epoch, epoch: &EpochWord) -> bool;
    fn clear(&self);
    fn crossed(&self, to: Epoch) -> bool;
}

impl Pin for PinWord {
    fn new() -> Self {
        PinWord::new()
    }
    fn publish(&self, at: Epoch, epoch: &EpochWord) -> bool {
        PinWord::publish(self, at, epoch)
    }
    fn clear(&self) {
        PinWord::clear(self);
    }
    fn crossed(&self, to: Epoch) -> bool {
        PinWord::crossed(self, to)
    }
}

/// A copy of `PinWord` with steps left out.
struct Weak<const FENCE: bool, const RELEASE: bool>(AtomicU64);

impl<const FENCE: bool, const RELEASE: bool> Pin for Weak<FENCE, RELEASE> {
    fn new() -> Self {
        Weak(AtomicU64::new(0))
    }
    fn publish(&self, at: Epoch, epoch: &EpochWord) -> bool {
        self.0.store(at.word(), Ordering::Release);
        if FENCE {
            full_fence();
        }
        let stands = epoch.load() == at;
        if !stands {
            self.0.store(0, Ordering::Release);
        }
        stands
    }
    fn clear(&self) {
        self.0.store(0, if RELEASE { Ordering::Release } else { Ordering::Relaxed });
    }
    fn crossed(&self, to: Epoch) -> bool {
        let at = self.0.load(Ordering::Acquire);
        at == 0 || at >= to.word()
    }
}

struct World<P> {
    epoch: EpochWord,
    pin: P,
    /// Of the old epoch: its pins write it; the collector reads and reuses it after the handshake.
    old: UnsafeCell<u32>,
    /// Of the new epoch: written before the epoch is set, read in its pins.
    new: UnsafeCell<u32>,
}

/// A thread pins `pins` times; the collector makes a handshake.
fn run<P: Pin>(pins: usize, fence: bool) {
    let world = Arc::new(World {
        epoch: EpochWord::new(),
        pin: P::new(),
        old: UnsafeCell::new(0),
        new: UnsafeCell::new(0),
    });
    let old = world.epoch.load();
    let mutator = {
        let world = world.clone();
        thread::spawn(move || {
            for _ in 0..pins {
                let at = loop {
                    let at = world.epoch.load();
                    if world.pin.publish(at, &world.epoch) {
                        break at;
                    }
                };
                if at == old {
                    world.old.with_mut(|p| {
                        // SAFETY: loom itself checks that no other thread touches it.
                        unsafe { *p += 1 }
                    });
                } else {
                    world.new.with(|p| {
                        // SAFETY: as above.
                        let new = unsafe { *p };
                        assert_eq!(new, 1, "the new epoch is seen without what came before");
                    });
                }
                world.pin.clear();
            }
        })
    };
    world.new.with_mut(|p| {
        // SAFETY: as above.
        unsafe { *p = 1 }
    });
    let to = Epoch::prep(Cycle::new(1));
    world.epoch.advance(to);
    if fence {
        full_fence();
    }
    while !world.pin.crossed(to) {
        thread::yield_now();
    }
    world.old.with_mut(|p| {
        // SAFETY: as above.
        unsafe { *p = 7 }
    });
    mutator.join().unwrap();
}

#[test]
fn one_pin_and_a_handshake() {
    loom_tests::check(None, || run::<PinWord>(1, true));
}

#[test]
fn two_pins_and_a_handshake() {
    loom_tests::check(None, || run::<PinWord>(2, true));
}

/// The copy is faithful if no step is left out, so each twin fails because of the step that it
/// leaves out.
#[test]
fn the_copy_with_everything_in_place() {
    loom_tests::check(None, || run::<Weak<true, true>>(1, true));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_pin_without_its_fence() {
    loom_tests::check(None, || run::<Weak<false, true>>(1, true));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_handshake_without_its_fence() {
    loom_tests::check(None, || run::<PinWord>(1, false));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_an_unpin_without_release() {
    loom_tests::check(None, || run::<Weak<true, false>>(1, true));
}
