//! The targets: what the comparison is to show, and whether it does.
//!
//! They were set before the work on speed began, from runs of Go 1.27, the JVM, other crates and a
//! prototype of this heap on a 2-core virtual machine (AMD EPYC).

#![forbid(unsafe_code)]

use super::contenders::{self, Contender, OURS};
use super::record::Session;
use super::rows::{Row, more_is_better};
use super::stats::{Spread, paired_ratios};
use super::table::{NOTHING, Table, short};

/// What a figure of ours is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// The same figure of another contender.
    Contender(&'static str),
    /// Another figure of the same run.
    OwnFigure(&'static str),
    /// The same figure of ours in another row.
    OwnRow(&'static str),
    /// The same figure of the best collector of another crate.
    BestCrate,
}

/// Where the median of the ratios must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
    Above(f64),
}

/// One target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) row: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) against: Against,
    pub(crate) limit: Limit,
}

/// How a target was judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Reached(Spread, String),
    /// With how many times too far it is.
    Missed(Spread, String, f64),
    /// There is nothing to judge by.
    Unknown(String),
}

/// All targets.
pub(crate) fn all() -> Vec<Target> {
    use Against::{Contender, OwnFigure, OwnRow};
    use Limit::{AtLeast, AtMost, Below};
    const GO: Against = Contender("go");
    let target = |row, figure, against, limit| Target { row, figure, against, limit };
    let mut targets = vec![
        target("alloc-1", "ns_per_op", GO, AtMost(1.0 / 7.0)),
        target("alloc-2", "ns_per_op", GO, AtMost(1.0 / 6.0)),
    ];
    for (row, wall, rc) in [
        ("btree-1", 1.0 / 3.0, AtMost(0.5)),
        ("btree-2", 0.5, Below(1.0)),
        ("btree-deep-1", 1.0 / 3.0, AtMost(0.5)),
        ("btree-deep-2", 0.5, Below(1.0)),
    ] {
        targets.push(target(row, "wall_s", GO, AtMost(wall)));
        targets.push(target(row, "wall_s", Contender("rc+mimalloc"), rc));
        targets.push(target(row, "cpu_s", GO, AtMost(1.0 / 3.0)));
        targets.push(target(row, "rss_mb", GO, AtMost(1.6)));
    }
    targets.push(target("gcbench", "run_s", GO, AtMost(1.0 / 3.0)));
    for (one, two, times) in
        [("mark-1", "mark-2", 2.3), ("mark-shuffled-1", "mark-shuffled-2", 5.0)]
    {
        targets.push(target(one, "mnodes_per_s", GO, AtLeast(times)));
        targets.push(target(one, "rss_mb", OwnFigure("live_mb"), AtMost(1.1)));
        targets.push(target(two, "mnodes_per_s", OwnRow(one), AtLeast(1.7)));
    }
    targets.extend([
        target("window", "wall_s", GO, AtMost(1.0 / 1.7)),
        target("window", "p999_us", GO, AtMost(1.0 / 2.5)),
        target("window", "p9999_us", GO, AtMost(1.0 / 3.0)),
        target("window", "p9999_us", Contender("gc-idle"), AtMost(1.5)),
        target("window", "rss_mb", GO, AtMost(1.05)),
        target("mutate-1", "mops_per_s", GO, AtLeast(3.0)),
        target("mutate-1", "p99_us", GO, AtMost(0.25)),
        target("mutate-1", "p999_us", GO, AtMost(0.25)),
        target("mutate-1", "p9999_us", GO, AtMost(0.2)),
        target("mutate-1", "p9999_us", Contender("gc-idle"), AtMost(1.5)),
        target("mutate-1", "rss_mb", GO, AtMost(1.05)),
        target("mutate-2", "mops_per_s", GO, AtLeast(2.5)),
        target("mutate-2", "p99_us", GO, AtMost(0.25)),
        target("mutate-2", "p999_us", GO, AtMost(0.25)),
        target("mutate-2", "p9999_us", GO, AtMost(1.0 / 3.0)),
        target("mutate-2", "rss_mb", GO, AtMost(1.3)),
        target("lru-2", "mops_per_s", GO, AtLeast(1.5)),
        target("lru-2", "p9999_us", GO, AtMost(1.0 / 3.0)),
    ]);
    targets.extend(over_crates());
    targets
}

