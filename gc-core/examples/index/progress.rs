//! A progress bar on standard error; a line every few seconds where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// The steps of the bar.
const STEPS: u64 = 1000;

/// Where the progress is shown, and when it was last.
pub(crate) struct Progress {
    is_terminal: bool,
    bar: ProgressBar,
    shown: Instant,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = ProgressBar::new(STEPS);
        // A message that is too long for the terminal is cut.
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {wide_msg}");
        bar.set_style(style.expect("the template is sound").progress_chars("##."));
        Progress { is_terminal: io::stderr().is_terminal(), bar, shown: Instant::now() }
    }

    /// Shows that `share` (0 to 1) is done, unless something was shown a moment ago.
    pub(crate) fn show(&mut self, what: &str, share: f64, rest: impl FnOnce() -> String) {
        let pause = Duration::from_millis(if self.is_terminal { 100 } else { 3000 });
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        if !self.is_terminal {
            eprintln!("{}", line(what, share, &rest()));
            return;
        }
        if self.bar.is_finished() {
            self.bar.reset();
        }
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message(rest());
        self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
    }

    /// Removes the bar.
    pub(crate) fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line without a bar.
fn line(what: &str, share: f64, rest: &str) -> String {
    let percent = (share.clamp(0.0, 1.0) * 100.0) as u32;
    format!("{what}: {percent} %, {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_whole_percents() {
        assert_eq!(line("indexing", 0.25, "5 docs"), "indexing: 25 %, 5 docs");
        assert_eq!(line("indexing", 7.0, "5 docs"), "indexing: 100 %, 5 docs");
        assert_eq!(line("indexing", f64::NAN, ""), "indexing: 0 %, ");
    }

    #[test]
    fn the_bar_is_used_again_after_it_was_removed() {
        let mut progress = Progress::new();
        progress.is_terminal = true;
        for what in ["reading", "indexing"] {
            progress.shown -= Duration::from_secs(1);
            progress.show(what, 0.5, String::new);
            assert_eq!((progress.bar.position(), progress.bar.prefix()), (STEPS / 2, what.into()));
            progress.clear();
            assert!(progress.bar.is_finished());
        }
    }
}
