//! The command line: parsed by hand, because the only options are a dozen numbers and names.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::str::FromStr;

use crate::engines::{ENGINES, Engine};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
gc-bench: the workloads on which speed, memory and pauses are compared

usage: gc-bench WORKLOAD [OPTION ...]

workloads, and the options of each with their defaults
  alloc    garbage nodes of 16 bytes           --n 100000000 nodes  --threads 1
  btree    binary-trees                        --depth 18  --threads 1
  gcbench  Boehm, Ellis and Kovac's GCBench    --n 5 runs
  mark     collections of a live random graph  --n 10000000 nodes  --order sequential
  window   a ring of 200,000 live messages     --n 5000000 pushes
  mutate   random stores into a live table     --n 2000000 nodes  --seconds 20  --threads 1
  lru      a cache under Zipf keys             --n 1000000 entries  --seconds 20  --threads 2
  idle     what an idle heap gives back        --n 100 MB live at first
and in turns with others: gc-bench compare --help, gc-bench report --help

options
  --engine E       gc (default)
                   yardsticks: rc, arc, box
                   peers, in a build with --features peers: gc-crate, gc-arena, gc-arena-stw, boa, dumpster,
                   dumpster-sync, rust-cc, bacon-cc, bumpalo, typed-arena
                   what an engine cannot express is refused with the reason
  --n N            size of the work; what it counts depends on the workload
  --threads T      mutator threads
  --seconds S      how long mutate and lru run
  --depth D        depth of the long-lived tree of btree
  --order O        sequential: nodes lie in memory in the order of the array; shuffled: they do not;
                   sparse: of N nodes only each that begins a block is kept (engine gc)
  --markers M      marker threads of the heap (engine gc; the default is the heap's)
  --gc-percent P   garbage allowed for 100 live bytes (engine gc; the default is the heap's)
  --idle-mb M      the collector stays idle: M MB are used and freed first, and no cycle starts by itself
                   (engine gc)
  --quantiles      window and mutate: more percentiles, up to p999999_us
  --timeline F     window and mutate: the batches of over 10 µs and when they were, into the file F
  --pauses         the heap's pauses by kind, as a table on standard error
  --pin            mutators on the first cores, markers on the last
  --json           one JSON object instead of one line of key=value
  --help           this text

exit code: 0 good, 1 a wrong checksum or a failed run, 2 a wrong command line
";

/// Entries of the smallest cache of `lru`: the checksum supposes that every shard gets full.
const LEAST_LRU: usize = 1000;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Alloc,
    Btree,
    Gcbench,
    Mark,
    Window,
    Mutate,
    Lru,
    Idle,
}

/// How the nodes of `mark` lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Sequential,
    Shuffled,
    Sparse,
}

/// A parsed and checked command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) workload: Workload,
    pub(crate) engine: Engine,
    pub(crate) n: usize,
    pub(crate) threads: usize,
    pub(crate) seconds: f64,
    pub(crate) depth: u32,
    pub(crate) order: Order,
    pub(crate) markers: Option<usize>,
    pub(crate) gc_percent: Option<u32>,
    /// Memory that is used and freed before a run without cycles.
    pub(crate) idle_mb: Option<usize>,
    pub(crate) quantiles: bool,
    /// The file for the long batches.
    pub(crate) timeline: Option<PathBuf>,
    pub(crate) pin: bool,
    /// Whether to print the table of pauses on standard error.
    pub(crate) pauses: bool,
    pub(crate) json: bool,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run(Args),
}

const WORKLOADS: &[(&str, Workload)] = &[
    ("alloc", Workload::Alloc),
    ("btree", Workload::Btree),
    ("gcbench", Workload::Gcbench),
    ("mark", Workload::Mark),
    ("window", Workload::Window),
    ("mutate", Workload::Mutate),
    ("lru", Workload::Lru),
    ("idle", Workload::Idle),
];
const ORDERS: &[(&str, Order)] =
    &[("sequential", Order::Sequential), ("shuffled", Order::Shuffled), ("sparse", Order::Sparse)];

pub(crate) fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, v)| v == value).expect("every value has a name").0
}

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        name_of(WORKLOADS, &self)
    }

    /// The options of this workload alone, beside those that all have.
    fn options(self) -> &'static [&'static str] {
        match self {
            Workload::Alloc => &["--n", "--threads"],
            Workload::Btree => &["--depth", "--threads"],
            Workload::Gcbench | Workload::Idle => &["--n"],
            Workload::Window => &["--n", "--timeline"],
            Workload::Mark => &["--n", "--order"],
            Workload::Mutate | Workload::Lru => &["--n", "--threads", "--seconds", "--timeline"],
        }
    }

    fn default_n(self) -> usize {
        match self {
            Workload::Alloc => 100_000_000,
            Workload::Btree => 1,
            Workload::Gcbench => 5,
            Workload::Mark => 10_000_000,
            Workload::Window => 5_000_000,
            Workload::Mutate => 2_000_000,
            Workload::Lru => 1_000_000,
            Workload::Idle => 100,
        }
    }

    fn default_threads(self) -> usize {
        if self == Workload::Lru { 2 } else { 1 }
    }
}

impl Order {
    pub(crate) fn name(self) -> &'static str {
        name_of(ORDERS, &self)
    }
}

