//! What `Heap::metrics` says: the table and its document, figures that are known exactly, and sums
//! that agree while threads run.

#[path = "common/renew.rs"]
mod renew;
#[path = "common/repository.rs"]
mod repository;
#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    Ephemeron, External, Gc, GcCell, GcWeak, GcWeakMap, Heap, Leaf, Metric, MetricKind,
    MetricSample, MetricValue, Metrics, PauseKind, Root, Trace,
};
use renew::renew;
use settle::Settle;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    numbers: [u64; 2],
}

fn node<'gc>(mc: &gc_core::Mutation<'gc>) -> Gc<'gc, Node<'gc>> {
    Gc::new(mc, Node { next: GcCell::new(None), numbers: [1, 2] })
}

#[track_caller]
fn get(metrics: &Metrics, name: &str) -> f64 {
    metrics.get(name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

/// A heap in which no cycle comes by itself.
fn still() -> Heap {
    Heap::builder().min_heap(64 << 20).idle_after(Duration::MAX).build().unwrap()
}

/// The value of the series of `Node`.
#[track_caller]
fn of_node(metrics: &Metrics, name: &str) -> f64 {
    let is_node = |s: &&MetricSample| s.labels.iter().any(|(_, value)| value.contains("Node"));
    let own: Vec<f64> = metrics
        .iter()
        .filter(|sample| sample.metric.name == name)
        .filter(is_node)
        .map(|sample| sample.value.number())
        .collect();
    assert_eq!(own.len(), 1, "{name} of Node");
    own[0]
}

/// Waits until `is_so`, for a minute at most.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what} does not come");
        sleep(Duration::from_millis(5));
    }
}

/// The part of docs/METRICS.md that the table is the source of.
fn table() -> String {
    let mut text = String::new();
    let mut group = "";
    for metric in Metric::all() {
        if metric.group != group {
            group = metric.group;
            let _ = write!(text, "\n## {group}\n\n");
            text.push_str("| name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
        }
        let Metric { name, kind, unit, labels, help, .. } = metric;
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let _ = writeln!(text, "| `{name}` | {kind} | {unit} | {labels} | {help} |");
    }
    text
}

/// With `UPDATE_DOCS=1` in the environment it writes the document.
#[test]
fn the_document_is_the_table() {
    const MARK: &str = "<!-- From here on printed from observe/catalogue.rs: \
                        UPDATE_DOCS=1 cargo test -p gc-core --test metrics -->\n";
    let Some(root) = repository::root("the_document_is_the_table") else { return };
    let path = root.join("docs/METRICS.md");
    let text = fs::read_to_string(&path).expect("docs/METRICS.md is there");
    let (prose, _) = text.split_once(MARK).expect("it has the line that says what is printed");
    renew(&path, &format!("{prose}{MARK}{}", table()), "metrics");
    assert!(Metric::all().len() >= 60);
}

#[test]
fn what_is_known_exactly_is_shown_exactly() {
    let heap = still();
    let kept: Vec<Root<Node<'static>>> = heap.mutate(|mc| {
        let all: Vec<_> = (0..10_000).map(|_| node(mc)).collect();
        all.into_iter().step_by(10).map(|node| Gc::root(node, mc)).collect()
    });
    let large = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[1u8; 100_000]), mc));
    // 682 nodes of 24 bytes to a span of one block.
    let spans = 10_000_f64 / 682.0;
    let before = heap.metrics();
    assert_eq!(of_node(&before, "gc_class_spans"), spans.ceil());
    assert_eq!(of_node(&before, "gc_class_cached_spans"), 1.0);
    assert_eq!(of_node(&before, "gc_class_fresh_refills_total"), spans.ceil());
    assert_eq!(get(&before, "gc_large_objects_total"), 1.0);
    assert_eq!(get(&before, "gc_taken_objects_total"), spans.ceil() * 682.0 + 1.0);
    assert_eq!(
        (get(&before, "gc_cycles_total"), get(&before, "gc_freed_objects_total")),
        (0.0, 0.0)
    );
    heap.settle();
    let after = heap.metrics();
    assert_eq!(get(&after, "gc_live_objects"), 1001.0);
    assert_eq!(get(&after, "gc_live_bytes"), 24_000.0 + 7.0 * 16384.0);
    assert_eq!(get(&after, "gc_freed_objects_total"), 9000.0);
    assert_eq!(
        get(&after, "gc_taken_objects_total") - get(&after, "gc_returned_objects_total"),
        10_001.0
    );
    assert_eq!(of_node(&after, "gc_class_objects"), 1000.0);
    assert_eq!(of_node(&after, "gc_class_spans"), spans.ceil());
    assert_eq!(
        of_node(&after, "gc_class_idle_spans"),
        spans.ceil(),
        "all have room, none is cached"
    );
    assert_eq!(get(&after, "gc_cached_spans"), 0.0);
    assert_eq!((get(&after, "gc_full_spans"), get(&after, "gc_sweep_debt_spans")), (1.0, 0.0));
    assert_eq!(get(&after, "gc_blocks_in_use"), spans.ceil() + 7.0);
    assert_eq!(get(&after, "gc_heap_bytes"), get(&after, "gc_class_span_bytes"));
    let idle = get(&after, "gc_blocks_idle");
    let ratio = idle / (idle + get(&after, "gc_blocks_in_use"));
    assert!((get(&after, "gc_fragmentation_ratio") - ratio).abs() < 1e-12);
    assert_eq!((get(&after, "gc_roots"), get(&after, "gc_threads")), (1001.0, 1.0));
    assert_eq!(get(&after, "gc_cycles_total"), 1.0);
    assert_eq!(get(&after, "gc_marked_objects_total"), 1001.0);
    assert_eq!(get(&after, "gc_marked_bytes_total"), get(&after, "gc_live_bytes"));
    let swept = spans.ceil() + 1.0;
    assert_eq!(get(&after, "gc_swept_spans_total"), swept);
    drop((kept, large));
    let dropped = heap.metrics();
    assert_eq!((get(&dropped, "gc_roots"), get(&dropped, "gc_dropped_roots")), (0.0, 1001.0));
    heap.settle();
    let end = heap.metrics();
    assert_eq!((get(&end, "gc_spans"), get(&end, "gc_live_objects")), (0.0, 0.0));
    assert_eq!(get(&end, "gc_free_slot_ratio"), 0.0);
}

