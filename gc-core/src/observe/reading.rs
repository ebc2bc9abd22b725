#![forbid(unsafe_code)]
//! A reading of all metrics: their values at one moment, by the rows of the table.

use super::catalogue::{Metric, MetricKind, Row};
use super::histogram::Histogram;
use crate::word::Bytes;
use std::fmt;

/// The values of all metrics of a heap at one moment, from [`Heap::metrics`](crate::Heap::metrics).
///
/// ```
/// use gc_core::{Gc, Heap};
/// let heap = Heap::new();
/// heap.mutate(|mc| { Gc::new(mc, String::from("a string")); });
/// let metrics = heap.metrics();
/// assert_eq!(metrics.get("gc_cache_misses_total"), Some(1.0));
/// assert_eq!(metrics.get("gc_no_such_thing"), None);
/// for sample in metrics.iter() {
///     println!("{sample}");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<MetricSample>,
}

/// One series of a [`Metric`]: its labels and its value.
///
/// ```
/// let heap = gc_core::Heap::new();
/// let metrics = heap.metrics();
/// let sample = metrics.iter().find(|sample| sample.metric.name == "gc_cycles_total").unwrap();
/// assert!(sample.labels.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// The row of the table.
    pub metric: &'static Metric,
    /// The labels, in the order of [`Metric::labels`].
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: MetricValue,
}

/// The value of a series.
///
/// ```
/// use gc_core::MetricValue;
/// let heap = gc_core::Heap::new();
/// heap.collect().unwrap();
/// let metrics = heap.metrics();
/// let cycles = metrics.iter().find(|sample| sample.metric.name == "gc_cycles_total").unwrap();
/// assert_eq!(cycles.value, MetricValue::Count(1));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A whole number.
    Count(u64),
    /// A number, perhaps infinite, never NaN.
    Number(f64),
    /// How many observations lie in which range.
    Histogram(MetricHistogram),
}

/// Observations by range. The bounds are fixed, and what was counted in a range stays in it.
///
/// ```
/// use gc_core::{Gc, Heap, MetricHistogram, MetricValue};
/// let heap = Heap::new();
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// let metrics = heap.metrics();
/// let refills = metrics.find("gc_pause_seconds", "Refill").unwrap();
/// let MetricValue::Histogram(times) = &refills.value else { unreachable!() };
/// let times: &MetricHistogram = times;
/// assert!(times.count() > 0 && times.sum() > 0.0);
/// assert_eq!(times.ranges().map(|(_, n, _)| n).sum::<u64>(), times.count());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MetricHistogram {
    bounds: &'static [f64],
    /// For each bound, and for what lies above the last one: how many, and their sum.
    ranges: Vec<(u64, f64)>,
}

/// The bounds of times, in seconds.
const TIMES: [f64; 25] = [
    1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2,
    2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// The bounds of parts of one.
const PARTS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

impl MetricHistogram {
    fn new(bounds: &'static [f64]) -> Self {
        MetricHistogram { bounds, ranges: vec![(0, 0.0); bounds.len() + 1] }
    }
    /// Of times; each counts as the middle of its bucket, within 4 % of what it was.
    pub(crate) fn of_times(times: &Histogram) -> Self {
        let mut all = Self::new(&TIMES);
        times.each_bucket(|seconds, n| all.add(seconds, n));
        all
    }
    /// Without an observation, of parts of one.
    pub(crate) fn of_parts() -> Self {
        Self::new(&PARTS)
    }
    /// Adds `n` observations of `value`.
    pub(crate) fn add(&mut self, value: f64, n: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.ranges[at].0 += n;
        self.ranges[at].1 += value * n as f64;
    }

    /// The upper bound of each range (included; the last is infinite), how many observations lie in
    /// the range, and their sum.
    pub fn ranges(&self) -> impl Iterator<Item = (f64, u64, f64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.ranges).map(|(bound, (n, sum))| (bound, *n, *sum))
    }
    /// How many observations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.0).sum()
    }
    /// The sum of all.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.ranges.iter().map(|range| range.1).sum()
    }
}

/// A reading in the making: series in any order.
#[derive(Debug, Default)]
pub(crate) struct Readings(Vec<(Row, MetricSample)>);

