//! Observing: what mutators felt and what cycles did.
//!
//! Every interruption that a mutator can notice is timed by the mutator itself, by kind
//! ([`PauseKind`]), in a histogram of its own thread ([`histogram::Recorder`]); reading merges them
//! ([`Pauses`]). Cycles are told by one line each ([`gctrace`]) and counted in [`metrics`]. What
//! the collector does leaves the heap through one door ([`door`]). [`catalogue`] is the table of
//! all metrics, and a [`reading`] has their values at one moment.
//!
//! Files, lowest first: `clock`, `histogram`, `catalogue`, `reading`, `classes`, `report`, `event`,
//! `note`, `site`, `life`, `pressure`, `sample`, `probe`, `watch`, `timeline`, `door`, `metrics`,
//! `utilisation`, `hiccup`, `gctrace`.

pub(crate) mod catalogue;
pub(crate) mod classes;
pub(crate) mod clock;
pub(crate) mod door;
pub(crate) mod event;
pub(crate) mod gctrace;
mod hiccup;
pub(crate) mod histogram;
#[cfg_attr(not(feature = "timeline"), allow(dead_code, reason = "its exporter reads it"))]
pub(crate) mod life;
pub(crate) mod metrics;
pub(crate) mod note;
pub(crate) mod pressure;
pub(crate) mod probe;
pub(crate) mod reading;
mod report;
pub(crate) mod sample;
pub(crate) mod site;
#[cfg_attr(not(feature = "timeline"), allow(dead_code, reason = "its exporter reads it"))]
pub(crate) mod timeline;
pub(crate) mod utilisation;
pub(crate) mod watch;

pub use catalogue::{Metric, MetricKind, MetricUnit};
pub use classes::ClassStats;
pub use event::{Event, EventListener, Handshake, Phase};
pub use hiccup::HiccupMeter;
pub use histogram::{Histogram, PauseKind, Pauses};
pub use metrics::Stats;
pub use pressure::Pressure;
pub use reading::{MetricHistogram, MetricSample, MetricValue, Metrics};
pub use report::{CycleReport, Straggler};
pub use utilisation::Utilisation;
pub use watch::SlowPause;