/// Faster than every collector of another crate.
fn over_crates() -> impl Iterator<Item = Target> {
    const ROWS: [(&str, &str); 11] = [
        ("alloc-1", "ns_per_op"),
        ("alloc-2", "ns_per_op"),
        ("btree-1", "wall_s"),
        ("btree-2", "wall_s"),
        ("gcbench", "run_s"),
        ("mark-1", "mnodes_per_s"),
        ("mark-shuffled-1", "mnodes_per_s"),
        ("window", "wall_s"),
        ("mutate-1", "mops_per_s"),
        ("mutate-2", "mops_per_s"),
        ("lru-2", "mops_per_s"),
    ];
    ROWS.into_iter().map(|(row, figure)| {
        let limit = if more_is_better(figure) { Limit::Above(1.0) } else { Limit::Below(1.0) };
        Target { row, figure, against: Against::BestCrate, limit }
    })
}

impl Limit {
    fn holds(self, x: f64) -> bool {
        match self {
            Limit::AtMost(limit) => x <= limit,
            Limit::AtLeast(limit) => x >= limit,
            Limit::Below(limit) => x < limit,
            Limit::Above(limit) => x > limit,
        }
    }

    /// How many times too far `x` is.
    fn excess(self, x: f64) -> f64 {
        match self {
            Limit::AtMost(limit) | Limit::Below(limit) => x / limit,
            Limit::AtLeast(limit) | Limit::Above(limit) => limit / x,
        }
    }

    fn text(self) -> String {
        match self {
            Limit::AtMost(x) => format!("≤ {}", short(x)),
            Limit::AtLeast(x) => format!("≥ {}", short(x)),
            Limit::Below(x) => format!("< {}", short(x)),
            Limit::Above(x) => format!("> {}", short(x)),
        }
    }
}

impl Target {
    /// Judges the target by what a session showed.
    pub(crate) fn judge(&self, session: &Session) -> Verdict {
        let ours = session.series(self.row, OURS.engine, self.figure);
        if ours.is_empty() {
            return Verdict::Unknown("ours did not run".into());
        }
        let (found, name) = match self.against {
            Against::Contender(label) => {
                let theirs = session.series(self.row, label, self.figure);
                (paired_ratios(&ours, &theirs), label.to_string())
            }
            Against::OwnFigure(key) => {
                let other = session.series(self.row, OURS.engine, key);
                (paired_ratios(&ours, &other), key.to_string())
            }
            Against::OwnRow(row) => {
                let other = session.series(row, OURS.engine, self.figure);
                (paired_ratios(&ours, &other), row.to_string())
            }
            Against::BestCrate => match self.best_crate(session) {
                Some((spread, label)) => (Some(spread), label),
                None => return Verdict::Unknown("no crate ran".into()),
            },
        };
        let Some(spread) = found else {
            return Verdict::Unknown(format!("{name} did not run"));
        };
        if self.limit.holds(spread.median) {
            Verdict::Reached(spread, name)
        } else {
            Verdict::Missed(spread, name, self.limit.excess(spread.median))
        }
    }

    /// The crate that comes closest to ours or beats it the most, with either allocator.
    fn best_crate(&self, session: &Session) -> Option<(Spread, String)> {
        let ours = session.series(self.row, OURS.engine, self.figure);
        let crates = contenders::all().into_iter().filter(Contender::is_crates_collector);
        let ratio = |label: String| {
            let theirs = session.series(self.row, &label, self.figure);
            Some((paired_ratios(&ours, &theirs)?, label))
        };
        let ratios = crates.filter_map(|c| ratio(c.label()));
        let worse = |a: &(Spread, String), b: &(Spread, String)| {
            self.limit.excess(a.0.median).total_cmp(&self.limit.excess(b.0.median))
        };
        ratios.max_by(worse)
    }
}

/// The targets of some rows as a table, and how many of them were reached, missed, not judged.
pub(crate) fn table(session: &Session, rows: &[Row]) -> (Table, [usize; 3]) {
    let mut table = Table::new(&["row", "figure", "over", "target", "ratio (min..max)", "verdict"]);
    let mut counts = [0; 3];
    for target in all() {
        let Some(row) = rows.iter().find(|row| row.id == target.row) else { continue };
        let figures = row.figures();
        let figure =
            figures.iter().find(|(key, _)| *key == target.figure).map_or(target.figure, |f| f.1);
        let (kind, over, ratio, verdict) = match target.judge(session) {
            Verdict::Reached(spread, name) => (0, name, range(&spread), "reached".into()),
            Verdict::Missed(spread, name, times) => {
                (1, name, range(&spread), format!("missed: {} times too far", short(times)))
            }
            Verdict::Unknown(why) => {
                (2, String::new(), NOTHING.into(), format!("not judged: {why}"))
            }
        };
        counts[kind] += 1;
        let cells = [row.id.into(), figure.into(), over, target.limit.text(), ratio, verdict];
        table.rows.push(cells.into());
    }
    (table, counts)
}

