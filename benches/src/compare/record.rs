//! The raw results: a file of JSON lines, to which every run is appended as soon as it is over.
//!
//! A session begins with a line that says on what machine and with what it ran; then come its runs.
//! The report is made from this file, so nothing needs to be measured again for it.

#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::Header;
use super::stats::Series;

/// What a child printed: the keys and values of its report.
pub(crate) type Object = Map<String, Value>;

/// The number under a key.
pub(crate) fn number(object: &Object, key: &str) -> Option<f64> {
    object.get(key)?.as_f64()
}

/// One run of one contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "RunLine", into = "RunLine")]
pub(crate) struct Run {
    pub(crate) row: String,
    pub(crate) round: u32,
    pub(crate) label: String,
    pub(crate) command: String,
    /// What the child printed, or why there is nothing.
    pub(crate) outcome: Result<Object, String>,
}

/// A session: the header and the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Session {
    pub(crate) header: Header,
    pub(crate) runs: Vec<Run>,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
enum Line {
    Session(Header),
    Run(Run),
}

/// A run as a flat object: its own keys, then those of the child.
#[derive(Serialize, Deserialize)]
struct RunLine {
    row: String,
    round: u32,
    contender: String,
    #[serde(default)]
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    child: Object,
}

impl From<RunLine> for Run {
    fn from(line: RunLine) -> Run {
        let RunLine { row, round, contender: label, command, reason, child } = line;
        Run { row, round, label, command, outcome: reason.map_or(Ok(child), Err) }
    }
}

impl From<Run> for RunLine {
    fn from(run: Run) -> RunLine {
        let Run { row, round, label: contender, command, outcome } = run;
        let (child, reason) = match outcome {
            Ok(child) => (child, None),
            Err(reason) => (Object::new(), Some(reason)),
        };
        RunLine { row, round, contender, command, reason, child }
    }
}

impl Run {
    /// A figure of the run.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        number(self.outcome.as_ref().ok()?, key)
    }

    /// Why the run has no figures.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.outcome.as_ref().err().map(String::as_str)
    }

    /// A run for a test: `child` is an object in JSON, or else the reason why there is none.
    #[cfg(test)]
    pub(crate) fn of(row: &str, round: u32, label: &str, child: &str) -> Run {
        let outcome = serde_json::from_str(child).map_err(|_| child.to_string());
        let (row, label, command) = (row.into(), label.into(), String::new());
        Run { row, round, label, command, outcome }
    }
}

impl Session {
    /// A figure of one contender in one row, by round.
    pub(crate) fn series(&self, row: &str, label: &str, key: &str) -> Series {
        let runs = self.runs.iter().filter(|run| run.row == row && run.label == label);
        runs.filter_map(|run| Some((run.round, run.number(key)?))).collect()
    }

    /// Why a contender has no figures in a row; the first reason if there are several.
    pub(crate) fn reason(&self, row: &str, label: &str) -> Option<&str> {
        let mut runs = self.runs.iter().filter(|run| run.row == row && run.label == label);
        runs.find_map(Run::reason)
    }

