//! A snapshot of a large table while threads change it: what it costs them, how long it takes, and
//! what memory.
//!
//! ```text
//! cargo run --release --example snapshot --features snapshot -- [OBJECTS] [THREADS] [FILE]
//! ```
//!
//! The table and what an operation does are those of the workload `mutate` of the benchmarks: a
//! node goes to a random slot, and its `next` is the node of another slot. The program first runs
//! without a snapshot for as long as with one, and prints the longest pauses of both.

use gc_core::{Gc, GcCell, Heap, Root, Trace};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    words: [u64; 4],
}

#[derive(Trace)]
struct Table<'gc> {
    parts: Vec<Gc<'gc, [GcCell<'gc, Node<'gc>>]>>,
}

const PART: usize = 4096;

fn fill(heap: &Heap, objects: usize) -> Root<Table<'static>> {
    let mut table: Root<Table<'static>> = heap.mutate(|mc| mc.root(Table { parts: Vec::new() }));
    for _ in 0..objects / PART {
        table = heap.mutate(|mc| {
            let new = || Gc::new(mc, Node { next: GcCell::new(None), words: [0; 4] });
            let part = Gc::from_iter_in(mc, (0..PART).map(|_| GcCell::new(Some(new()))));
            let mut parts = table.get(mc).parts.clone();
            parts.push(part);
            mc.root(Table { parts })
        });
    }
    table
}

/// Changes the table until told to stop; counts operations and returns the longest batch.
fn change(heap: &Heap, table: &Root<Table<'static>>, seed: u64, stop: &AtomicBool) -> Duration {
    let mutator = heap.mutator();
    let (mut state, mut longest) = (seed, Duration::ZERO);
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    while !stop.load(Relaxed) {
        let since = Instant::now();
        mutator.mutate(|mc| {
            let parts = &table.get(mc).parts;
            for _ in 0..16 {
                let mut slot = || (random(parts.len()), random(PART));
                let ((part, at), (other_part, other_at)) = (slot(), slot());
                let other = parts[other_part][other_at].get();
                other.inspect(|other| other.next.set(mc, None));
                let new = Node { next: GcCell::new(other), words: [1; 4] };
                debug_assert_eq!(new.words[0], 1);
                parts[part][at].set(mc, Some(Gc::new(mc, new)));
            }
        });
        OPS.fetch_add(16, Relaxed);
        longest = longest.max(since.elapsed());
    }
    longest
}

static OPS: AtomicU64 = AtomicU64::new(0);

/// Kilobytes of the process's memory: now, and at most so far.
fn memory() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    })
}

/// Runs `work` while threads change the table. Returns what it returns, its time, and the longest
/// batch of a thread.
fn beside<R>(
    heap: &Heap,
    table: &Root<Table<'static>>,
    threads: u64,
    work: impl FnOnce() -> R,
) -> (R, Duration, Duration) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        let run = |seed| {
            let stop = &stop;
            s.spawn(move || change(heap, table, seed, stop))
        };
        let all: Vec<_> = (1..=threads).map(run).collect();
        std::thread::sleep(Duration::from_millis(500));
        let since = Instant::now();
        let result = work();
        let time = since.elapsed();
        stop.store(true, Relaxed);
        let longest = all.into_iter().map(|thread| thread.join().unwrap()).max();
        (result, time, longest.unwrap_or_default())
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let objects: usize = args.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let threads: u64 = args.next().map_or(Ok(1), |n| n.parse())?;
    let file = args.next();
    let heap = Heap::new();
    let table = fill(&heap, objects);
    let plain = beside(&heap, &table, threads, || {
        (0..3).for_each(|_| heap.collect().expect("outside of mutate"));
        std::thread::sleep(Duration::from_secs(2));
    });
    println!("without a snapshot: longest batch {:.1?}\n{}", plain.2, heap.pauses());
    let before = memory();
    let (snapshot, time, longest) = beside(&heap, &table, threads, || heap.snapshot());
    let snapshot = snapshot?;
    let n = snapshot.objects();
    println!("with one: longest batch {longest:.1?}\n{}", heap.pauses());
    println!("{n} objects, {} pointers: {time:.2?} in all, of which", snapshot.pointers());
    println!("  recorded in {:.2?}", snapshot.recorded_in());
    println!("  left out {}, unread {}", snapshot.left_out(), snapshot.unread_objects());
    drop((table, heap)); // the snapshot outlives them
    // From here on the most is that of the snapshot alone (Linux).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let without = memory();
    let since = Instant::now();
    let (unreached, bytes) = snapshot.unreached();
    let after = memory();
    println!(
        "  dominators in {:.2?}; no root leads to {unreached} ({bytes} bytes)",
        since.elapsed()
    );
    println!("  memory kB before, without the heap, after: {before:?} {without:?} {after:?}");
    println!("{}", snapshot.roots()[0]);
    if let Some(file) = file {
        let since = Instant::now();
        snapshot.write_heapsnapshot(File::create(&file)?)?;
        println!("written to {file} in {:.2?}", since.elapsed());
    }
    Ok(())
}
