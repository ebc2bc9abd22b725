//! What a `Pool` saves: answers written into buffers, with and without it. Allocations, cycles,
//! time an answer.
//!
//! ```text
//! cargo run --release -p gc-core --example buffers                 some seconds
//! cargo run --release -p gc-core --example buffers -- --ops 1000   a test
//! ```

#![forbid(unsafe_code)]

use gc_core::{External, Gc, Heap, Pool, Trace};
use lexopt::prelude::*;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::Instant;

const HELP: &str = "\
Writes answers into buffers of 64 KiB, with and without a pool, and
shows buffers allocated, cycles of the heap, and time an answer.

usage: buffers [--ops N]

  --ops N  answers a thread writes in each row (200000)
  --help   this text

Exit code: 0; 1 if the output cannot be written; 2 if the command
line is wrong.
";

/// Bytes of a buffer: what the longest answer needs.
const BUFFER: usize = 64 << 10;
/// Objects that an answer makes in the heap whatever its buffer is: the request, parsed.
const OBJECTS: u64 = 4;

/// A buffer that the collector frees.
#[derive(Trace)]
struct Buffer {
    bytes: Vec<u8>,
    _external: External,
}

/// Where an answer's buffer comes from.
#[derive(Clone, Copy)]
enum Source {
    /// An object of the heap that owns a `Vec`.
    Object,
    /// A `Vec` that is freed at the end.
    Vec,
    Pool,
}

/// Writes an answer; returns its length.
fn answer(buffer: &mut Vec<u8>, number: u64) -> usize {
    let mut text = String::new();
    for line in 0..8 {
        text.clear();
        let _ = write!(text, "request {number}, line {line}\r\n");
        buffer.extend_from_slice(text.as_bytes());
    }
    black_box(&buffer[..]).len()
}

/// One row: `ops` answers on each of `threads`.
fn row(out: &mut impl Write, source: Source, threads: u64, ops: u64) -> io::Result<()> {
    let heap = Heap::new();
    let made = AtomicU64::new(0);
    let counted = || {
        made.fetch_add(1, Ordering::Relaxed);
        Vec::with_capacity(BUFFER)
    };
    // The pool's maker is `'static`; what it made is what was allocated at the end.
    let pool_made: &'static AtomicU64 = Box::leak(Box::default());
    let pool: Pool<Vec<u8>> = Pool::new(&heap, || {
        pool_made.fetch_add(1, Ordering::Relaxed);
        Vec::with_capacity(BUFFER)
    });
    let begin = Instant::now();
    scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                for number in 0..ops {
                    heap.mutate(|mc| {
                        for _ in 0..OBJECTS {
                            black_box(Gc::new(mc, [number; 8]));
                        }
                        match source {
                            Source::Object => {
                                let mut bytes = counted();
                                answer(&mut bytes, number);
                                let _external = External::new(mc, BUFFER);
                                black_box(Gc::new(mc, Buffer { bytes, _external }).bytes.len());
                            }
                            Source::Vec => {
                                answer(&mut counted(), number);
                            }
                            Source::Pool => {
                                let mut buffer = pool.get();
                                buffer.clear();
                                answer(&mut buffer, number);
                            }
                        }
                    });
                }
            });
        }
    });
    let time = begin.elapsed();
    let name = match source {
        Source::Object => "an object, by the collector",
        Source::Vec => "a Vec, at once",
        Source::Pool => "Pool",
    };
    let allocated = made.load(Ordering::Relaxed) + pool_made.load(Ordering::Relaxed);
    let (cycles, each) = (heap.stats().cycles, time.as_nanos() as u64 / ops.max(1));
    writeln!(out, "{name:<28}{threads:>7}{allocated:>11}{cycles:>8}{each:>6} ns")
}

/// The pool by itself: one value, taken and put back on each of `threads`.
fn alone(out: &mut impl Write, threads: u64, ops: u64) -> io::Result<()> {
    let pool: Pool<Box<u64>> = Pool::new(&Heap::new(), Box::default);
    let begin = Instant::now();
    scope(|s| {
        for _ in 0..threads {
            s.spawn(|| (0..ops).for_each(|_| **pool.get() += 1));
        }
    });
    let each = begin.elapsed().as_nanos() as f64 / ops.max(1) as f64;
    writeln!(out, "get and put back, {threads} threads: {each:.1} ns")
}

fn arguments(args: impl IntoIterator<Item = OsString>) -> Result<Option<u64>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut ops = 200_000;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("ops") => ops = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(ops))
}

fn run(out: &mut impl Write, ops: u64) -> Result<(), Box<dyn Error>> {
    writeln!(out, "buffer of 64 KiB, freed by     threads  allocated  cycles   time")?;
    for threads in [1, 2] {
        for source in [Source::Object, Source::Vec, Source::Pool] {
            row(out, source, threads, ops)?;
        }
    }
    for threads in [1, 2] {
        alone(out, threads, ops.saturating_mul(20))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let result = match arguments(std::env::args_os().skip(1)) {
        Ok(Some(ops)) => run(&mut out, ops),
        Ok(None) => out.write_all(HELP.as_bytes()).map_err(Into::into),
        Err(error) => {
            eprint!("error: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