/// Parses the words after the program's name.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Command::Help);
    }
    let Some((first, rest)) = words.split_first() else {
        return Err(format!("no workload given; one of {}", names(WORKLOADS)));
    };
    let workload = choice("workload", first, WORKLOADS)?;
    let mut args = Args {
        workload,
        engine: Engine::Gc,
        n: workload.default_n(),
        threads: workload.default_threads(),
        seconds: 20.0,
        depth: 18,
        order: Order::Sequential,
        markers: None,
        gc_percent: None,
        idle_mb: None,
        quantiles: false,
        timeline: None,
        pin: false,
        pauses: false,
        json: false,
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let (option, attached) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word.as_str(), None),
        };
        match option {
            "--pin" | "--json" | "--pauses" | "--quantiles" if attached.is_some() => {
                return Err(format!("{option} takes no value"));
            }
            "--pin" => args.pin = true,
            "--json" => args.json = true,
            "--pauses" => args.pauses = true,
            "--quantiles" => args.quantiles = true,
            "--n" | "--threads" | "--seconds" | "--depth" | "--order" | "--engine"
            | "--markers" | "--gc-percent" | "--idle-mb" | "--timeline" => {
                let value = attached.or_else(|| rest.next().map(String::as_str));
                let value = value.ok_or_else(|| format!("{option} needs a value"))?;
                args.set(option, value)?;
            }
            _ => return Err(format!("unknown option {option}; see --help")),
        }
    }
    args.check()?;
    Ok(Command::Run(args))
}

impl Args {
    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        let shared = ["--engine", "--markers", "--gc-percent", "--idle-mb"];
        if !shared.contains(&option) && !self.workload.options().contains(&option) {
            let (workload, own) = (self.workload.name(), self.workload.options().join(", "));
            return Err(format!("{workload} has no {option}; its own options are {own}"));
        }
        match option {
            "--n" => self.n = number(option, value, 1, 1 << 40)?,
            "--threads" => self.threads = number(option, value, 1, 1024)?,
            "--seconds" => self.seconds = number(option, value, 0.01, 86_400.0)?,
            "--depth" => self.depth = number(option, value, 4, 30)?,
            "--order" => self.order = choice(option, value, ORDERS)?,
            "--engine" => self.engine = choice(option, value, ENGINES)?,
            // The heap itself knows what it allows; its `ConfigError` says so.
            "--markers" => self.markers = Some(number(option, value, 0, usize::MAX)?),
            "--idle-mb" => self.idle_mb = Some(number(option, value, 1, 1 << 14)?),
            "--timeline" => self.timeline = Some(value.into()),
            _ => self.gc_percent = Some(number(option, value, 0, u32::MAX)?),
        }
        Ok(())
    }

    /// Refuses combinations that mean nothing.
    fn check(&self) -> Result<(), String> {
        let (workload, engine) = (self.workload.name(), self.engine.name());
        if self.engine.is_peer() && !cfg!(feature = "peers") {
            return Err(format!("--engine {engine} needs a gc-bench built with --features peers"));
        }
        if let Some(why) = self.engine.refusal(self.workload, self.threads) {
            return Err(format!("{workload} cannot be run with --engine {engine}: {why}"));
        }
        let ours = self.markers.is_some() || self.gc_percent.is_some() || self.idle_mb.is_some();
        if self.engine != Engine::Gc && ours {
            return Err(format!(
                "--markers, --gc-percent and --idle-mb mean nothing to --engine {engine}"
            ));
        }
        if self.engine != Engine::Gc && self.order == Order::Sparse {
            return Err(format!("--order sparse is about the blocks of --engine gc, not {engine}"));
        }
        if self.workload == Workload::Lru && self.n < LEAST_LRU {
            return Err(format!("lru needs --n {LEAST_LRU}: smaller shards need not fill up"));
        }
        if self.quantiles && !self.workload.options().contains(&"--timeline") {
            return Err(format!("{} times no batches: no --quantiles", self.workload.name()));
        }
        if self.workload == Workload::Alloc && self.threads > self.n {
            return Err(format!("--threads {} is more than --n {}", self.threads, self.n));
        }
        Ok(())
    }
}

fn names<T>(table: &[(&'static str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn choice<T: Copy>(what: &str, word: &str, table: &[(&'static str, T)]) -> Result<T, String> {
    let found = table.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let allowed = names(table);
        format!("{what} is one of {allowed}, not {word:?}")
    })
}

fn number<T>(option: &str, word: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let digits = word.replace('_', "");
    match digits.parse::<T>() {
        Ok(value) if value >= least && value <= most => Ok(value),
        Ok(_) => Err(format!("{option} is from {least} to {most}, not {word}")),
        Err(_) => Err(format!("{option} is a number from {least} to {most}, not {word:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn good_lines() {
        let Ok(Command::Run(args)) = parse_line("mutate --n=1_000 --seconds 0.5 --threads 2 --pin")
        else {
            panic!("refused");
        };
        assert_eq!((args.n, args.seconds, args.threads, args.pin), (1000, 0.5, 2, true));
        assert_eq!(parse_line("btree --help"), Ok(Command::Help));
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
            ("", "no workload given"),
            ("nothing", "workload is one of alloc"),
            ("alloc --n", "--n needs a value"),
            ("alloc --n 0", "--n is from 1"),
            ("alloc --n x", "--n is a number"),
            ("alloc --depth 3", "alloc has no --depth"),
            ("alloc --what", "unknown option --what"),
            ("alloc --pin=yes", "--pin takes no value"),
            ("mark --engine rc", "it measures a collector"),
            ("mutate --engine box", "two owners"),
            ("mutate --engine rc --threads 2", "one thread"),
            ("btree --engine rc --markers 1", "mean nothing"),
            ("lru --engine rc", "not shared"),
            ("idle --engine box", "what our heap gives back"),
            ("lru --n 999", "lru needs --n 1000"),
            ("btree --engine rc --idle-mb 1", "mean nothing"),
            ("btree --quantiles", "times no batches"),
            ("btree --timeline x", "btree has no --timeline"),
            ("window --quantiles=1", "takes no value"),
            ("mutate --seconds NaN", "--seconds is from"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