#[test]
fn occupancy_shows_how_full_spans_are() {
    let heap = still();
    let keep = |every: usize| {
        heap.mutate(|mc| {
            let all: Vec<_> = (0..68_200).map(|_| node(mc)).collect();
            let kept = all.into_iter().step_by(every);
            kept.map(|node| Gc::root(node, mc)).collect::<Vec<Root<Node<'static>>>>()
        })
    };
    // A hundred spans with one slot in four taken, and none is half full.
    let kept = keep(4);
    heap.settle();
    let metrics = heap.metrics();
    let sample = metrics.iter().find(|s| s.metric.name == "gc_span_occupancy_ratio").unwrap();
    let MetricValue::Histogram(occupancy) = &sample.value else { panic!("{sample}") };
    let spans: HashMap<String, u64> =
        occupancy.ranges().map(|(to, n, _)| (to.to_string(), n)).collect();
    assert!(spans["0.3"] >= 99 && occupancy.count() <= 101, "{spans:?}");
    assert!((occupancy.sum() / occupancy.count() as f64 - 0.25).abs() < 0.01);
    assert_eq!(occupancy.count() as f64, get(&metrics, "gc_spans"));
    drop(kept);
}

#[test]
fn roots_weak_things_threads_and_external_bytes_are_counted() {
    type Things<'gc> = (GcWeak<'gc, Node<'gc>>, Ephemeron<'gc, Node<'gc>, u64>, External);
    let heap = still();
    let key: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc), mc));
    let map: Root<GcWeakMap<'static, Node<'static>, u64>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, GcWeakMap::<Node<'_>, u64>::new()), mc));
    assert_eq!(get(&heap.metrics(), "gc_weak_maps"), 0.0, "nothing was inserted");
    let things: Root<Things<'static>> = heap.mutate(|mc| {
        let key = key.get(mc);
        map.get(mc).insert(mc, key, Gc::new(mc, 1));
        map.get(mc).insert(mc, key, Gc::new(mc, 2));
        let weak = Gc::downgrade(key, mc);
        let ephemeron = Ephemeron::new(mc, key, Gc::new(mc, 3u64));
        Gc::root(Gc::new(mc, (weak, ephemeron, External::new(mc, 1000))), mc)
    });
    heap.settle();
    let metrics = heap.metrics();
    assert_eq!((get(&metrics, "gc_weak_maps"), get(&metrics, "gc_weak_boxes")), (1.0, 1.0));
    assert_eq!(get(&metrics, "gc_ephemerons"), 2.0, "one of the map, one by itself");
    assert_eq!((get(&metrics, "gc_roots"), get(&metrics, "gc_external_bytes")), (3.0, 1000.0));
    scope(|s| {
        s.spawn(|| {
            let _mutator = heap.mutator();
            assert_eq!(get(&heap.metrics(), "gc_threads"), 2.0);
        });
    });
    let inside = heap.mutate(|_| heap.metrics());
    assert_eq!((get(&inside, "gc_threads"), get(&inside, "gc_pinned_threads")), (1.0, 1.0));
    assert_eq!(get(&inside, "gc_thread_records"), 2.0);
    assert!(get(&inside, "gc_heaps") >= 1.0);
    drop((map, things));
    heap.settle();
    let metrics = heap.metrics();
    assert_eq!((get(&metrics, "gc_weak_maps"), get(&metrics, "gc_ephemerons")), (0.0, 0.0));
    assert_eq!(get(&metrics, "gc_external_bytes"), 0.0);
    drop(key);
}

