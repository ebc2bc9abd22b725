//! What a session ran on and with: the header of the results.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::tools::{PACKAGE, Tools};

/// The header: what is unknown is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    pub(crate) date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_gib: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rustc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) go: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) java: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    pub(crate) cores: usize,
    /// Whether the sizes are the small ones.
    pub(crate) quick: bool,
}

impl Header {
    /// The header of a session that begins now.
    pub(crate) fn of_now(tools: &Tools, quick: bool) -> Header {
        let java = tools.java.as_ref().ok();
        Header {
            date: date(SystemTime::now()),
            cpu: cpu(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            memory_gib: memory_gib(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|s| s.trim().into()),
            rustc: first_line("rustc", &["--version"]),
            go: tools.go.as_ref().ok().and_then(|_| first_line("go", &["version"])),
            java: java.and_then(|java| first_line(&java.program.to_string_lossy(), &["--version"])),
            commit: commit(),
            cores: tools.cores.len(),
            quick,
        }
    }
}

/// A date and time of day in UTC.
fn date(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%Y-%m-%d %H:%M UTC").to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(951_782_399);
        assert_eq!(date(time), "2000-02-28 23:59 UTC");
    }

    #[test]
    fn the_cpu() {
        assert_eq!(cpu("a : b\nmodel name\t: X 3 GHz\n"), Some("X 3 GHz".into()));
        assert_eq!(cpu(""), None);
    }

    #[test]
    fn a_header_says_where() {
        let header = Header::of_now(&Tools::only_ours("x".into()), true);
        assert!(header.date.ends_with("UTC"));
        assert_eq!((header.quick, header.go), (true, None));
    }
}
