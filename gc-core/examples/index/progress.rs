//! A progress bar on standard error; a line every few seconds where that is no terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;

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
        let line = line(what, share, &rest(), self.is_terminal);
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

fn line(what: &str, share: f64, rest: &str, with_bar: bool) -> String {
    let share = share.clamp(0.0, 1.0);
    let percent = (share * 100.0) as u32;
    if !with_bar {
        return format!("{what}: {percent} %, {rest}");
    }
    let full = (share * WIDTH as f64) as usize;
    format!("{what} [{}{}] {percent:>3} % {rest}", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_stays_in_its_frame() {
        for share in [-1.0, 0.0, 0.5, 1.0, 7.0, f64::NAN] {
            let bar = line("indexing", share, "", true);
            assert_eq!(bar.chars().filter(|c| "#.".contains(*c)).count(), WIDTH, "{bar}");
        }
        assert_eq!(line("indexing", 0.25, "5 docs", false), "indexing: 25 %, 5 docs");
    }
}
