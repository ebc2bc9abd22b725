//! Pacing from outside: how far the heap grows, what a limit costs, and the effect of external
//! memory. `src/pacing/simulate.rs` tests the arithmetic alone, under a simulated program.

#[path = "common/retry.rs"]
mod retry;
#[path = "common/settle.rs"]
mod settle;

use gc_core::{ConfigError, External, Gc, GcCell, Heap, Mutator, Root, Trace};
use settle::Settle;
use std::time::{Duration, Instant};

const MB: u64 = 1 << 20;

/// A link of a list.
#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

type Table = Root<[GcCell<'static, Node<'static>>]>;

/// A table of `n` slots, each with a node.
fn table(mutator: &Mutator, n: usize) -> Table {
    let table: Table = mutator
        .mutate(|mc| Gc::root(Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node>::new(None))), mc));
    for i in 0..n {
        replace(mutator, &table, i);
        if i % 1000 == 0 {
            think();
        }
    }
    table
}

/// What a program does besides allocating. With this after every thousand objects it allocates
/// about 80 MB a second.
fn think() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(250) {
        std::hint::spin_loop();
    }
}

fn replace(mutator: &Mutator, table: &Table, i: usize) {
    mutator.mutate(|mc| {
        let node = Gc::new(mc, Node { next: GcCell::new(None), value: i as u64 });
        table.get(mc)[i].set(mc, Some(node));
    });
}

/// Replaces nodes in a scattered order for `time`; calls `each` after every thousand. Returns how
/// many were.
fn churn(
    mutator: &Mutator,
    table: &Table,
    n: usize,
    time: Duration,
    mut each: impl FnMut(),
) -> u64 {
    let (begin, mut done) = (Instant::now(), 0u64);
    while begin.elapsed() < time {
        for _ in 0..1000 {
            replace(mutator, table, (done.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % n);
            done += 1;
        }
        each();
    }
    done
}

/// CPU time of this process's threads called `gc`, or of all, in ticks of the system.
#[cfg(target_os = "linux")]
fn cpu_ticks(of_collector: bool) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).ok();
    let sum = tasks.flatten().filter_map(stat).map(|stat| {
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let is_collector = name.ends_with("(gc");
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        if is_collector || !of_collector { fields[11] + fields[12] } else { 0 }
    });
    sum.sum()
}

/// On a machine with other work the collector gets less than a core, so the test looks at the
/// middle of all cycles.
#[test]
fn in_steady_state_the_heap_stays_near_its_goal() {
    retry::alone(|| {
        const N: usize = 400_000;
        let heap = Heap::new();
        let mutator = heap.mutator();
        let table = table(&mutator, N);
        churn(&mutator, &table, N, Duration::from_millis(500), || ());
        let (mut cycle, mut peak, mut peaks) = (heap.stats().cycles, 0.0f64, Vec::new());
        let begin = Instant::now();
        while peaks.len() < 9 {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "{} cycles in a minute",
                peaks.len()
            );
            churn(&mutator, &table, N, Duration::from_secs(2), || {
                let now = heap.stats();
                if now.cycles != cycle {
                    peaks.push(std::mem::take(&mut peak));
                    cycle = now.cycles;
                }
                peak = peak.max(now.paced_bytes as f64 / now.goal_bytes as f64);
            });
        }
        peaks.sort_by(f64::total_cmp);
        let median = peaks[peaks.len() / 2];
        retry::judge(0.6 < median && median < 1.1, || format!("peak over goal: {peaks:?}"))
    });
}

/// 95 % of the limit is live. Cycles follow each other, and the program still makes progress.
#[test]
#[cfg(target_os = "linux")]
fn near_the_soft_limit_the_collector_takes_half_of_the_time() {
    retry::alone(|| {
        const N: usize = 600_000;
        let live = {
            let heap = Heap::new();
            let mutator = heap.mutator();
            let _table = table(&mutator, N);
            heap.settle();
            heap.stats().heap_bytes
        };
        let limit = live * 100 / 95;
        let heap = Heap::builder().memory_limit(limit as usize).build().unwrap();
        let mutator = heap.mutator();
        let table = table(&mutator, N);
        churn(&mutator, &table, N, Duration::from_millis(500), think);
        let (collector, all, cycles) = (cpu_ticks(true), cpu_ticks(false), heap.stats().cycles);
        let mut peak = 0;
        let done = churn(&mutator, &table, N, Duration::from_secs(3), || {
            peak = peak.max(heap.stats().heap_bytes);
            think();
        });
        let collector = (cpu_ticks(true) - collector) as f64;
        let share = collector / (cpu_ticks(false) - all) as f64;
        let cycles = heap.stats().cycles - cycles;
        println!(
            "share {share:.2}, {cycles} cycles, {done} stores, peak {:.2}",
            peak as f64 / limit as f64
        );
        let holds = share < 0.55 && cycles >= 4 && done > 100_000 && peak < limit * 3 / 2;
        retry::judge(holds, || {
            format!("share {share}, {cycles} cycles, {done} stores, {peak} of {limit} bytes")
        })
    });
}

