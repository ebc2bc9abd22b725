//! A concurrent inverted index of every text file below a folder, in one garbage-collected heap.
//!
//! ```text
//! cargo run --release --example index -- [FOLDER] [--threads N]
//! ```
//!
//! Several writers add, replace and drop documents while readers query; at the end every posting is compared
//! with a plain sequential index. The index is lock-free and written in safe Rust: see `index.rs` for the
//! structure and `chain.rs` for the list that it is made of.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_types, reason = "for the collector; this is a user's program")]
#![allow(clippy::disallowed_methods, reason = "for the collector; this is a user's program")]

mod chain;
mod check;
mod corpus;
mod index;
mod options;
mod plot;
mod progress;
mod report;
mod token;
mod work;

use corpus::Corpus;
use gc_core::{Gc, Heap};
use index::Index;
use options::{Command, Options};
use progress::Progress;
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
    match Options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print(options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => run(&options),
        Err(error) => fail(2, &error),
    }
}

/// Writes to standard output; a reader that went away (`| head`) is no reason to panic.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn fail(code: u8, error: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "index: {error}");
    ExitCode::from(code)
}

fn run(options: &Options) -> ExitCode {
    let heap = match Heap::builder().build() {
        Ok(heap) => heap,
        Err(error) => return fail(1, &format!("no heap: {error}")),
    };
    let mut progress = Progress::new();
    let corpus = Corpus::read(&options.folders, |corpus| {
        let files = corpus.files.len();
        progress.show("reading", 0.0, || format!("{files} files, {} MB", corpus.bytes >> 20));
    });
    let queries = work::queries(&corpus, QUERIES);

    // About one term in a hundred bytes of text was met in the sources of crates.
    let terms = (corpus.bytes / 100) as usize;
    let index = heap.mutate(|mc| Gc::root(Index::new(mc, corpus.files.len(), terms), mc));
    let began = Instant::now();
    let work = Work::new(&heap, &corpus, &index, ROUNDS, began + TIME);
    let readers = options.threads.div_ceil(2);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..options.threads).map(|_| scope.spawn(|| work.write())).collect();
        for seed in 0..readers as u64 {
            let (work, queries) = (&work, &queries);
            scope.spawn(move || work.read(seed, queries));
        }
        while writers.iter().any(|writer| !writer.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            show(&mut progress, &work, began);
        }
        work.over.store(true, Ordering::Relaxed);
    });
    let took = began.elapsed();
    // Before the check, so that the pauses are those of the work.
    let (pauses, peak) = (heap.pauses(), report::peak_memory());

    progress.show("checking", 1.0, String::new);
    let jobs = work.taken();
    let plain = check::plain_index(&corpus, jobs);
    let left = check::compact(&heap, &index);
    let mut found = check::check(&heap, &index, &corpus, jobs, &plain, &queries);
    if let Err(error) = heap.collect() {
        progress.clear();
        return fail(1, &format!("the last collection failed: {error}"));
    }
    let stats = heap.stats();
    found.check_heap(stats.live_objects);
    progress.clear();

    let run = report::Run { options, readers, corpus: &corpus, work: &work, found: &found };
    print(&run.describe(took, left, &stats, &pauses, peak));
    if found.wrong + get(&work.tally.wrong) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn show(progress: &mut Progress, work: &Work<'_>, began: Instant) {
    let share = work.tally.revisions() as f64 / work.total.max(1) as f64;
    // The rounds end at the latest when their time is up.
    let share = share.max(began.elapsed().as_secs_f64() / TIME.as_secs_f64() * 0.99).min(1.0);
    progress.show("indexing", share, || {
        let stats = work.heap.stats();
        let rate = work.tally.revisions() as f64 / began.elapsed().as_secs_f64();
        format!(
            "{rate:.0} docs/s, {} queries, {} MB live, {} cycles",
            get(&work.tally.queries),
            stats.live_bytes >> 20,
            stats.cycles
        )
    });
}
