//! A test in a process of its own: the test program is run again for this one test, and told so by
//! an environment variable. What the child prints on standard error is passed on.
//!
//! A program for another processor runs under an emulator, and so must its child. The emulator's
//! command is in `GC_TEST_RUNNER`; without it, in the variable by which cargo was told.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const CHILD: &str = "GC_TEST_CHILD";

/// The command under which test programs run, if there is one.
const RUNNER: &str = "GC_TEST_RUNNER";

/// The longest that a child may take, in seconds. A child that hangs is killed and fails its test.
const LONGEST: u32 = 300;

/// A run of one test in a process of its own.
pub(crate) struct Again {
    name: &'static str,
    shell: String,
    command: Command,
}

/// How such a run ended.
pub(crate) struct Ended {
    pub(crate) errors: String,
    pub(crate) signal: Option<i32>,
    passed: bool,
    out: String,
}

/// Whether this process is such a child. If so, its time is limited from here on.
pub(crate) fn is_child() -> bool {
    let child = std::env::var_os(CHILD).is_some();
    if child {
        limit_time(LONGEST);
    }
    child
}

/// Ends this process by a signal after so many seconds.
pub(crate) fn limit_time(seconds: u32) {
    // SAFETY: the call takes a plain integer; the signal ends the process.
    unsafe { libc::alarm(seconds) };
}

/// CPU time of this process.
pub(crate) fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for the answer.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The words of the runner's command: `GC_TEST_RUNNER`, or `CARGO_TARGET_<TRIPLE>_RUNNER` for a
/// triple of this processor. None if there is no runner.
fn runner(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let (mut own, mut cargos) = (None, None);
    let triple = format!("CARGO_TARGET_{}", std::env::consts::ARCH.to_uppercase());
    for (key, value) in variables {
        let key = key.to_string_lossy();
        let place = match &*key {
            RUNNER => &mut own,
            key if key.starts_with(&triple) && key.ends_with("_RUNNER") => &mut cargos,
            _ => continue,
        };
        *place = Some(value.to_string_lossy().into_owned());
    }
    let command = own.or(cargos).unwrap_or_default();
    command.split_whitespace().map(str::to_owned).collect()
}

/// Runs `body` in a process of its own; `name` is the calling test's, with its module.
pub(crate) fn alone(name: &'static str, body: impl FnOnce()) {
    if is_child() {
        body();
    } else {
        Again::new(name).run().must_pass();
    }
}

impl Again {
    pub(crate) fn new(name: &'static str) -> Again {
        let mut command = Command::new("sh");
        command.env(CHILD, "1").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        Again { name, shell: "ulimit -c 0; ".into(), command }
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Again {
        self.command.env(key, value);
        self
    }

    /// With at most so many KiB of address space.
    #[cfg(target_os = "linux")]
    pub(crate) fn address_space(mut self, kib: usize) -> Again {
        self.shell = format!("{}ulimit -v {kib}; ", self.shell);
        self
    }

    /// After a command of the shell.
    #[cfg(target_os = "linux")]
    pub(crate) fn before(mut self, command: &str) -> Again {
        self.shell = format!("{}{command} && ", self.shell);
        self
    }

    pub(crate) fn run(mut self) -> Ended {
        let program = std::env::current_exe().expect("the test program has a path");
        self.command.arg("-c").arg(format!("{}exec \"$0\" \"$@\"", self.shell));
        self.command.args(runner(std::env::vars_os())).arg(program);
        self.command.args(["--exact", self.name, "--nocapture", "--test-threads=1"]);
        let Output { status, stdout, stderr } = self.command.output().expect("sh can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&stdout), text(&stderr));
        for line in errors.lines().filter(|line| line.starts_with("hard: ")) {
            eprintln!("{line}");
        }
        // A name that is wrong runs no test at all.
        let passed = status.success() && out.contains("test result: ok. 1 passed");
        Ended { errors, signal: status.signal(), passed, out }
    }
}

impl Ended {
    /// Whether the child's test has passed.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed
    }
    /// The child's test must have passed.
    #[track_caller]
    pub(crate) fn must_pass(&self) -> &Ended {
        assert!(self.passed, "signal {:?}\n{}\n{}", self.signal, self.out, self.errors);
        self
    }
}

#[test]
fn a_child_runs_under_the_same_runner() {
    let words = |variables: &[(&str, &str)]| {
        runner(variables.iter().map(|(key, value)| (OsString::from(key), OsString::from(value))))
    };
    let of_cargo = format!("CARGO_TARGET_{}_SOME_OS_RUNNER", std::env::consts::ARCH.to_uppercase());
    let of_cargo = (of_cargo.as_str(), "qemu-x -L /usr/x");
    assert_eq!(words(&[of_cargo]), ["qemu-x", "-L", "/usr/x"]);
    assert_eq!(words(&[("GC_TEST_RUNNER", "other"), of_cargo]), ["other"]);
    assert!(words(&[of_cargo, ("GC_TEST_RUNNER", "")]).is_empty(), "empty: there is none");
    assert!(words(&[("CARGO_TARGET_OTHER_RUNNER", "no"), ("PATH", "no")]).is_empty());
}

/// The child is a child, is alone in it, and one that fails is seen to fail.
#[test]
fn a_test_runs_itself_again() {
    if is_child() {
        let fails = std::env::var_os("GC_TEST_FAILS").is_some();
        eprintln!("hard: the child runs");
        assert!(!fails, "as it was told to");
        return;
    }
    let name = concat!(module_path!(), "::a_test_runs_itself_again");
    // The first part of the path is the program.
    let (_, name) = name.split_once("::").expect("a path has a module");
    let ended = Again::new(name).run();
    assert!(ended.must_pass().errors.contains("the child runs"), "{}", ended.errors);
    assert!(!Again::new(name).env("GC_TEST_FAILS", "1").run().has_passed());
    assert!(!Again::new("no::such::test").run().has_passed());
}
