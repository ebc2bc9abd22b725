//! The text of the document around the tables and plots.

#![forbid(unsafe_code)]

use std::fmt::Write;

use super::charts::Plot;
use crate::compare::machine::Header;
use crate::compare::record::Session;
use crate::compare::rows::{self, Row};
use crate::compare::table::Table;
use crate::compare::{summary, targets};

/// What stands above the tables.
const HEAD: &str = "\
# Performance

<!-- Written by `gc-bench report`. The next run keeps what stands between the marks of the notes. -->

This heap beside Go, the JVM's concurrent collectors, `Rc`, `Arc` and `Box`, arenas, and the
collectors of other crates, in turns on one machine. The head of each file in `benches/src/` says
what its workload does.
";

/// How it was measured, and how to do it again.
const METHOD: &str = "\
## How it was measured

- In each of ROUNDS rounds every contender runs once, as a process that checks its own result. The
  checksums of all must agree.
- A ratio is taken inside a round. The tables show the median of the ratios, and the least and the
  most.
- A mutator measures latencies around its own work. Beside them stand the noise floor of the
  machine and `gc-idle`: the same loop in a warm heap that never collects.
- This heap and the Rust engines pin their mutators to the first cores, and this heap its markers
  to the last. Go and the JVM get the same cores by `taskset` and place their threads themselves.
- A JVM gets as heap twice what Go took at its peak, or twice what this heap took where Go is
  missing.
- RSS is the peak of the whole process as the kernel counts it; 1 MB is 2^20 bytes. CPU is the
  time of all threads.
- A contender that takes ten times as long as this heap, and at least two minutes, is stopped.
  With `--quick` the least is half a minute.

To repeat it, with Go and a JDK on the PATH:

```
cargo build --release -p gc-bench --features peers
target/release/gc-bench compareQUICK
target/release/gc-bench reportQUICK
```
";

/// Where the targets come from.
const ORIGIN: &str = "The targets were set before the work on speed began, from runs of Go 1.27, the JVM, other \
    crates and a prototype of this heap on a 2-core virtual machine (AMD EPYC).";

/// The whole document.
pub(crate) fn text(session: &Session, plots: &[Plot], notes: &str) -> String {
    let rows: Vec<Row> = rows::all(session.is_quick())
        .into_iter()
        .filter(|row| session.runs.iter().any(|run| run.row == row.id))
        .collect();
    let quick = if session.is_quick() { " --quick" } else { "" };
    let mut text = format!("{HEAD}\n## The machine\n\n{}\n", machine(&session.header).render());
    if session.is_quick() {
        text += "The sizes are the small ones of `--quick`: the figures are an indication.\n\n";
    }
    text += &METHOD.replace("ROUNDS", &rounds(session).to_string()).replace("QUICK", quick);
    write!(text, "\n{notes}\n\n").expect("a String takes every write");
    if !rows.is_empty() {
        let (table, [reached, missed, unknown]) = targets::table(session, &rows);
        let counts = format!("{reached} are reached, {missed} missed, {unknown} not judged");
        write!(text, "## Targets\n\n{ORIGIN} {counts}. A ratio is this heap over the other.\n\n")
            .expect("a String takes every write");
        text += &table.render();
        text.push('\n');
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

fn machine(header: &Header) -> Table {
    let date = Some(header.date.clone()).filter(|date| !date.is_empty());
    let cores = Some(header.cores.to_string());
    let mut table = Table::new(&["", ""]);
    for (name, value) in [
        ("date", &date),
        ("processor", &header.cpu),
        ("cores", &cores),
        ("memory, GiB", &header.memory_gib),
        ("kernel", &header.kernel),
        ("Rust", &header.rustc),
        ("Go", &header.go),
        ("JVM", &header.java),
        ("commit", &header.commit),
    ] {
        table.rows.extend(value.as_ref().map(|value| vec![name.into(), value.clone()]));
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

    #[test]
    fn the_document_holds_all() {
        let run = |round, label: &str, child: &str| Run::of("alloc-1", round, label, child);
        let mut session = Session::default();
        session.header.cpu = Some("X 9000".into());
        session.header.quick = true;
        session.runs = vec![run(1, "gc", "{\"ns_per_op\":2}"), run(2, "go", "{\"ns_per_op\":20}")];
        let text = text(&session, &[], "<!-- notes -->\nmine\n<!-- /notes -->");
        for part in [
            "X 9000",
            "each of 2 rounds",
            "compare --quick",
            "\nmine\n",
            "### alloc-1\n\n`alloc --n 30000000 --threads 1`",
            "0 are reached, 0 missed, 2 not judged",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("## Plots") && !text.contains("### alloc-2"), "{text}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
}
