//! What program threads felt: the worst pauses, budgets, utilisation, delays, hiccups.

use gc_core::{Gc, Heap, HiccupMeter, PauseKind, RollingPauses, SlowPause};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

#[path = "common/retry.rs"]
mod retry;
#[path = "common/pause.rs"]
mod slow;
use slow::{pause, slow_heap, wait_for};

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_worst_pauses_tell_thread_kind_time_and_place() {
    let heap = slow_heap();
    assert_eq!(heap.worst_pauses(), []);
    let begin = Instant::now();
    pause(&heap, "slowest", 40 * MS);
    let worst = heap.worst_pauses();
    let first = &worst[0];
    assert!(first.time >= 20 * MS && first.kind == PauseKind::Stop, "{worst:?}");
    let longest = heap.pauses().all().max();
    assert!(first.time.abs_diff(longest) < MS / 100, "the exact maximum: {longest:?}, {worst:?}");
    assert!(first.at <= begin.elapsed(), "{worst:?}");
    // The thread has ended, and its name is kept.
    assert_eq!(first.thread_name.as_deref(), Some("slowest"));
    assert!(first.place.is_some_and(|place| place.file().ends_with("pause.rs")), "{worst:?}");
    assert!(worst.len() <= 10 && worst.is_sorted_by_key(|pause| std::cmp::Reverse(pause.time)));
    let text = first.to_string();
    assert!(text.contains("ms Stop at ") && text.contains("\"slowest\", mutate at "), "{text}");
}

#[test]
fn the_worst_survive_threads_that_come_and_go() {
    let heap = slow_heap();
    pause(&heap, "early", 40 * MS);
    for i in 0..200 {
        let body = || heap.mutate(|mc| Gc::new(mc, [0u8; 32]).len());
        let name = format!("short-{i}");
        scope(|s| Builder::new().name(name).spawn_scoped(s, body).unwrap().join().unwrap());
    }
    assert_eq!(heap.worst_pauses()[0].thread_name.as_deref(), Some("early"));
    let threads = heap.pauses_by_thread();
    assert!(threads.len() < 20, "records are used again: {}", threads.len());
    let sum: u64 = threads.iter().map(|of| of.pauses.all().len()).sum();
    assert_eq!(sum, heap.pauses().all().len());
    let worst = threads.iter().map(|of| of.pauses.all().max()).max().unwrap();
    assert!(worst.abs_diff(heap.pauses().all().max()) < MS / 100, "{worst:?}");
}

#[test]
fn a_pause_over_budget_is_told_and_others_are_not() {
    let heap = slow_heap();
    let told = Arc::new(Mutex::new(Vec::<SlowPause>::new()));
    let seen = told.clone();
    let guard =
        heap.on_pause_over(10 * MS, move |pause| seen.lock().unwrap().push(pause.clone())).unwrap();
    let far = heap.on_pause_over(600_000 * MS, |_| panic!("no pause is that long")).unwrap();
    heap.mutate(|mc| Gc::new(mc, 1u8).to_string());
    pause(&heap, "over", 40 * MS);
    wait_for("the call", || guard.calls() > 0);
    let pauses = told.lock().unwrap().clone();
    assert!(pauses.iter().all(|pause| pause.time >= 10 * MS), "{pauses:?}");
    assert!(pauses.iter().any(|pause| pause.kind == PauseKind::Stop), "{pauses:?}");
    assert_eq!((far.calls(), far.panics()), (0, 0));
    drop(guard);
    sleep(30 * MS);
    let before = told.lock().unwrap().len();
    pause(&heap, "later", 40 * MS);
    sleep(30 * MS);
    assert_eq!(told.lock().unwrap().len(), before, "the guard is gone");
}

/// Calls `call` for each pause, and makes one.
fn with_budget(heap: &Heap, call: impl FnMut(&SlowPause) + Send + 'static) {
    let guard = heap.on_pause_over(MS, call).unwrap();
    pause(heap, "over", 20 * MS);
    wait_for("the call", || guard.calls() > 0);
}

