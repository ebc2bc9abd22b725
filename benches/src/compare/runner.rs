//! Rounds: in each, every contender runs once, so that neighbours in time are compared.
//!
//! Who failed once in a row (refused, crashed, too slow, a wrong checksum) is not run again in it,
//! and the reason is recorded.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::child;
use super::contenders::{Contender, Kind, OURS};
use super::record::{Object, Run, number};
use super::rows::Row;
use super::tools::Tools;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rounds: u32,
    /// The least time limit of a run.
    pub(crate) patience: Duration,
}

/// How many times the time of ours a contender may take.
const TIMES_OURS: u32 = 10;
/// The limit for ours, which nothing else bounds.
const OURS_LIMIT: Duration = Duration::from_secs(1800);
/// The least heap of a JVM.
const LEAST_JAVA_MB: u64 = 64;

/// Runs all; `done` gets each run.
pub(crate) fn run(
    plan: &Plan,
    tools: &Tools,
    done: &mut dyn FnMut(&Run) -> Result<(), String>,
) -> Result<(), String> {
    let mut groups: Vec<&str> = plan.rows.iter().map(|row| row.group).collect();
    groups.dedup();
    for group in groups {
        let rows: Vec<&Row> = plan.rows.iter().filter(|row| row.group == group).collect();
        let mut states: Vec<State> = rows.iter().map(|row| State::new(row)).collect();
        for round in 1..=plan.rounds {
            for state in &mut states {
                for contender in plan.contenders.iter().filter(|c| c.is_in(state.row)) {
                    if let Some(run) = state.run(plan, tools, round, contender) {
                        done(&run)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What was learnt in a row.
struct State<'r> {
    row: &'r Row,
    failed: Vec<Contender>,
    ours_took: Option<Duration>,
    checksum: Option<String>,
    /// Peak RSS of the first run by label, for the JVM's heap.
    rss_mb: BTreeMap<String, f64>,
}

impl<'r> State<'r> {
    fn new(row: &'r Row) -> State<'r> {
        let (failed, rss_mb) = (Vec::new(), BTreeMap::new());
        State { row, failed, ours_took: None, checksum: None, rss_mb }
    }

    /// One run; none if the contender failed before.
    fn run(
        &mut self,
        plan: &Plan,
        tools: &Tools,
        round: u32,
        contender: &Contender,
    ) -> Option<Run> {
        if self.failed.contains(contender) {
            return None;
        }
        let command = contender.command(tools, self.row, self.java_heap_mb(), &[]);
        let line = command.as_ref().map_or(String::new(), |words| words.join(" "));
        let limit = if *contender == OURS { OURS_LIMIT } else { self.limit(plan.patience) };
        let outcome = command.and_then(|words| {
            let (object, took) = child::run(&words, limit)?;
            if *contender == OURS {
                self.ours_took.get_or_insert(took);
            }
            self.agree(contender, &object)?;
            Ok(object)
        });
        match &outcome {
            Ok(object) => {
                if let Some(mb) = number(object, "rss_mb") {
                    self.rss_mb.entry(contender.label()).or_insert(mb);
                }
            }
            Err(_) => self.failed.push(*contender),
        }
        let (row, label) = (self.row.id.into(), contender.label());
        Some(Run { row, round, label, command: line, outcome })
    }

    fn limit(&self, patience: Duration) -> Duration {
        patience.max(self.ours_took.unwrap_or_default() * TIMES_OURS)
    }

    /// Twice what Go took at its peak, and without Go twice what ours took: a JVM without room
    /// collects all the time, and one with all the room of the machine never does.
    fn java_heap_mb(&self) -> u64 {
        let peak = self.rss_mb.get("go").or(self.rss_mb.get(OURS.engine));
        peak.map_or(LEAST_JAVA_MB, |mb| (2.0 * mb) as u64).max(LEAST_JAVA_MB)
    }

    /// Equal work has equal checksums; the first one seen is the one to agree with. The idle run
    /// has a size of its own.
    fn agree(&mut self, contender: &Contender, object: &Object) -> Result<(), String> {
        let checksum = object.get("checksum").ok_or("it printed no checksum")?.to_string();
        if !self.row.has_fixed_checksum() || contender.kind == Kind::Idle {
            return Ok(());
        }
        let known = self.checksum.get_or_insert_with(|| checksum.clone());
        if *known == checksum {
            return Ok(());
        }
        Err(format!("its checksum is {checksum}, that of the others {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{contenders, rows};
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    /// A folder with a program that behaves by its `--engine`.
    struct Fake(PathBuf);

    impl Fake {
        fn new(name: &str, script: &str) -> Fake {
            let folder =
                std::env::temp_dir().join(format!("gc-bench-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            // Another process writes it: one that is started by another test while this one has the
            // file open for writing would keep it open, and what is open for writing cannot be run.
            let make = "printf '#!/bin/sh\\n%s\\n' \"$1\" > gc-bench && chmod +x gc-bench";
            let mut shell = Command::new("sh");
            shell.current_dir(&folder).args(["-c", make, "sh", script]);
            assert!(shell.status().unwrap().success());
            Fake(folder)
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn play(fake: &Fake, ids: &[&str], labels: &[&str], rounds: u32) -> Vec<Run> {
        let keep = |row: &Row| ids.contains(&row.id);
        let named = |c: &Contender| labels.contains(&c.label().as_str());
        let plan = Plan {
            rows: rows::all(true).into_iter().filter(keep).collect(),
            contenders: contenders::all().into_iter().filter(named).collect(),
            rounds,
            patience: Duration::from_secs(4),
        };
        let tools = Tools::only_ours(fake.0.join("gc-bench"));
        let mut runs = Vec::new();
        run(&plan, &tools, &mut |run| {
            runs.push(run.clone());
            Ok(())
        })
        .unwrap();
        runs
    }

    #[test]
    fn rounds_alternate_and_failures_are_remembered() {
        let fake = Fake::new(
            "rounds",
            "case \"$*\" in \
             *'--engine rc'*) echo '{\"checksum\":2}';; \
             *'--engine box'*) echo 'gc-bench: cannot be expressed' >&2; exit 2;; \
             *'--engine boa'*) exec sleep 60;; \
             *) echo '{\"checksum\":1,\"wall_s\":0.5}';; esac",
        );
        let labels = ["gc", "rc", "arc", "box", "boa", "go"];
        let runs = play(&fake, &["alloc-1", "alloc-2"], &labels, 2);
        let order: Vec<_> =
            runs.iter().map(|r| (r.round, r.row.as_str(), r.label.as_str())).collect();
        let first = |row| ["gc", "go", "rc", "arc", "box", "boa"].map(|label| (1, row, label));
        let second = |row| ["gc", "arc"].map(|label| (2, row, label));
        let expected: Vec<_> = first("alloc-1")
            .into_iter()
            .chain(first("alloc-2"))
            .chain(second("alloc-1"))
            .chain(second("alloc-2"))
            .collect();
        assert_eq!(order, expected);
        let reason = |label: &str| {
            let run = runs.iter().find(|run| run.label == label).unwrap();
            run.outcome.clone().unwrap_err()
        };
        assert_eq!(reason("rc"), "its checksum is 2, that of the others 1");
        assert!(reason("box").contains("cannot be expressed"));
        assert!(reason("boa").contains("not over"));
        assert!(reason("go").contains("not in this test"));
    }

    #[test]
    fn a_hash_of_own_work_is_not_compared() {
        let fake = Fake::new(
            "hash",
            "case \"$*\" in *rc*) echo '{\"checksum\":2}';; *) echo '{\"checksum\":1}';; esac",
        );
        let runs = play(&fake, &["mutate-1"], &["gc", "gc-idle", "rc"], 1);
        assert_eq!(runs.len(), 3);
        assert!(runs.iter().all(|run| run.outcome.is_ok()), "{runs:?}");
    }

    #[test]
    fn a_jvm_gets_twice_what_go_took() {
        let all = rows::all(true);
        let mut state = State::new(&all[0]);
        assert_eq!(state.java_heap_mb(), LEAST_JAVA_MB);
        state.rss_mb.insert("gc".into(), 100.0);
        assert_eq!(state.java_heap_mb(), 200);
        state.rss_mb.insert("go".into(), 150.0);
        assert_eq!(state.java_heap_mb(), 300);
        state.ours_took = Some(Duration::from_secs(30));
        assert_eq!(state.limit(Duration::from_secs(120)), Duration::from_secs(300));
    }
}
