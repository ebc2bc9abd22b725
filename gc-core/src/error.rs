//! The errors as types: a bad configuration, an allocation that does not fit, a collection asked
//! for where it cannot run.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why [`HeapBuilder::build`](crate::HeapBuilder::build) refused.
///
/// ```
/// let error = gc_core::Heap::builder().heap_limit(100).build().unwrap_err();
/// assert_eq!(error.to_string(), "heap_limit is 100 bytes, but must be at least 1048576 bytes");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting is outside of its range.
    OutOfRange {
        /// The setting, by the name of the builder's method.
        setting: &'static str,
        /// What was given.
        given: u64,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed; `u64::MAX` if there is none.
        max: u64,
        /// The unit of the three numbers: "bytes", "percent", "milliseconds" or "threads".
        unit: &'static str,
    },
    /// Two settings contradict each other: one is larger than the other, and must not be.
    Conflict {
        /// The setting that is too large, by the name of the builder's method.
        setting: &'static str,
        /// What was given, in bytes.
        given: u64,
        /// The setting that bounds it.
        bound: &'static str,
        /// The value of that setting, in bytes.
        max: u64,
    },
    /// The system gave no address space, not even the smallest reservation tried.
    Reservation {
        /// The smallest reservation tried, in bytes.
        bytes: usize,
        /// The system's error.
        os: String,
    },
    /// The system gave no thread for the collector.
    Thread {
        /// The system's error.
        os: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::OutOfRange { setting, given, min, max, unit } => {
                let given_unit = if *given == 1 { unit.trim_end_matches('s') } else { unit };
                write!(f, "{setting} is {given} {given_unit}, but must be ")?;
                match *max {
                    u64::MAX => write!(f, "at least {min} {unit}"),
                    max => write!(f, "between {min} and {max} {unit}"),
                }
            }
            ConfigError::Conflict { setting, given, bound, max } => {
                write!(f, "{setting} is {given} bytes, but must be at most {bound}, ")?;
                write!(f, "which is {max} bytes")
            }
            ConfigError::Reservation { bytes, os } => {
                write!(f, "could not reserve even {bytes} bytes of address space, ")?;
                write!(f, "the least that `reserve` may be: {os}")
            }
            ConfigError::Thread { os } => write!(f, "could not start a collector thread: {os}"),
        }
    }
}
impl Error for ConfigError {}

/// Why [`Gc::try_new`](crate::Gc::try_new) refused. The value is dropped, and the heap is as it
/// was.
///
/// ```
/// use gc_core::{AllocReason, Gc, Heap};
/// let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build()?;
/// let error = heap.mutate(|mc| Gc::try_from_slice(mc, &[0u8; 2 << 20]).map(|_| ()).unwrap_err());
/// assert_eq!((error.limit, error.reason), (1 << 20, AllocReason::HeapLimit));
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocError {
    /// The bytes asked for.
    pub requested: usize,
    /// The limit of the heap, in bytes: [`heap_limit`](crate::HeapBuilder::heap_limit) or the size
    /// of the reservation.
    pub limit: usize,
    /// What prevented it.
    pub reason: AllocReason,
}

/// What prevented an allocation. With several threads at the limit it may be another thread's
/// reason.
///
/// ```
/// use gc_core::{AllocReason, Gc, Heap};
/// let heap = Heap::builder().reserve(16 << 20).build()?;
/// let error = heap.mutate(|mc| Gc::try_from_slice(mc, &[0u8; 20 << 20]).map(|_| ()).unwrap_err());
/// assert_eq!(error.reason, AllocReason::Reservation { is_short: false });
/// assert!(error.to_string().contains("reserve"));
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocReason {
    /// [`heap_limit`](crate::HeapBuilder::heap_limit).
    HeapLimit,
    /// The address space that [`reserve`](crate::HeapBuilder::reserve) asked for is used up, or has
    /// no free run of this length.
    Reservation {
        /// Whether the system gave less of it than was asked for when the heap was made.
        is_short: bool,
    },
    /// The system refused to open more of the address space. The cause is its rule for
    /// overcommitted memory, a limit of the process, or the number of its mappings.
    System {
        /// The number of the system's error.
        os: i32,
    },
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AllocError { requested, limit, reason } = self;
        write!(f, "an allocation of {requested} bytes does not fit the heap's ")?;
        match reason {
            AllocReason::HeapLimit => write!(f, "limit of {limit} bytes"),
            AllocReason::Reservation { is_short } => {
                write!(f, "reservation of {limit} bytes, ")?;
                f.write_str(if *is_short {
                    "of which the system gave less than `reserve` asked for"
                } else {
                    "which `reserve` sets"
                })
            }
            AllocReason::System { os } => {
                let os = std::io::Error::from_raw_os_error(*os);
                write!(f, "memory, and the system refused more: {os}")
            }
        }
    }
}
impl Error for AllocError {}

/// Why [`Heap::collect`](crate::Heap::collect) refused.
///
/// ```
/// use gc_core::{CollectError, Heap};
/// let heap = Heap::new();
/// assert_eq!(heap.mutate(|_| heap.collect()), Err(CollectError::InsideMutate));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectError {
    /// Called inside `mutate` of the same heap: the cycle would wait for this very pin.
    InsideMutate,
    /// Called on a collector thread: it would wait for itself. A `Drop` of a dead object runs there
    /// only if the system gave no thread for it.
    OnCollectorThread,
    /// Called in the child of a `fork`: the collector's threads are in the parent.
    AfterFork,
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CollectError::InsideMutate => {
                "collect() inside mutate of the same heap would wait for itself; call it outside"
            }
            CollectError::OnCollectorThread => {
                "collect() on a collector thread would wait for itself"
            }
            CollectError::AfterFork => {
                "collect() after a fork: the collector's threads are in the parent process; make a new heap"
            }
        })
    }
}
impl Error for CollectError {}

