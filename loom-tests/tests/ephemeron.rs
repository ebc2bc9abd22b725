//! INV-15: what the collector sees of an ephemeron while it is filled, and from when on every
//! thread knows that there are ephemerons.
#![cfg(loom)]

use gc_core::model::{
    Addr, Cycle, EphemeronBox, Ephemerons, Epoch, EpochWord, PinWord, full_fence,
};
use loom::sync::Arc;
use loom::thread;

const KEY: usize = 3;
const VALUE: usize = 5;

/// A box is filled while the collector looks at it. `acquire` is set if the collector looks as the
/// code does.
fn filled(acquire: bool) {
    let shared = Arc::new(EphemeronBox::new());
    let maker = {
        let shared = shared.clone();
        thread::spawn(move || shared.fill(Addr::new(KEY), Addr::new(VALUE)))
    };
    let key = if acquire { shared.key.filled_target().get() } else { shared.key.target().get() };
    if key != 0 {
        assert_eq!((key, shared.value().get()), (KEY, VALUE), "a key without its value");
    }
    maker.join().unwrap();
}

#[test]
fn a_key_is_seen_with_its_value() {
    loom_tests::check(None, || filled(true));
}

#[test]
#[should_panic(expected = "a key without its value")]
fn twin_the_key_is_read_relaxed() {
    loom_tests::check(None, || filled(false));
}

/// One thread makes the first ephemeron, the collector sees that and begins a round, a third thread
/// pins. A pin in the round knows of the ephemeron. An older one need not, so the collector looks
/// once more after the round that waited for it.
fn known(in_older_pins_too: bool) {
    let world = Arc::new((Ephemerons::new(), EpochWord::new(), PinWord::new()));
    let maker = {
        let world = world.clone();
        thread::spawn(move || world.0.appear())
    };
    let shader = {
        let world = world.clone();
        thread::spawn(move || {
            let (ephemerons, epoch, pin) = &*world;
            let at = loop {
                let at = epoch.load();
                if pin.publish(at, epoch) {
                    break at;
                }
            };
            if at == Epoch::mark(Cycle::new(1)).next_round() {
                assert!(ephemerons.exist(), "a shade in the round was not counted");
            } else if in_older_pins_too {
                assert!(ephemerons.exist(), "a shade before the round was not counted");
            }
            pin.clear();
        })
    };
    let (ephemerons, epoch, pin) = &*world;
    if ephemerons.exist() {
        let round = Epoch::mark(Cycle::new(1)).next_round();
        epoch.advance(round);
        full_fence();
        while !pin.crossed(round) {
            thread::yield_now();
        }
    }
    maker.join().unwrap();
    shader.join().unwrap();
}

#[test]
fn a_pin_of_the_round_knows_of_the_first_ephemeron() {
    loom_tests::check(None, || known(false));
}

#[test]
#[should_panic(expected = "a shade before the round was not counted")]
fn twin_an_older_pin_is_relied_on() {
    loom_tests::check(None, || known(true));
}
