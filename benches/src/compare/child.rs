//! One run as a child process, with a time limit.
//!
//! The parent sleeps until the child closes its output: a parent that polls would take a core from
//! what it measures.

#![forbid(unsafe_code)]

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::record::Object;

/// Runs `command`: the object that it printed and the time that it took, or why there is none.
pub(crate) fn run(command: &[String], limit: Duration) -> Result<(Object, Duration), String> {
    let (program, args) = command.split_first().ok_or("no program")?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("it does not start: {e}"))?;
    let mut out = child.stdout.take().ok_or("it has no output")?;
    let mut err = child.stderr.take().ok_or("it has no error output")?;
    let (send, receive) = mpsc::channel();
    let (said, complained, in_time) = thread::scope(|scope| {
        let said = scope.spawn(move || {
            let text = read(&mut out);
            // The parent listens until it has this, or has killed the child.
            let _ = send.send(());
            text
        });
        let complained = scope.spawn(move || read(&mut err));
        let in_time = receive.recv_timeout(limit).is_ok();
        if !in_time {
            // It may have ended by itself just now.
            let _ = child.kill();
        }
        let text = |thread: thread::ScopedJoinHandle<'_, String>| thread.join().unwrap_or_default();
        (text(said), text(complained), in_time)
    });
    let status = child.wait().map_err(|e| format!("it cannot be waited for: {e}"))?;
    let took = start.elapsed();
    if !in_time {
        return Err(format!("not over after {} s", limit.as_secs()));
    }
    if !status.success() {
        // A refusal says all in its message; the code adds something where a run failed.
        let code = (status.code() != Some(2)).then(|| status.to_string());
        return Err(reason(&complained, code.as_deref()));
    }
    let line = said.lines().find(|line| line.starts_with('{')).ok_or("it printed no result")?;
    let object =
        serde_json::from_str(line).map_err(|e| format!("its result cannot be read: {e}"))?;
    Ok((object, took))
}

/// All that comes; what is no text says nothing.
fn read(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is what there is.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a failed child complained of: its first line, without the program's name.
fn reason(complaint: &str, status: Option<&str>) -> String {
    let Some(line) = complaint.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return format!("it said nothing ({})", status.unwrap_or("refused"));
    };
    let known = ["error: ", "gc-bench-go: ", "GcBench: "];
    let line = known.iter().find_map(|name| line.strip_prefix(name)).unwrap_or(line);
    status.map_or(line.into(), |status| format!("{line} ({status})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, seconds: f64) -> Result<(Object, Duration), String> {
        let words = ["sh", "-c", script].map(String::from);
        run(&words, Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_good_child() {
        let (object, took) = shell("sleep 0.02; echo note; echo '{\"wall_s\":1.5}'", 20.0).unwrap();
        assert_eq!(super::super::record::number(&object, "wall_s"), Some(1.5));
        assert!(took >= Duration::from_millis(20));
    }

    #[test]
    fn bad_children_say_why() {
        for (script, part) in [
            ("echo 'error: no such engine' >&2; exit 2", "no such engine"),
            ("echo 'gc-bench alloc: wrong' >&2; exit 1", "wrong (exit status: 1)"),
            ("exit 3", "it said nothing (exit status: 3)"),
            ("kill -SEGV $$", "signal: 11"),
            ("true", "printed no result"),
            ("echo '{\"a\":'", "cannot be read"),
            ("exec sleep 60", "not over after"),
        ] {
            // A busy machine may take a second to start a shell.
            let limit = if script.contains("sleep") { 0.5 } else { 60.0 };
            let error = shell(script, limit).unwrap_err();
            assert!(error.contains(part), "{script}: {error}");
        }
        assert!(run(&["no-such-program-here".into()], Duration::from_secs(1)).is_err());
    }
}