#[test]
fn a_call_may_panic_allocate_collect_and_let_its_guard_go() {
    let heap = slow_heap();
    let guard = heap.on_pause_over(MS, |_| std::panic::resume_unwind(Box::new("no"))).unwrap();
    pause(&heap, "over", 20 * MS);
    wait_for("a panic", || guard.panics() > 0);
    pause(&heap, "over", 20 * MS);
    wait_for("another one", || guard.panics() > 1);
    drop(guard);
    let weak = heap.mutator();
    let own = Arc::new(Mutex::new(Some(heap.clone())));
    let used = own.clone();
    with_budget(&heap, move |_| {
        let heap = used.lock().unwrap().take();
        if let Some(heap) = heap {
            heap.mutate(|mc| Gc::new(mc, vec![1, 2, 3]).len());
            heap.collect().unwrap();
            let inner = heap.on_pause_over(MS, |_| ()).unwrap();
            assert_eq!(inner.panics(), 0);
        }
    });
    assert!(own.lock().unwrap().is_none());
    drop(weak);
}

#[test]
fn a_call_that_blocks_holds_nothing_up() {
    let heap = slow_heap();
    let (blocked, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_blocked, is_released) = (blocked.clone(), release.clone());
    let guard = heap
        .on_pause_over(MS, move |_| {
            is_blocked.store(true, Ordering::Relaxed);
            while !is_released.load(Ordering::Relaxed) {
                sleep(MS);
            }
        })
        .unwrap();
    pause(&heap, "over", 20 * MS);
    wait_for("the call", || blocked.load(Ordering::Relaxed));
    let other = Arc::new(AtomicU64::new(0));
    let seen = other.clone();
    with_budget(&heap, move |_| _ = seen.fetch_add(1, Ordering::Relaxed));
    assert!(other.load(Ordering::Relaxed) > 0, "another budget's thread goes on");
    heap.collect().unwrap();
    // Neither the guard nor the heap waits for the call.
    drop(guard);
    drop(heap);
    release.store(true, Ordering::Relaxed);
}

#[test]
fn a_call_may_drop_the_last_handle() {
    let heap = slow_heap();
    let (ended, last) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
    let (is_ended, own) = (ended.clone(), last.clone());
    let guard = heap
        .on_pause_over(MS, move |_| {
            let heap: Option<Heap> = own.lock().unwrap().take();
            if heap.is_some() {
                drop(heap);
                is_ended.store(true, Ordering::Relaxed);
            }
        })
        .unwrap();
    pause(&heap, "over", 20 * MS);
    *last.lock().unwrap() = Some(heap);
    // The pause may have been told already: then there is no other one, and the handle goes here.
    sleep(50 * MS);
    drop(last.lock().unwrap().take());
    drop(guard);
    let _either = ended.load(Ordering::Relaxed);
}

#[test]
fn utilisation_falls_with_a_pause_and_recovers_in_longer_windows() {
    let heap = slow_heap();
    let windows = [10 * MS, 40 * MS, 400 * MS];
    let idle = heap.utilisation(&windows);
    assert!(idle.iter().all(|of| of.least == 1.0 && of.thread.is_none()), "{idle:?}");
    let known = AtomicBool::new(false);
    scope(|s| {
        let body = || {
            let mutator = heap.mutator();
            while !known.load(Ordering::Relaxed) {
                mutator.mutate(|mc| Gc::new(mc, 1u8).to_string());
            }
        };
        Builder::new().name("long-lived".into()).spawn_scoped(s, body).unwrap();
        pause(&heap, "over", 40 * MS);
        let of = heap.utilisation(&windows);
        known.store(true, Ordering::Relaxed);
        assert!(of[0].least < 0.2, "within a pause of 20 ms and more: {of:?}");
        assert!(of.is_sorted_by(|a, b| a.least <= b.least + 0.05), "{of:?}");
        assert_eq!(of[0].thread_name.as_deref(), Some("long-lived"));
        assert!(of[0].covers >= 20 * MS && of[0].window == windows[0], "{of:?}");
    });
}

