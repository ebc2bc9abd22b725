//! `Held`: the last user of a heap's count of external bytes gives it back, once and not before.
#![cfg(loom)]

use gc_core::model::{Bytes, Held};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const BYTES: Bytes = Bytes::new(5);
const ONE: Bytes = Bytes::new(1);

/// The heap ends beside two holders. One of them grows first. With `settles`, the heap adds what
/// its threads have counted before it ends, as the code does.
fn ends_beside_holders(settles: bool) {
    let held = Arc::new((Held::new(), AtomicUsize::new(0)));
    let give_back = |held: &(Held, AtomicUsize), bytes| {
        if held.0.release(bytes) {
            held.1.fetch_add(1, Ordering::Relaxed);
        }
    };
    // One thread's share is added; the other's waits.
    held.0.take(BYTES);
    let grows = {
        let held = held.clone();
        thread::spawn(move || {
            held.0.take(ONE);
            give_back(&held, BYTES + ONE);
        })
    };
    let shrinks = {
        let held = held.clone();
        thread::spawn(move || {
            give_back(&held, ONE);
            assert_eq!(held.1.load(Ordering::Relaxed), 0, "given back while it is used");
            give_back(&held, BYTES - ONE);
        })
    };
    if settles {
        held.0.take(BYTES);
    }
    if held.0.end() {
        held.1.fetch_add(1, Ordering::Relaxed);
    }
    if !settles {
        held.0.take(BYTES);
    }
    grows.join().unwrap();
    shrinks.join().unwrap();
    assert_eq!(held.1.load(Ordering::Relaxed), 1, "given back once");
}

#[test]
fn the_last_one_gives_the_count_back() {
    loom_tests::check(None, || ends_beside_holders(true));
}

#[test]
#[should_panic(expected = "given back")]
fn twin_a_share_is_added_after_the_end() {
    loom_tests::check(None, || ends_beside_holders(false));
}
