//! Models of gc-core's protocol types; see `tests/` and the table in `README.md`.
//!
//! Built without `--cfg loom` this crate is empty.

#![cfg(loom)]

pub mod toy;

/// How long one model may take.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(300);

/// Explores `model` with at most `preemptions` forced switches in each execution (`None`: all executions), and prints
/// how many executions that were.
pub fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_duration = Some(LONGEST);
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = runs.clone();
    let start = std::time::Instant::now();
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    // Loom would end there without a word, and the model would pass half explored.
    assert!(start.elapsed() < LONGEST, "the model is too large: bound its preemptions");
    let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
    println!("{runs} executions in {:.2} s", start.elapsed().as_secs_f64());
}
