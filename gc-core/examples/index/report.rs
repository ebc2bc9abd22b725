//! What is printed at the end.

use crate::check::Found;
use crate::corpus::Corpus;
use crate::options::Options;
use crate::plot::{self, Row};
use crate::work::{Work, get};
use gc_core::{Histogram, Pauses, Stats};
use std::fmt::{self, Write};
use std::time::Duration;

/// A run that is over.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) readers: usize,
    pub(crate) corpus: &'a Corpus,
    pub(crate) work: &'a Work<'a>,
    pub(crate) found: &'a Found,
}

impl Run<'_> {
    /// The report: `left` dead postings were unlinked at the very end, `peak` is the memory at its highest.
    pub(crate) fn describe(
        &self,
        took: Duration,
        left: u64,
        stats: &Stats,
        pauses: &Pauses,
        peak: Option<u64>,
    ) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.files(&mut out);
        let _ = self.numbers(&mut out, took, left, stats, peak);
        let _ = self.verdict(&mut out);
        out + "\n"
            + &plot::table(&rows(pauses))
            + "\nall pauses, both scales logarithmic:\n"
            + &plot(pauses)
    }

    fn files(&self, out: &mut String) -> fmt::Result {
        let (files, skipped) = (self.corpus.files.len(), &self.corpus.skipped);
        let megabytes = self.corpus.bytes as f64 / 1e6;
        writeln!(out, "files        {files} ({megabytes:.1} MB) {}", folders(self.options))?;
        let reasons = [
            (skipped.unreadable, "unreadable"),
            (skipped.binary, "binary or not UTF-8"),
            (skipped.huge, "huge"),
            (skipped.over_total, "beyond 512 MiB in all"),
            (skipped.special, "links and other special files"),
        ];
        let reasons: Vec<_> = reasons
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, reason)| format!("{n} {reason}"))
            .collect();
        if !reasons.is_empty() {
            writeln!(out, "skipped      {}", reasons.join(", "))?;
        }
        for named in &skipped.named {
            writeln!(out, "             {named}")?;
        }
        Ok(())
    }

    fn numbers(
        &self,
        out: &mut String,
        took: Duration,
        left: u64,
        stats: &Stats,
        peak: Option<u64>,
    ) -> fmt::Result {
        let (tally, found, seconds) = (&self.work.tally, self.found, took.as_secs_f64());
        let rate = |n: u64| n as f64 / seconds.max(1e-9);
        writeln!(out, "threads      {} writers, {} readers", self.options.threads, self.readers)?;
        writeln!(
            out,
            "revisions    {} in {seconds:.2} s: {} added, {} replaced, {} dropped, {} overtaken",
            tally.revisions(),
            get(&tally.added),
            get(&tally.replaced),
            get(&tally.dropped),
            get(&tally.late)
        )?;
        writeln!(
            out,
            "throughput   {:.0} docs/s, {:.1} MB/s, {:.0} queries/s ({} queries, {} hits)",
            rate(tally.revisions()),
            rate(get(&tally.bytes)) / 1e6,
            rate(get(&tally.queries)),
            get(&tally.queries),
            get(&tally.hits)
        )?;
        let (documents, terms, postings) = (found.documents, found.terms, found.postings);
        writeln!(out, "index        {documents} documents, {terms} terms, {postings} postings")?;
        writeln!(
            out,
            "garbage      {} objects of {} freed; {left} dead postings were left to unlink at the end",
            stats.freed_objects, stats.allocated_objects
        )?;
        writeln!(
            out,
            "heap         {} objects live, {} reachable; {:.1} MB live; {} cycles",
            stats.live_objects,
            found.objects,
            stats.live_bytes as f64 / 1e6,
            stats.cycles
        )?;
        match peak {
            Some(bytes) => {
                writeln!(out, "peak RSS     {:.1} MB, the texts included", bytes as f64 / 1e6)
            }
            None => writeln!(out, "peak RSS     unknown"),
        }
    }

    fn verdict(&self, out: &mut String) -> fmt::Result {
        let (found, live) = (self.found, get(&self.work.tally.wrong));
        if found.wrong == 0 && live == 0 {
            return writeln!(
                out,
                "verified     every posting and {} queries against a sequential index, every object against the heap",
                found.queries
            );
        }
        writeln!(out, "WRONG        {} differences, {live} impossible answers", found.wrong)?;
        found.told.iter().try_for_each(|told| writeln!(out, "             {told}"))
    }
}

fn folders(options: &Options) -> String {
    match options.folders.as_slice() {
        [one] => format!("below {}", one.display()),
        many => format!("in {} folders of downloaded crates", many.len()),
    }
}

fn rows(pauses: &Pauses) -> Vec<Row> {
    let row = |kind: String, histogram: &Histogram| {
        let times = [50.0, 99.0, 99.9, 100.0].map(|percent| ns(histogram.percentile(percent)));
        Row { kind, count: histogram.len(), ns: times }
    };
    let mut rows: Vec<Row> =
        pauses.kinds().map(|(kind, histogram)| row(format!("{kind:?}"), histogram)).collect();
    rows.push(row("all".to_owned(), &pauses.all()));
    rows
}

fn plot(pauses: &Pauses) -> String {
    plot::bars(pauses.all().iter().map(|(time, count)| (ns(time), count)))
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The most memory that this process has had, in bytes, where the system tells.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