#[test]
fn cycles_and_handshakes_are_timed() {
    let heap = still();
    let (held, is_held) = channel();
    scope(|s| {
        s.spawn(|| {
            heap.mutate(|mc| {
                held.send(()).unwrap();
                while !mc.is_awaited() {
                    sleep(Duration::from_millis(1));
                }
                // What the collector waits for.
                sleep(Duration::from_millis(50));
            });
        });
        is_held.recv().unwrap();
        heap.collect().unwrap();
    });
    let metrics = heap.metrics();
    assert_eq!(get(&metrics, "gc_cycles_total"), 1.0);
    assert_eq!(get(&metrics, "gc_cycle_seconds"), 1.0);
    let handshakes = get(&metrics, "gc_handshakes_total");
    assert_eq!(handshakes, get(&metrics, "gc_handshake_seconds"));
    assert_eq!(handshakes, heap.stats().handshakes as f64);
    assert!(get(&metrics, "gc_stragglers_total") >= 1.0);
    assert!(get(&metrics, "gc_straggler_seconds") >= 0.05);
    let sum = |name: &str| {
        let sample = metrics.iter().find(|sample| sample.metric.name == name).unwrap();
        let MetricValue::Histogram(times) = &sample.value else { panic!("{sample}") };
        times.sum()
    };
    let phases = get(&metrics, "gc_phase_seconds_total");
    let (cycle, handshake) = (sum("gc_cycle_seconds"), sum("gc_handshake_seconds"));
    assert!(handshake >= 0.048 && cycle >= handshake * 0.92, "{handshake} of {cycle}");
    assert!(phases >= 0.05 && phases <= cycle * 1.05, "{phases} of {cycle}");
    assert!(get(&metrics, "gc_collector_cpu_seconds_total") > 0.0);
}

struct Blocks(Mutex<Receiver<()>>);
impl Drop for Blocks {
    fn drop(&mut self) {
        let _ = self.0.get_mut().unwrap().recv();
    }
}

#[test]
fn a_destructor_that_does_not_return_is_seen() {
    let heap = Heap::new();
    let (release, blocks) = channel();
    heap.mutate(|mc| {
        Gc::new(mc, Leaf(Blocks(Mutex::new(blocks))));
    });
    assert_eq!(get(&heap.metrics(), "gc_drop_running_seconds"), 0.0);
    heap.collect().unwrap();
    wait_until("a slow drop", || get(&heap.metrics(), "gc_slow_drops_total") == 1.0);
    let metrics = heap.metrics();
    assert!(get(&metrics, "gc_drop_running_seconds") >= 1.0);
    assert!(get(&metrics, "gc_undropped_age_seconds") >= 1.0);
    assert_eq!(get(&metrics, "gc_undropped_objects"), 1.0);
    assert_eq!(get(&metrics, "gc_class_objects"), 0.0, "what waits is no object any more");
    drop(release);
    heap.settle();
    let metrics = heap.metrics();
    assert_eq!(get(&metrics, "gc_drop_running_seconds"), 0.0);
    assert_eq!(get(&metrics, "gc_undropped_bytes"), 0.0);
}

