//! INV-4 where a `trace` panics: the thread that marks poisons the cycle before it counts itself
//! idle. So the collector knows after a clean round, and keeps everything (`Marking`). After that
//! the next cycle is a normal one.
#![cfg(loom)]

use gc_core::model::Marking;
use loom::sync::Arc;
use loom::thread;

fn run(in_time: bool) {
    let marking = Arc::new(Marking::new());
    marking.detector().resume();
    let assistant = {
        let marking = marking.clone();
        thread::spawn(move || {
            let started = marking.detector().start();
            if started {
                if in_time {
                    marking.poison();
                }
                marking.detector().stop();
                if !in_time {
                    marking.poison();
                }
            }
            started
        })
    };
    marking.detector().park();
    while !marking.detector().is_quiet() {
        thread::yield_now();
    }
    let keep_all = marking.is_poisoned();
    let panicked = assistant.join().unwrap();
    assert_eq!(keep_all, panicked, "the collector was not told of the panic");
    marking.heal();
    assert!(!marking.is_poisoned());
}

#[test]
fn a_panic_in_a_trace_is_known_after_the_round() {
    loom_tests::check(None, || run(true));
}

#[test]
#[should_panic(expected = "was not told")]
fn broken_poisoned_after_it_counts_itself_idle() {
    loom_tests::check(None, || run(false));
}
