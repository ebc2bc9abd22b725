//! Tables that read well in a terminal and are Markdown too, and numbers short enough for them.

#![forbid(unsafe_code)]

use comfy_table::CellAlignment;
use comfy_table::presets::ASCII_MARKDOWN;

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
        let rule = |(i, width): (usize, u16)| {
            let width = usize::from(width).max(3);
            if i == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" }
        };
        let widths = self.with_rule(None).column_max_content_widths();
        self.with_rule(Some(widths.into_iter().enumerate().map(rule).collect())).to_string() + "\n"
    }

    /// The rule says how a column is aligned; the preset's own does not.
    fn with_rule(&self, rule: Option<Vec<String>>) -> comfy_table::Table {
        let rows = [&self.head].into_iter().chain(&rule).chain(&self.rows);
        let mut table = comfy_table::Table::new();
        table.load_preset(ASCII_MARKDOWN);
        table.add_rows(rows.map(|row| row.iter().map(|cell| escape(cell)).collect::<Vec<_>>()));
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
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
