//! `gc-bench report`: the document on performance with its plots, from the results of comparisons
//! and from sweeps of its own.
//!
//! `sweeps` measures (with `mmu`), `charts` makes plots of the results, `document` the text;
//! `notes` keeps what people wrote into it.

#![forbid(unsafe_code)]

mod charts;
mod document;
mod mmu;
mod notes;
mod sweeps;

use std::path::{Path, PathBuf};

use super::args::RESULTS;
use super::contenders::Contender;
use super::machine::Header;
use super::record::{self, Run, Session, Sink};
use super::tools::Tools;
use super::{PATIENCE, QUICK_PATIENCE, say_what_is_missing};
use crate::Outcome;

/// Write the document on performance, from the results of compare and from sweeps of its own.
///
/// What stands between the marks <!-- notes --> and <!-- /notes --> in the document is kept.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit code: 0 good, 1 something could not be read, run or written, \
                  2 a wrong command line")]
pub(crate) struct Args {
    /// The results of compare: the newest of each row are taken, and the sweeps are appended
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    from: PathBuf,
    /// The document; plots go into the folder plots beside it
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    to: PathBuf,
    /// Short sweeps: a second a run
    #[arg(long)]
    quick: bool,
    /// Run no sweeps: draw those that the file has
    #[arg(long)]
    replot: bool,
}

/// Runs `gc-bench report`: measures, draws, writes.
pub(crate) fn report(args: &Args) -> Outcome {
    // Whatever could go wrong without measuring goes wrong before.
    let mut sessions = record::read(&args.from)?;
    let notes = notes::kept(&args.to)?;
    if sessions.is_empty() {
        return Err(format!("{} holds no session", args.from.display()));
    }
    if !args.replot {
        sessions.push(measure(args)?);
    }
    let session = record::newest(&sessions).ok_or("there are no sessions")?;
    let plots = charts::all(&session);
    let folder = args.to.parent().unwrap_or(Path::new(".")).join("plots");
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    for plot in &plots {
        if let Some(svg) = plot.chart.svg() {
            write(&folder.join(format!("{}.svg", plot.name)), &svg)?;
        }
    }
    write(&args.to, &document::text(&session, &plots, &notes))?;
    println!("{} and {} plots beside it", args.to.display(), plots.len());
    Ok(())
}

/// Runs the sweeps and keeps their results in the file of the others.
fn measure(args: &Args) -> Result<Session, String> {
    let points = sweeps::all(args.quick);
    let contenders: Vec<Contender> = points.iter().map(|point| point.contender).collect();
    let tools = Tools::find(&contenders)?;
    say_what_is_missing(&tools, &contenders);
    let header = Header::of_now(&tools, args.quick);
    let mut sink = Sink::open(&args.from, &header)?;
    let mut session = Session { header, runs: Vec::new() };
    let patience = if args.quick { QUICK_PATIENCE } else { PATIENCE };
    sweeps::run(&points, &tools, patience, &mut |run: &Run| {
        session.runs.push(run.clone());
        let what = run.reason().unwrap_or("done");
        eprintln!("{}/{} {} {}: {what}", session.runs.len(), points.len(), run.row, run.label);
        sink.write(run)
    })?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};

    #[test]
    fn lines() {
        let parse = |line: &str| {
            cli::parse(["gc-bench", "report"].into_iter().chain(line.split_whitespace()))
        };
        let Ok(Command::Report(args)) = parse("--from=a --to b --quick --replot") else {
            panic!("refused");
        };
        assert_eq!((args.from, args.to), ("a".into(), "b".into()));
        assert!(args.quick && args.replot);
        assert!(parse("--from").is_err() && parse("x").is_err());
    }

    #[test]
    fn a_report_from_a_file() {
        let folder = std::env::temp_dir().join(format!("gc-bench-report-{}", std::process::id()));
        let (from, to) = (folder.join("x.jsonl"), folder.join("docs.md"));
        let args = Args { from: from.clone(), to: to.clone(), quick: true, replot: true };
        assert!(super::report(&args).is_err(), "there is no file");
        let mut sink = Sink::open(&from, &Header::default()).unwrap();
        for row in ["alloc-1", "sweep window latency"] {
            sink.write(&Run::of(row, 1, "gc", "{\"ns_per_op\":2,\"p99_us\":3}")).unwrap();
        }
        super::report(&args).unwrap();
        let kept = "<!-- notes -->\nmine\n<!-- /notes -->";
        let text = std::fs::read_to_string(&to).unwrap();
        std::fs::write(&to, text.replace("<!-- notes -->\n<!-- /notes -->", kept)).unwrap();
        super::report(&args).unwrap();
        let text = std::fs::read_to_string(&to).unwrap();
        assert!(text.contains(kept) && text.contains("plots/latency-window.svg"), "{text}");
        assert!(folder.join("plots/latency-window.svg").is_file());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
