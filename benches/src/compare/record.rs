//! The raw results: a file of JSON lines, to which every run is appended as soon as it is over.
//!
//! A session begins with a line that says on what machine and with what it ran; then come its runs. The report is made
//! from this file, so nothing needs to be measured again for it.

#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::stats::Series;
use crate::json::{self, Json, Object};

/// One run of one contender.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) row: String,
    pub(crate) round: u32,
    pub(crate) label: String,
    /// What the child printed, or why there is nothing.
    pub(crate) outcome: Result<Object, String>,
}

/// A session: the header and the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Session {
    pub(crate) header: Object,
    pub(crate) runs: Vec<Run>,
}

/// The keys that a run's line has before those of the child.
const ROW: &str = "row";
const ROUND: &str = "round";
const LABEL: &str = "contender";
const REASON: &str = "reason";
const RECORD: &str = "record";
const COMMAND: &str = "command";

impl Run {
    /// The run as a line of the file.
    pub(crate) fn line(&self, command: &str) -> String {
        let mut object = Object::default();
        object.text(RECORD, "run");
        object.text(ROW, &self.row);
        object.count(ROUND, self.round.into());
        object.text(LABEL, &self.label);
        object.text(COMMAND, command);
        match &self.outcome {
            Ok(child) => object.0.extend(child.0.iter().cloned()),
            Err(reason) => object.text(REASON, reason),
        }
        object.line()
    }

    fn read(object: Object) -> Option<Run> {
        let text = |key| object.str(key).map(String::from);
        let (row, label) = (text(ROW)?, text(LABEL)?);
        let round = object.str(ROUND)?.parse().ok()?;
        let outcome = match text(REASON) {
            Some(reason) => Err(reason),
            None => {
                let own = [RECORD, ROW, ROUND, LABEL, COMMAND];
                let child = object.0.into_iter().filter(|(key, _)| !own.contains(&key.as_str()));
                Ok(Object(child.collect()))
            }
        };
        Some(Run { row, round, label, outcome })
    }
}

impl Session {
    /// A figure of one contender in one row, by round.
    pub(crate) fn series(&self, row: &str, label: &str, key: &str) -> Series {
        let runs = self.runs.iter().filter(|run| run.row == row && run.label == label);
        runs.filter_map(|run| Some((run.round, run.outcome.as_ref().ok()?.number(key)?))).collect()
    }

    /// Why a contender has no figures in a row; the first reason if there are several.
    pub(crate) fn reason(&self, row: &str, label: &str) -> Option<&str> {
        let mut runs = self.runs.iter().filter(|run| run.row == row && run.label == label);
        runs.find_map(|run| run.outcome.as_ref().err()).map(String::as_str)
    }

    /// Whether the sizes were the small ones.
    pub(crate) fn is_quick(&self) -> bool {
        self.header.get("quick") == Some(&Json::Bool(true))
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub(crate) struct Sink(File);

impl Sink {
    /// Opens or makes it, with the folder that it is in, and writes the session's header.
    pub(crate) fn open(path: &Path, header: &Object) -> Result<Sink, String> {
        let fail = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        let mut sink = Sink(file);
        let mut line = Object::default();
        line.text(RECORD, "session");
        line.0.extend(header.0.iter().cloned());
        sink.write(&line.line())?;
        Ok(sink)
    }

    /// Appends a line.
    pub(crate) fn write(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.0, "{line}").map_err(|e| format!("cannot write the results: {e}"))
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
        let object = json::parse(line).map_err(|e| wrong(&e))?;
        match object.str(RECORD) {
            Some("session") => sessions.push(Session { header: object, runs: Vec::new() }),
            Some("run") => {
                let session =
                    sessions.last_mut().ok_or_else(|| wrong("a run without a session"))?;
                session
                    .runs
                    .push(Run::read(object).ok_or_else(|| wrong("a run without its keys"))?);
            }
            _ => return Err(wrong("neither a session nor a run")),
        }
    }
    Ok(sessions)
}

/// What the rows of a report's own sweeps begin with.
pub(crate) const SWEEP: &str = "sweep ";

/// The newest runs of each row, and the header of the newest comparison. Comparisons of the other sizes are left out;
/// sweeps are taken from whatever session.
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

    pub(crate) fn run(row: &str, round: u32, label: &str, child: &str) -> Run {
        let outcome = json::parse(child).map_err(|_| child.to_string());
        Run { row: row.into(), round, label: label.into(), outcome }
    }

    #[test]
    fn lines_are_read_as_written() {
        let good = run("window", 2, "go", "{\"engine\":\"go\",\"wall_s\":1.25}");
        let bad = run("window", 2, "boa", "not over");
        let text = format!(
            "{{\"record\":\"session\",\"quick\":true}}\n\n{}\n{}\n",
            good.line("x"),
            bad.line("y")
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
    fn bad_files_say_where() {
        for (text, part) in [
            ("x", "line 1: 'x'"),
            ("{\"record\":\"run\"}", "without a session"),
            ("{\"record\":\"session\"}\n{\"record\":\"run\"}", "line 2: a run without its keys"),
            ("{\"a\":1}", "neither"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(read(Path::new("/nonexistent/file")).unwrap_err().contains("gc-bench compare"));
    }

    #[test]
    fn newest_by_row() {
        let session = |runs: Vec<Run>| Session { header: Object::default(), runs };
        let old = session(vec![run("a", 1, "gc", "{\"x\":1}"), run("b", 1, "gc", "{\"x\":2}")]);
        let new = session(vec![run("a", 1, "gc", "{\"x\":3}"), run("a", 2, "gc", "{\"x\":4}")]);
        let all = newest(&[old, new]).unwrap();
        assert_eq!(all.series("a", "gc", "x"), [(1, 3.0), (2, 4.0)].into());
        assert_eq!(all.series("b", "gc", "x"), [(1, 2.0)].into());
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn sizes_are_not_mixed() {
        let session = |quick, runs: Vec<Run>| {
            let mut session = Session { header: Object::default(), runs };
            session.header.0.push(("quick".into(), Json::Bool(quick)));
            session
        };
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
            let mut sink = Sink::open(&path, &Object::default()).unwrap();
            sink.write(&run("a", 1, "gc", "{\"x\":3}").line("gc-bench a")).unwrap();
        }
        assert_eq!(read(&path).unwrap().len(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
