//! A garbage-collected heap to embed: `Copy` pointers that any number of threads share, collected
//! concurrently, without ever stopping the world.
//!
//! ```
//! use gc_core::{Gc, GcCell, Heap, Root, Trace};
//!
//! #[derive(Trace)]
//! struct Node<'gc> {
//!     next: GcCell<'gc, Node<'gc>>,
//!     value: u64,
//! }
//!
//! let heap = Heap::new();
//! let root: Root<Node<'static>> = heap.mutate(|mc| {
//!     let a = Gc::new(mc, Node { next: GcCell::new(None), value: 1 });
//!     let b = Gc::new(mc, Node { next: GcCell::new(Some(a)), value: 2 });
//!     a.next.set(mc, Some(b)); // a cycle; the write barrier is in `set`
//!     Gc::root(b, mc) // an owned handle: Send, Sync, 'static
//! });
//! std::thread::scope(|s| {
//!     s.spawn(|| heap.mutate(|mc| assert_eq!(root.get(mc).value, 2)));
//! });
//! ```
//!
//! # Trade-offs
//!
//! - A `Gc` lives inside one [`Heap::mutate`] only; between two calls an object is kept by a
//!   [`Root`] or by another object. The collector makes progress when threads leave `mutate`: leave
//!   it after a task, or poll [`Mutation::is_awaited`] in a long loop. A thread that stays long
//!   delays the end of the cycle (memory grows meanwhile), and no other thread.
//! - What a heap object holds must be `Send + Sync`: mutable fields are [`GcCell`], [`GcRefCell`],
//!   atomics and the like.
//! - A type with `Gc` fields has no `Drop`; drop glue of leaf fields runs later, on a thread of its
//!   own ([`Heap::drain_drops`] waits for it, [`DropQueue`] moves it to a thread of yours).
//! - Objects do not move, so addresses are stable and memory can fragment within a type.
//!
//! # How it works
//!
//! The collector is on-the-fly mark-sweep. Threads learn of a new phase at the start of their next
//! `mutate`, when they hold no pointers, so no stack is scanned and no thread waits for another.
//! While marking, a write barrier in the cells tells the markers what is overwritten. Memory is
//! divided into spans that hold one type each, so objects have no header, and allocation is a bump.
//! The chapters are the files of the crate, opened by their module docs; `docs/ARCHITECTURE.md` is
//! the map.
//!
//! # Which pointer when
//!
//! | in an object | mutable | for |
//! |---|---|---|
//! | [`Gc`] | no | links that never change |
//! | [`GcCell`] | yes, atomically | links that change; lock-free structures |
//! | [`GcOnceCell`] | once | caches, back links set after construction |
//! | [`GcRefCell`], [`GcMutex`], [`GcRwLock`] | under a guard | `Vec`s and maps of pointers |
//! | [`GcWeak`] | no | links that keep nothing alive |
//! | [`Ephemeron`], [`GcWeakMap`] | no; yes | what lives as long as a key: side tables, caches |
//! | [`ByAddress`] | no | keys: compared and hashed by identity |
//! | [`Leaf`] | as its content | values of other crates' types, which hold no pointers |
//! | [`GcAny`], `Gc<dyn Trait>` | no | objects of many types: see [`unsize!`], [`rootable_dyn!`] |
//! | outside of `mutate`: [`Root`] | | what the program holds on to |
//! | outside of the heap: [`Pool`] | as its content | buffers to use again; cycles drop unused ones |
//!
//! # Costs
//!
//! Nanoseconds for one operation, on one thread, with the collector's threads idle. Prep and Mark
//! are the phases in which the write barrier works. Prep lasts until every thread has been outside
//! of [`mutate`](Heap::mutate) once, Mark as long as marking.
//!
//! | operation | between cycles | Prep | Mark |
//! |---|---|---|---|
//! | [`Mutator::mutate`], empty | 1.7 | 1.6 | 2.2 |
//! | [`Heap::mutate`], empty | 2.2 | 2.1 | 2.7 |
//! | [`Gc::new`], 16 bytes | 2.2 | 2.4 | 2.9 |
//! | load: [`GcCell::get`] | 0.4 | 0.4 | 0.6 |
//! | store: [`GcCell::set`] | 0.7 | 4.9 | 6.1 |
//! | [`GcCell::compare_exchange`] | 4.0 | 5.5 | 6.1 |
//! | shared borrow: [`GcRefCell::borrow`] | 5.5 | 5.4 | 5.4 |
//! | exclusive borrow: [`GcRefCell::borrow_mut`] | 8.3 | 284 | 16.6 |
//! | [`GcMutex::lock`] | 8.6 | 282 | 17.0 |
//! | [`Gc::root`], and its drop | 18.5 | 19.5 | 13.4 |
//! | [`Root`]`::clone`, and its drop | 10.7 | 10.5 | 10.8 |
//! | [`Gc::downgrade`] | 12.4 | 13.2 | 14.6 |
//! | [`GcWeak::upgrade`] | 3.0 | 2.9 | 55 |
//! | [`GcWeakMap::get`] | 10.0 | 9.9 | 54 |
//! | [`GcWeakMap::insert`], of a key that is there | 29 | 397 | 102 |
//!
//! The fastest of 41 samples, 16,384 operations each, in one run on 2026-11-30: two cores of a
//! shared virtual machine (AMD EPYC), Rust 1.95. `cargo bench -p gc-bench --bench cost` prints the
//! table.
//!
//! - The guarded cells held eight pointers and were written through. In Prep such a borrow shades
//!   the content at its begin and at its end: 1 to 10 ns a pointer, 50 ns for one that is not
//!   marked. A content that takes over a microsecond is shaded twice in a `mutate` at most, if it
//!   is a part of a heap object. In Mark the first borrow in a cycle shades it.
//! - An upgrade in Mark passes a gate: the end of marking must tell which targets are dead.
//! - An insert into a [`GcWeakMap`] allocates an [`Ephemeron`].
//! - While a marker works on the same memory, loads and stores wait longer for their cache lines.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `derive` (default) | `#[derive(Trace)]` |
//! | `arrayvec`, `bytes`, `chrono`, `either`, `hashbrown`, `indexmap`, `serde_json`, `smallvec`, `uuid` | [`Trace`](trait@Trace) for the types of the crate of that name |
//! | `attribution` | `CostSeries`: which habit of the program the collector's cost depends on |
//! | `debug-server` | `DebugServer`: a page with live charts, and every tool's file by HTTP, on loopback only |
//! | `metrics` | `MetricsPublisher`: metrics through the facade of that name |
//! | `profile` | `HeapProfile`: sampled allocation sites, for `go tool pprof` and as a flame graph |
//! | `prometheus` | `PrometheusExporter`: metrics as Prometheus text |
//! | `hdrhistogram` | `hdrhistogram::Histogram<u64>: From<&Histogram>`, in nanoseconds |
//! | `snapshot` | `Snapshot::write_heapsnapshot`: a heap snapshot for Chrome's DevTools |
//! | `hdr-log` | `PauseLog`: an HdrHistogram interval log of pauses and hiccups |
//! | `timeline` | `FlightRecorder`: the last seconds as a Chrome trace, when asked or a pause is long |
//! | `tracing` | `TracingEvents`, a listener that makes spans of cycles and phases |
//! | `usdt` | probes for bpftrace, perf and gdb: cycles, phases, handshakes, slow pauses, out of memory |
//!
//! The versions are those that `Cargo.toml` names: hashbrown 0.17, indexmap 2, smallvec 1, arrayvec
//! 0.7, bytes 1, either 1, uuid 1, chrono 0.4, serde_json 1, hdrhistogram 7, tracing 0.1, metrics
//! 0.24, prometheus-client 0.26 and probe 0.5 (which do not show). Any other `'static`
//! type goes into a [`Leaf`], or is skipped by the derive.
//!
//! # Tasks
//!
//! In a task of an async runtime:
//!
//! | what | where |
//! |---|---|
//! | [`Heap::mutate`] | in the task, on the worker, as long as it is short (microseconds) |
//! | [`Heap`], [`Root`] | anywhere, also across an `.await`; dropped with a task that is cancelled |
//! | [`Gc`], [`Mutation`] | inside `mutate`, whose closure cannot `.await` |
//! | [`Mutator`] | on one thread: a task that holds one across an `.await` cannot be spawned |
//! | [`Heap::collect`] | on a blocking thread (`spawn_blocking`), because it waits for a cycle |
//! | dropping the last [`Heap`] | on a blocking thread too: it waits for the destructors of all objects |
//!
//! The example `tasks` is a program with tokio.
//!
//! ```
//! use gc_core::{Gc, Heap, Root, Trace};
//! # fn spawn<F: Future + Send + 'static>(_task: F) {}
//! # fn wait() -> impl Future<Output = ()> + Send { std::future::ready(()) }
//! #[derive(Trace)]
//! struct Item<'gc>(Gc<'gc, str>);
//!
//! let heap = Heap::new();
//! spawn(async move {
//!     let item: Root<Item<'static>> =
//!         heap.mutate(|mc| Gc::root(Gc::new(mc, Item(Gc::from_str(mc, "kept"))), mc));
//!     wait().await; // the task may go on on another thread
//!     heap.mutate(|mc| assert_eq!(&*item.get(mc).0, "kept"));
//! });
//! ```

