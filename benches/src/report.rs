//! The result of one run: `key=value` pairs on one line, or one JSON object with the same keys.
//!
//! A key that means nothing for a workload is left out (`btree` has no percentiles, `rc` no
//! cycles).

#![forbid(unsafe_code)]

use std::path::Path;

use gc_core::{Heap, Pauses};
use serde_json::{Map, Number, Value};

use crate::measure::{Elapsed, Latencies, MB};
use crate::timeline;

/// The keys and values of one run, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pairs: Map<String, Value>,
    /// What the percentiles are of, for more of them.
    latencies: Option<Latencies>,
}

/// The percentiles that `--quantiles` adds: the digits after the point.
const MORE_QUANTILES: [&str; 13] = [
    "75", "90", "95", "98", "995", "998", "9995", "9998", "99995", "99998", "99999", "999995",
    "999999",
];

impl Report {
    /// Adds a count.
    pub(crate) fn count(&mut self, key: impl Into<String>, value: u64) {
        self.pairs.insert(key.into(), value.into());
    }

    /// Adds a measurement, rounded to three decimals.
    pub(crate) fn number(&mut self, key: impl Into<String>, value: f64) {
        let rounded = Number::from_f64((value * 1e3).round() / 1e3);
        self.pairs.insert(key.into(), rounded.map_or(Value::Null, Value::Number));
    }

    /// Adds a name.
    pub(crate) fn text(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.pairs.insert(key.into(), Value::String(value.into()));
    }

    /// Adds `wall_s`, `cpu_s`, and as `rss_mb` the peak of the process until the stopwatch was
    /// stopped.
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
        let wall_s = self.pairs.get("wall_s").and_then(Value::as_f64);
        let (Some(wall_s), Some(latencies)) = (wall_s, &self.latencies) else {
            return Err("nothing was timed for a timeline".into());
        };
        std::fs::write(path, timeline::text(latencies.long(), wall_s))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    /// Adds the tail of the machine itself, to judge the percentiles against.
    pub(crate) fn floor(&mut self, floor: &Latencies) {
        self.number("floor_p999_us", floor.quantile_us(0.999));
        self.number("floor_p9999_us", floor.quantile_us(0.9999));
        self.number("floor_max_us", floor.max_us());
    }

    /// Adds what our heap counted, if there is one: live bytes, cycles, and its pauses.
    ///
    /// The pauses are those since `before`: a table that is made in one long `mutate` says nothing
    /// of the run.
    pub(crate) fn heap(&mut self, heap: Option<&Heap>, before: Option<&Pauses>, table: bool) {
        let Some(heap) = heap else { return };
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
        #[cfg(feature = "profile")]
        self.profile(heap);
    }

    /// Adds how far the heap's profile is from what the heap counted, in percent, if there is one.
    #[cfg(feature = "profile")]
    fn profile(&mut self, heap: &Heap) {
        use gc_core::ProfileValue::{AllocSpace, InuseSpace};
        if heap.profile().is_err() || heap.collect().is_err() {
            return;
        }
        let (Ok(profile), stats) = (heap.profile(), heap.stats()) else { return };
        let error = |value, truth: u64| {
            100.0 * (profile.total(value) as f64 / (truth as f64).max(1.0) - 1.0)
        };
        self.number("profile_alloc_error", error(AllocSpace, stats.allocated_bytes));
        if stats.live_bytes > 0 {
            self.number("profile_inuse_error", error(InuseSpace, stats.live_bytes));
        }
    }

    /// The report on one line.
    pub(crate) fn line(&self) -> String {
        let pair = |(key, value): (&String, &Value)| match value {
            Value::String(text) => format!("{key}={text}"),
            Value::Number(number) if number.is_f64() => {
                format!("{key}={:.3}", number.as_f64().unwrap_or(f64::NAN))
            }
            value => format!("{key}={value}"),
        };
        self.pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    /// The report as one JSON object.
    pub(crate) fn json(&self) -> String {
        Value::Object(self.pairs.clone()).to_string()
    }
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
        let json = r#"{"workload":"a\"b\n","checksum":12,"wall_s":1.0}"#;
        assert_eq!(report.json(), json);
    }
}
