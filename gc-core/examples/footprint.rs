//! What a heap costs a program that embeds it. Measured are the time to make one, memory and CPU
//! time while nothing happens, and what is left of a burst when the program rests.
//!
//! ```text
//! cargo run --release -p gc-core --example footprint              half a minute, mostly at rest
//! cargo run --release -p gc-core --example footprint -- --quick   a second, with short waits
//! RUSTFLAGS="-C target-feature=+crt-static" cargo run --release -p gc-core --example footprint \
//!     --target x86_64-unknown-linux-gnu -- --quick                the same, statically linked
//! ```

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, Heap, HeapBuilder, Root, Trace};
use lexopt::prelude::*;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
Shows what a heap costs a program that embeds it: the time to make
one, memory while nothing happens, and what is left of a burst when
the program rests.

usage: footprint [--quick]

  --quick  short waits: a second in place of half a minute
  --help   this text

Exit code: 0; 1 if the output cannot be written or a list is wrong;
2 if the command line is wrong.
";

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

/// What to do.
enum Command {
    Help,
    Run { quick: bool },
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut args = lexopt::Parser::from_args(args);
    let mut quick = false;
    while let Some(arg) = args.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("quick") => quick = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Run { quick })
}

/// Standard output, whose errors say what failed.
struct Out(io::Stdout);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(unwritten)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(unwritten)
    }
}

fn unwritten(error: io::Error) -> io::Error {
    io::Error::other(format!("the output cannot be written: {error}"))
}

fn run(quick: bool, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let linked = if cfg!(target_feature = "crt-static") { "statically" } else { "dynamically" };
    writeln!(out, "linked {linked}; RSS before the first heap {}", rss())?;
    let (first, median) = start_up();
    writeln!(out, "a heap is made in {first:.1?} the first time, then in {median:.1?}")?;
    let heap = builder(quick).build()?;
    writeln!(out, "RSS with a heap that was never used {}", rss())?;
    let lists: Vec<_> = (0..LISTS).map(|_| list(&heap)).collect();
    writeln!(out, "RSS after a burst {}", rss())?;
    let kept: Vec<_> = lists.into_iter().step_by(10).collect();
    // Nothing touches the heap meanwhile.
    std::thread::sleep(if quick { Duration::from_millis(1500) } else { Duration::from_secs(25) });
    let goal = heap.stats().goal_bytes as f64 / (1 << 20) as f64;
    writeln!(out, "RSS at rest {}; the heap's goal is {goal:.1} MB", rss())?;
    if let Some(class) = heap.classes().iter().max_by_key(|class| class.span_bytes) {
        writeln!(out, "the largest class: {class}")?;
    }
    let expected = NODES * (NODES - 1) / 2;
    match kept.iter().map(|list| sum(&heap, list)).find(|sum| *sum != expected) {
        Some(other) => Err(format!("a list adds up to {other} and not to {expected}").into()),
        None => Ok(out.flush()?),
    }
}

fn help(out: &mut impl Write) -> io::Result<()> {
    out.write_all(HELP.as_bytes())?;
    out.flush()
}

fn main() -> ExitCode {
    let mut out = Out(io::stdout());
    let (code, error) = match parse(std::env::args_os().skip(1)) {
        Ok(Command::Run { quick }) => (1, run(quick, &mut out).err()),
        Ok(Command::Help) => (1, help(&mut out).err().map(Into::into)),
        Err(error) => (2, Some(format!("{error}\nusage: footprint [--quick] [--help]").into())),
    };
    match error {
        None => ExitCode::SUCCESS,
        Some(error) => {
            // If this cannot be written either, the code still tells.
            let _ = writeln!(io::stderr(), "footprint: {error}");
            ExitCode::from(code)
        }
    }
}