#[test]
fn limits_are_shown_as_they_are_now() {
    let heap = Heap::new();
    let metrics = heap.metrics();
    assert_eq!(get(&metrics, "gc_memory_limit_bytes"), f64::INFINITY);
    assert_eq!(get(&metrics, "gc_heap_limit_bytes"), get(&metrics, "gc_reserved_bytes"));
    assert_eq!((get(&metrics, "gc_near_limit"), get(&metrics, "gc_growth_percent")), (0.0, 100.0));
    heap.set_heap_limit(8 << 20).unwrap();
    heap.set_memory_limit(6 << 20).unwrap();
    heap.set_gc_percent(50).unwrap();
    let kept: Vec<Root<[u8]>> = (0..100)
        .map(|_| heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[0u8; 48 << 10]), mc)))
        .collect();
    wait_until("the new limit", || get(&heap.metrics(), "gc_memory_limit_bytes").is_finite());
    let metrics = heap.metrics();
    assert_eq!(get(&metrics, "gc_heap_limit_bytes"), (8 << 20) as f64);
    assert_eq!(get(&metrics, "gc_memory_limit_bytes"), (6 << 20) as f64);
    assert_eq!(get(&metrics, "gc_growth_percent"), 50.0);
    let used = get(&metrics, "gc_heap_bytes") / (6 << 20) as f64;
    assert!((get(&metrics, "gc_limit_used_ratio") - used).abs() < 1e-9 && used > 0.7);
    let pause = heap.pause_collection(5 << 20);
    assert_eq!(get(&heap.metrics(), "gc_collection_paused_below_bytes"), (5 << 20) as f64);
    drop((pause, kept));
    assert_eq!(get(&heap.metrics(), "gc_collection_paused_below_bytes"), 0.0);
}

#[test]
fn pauses_are_shown_by_kind() {
    let heap = Heap::new();
    heap.mutate(|mc| {
        node(mc);
    });
    let metrics = heap.metrics();
    let refill = metrics.find("gc_pause_seconds", "Refill").expect("there was a refill");
    let MetricValue::Histogram(times) = &refill.value else { panic!("{refill}") };
    let pauses = heap.pauses();
    assert_eq!(times.count(), pauses.of(PauseKind::Refill).len());
    let max = metrics.find("gc_pause_max_seconds", "Refill").unwrap().value.number();
    assert!((times.sum() - max).abs() <= max * 0.05, "one pause: {} and {max}", times.sum());
    assert!(metrics.find("gc_pause_seconds", "Stall").is_none(), "there was none");
}

/// What the documentation of `Heap::metrics` promises of any reading.
#[track_caller]
fn check_sums(now: &Metrics) {
    let of = |name: &str| get(now, name);
    for what in ["objects", "bytes"] {
        let [taken, returned, freed] =
            ["taken", "returned", "freed"].map(|verb| of(&format!("gc_{verb}_{what}_total")));
        assert_eq!(of(&format!("gc_live_{what}")), taken - returned - freed, "{what}");
    }
    let misses = of("gc_cache_misses_total");
    let sum = of("gc_cache_hits_total") + misses + of("gc_large_objects_total");
    assert_eq!(of("gc_allocated_objects_total"), sum);
    assert_eq!(misses, of("gc_central_refills_total") + of("gc_fresh_refills_total"));
    for (all, each) in [
        ("gc_spans", "gc_class_spans"),
        ("gc_cached_spans", "gc_class_cached_spans"),
        ("gc_idle_spans", "gc_class_idle_spans"),
        ("gc_spans", "gc_span_occupancy_ratio"),
    ] {
        assert_eq!(of(all), of(each), "{all}");
    }
    assert!(of("gc_cached_spans") <= of("gc_spans"));
    assert!(of("gc_class_bytes") <= of("gc_class_span_bytes"));
    assert!(of("gc_metadata_in_use_bytes") <= of("gc_metadata_bytes"));
    assert_eq!(of("gc_heap_bytes"), of("gc_blocks_in_use") * 16384.0);
    assert_eq!(of("gc_handshakes_total"), of("gc_handshake_seconds"));
    for name in ["gc_fragmentation_ratio", "gc_free_slot_ratio"] {
        assert!((0.0..=1.0).contains(&of(name)), "{name}");
    }
    for sample in now.iter() {
        assert!(!sample.value.number().is_nan(), "{sample}");
    }
}

