//! The flight recorder (feature `timeline`): what a trace has, when it is written, and what happens
//! when it cannot be. `ci/perfetto.sh` loads one into Perfetto's trace processor.

#[path = "common/full.rs"]
mod full;

use full::Full;
use gc_core::{FlightError, FlightOptions, FlightRecorder, Gc, Heap, PauseKind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

#[path = "common/pause.rs"]
mod slow;
use slow::{pause, slow_heap, wait_for};

const MS: Duration = Duration::from_millis(1);

/// Everything, in detail.
fn all() -> FlightOptions {
    let mut options = FlightOptions::default();
    options.least_pause = Duration::ZERO;
    options.one_span_in = 1;
    options
}

fn trace(recorder: &FlightRecorder) -> Vec<Value> {
    let mut bytes = Vec::new();
    let summary = recorder.write(&mut bytes).unwrap();
    let trace: Value = serde_json::from_slice(&bytes).unwrap();
    let events = trace["traceEvents"].as_array().unwrap().clone();
    assert_eq!(events.len() as u64, summary.events);
    events
}

/// Threads that allocate and let go of much, for some cycles.
fn churn(heap: &Heap, threads: usize) {
    scope(|s| {
        for i in 0..threads {
            let body = || {
                let before = heap.stats().cycles;
                while heap.stats().cycles < before + 3 {
                    heap.mutate(|mc| {
                        (0..2000).for_each(|n| _ = Gc::new(mc, [n; 8]));
                        Gc::from_slice(mc, &[0u8; 40_000]);
                    });
                }
            };
            Builder::new().name(format!("worker-{i}")).spawn_scoped(s, body).unwrap();
        }
    });
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

/// What the Trace Event Format asks of each event.
fn check_format(events: &[Value]) {
    let mut open: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for event in events {
        let ph = text(event, "ph");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        assert!(!text(event, "name").is_empty(), "{event}");
        let ts = event["ts"].as_f64();
        match ph {
            "M" => assert!(event["args"]["name"].is_string(), "{event}"),
            "X" => assert!(ts.is_some() && event["dur"].as_f64().unwrap() >= 0.0, "{event}"),
            "i" => assert!(ts.is_some() && ["t", "p", "g"].contains(&text(event, "s")), "{event}"),
            "C" => assert!(ts.is_some() && event["args"]["bytes"].is_number(), "{event}"),
            "b" => {
                let id = format!("{} {}", text(event, "cat"), text(event, "id"));
                open.entry(id).or_default().push(ts.unwrap());
            }
            "e" => {
                let id = format!("{} {}", text(event, "cat"), text(event, "id"));
                let began = open.get_mut(&id).and_then(Vec::pop).expect("it was open");
                assert!(ts.unwrap() >= began, "{event}");
            }
            _ => panic!("an event of no known kind: {event}"),
        }
        assert!(ts.is_none_or(|ts| ts >= 0.0), "{event}");
    }
    assert!(open.values().all(Vec::is_empty), "slices without an end");
}

#[test]
fn a_trace_has_cycles_phases_handshakes_threads_and_spans() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    churn(&heap, 2);
    heap.collect().unwrap();
    let events = trace(&recorder);
    check_format(&events);
    let of = |cat: &str| -> BTreeSet<&str> {
        let all = events.iter().filter(|event| text(event, "cat") == cat);
        all.map(|event| text(event, "name")).collect()
    };
    let gc = of("gc");
    for name in ["prep", "mark", "cross", "sweep", "handshake prep", "cycle begins"] {
        assert!(gc.contains(name), "{name} is not among {gc:?}");
    }
    assert!(gc.iter().any(|name| name.starts_with("cycle ")), "{gc:?}");
    let pauses = of("pause");
    for name in ["Refill", "Handshake"] {
        assert!(pauses.contains(name), "{name} is not among {pauses:?}");
    }
    let spans = of("span");
    for name in ["allocated", "cached", "in use", "swept"] {
        assert!(spans.contains(name), "{name} is not among {spans:?}");
    }
    let named = |event: &Value| text(event, "name") == "thread_name";
    let names: Vec<&Value> =
        events.iter().filter(|e| named(e)).map(|e| &e["args"]["name"]).collect();
    assert!(names.iter().any(|name| **name == "worker-1"), "{names:?}");
    assert!(names.iter().any(|name| name.as_str().unwrap().starts_with("gc of heap ")));
}

#[test]
fn phases_lie_inside_of_their_cycles_and_pauses_are_those_of_the_histogram() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    let before = heap.pauses();
    churn(&heap, 1);
    heap.collect().unwrap();
    let counted = heap.pauses().since(&before);
    let events = trace(&recorder);
    let slice = |event: &&Value| {
        let (ts, dur) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
        (ts, ts + dur)
    };
    let named = |name: &str| events.iter().find(|e| text(e, "name") == name);
    let mut seen = 0;
    for phase in events.iter().filter(|e| text(e, "name") == "sweep" && text(e, "cat") == "gc") {
        let of = format!("cycle {}", phase["args"]["cycle"]);
        // The last cycle may not have ended in the trace.
        let Some(cycle) = named(&of) else { continue };
        let ((from, to), (begin, end)) = (slice(&phase), slice(&cycle));
        // Times of the collector are measured by two clocks.
        assert!(begin <= from + 200.0 && to <= end + 200.0, "{phase} {cycle}");
        seen += 1;
    }
    assert!(seen > 0);
    for kind in [PauseKind::Handshake, PauseKind::Assist] {
        let name = format!("{kind:?}");
        let found = events.iter().filter(|event| text(event, "name") == name).count() as u64;
        assert_eq!(found, counted.of(kind).len(), "{name}");
    }
}

