//! `gc-bench compare` and `gc-bench report`: the workloads side by side with others, and the
//! document about it.
//!
//! `args` says what to compare; `rows` (what), `contenders` (who) and `tools` (with which programs)
//! make the command lines; `runner` runs them in rounds as processes (`child`); `record` keeps the
//! results; `stats`, `targets` and `summary` say what they mean. `performance` makes the document
//! and its plots.

#![forbid(unsafe_code)]

mod args;
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
mod targets;
mod tools;

use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) use args::Args;
use contenders::{Contender, Kind, OURS};
use machine::Header;
pub(crate) use performance::{Args as ReportArgs, report};
use record::{Run, Session, Sink};
use rows::Row;
use runner::Plan;
use tools::Tools;

use crate::Outcome;

/// The least limit of a run.
const PATIENCE: Duration = Duration::from_secs(120);
const QUICK_PATIENCE: Duration = Duration::from_secs(30);

/// Runs `gc-bench compare`.
pub(crate) fn compare(args: &Args) -> Outcome {
    let plan = Plan {
        rows: args.rows(),
        contenders: args.contenders(),
        rounds: args.rounds(),
        patience: if args.quick { QUICK_PATIENCE } else { PATIENCE },
    };
    let tools = Tools::find(&plan.contenders)?;
    let header = Header::of_now(&tools, args.quick);
    say_what_is_missing(&tools, &plan.contenders);
    let mut sink = Sink::open(&args.out, &header)?;
    let mut session = Session { header, runs: Vec::new() };
    runner::run(&plan, &tools, &mut |run| {
        eprintln!("{}", progress(run, &plan));
        session.runs.push(run.clone());
        sink.write(run)
    })?;
    print(args, &plan.rows, &session);
    let is_ours = |run: &&Run| run.label == OURS.engine;
    let failed = session.runs.iter().filter(is_ours).find_map(|run| Some((run, run.reason()?)));
    match failed {
        Some((run, reason)) => Err(format!("ours failed in {}: {reason}", run.row)),
        None => Ok(()),
    }
}

/// The tables of a comparison, and which targets are reached.
fn print(args: &Args, rows: &[Row], session: &Session) {
    for row in rows {
        if let Some(text) = summary::row(session, row) {
            println!("## {}: {}\n\n{text}", row.id, row.title());
        }
    }
    let (targets, [reached, missed, unknown]) = targets::table(session, rows);
    let note = if args.quick { " (small sizes: an indication only)" } else { "" };
    println!("## Targets{note}\n\n{}", targets.render());
    println!(
        "{reached} reached, {missed} missed, {unknown} not judged. Raw results: {}",
        args.out.display()
    );
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
fn progress(run: &Run, plan: &Plan) -> String {
    let figures = plan.rows.iter().find(|row| row.id == run.row).map(Row::figures);
    let what = match &run.outcome {
        Err(reason) => reason.clone(),
        Ok(_) => {
            let shown = figures.into_iter().flatten().filter_map(|(key, name)| {
                Some(format!("{name} {}", table::short(run.number(key)?)))
            });
            shown.collect::<Vec<_>>().join(", ")
        }
    };
    format!("{} {}/{} {}: {what}", run.row, run.round, plan.rounds, run.label)
}
