//! A program at rest: what a burst took goes back to the system without a call, an idle heap takes
//! next to nothing, and a heap is made quickly.
//!
//! The waits are shortened here. `GC_DEFAULTS=1` takes those of `Heap::new()`, and up to a minute.

use crate::process::{self, cpu};
use crate::retry;
use gc_core::{Gc, GcCell, Heap, HeapBuilder, Root, Trace};
use std::time::{Duration, Instant};

const MB: usize = 1 << 20;

/// RSS in KiB, by `statm`: `status` rounds what each thread has counted.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is there");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4
}

fn builder() -> HeapBuilder {
    if std::env::var_os("GC_DEFAULTS").is_some() {
        Heap::builder()
    } else {
        Heap::builder().idle_after(Duration::from_millis(200)).scavenge_rate(1 << 30)
    }
}

/// A link of 256 bytes.
#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
    rest: [u64; 30],
}

type List = Root<Node<'static>>;

/// Links of a list.
const LINKS: u64 = 1 << 12;

/// A list of 1 MB.
fn list(heap: &Heap) -> List {
    heap.mutate(|mc| {
        let head = Gc::new(mc, Node { next: GcCell::new(None), value: 0, rest: [0; 30] });
        for value in 1..LINKS {
            let next = GcCell::new(head.next.get());
            head.next.set(mc, Some(Gc::new(mc, Node { next, value, rest: [value; 30] })));
        }
        Gc::root(head, mc)
    })
}

/// 200 MB, of which every tenth list is kept.
fn burst(heap: &Heap) -> Vec<List> {
    let mut index = 0;
    let mut lists: Vec<List> = (0..200).map(|_| list(heap)).collect();
    lists.retain(|_| {
        index += 1;
        index % 10 == 0
    });
    lists
}

/// Waits until RSS is down to as many KiB as `kib` says then, and returns how long that took.
fn comes_down_to(kib: impl Fn() -> usize, meanwhile: impl Fn()) -> Duration {
    let begin = Instant::now();
    while resident() > kib() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "RSS is {} KiB after a minute, and should be {}",
            resident(),
            kib()
        );
        meanwhile();
        std::thread::sleep(Duration::from_millis(5));
    }
    begin.elapsed()
}

/// The burst, and then only `meanwhile`.
fn burst_and_rest(what: &str, meanwhile: impl Fn(&Heap)) {
    let before = resident();
    let heap = builder().build().unwrap();
    let kept = std::thread::scope(|s| s.spawn(|| burst(&heap)).join().unwrap());
    let (full, cycles) = (resident(), heap.stats().cycles);
    assert!(full > before + 150 * 1024, "{full} KiB");
    // 20 MB are live, or a little more by what was born black: the goal is twice that.
    let time = comes_down_to(|| before + 42 * 1024 * 11 / 10, || meanwhile(&heap));
    // Where it comes to rest: within a tenth of the goal of then. On a busy machine a cycle costs
    // more, and the next one waits for longer.
    let goal = || heap.stats().goal_bytes as usize / 1024;
    comes_down_to(|| before + goal() * 11 / 10, || ());
    std::thread::sleep(Duration::from_secs(1));
    let (lean, goal, stats) = (resident(), goal(), heap.stats());
    eprintln!(
        "hard: {what}: RSS {before} KiB before the heap, {full} full, {lean} {time:.1?} later; goal {goal}, {} cycles",
        stats.cycles - cycles
    );
    assert!(lean <= before + goal * 11 / 10, "{lean} KiB, goal {goal}, before {before}");
    let sum: u64 = heap.mutate(|mc| {
        let links = |root: &List| std::iter::successors(root.get(mc).next.get(), |n| n.next.get());
        kept.iter().flat_map(|root| links(root).map(|node| node.value + node.rest[29])).sum()
    });
    assert_eq!(sum, 20 * LINKS * (LINKS - 1));
}

// condition (At rest): a burst of 200 MB, of which 16 are kept, then only sleep
// measured: RSS 3 MB before the heap, 251 full, 37.6 at rest; goal 32. In 7 s with short waits, in
//   8.4 s with the defaults (`GC_DEFAULTS=1`)
// bound: 1.1 times the goal within a minute
#[test]
#[cfg_attr(
    any(gc_asan, gc_verify),
    ignore = "it measures the process, of which the checker takes a part"
)]
fn after_a_burst_memory_falls_to_the_goal_without_a_call() {
    process::alone("rest::after_a_burst_memory_falls_to_the_goal_without_a_call", || {
        burst_and_rest("a burst", |_| ());
    });
}

