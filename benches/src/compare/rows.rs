//! What is compared: a row is one workload at one size, on so many threads.

#![forbid(unsafe_code)]

/// Who takes part in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// All; an engine that cannot express the workload refuses it.
    All,
    /// Only those that finish in seconds where others take minutes: a deep tree.
    Fast,
    /// Ours, Go and the JVM: a second marker is nothing that a crate could be given.
    Concurrent,
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    /// Rows of one group are run in turns, so that they can be compared with each other too.
    pub(crate) group: &'static str,
    pub(crate) workload: &'static str,
    /// The size, as options that every program here knows.
    pub(crate) size: Vec<String>,
    pub(crate) threads: usize,
    /// The marker threads, if the row prescribes them.
    pub(crate) markers: Option<usize>,
    pub(crate) field: Field,
    /// The size of a run of ours whose collector stays idle, and the MB that it takes: the floor
    /// for a tail.
    pub(crate) idle: Option<(Vec<String>, u32)>,
}

/// A figure of a workload: its key, its name in a table.
pub(crate) type Figure = (&'static str, &'static str);

const TAIL: [Figure; 7] = [
    ("p50_us", "p50 µs"),
    ("p99_us", "p99 µs"),
    ("p999_us", "p99.9 µs"),
    ("p9999_us", "p99.99 µs"),
    ("max_us", "max µs"),
    ("cpu_s", "CPU s"),
    ("rss_mb", "RSS MB"),
];

impl Row {
    /// The figures of the row's table; the first is the one by which engines are ranked.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        figures(self.workload)
    }

    /// Whether equal work means equal checksums: with one mutator `mutate` hashes what it made in
    /// its time.
    pub(crate) fn has_fixed_checksum(&self) -> bool {
        self.workload != "mutate" || self.threads > 1
    }

    /// What the row is, for people.
    pub(crate) fn title(&self) -> String {
        let mut title = format!("{} {}", self.workload, self.size.join(" "));
        if let Some(markers) = self.markers {
            let plural = if markers == 1 { "marker" } else { "markers" };
            title = format!("{title}, {markers} {plural}");
        }
        title
    }
}

/// The figures of a workload.
pub(crate) fn figures(workload: &str) -> Vec<Figure> {
    let mut all: Vec<Figure> = match workload {
        "alloc" => vec![("ns_per_op", "ns/op")],
        "btree" => vec![("wall_s", "wall s")],
        "gcbench" => vec![("run_s", "run s")],
        "mark" => vec![("mnodes_per_s", "Mnodes/s")],
        "window" => vec![("wall_s", "wall s")],
        "mutate" => vec![("mops_per_s", "Mops/s")],
        "lru" => vec![("mops_per_s", "Mops/s"), ("hit_rate", "hit rate")],
        _ => vec![],
    };
    let tail = if ["window", "mutate", "lru"].contains(&workload) { &TAIL[..] } else { &TAIL[5..] };
    all.extend(tail);
    all
}

/// Whether more of a figure is better.
pub(crate) fn more_is_better(key: &str) -> bool {
    ["mops_per_s", "mnodes_per_s", "hit_rate"].contains(&key)
}

/// All rows: at the sizes of workloads.md, or `quick`, where most runs take about a second.
pub(crate) fn all(quick: bool) -> Vec<Row> {
    let pick = |full: &str, small: &str| words(if quick { small } else { full });
    let row = |id, group, workload, size| Row {
        id,
        group,
        workload,
        size,
        threads: 1,
        markers: None,
        field: Field::All,
        idle: None,
    };
    let on = |threads: usize, row: Row| {
        let mut size = row.size.clone();
        size.extend(["--threads".into(), threads.to_string()]);
        Row { threads, size, ..row }
    };
    let alloc = || pick("--n 100000000", "--n 30000000");
    let btree = || pick("--depth 18", "--depth 16");
    let deep = || pick("--depth 21", "--depth 18");
    let mark = |order: &str| pick(&format!("--n 10000000{order}"), &format!("--n 1000000{order}"));
    let marking = |id, group, order: &str, markers| Row {
        markers: Some(markers),
        field: if markers == 1 { Field::All } else { Field::Concurrent },
        ..row(id, group, "mark", mark(order))
    };
    let mutate = || pick("--seconds 20", "--seconds 1");
    vec![
        on(1, row("alloc-1", "alloc", "alloc", alloc())),
        on(2, row("alloc-2", "alloc", "alloc", alloc())),
        on(1, row("btree-1", "btree", "btree", btree())),
        on(2, row("btree-2", "btree", "btree", btree())),
        Row { field: Field::Fast, ..on(1, row("btree-deep-1", "btree-deep", "btree", deep())) },
        Row { field: Field::Fast, ..on(2, row("btree-deep-2", "btree-deep", "btree", deep())) },
        row("gcbench", "gcbench", "gcbench", pick("--n 5", "--n 1")),
        marking("mark-1", "mark", " --order sequential", 1),
        marking("mark-2", "mark", " --order sequential", 2),
        marking("mark-shuffled-1", "mark-shuffled", " --order shuffled", 1),
        marking("mark-shuffled-2", "mark-shuffled", " --order shuffled", 2),
        Row {
            idle: Some((words("--n 1000000"), 1200)),
            ..row("window", "window", "window", pick("--n 5000000", "--n 1000000"))
        },
        Row {
            idle: Some((words("--seconds 2"), 2000)),
            ..on(1, row("mutate-1", "mutate", "mutate", mutate()))
        },
        on(2, row("mutate-2", "mutate", "mutate", mutate())),
        on(2, row("lru-2", "lru", "lru", pick("--seconds 20", "--n 250000 --seconds 1"))),
    ]
}

/// A line as words.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_a_command_line_of_ours() {
        for row in all(true).iter().chain(&all(false)) {
            let mut sizes = vec![row.size.clone()];
            sizes.extend(row.idle.clone().map(|(size, _)| size));
            for size in sizes {
                let words = ["gc-bench", row.workload].map(String::from);
                let line: Vec<String> = words.into_iter().chain(size).collect();
                let command = cli::parse(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
                let threads = command.workload().map(|(_, workload)| workload.threads());
                assert_eq!(threads, Some(row.threads), "{line:?}");
            }
        }
    }

    #[test]
    fn ids_are_unique_and_figures_are_there() {
        let rows = all(true);
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), rows.len());
        for row in rows {
            assert!(row.figures().len() >= 3, "{}", row.id);
            assert_eq!(row.figures().last(), Some(&("rss_mb", "RSS MB")));
        }
    }
}
