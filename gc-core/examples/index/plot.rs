//! Pauses as a table and as a plot for the terminal.

use crate::layout::{Page, count};
use std::fmt::Write;

/// The length of the longest bar, in characters, where the terminal has room for it.
const WIDTH: usize = 40;
/// The columns before and after a bar, without the number.
const AROUND: usize = 17;
/// The columns of the table.
const TABLE: usize = 12 + 10 + 4 * 11;

/// One line of the table of pauses; times in nanoseconds.
pub(crate) struct Row {
    pub(crate) kind: String,
    pub(crate) count: u64,
    /// p50, p99, p99.9, max.
    pub(crate) ns: [u64; 4],
}

/// The table; kinds that never happened are left out. A paragraph for each kind where `width` is
/// too narrow.
pub(crate) fn table(rows: &[Row], width: Option<usize>) -> String {
    if width.is_some_and(|width| width < TABLE) {
        return paragraphs(rows, width);
    }
    let mut out = format!(
        "{:<12}{:>10}{:>11}{:>11}{:>11}{:>11}\n",
        "pause", "count", "p50 µs", "p99 µs", "p99.9 µs", "max µs"
    );
    for row in rows.iter().filter(|row| row.count > 0) {
        let [p50, p99, p999, max] = row.ns.map(micros);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            out,
            "{:<12}{:>10}{p50:>11}{p99:>11}{p999:>11}{max:>11}",
            row.kind.to_lowercase(),
            row.count
        );
    }
    out
}

fn paragraphs(rows: &[Row], width: Option<usize>) -> String {
    let mut page = Page::new(width);
    page.paragraph("pauses, in µs:");
    for row in rows.iter().filter(|row| row.count > 0) {
        let [p50, p99, p999, max] = row.ns.map(micros);
        let times = count(row.count, "time");
        let text = format!("{times}, p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}");
        page.entry(&row.kind.to_lowercase(), &text);
    }
    page.into_text()
}

/// Bars that show how many pauses were how long, both on a logarithmic scale. A line stands for
/// each doubling of the time; the length of its bar is the logarithm of the number. `counts` are
/// pairs of nanoseconds and a number.
pub(crate) fn bars(counts: impl IntoIterator<Item = (u64, u64)>, width: Option<usize>) -> String {
    let mut buckets = [0_u64; 64];
    for (ns, count) in counts {
        buckets[ns.max(1).ilog2() as usize] += count;
    }
    let Some(first) = buckets.iter().position(|&n| n > 0) else {
        return "no pauses were recorded\n".to_owned();
    };
    let last = buckets.iter().rposition(|&n| n > 0).unwrap_or(first);
    let most = buckets.iter().copied().max().unwrap_or(1);
    let room = width.map_or(WIDTH, |width| width.saturating_sub(AROUND + most.to_string().len()));
    let room = room.clamp(1, WIDTH);
    let mut out = String::new();
    for (log, &count) in buckets.iter().enumerate().take(last + 1).skip(first) {
        let from = micros(1 << log);
        let _ = writeln!(out, "{from:>11} µs │{:<room$} {count}", bar(count, most, room));
    }
    out
}

/// A bar for `count` where `most` has all of `room`. Eighths of a character; one pause still shows.
fn bar(count: u64, most: u64, room: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let share = (count as f64 + 1.0).ln() / (most as f64 + 1.0).ln();
    let eighths = ((share * (room * 8) as f64).round() as usize).clamp(1, room * 8);
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

/// Nanoseconds as microseconds, with as many digits as mean something.
fn micros(ns: u64) -> String {
    let us = ns as f64 / 1e3;
    match us {
        _ if us < 1.0 => format!("{us:.3}"),
        _ if us < 100.0 => format!("{us:.1}"),
        _ => format!("{us:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_logarithmic_and_never_too_long() {
        assert_eq!(bar(1_000, 1_000, WIDTH).chars().count(), WIDTH);
        assert_eq!(bar(1_000, 1_000, 7).chars().count(), 7);
        assert_eq!(bar(0, 1_000, WIDTH), "");
        assert!(bar(1, u64::MAX, WIDTH).chars().count() == 1);
        let half = bar(1_000, 1_000_000, WIDTH).chars().count();
        assert!((half as isize - WIDTH as isize / 2).abs() <= 1, "{half}");
    }

    #[test]
    fn a_plot_has_a_line_for_each_doubling() {
        let plot = bars([(1_024, 5), (1_500, 5), (9_000, 1)], None);
        let lines: Vec<_> = plot.lines().collect();
        assert_eq!(lines.len(), 4, "{plot}");
        assert!(lines[0].trim_start().starts_with("1.0 µs") && lines[0].ends_with(" 10"), "{plot}");
        assert!(lines[1].ends_with(" 0") && lines[3].ends_with(" 1"), "{plot}");
    }

    #[test]
    fn a_plot_of_the_extremes() {
        assert_eq!(bars([], None), "no pauses were recorded\n");
        assert_eq!(bars([(5, 0)], None), "no pauses were recorded\n");
        let extremes = [(0, 1), (1, u64::MAX - 1), (u64::MAX, 1)];
        assert_eq!(bars(extremes, None).lines().count(), 64);
    }

    fn row(kind: &str, count: u64) -> Row {
        Row { kind: kind.into(), count, ns: [80, 1_500, 20_000, 4_000_000] }
    }

    #[test]
    fn plots_and_tables_fit() {
        let rows = [row("Handshake", 123_456_789), row("Stall", 0), row("all", 1)];
        for width in 30..130 {
            let text =
                table(&rows, Some(width)) + &bars([(80, 12_345_678), (1_000, 9)], Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert!(text.contains("p99.9") && text.contains("123456789"), "{text}");
        }
        assert!(table(&rows, Some(40)).contains("1 time, p50 0.080,"));
    }

    #[test]
    fn a_table_leaves_out_what_never_happened() {
        let table = table(&[row("Refill", 7), row("Stall", 0)], None);
        assert_eq!(table.lines().count(), 2);
        let words: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["refill", "7", "0.080", "1.5", "20.0", "4000"]);
    }
}
