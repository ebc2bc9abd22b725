#![forbid(unsafe_code)]
//! Metrics through the `metrics` facade: to whichever recorder the program has installed.
//!
//! 1. Counters are set to what the heap has counted, gauges to what they are.
//! 2. Of a histogram the observations since the last time are recorded, those of one range as their
//!    mean ([`MetricsPublisher::publish`]).
//! 3. The facade has no counter with a fraction, and no histogram of what is now: the first is a
//!    gauge there, the second a gauge for each range.

use super::heaps::{ExportError, Heaps};
use crate::api::Heap;
use crate::observe::{
    Metric, MetricHistogram, MetricKind, MetricSample, MetricUnit, MetricValue, Metrics,
};
use crate::sync::Mutex;
use metrics::{Label, Unit};
use std::collections::HashMap;

/// Publishes heaps through the `metrics` facade, each with the label `heap`.
///
/// Install a recorder first; without one the facade throws everything away. Then
/// [`publish`](Self::publish) now and then, such as every ten seconds from a thread or a task. A
/// counter of seconds is a gauge here, because the facade counts whole numbers only.
/// `gc_span_occupancy_ratio` is a gauge for each range, with the label `up_to`.
///
/// ```
/// use gc_core::Heap;
/// use gc_core::MetricsPublisher;
///
/// let heap = Heap::new();
/// let publisher = MetricsPublisher::new();
/// publisher.add("main", &heap)?;
/// publisher.publish();
/// # Ok::<(), gc_core::ExportError>(())
/// ```
#[derive(Debug, Default)]
pub struct MetricsPublisher {
    heaps: Heaps,
    seen: Mutex<Published>,
}

/// What was published before.
#[derive(Debug, Default)]
struct Published {
    is_described: bool,
    /// The ranges of each histogram, by its heap's name and its own name with labels.
    ranges: HashMap<(String, String), Vec<(u64, f64)>>,
}

impl MetricsPublisher {
    /// One that publishes no heap yet.
    #[must_use]
    pub fn new() -> MetricsPublisher {
        MetricsPublisher::default()
    }
    /// Publishes `heap` under `name` from now on, until it ends. The publisher is no handle of it.
    /// Recorders let no counter shrink, so a heap that comes after one that has ended takes another
    /// name.
    ///
    /// # Errors
    ///
    /// An empty name, one that another heap has, or a heap that is published already.
    pub fn add(&self, name: &str, heap: &Heap) -> Result<(), ExportError> {
        self.heaps.add(name, heap)
    }
    /// Reads the heaps, as [`Heap::metrics`] does, and tells the recorder. The first time it also
    /// tells what each metric means.
    pub fn publish(&self) {
        let readings = self.heaps.read();
        let mut seen = self.seen.lock();
        if !std::mem::replace(&mut seen.is_described, true) {
            Metric::all().iter().for_each(describe);
        }
        for (heap, metrics) in &readings {
            publish(&mut seen, heap, metrics);
        }
    }
}

fn describe(metric: &Metric) {
    let (name, help) = (metric.name, metric.help);
    let unit = match metric.unit {
        MetricUnit::Bytes => Unit::Bytes,
        MetricUnit::Seconds => Unit::Seconds,
        _ => Unit::Count,
    };
    match metric.kind {
        MetricKind::Counter if metric.unit != MetricUnit::Seconds => {
            metrics::describe_counter!(name, unit, help);
        }
        MetricKind::Histogram => metrics::describe_histogram!(name, unit, help),
        _ => metrics::describe_gauge!(name, unit, help),
    }
}

fn publish(seen: &mut Published, heap: &str, metrics: &Metrics) {
    for sample in metrics.iter() {
        let name = sample.metric.name;
        let labels = labels(heap, sample);
        match &sample.value {
            MetricValue::Count(n) if sample.metric.kind == MetricKind::Counter => {
                metrics::counter!(name, labels).absolute(*n);
            }
            MetricValue::Count(n) => metrics::gauge!(name, labels).set(*n as f64),
            MetricValue::Number(n) => metrics::gauge!(name, labels).set(*n),
            MetricValue::Histogram(h) if sample.metric.kind == MetricKind::GaugeHistogram => {
                for (to, n, _) in h.ranges().filter(|(to, ..)| to.is_finite()) {
                    let mut labels = labels.clone();
                    labels.push(Label::new("up_to", to.to_string()));
                    metrics::gauge!(name, labels).set(n as f64);
                }
            }
            MetricValue::Histogram(h) => {
                let to = metrics::histogram!(name, labels);
                let key = (heap.to_owned(), format!("{name} {:?}", sample.labels));
                let before = seen.ranges.entry(key).or_default();
                since(before, h, |mean, n| to.record_many(mean, n as usize));
            }
        }
    }
}

fn labels(heap: &str, sample: &MetricSample) -> Vec<Label> {
    let own = sample.labels.iter().map(|(name, value)| Label::new(*name, value.clone()));
    [Label::new("heap", heap.to_owned())].into_iter().chain(own).collect()
}

/// Calls `each` with the mean and the number of what each range got since `before`, which becomes
/// what there is now. After a heap another one may have its name, and begins again.
fn since(before: &mut Vec<(u64, f64)>, now: &MetricHistogram, mut each: impl FnMut(f64, u64)) {
    let now: Vec<(u64, f64)> = now.ranges().map(|(_, n, sum)| (n, sum)).collect();
    let is_less = |(before, now): (&(u64, f64), &(u64, f64))| now.0 < before.0;
    if before.len() != now.len() || before.iter().zip(&now).any(is_less) {
        *before = vec![(0, 0.0); now.len()];
    }
    for (before, now) in before.iter().zip(&now).filter(|(before, now)| now.0 > before.0) {
        let n = now.0 - before.0;
        each((now.1 - before.1) / n as f64, n);
    }
    *before = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_is_told_once_and_a_new_heap_begins_again() {
        let mut before = Vec::new();
        let mut told = |values: &[f64]| {
            let mut now = MetricHistogram::of_parts();
            values.iter().for_each(|value| now.add(*value, 1));
            let mut told = Vec::new();
            since(&mut before, &now, |mean, n| told.push((mean, n)));
            told
        };
        assert_eq!(told(&[0.25, 0.25]), [(0.25, 2)]);
        assert_eq!(told(&[0.25, 0.25]), []);
        assert_eq!(told(&[0.25, 0.25, 0.5]), [(0.5, 1)]);
        assert_eq!(told(&[0.25]), [(0.25, 1)], "the count shrank");
    }
}
