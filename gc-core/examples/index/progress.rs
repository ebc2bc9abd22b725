//! A progress bar on standard error; a line every few seconds where that is no terminal.

use crate::layout;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The columns of the bar, and of the bar of a terminal that is narrower than `WIDE`.
const BARS: [usize; 2] = [30, 10];
const WIDE: usize = 80;

/// Where the bar is drawn, and when it was last.
pub(crate) struct Progress {
    is_terminal: bool,
    drawn: Option<Instant>,
    began: Instant,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress { is_terminal: io::stderr().is_terminal(), drawn: None, began: Instant::now() }
    }

    /// Shows that `share` (0 to 1) is done, unless something was shown a moment ago.
    pub(crate) fn show(&mut self, what: &str, share: f64, rest: impl FnOnce() -> String) {
        let pause = Duration::from_millis(if self.is_terminal { 100 } else { 3000 });
        if self.drawn.unwrap_or(self.began).elapsed() < pause {
            return;
        }
        self.drawn = Some(Instant::now());
        // Asked for each time, because a window changes its size.
        let width = self.is_terminal.then(|| layout::width(&io::stderr()).unwrap_or(WIDE));
        let line = line(what, share, &rest(), width);
        // Progress that cannot be shown is no reason to stop.
        let _ = if self.is_terminal {
            write!(io::stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(io::stderr(), "{line}")
        };
    }

    /// Removes the bar.
    pub(crate) fn clear(&mut self) {
        if self.is_terminal && self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A line without a bar, or one with a bar for a terminal of `width` columns.
fn line(what: &str, share: f64, rest: &str, width: Option<usize>) -> String {
    let share = share.clamp(0.0, 1.0);
    let percent = (share * 100.0) as u32;
    let Some(width) = width else { return format!("{what}: {percent} %, {rest}") };
    let bar = BARS[usize::from(width < WIDE)];
    let full = (share * bar as f64) as usize;
    let line =
        format!("{what} [{}{}] {percent:>3} % {rest}", "#".repeat(full), ".".repeat(bar - full));
    // The last column stays free: some terminals begin a new line after it.
    line.chars().take(width - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_stays_in_its_frame() {
        for share in [-1.0, 0.0, 0.5, 1.0, 7.0, f64::NAN] {
            for (width, columns) in [(120, 30), (80, 30), (79, 10), (40, 10)] {
                let bar = line("indexing", share, "", Some(width));
                assert_eq!(bar.chars().filter(|c| "#.".contains(*c)).count(), columns, "{bar}");
            }
        }
        assert_eq!(line("indexing", 0.25, "5 docs", None), "indexing: 25 %, 5 docs");
    }

    #[test]
    fn the_line_stays_on_its_line() {
        let rest = "123456 docs/s, 1234567 queries, 12345 MB live, 12345 cycles";
        for width in 30..130 {
            assert!(line("indexing", 0.5, rest, Some(width)).chars().count() < width);
        }
        assert!(line("indexing", 0.5, rest, Some(120)).ends_with("cycles"));
    }
}
