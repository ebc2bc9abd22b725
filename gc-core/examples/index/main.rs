//! A concurrent inverted index of every text file below a folder, in one garbage-collected heap.
//!
//! ```text
//! cargo run --release --example index -- [FOLDER] [--threads N]
//! cargo run --release -p gc-core --example index --features debug-server -- --serve 6060
//! ```
//!
//! Several writers add, replace and drop documents while readers query; at the end every posting is
//! compared with a plain sequential index. The index is lock-free and written in safe Rust: see
//! `index.rs` for the structure and `chain.rs` for the list that it is made of.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_types, reason = "for the collector; this is a user's program")]
#![allow(clippy::disallowed_methods, reason = "for the collector; this is a user's program")]

mod chain;
mod check;
mod corpus;
mod index;
mod layout;
mod options;
mod plot;
mod progress;
mod report;
mod serve;
mod token;
mod work;

use corpus::Corpus;
use gc_core::{Gc, Heap};
use index::Index;
use layout::count;
use options::{Command, Options};
use progress::Progress;
use serve::Serving;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use work::{Work, get};

/// The rounds: each revises every file once.
const ROUNDS: usize = 40;
/// No round but the first begins a job after this.
const TIME: Duration = Duration::from_secs(25);
/// How many pairs of terms the readers ask for.
const QUERIES: usize = 4096;

fn main() -> ExitCode {
    let done = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => print(&options::help(layout::width(&io::stdout()))),
        Ok(Command::Run(options)) => run(&options),
        Err(error) => Err(Failure { code: 2, error }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            // If this cannot be written either, the code still tells.
            let _ = writeln!(io::stderr(), "index: {error}");
            ExitCode::from(code)
        }
    }
}

/// Why the program ends with another code than 0.
struct Failure {
    code: u8,
    error: String,
}

/// Code 1, for what goes wrong after the command line and the folder were right.
fn failure(error: String) -> Failure {
    Failure { code: 1, error }
}

/// Writes to standard output and flushes it: a later flush would fail where no code looks.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| failure(format!("the output cannot be written: {error}")))
}

fn run(options: &Options) -> Result<(), Failure> {
    let width = layout::width(&io::stdout());
    let builder = Serving::prepare(options.serve, Heap::builder());
    let heap = builder.build().map_err(|error| failure(format!("there is no heap: {error}")))?;
    let serving =
        Serving::start(options.serve, &heap).map_err(|error| Failure { code: 2, error })?;
    let mut progress = Progress::new();
    let corpus = Corpus::read(&options.folders, |corpus| {
        let files = count(corpus.files.len() as u64, "file");
        progress.show("reading", 0.0, || format!("{files}, {} MB", corpus.bytes >> 20));
    });
    progress.clear();
    if corpus.files.is_empty() {
        return Err(Failure { code: 2, error: report::nothing(options, &corpus) });
    }
    // Before the work, so that an output which cannot be written costs no time.
    print(&report::files(options, &corpus, width))?;
    let queries = work::queries(&corpus, QUERIES);

    // About one term in a hundred bytes of text was met in the sources of crates.
    let terms = (corpus.bytes / 100) as usize;
    let index = heap.mutate(|mc| Gc::root(Index::new(mc, corpus.files.len(), terms), mc));
    let began = Instant::now();
    let work = Work::new(&heap, &corpus, &index, ROUNDS, began + TIME);
    let readers = options.threads.div_ceil(2);
    work_with_threads(&work, options.threads, readers, &queries, &mut progress);
    let took = began.elapsed();
    // Before the check, so that the pauses are those of the work.
    let (pauses, peak) = (heap.pauses(), report::peak_memory());

    progress.show("checking", 1.0, String::new);
    let jobs = work.taken();
    let plain = check::plain_index(&corpus, jobs);
    let left = check::compact(&heap, &index);
    let mut found = check::check(&heap, &index, &corpus, jobs, &plain, &queries);
    let collected = heap.collect();
    progress.clear();
    collected.map_err(|error| failure(format!("the last collection failed: {error}")))?;
    let stats = heap.stats();
    found.check_heap(stats.live_objects);

    let run = report::Run { options, readers, work: &work, found: &found, took, left, peak };
    print(&run.describe(&stats, &pauses, width))?;
    serving.wait();
    match found.wrong + get(&work.tally.wrong) {
        0 => Ok(()),
        _ => Err(failure("the index is wrong".to_owned())),
    }
}

/// Runs the writers to their end, with readers beside them.
fn work_with_threads(
    work: &Work<'_>,
    writers: usize,
    readers: usize,
    queries: &[(Box<str>, Box<str>)],
    progress: &mut Progress,
) {
    let began = Instant::now();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..writers).map(|_| scope.spawn(|| work.write())).collect();
        for seed in 0..readers as u64 {
            scope.spawn(move || work.read(seed, queries));
        }
        while writers.iter().any(|writer| !writer.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            show(progress, work, began);
        }
        work.over.store(true, Ordering::Relaxed);
    });
}

fn show(progress: &mut Progress, work: &Work<'_>, began: Instant) {
    let share = work.tally.revisions() as f64 / work.total.max(1) as f64;
    // The rounds end at the latest when their time is up.
    let share = share.max(began.elapsed().as_secs_f64() / TIME.as_secs_f64() * 0.99).min(1.0);
    progress.show("indexing", share, || {
        let stats = work.heap.stats();
        let queries = count(get(&work.tally.queries), "query");
        let rate = work.tally.revisions() as f64 / began.elapsed().as_secs_f64();
        format!(
            "{rate:.0} docs/s, {queries}, {} MB live, {}",
            stats.live_bytes >> 20,
            count(stats.cycles, "cycle")
        )
    });
}
