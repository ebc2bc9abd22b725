//! The result of one run: `key=value` pairs on one line, or one JSON object with the same keys.
//!
//! A key that means nothing for a workload is left out (`btree` has no percentiles, `rc` no cycles).

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::path::Path;

use gc_core::{Heap, Pauses};

use crate::json::quote;
use crate::measure::{Elapsed, Latencies, MB};
use crate::timeline;

/// One value of a [`Report`].
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A count.
    Count(u64),
    /// A measurement; printed to three decimals.
    Number(f64),
    /// A name.
    Text(String),
}

/// The keys and values of one run, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pairs: Vec<(Cow<'static, str>, Value)>,
    /// The latencies that the percentiles come from, for more of them.
    latencies: Option<Latencies>,
}

/// The percentiles that `--quantiles` adds: the digits after the point.
const MORE_QUANTILES: [&str; 13] = [
    "75", "90", "95", "98", "995", "998", "9995", "9998", "99995", "99998", "99999", "999995",
    "999999",
];

impl Report {
    /// Adds a count.
    pub(crate) fn count(&mut self, key: impl Into<Cow<'static, str>>, value: u64) {
        self.pairs.push((key.into(), Value::Count(value)));
    }

    /// Adds a measurement.
    pub(crate) fn number(&mut self, key: impl Into<Cow<'static, str>>, value: f64) {
        self.pairs.push((key.into(), Value::Number(value)));
    }

    /// Adds a name.
    pub(crate) fn text(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.pairs.push((key.into(), Value::Text(value.into())));
    }

    /// Adds `wall_s`, `cpu_s`, and as `rss_mb` the peak of the process until the stopwatch was stopped.
    pub(crate) fn elapsed(&mut self, elapsed: Elapsed) {
        self.number("wall_s", elapsed.wall_s);
        self.number("cpu_s", elapsed.cpu_s);
        self.number("rss_mb", elapsed.peak_rss / MB);
    }

    /// Adds the percentiles of a mutator's own timing.
    pub(crate) fn latencies(&mut self, latencies: &Latencies) {
        self.number("p50_us", latencies.quantile_us(0.5));
        self.number("p99_us", latencies.quantile_us(0.99));
        self.number("p999_us", latencies.quantile_us(0.999));
        self.number("p9999_us", latencies.quantile_us(0.9999));
        self.number("max_us", latencies.max_us());
        self.latencies = Some(latencies.clone());
    }

    /// Adds more percentiles of the same.
    pub(crate) fn quantiles(&mut self) {
        let Some(latencies) = self.latencies.clone() else { return };
        for digits in MORE_QUANTILES {
            let q = format!("0.{digits}").parse().expect("these are digits");
            self.number(format!("p{digits}_us"), latencies.quantile_us(q));
        }
    }

    /// Writes the long batches of the same.
    pub(crate) fn write_timeline(&self, path: &Path) -> Result<(), String> {
        let wall = self.pairs.iter().find(|(key, _)| key == "wall_s").map(|(_, value)| value);
        let (Some(Value::Number(wall_s)), Some(latencies)) = (wall, &self.latencies) else {
            return Err("nothing was timed for a timeline".into());
        };
        std::fs::write(path, timeline::text(latencies.long(), *wall_s))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    /// Adds the tail of the machine itself, to judge the percentiles against.
    pub(crate) fn floor(&mut self, floor: &Latencies) {
        self.number("floor_p999_us", floor.quantile_us(0.999));
        self.number("floor_p9999_us", floor.quantile_us(0.9999));
        self.number("floor_max_us", floor.max_us());
    }

    /// Adds the heap's own counts: live bytes, cycles, and its pauses.
    ///
    /// The pauses are those since `before`: one long `mutate` that makes the table does not count
    /// as part of the run.
    pub(crate) fn heap(&mut self, heap: &Heap, before: Option<&Pauses>, table: bool) {
        let stats = heap.stats();
        self.number("live_mb", stats.live_bytes as f64 / MB);
        self.count("cycles", stats.cycles);
        let mut pauses = heap.pauses();
        if let Some(before) = before {
            pauses = pauses.since(before);
        }
        if table {
            eprint!("{pauses}");
        }
        let all = pauses.all();
        let kinds: Vec<_> = pauses.kinds().filter(|(_, h)| !h.is_empty()).collect();
        let us = |time: std::time::Duration| time.as_nanos() as f64 / 1e3;
        self.number("pause_p999_us", us(all.percentile(99.9)));
        self.number("pause_max_us", us(all.max()));
        if let Some((kind, _)) = kinds.iter().max_by_key(|(_, h)| h.max()) {
            self.text("pause_max_kind", format!("{kind:?}"));
        }
        for (kind, h) in kinds {
            let kind = format!("{kind:?}").to_lowercase();
            self.count(format!("pause_{kind}_count"), h.len());
            self.number(format!("pause_{kind}_p999_us"), us(h.percentile(99.9)));
        }
    }

    /// The report on one line.
    pub(crate) fn line(&self) -> String {
        let pairs: Vec<String> =
            self.pairs.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
        pairs.join(" ")
    }

    /// The report as one JSON object.
    pub(crate) fn json(&self) -> String {
        let pairs: Vec<String> =
            self.pairs.iter().map(|(k, v)| format!("\"{k}\":{}", json(v))).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Count(n) => n.to_string(),
        Value::Number(x) => format!("{x:.3}"),
        Value::Text(text) => text.clone(),
    }
}

fn json(value: &Value) -> String {
    let Value::Text(text) = value else { return plain(value) };
    quote(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_the_same_keys() {
        let mut report = Report::default();
        report.text("workload", "a\"b\n");
        report.count("checksum", 12);
        report.number("wall_s", 1.0);
        assert_eq!(report.line(), "workload=a\"b\n checksum=12 wall_s=1.000");
        let json = "{\"workload\":\"a\\\"b\\u000a\",\"checksum\":12,\"wall_s\":1.000}";
        assert_eq!(report.json(), json);
    }
}
