//! Few objects of many types on many threads.

use crate::settle::Settle;
use gc_core::{AllocError, Gc, Heap, Root, Trace};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};

const THREADS: usize = 64;
const TYPES: u64 = 100;
const MIB: u64 = 1 << 20;

/// A type for each `N`.
#[derive(Trace)]
struct Kind<'gc, const N: usize> {
    next: Option<Gc<'gc, u64>>,
    bytes: [u8; N],
}

type Kept = Box<dyn Send>;

/// Makes an object, and keeps it.
type Make = fn(&Heap) -> Result<Kept, AllocError>;

fn one<const N: usize>(heap: &Heap) -> Result<Kept, AllocError> {
    let root: Root<Kind<'static, N>> = heap.mutate(|mc| {
        let kind = Gc::try_new(mc, Kind { next: None, bytes: [N as u8; N] })?;
        assert!(kind.next.is_none() && kind.bytes.iter().all(|&byte| byte == N as u8));
        Ok::<_, AllocError>(Gc::root(kind, mc))
    })?;
    Ok(Box::new(root))
}

macro_rules! ten {
    ($($tens:literal)*) => { [$(
        one::<{ $tens * 10 }>, one::<{ $tens * 10 + 1 }>, one::<{ $tens * 10 + 2 }>,
        one::<{ $tens * 10 + 3 }>, one::<{ $tens * 10 + 4 }>, one::<{ $tens * 10 + 5 }>,
        one::<{ $tens * 10 + 6 }>, one::<{ $tens * 10 + 7 }>, one::<{ $tens * 10 + 8 }>,
        one::<{ $tens * 10 + 9 }>,
    )*] };
}
const ALL: [Make; TYPES as usize] = ten!(0 1 2 3 4 5 6 7 8 9);

/// What the heap took, in MiB, when all threads had made their objects, and after a cycle. The
/// threads live both times.
struct Taken {
    made: f64,
    settled: f64,
    refused: u64,
}

/// Each thread makes `each` objects of each type; in step, if so.
fn make_all(heap: &Heap, each: usize, in_step: bool, name: &str) -> Taken {
    let (refused, step) = (AtomicU64::new(0), Barrier::new(THREADS));
    let (made, done) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let taken = |heap: &Heap| heap.stats().heap_bytes as f64 / MIB as f64;
    let result = std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                let mut kept = Vec::new();
                for make in ALL {
                    if in_step {
                        step.wait();
                    }
                    for _ in 0..each {
                        match make(heap) {
                            Ok(root) => kept.push(root),
                            Err(_) => _ = refused.fetch_add(1, SeqCst),
                        }
                    }
                }
                made.wait();
                done.wait();
            });
        }
        made.wait();
        let made = taken(heap);
        heap.settle();
        let result = Taken { made, settled: taken(heap), refused: refused.load(SeqCst) };
        let live = heap.stats().live_objects + result.refused;
        done.wait();
        assert_eq!(live, THREADS as u64 * TYPES * each as u64);
        result
    });
    eprintln!(
        "hard: {THREADS} threads, {each} objects of each of {TYPES} types, {name}: heap {:.1} MiB, \
         {:.1} after a cycle, {} refusals",
        result.made, result.settled, result.refused
    );
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0);
    result
}

// condition (Threads): 64 threads, one object of each of 100 types on each
// measured: heap 1.6 MiB, and 1.6 after a cycle; a span for each type on each thread would be 100
//   MiB. Release, 300 types: 355 spans, 5.5 MiB (245 to 284 MiB with a span each)
// bound: 8 MiB; 6 MiB after a cycle
// condition (Threads): the same with `heap_limit` 8 MiB
// measured: no refusal
// bound: none
#[test]
fn few_objects_of_many_types_share_spans() {
    let taken = make_all(&Heap::new(), 1, false, "no limit");
    // A span for each type is 1.6 MiB, and a span for each type on each thread 100.
    assert!(taken.made < 8.0, "{} MiB", taken.made);
    assert!(taken.settled < 6.0, "{} MiB", taken.settled);
    let heap = Heap::builder().heap_limit(8 << 20).build().unwrap();
    let taken = make_all(&heap, 1, false, "limit of 8 MiB");
    assert_eq!(taken.refused, 0);
}

// condition (Threads): the same, all threads at each type at once
// measured: heap 2.2 MiB
// bound: 16 MiB
#[test]
fn threads_in_step_share_spans() {
    let taken = make_all(&Heap::new(), 1, true, "in step");
    assert!(taken.made < 16.0, "{} MiB", taken.made);
}

// condition (Threads): the same with 100 objects of each type
// measured: heap 88 MiB for 37 MiB of objects
// bound: 8 times
#[test]
fn what_a_thread_holds_is_a_few_times_what_it_took() {
    // 100 objects are 10 KiB of the largest type and 1.6 KiB of the smallest, 6 KiB on average.
    let taken = make_all(&Heap::new(), 100, false, "no limit");
    let live = (THREADS as f64) * (TYPES as f64) * 6.0 / 1024.0;
    assert!(taken.made < 8.0 * live, "{} MiB for {live}", taken.made);
}

// condition (Threads): 3,000 threads, 100 at once, one object of one type each
// measured: 12 spans, and 12 after a cycle
// bound: 30
#[test]
fn thousands_of_threads_with_one_object_each_share_spans() {
    const AT_ONCE: usize = 100;
    let heap = Heap::new();
    let kept = Mutex::new(Vec::new());
    for _ in 0..30 {
        let all = Barrier::new(AT_ONCE);
        std::thread::scope(|s| {
            for _ in 0..AT_ONCE {
                s.spawn(|| {
                    let root = one::<24>(&heap).unwrap();
                    kept.lock().unwrap().push(root);
                    // None ends before all have made theirs.
                    all.wait();
                });
            }
        });
    }
    let made = heap.stats().spans_in_use;
    heap.settle();
    let settled = heap.stats().spans_in_use;
    eprintln!("hard: 3,000 threads with an object of 32 bytes each: {made} spans, then {settled}");
    // 512 of them fit into a span.
    assert!(made < 30 && settled < 30, "{made} and {settled} spans");
}
