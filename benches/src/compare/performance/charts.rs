//! The plots of the report: from results to charts.

#![forbid(unsafe_code)]

use super::mmu::WINDOWS_US;
use super::sweeps::{
    HEAP_BTREE, HEAP_MUTATE, LATENCY, NODES, PAUSE_HEAP, PAUSE_THREADS, PERCENTS, THREADS, id,
    utilisation_key,
};
use crate::compare::record::{Object, Session, number};
use crate::plot::{Axis, Chart, Line};

/// A plot: the name of its file, what is said under it, and the chart.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) name: String,
    pub(crate) caption: String,
    pub(crate) chart: Chart,
}

/// The look of a contender's line: the same in all plots.
fn style(label: &str) -> usize {
    let order = ["gc", "go", "java-zgc", "java-shenandoah", "rc", "arc", "box", "gc-idle"];
    order.iter().position(|known| *known == label).unwrap_or(order.len())
}

/// All plots for which there are results.
pub(crate) fn all(session: &Session) -> Vec<Plot> {
    let mut plots: Vec<Plot> = LATENCY.iter().map(|(row, _)| latency(session, row)).collect();
    plots.push(utilisation(session));
    plots.push(heap(
        session,
        HEAP_MUTATE,
        "mops_per_s",
        "mutate: throughput against memory",
        "Mops/s",
    ));
    plots.push(heap(session, HEAP_BTREE, "wall_s", "btree: time against memory", "wall s"));
    plots.push(pauses(session, PAUSE_HEAP, &NODES, "nodes in the table"));
    plots.push(pauses(session, PAUSE_THREADS, &THREADS, "mutators"));
    plots.retain(|plot| plot.chart.lines.iter().any(|line| !line.points.is_empty()));
    plots
}

/// The results of a sweep's point by label, in the order in which they were run.
fn results<'s>(session: &'s Session, row: &str) -> Vec<(&'s str, &'s Object)> {
    let runs = session.runs.iter().filter(|run| run.row == row);
    runs.filter_map(|run| Some((run.label.as_str(), run.outcome.as_ref().ok()?))).collect()
}

/// The share that a percentile's key stands for: `p999_us` is 0.999.
fn quantile(key: &str) -> Option<f64> {
    let digits = key.strip_prefix('p')?.strip_suffix("_us")?;
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if all_digits { format!("0.{digits}").parse().ok() } else { None }
}

/// A share as its number of nines.
fn nines(q: f64) -> f64 {
    -(1.0 - q).log10()
}

