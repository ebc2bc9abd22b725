//! The command line, and the folder that is indexed if none is named.

use crate::layout::Page;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// The help, to be shown on so many columns.
pub(crate) fn help(width: Option<usize>) -> String {
    // A pipe has no width, and help is read all the same.
    let mut page = Page::new(Some(width.unwrap_or(80).min(100)));
    page.paragraph(
        "Builds a concurrent inverted index of every text file below FOLDER in one garbage-collected heap, \
         revises it from several threads while others query it, and checks every posting at the end.",
    );
    page.paragraph("");
    page.paragraph(USAGE);
    page.paragraph("");
    let folder = "default: the sources of the crates that cargo has downloaded for this workspace";
    page.entry("FOLDER", folder);
    let threads =
        "writers, 2 to 256 (default: one for each core, at least 2); half as many readers";
    page.entry("--threads N", threads);
    let serve = "show the heap on http://127.0.0.1:PORT meanwhile, and until Enter is pressed (needs a build with \
                 --features debug-server); 0 for any free port";
    page.entry("--serve PORT", serve);
    page.entry("--help", "this text");
    page.paragraph("");
    page.paragraph(
        "Exit code: 0 if the index is right; 1 if it is not, or if the output cannot be written; \
         2 if the command line or the folder is wrong, or the folder has no text.",
    );
    page.into_text()
}

const USAGE: &str =
    "usage: cargo run --release --example index -- [FOLDER] [--threads N] [--serve PORT]";
const THREADS: std::ops::RangeInclusive<usize> = 2..=256;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

/// How to do it.
#[derive(Debug)]
pub(crate) struct Options {
    /// What is indexed: the folder that was named, or the default ones.
    pub(crate) folders: Vec<PathBuf>,
    /// The number of writers.
    pub(crate) threads: usize,
    /// The port on which the heap is shown.
    pub(crate) serve: Option<u16>,
}

impl Options {
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
        let mut args = lexopt::Parser::from_args(args);
        let (mut folder, mut threads, mut serve) = (None, None, None);
        while let Some(arg) = args.next().map_err(refusal)? {
            match arg {
                Short('h') | Long("help") => return Ok(Command::Help),
                Long("threads") => {
                    let value = args.value().map_err(refusal)?;
                    threads = Some(parse_threads(&value.to_string_lossy())?);
                }
                Long("serve") => {
                    let value = args.value().map_err(refusal)?;
                    serve = Some(parse_port(&value.to_string_lossy())?);
                }
                Value(value) if folder.is_some() => {
                    return Err(refusal(format!("more than one folder: {value:?}")));
                }
                Value(value) => folder = Some(PathBuf::from(value)),
                other => return Err(refusal(other.unexpected())),
            }
        }
        let folders = match folder {
            Some(folder) => vec![existing(folder)?],
            None => default_folders()?,
        };
        let cores = || thread::available_parallelism().map_or(2, usize::from);
        let threads = threads.unwrap_or_else(|| cores().clamp(*THREADS.start(), *THREADS.end()));
        Ok(Command::Run(Options { folders, threads, serve }))
    }
}

/// What is wrong with the command line, and how it should be.
fn refusal(error: impl std::fmt::Display) -> String {
    format!("{error}\n{USAGE}")
}

fn parse_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|n| THREADS.contains(n));
    threads.ok_or_else(|| format!("--threads is {text:?}, but must be a number from 2 to 256"))
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--serve is {text:?}, but must be a port from 0 to 65535"))
}

fn existing(folder: PathBuf) -> Result<PathBuf, String> {
    match fs::metadata(&folder) {
        Ok(data) if data.is_dir() => Ok(folder),
        Ok(_) => Err(format!("{} is not a folder", folder.display())),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

/// The sources of the crates of this workspace's lock file. If there is no lock file or none of its
/// crates: all that cargo has. If cargo has none: the workspace.
fn default_folders() -> Result<Vec<PathBuf>, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::home_dir()?;
        Some(home.join(".cargo"))
    });
    let sources = home.map(|home| home.join("registry").join("src")).unwrap_or_default();
    let crates: Vec<PathBuf> = subfolders(&sources).iter().flat_map(|r| subfolders(r)).collect();
    let locked = fs::read_to_string(workspace.join("Cargo.lock")).map(|lock| packages(&lock));
    let locked = locked.unwrap_or_default();
    let is_locked = |path: &&PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|n| locked.iter().any(|l| l == n))
    };
    let ours: Vec<PathBuf> = crates.iter().filter(is_locked).cloned().collect();
    let folders = [ours, crates].into_iter().find(|folders| !folders.is_empty());
    // What is built there is not text, and much.
    let of_workspace = || {
        let parts = subfolders(&workspace).into_iter();
        let is_source = |part: &PathBuf| {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            name != "target" && !name.starts_with('.')
        };
        Some(parts.filter(is_source).collect::<Vec<_>>()).filter(|parts| !parts.is_empty())
    };
    folders.or_else(of_workspace).ok_or_else(|| "nothing to index: name a FOLDER".to_owned())
}

/// The folders in `folder`, by name; none if it cannot be read.
fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

/// The `name-version` of every package of a lock file.
fn packages(lock: &str) -> Vec<String> {
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let mut packages = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version") {
            packages.push(format!("{name}-{version}"));
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        Options::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn takes_folder_and_threads() {
        for args in [["--threads", "3", "."], [".", "--threads", "3"], ["--threads=3", "--", "."]] {
            let Ok(Command::Run(options)) = parse(&args) else { panic!("{args:?}") };
            assert_eq!((options.threads, options.folders), (3, vec![PathBuf::from(".")]));
        }
        let Ok(Command::Run(options)) = parse(&[".", "--serve", "6060"]) else { panic!() };
        assert_eq!(options.serve, Some(6060));
        assert!(parse(&["--serve", "65536"]).unwrap_err().contains("0 to 65535"));
        assert!(matches!(parse(&["--help"]), Ok(Command::Help)));
    }

    #[test]
    fn says_what_is_wrong() {
        for args in
            [&["--threads", "1"][..], &["--threads=x"], &["--threads", "999"], &["--threads="]]
        {
            assert!(parse(args).unwrap_err().contains("2 to 256"), "{args:?}");
        }
        for args in [&["--fast"][..], &["-f"], &["--threads"], &[".", "."]] {
            let error = parse(args).unwrap_err();
            let name = args[0];
            assert!(error.contains(name) && error.contains("usage: "), "{args:?}: {error}");
        }
        assert!(parse(&[".", "."]).unwrap_err().contains("more than one"));
        assert!(parse(&["", "."]).unwrap_err().contains("more than one"));
        assert!(parse(&["no such folder"]).unwrap_err().contains("no such folder"));
        assert!(parse(&["Cargo.toml"]).unwrap_err().contains("not a folder"));
    }

    #[test]
    fn the_help_fits() {
        for width in [30, 40, 60, 80, 120] {
            let help = help(Some(width));
            assert!(help.lines().all(|line| line.chars().count() <= width), "{help}");
        }
        assert!(help(None).contains("--threads N"));
    }

    #[test]
    fn reads_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b-c\"\nversion = \"2.1.3+x\"\n";
        assert_eq!(packages(lock), ["a-1.0.0", "b-c-2.1.3+x"]);
        assert!(packages("").is_empty());
    }
}
