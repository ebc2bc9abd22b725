//! The parts that the tests of hard conditions (`hard`) and of lifetimes (`lifetimes`) share: two
//! kinds of objects, and numbers about the own process.

use gc_core::{GcCell, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A link of a list.
#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) next: GcCell<'gc, Node<'gc>>,
    pub(crate) value: u64,
}

/// Counts its drops.
#[derive(Trace)]
pub(crate) struct Canary(pub(crate) Arc<AtomicUsize>);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A count for canaries.
pub(crate) fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// A number of `/proc/self/status`, sizes in KiB; zero where there is none.
pub(crate) fn status(key: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Waits until this process has `threads` threads, as it should at once, and returns how many it
/// has: the system counts one for a moment after it was joined.
#[allow(dead_code, reason = "`lifetimes` counts collectors only")]
pub(crate) fn threads_come_down_to(threads: usize) -> usize {
    let begin = Instant::now();
    while status("Threads") > threads && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
    status("Threads")
}
