//! `gc-bench compare` and `gc-bench report`: the workloads side by side with others, and the document about it.
//!
//! `args` says what to compare; `rows` (what), `contenders` (who) and `tools` (with which programs) make the command
//! lines; `runner` runs them in rounds as processes (`child`); `record` keeps the results; `stats`, `bars` and `summary`
//! say what they mean. `performance` makes the document and its plots.

#![forbid(unsafe_code)]

mod args;
mod bars;
mod child;
mod contenders;
mod machine;
mod performance;
mod record;
mod rows;
mod runner;
mod stats;
mod summary;
mod table;
mod tools;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use args::Args;
use contenders::{Contender, Kind, OURS};
use record::{Run, Session, Sink};
use runner::Plan;
use tools::Tools;

/// The least limit of a run.
const PATIENCE: Duration = Duration::from_secs(120);
const QUICK_PATIENCE: Duration = Duration::from_secs(30);

/// Runs the subcommand, if the words name one.
pub(crate) fn main(words: &[String]) -> Option<ExitCode> {
    let (first, rest) = words.split_first()?;
    let outcome = match first.as_str() {
        "compare" => match args::parse(rest) {
            Ok(Some(args)) => compare(&args),
            Ok(None) => {
                print!("{}", args::HELP);
                Ok(ExitCode::SUCCESS)
            }
            Err(message) => return Some(wrong(first, &message)),
        },
        "report" => match performance::parse(rest) {
            Ok(Some(args)) => performance::run(&args),
            Ok(None) => {
                print!("{}", performance::HELP);
                Ok(ExitCode::SUCCESS)
            }
            Err(message) => return Some(wrong(first, &message)),
        },
        _ => return None,
    };
    Some(outcome.unwrap_or_else(|message| {
        eprintln!("gc-bench {first}: {message}");
        ExitCode::FAILURE
    }))
}

fn wrong(command: &str, message: &str) -> ExitCode {
    eprintln!("gc-bench {command}: {message}");
    ExitCode::from(2)
}

fn compare(args: &Args) -> Result<ExitCode, String> {
    let tools = Tools::find(&args.contenders)?;
    let header = machine::header(&tools, args.quick);
    say_what_is_missing(&tools, &args.contenders);
    let mut sink = Sink::open(&args.out, &header)?;
    let mut session = Session { header, runs: Vec::new() };
    let plan = Plan {
        rows: args.rows.clone(),
        contenders: args.contenders.clone(),
        rounds: args.rounds,
        patience: if args.quick { QUICK_PATIENCE } else { PATIENCE },
    };
    runner::run(&plan, &tools, &mut |run, command| {
        eprintln!("{}", progress(run, args));
        session.runs.push(run.clone());
        sink.write(&run.line(command))
    })?;
    for row in &args.rows {
        if let Some(text) = summary::row(&session, row) {
            println!("## {}: {}\n\n{text}", row.id, row.title());
        }
    }
    let (bars, [reached, missed, unknown]) = bars::table(&session, &args.rows);
    if args.quick {
        println!("## Bars (small sizes: an indication only)\n");
    } else {
        println!("## Bars\n");
    }
    println!("{}", bars.render());
    println!(
        "{reached} reached, {missed} missed, {unknown} not judged. Raw results: {}",
        args.out.display()
    );
    let is_ours = |run: &&Run| run.label == OURS.engine && run.outcome.is_err();
    match session.runs.iter().find(is_ours) {
        Some(Run { row, outcome: Err(reason), .. }) => {
            Err(format!("ours failed in {row}: {reason}"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What the machine lacks, before the run begins: it may take hours.
fn say_what_is_missing(tools: &Tools, contenders: &[Contender]) {
    let missing = |kind: Kind| match kind {
        Kind::Mimalloc => tools.mimalloc.as_ref().err(),
        Kind::Go => tools.go.as_ref().err(),
        Kind::Java(_) => tools.java.as_ref().err(),
        Kind::Ours | Kind::Idle | Kind::Rust => None,
    };
    let reasons: BTreeSet<&String> = contenders.iter().filter_map(|c| missing(c.kind)).collect();
    for reason in reasons {
        eprintln!("note: {reason}");
    }
    let placed = contenders.iter().any(|c| matches!(c.kind, Kind::Go | Kind::Java(_)));
    if placed && tools.taskset.is_none() {
        eprintln!("note: there is no taskset on the PATH: Go and the JVM may use all cores");
    }
}

/// One run in one line.
fn progress(run: &Run, args: &Args) -> String {
    let figures = args.rows.iter().find(|row| row.id == run.row).map(rows::Row::figures);
    let what = match &run.outcome {
        Err(reason) => reason.clone(),
        Ok(object) => {
            let shown = figures.into_iter().flatten().filter_map(|(key, name)| {
                Some(format!("{name} {}", table::short(object.number(key)?)))
            });
            shown.collect::<Vec<_>>().join(", ")
        }
    };
    format!("{} {}/{} {}: {what}", run.row, run.round, args.rounds, run.label)
}