/// Why [`Heap::snapshot`](crate::Heap::snapshot) gave none. The heap goes on.
///
/// ```
/// use gc_core::{CollectError, Heap, SnapshotError};
/// let heap = Heap::new();
/// let error = heap.mutate(|_| heap.snapshot().unwrap_err());
/// assert_eq!(error, SnapshotError::Refused(CollectError::InsideMutate));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The calling thread cannot wait for a cycle.
    Refused(CollectError),
    /// Another thread is taking a snapshot of this heap. Ask again when it has it.
    InProgress,
    /// Threads waited for the cycle, because the heap is at its limit. It went on without the
    /// snapshot.
    MemoryShort,
    /// A `trace` panicked, so the collector does not know what is reachable.
    TracePanicked,
    /// More than about four thousand million objects or pointers.
    TooLarge,
    /// The heap ended meanwhile.
    Ended,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnapshotError::Refused(CollectError::InsideMutate) => {
                "a snapshot inside mutate of the same heap would wait for itself; take it outside"
            }
            SnapshotError::Refused(CollectError::OnCollectorThread) => {
                "a snapshot on a collector thread would wait for itself"
            }
            SnapshotError::Refused(CollectError::AfterFork) => {
                "no snapshot after a fork: the collector's threads are in the parent process"
            }
            SnapshotError::InProgress => "another thread is taking a snapshot of this heap",
            SnapshotError::MemoryShort => {
                "the heap is at its limit, and threads waited for the cycle that took the snapshot"
            }
            SnapshotError::TracePanicked => {
                "a trace panicked in this cycle, so what is reachable is not known"
            }
            SnapshotError::TooLarge => {
                "the heap has more objects or pointers than a snapshot holds"
            }
            SnapshotError::Ended => "the heap ended before the snapshot was taken",
        })
    }
}
impl Error for SnapshotError {}

/// Destructors that had not run when [`Heap::drain_drops`](crate::Heap::drain_drops) reached its
/// timeout.
///
/// ```
/// use gc_core::{Gc, Heap};
/// use std::time::Duration;
/// let (heap, mut drops) = Heap::builder().build_with_drop_queue()?;
/// heap.mutate(|mc| { Gc::new(mc, String::from("texture")); });
/// heap.collect()?;
/// let pending = heap.drain_drops(Duration::from_millis(1)).unwrap_err();
/// assert_eq!(pending.objects, 1);
/// drops.run_pending(1);
/// assert!(heap.drain_drops(Duration::from_secs(10)).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DropsPending {
    /// Objects that wait, including those whose destructors run now.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// The type whose destructor runs now, and how long it has been seen to run. With several
    /// threads, the slowest.
    pub running: Option<(&'static str, Duration)>,
}

impl fmt::Display for DropsPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dead objects ({} bytes) are not dropped yet", self.objects, self.bytes)?;
        match self.running {
            Some((name, time)) => write!(f, "; the destructor of {name} has run for {time:.1?}"),
            None => Ok(()),
        }
    }
}
impl Error for DropsPending {}

/// Why [`Heap::shutdown`](crate::Heap::shutdown) was not complete.
///
/// ```
/// use gc_core::{Heap, ShutdownError};
/// use std::time::Duration;
/// let heap = Heap::new();
/// let other = heap.clone();
/// let error = heap.shutdown(Duration::from_millis(1)).unwrap_err();
/// assert!(matches!(error, ShutdownError::InUse { handles: 1, .. }));
/// other.shutdown(Duration::from_secs(10))?;
/// # Ok::<(), ShutdownError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// There are other handles of the heap, which goes on.
    InUse {
        /// The number of other handles.
        handles: usize,
    },
    /// The heap has ended, and these destructors go on by themselves.
    Pending(DropsPending),
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShutdownError::InUse { handles } => {
                write!(f, "the heap goes on: there are {handles} other handles (a Mutator is one)")
            }
            ShutdownError::Pending(pending) => write!(f, "the heap has ended, but {pending}"),
        }
    }
}
impl Error for ShutdownError {}

/// Runs code of the user's, whose panic goes no further. Returns whether it did not panic.
#[inline]
pub(crate) fn contain(run: impl FnOnce()) -> bool {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    result.map_err(discard).is_ok()
}

/// Drops what a caught panic carried. If that drop panics too, its payload is leaked.
pub(crate) fn discard(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Ends the process if an invariant does not hold, in the verifying build. Empty in others.
#[inline(always)]
pub(crate) fn verify(holds: impl FnOnce() -> bool, what: &str) {
    if cfg!(gc_verify) && !holds() {
        fatal(what);
    }
}

/// Prints a broken invariant of the collector itself and aborts. Unwinding would run more code over
/// a heap that is inconsistent.
#[cold]
pub(crate) fn fatal(what: &str) -> ! {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "gc-core: fatal: {what}");
    // A schedule that led here can be reported only if it ends in a panic.
    #[cfg(shuttle)]
    panic!("gc-core: fatal: {what}");
    #[cfg(not(shuttle))]
    std::process::abort()
}
