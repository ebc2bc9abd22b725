#![forbid(unsafe_code)]
//! Exporters: what the heap's events and counters become for other tools.
//!
//! Each is behind a feature. They are on the top floor: nothing below knows of them. The exporters
//! of metrics read [`Heap::metrics`](crate::Heap::metrics), as any program may.
//!
//! | feature | type | what it is for |
//! |---|---|---|
//! | `hdr-log` | `PauseLog` | an interval log of HdrHistogram: pauses, and hiccups |
//! | `prometheus` | `PrometheusExporter` | text that Prometheus reads, made when it asks |
//! | `metrics` | `MetricsPublisher` | the installed recorder of the `metrics` facade |
//! | `timeline` | `FlightRecorder` | the last seconds as a Chrome trace, when asked or a pause is over budget |
//! | `profile` | `HeapProfile` | sampled allocation sites, for `go tool pprof` or as a flame graph |
//! | `attribution` | `CostSeries` | which habit of the program the collector's cost depends on |
//! | `debug-server` | `DebugServer` | all of these on a page, for browsers and tools of this machine |
//! | `tracing` | `TracingEvents` | spans and events of the crate `tracing` |
//! | `snapshot` | `Snapshot::write_heapsnapshot` | V8's `.heapsnapshot`, for Chrome's DevTools |
//!
//! An exporter of metrics keeps no heap: one that has ended drops out.
//!
//! Files, lowest first: `heaps`, `attribution`, `chrome_trace`, `facade`, `flight`, `hdr_log`,
//! `heapsnapshot`, `prometheus`, `tracing_events`.

#[cfg(feature = "attribution")]
mod attribution;
#[cfg(feature = "timeline")]
mod chrome_trace;
#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "timeline")]
mod flight;
#[cfg(feature = "hdr-log")]
mod hdr_log;
#[cfg(any(feature = "metrics", feature = "prometheus"))]
mod heaps;
#[cfg(feature = "snapshot")]
mod heapsnapshot;
#[cfg(feature = "profile")]
mod profile;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "debug-server")]
mod server;
#[cfg(feature = "tracing")]
mod tracing_events;

#[cfg(feature = "attribution")]
pub use attribution::{
    Attribution, AttributionError, CostCause, CostInterval, CostSeries, Regression, Term,
};
#[cfg(feature = "metrics")]
pub use facade::MetricsPublisher;
#[cfg(feature = "timeline")]
pub use flight::{FlightDumps, FlightError, FlightOptions, FlightRecorder, FlightSummary};
#[cfg(feature = "hdr-log")]
pub use hdr_log::PauseLog;
#[cfg(any(feature = "metrics", feature = "prometheus"))]
pub use heaps::ExportError;
#[cfg(feature = "profile")]
pub use profile::{HeapProfile, ProfileError, ProfileFrame, ProfileSite, ProfileValue};
#[cfg(feature = "prometheus")]
pub use prometheus::PrometheusExporter;
#[cfg(feature = "debug-server")]
pub use server::{DebugServer, DebugServerError};
#[cfg(feature = "tracing")]
pub use tracing_events::TracingEvents;
