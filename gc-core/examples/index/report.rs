//! What is printed, before the work and at the end.

use crate::check::Found;
use crate::corpus::{Corpus, Skipped};
use crate::layout::{Page, count};
use crate::options::Options;
use crate::plot::{self, Row};
use crate::work::{Work, get};
use gc_core::{Histogram, Pauses, Stats};
use std::time::Duration;

/// The files, which are known before the work begins.
pub(crate) fn files(options: &Options, corpus: &Corpus, width: Option<usize>) -> String {
    let mut page = Page::new(width);
    let (files, megabytes) = (count(corpus.files.len() as u64, "file"), corpus.bytes as f64 / 1e6);
    page.entry("indexed", &format!("{files} ({megabytes:.1} MB) {}", folders(options)));
    let skipped = skipped(&corpus.skipped);
    if !skipped.is_empty() {
        page.entry("skipped", &skipped);
    }
    corpus.skipped.named.iter().for_each(|named| page.entry("", named));
    page.into_text()
}

/// How many files were not read, and why; empty if all were.
pub(crate) fn skipped(skipped: &Skipped) -> String {
    let reasons = [
        (skipped.unreadable, "unreadable"),
        (skipped.binary, "binary or not UTF-8"),
        (skipped.huge, "huge"),
        (skipped.over_total, "beyond 512 MiB in all"),
        (skipped.special, if skipped.special == 1 { "special file" } else { "special files" }),
    ];
    let reasons = reasons.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}"));
    reasons.collect::<Vec<_>>().join(", ")
}

/// Why there is nothing to index.
pub(crate) fn nothing(options: &Options, corpus: &Corpus) -> String {
    let skipped = skipped(&corpus.skipped);
    let skipped = if skipped.is_empty() { String::new() } else { format!(" (skipped: {skipped})") };
    let named: String = corpus.skipped.named.iter().map(|named| format!("\n{named}")).collect();
    format!("nothing to index: there is no text file {}{skipped}{named}", folders(options))
}

/// A run that is over.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) readers: usize,
    pub(crate) work: &'a Work<'a>,
    pub(crate) found: &'a Found,
    /// How long the threads worked.
    pub(crate) took: Duration,
    /// Dead postings that were unlinked at the very end.
    pub(crate) left: u64,
    /// The memory at its highest, in bytes.
    pub(crate) peak: Option<u64>,
}

impl Run<'_> {
    /// The report for a terminal of `width` columns.
    pub(crate) fn describe(&self, stats: &Stats, pauses: &Pauses, width: Option<usize>) -> String {
        let mut page = Page::new(width);
        self.work(&mut page);
        self.heap(&mut page, stats);
        self.verdict(&mut page);
        page.paragraph("");
        let table = plot::table(&rows(pauses), width);
        let mut title = Page::new(width);
        title.paragraph("");
        title.paragraph("all pauses, both scales logarithmic:");
        page.into_text() + &table + &title.into_text() + &plot(pauses, width)
    }

    fn work(&self, page: &mut Page) {
        let (tally, found) = (&self.work.tally, self.found);
        let seconds = self.took.as_secs_f64();
        let rate = |n: u64| n as f64 / seconds.max(1e-9);
        let (writers, readers) = (self.options.threads as u64, self.readers as u64);
        let threads = format!("{}, {}", count(writers, "writer"), count(readers, "reader"));
        page.entry("threads", &threads);
        let [added, replaced, dropped, late] =
            [&tally.added, &tally.replaced, &tally.dropped, &tally.late].map(get);
        let all = tally.revisions();
        page.entry(
            "revisions",
            &format!(
                "{all} in {seconds:.2} s: {added} added, {replaced} replaced, {dropped} dropped, {late} overtaken"
            ),
        );
        let (queries, hits) = (get(&tally.queries), get(&tally.hits));
        page.entry(
            "throughput",
            &format!(
                "{:.0} docs/s, {:.1} MB/s, {:.0} queries/s ({}, {})",
                rate(all),
                rate(get(&tally.bytes)) / 1e6,
                rate(queries),
                count(queries, "query"),
                count(hits, "hit")
            ),
        );
        let parts =
            [(found.documents, "document"), (found.terms, "term"), (found.postings, "posting")];
        page.entry("index", &parts.map(|(n, noun)| count(n, noun)).join(", "));
    }

    fn heap(&self, page: &mut Page, stats: &Stats) {
        let (freed, allocated) = (stats.freed_objects, count(stats.allocated_objects, "object"));
        let left = count(self.left, "dead posting");
        page.entry(
            "garbage",
            &format!("{freed} of {allocated} freed; {left} left to unlink at the end"),
        );
        let (live, reachable) = (count(stats.live_objects, "object"), self.found.objects);
        let megabytes = stats.live_bytes as f64 / 1e6;
        let cycles = count(stats.cycles, "cycle");
        page.entry(
            "heap",
            &format!("{live} live, {reachable} reachable; {megabytes:.1} MB live; {cycles}"),
        );
        let peak = self.peak.map(|bytes| format!("{:.1} MB, texts included", bytes as f64 / 1e6));
        page.entry("peak RSS", &peak.unwrap_or_else(|| "unknown".to_owned()));
    }

    fn verdict(&self, page: &mut Page) {
        let (found, live) = (self.found, get(&self.work.tally.wrong));
        if found.wrong == 0 && live == 0 {
            let queries = count(found.queries, "query");
            return page.entry(
                "verified",
                &format!(
                    "every posting and {queries} against a sequential index, every object against the heap"
                ),
            );
        }
        let (wrong, live) = (count(found.wrong, "difference"), count(live, "impossible answer"));
        page.entry("WRONG", &format!("{wrong}, {live}"));
        found.told.iter().for_each(|told| page.entry("", told));
    }
}

fn folders(options: &Options) -> String {
    match options.folders.as_slice() {
        [one] => format!("below {}", one.display()),
        many => format!("in {} of downloaded crates", count(many.len() as u64, "folder")),
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

fn plot(pauses: &Pauses, width: Option<usize>) -> String {
    plot::bars(pauses.all().iter().map(|(time, count)| (ns(time), count)), width)
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
