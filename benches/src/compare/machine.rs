//! What a session ran on and with: the header of the results.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::tools::{PACKAGE, Tools};
use crate::json::{Json, Object};

/// The header: what is unknown is left out.
pub(crate) fn header(tools: &Tools, quick: bool) -> Object {
    let mut header = Object::default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    header.text("date", date(since.as_secs()));
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            header.text(key, value);
        }
    };
    add("cpu", cpu(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()));
    add("memory_gib", memory_gib());
    add("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|s| s.trim().into()));
    add("rustc", first_line("rustc", &["--version"]));
    if tools.go.is_ok() {
        add("go", first_line("go", &["version"]));
    }
    if let Ok(java) = &tools.java {
        add("java", first_line(&java.program.to_string_lossy(), &["--version"]));
    }
    add("commit", commit());
    header.count("cores", tools.cores.len() as u64);
    header.0.push(("quick".into(), Json::Bool(quick)));
    header
}

fn cpu(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn memory_gib() -> Option<String> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(format!("{:.1}", kib / f64::from(1 << 20)))
}

/// The commit of the sources, with a mark if they were changed since.
fn commit() -> Option<String> {
    if !Path::new(PACKAGE).is_dir() {
        return None;
    }
    let commit = first_line("git", &["-C", PACKAGE, "rev-parse", "--short=12", "HEAD"])?;
    let changed = first_line("git", &["-C", PACKAGE, "status", "--porcelain", "-uno"]).is_some();
    Some(if changed { format!("{commit} with changes") } else { commit })
}

/// What a program says first, if it says anything.
fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().filter(|_| output.status.success()).map(String::from)
}

/// Seconds since 1970 as a date and time of day in UTC (Hinnant's days-to-civil: years begin in March, so that the
/// leap day is the last).
fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", time / 3600, time / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_735_689_599), "2024-12-31 23:59 UTC");
    }

    #[test]
    fn the_cpu() {
        assert_eq!(cpu("a : b\nmodel name\t: X 3 GHz\n"), Some("X 3 GHz".into()));
        assert_eq!(cpu(""), None);
    }

    #[test]
    fn a_header_says_where() {
        let header = header(&Tools::only_ours("x".into()), true);
        assert!(header.str("date").unwrap().ends_with("UTC"));
        assert_eq!(header.get("quick"), Some(&Json::Bool(true)));
        assert_eq!(header.str("go"), None);
    }
}
