#![forbid(unsafe_code)]
//! Who is told that memory is short, and what.

use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use crate::word::Bytes;
use std::fmt;

/// How short memory is, at the end of a cycle: what [`Heap::on_pressure`](crate::Heap::on_pressure)
/// tells.
///
/// ```
/// use gc_core::{Heap, Pressure};
/// let heap = Heap::builder().memory_limit(64 << 20).build()?;
/// let report = |pressure: Pressure| {
///     eprintln!("{} of {} bytes live", pressure.live_bytes, pressure.allowed_bytes);
/// };
/// let _registered = heap.on_pressure(report);
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// Bytes in use: blocks in spans, and [`External`](crate::External) memory.
    pub used_bytes: u64,
    /// Bytes that the cycle found live, and `External` memory.
    pub live_bytes: u64,
    /// Bytes that may be in use: the smaller one of the soft limit and 15/16 of the hard limit.
    pub allowed_bytes: u64,
}

impl Pressure {
    pub(crate) fn new(used: Bytes, live: Bytes, allowed: Bytes) -> Pressure {
        let [used_bytes, live_bytes, allowed_bytes] = [used, live, allowed].map(Bytes::get);
        Pressure { used_bytes, live_bytes, allowed_bytes }
    }
    /// Whether more than 7/8 of what is allowed is live.
    pub(crate) fn is_high(&self) -> bool {
        self.live_bytes > self.allowed_bytes - self.allowed_bytes / 8
    }
}

type Call = Arc<dyn Fn(Pressure) + Send + Sync>;

/// The number of a registered function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenerId(pub(crate) u64);

/// Those who want to be told.
#[derive(Default)]
pub(crate) struct Listeners {
    calls: Mutex<Vec<(ListenerId, Call)>>,
    next: AtomicU64,
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listeners({})", self.calls.lock().len())
    }
}

impl Listeners {
    /// Adds one; returns its number.
    pub(crate) fn add(&self, call: Call) -> ListenerId {
        let id = ListenerId(self.next.fetch_add(1, Ordering::Relaxed));
        self.calls.lock().push((id, call));
        id
    }
    /// Takes one out. It may be running, and is dropped when it has.
    pub(crate) fn remove(&self, id: ListenerId) {
        let mut calls = self.calls.lock();
        let at = calls.iter().position(|(each, _)| *each == id);
        let removed = at.map(|at| calls.swap_remove(at));
        drop(calls);
        // It is the user's, and may do anything when it is dropped.
        drop(removed);
    }
    /// Calls all registered functions, without any lock held; returns how many of them panicked.
    pub(crate) fn tell(&self, pressure: Pressure) -> u64 {
        let calls: Vec<Call> = self.calls.lock().iter().map(|(_, call)| call.clone()).collect();
        let mut panics = 0;
        for call in calls {
            let was_told = crate::error::contain(|| {
                call(pressure);
                // Perhaps the last reference to it.
                drop(call);
            });
            panics += u64::from(!was_told);
        }
        panics
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pressure(used: u64, live: u64, allowed: u64) -> Pressure {
        Pressure::new(Bytes::new(used), Bytes::new(live), Bytes::new(allowed))
    }

    #[test]
    fn all_are_told_although_one_panics_and_none_that_was_removed() {
        let listeners = Arc::new(Listeners::default());
        let told = Arc::new(AtomicU64::new(0));
        let add = |n: u64| {
            let told = told.clone();
            listeners.add(Arc::new(move |p: Pressure| {
                told.fetch_add(n * p.used_bytes, Ordering::Relaxed);
            }))
        };
        let first = add(1);
        listeners.add(Arc::new(|_| std::panic::resume_unwind(Box::new("no"))));
        let _second = add(100);
        assert_eq!(listeners.tell(pressure(2, 1, 1)), 1);
        assert_eq!(told.load(Ordering::Relaxed), 202);
        listeners.remove(first);
        listeners.remove(first);
        assert_eq!(listeners.tell(pressure(1, 1, 1)), 1);
        assert_eq!(told.load(Ordering::Relaxed), 302);
    }

    #[test]
    fn one_that_removes_itself_does_not_wait_for_itself() {
        let listeners = Arc::new(Listeners::default());
        let own = listeners.clone();
        listeners.add(Arc::new(move |_| own.remove(ListenerId(0))));
        assert_eq!(listeners.tell(pressure(0, 0, 0)), 0);
        assert!(listeners.calls.lock().is_empty());
    }

    #[test]
    fn it_is_high_above_seven_eighths() {
        assert!(!pressure(0, 70, 80).is_high());
        assert!(pressure(0, 71, 80).is_high());
        assert!(!pressure(0, u64::MAX / 8 * 7, u64::MAX).is_high());
    }
}
