//! Hard conditions and misuse, from outside the crate: limits, absurd settings, panics everywhere,
//! threads by the thousand, large graphs, a system that refuses, a `fork`. Each test prints what it
//! measured; `docs/HARD.md` has the table. What looks at the whole process runs in a process of its
//! own (`process`).
//!
//! `GC_BIG=1` makes the tests in `size` take a hundred million objects instead of five.

#[cfg(target_os = "linux")]
mod around;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod container;
#[cfg(target_os = "linux")]
mod fork;
mod heaps;
mod limits;
mod misuse;
mod panics;
mod pin;
#[path = "../common/again.rs"]
mod process;
#[cfg(target_os = "linux")]
mod refused;
#[cfg(target_os = "linux")]
mod rest;
#[path = "../common/retry.rs"]
mod retry;
#[path = "../common/settle.rs"]
mod settle;
mod size;
mod soft_limits;
mod threads;
mod types;
mod waits;

use common::{Canary, counter};
use gc_core::{Gc, Heap, Root};
use settle::Settle;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::SeqCst;

/// A panic without the hook's message.
pub(crate) fn quiet_panic() -> ! {
    resume_unwind(Box::new("on purpose"))
}

pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).expect("a panic with a message")
}

/// Runs something that panics with a message, and returns the message.
pub(crate) fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic was expected");
    message(&*payload).to_string()
}

/// The heap still allocates, collects and counts.
pub(crate) fn check_usable(heap: &Heap) {
    let drops = counter();
    let before = heap.stats().live_objects;
    let kept: Root<Canary> = heap.mutate(|mc| {
        (0..100).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
        Gc::root(Gc::new(mc, Canary(drops.clone())), mc)
    });
    heap.settle();
    assert_eq!(drops.load(SeqCst), 100);
    drop(kept);
    heap.settle();
    assert_eq!(drops.load(SeqCst), 101);
    assert!(heap.stats().live_objects <= before, "{:?} after {before}", heap.stats());
}

pub(crate) fn on_small_stack(f: impl FnOnce() + Send) {
    std::thread::scope(|s| {
        std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(s, f).unwrap();
    });
}
