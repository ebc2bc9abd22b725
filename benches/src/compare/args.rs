//! The options of `gc-bench compare`.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::contenders::{self, Contender, Kind};
use super::rows::{self, Row};
use crate::cli::number;

/// Run this heap and others in turns, and print the ratios.
///
/// The others are the yardsticks, other crates, Go and the JVM. Every run is a process of its own.
/// Other crates need a build with --features peers, Go a go on the PATH, the JVM a java and a
/// javac.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 good, targets reached or not; 1 ours failed or nothing could be \
                  written, 2 a wrong command line"
)]
pub(crate) struct Args {
    /// Workloads (alloc, btree, gcbench, mark, window, mutate, lru) or single rows (alloc-2,
    /// btree-deep-1, mark-shuffled-2, mutate-1) [default: all rows]
    #[arg(value_name = "ROW", value_parser = row_name)]
    wanted: Vec<String>,
    /// Small sizes: most runs take about a second, and a target is an indication only
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each contender runs [default: 5, and 3 with --quick]
    #[arg(long, value_name = "R", value_parser = number(1_u32, 100))]
    rounds: Option<u32>,
    /// Compare ours with these only: an engine (rc), one with its allocator (rc+mimalloc), go,
    /// java-zgc, java-shenandoah, gc-idle
    #[arg(long, value_name = "E,E", value_delimiter = ',', value_parser = contender_name)]
    only: Vec<String>,
    /// The file to which the raw results are appended
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    pub(crate) out: PathBuf,
}

/// Where results go and come from if nothing else is said.
pub(crate) const RESULTS: &str = "target/compare.jsonl";

impl Args {
    /// The rows to run.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let is_wanted = |row: &Row| self.wanted.iter().any(|word| is_row(row, word));
        let all = rows::all(self.quick).into_iter();
        all.filter(|row| self.wanted.is_empty() || is_wanted(row)).collect()
    }

    /// The contenders; ours always.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let is_wanted = |c: &Contender| self.only.iter().any(|name| is_contender(c, name));
        let all = contenders::all().into_iter();
        all.filter(|c| self.only.is_empty() || c.kind == Kind::Ours || is_wanted(c)).collect()
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }
}

fn is_row(row: &Row, word: &str) -> bool {
    row.id == word || row.workload == word
}

fn is_contender(contender: &Contender, name: &str) -> bool {
    contender.engine == name || contender.label() == name
}

/// The name of a workload or a row.
fn row_name(word: &str) -> Result<String, String> {
    let all = rows::all(false);
    if all.iter().any(|row| is_row(row, word)) {
        return Ok(word.into());
    }
    let workloads: BTreeSet<&str> = all.iter().map(|row| row.workload).collect();
    let ids: Vec<&str> = all.iter().map(|row| row.id).collect();
    let workloads = workloads.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!("workloads are {workloads}; rows are {}", ids.join(", ")))
}

/// The name of an engine or a contender.
fn contender_name(name: &str) -> Result<String, String> {
    let (all, name) = (contenders::all(), name.trim());
    if all.iter().any(|c| is_contender(c, name)) {
        return Ok(name.into());
    }
    let engines: BTreeSet<&str> = all.iter().map(|c| c.engine).collect();
    Err(format!("engines are {}", engines.into_iter().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};

    fn parse_line(line: &str) -> Result<Args, String> {
        let words = ["gc-bench", "compare"].into_iter().chain(line.split_whitespace());
        match cli::parse(words) {
            Ok(Command::Compare(args)) => Ok(args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn good_lines() {
        let args = parse_line("--quick mutate alloc-2 --only=rc,go --out x.jsonl").unwrap();
        let ids: Vec<_> = args.rows().iter().map(|row| row.id).collect();
        assert_eq!(ids, ["alloc-2", "mutate-1", "mutate-2"]);
        let labels: Vec<_> = args.contenders().iter().map(Contender::label).collect();
        assert_eq!(labels, ["gc", "go", "rc", "rc+mimalloc"]);
        assert_eq!((args.rounds(), args.quick, args.out), (3, true, "x.jsonl".into()));
        let args = parse_line("").unwrap();
        assert_eq!((args.rows().len(), args.rounds()), (15, 5));
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, part) in [
            ("mutat", "workloads are alloc, btree"),
            ("--rounds 0", "a number from 1 to 100"),
            ("--rounds", "a value is required for '--rounds"),
            ("--only perl", "engines are arc"),
            ("--only=", "engines are arc"),
            ("--fast", "unexpected argument '--fast'"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
