#![forbid(unsafe_code)]
//! Attribution: which of a program's habits the collector's cost depends on.
//!
//! 1. The program, or `gc-bench --record`, reads [`Heap::metrics`](crate::Heap::metrics) at regular
//!    times. [`CostSeries::push`] turns two readings into one [`CostInterval`].
//! 2. [`CostSeries::attribute`] fits two linear models by least squares: collector CPU and pause
//!    time, each over allocation rate, threads and live objects. The crate linregress does the
//!    arithmetic and the t-tests.
//! 3. A cause that never changed can explain nothing, and is left out.

use crate::observe::{MetricValue, Metrics};
use linregress::{FormulaRegressionBuilder, RegressionDataBuilder};
use std::fmt;
use std::time::Duration;

/// The fewest intervals that are worth a regression: some three for each number that it estimates.
const FEWEST: usize = 12;
/// Values of a cause that differ by less than this part of them count as the same.
const SAME: f64 = 1e-9;

/// What may cost the collector time.
///
/// ```
/// assert_eq!(gc_core::CostCause::AllocationRate.to_string(), "allocation rate (bytes/s)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CostCause {
    /// Bytes allocated in a second.
    AllocationRate,
    /// Threads that use the heap.
    Threads,
    /// Objects that are not yet found dead.
    LiveObjects,
}

impl CostCause {
    const ALL: [CostCause; 3] =
        [CostCause::AllocationRate, CostCause::Threads, CostCause::LiveObjects];

    fn of(self, interval: &CostInterval) -> f64 {
        match self {
            CostCause::AllocationRate => interval.allocation_rate,
            CostCause::Threads => interval.threads,
            CostCause::LiveObjects => interval.live_objects,
        }
    }
    /// The name of the column in the regression.
    fn column(self) -> &'static str {
        match self {
            CostCause::AllocationRate => "rate",
            CostCause::Threads => "threads",
            CostCause::LiveObjects => "live",
        }
    }
}

impl fmt::Display for CostCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CostCause::AllocationRate => "allocation rate (bytes/s)",
            CostCause::Threads => "threads",
            CostCause::LiveObjects => "live objects",
        })
    }
}

/// One stretch of time: what the program did, and what the collector cost.
///
/// ```
/// let idle = gc_core::CostInterval::default();
/// assert_eq!(idle.collector_cpu, 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CostInterval {
    /// Bytes allocated in a second.
    pub allocation_rate: f64,
    /// Threads that use the heap.
    pub threads: f64,
    /// Objects that are not yet found dead.
    pub live_objects: f64,
    /// Processor time of the collector's thread and the markers: seconds in a second, so cores.
    pub collector_cpu: f64,
    /// Interruptions of all program threads: seconds in a second.
    pub pauses: f64,
}

/// The counters of one reading.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Duration,
    allocated: f64,
    cpu: f64,
    paused: f64,
}

/// Intervals, in which [`attribute`](CostSeries::attribute) looks for causes.
///
/// The collector's processor time is known as of the end of a cycle. So an interval should be
/// longer than some cycles. What a cycle costs is no straight line of everything: a regression
/// tells which cause matters where all of them move, not what a heap of another size would cost.
///
/// ```
/// use gc_core::{CostCause, CostInterval, CostSeries};
/// let mut series = CostSeries::new();
/// for i in 0..40 {
///     let allocation_rate = 1e8 * f64::from(i % 7);
///     series.add(CostInterval {
///         allocation_rate,
///         live_objects: 1e6 * f64::from(i % 5),
///         collector_cpu: 0.1 + 1e-9 * allocation_rate + 1e-4 * f64::from(i % 3),
///         ..CostInterval::default()
///     });
/// }
/// let found = series.attribute()?;
/// let rate = found.collector_cpu.term(CostCause::AllocationRate).unwrap();
/// assert!((rate.coefficient - 1e-9).abs() < 1e-12 && rate.p_value < 0.001);
/// assert!(found.collector_cpu.term(CostCause::Threads).is_none(), "it never changed");
/// println!("{found}");
/// # Ok::<(), gc_core::AttributionError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CostSeries {
    intervals: Vec<CostInterval>,
    last: Option<Reading>,
}

