//! The command line of `gc-bench compare`.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice::Iter;

use super::contenders::{self, Contender, Kind};
use super::rows::{self, Row};

/// What `gc-bench compare --help` prints.
pub(crate) const HELP: &str = "\
gc-bench compare: ours beside the yardsticks, other crates, Go and the JVM, in turns

usage: gc-bench compare [ROW ...] [OPTION ...]

ROW is a workload (alloc, btree, gcbench, mark, window, mutate, lru) or one row of it (alloc-2, btree-deep-1,
mark-shuffled-2, mutate-1); all rows without one

options
  --quick          small sizes: most runs take about a second, and a bar is an indication only
  --rounds R       how often everybody runs (5; 3 with --quick)
  --only E,E       ours and these: an engine (rc), one with its allocator (rc+mimalloc), go, java-zgc,
                   java-shenandoah, gc-idle
  --out FILE       the raw results, appended (target/compare.jsonl)
  --help           this text

Peers of other crates need a build with --features peers, Go a go on the PATH, the JVM a java and a javac.

exit code: 0 good, bars reached or not; 1 ours failed or nothing could be written, 2 a wrong command line
";

/// Where results go and come from if nothing else is said.
pub(crate) const RESULTS: &str = "target/compare.jsonl";

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) rows: Vec<Row>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rounds: u32,
    pub(crate) quick: bool,
    pub(crate) out: PathBuf,
}

/// Parses the words after `compare`; nothing if they ask for help.
pub(crate) fn parse(words: &[String]) -> Result<Option<Args>, String> {
    let (mut wanted, mut only, mut rounds, mut quick) = (Vec::new(), None, None, false);
    let mut out = PathBuf::from(RESULTS);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (option, attached) = split(word);
        match option {
            "--help" | "-h" => return Ok(None),
            "--quick" => quick = true,
            "--rounds" => {
                let text = value(option, attached, &mut rest)?;
                let number = text.parse().ok().filter(|r| (1..=100).contains(r));
                rounds = Some(number.ok_or(format!("--rounds is from 1 to 100, not {text:?}"))?);
            }
            "--only" => only = Some(value(option, attached, &mut rest)?),
            "--out" => out = value(option, attached, &mut rest)?.into(),
            _ if option.starts_with('-') => {
                return Err(format!("unknown option {option}; see gc-bench compare --help"));
            }
            _ => wanted.push(word.as_str()),
        }
    }
    let rows = choose_rows(&wanted, quick)?;
    let contenders = choose_contenders(only.as_deref())?;
    let rounds = rounds.unwrap_or(if quick { 3 } else { 5 });
    Ok(Some(Args { rows, contenders, rounds, quick, out }))
}

/// An option and the value attached to it by `=`.
pub(crate) fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)))
}

/// The value of an option: attached, or the next word.
pub(crate) fn value(
    option: &str,
    attached: Option<&str>,
    rest: &mut Iter<'_, String>,
) -> Result<String, String> {
    let value = attached.map(String::from).or_else(|| rest.next().cloned());
    value.filter(|v| !v.is_empty()).ok_or_else(|| format!("{option} needs a value"))
}

fn choose_rows(wanted: &[&str], quick: bool) -> Result<Vec<Row>, String> {
    let all = rows::all(quick);
    for word in wanted {
        if !all.iter().any(|row| row.id == *word || row.workload == *word) {
            let workloads: BTreeSet<&str> = all.iter().map(|row| row.workload).collect();
            let ids: Vec<&str> = all.iter().map(|row| row.id).collect();
            let workloads = workloads.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "{word:?} is no row: workloads are {workloads}; rows are {}",
                ids.join(", ")
            ));
        }
    }
    let is_wanted =
        |row: &Row| wanted.is_empty() || wanted.iter().any(|w| row.id == *w || row.workload == *w);
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn choose_contenders(only: Option<&str>) -> Result<Vec<Contender>, String> {
    let all = contenders::all();
    let Some(only) = only else { return Ok(all) };
    let names: Vec<&str> = only.split(',').map(str::trim).collect();
    let is = |c: &Contender, name: &str| c.engine == name || c.label() == name;
    for name in &names {
        if !all.iter().any(|c| is(c, name)) {
            let engines: BTreeSet<&str> = all.iter().map(|c| c.engine).collect();
            let engines = engines.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!("--only takes {engines}, not {name:?}"));
        }
    }
    let wanted = |c: &Contender| c.kind == Kind::Ours || names.iter().any(|name| is(c, name));
    Ok(all.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Option<Args>, String> {
        parse(&rows::words(line))
    }

    #[test]
    fn good_lines() {
        let args =
            parse_line("--quick mutate alloc-2 --only=rc,go --out x.jsonl").unwrap().unwrap();
        let ids: Vec<_> = args.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, ["alloc-2", "mutate-1", "mutate-2"]);
        let labels: Vec<_> = args.contenders.iter().map(Contender::label).collect();
        assert_eq!(labels, ["gc", "go", "rc", "rc+mimalloc"]);
        assert_eq!((args.rounds, args.quick, args.out), (3, true, "x.jsonl".into()));
        let args = parse_line("").unwrap().unwrap();
        assert_eq!((args.rows.len(), args.rounds), (15, 5));
        assert!(parse_line("mutate --help").unwrap().is_none());
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, part) in [
            ("mutat", "\"mutat\" is no row: workloads are alloc"),
            ("--rounds 0", "--rounds is from 1 to 100"),
            ("--rounds", "--rounds needs a value"),
            ("--only perl", "not \"perl\""),
            ("--only=", "--only needs a value"),
            ("--fast", "unknown option --fast"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
