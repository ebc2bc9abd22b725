//! `gc-bench`: the workloads on which speed, memory and pauses are compared.
//!
//! The binaries differ in their allocator only, so all is in this library, and `main` is its one
//! door. One run does one workload with one engine, checks its own result, and prints one line (or
//! one JSON object). What each workload does is written at the head of its file; README.md says how
//! to measure with them.

mod alloc;
mod btree;
mod cli;
mod compare;
mod engines;
mod gcbench;
mod idle;
mod lru;
mod mark;
mod measure;
mod mutate;
mod objects;
#[cfg(feature = "observe")]
mod observe;
mod owned;
mod peers;
mod pin;
mod plot;
mod random;
mod report;
mod series;
mod timeline;
mod warm;
mod window;

use std::process::ExitCode;

use cli::{Command, Timed, Workload};
use report::Report;

/// Fails with the message for the user.
type Outcome = Result<(), String>;

/// The program. `allocator` is the name of the global allocator, for the report.
pub fn main(allocator: &str) -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        // Help too, which is printed on standard output and is no failure.
        Err(error) => error.exit(),
    };
    let (name, outcome) = match &command {
        Command::Compare(args) => ("compare", compare::compare(args)),
        Command::Report(args) => ("report", compare::report(args)),
        Command::Attribute(args) => ("attribute", series::attribute(args)),
        command => match command.workload() {
            Some((name, workload)) => (name, run_and_print(name, workload, allocator)),
            None => unreachable!("the other commands are workloads"),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gc-bench {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run_and_print(name: &str, workload: &dyn Workload, allocator: &str) -> Outcome {
    if workload.timed().and_then(Timed::timeline).is_some() {
        timeline::turn_on();
    }
    let report = run(name, workload, allocator)?;
    println!("{}", if workload.common().json() { report.json() } else { report.line() });
    Ok(())
}

/// Runs one workload; an error if it could not run or its checksum is wrong.
fn run(name: &str, workload: &dyn Workload, allocator: &str) -> Result<Report, String> {
    let mut report = Report::default();
    report.text("workload", name);
    report.text("engine", workload.common().engine.name);
    report.text("allocator", allocator);
    report.count("threads", workload.threads() as u64);
    workload.run(&mut report)?;
    series::finish()?;
    if let Some(timed) = workload.timed() {
        if timed.quantiles() {
            report.quantiles();
        }
        if let Some(path) = timed.timeline() {
            report.write_timeline(path)?;
        }
    }
    Ok(report)
}

/// Adds `checksum` to the report, if it is what it must be.
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
            "mark --n 2500 --order lists --pin",
            "mark --n 20000 --order sparse",
            "window --n 1500",
            "mutate --n 100 --seconds 0.02",
            "mutate --n 100 --seconds 0.02 --threads 2",
            "lru --n 1000 --seconds 0.5",
            "lru --n 1000 --seconds 0.5 --threads 1 --pin",
            "idle --n 2",
            "mutate --n 100 --seconds 0.02 --quantiles --idle-mb 3",
        ] {
            for engine in engines::all().map(|entry| entry.name) {
                let line = format!("gc-bench {work} --engine {engine}");
                // What an engine cannot express is refused while parsing.
                if let Ok(command) = cli::parse(line.split_whitespace()) {
                    let (name, workload) = command.workload().expect("these are workloads");
                    let report = run(name, workload, "system");
                    let report = report.unwrap_or_else(|e| panic!("{line}: {e}"));
                    assert!(report.line().contains(" checksum="), "{line}");
                    runs += 1;
                }
            }
        }
        assert_eq!(runs, if cfg!(feature = "peers") { 98 } else { 33 });
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
