//! Who takes part, and the command line of each.
//!
//! All get the same cores. Ours and the Rust engines run with `--pin`: mutators on the first cores,
//! our markers on the last. Go and the JVM get the cores that ours uses for both, by `taskset`, and
//! place their threads themselves.

#![forbid(unsafe_code)]

use std::path::Path;

use super::rows::{Field, Row};
use super::tools::Tools;
use crate::engines::{self, Entry};

/// What a contender is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// Ours with a collector that never has anything to do: the floor for a tail.
    Idle,
    /// An engine of this program.
    Rust,
    /// An engine of the binary with mimalloc.
    Mimalloc,
    Go,
    /// A collector of the JVM, with the option that chooses it.
    Java(&'static str),
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) engine: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) const OURS: Contender = Contender { engine: "gc", kind: Kind::Ours };
pub(crate) const IDLE: Contender = Contender { engine: "gc-idle", kind: Kind::Idle };

/// All contenders, in the order of the tables. Ours is first: its time limits the others'.
pub(crate) fn all() -> Vec<Contender> {
    let java = |engine, option| Contender { engine, kind: Kind::Java(option) };
    let mut all = vec![
        OURS,
        IDLE,
        Contender { engine: "go", kind: Kind::Go },
        java("java-zgc", "-XX:+UseZGC"),
        java("java-shenandoah", "-XX:+UseShenandoahGC"),
    ];
    let mut engines: Vec<_> = engines::all().filter(|e| e.kind != engines::Kind::Ours).collect();
    // What has no collector comes first.
    engines.sort_by_key(|entry| entry.kind == engines::Kind::Collector);
    for Entry { name: engine, .. } in engines {
        all.push(Contender { engine, kind: Kind::Rust });
        all.push(Contender { engine, kind: Kind::Mimalloc });
    }
    all
}

impl Contender {
    /// The name in tables and records.
    pub(crate) fn label(&self) -> String {
        match self.kind {
            Kind::Mimalloc => format!("{}+mimalloc", self.engine),
            _ => self.engine.into(),
        }
    }

