//! A mutator that stays in `mutate` for a second while others allocate: the cycle waits, no thread
//! does, the limit bounds the memory, and the cycle trace names the thread.

use crate::common::{Canary, counter};
use crate::process::{Again, is_child};
use crate::retry;
use crate::settle::Settle;
use gc_core::{Gc, Heap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// What two threads saw while a third one stayed in `mutate` for a second.
struct Seen {
    peak: u64,
    pins: u64,
    longest: Duration,
    cycles: u64,
}

fn with_a_sleeper(heap: &Heap, name: &str) -> Seen {
    let (asleep, awake) = (AtomicBool::new(false), AtomicBool::new(false));
    let (pins, longest, peak) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let mut cycles = 0;
    let drops = counter();
    std::thread::scope(|s| {
        s.spawn(|| {
            let mutator = heap.mutator();
            eprintln!("hard: {name} sleeper is {mutator:?}");
            mutator.mutate(|mc| {
                let held = Gc::new(mc, Canary(drops.clone()));
                asleep.store(true, SeqCst);
                std::thread::sleep(SECOND);
                awake.store(true, SeqCst);
                assert_eq!(held.0.load(SeqCst), 0, "what a pin holds lives");
            });
        });
        while !asleep.load(SeqCst) {
            std::thread::yield_now();
        }
        let before = heap.stats().cycles;
        for _ in 0..2 {
            s.spawn(|| {
                while !awake.load(SeqCst) {
                    let begin = Instant::now();
                    heap.mutate(|mc| (0..50).for_each(|_| _ = Gc::new(mc, [1u64; 8])));
                    longest.fetch_max(begin.elapsed().as_micros() as u64, SeqCst);
                    peak.fetch_max(heap.stats().heap_bytes, SeqCst);
                    pins.fetch_add(1, SeqCst);
                }
            });
        }
        std::thread::sleep(SECOND * 9 / 10);
        let ended = heap.stats().cycles - before;
        // Read while the sleeper was certainly still inside.
        if !awake.load(SeqCst) {
            cycles = ended;
        }
    });
    let longest = Duration::from_micros(longest.load(SeqCst));
    Seen { peak: peak.load(SeqCst), pins: pins.load(SeqCst), longest, cycles }
}

fn both_heaps() {
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    let free = with_a_sleeper(&heap, "first");
    eprintln!(
        "hard: one second in mutate: others had {} pins, the longest {:?}; heap {} KiB; {} cycles",
        free.pins,
        free.longest,
        free.peak >> 10,
        free.cycles
    );
    assert!(free.cycles <= 1, "the cycle waits for the pin: {} ended", free.cycles);
    if free.pins <= 1000 || free.longest >= SECOND / 2 {
        eprintln!("missed: {} pins, the longest {:?}", free.pins, free.longest);
    }
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);

    const LIMIT: usize = 32 << 20;
    let heap = Heap::builder().min_heap(1 << 20).heap_limit(LIMIT).build().unwrap();
    let bound = with_a_sleeper(&heap, "second");
    eprintln!(
        "hard: the same with a limit of {} KiB: {} pins, the longest {:?}; heap {} KiB",
        LIMIT >> 10,
        bound.pins,
        bound.longest,
        bound.peak >> 10
    );
    // No thread got an error: at the limit threads wait between two pins.
    assert!(bound.peak <= LIMIT as u64, "{} bytes", bound.peak);
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);
}

/// The numbers after `before` in each line.
fn numbers<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    let rest = line.split(before).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()
}

// condition (Threads): a second in `mutate` while two threads allocate
// measured: no cycle ends; the others' longest `mutate` 5 to 26 ms; heap grows to 210 MB without a
//   limit; the trace says `straggler 1017.772 ms (thread 0)`
// bound: 1 cycle; 500 ms; the line names the thread
// condition (Threads): the same with `heap_limit` 32 MiB
// measured: heap 30.8 to 32.2 MB; the others wait between two pins, at most 0.1 s each time; no
//   error
// bound: the limit
#[test]
fn a_second_in_mutate_bounds_memory_and_names_the_straggler() {
    if is_child() {
        return both_heaps();
    }
    retry::alone(a_run_of_both_heaps);
}

/// How far the sleeper delays the others, and what the trace says, are matters of time.
fn a_run_of_both_heaps() -> Result<(), String> {
    let run = Again::new("pin::a_second_in_mutate_bounds_memory_and_names_the_straggler");
    let run = run.env("GC_TRACE", "2").run();
    run.must_pass();
    if let Some(missed) = run.errors.lines().find(|line| line.starts_with("missed: ")) {
        return Err(missed.to_owned());
    }
    let handshakes = run.errors.lines().filter(|line| line.contains(" threads in ")).count();
    let cycles = run.errors.lines().filter(|line| line.contains(" marked")).count();
    assert!(cycles > 0 && handshakes >= 3 * cycles, "{handshakes} handshakes in {cycles} cycles");
    for name in ["first", "second"] {
        let sleeper = run.errors.lines().find(|line| line.contains(&format!("{name} sleeper")));
        let number = numbers(sleeper.expect("the sleeper says its number"), "number: ").unwrap();
        let named = run.errors.lines().find(|line| {
            let wait = numbers(line, "straggler ").and_then(|ms| ms.parse::<f64>().ok());
            line.starts_with("gc ")
                && wait.is_some_and(|ms| ms > 500.0)
                && line.contains(&format!("(thread {number}, mutate at "))
                && line.contains("pin.rs:")
        });
        let Some(line) = named else {
            return Err(format!("no line for thread {number}:\n{}", run.errors));
        };
        eprintln!("hard: {line}");
    }
    Ok(())
}

// condition (Threads): a pin while marking ends, in a heap full of garbage
// measured: spans without a live object are free before the sweep, which waits for the pin
// bound: 50 spans, in one of 1,000 pins
/// Marking ends while this thread stays in `mutate`. The sweep waits for it, so the cycle does not
/// end; but spans that are dead as a whole are free at once, for threads that allocate meanwhile.
#[test]
fn dead_spans_are_freed_while_the_sweep_waits_for_a_pin() {
    const MS: Duration = Duration::from_millis(1);
    let heap = Heap::builder().min_heap(64 << 20).build().unwrap();
    let end = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !end.load(SeqCst) {
                heap.settle();
            }
        });
        let seen = (0..1000).any(|_| {
            heap.mutate(|mc| (0..40_000).for_each(|_| _ = Gc::new(mc, [1u64; 4])));
            // This pin may lie anywhere in a cycle; now and then it lies where marking ends.
            heap.mutate(|_| {
                let before = heap.stats();
                std::thread::sleep(5 * MS);
                let freed = heap.stats().spans_in_use + 50 < before.spans_in_use;
                freed && {
                    // Nor is it the end of a sweep that had begun before.
                    std::thread::sleep(20 * MS);
                    heap.stats().cycles == before.cycles
                }
            })
        });
        end.store(true, SeqCst);
        assert!(seen, "no span was freed before the sweep");
    });
}
