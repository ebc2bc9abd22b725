//! Models of gc-core's protocol types; see `tests/` and the table in `README.md`.
//!
//! Built without `--cfg loom` this crate is empty. It includes the registry's source file once
//! more, with a fence that can be switched off, for `registry_shipped`.

#![cfg(loom)]

#[path = "../../gc-core/src/handshake/registry.rs"]
pub mod registry;
pub mod sync;
pub mod toy;
pub mod whole;

/// The most accesses that one execution may have: a table of roots has some hundred slots. An
/// endless loop has more.
const LONGEST_PATH: usize = 20_000;
/// The longest time that one model may take, on a machine with other work.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(900);

/// Explores `model` with at most `preemptions` forced switches in each execution (`None`: all
/// executions), and prints the number of executions.
pub fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_duration = Some(LONGEST);
    builder.max_branches = LONGEST_PATH;
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = runs.clone();
    let (start, cpu) = (std::time::Instant::now(), cpu_seconds());
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
    // loom would end there silently, and the model would pass half explored.
    assert!(
        start.elapsed() < LONGEST,
        "too large: bound its preemptions ({runs} executions so far)"
    );
    let seconds = match (cpu, cpu_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed().as_secs_f64(),
    };
    println!("{runs} executions in {seconds:.2} s");
}

/// CPU seconds of the calling thread, if the system reports them; loom runs all threads of a model
/// in it.
fn cpu_seconds() -> Option<f64> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(line.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
