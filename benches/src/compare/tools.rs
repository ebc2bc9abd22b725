//! What runs the contenders: this program, the one with mimalloc beside it, Go and a JVM from the
//! PATH, `taskset`.
//!
//! The Go program and the Java classes are built once, into the folder of this program, or into the
//! system's folder for temporary files if that cannot be written.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use super::contenders::{Contender, Kind};
use super::rows::Row;

/// Why something cannot run.
type Found<T> = Result<T, String>;

/// A JVM and the classes for it.
#[derive(Clone, Debug)]
pub(crate) struct Java {
    pub(crate) program: PathBuf,
    pub(crate) classes: PathBuf,
}

/// The programs found.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) own: PathBuf,
    pub(crate) mimalloc: Found<PathBuf>,
    pub(crate) go: Found<PathBuf>,
    pub(crate) java: Found<Java>,
    pub(crate) taskset: Option<PathBuf>,
    /// The cores that this process may use, in order.
    pub(crate) cores: Vec<usize>,
}

/// The same program with mimalloc as its allocator.
const MIMALLOC: &str = "gc-bench-mimalloc";

/// The folder of this package: the other languages' sources are below it.
pub(crate) const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

impl Tools {
    /// Looks for what the contenders need, and builds what must be built.
    pub(crate) fn find(contenders: &[Contender]) -> Result<Tools, String> {
        let is_wanted = |is: fn(Kind) -> bool| contenders.iter().any(|c| is(c.kind));
        let unwanted = || "no contender here needs it".to_string();
        let own =
            std::env::current_exe().map_err(|e| format!("cannot find my own program: {e}"))?;
        let beside = own.with_file_name(MIMALLOC);
        if own == beside {
            return Err(format!("{MIMALLOC} is one of those that gc-bench compares; run gc-bench"));
        }
        let sources = Path::new(PACKAGE);
        Ok(Tools {
            mimalloc: if beside.is_file() {
                Ok(beside)
            } else {
                Err("there is no gc-bench-mimalloc beside gc-bench: build with --features peers"
                    .into())
            },
            go: if is_wanted(|kind| kind == Kind::Go) {
                build_go(&sources.join("go"), &own)
            } else {
                Err(unwanted())
            },
            java: if is_wanted(|kind| matches!(kind, Kind::Java(_))) {
                build_java(&sources.join("java"), &own)
            } else {
                Err(unwanted())
            },
            taskset: on_path("taskset"),
            cores: crate::pin::allowed_cores(),
            own,
        })
    }

    /// This program and nothing else.
    #[cfg(test)]
    pub(crate) fn only_ours(own: PathBuf) -> Tools {
        let missing = || "not in this test".to_string();
        Tools {
            own,
            mimalloc: Err(missing()),
            go: Err(missing()),
            java: Err(missing()),
            taskset: None,
            cores: Vec::new(),
        }
    }

    /// What stands before a command to give it the cores that ours uses in this row: its mutators'
    /// and markers'.
    pub(crate) fn same_cores(&self, row: &Row) -> Vec<String> {
        let Some(taskset) = &self.taskset else { return Vec::new() };
        let n = self.cores.len();
        // The heap's own default, a quarter of the cores.
        let markers = row.markers.unwrap_or((n / 4).max(1));
        let is_ours = |i: usize| i < row.threads || i + markers >= n;
        let cores: Vec<String> =
            (0..n).filter(|&i| is_ours(i)).map(|i| self.cores[i].to_string()).collect();
        if cores.is_empty() {
            return Vec::new();
        }
        vec![taskset.to_string_lossy().into_owned(), "-c".into(), cores.join(",")]
    }
}

/// The program of that name on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn build_go(sources: &Path, own: &Path) -> Found<PathBuf> {
    let go = on_path("go").ok_or("there is no go on the PATH")?;
    if !sources.join("go.mod").is_file() {
        return Err("the Go program's sources are not there".into());
    }
    let program = place(own).join("gc-bench-go");
    let mut build = Command::new(go);
    build.current_dir(sources).args(["build", "-o"]).arg(&program).arg(".");
    succeed("go build", build)?;
    Ok(program)
}

fn build_java(sources: &Path, own: &Path) -> Found<Java> {
    let program = on_path("java").ok_or("there is no java on the PATH")?;
    let javac =
        on_path("javac").ok_or("there is a java on the PATH, but no javac to compile for it")?;
    let entries =
        std::fs::read_dir(sources).map_err(|_| "the Java program's sources are not there")?;
    let paths = entries.flatten().map(|entry| entry.path());
    let files: Vec<PathBuf> =
        paths.filter(|p| p.extension().is_some_and(|e| e == "java")).collect();
    if files.is_empty() {
        return Err("the Java program's sources are not there".into());
    }
    let classes = place(own).join("gc-bench-java");
    let mut build = Command::new(javac);
    // A compiler newer than the JVM would write classes that it does not read.
    build.args(["--release", "17", "-d"]).arg(&classes).args(files);
    succeed("javac", build)?;
    Ok(Java { program, classes })
}

/// Where built programs go.
fn place(own: &Path) -> PathBuf {
    let beside = own.parent().unwrap_or(Path::new("."));
    let probe = beside.join("gc-bench-probe");
    if std::fs::write(&probe, "").is_ok() {
        // What cannot be removed is an empty file among build output.
        let _ = std::fs::remove_file(&probe);
        return beside.to_path_buf();
    }
    std::env::temp_dir()
}

fn succeed(what: &str, mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{what} does not start: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what} failed: {}", said.lines().next().unwrap_or("it said nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows;

    #[test]
    fn cores_are_those_of_mutators_and_markers() {
        let mut tools = Tools::only_ours(PathBuf::from("x"));
        let all = rows::all(true);
        let row = |id: &str| all.iter().find(|row| row.id == id).unwrap();
        assert!(tools.same_cores(row("alloc-2")).is_empty(), "without taskset");
        tools.taskset = Some("taskset".into());
        assert!(tools.same_cores(row("alloc-2")).is_empty(), "without cores");
        tools.cores = vec![0, 1];
        assert_eq!(tools.same_cores(row("alloc-1")), ["taskset", "-c", "0,1"]);
        tools.cores = (4..16).collect();
        assert_eq!(tools.same_cores(row("alloc-2")), ["taskset", "-c", "4,5,13,14,15"]);
        assert_eq!(tools.same_cores(row("mark-1")), ["taskset", "-c", "4,15"]);
    }

    #[test]
    fn what_is_on_the_path() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program-here"), None);
    }

    #[test]
    fn a_failed_build_says_what_was_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such option >&2; exit 3"]);
        assert_eq!(succeed("sh", command), Err("sh failed: no such option".into()));
    }
}
