//! Compiles batches with `rustc` against the crate as cargo has built it for this test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// What a batch is compiled against.
pub(crate) struct Rustc {
    /// Where batches and what they become lie.
    pub(crate) dir: PathBuf,
    deps: PathBuf,
    core: PathBuf,
    hostile: PathBuf,
}

/// An error of the compiler's.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    /// The lines of the batch that it names, macros' uses included; none if it is in another file.
    pub(crate) lines: Vec<usize>,
    /// As a user sees it.
    pub(crate) text: String,
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

impl Rustc {
    /// The compiler, for all tests: they run at the same time and share what it has built.
    pub(crate) fn get() -> &'static Rustc {
        static ONE: LazyLock<Rustc> = LazyLock::new(Rustc::new);
        &ONE
    }

    /// Builds the crate in its place, where it is fresh after `cargo test` has built it, and the
    /// hostile macros.
    fn new() -> Rustc {
        let exe = std::env::current_exe().expect("a test has a path");
        let profile = exe.parent().and_then(Path::parent).expect("target/profile/deps/test");
        let target = profile.parent().expect("the target folder");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        cargo.args(["build", "--offline", "--lib", "--message-format=json", "--manifest-path"]);
        cargo.arg(&manifest).arg("--target-dir").arg(target);
        if profile.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        let output = run(&mut cargo);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let core = text
            .split('"')
            .find(|part| part.contains("libgc_core-") && part.ends_with(".rlib"))
            .unwrap_or_else(|| {
                text.split('"').find(|part| part.ends_with("libgc_core.rlib")).expect("an rlib")
            });
        let core = PathBuf::from(core);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
        std::fs::create_dir_all(&dir).expect("the folder can be made");
        let deps = core.parent().expect("it lies in a folder").to_owned();
        let deps = if deps.ends_with("deps") { deps } else { deps.join("deps") };
        let hostile = dir.join(format!("{}hostile{}", DLL.0, DLL.1));
        let rustc = Rustc { dir, deps, core, hostile };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated/hostile.rs");
        let mut command = rustc.command();
        command.args(["--crate-type", "proc-macro", "--crate-name", "hostile"]);
        let output = run(command.arg(source).arg("-o").arg(&rustc.hostile));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        rustc
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
        command.args(["--edition", "2024", "--cap-lints", "allow", "-Cdebuginfo=0"]);
        command
    }

    /// Compiles `source` to a program, or only checks it. Returns the program's path and the
    /// errors.
    pub(crate) fn compile(
        &self,
        name: &str,
        source: &str,
        check: bool,
    ) -> (PathBuf, Vec<Diagnostic>) {
        let path = self.dir.join(format!("{name}.rs"));
        std::fs::write(&path, source).expect("the batch can be written");
        let out = self.dir.join(name);
        let mut command = self.command();
        command.arg("--error-format=json").arg(&path).arg("-o").arg(&out);
        command.arg("-L").arg(format!("dependency={}", self.deps.display()));
        command.arg("--extern").arg(format!("gc_core={}", self.core.display()));
        command.arg("--extern").arg(format!("hostile={}", self.hostile.display()));
        if check {
            command.arg("--emit=metadata");
        }
        for flag in std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace() {
            command.arg(flag);
        }
        let output = run(&mut command);
        let text = String::from_utf8_lossy(&output.stderr);
        let file = path.to_string_lossy();
        let errors: Vec<_> =
            text.lines().filter_map(|line| Diagnostic::read(line, &file)).collect();
        assert_eq!(output.status.success(), errors.is_empty(), "{name}: {text}");
        (out, errors)
    }
}

/// How a dynamic library is called here.
const DLL: (&str, &str) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);

impl Diagnostic {
    /// Reads a line of rustc's JSON, as far as it is needed here: the level, the places in `file`,
    /// the text.
    fn read(line: &str, file: &str) -> Option<Diagnostic> {
        let level = line.split(r#""level":""#).nth(1)?;
        if !level.starts_with("error") || !line.contains(r#""$message_type":"diagnostic""#) {
            return None;
        }
        let file_name = format!(r#""file_name":"{file}""#);
        let (main, _) = line.split_once(r#""children":"#)?;
        let places = main.split(&file_name).skip(1);
        let number = |place: &str| {
            let digits = place.split(r#""line_start":"#).nth(1)?;
            digits.split(',').next()?.trim().parse().ok()
        };
        let lines: Vec<usize> = places.filter_map(number).collect();
        let rendered = line.split(r#""rendered":""#).nth(1).unwrap_or(line);
        let text = rendered.replace("\\n", "\n").replace("\\\"", "\"");
        let is_summary = line.contains(r#""message":"aborting due to"#);
        (!is_summary).then_some(Diagnostic { lines, text })
    }
}