// condition (At rest): the same, and 20 KB every 5 ms
// measured: 37.7 MB after 7 s
// bound: the same
#[test]
#[cfg_attr(
    any(gc_asan, gc_verify),
    ignore = "it measures the process, of which the checker takes a part"
)]
fn a_heap_that_trickles_after_a_burst_comes_down_as_well() {
    process::alone("rest::a_heap_that_trickles_after_a_burst_comes_down_as_well", || {
        burst_and_rest("a burst and a trickle", |heap| {
            // More than a refill's worth, or the collector would not see it.
            heap.mutate(|mc| _ = std::hint::black_box(Gc::from_slice(mc, &[0u8; 20_000])));
        });
    });
}

// condition (At rest): roots of 100 MB dropped after two collections
// measured: 8.7 MB after 2.3 s; 31 s with the defaults
// bound: 6 MB over the baseline within a minute
#[test]
#[cfg_attr(
    any(gc_asan, gc_verify),
    ignore = "it measures the process, of which the checker takes a part"
)]
fn roots_dropped_at_rest_are_noticed() {
    process::alone("rest::roots_dropped_at_rest_are_noticed", || {
        let before = resident();
        let heap = builder().build().unwrap();
        let lists: Vec<List> = (0..100).map(|_| list(&heap)).collect();
        heap.collect().unwrap();
        heap.collect().unwrap();
        drop(lists);
        let time = comes_down_to(|| before + 6 * 1024, || ());
        eprintln!("hard: roots dropped at rest: RSS {} KiB {time:.1?} later", resident());
    });
}

/// CPU time and cycles of three seconds.
fn three_seconds(heap: &Heap) -> (Duration, u64) {
    let (before, cycles) = (cpu(), heap.stats().cycles);
    std::thread::sleep(Duration::from_secs(3));
    (cpu() - before, heap.stats().cycles - cycles)
}

// condition (At rest): an idle heap for 3 s, never used and used
// measured: RSS 3.1 and 4.3 MB; CPU time 1.0 and 0.9 ms; no cycle
// bound: 8 MB; 30 ms; no cycle
#[test]
#[cfg_attr(
    any(gc_asan, gc_verify),
    ignore = "it measures the process, of which the checker takes a part"
)]
fn an_idle_heap_takes_neither_memory_nor_time() {
    process::alone("rest::an_idle_heap_takes_neither_memory_nor_time", || {
        let heap = builder().build().unwrap();
        let (new_cpu, new_cycles) = three_seconds(&heap);
        let new = resident();
        // Used, and at rest again: two cycles, and what looks for roots.
        let kept = list(&heap);
        std::thread::sleep(Duration::from_secs(2));
        let (used_cpu, used_cycles) = three_seconds(&heap);
        let used = resident();
        eprintln!(
            "hard: an idle heap in 3 s: never used: {new_cpu:.1?}, RSS {new} KiB; used: {used_cpu:.1?}, RSS {used} KiB"
        );
        assert_eq!((new_cycles, used_cycles), (0, 0));
        // A wake-up is 10 µs, and there are some ten in a second with these waits.
        let most = Duration::from_millis(30);
        assert!(new_cpu < most && used_cpu < most, "{new_cpu:?}, {used_cpu:?}");
        assert!(new < 8 * MB / 1024 && used < 8 * MB / 1024, "{new} KiB, {used} KiB");
        drop(kept);
    });
}

// condition (At rest): `Heap::new`
// measured: median 22 µs. The first one registers with `membarrier`: 0.11 ms in a process with one
//   thread, some 10 ms in one that has others already
// bound: 1 ms
// cases: release only
#[test]
#[cfg_attr(
    any(debug_assertions, gc_asan, gc_verify),
    ignore = "in a release build only, without a checker: it measures"
)]
fn a_heap_is_made_quickly() {
    process::alone("rest::a_heap_is_made_quickly", || {
        retry::alone(|| {
            let mut times: Vec<Duration> = (0..101)
                .map(|_| {
                    let begin = Instant::now();
                    let heap = Heap::new();
                    let time = begin.elapsed();
                    drop(heap);
                    time
                })
                .collect();
            times.sort_unstable();
            eprintln!(
                "hard: a new heap: {:.1?} (median of 101; longest {:.1?})",
                times[50], times[100]
            );
            retry::judge(times[50] < Duration::from_millis(1), || format!("{:?}", times[50]))
        });
    });
}
