//! The text of the document around the tables and plots.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::charts::Plot;
use crate::compare::record::Session;
use crate::compare::rows::{self, Row};
use crate::compare::table::Table;
use crate::compare::{bars, summary};

/// What the header's keys are called.
const MACHINE: [(&str, &str); 9] = [
    ("date", "date"),
    ("cpu", "processor"),
    ("cores", "cores"),
    ("memory_gib", "memory, GiB"),
    ("kernel", "kernel"),
    ("rustc", "Rust"),
    ("go", "Go"),
    ("java", "JVM"),
    ("commit", "commit"),
];

/// The whole document.
pub(crate) fn text(session: &Session, plots: &[Plot], notes: &str) -> String {
    let rows: Vec<Row> = rows::all(session.is_quick())
        .into_iter()
        .filter(|row| session.runs.iter().any(|run| run.row == row.id))
        .collect();
    let quick = if session.is_quick() { " --quick" } else { "" };
    let mut text = format!(
        "# Performance\n\n\
         <!-- Written by `gc-bench report`. Only what stands between the marks of the notes survives the next run. -->\n\n\
         Ours beside Go, the JVM's concurrent collectors, `Rc`, `Arc` and `Box`, arenas, and the collectors of other \
         crates, in turns on one machine. What each workload does stands at the head of its file in \
         `benches/src/`.\n\n## The machine\n\n{}\n",
        machine(session).render()
    );
    if session.is_quick() {
        text += "The sizes are the small ones of `--quick`: the figures are an indication.\n\n";
    }
    write!(
        text,
        "## How it was measured\n\n\
         - In turns: in each of {} rounds everybody runs once, each run as a process of its own that checks its result; \
         the checksums of all must agree.\n\
         - A ratio is taken inside a round. Quoted are the median of the ratios, and the least and the most.\n\
         - Latencies are those that the mutator saw around its own work. The noise floor of the machine stands beside \
         them, and `gc-idle` is the same loop in a heap that is warm and never collects.\n\
         - Ours and the Rust engines pin mutators to the first cores, ours its markers to the last. Go and the JVM get \
         the same cores by `taskset` and place their threads themselves.\n\
         - A JVM gets as heap twice what Go took at its peak (twice ours where Go is missing).\n\
         - RSS is the peak of the whole process as the kernel counts it, 1 MB is 2^20 bytes; CPU is of all threads.\n\
         - Who took more than ten times as long as ours (and at least two minutes, half of one with `--quick`) was \
         stopped.\n\n\
         To repeat it, with Go and a JDK on the PATH:\n\n\
         ```\n\
         cargo build --release -p gc-bench --features peers && target/release/gc-bench compare{quick} && \
         target/release/gc-bench report{quick}\n\
         ```\n\n{notes}\n\n",
        rounds(session)
    )
    .expect("a String takes every write");
    if !rows.is_empty() {
        let (table, [reached, missed, unknown]) = bars::table(session, &rows);
        write!(
            text,
            "## Bars\n\nWhat was to be shown: {reached} reached, {missed} missed, {unknown} not judged. A ratio is ours \
             over the other.\n\n{}\n",
            table.render()
        )
        .expect("a String takes every write");
    }
    if !plots.is_empty() {
        text += "## Plots\n\n";
    }
    for Plot { name, caption, chart } in plots {
        write!(text, "![{}](plots/{name}.svg)\n\n{caption}\n\n", chart.title)
            .expect("a String takes every write");
    }
    if !rows.is_empty() {
        text += "## Tables\n\n";
    }
    for row in &rows {
        let body = summary::row(session, row).unwrap_or_default();
        write!(text, "### {}\n\n`{}`\n\n{body}", row.id, row.title())
            .expect("a String takes every write");
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn machine(session: &Session) -> Table {
    let mut table = Table::new(&["", ""]);
    for (key, name) in MACHINE {
        if let Some(value) = session.header.str(key) {
            table.rows.push(vec![name.into(), value.into()]);
        }
    }
    table
}

/// The rounds of the comparison.
fn rounds(session: &Session) -> u32 {
    session.runs.iter().map(|run| run.round).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::Run;
    use crate::json::{self, Json};

    #[test]
    fn the_document_holds_all() {
        let run = |round, label: &str, child: &str| Run {
            row: "alloc-1".into(),
            round,
            label: label.into(),
            outcome: Ok(json::parse(child).unwrap()),
        };
        let mut session = Session::default();
        session.header.text("cpu", "X 9000");
        session.header.0.push(("quick".into(), Json::Bool(true)));
        session.runs = vec![run(1, "gc", "{\"ns_per_op\":2}"), run(2, "go", "{\"ns_per_op\":20}")];
        let text = text(&session, &[], "<!-- notes -->\nmine\n<!-- /notes -->");
        for part in [
            "X 9000",
            "each of 2 rounds",
            "compare --quick",
            "\nmine\n",
            "### alloc-1\n\n`alloc --n 30000000 --threads 1`",
            "0 reached, 0 missed, 2 not judged",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("## Plots") && !text.contains("### alloc-2"), "{text}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
}
