//! The command line: a subcommand for each workload, and `compare` and `report` beside them.
//!
//! A workload's options stand in its own file; those that all have are [`Common`].

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use gc_core::Heap;

use crate::engines::{self, Entry, Kind};
use crate::report::Report;
use crate::{Outcome, compare, series, warm};
use crate::{alloc, btree, gcbench, idle, lru, mark, mutate, window};

/// The workloads on which speed, memory and pauses are compared.
///
/// A run does one workload with one engine, checks its own result, and prints one line of
/// key=value. Each workload has its own options: gc-bench WORKLOAD --help lists them.
#[derive(Debug, Parser)]
#[command(
    name = "gc-bench",
    args_override_self = true,
    disable_help_subcommand = true,
    after_help = "Exit code: 0 good, 1 a wrong checksum or a failed run, 2 a wrong command line"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a command line asks for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Garbage nodes of 16 bytes
    Alloc(alloc::Options),
    /// The binary-trees program of the Benchmarks Game
    Btree(btree::Options),
    /// GCBench of Ellis, Kovac and Boehm
    Gcbench(gcbench::Options),
    /// Collections of a live random graph
    Mark(mark::Options),
    /// A ring of 200,000 live messages
    Window(window::Options),
    /// Random stores into a live table
    Mutate(mutate::Options),
    /// A cache under Zipf-distributed keys
    Lru(lru::Options),
    /// What an idle heap gives back
    Idle(idle::Options),
    Compare(compare::Args),
    Report(compare::ReportArgs),
    Attribute(series::Args),
}

/// The options that all workloads have.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// What manages the memory; other crates' engines need a build with --features peers
    #[arg(long, value_name = "E", default_value = "gc", value_parser = engine_parser())]
    pub(crate) engine: &'static Entry,
    /// Marker threads of the heap [default: the heap's own] (engine gc)
    #[arg(long, value_name = "M", value_parser = number(0, usize::MAX))]
    markers: Option<usize>,
    /// Garbage allowed for 100 live bytes [default: the heap's own] (engine gc)
    #[arg(long, value_name = "P", value_parser = number(0, u32::MAX))]
    gc_percent: Option<u32>,
    /// Keep the collector idle: use and free this many MB first, and start no cycle (engine gc)
    #[arg(long, value_name = "MB", value_parser = number(1_usize, 1 << 14))]
    idle_mb: Option<usize>,
    /// Print the heap's pauses by kind on standard error (engine gc)
    #[arg(long)]
    pub(crate) pauses: bool,
    /// Record the last seconds, watch for long pauses, read all metrics each second (engine gc)
    #[cfg(feature = "observe")]
    #[arg(long)]
    observe: bool,
    /// Sample allocations for the heap profile, one in so many bytes; 0 is none (engine gc)
    #[cfg(feature = "profile")]
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    profile_rate: u64,
    /// Record what the collector costs every 100 ms, for gc-bench attribute (engine gc)
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Put mutators on the first cores, markers on the last
    #[arg(long)]
    pub(crate) pin: bool,
    /// Print one JSON object instead of one line of key=value
    #[arg(long)]
    json: bool,
}

/// The options of the workloads that time each batch.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Timed {
    /// Report more percentiles, up to p999999_us
    #[arg(long)]
    quantiles: bool,
    /// Write the batches of over 10 µs, and when they were, into this file
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
}

/// A workload with its options.
pub(crate) trait Workload {
    /// The options that all workloads have.
    fn common(&self) -> &Common;

    /// The options of a workload that times its batches.
    fn timed(&self) -> Option<&Timed> {
        None
    }

    /// The mutator threads.
    fn threads(&self) -> usize {
        1
    }

    /// Why the engine cannot run this.
    fn refusal(&self) -> Option<&'static str>;

    /// Which options do not go together.
    fn misfit(&self) -> Option<String> {
        None
    }

    /// Does the work and adds the results.
    fn run(&self, report: &mut Report) -> Outcome;
}

