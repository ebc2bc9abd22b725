//! What the report measures itself, for its plots: one run for each point of a curve.
//!
//! A run is kept in the file of results like those of a comparison; its row is `sweep PLOT X`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use super::mmu::{WINDOWS_US, mmu};
use crate::compare::child;
use crate::compare::contenders::{self, Contender, Kind};
use crate::compare::record::{Object, Run, SWEEP, Session};
use crate::compare::rows::{self, Row, words};
use crate::compare::tools::Tools;
use crate::timeline;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// The row that the result is kept under.
    pub(crate) id: String,
    row: Row,
    pub(crate) contender: Contender,
    more: Vec<String>,
    /// Whether the utilisation is wanted too.
    timeline: bool,
}

pub(crate) const HEAP_MUTATE: &str = "heap-mutate";
pub(crate) const HEAP_BTREE: &str = "heap-btree";
pub(crate) const PAUSE_HEAP: &str = "pause-heap";
pub(crate) const PAUSE_THREADS: &str = "pause-threads";
/// The rows that have latencies, and who is drawn beside ours, Go and the JVM. There, nothing
/// collects.
pub(crate) const LATENCY: [(&str, &str); 4] =
    [("window", "box"), ("mutate-1", "rc"), ("mutate-2", "arc"), ("lru-2", "arc")];
pub(crate) const PERCENTS: [u64; 5] = [25, 50, 100, 200, 400];
pub(crate) const NODES: [u64; 7] =
    [100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000];
pub(crate) const THREADS: [u64; 4] = [1, 2, 4, 8];

/// The row under which a point is kept.
pub(crate) fn id(plot: &str, x: impl std::fmt::Display) -> String {
    format!("{SWEEP}{plot} {x}")
}

/// All points, in the order in which they are run.
pub(crate) fn all(quick: bool) -> Vec<Point> {
    let (seconds, depth) = if quick { (1, 16) } else { (5, 18) };
    // Small enough for a few cycles in the time, at the largest percentage too.
    let nodes = if quick { 400_000 } else { 2_000_000 };
    let mut points = latencies(quick);
    for x in PERCENTS {
        let row = row(HEAP_MUTATE, "mutate", format!("--n {nodes} --seconds {seconds}"));
        points.extend(sweep(x, &row, &format!("--gc-percent {x}"), &["gc", "go"]));
    }
    for x in PERCENTS {
        let row = row(HEAP_BTREE, "btree", format!("--depth {depth}"));
        points.extend(sweep(x, &row, &format!("--gc-percent {x}"), &["gc", "go"]));
    }
    for x in NODES {
        let row = row(PAUSE_HEAP, "mutate", format!("--n {x} --seconds {seconds}"));
        points.extend(sweep(x, &row, "", &["gc", "go"]));
    }
    for x in THREADS {
        let row = row(PAUSE_THREADS, "mutate", format!("--threads {x} --seconds {seconds}"));
        let row = Row { threads: x as usize, ..row };
        points.extend(sweep(x, &row, "", &["gc", "go", "arc"]));
    }
    points
}

/// The points of the plots of latencies and of utilisation.
fn latencies(quick: bool) -> Vec<Point> {
    let mut points = Vec::new();
    for (row, yardstick) in LATENCY {
        let row = rows::all(quick).into_iter().find(|r| r.id == row).expect("the id of a row");
        for label in ["gc", "gc-idle", "go", "java-zgc", "java-shenandoah", yardstick] {
            let contender = named(label);
            if !contender.is_in(&row) {
                continue;
            }
            let is_own = !matches!(contender.kind, Kind::Go | Kind::Java(_));
            points.push(Point {
                id: id(row.id, "latency"),
                row: row.clone(),
                contender,
                more: if is_own { words("--quantiles") } else { Vec::new() },
                timeline: is_own,
            });
        }
    }
    points
}

/// A row of a sweep, on one thread.
fn row(plot: &'static str, workload: &'static str, size: String) -> Row {
    Row {
        id: plot,
        group: plot,
        workload,
        size: words(&size),
        threads: 1,
        markers: None,
        field: rows::Field::All,
        idle: None,
    }
}