#[test]
fn memory_is_bounded_and_the_newest_is_kept() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let mut options = all();
    options.max_bytes = 256 << 10;
    let recorder = FlightRecorder::start(&heap, options).unwrap();
    churn(&heap, 2);
    let events = trace(&recorder);
    // 48 bytes a note, and a span's state is two events.
    assert!(events.len() < 2 * (256 << 10) / 48 + 20, "{}", events.len());
    let begin = heap.worst_pauses().len();
    assert!(begin <= 10);
    heap.collect().unwrap();
    let newest = format!("cycle {}", heap.stats().cycles);
    assert!(trace(&recorder).iter().any(|event| text(event, "name") == newest), "{newest}");
}

#[test]
fn only_the_last_seconds_are_written() {
    let heap = Heap::new();
    let mut options = all();
    options.last = 200 * MS;
    let recorder = FlightRecorder::start(&heap, options).unwrap();
    heap.collect().unwrap();
    sleep(300 * MS);
    heap.collect().unwrap();
    let events = trace(&recorder);
    let has = |name: &str| events.iter().any(|event| text(event, "name") == name);
    assert!(has("cycle 2") && !has("cycle 1"), "{events:?}");
}

#[test]
fn there_is_one_recorder_and_it_ends() {
    let heap = Heap::new();
    let first = FlightRecorder::start(&heap, all()).unwrap();
    let second = FlightRecorder::start(&heap, all()).unwrap_err();
    assert!(matches!(second, FlightError::Running));
    drop(first);
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    heap.collect().unwrap();
    drop(heap);
    let error = recorder.write(io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "the heap has ended");
}

#[test]
fn a_disk_that_fills_is_an_error_and_the_recorder_goes_on() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    churn(&heap, 1);
    for room in [0, 10, 20_000] {
        let error = recorder.write(Full(room)).unwrap_err();
        assert!(matches!(&error, FlightError::Io(e) if e.kind() == io::ErrorKind::StorageFull));
    }
    if cfg!(target_os = "linux") {
        let error = recorder.write(std::fs::File::create("/dev/full").unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("the trace could not be written: "), "{error}");
    }
    check_format(&trace(&recorder));
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("gc-flight-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_pause_over_budget_writes_a_file() {
    let heap = slow_heap();
    let mut options = all();
    options.last = 100 * MS;
    let recorder = FlightRecorder::start(&heap, options).unwrap();
    let folder = folder("over");
    let dumps = recorder.write_when_over(5 * MS, &folder, 2).unwrap();
    // It goes on without the handle.
    drop(recorder);
    for written in 1..=3 {
        let until = Instant::now() + 20_000 * MS;
        while dumps.written() < written {
            assert!(Instant::now() < until, "{dumps:?}");
            pause(&heap, "over", 20 * MS);
            sleep(20 * MS);
        }
    }
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".partial"))
        .collect();
    names.sort();
    assert_eq!(names, ["gc-flight-1.json", "gc-flight-2.json"]);
    for name in names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let trace: Value = serde_json::from_slice(&bytes).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        check_format(events);
        assert!(events.iter().any(|event| text(event, "name") == "Stop"), "the pause itself");
    }
    assert_eq!(dumps.errors(), 0);
    // The folder goes away, and the program goes on.
    std::fs::remove_dir_all(&folder).unwrap();
    wait_for("an error", || {
        pause(&heap, "over", 20 * MS);
        dumps.errors() > 0
    });
    assert!(dumps.last_error().unwrap().contains("could not be written"), "{dumps:?}");
    heap.collect().unwrap();
}

#[test]
fn traces_are_written_while_threads_come_and_go() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    let stop = AtomicBool::new(false);
    scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                churn(&heap, 2);
            }
        });
        for _ in 0..10 {
            check_format(&trace(&recorder));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// A child has the heap as it was, and no recorder.
#[cfg(target_os = "linux")]
#[test]
fn the_child_of_a_fork_gets_an_error() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(code: i32) -> !;
    }
    let heap = Heap::new();
    let recorder = FlightRecorder::start(&heap, all()).unwrap();
    let guard = heap.on_pause_over(Duration::ZERO, |_| ()).unwrap();
    heap.mutate(|mc| Gc::new(mc, 1u8).to_string());
    heap.collect().unwrap();
    // SAFETY: the child uses the heap as `Heap` documents it, and ends without running destructors
    // of the parent's.
    let pid = unsafe { fork() };
    if pid == 0 {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            heap.mutate(|mc| (0..10_000).for_each(|n| _ = Gc::new(mc, [n; 4])));
            assert!(matches!(recorder.write(io::sink()), Err(FlightError::AfterFork)));
            drop(guard);
            drop(recorder);
            assert!(heap.worst_pauses().len() <= 10);
        }));
        // SAFETY: it ends the child.
        unsafe { _exit(i32::from(worked.is_err())) }
    }
    let mut status = 0;
    // SAFETY: the child is ours, and `status` a place for the answer.
    let waited = unsafe { waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0));
    drop(guard);
    assert!(recorder.write(io::sink()).is_ok(), "the parent's goes on");
}
