//! `gc-bench`: the workloads on which speed, memory and pauses are compared.
//!
//! The binaries differ in their allocator only, so everything is in this library, and `main` is its
//! only entry. One run does one workload with one engine, checks its own result, and prints one
//! line (or one JSON object). The head of each workload's file describes it; README.md tells how to
//! measure.

mod alloc;
mod args;
mod btree;
mod compare;
mod engines;
mod gcbench;
mod idle;
mod json;
mod lru;
mod mark;
mod measure;
mod mutate;
mod objects;
mod owned;
#[cfg(feature = "peers")]
mod peers;
mod pin;
mod plot;
mod random;
mod report;
mod timeline;
mod warm;
mod window;

use std::process::ExitCode;

use gc_core::Heap;

use args::{Args, Command, Order, Workload};
use engines::{Engine, with_pointers, with_shared_pointers};
use report::Report;

/// Fails with the message for the user.
type Outcome = Result<(), String>;

/// The program. `allocator` is the name of the global allocator, for the report.
pub fn main(allocator: &str) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = compare::main(&words) {
        return code;
    }
    let args = match args::parse(&words) {
        Ok(Command::Run(args)) => args,
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("gc-bench: {message}");
            return ExitCode::from(2);
        }
    };
    if args.timeline.is_some() {
        timeline::turn_on();
    }
    match run(&args, allocator) {
        Ok(report) => {
            println!("{}", if args.json { report.json() } else { report.line() });
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("gc-bench {}: {message}", args.workload.name());
            ExitCode::FAILURE
        }
    }
}

/// Runs one workload; an error if it could not run or its checksum is wrong.
fn run(args: &Args, allocator: &str) -> Result<Report, String> {
    let mut report = Report::default();
    report.text("workload", args.workload.name());
    report.text("engine", args.engine.name());
    report.text("allocator", allocator);
    report.count("threads", args.threads as u64);
    match args.workload {
        Workload::Alloc => alloc::run(args, &mut report),
        Workload::Btree => btree::run(args, &mut report),
        Workload::Gcbench => gcbench::run(args, &mut report),
        Workload::Mark => mark::run(args, &mut report),
        Workload::Window => window::run(args, &mut report),
        Workload::Mutate => mutate::run(args, &mut report),
        Workload::Lru => lru::run(args, &mut report),
        Workload::Idle => idle::run(args, &mut report),
    }?;
    if args.quantiles {
        report.quantiles();
    }
    if let Some(path) = &args.timeline {
        report.write_timeline(path)?;
    }
    Ok(report)
}

/// The heap that the command line describes; none for the other engines.
fn heap_for(args: &Args) -> Result<Option<Heap>, String> {
    if args.engine != Engine::Gc { Ok(None) } else { heap(args).map(Some) }
}

/// The heap that the command line describes.
fn heap(args: &Args) -> Result<Heap, String> {
    let mut builder = Heap::builder().pin_markers(args.pin);
    if let Some(markers) = args.markers {
        builder = builder.markers(markers);
    }
    if let Some(percent) = args.gc_percent {
        builder = builder.gc_percent(percent);
    }
    // A cycle in between would let later nodes into the blocks of `sparse`.
    if args.idle_mb.is_some() || args.order == Order::Sparse {
        builder = builder.min_heap(warm::NEVER_REACHED);
    }
    let heap = builder.build().map_err(|e| format!("the heap cannot be built: {e}"))?;
    if let Some(mb) = args.idle_mb {
        warm::warm(&heap, mb)?;
    }
    Ok(heap)
}

/// Adds `checksum` to the report if it has the expected value.
fn check(report: &mut Report, found: u64, expected: u64) -> Outcome {
    if found != expected {
        return Err(format!("wrong checksum: {found}, expected {expected}"));
    }
    report.count("checksum", found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_checks_itself_on_every_engine() {
        let mut runs = 0;
        for work in [
            "alloc --n 3001 --threads 2",
            "btree --depth 7 --threads 2",
            "gcbench --n 1",
            "mark --n 1001",
            "mark --n 1000 --order shuffled --pin",
            "mark --n 20000 --order sparse",
            "window --n 1500",
            "mutate --n 100 --seconds 0.02",
            "mutate --n 100 --seconds 0.02 --threads 2",
            "lru --n 1000 --seconds 0.1",
            "lru --n 1000 --seconds 0.1 --threads 1 --pin",
            "idle --n 2",
            "mutate --n 100 --seconds 0.02 --quantiles --idle-mb 3",
        ] {
            for (engine, _) in engines::ENGINES {
                let line = format!("{work} --engine {engine}");
                let words: Vec<String> = line.split_whitespace().map(String::from).collect();
                // Parsing refuses what an engine cannot express.
                if let Ok(Command::Run(args)) = args::parse(&words) {
                    let report = run(&args, "system").unwrap_or_else(|e| panic!("{line}: {e}"));
                    assert!(report.line().contains(" checksum="), "{line}");
                    runs += 1;
                }
            }
        }
        assert_eq!(runs, if cfg!(feature = "peers") { 89 } else { 32 });
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let mut report = Report::default();
        let error = check(&mut report, 1, 2).unwrap_err();
        assert_eq!(error, "wrong checksum: 1, expected 2");
    }
}

/// The programs of the guide, which the documentation tests run. They are here because a published
/// package does not contain the folder `docs`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/GUIDE.md")]
struct Guide;

/// The programs of the migration guides, likewise. Those of other crates are marked `ignore`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/MIGRATION.md")]
struct Migration;