fn latency(session: &Session, row: &str) -> Plot {
    let ticks = ["50", "90", "99", "99.9", "99.99", "99.999", "99.9999"];
    let ticks = ticks.map(|text| {
        let percent: f64 = text.parse().expect("these are numbers");
        (nines(percent / 100.0), format!("{text} %"))
    });
    let line = |(label, object): (&str, &Object)| {
        let mut points: Vec<(f64, f64)> = object
            .iter()
            .filter_map(|(key, _)| Some((nines(quantile(key)?), number(object, key)?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { name: label.into(), style: style(label), points, marked: true, ..Line::default() }
    };
    let what = if row == "window" { "a push" } else { "a batch of 16 operations" };
    Plot {
        name: format!("latency-{row}"),
        caption: format!(
            "How long {what} takes in `{row}`, as its own thread saw it: the share at the bottom \
             took at most the time at the left. `gc-idle` is ours without a cycle; of `go` and the \
             JVM the program prints four points."
        ),
        chart: Chart {
            title: format!("{row}: latency of {what}"),
            x: Axis::linear("percentile").within(0.25, 6.05).with_ticks(ticks.into()),
            y: Axis::log("µs"),
            lines: results(session, &id(row, "latency")).into_iter().map(line).collect(),
        },
    }
}

fn utilisation(session: &Session) -> Plot {
    let mut lines = Vec::new();
    for (row, yardstick) in LATENCY {
        let runs = results(session, &id(row, "latency"));
        for (label, object) in runs.into_iter().filter(|(label, _)| *label != "gc-idle") {
            let point = |&us: &u64| Some((us as f64 / 1e3, number(object, &utilisation_key(us))?));
            let points: Vec<_> = WINDOWS_US.iter().filter_map(point).collect();
            if points.is_empty() {
                continue;
            }
            // Ours are the first colours, and what has no collector the dashed ones.
            let of_row = LATENCY.iter().position(|known| known.0 == row).unwrap_or(0);
            let style = if label == yardstick { 4 + of_row } else { of_row };
            let name = format!("{row}, {label}");
            lines.push(Line { name, style, points, marked: true, ..Line::default() });
        }
    }
    lines.sort_by_key(|line| line.style);
    Plot {
        name: "utilisation".into(),
        caption: "Minimum mutator utilisation: in the worst window of the length at the bottom, the \
                  mutator had at least this share of the time. A batch of more than 10 µs counts as \
                  lost as a whole, whatever took the time. The dashed lines have no collector: what \
                  they lose is the machine's."
            .into(),
        chart: Chart {
            title: "minimum mutator utilisation".into(),
            x: Axis::log("window, ms"),
            y: Axis::linear("share of the mutator").within(0.0, 1.0),
            lines,
        },
    }
}

fn heap(session: &Session, plot: &str, key: &str, title: &str, unit: &str) -> Plot {
    let line = |label: &str| {
        let mut line =
            Line { name: label.into(), style: style(label), marked: true, ..Line::default() };
        for x in PERCENTS {
            let runs = results(session, &id(plot, x));
            let Some((_, object)) = runs.into_iter().find(|(l, _)| *l == label) else { continue };
            if let (Some(mb), Some(y)) = (number(object, "rss_mb"), number(object, key)) {
                line.points.push((mb, y));
                line.notes.push(format!("{x} %"));
            }
        }
        line
    };
    Plot {
        name: plot.into(),
        caption: format!(
            "`{}` with the heap allowed to grow by 25 to 400 % over what is live (`gc_percent`, \
             `GOGC`), against the peak of the resident memory.",
            plot.trim_start_matches("heap-")
        ),
        chart: Chart {
            title: title.into(),
            x: Axis::log("peak RSS, MB"),
            y: Axis::linear(unit),
            lines: ["gc", "go"].map(line).into(),
        },
    }
}

fn pauses(session: &Session, plot: &str, xs: &[u64], name: &str) -> Plot {
    let line = |label: &str, key: &str, what: &str, style: usize| {
        let point = |&x: &u64| {
            let runs = results(session, &id(plot, x));
            let (_, object) = runs.into_iter().find(|(l, _)| *l == label)?;
            Some((x as f64, number(object, key)?))
        };
        let points = xs.iter().filter_map(point).collect();
        Line { name: format!("{label} {what}"), style, points, marked: true, ..Line::default() }
    };
    let mut lines = vec![
        line("gc", "p9999_us", "p99.99", 0),
        line("go", "p9999_us", "p99.99", 1),
        line("arc", "p9999_us", "p99.99", 3),
        line("gc", "pause_p999_us", "pauses p99.9", 2),
        line("gc", "max_us", "max", 4),
        line("go", "max_us", "max", 5),
    ];
    lines.retain(|line| !line.points.is_empty());
    let ticks = xs.iter().map(|&x| (x as f64, count(x))).collect();
    Plot {
        name: plot.into(),
        caption: format!(
            "The longest batches of `mutate` against the number of {name}. `gc pauses` are those \
             that the heap recorded (`heap.pauses()`), all kinds together."
        ),
        chart: Chart {
            title: format!("mutate: pauses against {name}"),
            x: Axis::log(name).with_ticks(ticks),
            y: Axis::log("µs"),
            lines,
        },
    }
}

/// A round number in few characters.
fn count(x: u64) -> String {
    match x {
        1_000_000.. => format!("{}M", x / 1_000_000),
        1000.. => format!("{}k", x / 1000),
        _ => x.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::Run;

    fn session(runs: &[(&str, &str, &str)]) -> Session {
        let runs = runs.iter().map(|&(row, label, child)| Run::of(row, 1, label, child));
        Session { runs: runs.collect(), ..Session::default() }
    }

    #[test]
    fn percentiles() {
        assert_eq!(quantile("p50_us"), Some(0.5));
        assert_eq!(quantile("p99995_us"), Some(0.99995));
        for key in ["pause_p999_us", "p_us", "max_us", "p99"] {
            assert_eq!(quantile(key), None, "{key}");
        }
        assert!((nines(0.999) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn only_what_has_results_is_drawn() {
        let session = session(&[
            ("sweep window latency", "gc", "{\"p99_us\":2,\"p50_us\":1,\"mmu_100us\":0.5}"),
            ("sweep heap-mutate 25", "gc", "{\"rss_mb\":100,\"mops_per_s\":5}"),
            ("sweep heap-mutate 100", "go", "{\"rss_mb\":150,\"mops_per_s\":2}"),
        ]);
        let plots = all(&session);
        let names: Vec<_> = plots.iter().map(|plot| plot.name.as_str()).collect();
        assert_eq!(names, ["latency-window", "utilisation", "heap-mutate"]);
        let points = &plots[0].chart.lines[0].points;
        assert!(points[0].0 < points[1].0, "sorted by share: {points:?}");
        assert_eq!(plots[1].chart.lines[0].points, [(0.1, 0.5)]);
        assert_eq!(plots[2].chart.lines[1].notes, ["100 %"]);
        assert!(plots.iter().all(|plot| plot.chart.svg().is_some()));
    }
}
