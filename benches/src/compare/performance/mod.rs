//! `gc-bench report`: the document on performance with its plots, from the results of comparisons and from sweeps of its
//! own.
//!
//! `sweeps` measures (with `mmu`), `charts` makes plots of the results, `document` the text; `notes` keeps what people
//! wrote into it.

#![forbid(unsafe_code)]

mod charts;
mod document;
mod mmu;
mod notes;
mod sweeps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{RESULTS, split, value};
use super::contenders::Contender;
use super::record::{self, Run, Session, Sink};
use super::tools::Tools;
use super::{PATIENCE, QUICK_PATIENCE, machine, say_what_is_missing};

/// What `gc-bench report --help` prints.
pub(crate) const HELP: &str = "\
gc-bench report: the document on performance, from the results of gc-bench compare and from sweeps of its own

usage: gc-bench report [OPTION ...]

options
  --from FILE      the results of gc-bench compare (target/compare.jsonl); the newest of each row are taken, and
                   the sweeps are appended
  --to FILE        the document (docs/performance.md); plots go into plots/ beside it. What stands between
                   <!-- notes --> and <!-- /notes --> in it is kept
  --quick          short sweeps: a second a run
  --replot         no sweeps: the plots are made from those in the file
  --help           this text

exit code: 0 good, 1 something could not be read, run or written, 2 a wrong command line
";

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    from: PathBuf,
    to: PathBuf,
    quick: bool,
    replot: bool,
}

/// Parses the words after `report`; nothing if they ask for help.
pub(crate) fn parse(words: &[String]) -> Result<Option<Args>, String> {
    let mut args = Args {
        from: RESULTS.into(),
        to: "docs/performance.md".into(),
        quick: false,
        replot: false,
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (option, attached) = split(word);
        match option {
            "--help" | "-h" => return Ok(None),
            "--quick" => args.quick = true,
            "--replot" => args.replot = true,
            "--from" => args.from = value(option, attached, &mut rest)?.into(),
            "--to" => args.to = value(option, attached, &mut rest)?.into(),
            _ => return Err(format!("unknown option {word}; see gc-bench report --help")),
        }
    }
    Ok(Some(args))
}

/// Measures, draws, writes.
pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
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
    Ok(ExitCode::SUCCESS)
}

/// Runs the sweeps and keeps their results in the file of the others.
fn measure(args: &Args) -> Result<Session, String> {
    let points = sweeps::all(args.quick);
    let contenders: Vec<Contender> = points.iter().map(|point| point.contender).collect();
    let tools = Tools::find(&contenders)?;
    say_what_is_missing(&tools, &contenders);
    let header = machine::header(&tools, args.quick);
    let mut sink = Sink::open(&args.from, &header)?;
    let mut session = Session { header, runs: Vec::new() };
    let patience = if args.quick { QUICK_PATIENCE } else { PATIENCE };
    sweeps::run(&points, &tools, patience, &mut |run: &Run, command| {
        session.runs.push(run.clone());
        let what = run.outcome.as_ref().err().map_or("done", String::as_str);
        eprintln!("{}/{} {} {}: {what}", session.runs.len(), points.len(), run.row, run.label);
        sink.write(&run.line(command))
    })?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows::words;
    use crate::json::Object;

    #[test]
    fn lines() {
        let args = parse(&words("--from=a --to b --quick --replot")).unwrap().unwrap();
        let expected = Args { from: "a".into(), to: "b".into(), quick: true, replot: true };
        assert_eq!(args, expected);
        assert_eq!(parse(&words("--help")), Ok(None));
        for (line, part) in [("--from", "needs a value"), ("x", "unknown option x")] {
            assert!(parse(&words(line)).unwrap_err().contains(part), "{line}");
        }
    }

    #[test]
    fn a_report_from_a_file() {
        let folder = std::env::temp_dir().join(format!("gc-bench-report-{}", std::process::id()));
        let (from, to) = (folder.join("x.jsonl"), folder.join("docs.md"));
        let args = Args { from: from.clone(), to: to.clone(), quick: true, replot: true };
        assert!(super::run(&args).is_err(), "there is no file");
        let mut sink = Sink::open(&from, &Object::default()).unwrap();
        let child = crate::json::parse("{\"ns_per_op\":2,\"p99_us\":3}").unwrap();
        for row in ["alloc-1", "sweep window latency"] {
            let run =
                Run { row: row.into(), round: 1, label: "gc".into(), outcome: Ok(child.clone()) };
            sink.write(&run.line("gc-bench")).unwrap();
        }
        super::run(&args).unwrap();
        let kept = "<!-- notes -->\nmine\n<!-- /notes -->";
        let text = std::fs::read_to_string(&to).unwrap();
        std::fs::write(&to, text.replace("<!-- notes -->\n<!-- /notes -->", kept)).unwrap();
        super::run(&args).unwrap();
        let text = std::fs::read_to_string(&to).unwrap();
        assert!(text.contains(kept) && text.contains("plots/latency-window.svg"), "{text}");
        assert!(folder.join("plots/latency-window.svg").is_file());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
