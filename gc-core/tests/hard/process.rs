//! A test in a process of its own: the test program is run again for this one test, and told so by
//! an environment variable. What the child prints on standard error is passed on.

use crate::common::status;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const CHILD: &str = "GC_HARD_CHILD";

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

/// Waits until this process has `threads` threads, as it should at once, and returns how many it
/// has: the system counts one for a moment after it was joined.
pub(crate) fn threads_come_down_to(threads: usize) -> usize {
    let begin = Instant::now();
    while status("Threads") > threads && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
    status("Threads")
}

/// Ends this process by a signal after so many seconds.
pub(crate) fn limit_time(seconds: u32) {
    // SAFETY: the call takes a plain integer; the signal ends the process.
    unsafe { libc::alarm(seconds) };
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
        self.command.arg("-c").arg(format!("{}exec \"$0\" \"$@\"", self.shell)).arg(program);
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
    /// The child's test must have passed.
    #[track_caller]
    pub(crate) fn must_pass(&self) -> &Ended {
        assert!(self.passed, "signal {:?}\n{}\n{}", self.signal, self.out, self.errors);
        self
    }
}
