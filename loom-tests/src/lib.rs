//! Models of gc-core's protocol types; see `tests/` and the table in `README.md`.
//!
//! Built without `--cfg loom` this crate is empty. It includes the registry's source file once more, with a fence that
//! can be switched off, for `registry_shipped`.

#![cfg(loom)]

#[path = "../../gc-core/src/handshake/registry.rs"]
pub mod registry;
pub mod sync;
pub mod toy;
pub mod whole;

/// How many accesses one execution may have: a table of roots has some hundred slots. Loops without an end are longer.
const LONGEST_PATH: usize = 20_000;
/// How long one model may take, on a machine that has other things to do as well.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(900);

/// Explores `model` with at most `preemptions` forced switches in each execution (`None`: all executions), and prints
/// how many executions that were.
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
    // Loom would end there without a word, and the model would pass half explored.
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

/// Seconds that the calling thread has had a core, where the system tells; loom runs all threads of a model in it.
fn cpu_seconds() -> Option<f64> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(line.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
