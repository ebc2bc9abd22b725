//! The examples as programs: their output at each width, and how they end after an error.

#![cfg(not(any(loom, miri, shuttle)))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Builds both examples once and returns where cargo put them. It builds nothing if `cargo test`
/// just did.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--message-format=json", "--example=index", "--example=footprint"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.stderr(Stdio::inherit()).output().expect("cargo can be run");
        assert!(output.status.success(), "the examples do not build");
        let messages = String::from_utf8(output.stdout).expect("cargo writes text");
        // "executable":"/…/examples/index"
        let path = messages.split("\"executable\":\"").skip(1).find_map(|rest| {
            let path = Path::new(rest.split('"').next()?);
            path.ends_with("examples/index").then(|| path.with_file_name(""))
        });
        path.expect("cargo names what it built")
    })
}

/// The example with its arguments. The variables of the test's own terminal do not matter.
fn example(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(folder().join(name));
    command.args(args).env_remove("COLUMNS").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the examples write text")
}

/// Expects the exit code, and gives standard output and standard error.
fn ends_with(code: i32, output: &Output) -> (&str, &str) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout:\n{out}\nstderr:\n{err}");
    (out, err)
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Folder {
        let path = std::env::temp_dir().join(format!("gc-core-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        for (file, content) in files {
            fs::write(path.join(file), content).expect("a file can be written");
        }
        Folder(path)
    }
    fn path(&self) -> &str {
        self.0.to_str().expect("its name is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SHORT: &[u8] = b"one two two three";

#[test]
fn index_counts_one_file_and_two_files() {
    let one = Folder::new("one", &[("a", SHORT)]);
    let output = example("index", &[one.path()]).output().unwrap();
    let (out, _) = ends_with(0, &output);
    assert!(out.contains("1 file ("), "{out}");
    assert!(out.contains("2 writers, 1 reader\n") || out.contains("readers\n"), "{out}");
    assert!(out.contains("verified     every posting"), "{out}");

    let more = Folder::new("more", &[("a", SHORT), ("b", SHORT), ("c", b"\0binary")]);
    let output = example("index", &["--threads", "2", more.path()]).output().unwrap();
    let (out, _) = ends_with(0, &output);
    assert!(out.contains("2 files (") && out.contains("1 binary or not UTF-8"), "{out}");
    assert!(out.contains("2 writers, 1 reader\n"), "{out}");
}

#[test]
fn index_fits_its_terminal() {
    let name = "a-file-whose-name-is-longer-than-a-narrow-terminal-is-wide";
    let files = [("a", SHORT), ("b", SHORT), (name, &vec![b'x'; (4 << 20) + 1])];
    let folder = Folder::new("narrow", &files);
    for columns in [30, 40, 60, 80, 120] {
        for args in [[folder.path(), "--threads=2"], ["--help", "."]] {
            let mut command = example("index", &args);
            let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
            let (out, _) = ends_with(0, &output);
            let is_long = |line: &&str| line.chars().count() > columns;
            assert_eq!(out.lines().find(is_long), None, "{columns} columns:\n{out}");
            assert!(out.lines().count() > 5, "{out}");
        }
    }
}

#[test]
fn index_says_that_there_is_nothing() {
    let empty = Folder::new("empty", &[]);
    let output = example("index", &[empty.path()]).output().unwrap();
    let (out, err) = ends_with(2, &output);
    assert!(out.is_empty() && err.contains("nothing to index") && err.contains("below"), "{err}");

    let binary = Folder::new("binary", &[("a", b"\0"), ("b", b"\xff")]);
    let output = example("index", &[binary.path()]).output().unwrap();
    let (_, err) = ends_with(2, &output);
    assert!(err.contains("nothing to index") && err.contains("2 binary or not UTF-8"), "{err}");
}

#[test]
fn what_cannot_be_written_is_a_failure() {
    let folder = Folder::new("unwritten", &[("a", SHORT)]);
    let all = [
        ("index", vec![folder.path()]),
        ("index", vec!["--help"]),
        ("footprint", vec!["--quick"]),
        ("footprint", vec!["--help"]),
    ];
    for (name, args) in all {
        let mut command = example(name, &args);
        // No process reads: the pipe is closed before the program begins.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        let (_, err) = ends_with(1, &output);
        assert!(err.contains("annot be written") && err.contains("pipe"), "{name} {args:?}: {err}");
        let Ok(full) = fs::File::options().write(true).open("/dev/full") else { continue };
        let output = command.stdout(full).output().unwrap();
        let (_, err) = ends_with(1, &output);
        assert!(err.contains("annot be written"), "{name} {args:?}: {err}");
    }
}

#[test]
fn command_lines_are_explained_and_refused() {
    for name in ["index", "footprint"] {
        for flag in ["--help", "-h"] {
            let output = example(name, &[flag]).output().unwrap();
            let (out, err) = ends_with(0, &output);
            assert!(out.contains("usage: ") && out.contains("--help"), "{out}");
            assert!(out.contains("Exit code: ") && err.is_empty(), "{err}");
            assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        }
        for args in [&["--unknown"][..], &["-x"], &["one", "two"]] {
            let output = example(name, args).output().unwrap();
            let (out, err) = ends_with(2, &output);
            assert!(err.contains("usage: ") && err.starts_with(name), "{args:?}: {err}");
            assert!(out.is_empty(), "{out}");
        }
    }
    let output = example("index", &["no such folder"]).output().unwrap();
    assert!(ends_with(2, &output).1.contains("no such folder"));
}
