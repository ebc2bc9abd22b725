//! What the report measures itself, for its plots: one run for each point of a curve.
//!
//! A run is kept in the file of results like those of a comparison; its row is `sweep PLOT X`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use super::mmu::{WINDOWS_US, mmu};
use crate::compare::child;
use crate::compare::contenders::{self, Contender, Kind};
use crate::compare::record::{Run, SWEEP, Session};
use crate::compare::rows::{self, Row, words};
use crate::compare::tools::Tools;
use crate::json::{Json, Object};
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
/// The rows that have latencies, and who is drawn beside ours, Go and the JVM. There, nothing collects.
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
    let named = |label: &str| {
        contenders::all()
            .into_iter()
            .find(|c| c.label() == label)
            .expect("the label of a contender")
    };
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
    let mut add =
        |plot: &'static str, x: u64, workload, size: String, more: String, labels: &[&str]| {
            let threads = if plot == PAUSE_THREADS { x as usize } else { 1 };
            let row = Row {
                id: plot,
                group: plot,
                workload,
                size: words(&size),
                threads,
                markers: None,
                field: rows::Field::All,
                idle: None,
            };
            for label in labels {
                points.push(Point {
                    id: id(plot, x),
                    row: row.clone(),
                    contender: named(label),
                    more: words(&more),
                    timeline: false,
                });
            }
        };
    for x in PERCENTS {
        let size = format!("--n {nodes} --seconds {seconds}");
        let more = format!("--gc-percent {x}");
        add(HEAP_MUTATE, x, "mutate", size, more, &["gc", "go"]);
    }
    for x in PERCENTS {
        let (size, more) = (format!("--depth {depth}"), format!("--gc-percent {x}"));
        add(HEAP_BTREE, x, "btree", size, more, &["gc", "go"]);
    }
    for x in NODES {
        let size = format!("--n {x} --seconds {seconds}");
        add(PAUSE_HEAP, x, "mutate", size, String::new(), &["gc", "go"]);
    }
    for x in THREADS {
        let size = format!("--threads {x} --seconds {seconds}");
        add(PAUSE_THREADS, x, "mutate", size, String::new(), &["gc", "go", "arc"]);
    }
    points
}

/// Runs all points. `done` gets each and its command line.
pub(crate) fn run(
    points: &[Point],
    tools: &Tools,
    patience: Duration,
    done: &mut dyn FnMut(&Run, &str) -> Result<(), String>,
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
        let command = point.contender.command(tools, &point.row, heap_mb, &more);
        let line = command.as_ref().map_or(String::new(), |words| words.join(" "));
        let outcome = command.and_then(|words| {
            let mut object = child::run(&words, patience)?.0;
            if point.timeline {
                add_utilisation(&mut object, &file)?;
            }
            Ok(object)
        });
        let run = Run { row: point.id.clone(), round: 1, label: point.contender.label(), outcome };
        session.runs.push(run.clone());
        done(&run, &line)?;
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
            object.0.push((utilisation_key(window), Json::Number(format!("{share:.4}"))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};

    #[test]
    fn every_point_of_ours_is_a_command_line() {
        let tools = Tools::only_ours("gc-bench".into());
        let mut ours = 0;
        for point in all(true).iter().chain(&all(false)) {
            let Ok(line) = point.contender.command(&tools, &point.row, 64, &point.more) else {
                continue;
            };
            let parsed = args::parse(&line[1..]);
            let Ok(Command::Run(args)) = &parsed else { panic!("{line:?}: {parsed:?}") };
            assert_eq!(args.threads, point.row.threads, "{line:?}");
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
        assert_eq!(object.number(&utilisation_key(100)), Some(0.5));
        assert_eq!(object.number(&utilisation_key(1000)), Some(0.95));
        assert_eq!(object.number(&utilisation_key(2000)), None);
        std::fs::remove_file(&file).unwrap();
        assert!(add_utilisation(&mut object, &file).is_err());
    }
}