impl Command {
    /// The workload and its name, if the command is one.
    pub(crate) fn workload(&self) -> Option<(&'static str, &dyn Workload)> {
        Some(match self {
            Command::Alloc(options) => ("alloc", options),
            Command::Btree(options) => ("btree", options),
            Command::Gcbench(options) => ("gcbench", options),
            Command::Mark(options) => ("mark", options),
            Command::Window(options) => ("window", options),
            Command::Mutate(options) => ("mutate", options),
            Command::Lru(options) => ("lru", options),
            Command::Idle(options) => ("idle", options),
            Command::Compare(_) | Command::Report(_) | Command::Attribute(_) => return None,
        })
    }
}

impl Common {
    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// The heap for the engine `gc`; `None` for the other engines.
    pub(crate) fn heap(&self) -> Result<Option<Heap>, String> {
        self.heap_without_cycles(false)
    }

    /// As [`heap`](Common::heap); no cycle starts by itself if `forced_only`.
    pub(crate) fn heap_without_cycles(&self, forced_only: bool) -> Result<Option<Heap>, String> {
        if self.engine.kind != Kind::Ours {
            return Ok(None);
        }
        let mut builder = Heap::builder().pin_markers(self.pin);
        if let Some(markers) = self.markers {
            builder = builder.markers(markers);
        }
        if let Some(percent) = self.gc_percent {
            builder = builder.gc_percent(percent);
        }
        if forced_only || self.idle_mb.is_some() {
            builder = builder.min_heap(warm::NEVER_REACHED);
        }
        #[cfg(feature = "profile")]
        let builder = builder.profile_rate(self.profile_rate);
        let heap = builder.build().map_err(|e| format!("the heap cannot be built: {e}"))?;
        #[cfg(feature = "observe")]
        if self.observe {
            crate::observe::observe(&heap).map_err(|e| format!("no observer: {e}"))?;
        }
        if let Some(mb) = self.idle_mb {
            warm::warm(&heap, mb)?;
        }
        if let Some(path) = &self.record {
            series::start(&heap, path)?;
        }
        Ok(Some(heap))
    }

    /// Whether an option was given that only the engine `gc` has.
    fn asks_of_our_heap(&self) -> bool {
        self.markers.is_some()
            || self.gc_percent.is_some()
            || self.idle_mb.is_some()
            || self.record.is_some()
    }
}

impl Timed {
    pub(crate) fn quantiles(&self) -> bool {
        self.quantiles
    }

    pub(crate) fn timeline(&self) -> Option<&PathBuf> {
        self.timeline.as_ref()
    }
}

/// Parses and checks a command line; the first word is the program.
pub(crate) fn parse<W>(words: impl IntoIterator<Item = W>) -> Result<Command, clap::Error>
where
    W: Into<OsString> + Clone,
{
    let Cli { command } = Cli::try_parse_from(words)?;
    let wrong = command.workload().and_then(|(name, workload)| mismatch(name, workload));
    match wrong {
        Some(message) => Err(Cli::command().error(ErrorKind::ArgumentConflict, message)),
        None => Ok(command),
    }
}

/// Why the options of a workload mean nothing together.
fn mismatch(name: &str, workload: &dyn Workload) -> Option<String> {
    let common = workload.common();
    let engine = common.engine.name;
    if common.engine.is_missing() {
        return Some(format!("--engine {engine} needs a gc-bench built with --features peers"));
    }
    if let Some(why) = workload.refusal() {
        return Some(format!("{name} cannot be run with --engine {engine}: {why}"));
    }
    if common.engine.kind != Kind::Ours && common.asks_of_our_heap() {
        let options = "--markers, --gc-percent, --idle-mb and --record";
        return Some(format!("{options} mean nothing to --engine {engine}"));
    }
    workload.misfit()
}

fn engine_parser() -> impl TypedValueParser<Value = &'static Entry> {
    PossibleValuesParser::new(engines::all().map(|entry| entry.name))
        .try_map(|name| engines::find(&name).ok_or("there is no such engine"))
}

