//! Rule 2 of the protocol: in Prep a store shades exactly the value that the exchange returned. A
//! thread still in Off may store at the same time.
#![cfg(loom)]

use gc_core::model::{Addr, GreyRing, MarkWord};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const Y: usize = 16;

fn run(exchange: bool) {
    let world = Arc::new((AtomicUsize::new(0), MarkWord::new(), GreyRing::new()));
    let in_off = {
        let world = world.clone();
        // As an exchange: loom does not order two plain stores, although the coherence of one word
        // does.
        thread::spawn(move || {
            world.0.swap(Y, Ordering::Release);
        })
    };
    let (field, mark, ring) = &*world;
    let old = if exchange {
        field.swap(0, Ordering::AcqRel)
    } else {
        let old = field.load(Ordering::Acquire);
        field.store(0, Ordering::Release);
        old
    };
    if old == Y && mark.test_and_set(1) {
        assert!(ring.push(Addr::new(old)));
    }
    in_off.join().unwrap();
    // A read-modify-write: loom may give a plain load a store that the exchange has already
    // overwritten.
    let last = field.fetch_add(0, Ordering::AcqRel);
    assert!(last == Y || mark.is_set(1), "overwritten and not shaded");
}

#[test]
fn what_prep_overwrites_is_shaded() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic(expected = "not shaded")]
fn broken_a_plain_read_of_the_old_value() {
    loom_tests::check(None, || run(false));
}
