//! Tables that read well in a terminal and are Markdown too, and numbers short enough for them.

#![forbid(unsafe_code)]

use std::fmt::Write;

/// A table: the first column is text, the others are numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// What stands where there is no number.
pub(crate) const NOTHING: &str = "–";

impl Table {
    pub(crate) fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|&h| h.into()).collect(), rows: Vec::new() }
    }

    /// The table with its columns aligned. A missing cell is an empty one.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().chain([&self.head]).map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], i: usize| row.get(i).map_or(String::new(), |c| escape(c));
        let width = |i: usize| {
            let rows = self.rows.iter().chain([&self.head]);
            rows.map(|row| cell(row, i).chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        let mut line = |row: &[String]| {
            for (i, &width) in widths.iter().enumerate() {
                let cell = cell(row, i);
                // Formatting counts characters, as `width` does.
                let padded =
                    if i == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                write!(text, "| {padded} ").expect("a String takes every write");
            }
            text.push_str("|\n");
        };
        line(&self.head);
        let rule = |(i, &width): (usize, &usize)| {
            if i == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" }
        };
        line(&widths.iter().enumerate().map(rule).collect::<Vec<_>>());
        for row in &self.rows {
            line(row);
        }
        text
    }
}

/// A bar inside a cell would end it.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

/// A number to three significant digits.
pub(crate) fn short(x: f64) -> String {
    let decimals = match x.abs() {
        x if x >= 100.0 => 0,
        x if x >= 10.0 => 1,
        x if x >= 1.0 || x == 0.0 => 2,
        _ => 3,
    };
    format!("{x:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["engine", "µs"]);
        table.rows.push(vec!["a|b".into(), "1.00".into()]);
        table.rows.push(vec!["go".into()]);
        let expected = "\
| engine |   µs |
| ------ | ---: |
| a\\|b   | 1.00 |
| go     |      |
";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn numbers_are_short() {
        let of = [0.0, 0.01234, 0.5, 1.0, 12.345, 123.4, 12_345.0];
        let expected = ["0.00", "0.012", "0.500", "1.00", "12.3", "123", "12345"];
        assert_eq!(of.map(short), expected);
    }
}