#[test]
fn delays_tell_what_a_thread_waited_for() {
    retry::alone(|| {
        let heap = slow_heap();
        let stop = AtomicBool::new(false);
        scope(|s| {
            let body = || {
                let mutator = heap.mutator();
                while !stop.load(Ordering::Relaxed) {
                    mutator.mutate(|mc| Gc::new(mc, 1u8).to_string());
                }
            };
            Builder::new().name("delayed".into()).spawn_scoped(s, body).unwrap();
            let is_it = |of: &gc_core::ThreadDelay| of.thread_name.as_deref() == Some("delayed");
            wait_for("the thread", || heap.delays().iter().any(is_it));
            let before = heap.delays().into_iter().find(is_it).unwrap();
            pause(&heap, "other", 40 * MS);
            // More runnable threads than cores, so that this one waits for a core too.
            let cores = std::thread::available_parallelism().unwrap().get();
            for _ in 0..2 * cores {
                s.spawn(|| {
                    let begin = Instant::now();
                    while begin.elapsed() < 200 * MS {
                        std::hint::spin_loop();
                    }
                });
            }
            sleep(220 * MS);
            let delay = heap.delays().into_iter().find(is_it).unwrap().since(&before);
            stop.store(true, Ordering::Relaxed);
            assert!(delay.interrupted <= delay.lasted, "{delay:?}");
            let holds = match (delay.waited, delay.ran) {
                (Some(waited), Some(ran)) => {
                    assert!(ran < delay.lasted * 2, "{delay:?}");
                    waited > 5 * MS && ran > 5 * MS
                }
                _ => {
                    println!("skipped: the system tells no thread's wait for a core");
                    true
                }
            };
            retry::judge(holds && delay.interrupted >= 15 * MS, || format!("{delay:?}"))
        })
    });
}

#[test]
fn a_rolling_window_forgets() {
    let heap = slow_heap();
    let mut last = RollingPauses::new(&heap, 100 * MS);
    pause(&heap, "early", 40 * MS);
    assert!(last.read(&heap).all().max() >= 20 * MS);
    for _ in 0..40 {
        sleep(10 * MS);
        last.read(&heap);
    }
    let now = last.read(&heap).of(PauseKind::Stop).clone();
    assert!(now.is_empty(), "{now:?}");
    assert!(heap.pauses().all().max() >= 20 * MS, "the total does not");
}

#[test]
fn the_hiccup_meter_sees_what_the_machine_does() {
    let meter = HiccupMeter::start(MS).unwrap();
    let other = HiccupMeter::start(Duration::ZERO).unwrap();
    wait_for("hiccups", || meter.hiccups().len() > 20);
    let hiccups = meter.stop();
    assert!(hiccups.len() > 20 && hiccups.max() < 20_000 * MS, "{hiccups:?}");
    assert!(hiccups.percentile(1.0) < 20 * MS, "most are short: {hiccups:?}");
    drop(other);
}

#[test]
fn readers_beside_threads_see_whole_pauses() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let guard = heap.on_pause_over(Duration::ZERO, |_| ()).unwrap();
    let stop = AtomicBool::new(false);
    scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    heap.mutate(|mc| (0..1000).for_each(|n| _ = Gc::new(mc, [n; 8])));
                }
            });
        }
        let begin = Instant::now();
        while begin.elapsed() < 300 * MS {
            let lived = begin.elapsed() + 20_000 * MS;
            for pause in heap.worst_pauses() {
                assert!(pause.time < lived && pause.at < lived, "{pause:?}");
            }
            assert!(heap.utilisation(&[MS])[0].least <= 1.0);
            assert!(heap.delays().len() <= 3);
        }
        stop.store(true, Ordering::Relaxed);
    });
    wait_for("calls", || guard.calls() > 0);
    assert_eq!(guard.panics(), 0);
}