#![allow(unreachable_pub, reason = "protocol types are public for the models")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(loom, not(debug_assertions)))]
compile_error!("loom without debug assertions checks nothing: build with them");
#[cfg(not(all(target_pointer_width = "64", any(unix, windows))))]
compile_error!("gc-core needs a 64-bit target with Unix or Windows (docs/PLATFORMS.md)");

extern crate self as gc_core;

#[cfg(not(loom))]
mod ageing;
#[cfg(not(loom))]
mod api;
#[cfg(not(loom))]
mod collector;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod config;
#[cfg(not(loom))]
mod control;
#[cfg(not(loom))]
mod desk;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod error;
#[cfg(not(loom))]
mod export;
#[cfg(not(loom))]
mod graph;
mod handshake;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod heap;
#[cfg(not(loom))]
mod inspect;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod mark;
#[cfg(loom)]
#[doc(hidden)]
pub mod model;
#[cfg(not(loom))]
mod mutator;
#[cfg(loom)]
#[allow(dead_code, reason = "the models use the protocol types only")]
mod observe {
    pub(crate) mod life;
    mod note;
    pub(crate) mod site;
    pub use note::{Note, Place};
}
#[cfg(not(loom))]
mod observe;
#[cfg(loom)]
#[allow(dead_code, reason = "the models use the protocol types only")]
mod pacing {
    mod held;
    pub use held::Held;
}
#[cfg(not(loom))]
mod pacing;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod platform;
mod pointers;
#[cfg(not(loom))]
mod pool;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod roots;
#[cfg(not(loom))]
mod snapshot;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod sweep;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod sync;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod trace;
#[cfg(all(gc_verify, not(loom)))]
mod verify;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod weak;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod word;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(not(loom))]
pub use api::{
    CollectionPause, DropQueue, Heap, HeapBuilder, Mutation, Mutator, OnPauseOver, OnPressure,
    RollingPauses, ThreadDelay, ThreadPauses,
};
pub use error::{
    AllocError, AllocReason, CollectError, ConfigError, DropsPending, ShutdownError, SnapshotError,
};
#[cfg(all(any(feature = "metrics", feature = "prometheus"), not(loom)))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "metrics", feature = "prometheus"))))]
pub use export::ExportError;
#[cfg(all(feature = "metrics", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use export::MetricsPublisher;
#[cfg(all(feature = "hdr-log", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "hdr-log")))]
pub use export::PauseLog;
#[cfg(all(feature = "prometheus", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use export::PrometheusExporter;
#[cfg(all(feature = "tracing", not(loom)))]
pub use export::TracingEvents;
#[cfg(all(feature = "attribution", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "attribution")))]
pub use export::{
    Attribution, AttributionError, CostCause, CostInterval, CostSeries, Regression, Term,
};
#[cfg(all(feature = "debug-server", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "debug-server")))]
pub use export::{DebugServer, DebugServerError};
#[cfg(all(feature = "timeline", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "timeline")))]
pub use export::{FlightDumps, FlightError, FlightOptions, FlightRecorder, FlightSummary};
#[cfg(all(feature = "profile", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "profile")))]
pub use export::{HeapProfile, ProfileError, ProfileFrame, ProfileSite, ProfileValue};
/// Derives [`Trace`](trait@Trace) and the families that [`Root`] needs.
#[cfg(feature = "derive")]
pub use gc_derive::Trace;
#[cfg(not(loom))]
pub use inspect::{
    Growth, PathStep, Retainer, RootHolder, RootPath, RootPlace, Snapshot, TypeMemory, Wanted,
};
#[cfg(not(loom))]
pub use observe::{
    ClassStats, CycleReport, Event, EventListener, Handshake, HiccupMeter, Histogram, Metric,
    MetricHistogram, MetricKind, MetricSample, MetricUnit, MetricValue, Metrics, PauseKind, Pauses,
    Phase, Pressure, SlowPause, Stats, Straggler, Utilisation,
};
#[cfg(not(loom))]
pub use pointers::{
    ByAddress, Downcast, Ephemeron, Erased, External, Gc, GcAny, GcCell, GcMappedRefMut, GcMutex,
    GcMutexGuard, GcOnceCell, GcRef, GcRefCell, GcRefMut, GcRwLock, GcWeak, GcWeakMap, Leaf, Root,
};
#[cfg(not(loom))]
pub use pool::{Pool, PoolGuard};
pub use trace::{Branded, Family, Managed, Object, Rootable, Trace, Tracer};

/// The README's programs, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// For the scheduled tests (`tests/schedules.rs`).
#[cfg(shuttle)]
#[doc(hidden)]
pub mod schedule {
    /// How many operations a thread gets on average before another may run.
    pub fn set_stride(stride: u64) {
        crate::sync::set_stride(stride);
    }
}
