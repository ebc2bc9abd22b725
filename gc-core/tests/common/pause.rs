//! An interruption of known length, made with the stopped mode.

use gc_core::{Heap, PauseKind};
use std::sync::mpsc::channel;
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

/// A heap in which threads can be made to wait.
pub(crate) fn slow_heap() -> Heap {
    Heap::builder().stop_the_world(true).build().unwrap()
}

/// Makes a thread of this name wait in `heap` for `time` or a little less, once or more.
pub(crate) fn pause(heap: &Heap, name: &str, time: Duration) {
    let before = heap.pauses();
    let longest = || heap.pauses().since(&before).of(PauseKind::Stop).percentile(100.0);
    let until = Instant::now() + Duration::from_secs(20);
    while longest() < time / 2 {
        assert!(Instant::now() < until, "no thread waited: {:?}", longest());
        scope(|s| {
            let (pinned, is_pinned) = channel();
            s.spawn(move || {
                heap.mutate(|_| {
                    pinned.send(()).unwrap();
                    sleep(time);
                });
            });
            is_pinned.recv().unwrap();
            s.spawn(|| heap.collect().unwrap());
            let waits = move || {
                let begin = Instant::now();
                while begin.elapsed() < time {
                    heap.mutate(|_| ());
                }
            };
            Builder::new().name(name.into()).spawn_scoped(s, waits).unwrap();
        });
    }
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come");
        sleep(Duration::from_millis(1));
    }
}
