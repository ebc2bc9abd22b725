//! A row's results as text: the medians, the paired ratios, the noise floor, and who did not run.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::contenders::{self, Contender, Kind, OURS};
use super::record::Session;
use super::rows::Row;
use super::stats::{Series, paired_ratios, spread};
use super::table::{NOTHING, Table, short};
use super::targets::range;

/// The keys of the noise floor, and their names.
const FLOOR: [(&str, &str); 3] =
    [("floor_p999_us", "p99.9"), ("floor_p9999_us", "p99.99"), ("floor_max_us", "max")];

/// Everything about a row; nothing if no contender ran it.
pub(crate) fn row(session: &Session, row: &Row) -> Option<String> {
    let ran = |c: &Contender| session.runs.iter().any(|r| r.row == row.id && r.label == c.label());
    let all: Vec<Contender> = contenders::all().into_iter().filter(ran).collect();
    if all.is_empty() {
        return None;
    }
    let figures = row.figures();
    let values = |c: &Contender, key: &str| match c.kind {
        Kind::Idle if !is_of_any_size(key) => Series::new(),
        _ => session.series(row.id, &c.label(), key),
    };
    // Who failed in a later round is in both.
    let finished: Vec<&Contender> = all.iter().filter(|c| has_run(session, row, c)).collect();
    let failed: Vec<&Contender> =
        all.iter().filter(|c| session.reason(row.id, &c.label()).is_some()).collect();
    let mut names = vec!["engine", "allocator"];
    names.extend(figures.iter().map(|(_, name)| name));
    let (mut medians, mut ratios) = (Table::new(&names), Table::new(&names));
    names.remove(1);
    ratios.head.remove(1);
    for c in &finished {
        let median = |key: &str| {
            spread(values(c, key).into_values()).map_or(NOTHING.into(), |s| short(s.median))
        };
        let mut cells = vec![c.engine.to_string(), c.allocator().to_string()];
        cells.extend(figures.iter().map(|(key, _)| median(key)));
        medians.rows.push(cells);
        if **c == OURS {
            continue;
        }
        let ratio = |key: &str| {
            paired_ratios(&values(&OURS, key), &values(c, key))
                .map_or(NOTHING.into(), |s| range(&s))
        };
        let mut cells = vec![c.label()];
        cells.extend(figures.iter().map(|(key, _)| ratio(key)));
        ratios.rows.push(cells);
    }
    let mut text = format!("Medians:\n\n{}\n", medians.render());
    if finished.iter().any(|c| **c == OURS) && !ratios.rows.is_empty() {
        text += "Ours over theirs: the median of the paired ratios (least..most):\n\n";
        text += &ratios.render();
        text.push('\n');
    }
    text += &floor(session, row);
    text += &absent(session, row, &failed);
    Some(text)
}

/// Whether a figure says the same whatever the size of the run: the idle one is shorter, and its
/// memory is made warm.
fn is_of_any_size(key: &str) -> bool {
    key == "mops_per_s" || (key.starts_with('p') && key.ends_with("_us"))
}

/// Whether the contender had a good run in the row.
fn has_run(session: &Session, row: &Row, contender: &Contender) -> bool {
    let label = contender.label();
    session.runs.iter().any(|r| r.row == row.id && r.label == label && r.outcome.is_ok())
}

/// The median noise of the machine during the row, from every run that measured it.
fn floor(session: &Session, row: &Row) -> String {
    let median = |key: &str| {
        let runs = session.runs.iter().filter(|run| run.row == row.id);
        spread(runs.filter_map(|run| run.number(key)))
    };
    let parts: Vec<String> = FLOOR
        .iter()
        .filter_map(|(key, name)| Some(format!("{name} {} µs", short(median(key)?.median))))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        "Noise floor of the machine (a microsecond of arithmetic, median): {}.\n\n",
        parts.join(", ")
    )
}

/// Who did not run, by reason.
fn absent(session: &Session, row: &Row, failed: &[&Contender]) -> String {
    let mut reasons: Vec<((&str, String), Vec<String>)> = Vec::new();
    for contender in failed {
        let label = contender.label();
        let reason = session.reason(row.id, &label).unwrap_or("no reason recorded");
        let times =
            if has_run(session, row, contender) { "did not run again" } else { "did not run" };
        let reason = (times, without_engine(reason, contender.engine));
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, labels)) => labels.push(label),
            None => reasons.push((reason, vec![label])),
        }
    }
    let mut text = String::new();
    for ((times, reason), labels) in reasons {
        writeln!(text, "- {times}: {} – {reason}", labels.join(", "))
            .expect("a String takes every write");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A refusal without the engine's name, so that the same refusal of several is one line.
fn without_engine(reason: &str, engine: &str) -> String {
    let own = format!("--engine {engine}");
    if let Some((_, why)) = reason.split_once(&format!("{own}: ")) {
        return why.into();
    }
    reason.replace(&own, "this engine")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::Run;
    use crate::compare::rows;

    fn run(round: u32, label: &str, outcome: Result<&str, &str>) -> Run {
        let (Ok(child) | Err(child)) = outcome;
        Run::of("alloc-1", round, label, child)
    }

    #[test]
    fn a_row_shows_all() {
        let runs = vec![
            run(1, "gc", Ok("{\"ns_per_op\":2,\"floor_max_us\":7}")),
            run(1, "go", Ok("{\"ns_per_op\":16}")),
            run(1, "rc+mimalloc", Err("no such file")),
            run(1, "arc", Err("alloc cannot be run with --engine arc: why not")),
            run(1, "box", Err("alloc cannot be run with --engine box: why not")),
            run(1, "gc-crate", Err("--engine gc-crate needs more")),
            run(2, "gc", Ok("{\"ns_per_op\":3}")),
            run(2, "go", Ok("{\"ns_per_op\":12}")),
            run(1, "bumpalo", Ok("{\"ns_per_op\":1}")),
            run(2, "bumpalo", Err("signal: 6")),
        ];
        let session = Session { runs, ..Session::default() };
        let rows = rows::all(true);
        let text = row(&session, &rows[0]).unwrap();
        for part in [
            "| engine  | allocator | ns/op | CPU s | RSS MB |",
            "| gc      |       own |  2.50 |     – |      – |",
            "0.188 (0.125..0.250)",
            "max 7.00 µs",
            "| bumpalo |    system |  1.00 |",
            "- did not run again: bumpalo – signal: 6\n",
            "- did not run: rc+mimalloc – no such file\n",
            "- did not run: arc, box – why not\n",
            "- did not run: gc-crate – this engine needs more\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(row(&session, &rows[1]), None);
    }

    #[test]
    fn the_idle_run_shows_what_its_size_does_not_change() {
        let figures = "{\"mops_per_s\":8,\"p99_us\":2,\"rss_mb\":2000}";
        let mut runs = vec![run(1, "gc", Ok(figures)), run(1, "gc-idle", Ok(figures))];
        runs.iter_mut().for_each(|run| run.row = "mutate-1".into());
        let rows = rows::all(true);
        let mutate = rows.iter().find(|row| row.id == "mutate-1").unwrap();
        let text = row(&Session { runs, ..Session::default() }, mutate).unwrap();
        let line = text.lines().find(|line| line.starts_with("| gc-idle |")).unwrap();
        assert!(line.contains("8.00") && line.contains("2.00"), "{line}");
        assert!(!line.contains("2000"), "{line}");
    }
}