/// A parser of numbers within bounds; `_` may part the digits.
pub(crate) fn number<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |word| {
        let allowed = |value: &T| *value >= least && *value <= most;
        let value = word.replace('_', "").parse().ok().filter(allowed);
        value.ok_or_else(|| format!("a number from {least} to {most} is needed"))
    }
}

/// The most that a size may be.
pub(crate) const MOST: usize = 1 << 40;

/// A parser of the size of a workload.
pub(crate) fn size() -> impl Fn(&str) -> Result<usize, String> + Clone {
    number(1, MOST)
}

/// A parser of a number of threads.
pub(crate) fn threads() -> impl Fn(&str) -> Result<usize, String> + Clone {
    number(1, 1024)
}

/// A parser of how long a workload runs.
pub(crate) fn seconds() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(0.01, 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        let words = ["gc-bench"].into_iter().chain(line.split_whitespace());
        parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn good_lines() {
        let line = "mutate --n=1_000 --seconds 0.5 --threads 2 --pin --n 2_000";
        let Ok(Command::Mutate(options)) = parse_line(line) else { panic!("refused") };
        assert_eq!((options.n, options.seconds, options.threads), (2000, 0.5, 2));
        assert!(options.common.pin);
        let help = parse_line("btree --help").unwrap_err();
        assert!(help.contains("--depth") && help.contains("[default: 18]"), "{help}");
    }

    #[test]
    fn the_help_names_every_workload() {
        let help = parse_line("--help").unwrap_err();
        for name in ["alloc", "btree", "gcbench", "mark", "window", "mutate", "lru", "idle"] {
            assert!(help.contains(&format!("\n  {name} ")), "{name} is not in\n{help}");
        }
        for name in ["compare", "report", "attribute"] {
            assert!(help.contains(&format!("\n  {name} ")), "{name} is not in\n{help}");
        }
    }

    #[test]
    #[cfg(not(feature = "peers"))]
    fn peers_need_their_feature() {
        let error = parse_line("btree --engine boa").unwrap_err();
        assert!(error.contains("--features peers"), "{error}");
    }

    #[test]
    #[cfg(feature = "peers")]
    fn peers_refuse_what_they_cannot_express() {
        for (line, part) in [
            ("mark --engine gc-crate", "overflows the stack"),
            ("mark --engine bacon-cc", "never marks"),
            ("window --engine bumpalo", "one by one"),
            ("mutate --engine boa --threads 2", "one thread"),
            ("lru --engine gc-arena", "one thread"),
            ("lru --engine boa", "not shared"),
            ("btree --engine gc-arena --gc-percent 50", "mean nothing"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
        assert!(parse_line("mutate --engine dumpster-sync --threads 2").is_ok());
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, part) in [
            ("", "Usage"),
            ("nothing", "unrecognized subcommand 'nothing'"),
            ("alloc --n", "a value is required for '--n"),
            ("alloc --n 0", "a number from 1 to"),
            ("alloc --n x", "a number from 1 to"),
            ("alloc --n 1 --threads 2", "--threads 2 is more than --n 1"),
            ("alloc --depth 3", "unexpected argument '--depth'"),
            ("alloc --pin=yes", "unexpected value 'yes'"),
            ("mark --engine perl", "possible values: gc, rc"),
            ("mark --engine rc", "it measures a collector"),
            ("mark --engine rc --order sparse", "it measures a collector"),
            ("mutate --engine box", "two owners"),
            ("mutate --engine rc --threads 2", "one thread"),
            ("btree --engine rc --markers 1", "mean nothing"),
            ("lru --engine rc", "not shared"),
            ("idle --engine box", "what our heap gives back"),
            ("lru --n 999", "a number from 1000"),
            ("btree --engine rc --idle-mb 1", "mean nothing"),
            ("btree --quantiles", "unexpected argument '--quantiles'"),
            ("btree --timeline x", "unexpected argument '--timeline'"),
            ("window --quantiles=1", "unexpected value '1'"),
            ("mutate --seconds NaN", "a number from 0.01"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