impl CostSeries {
    /// A series without intervals.
    #[must_use]
    pub fn new() -> CostSeries {
        CostSeries::default()
    }
    /// Adds the interval from the reading before to this one, which was taken `at` that time since
    /// any fixed moment. The first reading adds none, and neither does one of the same time.
    ///
    /// ```
    /// use gc_core::{CostSeries, Gc, Heap};
    /// let (heap, mut series) = (Heap::new(), CostSeries::new());
    /// let begin = std::time::Instant::now();
    /// for _ in 0..3 {
    ///     heap.mutate(|mc| { Gc::new(mc, [0u64; 4]); });
    ///     std::thread::sleep(std::time::Duration::from_millis(1));
    ///     series.push(begin.elapsed(), &heap.metrics());
    /// }
    /// assert_eq!(series.intervals().len(), 2);
    /// ```
    pub fn push(&mut self, at: Duration, metrics: &Metrics) {
        let get = |name| metrics.get(name).unwrap_or(0.0);
        let now = Reading {
            at,
            allocated: get("gc_taken_bytes_total") - get("gc_returned_bytes_total"),
            cpu: get("gc_collector_cpu_seconds_total") + get("gc_marker_cpu_seconds_total"),
            paused: paused(metrics),
        };
        let Some(before) = self.last.replace(now) else { return };
        let seconds = now.at.saturating_sub(before.at).as_secs_f64();
        if seconds > 0.0 {
            self.intervals.push(CostInterval {
                allocation_rate: (now.allocated - before.allocated).max(0.0) / seconds,
                threads: get("gc_threads"),
                live_objects: get("gc_live_objects"),
                collector_cpu: (now.cpu - before.cpu).max(0.0) / seconds,
                pauses: (now.paused - before.paused).max(0.0) / seconds,
            });
        }
    }
    /// Adds an interval that was measured elsewhere.
    pub fn add(&mut self, interval: CostInterval) {
        self.intervals.push(interval);
    }
    /// The intervals so far.
    #[must_use]
    pub fn intervals(&self) -> &[CostInterval] {
        &self.intervals
    }
    /// Regresses collector CPU and pause time on the causes. An error if there are too few
    /// intervals, if no cause has changed, or if a value is not a number.
    pub fn attribute(&self) -> Result<Attribution, AttributionError> {
        if self.intervals.len() < FEWEST {
            let found = self.intervals.len();
            return Err(AttributionError::TooShort { found, needed: FEWEST });
        }
        Ok(Attribution {
            collector_cpu: self.regress(|interval| interval.collector_cpu)?,
            pauses: self.regress(|interval| interval.pauses)?,
        })
    }

    fn regress(&self, cost: fn(&CostInterval) -> f64) -> Result<Regression, AttributionError> {
        let column = |of: &dyn Fn(&CostInterval) -> f64| self.intervals.iter().map(of).collect();
        let costs: Vec<f64> = column(&cost);
        let mut causes: Vec<(CostCause, Vec<f64>)> = Vec::new();
        for cause in CostCause::ALL {
            let values: Vec<f64> = column(&|interval| cause.of(interval));
            if !values.iter().chain(&costs).all(|value| value.is_finite()) {
                return Err(AttributionError::NotANumber { cause });
            }
            if deviation(&values) > SAME * values.iter().fold(0.0, |most, v| v.abs().max(most)) {
                causes.push((cause, values));
            }
        }
        if causes.is_empty() {
            return Err(AttributionError::NothingChanged);
        }
        let spread = deviation(&costs);
        if spread == 0.0 {
            return Ok(Regression::of_a_constant(costs[0], &causes));
        }
        let deviations: Vec<f64> = causes.iter().map(|(_, values)| deviation(values)).collect();
        // In units of their deviations, so that objects and threads weigh the same in the solver.
        let scaled = causes.iter().zip(&deviations).map(|((cause, values), by)| {
            (cause.column(), values.iter().map(|value| value / by).collect())
        });
        let data = std::iter::once(("cost", costs.clone())).chain(scaled);
        let failed = |error: linregress::Error| AttributionError::Unsolvable(error.to_string());
        let data = RegressionDataBuilder::new().build_from(data).map_err(failed)?;
        let names = causes.iter().map(|(cause, _)| cause.column());
        let model = FormulaRegressionBuilder::new()
            .data(&data)
            .data_columns("cost", names)
            .fit()
            .map_err(failed)?;
        let terms = causes.iter().zip(&deviations).enumerate().map(|(i, ((cause, _), by))| {
            let scaled = model.parameters()[i + 1];
            let p_value = model.p_values()[i + 1];
            Term {
                cause: *cause,
                coefficient: scaled / by,
                standardized: scaled / spread,
                // A fit without any error leaves no doubt.
                p_value: if p_value.is_nan() { 0.0 } else { p_value },
            }
        });
        Ok(Regression {
            intercept: model.parameters()[0],
            terms: terms.collect(),
            r_squared: model.rsquared(),
        })
    }
}

/// The seconds of all interruptions so far.
fn paused(metrics: &Metrics) -> f64 {
    let pauses = metrics.iter().filter(|sample| sample.metric.name == "gc_pause_seconds");
    pauses
        .map(|sample| match &sample.value {
            MetricValue::Histogram(times) => times.sum(),
            _ => 0.0,
        })
        .sum()
}

/// The standard deviation of a sample.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

