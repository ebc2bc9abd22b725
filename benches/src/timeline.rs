//! The long batches of a run and their times, from which the utilisation of a mutator is computed.
//!
//! The file is text. Its first line is `# wall_ns N`. Each further line is a thread, the start of a
//! batch in nanoseconds since the thread began, and its duration.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::sync::OnceLock;

/// A batch of at least so many nanoseconds is written down. Ordinary ones take one to six
/// microseconds.
const LONG: u64 = 10_000;

/// Set if this process was asked for a timeline.
static ON: OnceLock<()> = OnceLock::new();

/// A batch that took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long {
    pub(crate) thread: u32,
    /// Nanoseconds since the thread began.
    pub(crate) start: u64,
    pub(crate) nanos: u64,
}

/// Asks every later histogram for its long batches.
pub(crate) fn turn_on() {
    ON.get_or_init(|| ());
}

/// A batch of at least so many nanoseconds is noted.
pub(crate) fn threshold() -> u64 {
    if ON.get().is_some() { LONG } else { u64::MAX }
}

/// The file's text.
pub(crate) fn text(long: &[Long], wall_s: f64) -> String {
    let mut text = format!("# wall_ns {:.0}\n", wall_s * 1e9);
    for Long { thread, start, nanos } in long {
        writeln!(text, "{thread} {start} {nanos}").expect("a String takes every write");
    }
    text
}

/// Reads such a text: the wall time in nanoseconds, and the batches.
pub(crate) fn parse(text: &str) -> Result<(u64, Vec<Long>), String> {
    let mut lines = text.lines();
    let wall = lines.next().and_then(|line| line.strip_prefix("# wall_ns ")?.parse().ok());
    let wall = wall.ok_or("a timeline begins with its wall time")?;
    let batch = |line: &str| {
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let (thread, start, nanos) = (next()?, next()?, next()?);
        Some(Long { thread: thread.try_into().ok()?, start, nanos })
    };
    let read = |line: &str| batch(line).ok_or_else(|| format!("{line:?} is no batch"));
    Ok((wall, lines.map(read).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_read_as_written() {
        let long = [
            Long { thread: 0, start: 5, nanos: 20_000 },
            Long { thread: 1, start: 7, nanos: 30_000 },
        ];
        assert_eq!(parse(&text(&long, 1.5)), Ok((1_500_000_000, long.to_vec())));
        assert!(parse("").is_err());
        assert!(parse("# wall_ns 7\n1 2\n").unwrap_err().contains("\"1 2\""));
    }
}
