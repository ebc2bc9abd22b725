//! Attribution finds the truth in series that were made with it, and something in real ones.

#![forbid(unsafe_code)]

#[path = "common/retry.rs"]
mod retry;

use gc_core::{AttributionError, CostCause, CostInterval, CostSeries, Gc, Heap};
use std::time::{Duration, Instant};

/// Numbers between -1 and 1, the same ones each time.
struct Noise(u64);
impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A series in which CPU depends on rate and live objects, and pauses on threads.
fn made(intervals: usize, noise: f64) -> CostSeries {
    let (mut random, mut series) = (Noise(7), CostSeries::new());
    for _ in 0..intervals {
        let mut positive = |most: f64| (random.next() + 1.0) / 2.0 * most;
        let (rate, threads, live) = (positive(2e9), positive(16.0).round(), positive(1e7));
        let collector_cpu = 0.05 + 2e-10 * rate + 3e-8 * live + noise * random.next();
        let pauses = 0.001 + 4e-4 * threads + noise / 10.0 * random.next();
        series.add(CostInterval {
            allocation_rate: rate,
            threads,
            live_objects: live,
            collector_cpu,
            pauses,
        });
    }
    series
}

#[test]
fn the_truth_of_a_made_series_is_found() {
    let found = made(400, 0.02).attribute().unwrap();
    let near = |found: f64, truth: f64| (found - truth).abs() < truth.abs() / 20.0;
    let cpu = |cause| *found.collector_cpu.term(cause).unwrap();
    assert!(near(cpu(CostCause::AllocationRate).coefficient, 2e-10), "{found}");
    assert!(near(cpu(CostCause::LiveObjects).coefficient, 3e-8), "{found}");
    assert!((found.collector_cpu.intercept - 0.05).abs() < 0.01, "{found}");
    assert!(cpu(CostCause::AllocationRate).p_value < 1e-6 && found.collector_cpu.r_squared > 0.9);
    assert!(cpu(CostCause::Threads).p_value > 0.01, "threads cost no CPU: {found}");
    // The spread of the rate causes more than that of the objects: 0.115 and 0.087 of a core.
    let weight = |cause| cpu(cause).standardized;
    let ratio = weight(CostCause::AllocationRate) / weight(CostCause::LiveObjects);
    assert!(near(ratio, 4.0 / 3.0), "{found}");
    let pauses = |cause| *found.pauses.term(cause).unwrap();
    assert!(near(pauses(CostCause::Threads).coefficient, 4e-4), "{found}");
    assert!(pauses(CostCause::AllocationRate).p_value > 0.01, "{found}");
}

#[test]
fn a_cause_that_does_not_matter_is_seldom_found() {
    // One of a hundred such would have a p-value below 0.01.
    let mut random = Noise(1);
    let strays = (0..300).filter(|_| {
        let mut series = CostSeries::new();
        for _ in 0..30 {
            series.add(CostInterval {
                threads: random.next(),
                collector_cpu: random.next(),
                pauses: 1.0,
                ..CostInterval::default()
            });
        }
        series.attribute().unwrap().collector_cpu.terms[0].p_value < 0.01
    });
    let strays = strays.count();
    assert!((0..=10).contains(&strays), "{strays} of 300");
}

#[test]
fn what_cannot_be_attributed_is_an_error() {
    let is_short = |e| matches!(e, AttributionError::TooShort { found: 11, needed: 12 });
    assert!(is_short(made(11, 0.0).attribute().unwrap_err()));
    let mut same = CostSeries::new();
    for _ in 0..20 {
        same.add(CostInterval { threads: 3.0, collector_cpu: 1.0, ..CostInterval::default() });
    }
    assert_eq!(same.attribute().unwrap_err(), AttributionError::NothingChanged);
    let mut infinite = made(20, 0.0);
    infinite.add(CostInterval { live_objects: f64::INFINITY, ..CostInterval::default() });
    let error = infinite.attribute().unwrap_err();
    assert_eq!(error, AttributionError::NotANumber { cause: CostCause::LiveObjects });
    assert!(error.to_string().contains("live objects"));
}

#[test]
fn a_cost_that_never_changed_depends_on_nothing() {
    let mut series = CostSeries::new();
    for i in 0..20 {
        series.add(CostInterval { threads: f64::from(i), ..CostInterval::default() });
    }
    let found = series.attribute().unwrap();
    let term = found.pauses.term(CostCause::Threads).unwrap();
    assert_eq!((found.pauses.intercept, term.coefficient, term.p_value), (0.0, 0.0, 1.0));
    assert!(found.pauses.term(CostCause::LiveObjects).is_none());
}

#[test]
fn a_heap_that_is_used_more_costs_more() {
    retry::alone(|| {
        let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
        let (begin, mut series) = (Instant::now(), CostSeries::new());
        for i in 0..24 {
            let until = begin + Duration::from_millis(25 * (i + 1));
            while Instant::now() < until {
                for _ in 0..i % 6 {
                    heap.mutate(|mc| {
                        for n in 0..2000u64 {
                            Gc::new(mc, [n; 8]);
                        }
                    });
                }
                std::thread::sleep(Duration::from_micros(300));
            }
            series.push(begin.elapsed(), &heap.metrics());
        }
        assert_eq!(series.intervals().len(), 23);
        assert!(series.intervals().iter().all(|interval| interval.threads >= 1.0));
        let found = series.attribute().unwrap();
        let rate = found.collector_cpu.term(CostCause::AllocationRate).unwrap();
        retry::judge(rate.coefficient > 0.0 && rate.p_value < 0.05, || found.to_string())
    });
}