#[derive(Trace)]
struct Buffer {
    bytes: Vec<u8>,
    external: External,
}

#[test]
fn external_bytes_make_cycles() {
    let _turn = retry::turn();
    let heap = Heap::new();
    let mutator = heap.mutator();
    let mut most = 0;
    for _ in 0..1000 {
        mutator.mutate(|mc| {
            let bytes = Vec::with_capacity(1 << 20);
            let external = External::new(mc, bytes.capacity());
            let buffer = Gc::new(mc, Buffer { bytes, external });
            assert_eq!(buffer.external.bytes(), buffer.bytes.capacity());
        });
        most = most.max(heap.stats().external_bytes);
        think();
    }
    // The objects themselves are 100 KB: without the bytes no cycle would come.
    assert!(heap.stats().cycles > 5, "{:?}", heap.stats());
    assert!(most < 1000 * MB, "{most}");
    heap.settle();
    assert_eq!(heap.stats().external_bytes, 0);
}

#[test]
fn external_bytes_may_outlive_the_heap() {
    let _turn = retry::turn();
    let heap = Heap::new();
    let mut external = heap.mutate(|mc| External::new(mc, 1000));
    let other = heap.mutate(|mc| External::new(mc, 24));
    assert_eq!(heap.stats().external_bytes, 1024);
    heap.mutate(|mc| external.resize(mc, 0));
    assert_eq!((external.bytes(), heap.stats().external_bytes), (0, 24));
    assert_eq!(format!("{external:?}"), "External(0 bytes)");
    drop(heap);
    drop((external, other));
}

#[test]
fn external_bytes_count_under_the_soft_limit() {
    retry::alone(|| {
        let heap =
            Heap::builder().memory_limit(64 * MB as usize).min_heap(MB as usize).build().unwrap();
        let mutator = heap.mutator();
        // 40 MB stay; 100 % more would be over the limit.
        let kept: Vec<Root<Buffer>> = (0..40)
            .map(|_| {
                mutator.mutate(|mc| {
                    let external = External::new(mc, MB as usize);
                    Gc::root(Gc::new(mc, Buffer { bytes: Vec::new(), external }), mc)
                })
            })
            .collect();
        heap.settle();
        assert!(heap.stats().goal_bytes <= 65 * MB, "{:?}", heap.stats());
        let mut most = 0;
        for _ in 0..400 {
            mutator.mutate(|mc| {
                let external = External::new(mc, MB as usize / 4);
                Gc::new(mc, Buffer { bytes: Vec::new(), external });
            });
            std::thread::sleep(Duration::from_micros(500));
            most = most.max(heap.stats().external_bytes);
        }
        drop(kept);
        retry::judge(most < 80 * MB, || format!("{most} bytes"))
    });
}

#[test]
fn the_limit_of_a_cgroup_is_a_part_of_it() {
    let _turn = retry::turn();
    for percent in [0, 101] {
        let error = Heap::builder().cgroup_memory_limit(percent).build().unwrap_err();
        assert!(matches!(error, ConfigError::OutOfRange { setting: "cgroup_memory_limit", .. }));
    }
    let heap = Heap::builder().cgroup_memory_limit(100).build().unwrap();
    assert_eq!(heap.mutate(|mc| *Gc::new(mc, 7)), 7);
}

#[test]
fn external_bytes_outlive_their_heap_and_are_no_other_heap_s() {
    let _turn = retry::turn();
    let heap = Heap::new();
    let mut kept = heap.mutate(|mc| External::new(mc, 100));
    drop(heap);
    // Each of these heaps ends without bytes, so the next one gets its count.
    for round in 0..10 {
        let heap = Heap::new();
        let own = heap.mutate(|mc| External::new(mc, 1000 + round));
        assert_eq!(heap.stats().external_bytes, 1000 + round as u64);
        drop(own);
        assert_eq!(heap.stats().external_bytes, 0);
    }
    let heap = Heap::new();
    heap.mutate(|mc| {
        kept.resize(mc, 300);
        assert_eq!(heap.stats().external_bytes, 0, "the bytes are still the ended heap's");
        kept.resize(mc, 0);
        kept.resize(mc, 50);
    });
    assert_eq!(heap.stats().external_bytes, 50, "without bytes it had no heap");
}

#[test]
fn external_bytes_of_many_threads_add_up() {
    let _turn = retry::turn();
    let heap = Heap::new();
    let all: Vec<Vec<External>> = std::thread::scope(|s| {
        let work = || {
            let take = |i| heap.mutate(|mc| External::new(mc, i));
            (1..=1000).map(take).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| s.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(heap.stats().external_bytes, 4 * 500_500);
    drop(all);
    assert_eq!(heap.stats().external_bytes, 0);
}
