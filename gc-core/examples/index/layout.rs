//! The width of the terminal, and text that fits it.

use std::fmt::Write;
use std::io::IsTerminal;
use textwrap::Options;

/// Columns of the labels at the start of a line.
const LABEL: usize = 13;
/// A narrower terminal gets lines of this width, which it breaks by itself.
const NARROWEST: usize = 30;

/// The columns of a terminal: `COLUMNS` if it is set, else what the system says. `None` if `stream`
/// is a file or a pipe, in which lines are as long as they are.
pub(crate) fn width(stream: &impl IsTerminal) -> Option<usize> {
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    // Of the first standard stream that is a terminal; all that are, are the same one.
    let measured = || Some(terminal_size::terminal_size()?.0.0.into());
    let columns: Option<usize> = asked().or_else(|| stream.is_terminal().then(measured).flatten());
    columns.map(|columns| columns.max(NARROWEST))
}

/// A number and what is counted: `1 file`, `2 files`. For `y` at the end, `queries`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if n == 1 => format!("1 {noun}"),
        Some(stem) => format!("{n} {stem}ies"),
        None => format!("{n} {noun}s"),
    }
}

/// Lines of a label and a text, which is broken where the terminal ends.
pub(crate) struct Page {
    width: Option<usize>,
    text: String,
}

impl Page {
    pub(crate) fn new(width: Option<usize>) -> Page {
        Page { width, text: String::new() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn entry(&mut self, label: &str, text: &str) {
        self.hang(&format!("{label:<LABEL$}"), LABEL, text);
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.hang("", 0, text);
    }

    /// `first` and the text; further lines begin `indent` columns from the left.
    fn hang(&mut self, first: &str, indent: usize, text: &str) {
        let indent = " ".repeat(indent);
        let options = Options::new(self.width.unwrap_or(usize::MAX))
            .initial_indent(first)
            .subsequent_indent(&indent);
        for line in textwrap::wrap(text, options) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!([count(0, "file"), count(2, "file")], ["0 files", "2 files"]);
        assert_eq!([count(1, "query"), count(3, "query")], ["1 query", "3 queries"]);
    }

    #[test]
    fn lines_end_before_the_terminal() {
        let text = "a few words, and then /a/path/that/is/longer/than/a/narrow/terminal/is/wide";
        for width in 30..120 {
            let mut page = Page::new(Some(width));
            page.entry("files", text);
            page.paragraph(text);
            let page = page.into_text();
            assert!(page.lines().all(|line| line.chars().count() <= width), "{width}\n{page}");
            let words = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(words(&page), format!("files{0}{0}", words(text)), "nothing is lost");
        }
        let mut page = Page::new(None);
        page.entry("files", text);
        assert_eq!(page.into_text(), format!("files        {text}\n"));
    }

    #[test]
    fn a_file_has_no_width() {
        let file = std::fs::File::open("Cargo.toml").unwrap();
        if std::env::var_os("COLUMNS").is_none() {
            assert_eq!(width(&file), None);
        }
    }
}