/// What [`CostSeries::attribute`] has found.
///
/// ```
/// # use gc_core::{CostInterval, CostSeries};
/// # let mut series = CostSeries::new();
/// # for i in 0..20 {
/// #     let n = f64::from(i);
/// #     series.add(CostInterval { threads: n, pauses: n, ..Default::default() });
/// # }
/// let found = series.attribute()?;
/// assert!(found.to_string().contains("pauses"));
/// # Ok::<(), gc_core::AttributionError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Attribution {
    /// Of the collector's processor time, in seconds a second.
    pub collector_cpu: Regression,
    /// Of the interruptions of all threads, in seconds a second.
    pub pauses: Regression,
}

/// A linear model of one cost: `intercept + sum of coefficient * cause`.
///
/// ```
/// # use gc_core::{CostInterval, CostSeries};
/// # let mut series = CostSeries::new();
/// # for i in 0..20 {
/// #     let n = f64::from(i);
/// #     series.add(CostInterval { threads: n, collector_cpu: 3.0 + n, ..Default::default() });
/// # }
/// let cpu = series.attribute()?.collector_cpu;
/// assert!((cpu.intercept - 3.0).abs() < 1e-9 && cpu.r_squared > 0.999);
/// # Ok::<(), gc_core::AttributionError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Regression {
    /// The cost where every cause is zero.
    pub intercept: f64,
    /// One for each cause that changed.
    pub terms: Vec<Term>,
    /// The part of the cost's variance that the model explains, from 0 to 1.
    pub r_squared: f64,
}

impl Regression {
    /// A cost that never changed depends on nothing.
    fn of_a_constant(cost: f64, causes: &[(CostCause, Vec<f64>)]) -> Regression {
        let term = |cause| Term { cause, coefficient: 0.0, standardized: 0.0, p_value: 1.0 };
        let terms = causes.iter().map(|(cause, _)| term(*cause)).collect();
        Regression { intercept: cost, terms, r_squared: 0.0 }
    }
    /// The term of a cause; `None` if the cause never changed.
    #[must_use]
    pub fn term(&self, cause: CostCause) -> Option<&Term> {
        self.terms.iter().find(|term| term.cause == cause)
    }
}

/// What one cause adds to a cost.
///
/// ```
/// # use gc_core::{CostInterval, CostSeries};
/// # let mut series = CostSeries::new();
/// # for i in 0..20 {
/// #     let n = f64::from(i);
/// #     series.add(CostInterval { threads: n, collector_cpu: 2.0 * n, ..Default::default() });
/// # }
/// let term = series.attribute()?.collector_cpu.terms[0];
/// assert!((term.coefficient - 2.0).abs() < 1e-9 && (term.standardized - 1.0).abs() < 1e-9);
/// # Ok::<(), gc_core::AttributionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Term {
    /// The cause.
    pub cause: CostCause,
    /// Cost for one more of it, in seconds a second.
    pub coefficient: f64,
    /// The same in standard deviations of both: comparable between causes.
    pub standardized: f64,
    /// The probability of a coefficient that far from zero if the cause did not matter.
    pub p_value: f64,
}

impl fmt::Display for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "collector CPU (s/s)")?;
        writeln!(f, "{}", self.collector_cpu)?;
        writeln!(f, "pauses (s/s)")?;
        write!(f, "{}", self.pauses)
    }
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, p) = ("cause", "p");
        writeln!(f, "  {name:<27} {:>12} {:>13} {p:>9}", "coefficient", "standardized")?;
        writeln!(f, "  {:<27} {:>12.3e}", "(intercept)", self.intercept)?;
        for Term { cause, coefficient, standardized, p_value } in &self.terms {
            writeln!(f, "  {cause:<27} {coefficient:>12.3e} {standardized:>13.3} {p_value:>9.2e}")?;
        }
        write!(f, "  R squared {:.3}", self.r_squared)
    }
}

/// Why a series has no attribution.
///
/// ```
/// use gc_core::{AttributionError, CostSeries};
/// let error = CostSeries::new().attribute().unwrap_err();
/// assert!(matches!(error, AttributionError::TooShort { found: 0, .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributionError {
    /// There are too few intervals.
    TooShort {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// No cause has changed in the whole series.
    NothingChanged,
    /// A value is infinite, or no number.
    NotANumber {
        /// Of this cause, or of a cost.
        cause: CostCause,
    },
    /// The equations have no solution, for instance because two causes always move together.
    Unsolvable(String),
}

impl fmt::Display for AttributionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributionError::TooShort { found, needed } => {
                write!(f, "{found} intervals are too few for a regression: record {needed} or more")
            }
            AttributionError::NothingChanged => {
                f.write_str("neither allocation rate, threads nor live objects changed")
            }
            AttributionError::NotANumber { cause } => {
                write!(f, "a value of {cause}, or of a cost, is infinite or no number")
            }
            AttributionError::Unsolvable(why) => write!(f, "the regression has no solution: {why}"),
        }
    }
}

impl std::error::Error for AttributionError {}
