//! What a heap costs a program that embeds it: the time to make one, memory and CPU time while nothing happens, and
//! what is left of a burst when the program rests.
//!
//! ```text
//! cargo run --release -p gc-core --example footprint              half a minute, most of it at rest
//! cargo run --release -p gc-core --example footprint -- --quick   a second, with short waits
//! RUSTFLAGS="-C target-feature=+crt-static" cargo run --release -p gc-core --example footprint \
//!     --target x86_64-unknown-linux-gnu -- --quick                the same, statically linked
//! ```

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, Heap, HeapBuilder, Root, Trace};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

/// Nodes of a list: 1 MiB.
const NODES: u64 = 1 << 16;
/// Lists of the burst, of which every tenth is kept.
const LISTS: usize = 200;

/// A number of `/proc/self/status`; none where there is no such file.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn rss() -> String {
    status("VmRSS").map_or("unknown".into(), |kib| format!("{:.1} MB", kib as f64 / 1024.0))
}

fn list(heap: &Heap) -> Root<Node<'static>> {
    heap.mutate(|mc| {
        let head = Gc::new(mc, Node { next: GcCell::new(None), value: 0 });
        for value in 1..NODES {
            let next = GcCell::new(head.next.get());
            head.next.set(mc, Some(Gc::new(mc, Node { next, value })));
        }
        Gc::root(head, mc)
    })
}

fn sum(heap: &Heap, list: &Root<Node<'static>>) -> u64 {
    heap.mutate(|mc| {
        let nodes = std::iter::successors(Some(list.get(mc)), |node| node.next.get());
        nodes.map(|node| node.value).sum()
    })
}

fn builder(quick: bool) -> HeapBuilder {
    if quick {
        Heap::builder().idle_after(Duration::from_millis(50)).scavenge_rate(1 << 30)
    } else {
        Heap::builder()
    }
}

/// The first heap, and the median of some more.
fn start_up() -> (Duration, Duration) {
    let time = || {
        let begin = Instant::now();
        let heap = Heap::new();
        (begin.elapsed(), heap).0
    };
    let first = time();
    let mut more: Vec<Duration> = (0..21).map(|_| time()).collect();
    more.sort_unstable();
    (first, more[10])
}

fn run(quick: bool) -> Result<(), String> {
    let linked = if cfg!(target_feature = "crt-static") { "statically" } else { "dynamically" };
    println!("linked {linked}; RSS before the first heap {}", rss());
    let (first, median) = start_up();
    println!("a heap is made in {first:.1?} the first time, then in {median:.1?}");
    let heap = builder(quick).build().map_err(|error| error.to_string())?;
    println!("RSS with a heap that was never used {}", rss());
    let lists: Vec<_> = (0..LISTS).map(|_| list(&heap)).collect();
    println!("RSS after a burst {}", rss());
    let kept: Vec<_> = lists.into_iter().step_by(10).collect();
    // Nobody touches the heap.
    std::thread::sleep(if quick { Duration::from_millis(1500) } else { Duration::from_secs(25) });
    let goal = heap.stats().goal_bytes as f64 / (1 << 20) as f64;
    println!("RSS at rest {}; the heap's goal is {goal:.1} MB", rss());
    if let Some(class) = heap.classes().iter().max_by_key(|class| class.span_bytes) {
        println!("the largest class: {class}");
    }
    let expected = NODES * (NODES - 1) / 2;
    match kept.iter().map(|list| sum(&heap, list)).find(|sum| *sum != expected) {
        Some(other) => Err(format!("a list adds up to {other} and not to {expected}")),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("footprint: usage: footprint [--quick]");
            return ExitCode::from(2);
        }
    };
    match run(quick) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footprint: {error}");
            ExitCode::FAILURE
        }
    }
}
