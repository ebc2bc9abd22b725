#![forbid(unsafe_code)]
//! Metrics as Prometheus text, format 0.0.4, by the library of the Prometheus project
//! (`prometheus-client`).
//!
//! It was chosen because it asks a collector at each scrape and takes whole histograms from it. So
//! the exporter keeps no copy of a value, and a scrape shows one reading. An exporter behind the
//! `metrics` facade would have to be fed every observation.

use super::heaps::{ExportError, Heaps};
use crate::api::Heap;
use crate::observe::{Metric, MetricKind, MetricSample, MetricValue, Metrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text as text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;
use std::fmt;

/// Shows heaps to Prometheus, each with the label `heap`.
///
/// A program that has a server answers `GET /metrics` with [`render`](Self::render) and the header
/// [`CONTENT_TYPE`](Self::CONTENT_TYPE). Text of another library may be joined to it, as long as it
/// has no metric that begins with `gc_`. The example `metrics` is a whole program; `docs/observe/`
/// has alert rules and a dashboard.
///
/// ```
/// use gc_core::Heap;
/// use gc_core::PrometheusExporter;
///
/// let heap = Heap::new();
/// let exporter = PrometheusExporter::new();
/// exporter.add("main", &heap)?;
/// heap.collect().unwrap();
/// assert!(exporter.render().contains("gc_cycles_total{heap=\"main\"} 1\n"));
/// # Ok::<(), gc_core::ExportError>(())
/// ```
#[derive(Debug, Default)]
pub struct PrometheusExporter {
    heaps: Heaps,
}

impl PrometheusExporter {
    /// The `Content-Type` of the text.
    pub const CONTENT_TYPE: &str = text::CONTENT_TYPE;

    /// One that shows no heap yet.
    #[must_use]
    pub fn new() -> PrometheusExporter {
        PrometheusExporter::default()
    }
    /// Shows `heap` under `name` from now on, until it ends. The exporter is no handle of it.
    ///
    /// # Errors
    ///
    /// An empty name, one that another heap has, or a heap that is shown already.
    ///
    /// ```
    /// use gc_core::{ExportError, Heap, PrometheusExporter};
    /// let (exporter, heap) = (PrometheusExporter::new(), Heap::new());
    /// exporter.add("a", &heap)?;
    /// let error = exporter.add("a", &Heap::new()).unwrap_err();
    /// assert_eq!(error.to_string(), "another heap is exported under the name \"a\"");
    /// # Ok::<(), ExportError>(())
    /// ```
    pub fn add(&self, name: &str, heap: &Heap) -> Result<(), ExportError> {
        self.heaps.add(name, heap)
    }
    /// Reads the heaps, as [`Heap::metrics`] does, and writes what it read.
    #[must_use]
    pub fn render(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(self.heaps.read())));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a string takes whatever is written");
        text
    }
}

/// The readings of one scrape.
#[derive(Debug)]
struct Scrape(Vec<(String, Metrics)>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in Metric::all() {
            let own = |sample: &&MetricSample| std::ptr::eq(sample.metric, metric);
            let mut series = self
                .0
                .iter()
                .flat_map(|(heap, all)| all.iter().filter(own).map(move |sample| (heap, sample)))
                .peekable();
            if series.peek().is_none() {
                continue;
            }
            let kind = match metric.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram | MetricKind::GaugeHistogram => MetricType::Histogram,
            };
            // The library adds the ending.
            let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
            let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for (heap, sample) in series {
                let mut labels = vec![("heap", heap.as_str())];
                labels.extend(sample.labels.iter().map(|(name, value)| (*name, value.as_str())));
                let labels = labels.as_slice();
                encode(family.encode_family(&labels)?, sample)?;
            }
        }
        Ok(())
    }
}

fn encode(mut to: MetricEncoder<'_>, sample: &MetricSample) -> fmt::Result {
    const NONE: Option<&Exemplar<NoLabelSet, f64>> = None;
    let is_counter = sample.metric.kind == MetricKind::Counter;
    match &sample.value {
        MetricValue::Count(n) if is_counter => to.encode_counter(n, NONE),
        MetricValue::Number(n) if is_counter => to.encode_counter(n, NONE),
        MetricValue::Count(n) => to.encode_gauge(n),
        MetricValue::Number(n) => to.encode_gauge(n),
        MetricValue::Histogram(histogram) => {
            let ranges: Vec<(f64, u64)> = histogram.ranges().map(|(to, n, _)| (to, n)).collect();
            let (sum, count) = (histogram.sum(), histogram.count());
            to.encode_histogram::<NoLabelSet>(sum, count, &ranges, None)
        }
    }
}