    /// Whether the sizes were the small ones.
    pub(crate) fn is_quick(&self) -> bool {
        self.header.quick
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub(crate) struct Sink(File);

impl Sink {
    /// Opens or makes it, with the folder that it is in, and writes the session's header.
    pub(crate) fn open(path: &Path, header: &Header) -> Result<Sink, String> {
        let fail = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        let mut sink = Sink(file);
        sink.write_line(&Line::Session(header.clone()))?;
        Ok(sink)
    }

    /// Appends a run.
    pub(crate) fn write(&mut self, run: &Run) -> Result<(), String> {
        self.write_line(&Line::Run(run.clone()))
    }

    fn write_line(&mut self, line: &Line) -> Result<(), String> {
        let text = serde_json::to_string(line).map_err(|e| e.to_string());
        text.and_then(|text| writeln!(self.0, "{text}").map_err(|e| e.to_string()))
            .map_err(|e| format!("cannot write the results: {e}"))
    }
}

/// Reads the sessions of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Session>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("cannot read {}: {e}; gc-bench compare writes it", path.display()))?;
    parse(&text).map_err(|e| format!("{}, {e}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Session>, String> {
    let mut sessions: Vec<Session> = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| format!("line {}: {what}", i + 1);
        match serde_json::from_str(line).map_err(|e| wrong(&e.to_string()))? {
            Line::Session(header) => sessions.push(Session { header, runs: Vec::new() }),
            Line::Run(run) => {
                sessions.last_mut().ok_or_else(|| wrong("a run without a session"))?.runs.push(run);
            }
        }
    }
    Ok(sessions)
}

/// What the rows of a report's own sweeps begin with.
pub(crate) const SWEEP: &str = "sweep ";

/// The newest runs of each row, and the header of the newest comparison. Comparisons of the other
/// sizes are left out; sweeps are taken from whatever session.
pub(crate) fn newest(sessions: &[Session]) -> Option<Session> {
    let compares = |session: &&Session| session.runs.iter().any(|run| !run.row.starts_with(SWEEP));
    let last = sessions.iter().rev().find(compares).or(sessions.last())?;
    let mut newest = Session { header: last.header.clone(), runs: Vec::new() };
    for session in sessions.iter().rev() {
        let same_sizes = session.is_quick() == last.is_quick();
        let older: Vec<Run> = session
            .runs
            .iter()
            .filter(|run| same_sizes || run.row.starts_with(SWEEP))
            .filter(|run| newest.runs.iter().all(|known| known.row != run.row))
            .cloned()
            .collect();
        newest.runs.extend(older);
    }
    Some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str =
        "{\"record\":\"run\",\"row\":\"a\",\"round\":1,\"contender\":\"gc\",\"wall_s\":1.250}";

    fn run(row: &str, round: u32, label: &str, child: &str) -> Run {
        Run::of(row, round, label, child)
    }

    fn line(run: &Run) -> String {
        serde_json::to_string(&Line::Run(run.clone())).unwrap()
    }

    #[test]
    fn lines_are_read_as_written() {
        let most = u64::MAX;
        let child = format!("{{\"engine\":\"go\",\"checksum\":{most},\"wall_s\":1.25}}");
        let good = run("window", 2, "go", &child);
        let bad = run("window", 2, "boa", "not over");
        let text = format!(
            "{{\"record\":\"session\",\"quick\":true}}\n\n{}\n{}\n",
            line(&good),
            line(&bad)
        );
        let sessions = parse(&text).unwrap();
        assert_eq!(sessions.len(), 1);
        assert!(sessions[0].is_quick());
        assert_eq!(sessions[0].runs, [good, bad]);
        assert_eq!(sessions[0].series("window", "go", "wall_s"), [(2, 1.25)].into());
        assert_eq!(sessions[0].reason("window", "boa"), Some("not over"));
        assert_eq!(sessions[0].reason("window", "go"), None);
    }

    #[test]
    fn lines_of_older_builds_are_read() {
        let header = "{\"record\":\"session\",\"date\":\"d\",\"memory_gib\":\"23.5\",\"cores\":2}";
        let sessions = parse(&format!("{header}\n{RUN}")).unwrap();
        assert_eq!((sessions[0].header.cores, sessions[0].is_quick()), (2, false));
        assert_eq!(sessions[0].runs[0].number("wall_s"), Some(1.25));
    }

    #[test]
    fn bad_files_say_where() {
        for (text, part) in [
            ("x", "line 1: expected value"),
            (RUN, "line 1: a run without a session"),
            ("{\"record\":\"session\"}\n{\"record\":\"run\"}", "line 2: missing field `row`"),
            ("{\"a\":1}", "missing field `record`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(read(Path::new("/nonexistent/file")).unwrap_err().contains("gc-bench compare"));
    }

    #[test]
    fn newest_by_row() {
        let session = |runs: Vec<Run>| Session { header: Header::default(), runs };
        let old = session(vec![run("a", 1, "gc", "{\"x\":1}"), run("b", 1, "gc", "{\"x\":2}")]);
        let new = session(vec![run("a", 1, "gc", "{\"x\":3}"), run("a", 2, "gc", "{\"x\":4}")]);
        let all = newest(&[old, new]).unwrap();
        assert_eq!(all.series("a", "gc", "x"), [(1, 3.0), (2, 4.0)].into());
        assert_eq!(all.series("b", "gc", "x"), [(1, 2.0)].into());
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn sizes_are_not_mixed() {
        let session =
            |quick, runs: Vec<Run>| Session { header: Header { quick, ..Header::default() }, runs };
        let full = session(false, vec![run("a", 1, "gc", "{\"x\":1}")]);
        let quick = session(true, vec![run("b", 1, "gc", "{\"x\":2}")]);
        let sweep = session(true, vec![run("sweep c 1", 1, "gc", "{\"x\":3}")]);
        let rows = |sessions: &[Session]| {
            let all = newest(sessions).unwrap();
            let rows: Vec<String> = all.runs.iter().map(|run| run.row.clone()).collect();
            (all.is_quick(), rows)
        };
        let known = [full.clone(), quick.clone(), full, sweep.clone()];
        assert_eq!(rows(&known), (false, vec!["sweep c 1".into(), "a".into()]));
        assert_eq!(rows(&[sweep, quick]), (true, vec!["b".into(), "sweep c 1".into()]));
    }

    #[test]
    fn a_file_is_appended_to() {
        let folder = std::env::temp_dir().join(format!("gc-bench-record-{}", std::process::id()));
        let path = folder.join("deep").join("x.jsonl");
        for _ in 0..2 {
            let mut sink = Sink::open(&path, &Header::default()).unwrap();
            sink.write(&run("a", 1, "gc", "{\"x\":3}")).unwrap();
        }
        assert_eq!(read(&path).unwrap().len(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
