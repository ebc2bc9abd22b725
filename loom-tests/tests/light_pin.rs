//! INV-1, light pins: the collector's fence on all threads stands for theirs, also where the system
//! refuses it in the middle of a handshake.
//!
//! A thread executes that fence wherever it is interrupted. In the model that is between any two of
//! its steps, also inside `PinWord::publish_light` (`on_compiler_fence`). There it looks whether
//! the collector asks, and fences.
#![cfg(loom)]

use gc_core::model::{Cycle, Epoch, EpochWord, LightEpoch, PinWord, full_fence, on_compiler_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

struct World {
    epoch: EpochWord,
    light: LightEpoch,
    pin: PinWord,
    /// Fences that the collector has asked for, and those that the thread has executed.
    asked: AtomicUsize,
    done: AtomicUsize,
    /// The cells that pins in each epoch write, and that the collector reuses when no such pin is
    /// left.
    cells: [UnsafeCell<u32>; 2],
}

/// All fences of a thread that has ended.
const ALL: usize = 100;

impl World {
    fn new() -> Arc<World> {
        let epoch = EpochWord::new();
        Arc::new(World {
            light: LightEpoch::new(epoch.load(), true),
            epoch,
            pin: PinWord::new(),
            asked: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            cells: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }
    /// The thread may be interrupted here.
    fn point(&self) {
        let asked = self.asked.load(Ordering::Acquire);
        if asked > self.done.load(Ordering::Relaxed) {
            full_fence();
            self.done.store(asked, Ordering::Release);
        }
    }
    /// The collector interrupts the thread.
    fn interrupt(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed) + 1;
        self.asked.store(asked, Ordering::Release);
        while self.done.load(Ordering::Acquire) < asked {
            thread::yield_now();
        }
        true
    }

    /// `Record::enter`: the light path for an epoch that it has seen, and the slow path.
    fn enter(&self, seen: &mut Epoch) {
        let now = self.light.load();
        self.point();
        if now == *seen && self.pin.publish_light(now, &self.light) {
            return;
        }
        loop {
            self.point();
            let now = self.epoch.load();
            *seen = now;
            if self.pin.publish(now, &self.epoch) {
                return;
            }
        }
    }
    fn cell(&self, epoch: Epoch) -> Option<&UnsafeCell<u32>> {
        let place = [Epoch::sweep(Cycle::new(0)), Epoch::prep(Cycle::new(1))]
            .iter()
            .position(|e| *e == epoch);
        place.map(|i| &self.cells[i])
    }
    fn use_cell(&self, epoch: Epoch) {
        if let Some(cell) = self.cell(epoch) {
            cell.with_mut(|p| {
                // SAFETY: loom itself checks that no other thread touches it.
                unsafe { *p += 1 }
            });
        }
    }
    fn thread(&self, pins: usize) {
        let mut seen = Epoch::sweep(Cycle::new(0));
        for _ in 0..pins {
            self.enter(&mut seen);
            self.point();
            self.use_cell(seen);
            self.pin.clear();
        }
        // A thread that has ended was switched out.
        full_fence();
        self.done.store(ALL, Ordering::Release);
    }
    fn handshake(&self, from: Epoch, to: Epoch, fence: impl FnOnce()) {
        self.epoch.advance(to);
        self.light.advance(to);
        fence();
        while !self.pin.crossed(to) {
            thread::yield_now();
        }
        self.use_cell(from);
    }
}

fn run(pins: usize, handshakes: usize, fence: impl Fn(&World) + Copy + Send + Sync + 'static) {
    loom_tests::check(Some(2), move || {
        let world = World::new();
        let thread = {
            let world = world.clone();
            thread::spawn(move || {
                // As an address: the remains of a failed run must not drop one of loom's.
                let at = std::ptr::from_ref(&*world);
                // SAFETY: only this thread calls the hook, inside `thread`, while `world` is held
                // here.
                on_compiler_fence(move || unsafe { &*at }.point());
                world.thread(pins);
            })
        };
        let line =
            [Epoch::sweep(Cycle::new(0)), Epoch::prep(Cycle::new(1)), Epoch::mark(Cycle::new(1))];
        for step in line.windows(2).take(handshakes) {
            world.handshake(step[0], step[1], || fence(&world));
        }
        thread.join().unwrap();
    });
}

#[test]
fn the_collector_fences_for_the_pins() {
    run(2, 1, |world| world.light.fence_all(|| world.interrupt(), || unreachable!()));
}

#[test]
fn the_system_refuses_in_the_first_handshake() {
    run(2, 2, |world| world.light.fence_all(|| false, || world.interrupt()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_nobody_fences_for_the_pins() {
    run(1, 1, |world| world.light.fence_all(|| true, || unreachable!()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_the_cores_are_not_visited_after_a_refusal() {
    run(1, 1, |world| world.light.fence_all(|| false, || true));
}

/// The cores are visited, and the light epoch stays open. The next handshake relies on the fences
/// of the pins, and is wrong.
#[test]
#[should_panic(expected = "Causality violation")]
fn broken_the_light_epoch_is_not_closed() {
    run(2, 2, |world| {
        full_fence();
        if world.asked.load(Ordering::Relaxed) == 0 {
            world.interrupt();
        }
    });
}
