//! The probes (feature `usdt`), as tools outside of the process see them: `readelf` finds them in
//! this very executable, and gdb stops at them.

#![cfg(target_os = "linux")]

use gc_core::{Gc, Heap};
use std::process::Command;

/// The output of a tool, or `None` and a line if it is not there.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Some(text + &String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => {
            println!("skipped: {tool} cannot be run ({error})");
            None
        }
    }
}

fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn readelf_lists_every_probe() {
    let Some(notes) = run("readelf", &["--notes", "--wide", &this_program()]) else { return };
    let mut lines = notes.lines().map(str::trim);
    let mut found = Vec::new();
    while lines.any(|line| line.ends_with("Provider: gc_core")) {
        let name = lines.next().unwrap().trim_start_matches("Name: ");
        let arguments = lines.find(|line| line.starts_with("Arguments: ")).unwrap();
        found.push((name, arguments.matches('@').count()));
    }
    for probe in [
        ("cycle_begin", 3),
        ("cycle_end", 3),
        ("phase_begin", 3),
        ("phase_end", 4),
        ("handshake", 6),
        ("slow_pause", 4),
        ("out_of_memory", 3),
    ] {
        assert!(found.contains(&probe), "{probe:?} is not among {found:?}");
    }
}

/// What gdb runs: a cycle, a refused allocation, and an interruption of milliseconds.
#[test]
fn a_program_that_passes_every_probe() {
    let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 20).build().unwrap();
    let guard = heap.on_pause_over(std::time::Duration::ZERO, |_| ()).unwrap();
    heap.mutate(|mc| {
        assert!(Gc::<[u8]>::try_from_slice(mc, &[0u8; 2 << 20]).is_err());
        Gc::new(mc, 1);
    });
    heap.collect().unwrap();
    drop(guard);
}

#[test]
fn gdb_stops_at_every_probe() {
    if std::env::var_os("GC_TEST_RUNNER").is_some_and(|runner| !runner.is_empty()) {
        println!("skipped: gdb does not follow a program under an emulator");
        return;
    }
    let program = this_program();
    let probes =
        ["cycle_begin", "phase_begin", "phase_end", "handshake", "cycle_end", "slow_pause"];
    let mut commands = vec![
        String::from("set pagination off"),
        String::from("set language c"),
        String::from("set debuginfod enabled off"),
        String::from("handle all nostop noprint"),
    ];
    for probe in probes.iter().chain(&["out_of_memory"]) {
        commands.push(format!("break -probe-stap gc_core:{probe}"));
        let arguments = if *probe == "phase_end" { "(char *)$_probe_arg2" } else { "" };
        let show = if arguments.is_empty() {
            String::from("printf \"\\n\"")
        } else {
            format!("printf \" %s\\n\", {arguments}")
        };
        commands.push(format!("commands\nsilent\necho passed {probe}\n{show}\ncontinue\nend"));
    }
    commands.push(String::from("run --exact a_program_that_passes_every_probe --nocapture"));
    let script = std::env::temp_dir().join(format!("gc-usdt-{}.gdb", std::process::id()));
    std::fs::write(&script, commands.join("\n")).unwrap();
    let said = run("gdb", &["-nx", "-batch", "-x", script.to_str().unwrap(), &program]);
    std::fs::remove_file(&script).unwrap();
    let Some(said) = said else { return };
    if said.contains("ptrace: Operation not permitted") || said.contains("not supported") {
        println!("skipped: gdb may not trace here");
        return;
    }
    for probe in probes.iter().chain(&["out_of_memory"]) {
        assert!(said.contains(&format!("passed {probe}")), "{probe}: {said}");
    }
    for phase in ["prep", "mark", "cross", "sweep"] {
        assert!(said.contains(&format!("passed phase_end {phase}")), "{phase}: {said}");
    }
    assert!(said.contains("1 passed") || said.contains("exited normally"), "{said}");
}