/// The points of a sweep at `x`, one for each contender.
fn sweep(x: u64, row: &Row, more: &str, labels: &[&str]) -> Vec<Point> {
    let point = |label: &&str| Point {
        id: id(row.id, x),
        row: row.clone(),
        contender: named(label),
        more: words(more),
        timeline: false,
    };
    labels.iter().map(point).collect()
}

fn named(label: &str) -> Contender {
    let all = contenders::all();
    all.into_iter().find(|c| c.label() == label).expect("the label of a contender")
}

/// Runs all points. `done` gets each.
pub(crate) fn run(
    points: &[Point],
    tools: &Tools,
    patience: Duration,
    done: &mut dyn FnMut(&Run) -> Result<(), String>,
) -> Result<(), String> {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("gc-bench-timeline-{}", std::process::id()));
    // What Go took in the plot so far, for the JVM's heap.
    let mut session = Session::default();
    for point in points {
        let heap_mb = java_heap_mb(&session, point);
        let mut more = point.more.clone();
        if point.timeline {
            more.extend(["--timeline".into(), file.to_string_lossy().into_owned()]);
        }
        let words = point.contender.command(tools, &point.row, heap_mb, &more);
        let command = words.as_ref().map_or(String::new(), |words| words.join(" "));
        let outcome = words.and_then(|words| {
            let mut object = child::run(&words, patience)?.0;
            if point.timeline {
                add_utilisation(&mut object, &file)?;
            }
            Ok(object)
        });
        let (row, label) = (point.id.clone(), point.contender.label());
        let run = Run { row, round: 1, label, command, outcome };
        session.runs.push(run.clone());
        done(&run)?;
    }
    // It is in the folder for temporary files, if it was written at all.
    let _ = std::fs::remove_file(file);
    Ok(())
}

/// As in a comparison: twice the peak of Go, or of ours.
fn java_heap_mb(session: &Session, point: &Point) -> u64 {
    let peak = |label| session.series(&point.id, label, "rss_mb").get(&1).copied();
    peak("go").or(peak("gc")).map_or(64, |mb| (2.0 * mb) as u64).max(64)
}

/// The key of the utilisation in a window.
pub(crate) fn utilisation_key(window_us: u64) -> String {
    format!("mmu_{window_us}us")
}

fn add_utilisation(object: &mut Object, file: &Path) -> Result<(), String> {
    let text =
        std::fs::read_to_string(file).map_err(|e| format!("its timeline cannot be read: {e}"))?;
    let (wall, long) = timeline::parse(&text)?;
    for window in WINDOWS_US {
        if let Some(share) = mmu(wall, &long, window * 1000) {
            let rounded = (share * 1e4).round() / 1e4;
            object.insert(utilisation_key(window), rounded.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use crate::compare::record::number;

    #[test]
    fn every_point_of_ours_is_a_command_line() {
        let tools = Tools::only_ours("gc-bench".into());
        let mut ours = 0;
        for point in all(true).iter().chain(&all(false)) {
            let Ok(line) = point.contender.command(&tools, &point.row, 64, &point.more) else {
                continue;
            };
            let command = cli::parse(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            let threads = command.workload().map(|(_, workload)| workload.threads());
            assert_eq!(threads, Some(point.row.threads), "{line:?}");
            ours += 1;
        }
        assert_eq!(ours, 2 * (3 + 3 + 2 + 2 + 5 + 5 + 7 + 8));
    }

    #[test]
    fn utilisation_is_added() {
        let file = std::env::temp_dir().join(format!("gc-bench-sweep-{}", std::process::id()));
        std::fs::write(&file, "# wall_ns 1000000\n0 1000 50000\n").unwrap();
        let mut object = Object::default();
        add_utilisation(&mut object, &file).unwrap();
        assert_eq!(number(&object, &utilisation_key(100)), Some(0.5));
        assert_eq!(number(&object, &utilisation_key(1000)), Some(0.95));
        assert_eq!(number(&object, &utilisation_key(2000)), None);
        std::fs::remove_file(&file).unwrap();
        assert!(add_utilisation(&mut object, &file).is_err());
    }
}