/// A ratio with its spread.
pub(crate) fn range(spread: &Spread) -> String {
    format!("{} ({}..{})", short(spread.median), short(spread.least), short(spread.most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::Run;
    use crate::compare::rows;

    fn session(runs: &[(&str, u32, &str, &str)]) -> Session {
        let runs = runs.iter().map(|&(row, round, label, child)| Run::of(row, round, label, child));
        Session { runs: runs.collect(), ..Session::default() }
    }

    fn target(row: &str, figure: &str, against: Against) -> Target {
        let is = |target: &Target| {
            target.row == row && target.figure == figure && target.against == against
        };
        all().into_iter().find(is).unwrap()
    }

    #[test]
    fn targets_name_rows_figures_and_contenders_that_exist() {
        let rows = rows::all(false);
        let labels: Vec<String> = contenders::all().iter().map(|c| c.label()).collect();
        for target in all() {
            let row = rows.iter().find(|row| row.id == target.row).unwrap();
            assert!(row.figures().iter().any(|(key, _)| *key == target.figure), "{target:?}");
            match target.against {
                Against::Contender(label) => {
                    assert!(labels.iter().any(|l| l == label), "{target:?}")
                }
                Against::OwnRow(id) => assert!(rows.iter().any(|row| row.id == id), "{target:?}"),
                Against::OwnFigure(_) | Against::BestCrate => {}
            }
        }
    }

    #[test]
    fn reached_and_missed() {
        let s = session(&[
            ("alloc-1", 1, "gc", "{\"ns_per_op\":2}"),
            ("alloc-1", 1, "go", "{\"ns_per_op\":16}"),
            ("mark-1", 1, "gc", "{\"mnodes_per_s\":20,\"rss_mb\":230,\"live_mb\":200}"),
            ("mark-1", 1, "go", "{\"mnodes_per_s\":10}"),
            ("mark-2", 1, "gc", "{\"mnodes_per_s\":36}"),
        ]);
        let go = Against::Contender("go");
        let same = |x: f64| Spread { median: x, least: x, most: x };
        assert_eq!(
            target("alloc-1", "ns_per_op", go).judge(&s),
            Verdict::Reached(same(0.125), "go".into())
        );
        let Verdict::Missed(spread, _, times) = target("mark-1", "mnodes_per_s", go).judge(&s)
        else {
            panic!("20 over 10 is less than 2.3");
        };
        assert_eq!(spread.median, 2.0);
        assert!((times - 1.15).abs() < 1e-9);
        let memory = target("mark-1", "rss_mb", Against::OwnFigure("live_mb")).judge(&s);
        assert!(matches!(memory, Verdict::Missed(..)), "{memory:?}");
        let second = target("mark-2", "mnodes_per_s", Against::OwnRow("mark-1")).judge(&s);
        assert!(matches!(second, Verdict::Reached(..)), "{second:?}");
        let unknown = target("window", "wall_s", go).judge(&s);
        assert_eq!(unknown, Verdict::Unknown("ours did not run".into()));
        let counts = table(&s, &rows::all(true)).1;
        assert_eq!(counts.iter().sum::<usize>(), all().len());
        assert_eq!((counts[0], counts[1]), (2, 2));
    }

    #[test]
    fn the_best_crate_decides() {
        let s = session(&[
            ("mutate-1", 1, "gc", "{\"mops_per_s\":8}"),
            ("mutate-1", 1, "gc-arena", "{\"mops_per_s\":2}"),
            ("mutate-1", 1, "gc-arena+mimalloc", "{\"mops_per_s\":9}"),
            ("mutate-1", 1, "rc+mimalloc", "{\"mops_per_s\":90}"),
        ]);
        let verdict = target("mutate-1", "mops_per_s", Against::BestCrate).judge(&s);
        assert!(
            matches!(&verdict, Verdict::Missed(_, name, _) if name == "gc-arena+mimalloc"),
            "{verdict:?}"
        );
    }

    #[test]
    fn limits() {
        assert!(Limit::AtMost(1.0).holds(1.0) && !Limit::Below(1.0).holds(1.0));
        assert!(Limit::AtLeast(1.0).holds(1.0) && !Limit::Above(1.0).holds(1.0));
        assert_eq!((Limit::Below(2.0).excess(3.0), Limit::AtLeast(3.0).excess(2.0)), (1.5, 1.5));
    }
}