/// Nothing that only grows has shrunk.
fn check_growth(before: &Metrics, now: &Metrics) {
    let key = |sample: &MetricSample| (sample.metric.name, sample.labels.clone());
    let now: HashMap<_, _> = now.iter().map(|sample| (key(sample), &sample.value)).collect();
    for sample in before.iter() {
        match sample.metric.kind {
            MetricKind::Counter => {
                let value = now[&key(sample)].number();
                assert!(value >= sample.value.number(), "{sample} became {value}");
            }
            MetricKind::Histogram => {
                let (MetricValue::Histogram(before), MetricValue::Histogram(now)) =
                    (&sample.value, now[&key(sample)])
                else {
                    panic!("{sample} is no histogram")
                };
                for (before, now) in before.ranges().zip(now.ranges()) {
                    assert!(now.1 >= before.1, "{sample}: {before:?} became {now:?}");
                }
            }
            _ => {}
        }
    }
}

/// Threads allocate, drop and end while another reads again and again; then all is still and the
/// two ways of counting agree.
#[test]
fn sums_agree_while_threads_run() {
    const THREADS: usize = 3;
    let seconds = if cfg!(debug_assertions) { 3 } else { 2 };
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let stop = AtomicBool::new(false);
    let allocated = Arc::new(Mutex::new(0u64));
    let kept: Root<Node<'static>> = heap.mutate(|mc| Gc::root(node(mc), mc));
    scope(|s| {
        for thread in 0..THREADS {
            let (heap, stop, allocated, kept) = (&heap, &stop, allocated.clone(), &kept);
            s.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // A new record now and then, and spans that are given back half used.
                    let mutator = heap.mutator();
                    let mut own = 0;
                    for i in 0..200 {
                        own += mutator.mutate(|mc| {
                            for _ in 0..50 {
                                let node = node(mc);
                                node.next.set(mc, kept.get(mc).next.get());
                                if i % 10 == 0 {
                                    kept.get(mc).next.set(mc, Some(node));
                                }
                            }
                            if i % 50 == thread {
                                kept.get(mc).next.set(mc, None);
                                Gc::from_slice(mc, &[0u8; 40_000]);
                                Gc::new(mc, String::from("dropped"));
                                return 52;
                            }
                            50
                        });
                    }
                    *allocated.lock().unwrap() += own;
                }
            });
        }
        let begin = Instant::now();
        let mut before = heap.metrics();
        let mut readings = 0;
        // On a busy machine it takes longer, so there is a minute for it.
        let is_enough = |readings: i32| readings > 20 && heap.stats().cycles > 3;
        let is_over = |seconds| begin.elapsed() >= Duration::from_secs(seconds);
        while !is_over(seconds) || !is_enough(readings) && !is_over(60) {
            let now = heap.metrics();
            check_sums(&now);
            check_growth(&before, &now);
            before = now;
            readings += 1;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(is_enough(readings), "only {readings} readings");
    });
    heap.settle();
    let (end, stats) = (heap.metrics(), heap.stats());
    check_sums(&end);
    assert!(get(&end, "gc_cycles_total") > 3.0, "the heap was collected meanwhile");
    let allocated = *allocated.lock().unwrap() + 1;
    assert_eq!(stats.allocated_objects, allocated);
    let kept_back = get(&end, "gc_taken_objects_total") - get(&end, "gc_returned_objects_total");
    assert_eq!(kept_back, allocated as f64, "every object was counted once");
    assert_eq!(get(&end, "gc_live_objects"), get(&end, "gc_class_objects"));
    assert_eq!(get(&end, "gc_live_bytes"), get(&end, "gc_class_bytes"));
    assert_eq!(get(&end, "gc_heap_bytes"), get(&end, "gc_class_span_bytes"));
    assert_eq!(get(&end, "gc_class_central_refills_total"), stats.refills_reused as f64);
    assert_eq!(get(&end, "gc_class_fresh_refills_total"), stats.refills_fresh as f64);
    assert_eq!(get(&end, "gc_assists_total"), heap.pauses().of(PauseKind::Assist).len() as f64);
    // The count runs ahead by a span for each thread and class, and stays at its most.
    let ahead = get(&end, "gc_allocated_objects_total") - allocated as f64;
    assert!((0.0..=(THREADS * 682 * 4) as f64).contains(&ahead), "{ahead} ahead");
    assert_eq!((get(&end, "gc_cached_spans"), get(&end, "gc_skipped_spans")), (0.0, 0.0));
    drop(kept);
}