    /// What gives it memory for objects.
    pub(crate) fn allocator(&self) -> &'static str {
        match self.kind {
            Kind::Rust => "system",
            Kind::Mimalloc => "mimalloc",
            _ => "own",
        }
    }

    /// What the engine is, if it is one of this program.
    fn engine_kind(&self) -> Option<engines::Kind> {
        let is_rust = matches!(self.kind, Kind::Rust | Kind::Mimalloc);
        engines::find(self.engine).filter(|_| is_rust).map(|entry| entry.kind)
    }

    /// Whether it is a collector of another crate.
    pub(crate) fn is_crates_collector(&self) -> bool {
        self.engine_kind() == Some(engines::Kind::Collector)
    }

    /// Whether it takes part in the row.
    pub(crate) fn is_in(&self, row: &Row) -> bool {
        match (self.kind, row.field) {
            (Kind::Idle, _) => row.idle.is_some(),
            (Kind::Rust | Kind::Mimalloc, Field::Concurrent) => false,
            (Kind::Rust, Field::Fast) => self.engine_kind() == Some(engines::Kind::Arena),
            (Kind::Mimalloc, Field::Fast) => !self.is_crates_collector() && self.engine != "arc",
            _ => true,
        }
    }

    /// The words of its command line up to the workload; an error if its tool is missing.
    fn program(&self, tools: &Tools, row: &Row, heap_mb: u64) -> Result<Vec<String>, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut command = Vec::new();
        match self.kind {
            Kind::Ours | Kind::Idle | Kind::Rust => command.push(text(&tools.own)),
            Kind::Mimalloc => command.push(text(tools.mimalloc.as_ref().map_err(Clone::clone)?)),
            Kind::Go => {
                let program = text(tools.go.as_ref().map_err(Clone::clone)?);
                command.extend(tools.same_cores(row));
                command.push(program);
            }
            Kind::Java(collector) => {
                let java = tools.java.as_ref().map_err(Clone::clone)?;
                command.extend(tools.same_cores(row));
                command.push(text(&java.program));
                command.push(collector.into());
                command.push(format!("-Xmx{heap_mb}m"));
                if let Some(markers) = row.markers {
                    command.push(format!("-XX:ParallelGCThreads={markers}"));
                    command.push(format!("-XX:ConcGCThreads={markers}"));
                }
                command.extend(["-cp".into(), text(&java.classes), "GcBench".into()]);
            }
        }
        Ok(command)
    }

    /// Its command line for the row, the program first; an error if its tool is missing.
    ///
    /// `heap_mb` bounds a JVM's heap, `more` are options that this run alone has.
    pub(crate) fn command(
        &self,
        tools: &Tools,
        row: &Row,
        heap_mb: u64,
        more: &[String],
    ) -> Result<Vec<String>, String> {
        let mut command = self.program(tools, row, heap_mb)?;
        command.push(row.workload.into());
        match (self.kind, &row.idle) {
            (Kind::Idle, Some((size, mb))) => {
                command.extend(size.iter().cloned());
                command.extend(["--idle-mb".into(), mb.to_string()]);
            }
            _ => command.extend(row.size.iter().cloned()),
        }
        match self.kind {
            Kind::Ours | Kind::Idle => {
                if let Some(markers) = row.markers {
                    command.extend(["--markers".into(), markers.to_string()]);
                }
                command.push("--pin".into());
            }
            Kind::Rust | Kind::Mimalloc => {
                command.extend(["--engine".into(), self.engine.into(), "--pin".into()]);
            }
            // What bounds Go's markers bounds its mutators too; in a forced collection only markers
            // run.
            Kind::Go => {
                if let Some(markers) = row.markers {
                    command.extend(["--procs".into(), markers.to_string()]);
                }
            }
            Kind::Java(_) => {}
        }
        command.extend(more.iter().cloned());
        command.push("--json".into());
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows;
    use std::path::PathBuf;

    fn row(id: &str) -> Row {
        rows::all(true).into_iter().find(|row| row.id == id).unwrap()
    }

    fn contender(label: &str) -> Contender {
        all().into_iter().find(|c| c.label() == label).unwrap()
    }

    fn line(label: &str, id: &str) -> String {
        let mut tools = Tools::only_ours(PathBuf::from("gc-bench"));
        tools.go = Ok("gc-bench-go".into());
        tools.taskset = Some("taskset".into());
        tools.cores = (0..8).collect();
        contender(label).command(&tools, &row(id), 64, &[]).unwrap().join(" ")
    }

    #[test]
    fn command_lines() {
        assert_eq!(
            line("gc", "mark-2"),
            "gc-bench mark --n 1000000 --order sequential --markers 2 --pin --json"
        );
        assert_eq!(
            line("go", "mark-2"),
            "taskset -c 0,6,7 gc-bench-go mark --n 1000000 --order sequential --procs 2 --json"
        );
        assert_eq!(line("rc", "window"), "gc-bench window --n 1000000 --engine rc --pin --json");
        let idle = "gc-bench mutate --seconds 2 --idle-mb 2000 --pin --json";
        assert_eq!(line("gc-idle", "mutate-1"), idle);
    }

    #[test]
    fn a_missing_tool_is_a_reason() {
        let tools = Tools::only_ours(PathBuf::from("gc-bench"));
        for label in ["go", "java-zgc", "rc+mimalloc"] {
            assert!(contender(label).command(&tools, &row("alloc-1"), 64, &[]).is_err(), "{label}");
        }
    }

    #[test]
    fn who_is_in() {
        assert!(contender("boa").is_in(&row("btree-1")));
        assert!(!contender("boa").is_in(&row("btree-deep-1")));
        assert!(contender("rc+mimalloc").is_in(&row("btree-deep-1")));
        assert!(!contender("gc-idle").is_in(&row("mutate-2")));
        assert!(!contender("gc-arena").is_in(&row("mark-2")));
    }
}