impl Readings {
    pub(crate) fn count(&mut self, row: Row, value: u64) {
        self.add(row, Vec::new(), MetricValue::Count(value));
    }
    pub(crate) fn bytes(&mut self, row: Row, value: Bytes) {
        self.count(row, value.get());
    }
    pub(crate) fn number(&mut self, row: Row, value: f64) {
        self.add(row, Vec::new(), MetricValue::Number(value));
    }
    pub(crate) fn histogram(&mut self, row: Row, value: MetricHistogram) {
        self.add(row, Vec::new(), MetricValue::Histogram(value));
    }
    /// Adds a series with labels.
    pub(crate) fn add(
        &mut self,
        row: Row,
        labels: Vec<(&'static str, String)>,
        value: MetricValue,
    ) {
        let metric = row.metric();
        debug_assert!(labels.iter().map(|label| label.0).eq(metric.labels.iter().copied()));
        let has_ranges = matches!(value, MetricValue::Histogram(_));
        let is_plain = matches!(metric.kind, MetricKind::Counter | MetricKind::Gauge);
        debug_assert_ne!(is_plain, has_ranges);
        self.0.push((row, MetricSample { metric, labels, value }));
    }
    /// All in the order of the table, the series of one metric together.
    pub(crate) fn finish(mut self) -> Metrics {
        self.0.sort_by(|a, b| (a.0, &a.1.labels).cmp(&(b.0, &b.1.labels)));
        Metrics { samples: self.0.into_iter().map(|(_, sample)| sample).collect() }
    }
}

impl Metrics {
    /// Every series, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &MetricSample> {
        self.samples.iter()
    }
    /// The value of a metric: the sum over its labels, and of a histogram how many observations it
    /// has. `None` if the table has no such name; 0 if the heap has no series of it yet.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        let metric = Metric::find(name)?;
        let own = self.samples.iter().filter(|sample| std::ptr::eq(sample.metric, metric));
        Some(own.map(|sample| sample.value.number()).sum())
    }
    /// The series of a metric with one label's value; `None` if there is none.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// heap.collect().unwrap();
    /// let sweep = heap.metrics();
    /// let sweep = sweep.find("gc_phase_seconds_total", "sweep").unwrap();
    /// assert!(sweep.value.number() > 0.0);
    /// ```
    #[must_use]
    pub fn find(&self, name: &str, label: &str) -> Option<&MetricSample> {
        let mut own = self.samples.iter().filter(|sample| sample.metric.name == name);
        own.find(|sample| sample.labels.iter().any(|(_, value)| value == label))
    }
}

impl MetricValue {
    /// As a number; of a histogram how many observations it has.
    #[must_use]
    pub fn number(&self) -> f64 {
        match self {
            MetricValue::Count(n) => *n as f64,
            MetricValue::Number(n) => *n,
            MetricValue::Histogram(histogram) => histogram.count() as f64,
        }
    }
}

/// `name{label="value"} number`; of a histogram the number of observations and their sum.
impl fmt::Display for MetricSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.name)?;
        for (i, (name, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if i == 0 { '{' } else { ',' })?;
        }
        f.write_str(if self.labels.is_empty() { " " } else { "} " })?;
        match &self.value {
            MetricValue::Count(n) => write!(f, "{n}"),
            MetricValue::Number(n) => write!(f, "{n}"),
            MetricValue::Histogram(h) => write!(f, "{} (sum {})", h.count(), h.sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_below_its_bound() {
        let mut parts = MetricHistogram::of_parts();
        parts.add(0.0, 1);
        parts.add(0.1, 2);
        parts.add(0.11, 3);
        parts.add(1.0, 4);
        parts.add(1.5, 5);
        let counts: Vec<u64> = parts.ranges().map(|range| range.1).collect();
        assert_eq!(counts, [3, 3, 0, 0, 0, 0, 0, 0, 0, 4, 5]);
        assert_eq!((parts.count(), parts.ranges().last().unwrap().0), (15, f64::INFINITY));
        assert!((parts.sum() - 12.03).abs() < 1e-9);
    }

    #[test]
    fn series_are_shown_with_their_labels() {
        let mut metrics = Readings::default();
        metrics.count(Row::Cycles, 2);
        for phase in ["sweep", "mark"] {
            let labels = vec![("phase", phase.to_owned())];
            metrics.add(Row::PhaseSeconds, labels, MetricValue::Number(1.5));
        }
        metrics.count(Row::HeapBytes, 1);
        let metrics = metrics.finish();
        let lines: Vec<String> = metrics.iter().map(MetricSample::to_string).collect();
        assert_eq!(lines[..2], ["gc_heap_bytes 1", "gc_cycles_total 2"]);
        assert_eq!(lines[2], "gc_phase_seconds_total{phase=\"mark\"} 1.5");
        assert_eq!(metrics.get("gc_phase_seconds_total"), Some(3.0));
        assert_eq!((metrics.get("gc_roots"), metrics.get("roots")), (Some(0.0), None));
        assert!(metrics.find("gc_phase_seconds_total", "prep").is_none());
    }
}
