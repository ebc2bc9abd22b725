//! `Place`: a reader beside the owner sees a whole note, or none.
#![cfg(loom)]

use gc_core::model::{Note, Place};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

#[test]
fn a_note_is_read_whole_or_not_at_all() {
    loom_tests::check(None, || {
        let place = Arc::new(Place::new());
        let note = |n| Note { words: [n; 4], place: None };
        place.write(1, &note(1));
        let owner = {
            let place = place.clone();
            thread::spawn(move || place.write(2, &note(2)))
        };
        if let Some((number, found)) = place.read() {
            assert_eq!(found, note(number), "torn");
        }
        owner.join().unwrap();
        assert_eq!(place.read(), Some((2, note(2))));
    });
}

/// The same with two words, whose order may be left out.
fn copy(order: bool) {
    let of = |strong| if order { strong } else { Ordering::Relaxed };
    let (store, load) = (of(Ordering::Release), of(Ordering::Acquire));
    loom_tests::check(None, move || {
        let place = Arc::new([const { 2 }; 3].map(AtomicU64::new));
        let owner = {
            let place = place.clone();
            thread::spawn(move || {
                place[0].store(3, Ordering::Relaxed);
                place[1].store(4, store);
                place[2].store(4, store);
                place[0].store(4, Ordering::Release);
            })
        };
        let turn = place[0].load(Ordering::Acquire);
        let found = [place[1].load(load), place[2].load(load)];
        if turn % 2 == 0 && place[0].load(Ordering::Relaxed) == turn {
            assert_eq!(found, [turn; 2], "torn");
        }
        owner.join().unwrap();
    });
}

#[test]
fn the_copy_is_as_the_code() {
    copy(true);
}

#[test]
#[should_panic(expected = "torn")]
fn twin_the_words_publish_nothing() {
    copy(false);
}
