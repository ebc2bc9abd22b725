#![forbid(unsafe_code)]
//! A reading of all metrics: [`Heap::metrics`] gives each row of the table (`observe::catalogue`)
//! its value.
//!
//! Each group of figures is read once, and what the table says of sums follows from it:
//! 1. The counters of allocation, what grows later first (freed, returned, taken), so that a live
//!    figure is the difference of the three that are shown and never below zero (`Counted`).
//! 2. One walk over the spans (`heap::waste`), for all figures of spans and classes.
//! 3. The rest, a word each.

use super::heap::Heap;
use crate::config::BLOCK;
use crate::heap::Space;
use crate::heap::waste::Census;
use crate::mutator::Core;
use crate::observe::catalogue::Row;
use crate::observe::classes::ClassStats;
use crate::observe::clock::fixed_ns_per_tick;
use crate::observe::reading::{MetricHistogram, MetricValue, Metrics, Readings};
use crate::observe::{PauseKind, Pauses, Phase};
use crate::word::Bytes;
use std::collections::BTreeMap;

impl Heap {
    /// The values of all metrics ([`Metric::all`](crate::Metric::all), `docs/METRICS.md`). It looks
    /// at every span and every root: a millisecond or two for a gigabyte. Nothing waits for it.
    ///
    /// Threads go on meanwhile, so the figures are not of one moment. These agree all the same:
    ///
    /// - live = taken - returned - freed, of objects and of bytes;
    /// - allocated = hits + misses + large objects, and misses = central refills + fresh refills;
    /// - spans = the sum of the classes' spans = the count of the occupancy, and so for cached and
    ///   idle spans, and for the refills;
    /// - a histogram's count is the sum of its ranges, and nothing that is a counter or a histogram
    ///   ever shrinks.
    ///
    /// Counters and the walk over the spans agree (heap bytes with the classes' span bytes, live
    /// objects with the classes' objects) after a [`collect`](Heap::collect) while no thread
    /// allocates.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::new();
    /// let root = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &[0u8; 100_000]), mc));
    /// heap.collect()?;
    /// let metrics = heap.metrics();
    /// let get = |name| metrics.get(name).unwrap();
    /// assert_eq!((get("gc_live_objects"), get("gc_roots")), (1.0, 1.0));
    /// assert_eq!(get("gc_heap_bytes"), get("gc_class_span_bytes"));
    /// # drop(root);
    /// # Ok::<(), gc_core::CollectError>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics_and_classes().0
    }

    /// [`metrics`](Self::metrics) and [`classes`](Self::classes) by one look at the spans.
    pub(crate) fn metrics_and_classes(&self) -> (Metrics, Vec<ClassStats>) {
        let (core, mut out) = (&**self.core(), Readings::default());
        let counted = Counted::read(core);
        counted.add(core, &mut out);
        memory(core, &mut out);
        let census = core.census();
        spans(&census, &mut out);
        classes(&census.classes, &mut out);
        cycles(core, &mut out);
        pauses(&self.pauses(), &mut out);
        destructors(core, &mut out);
        limits(core, &mut out);
        census_of_things(core, &mut out);
        (out.finish(), census.classes)
    }
}

/// The counters of allocation, read once.
struct Counted {
    taken: [u64; 2],
    returned: [u64; 2],
    freed: [u64; 2],
    /// Refills of small classes from spans in use and fresh blocks, and large objects.
    central: u64,
    fresh: u64,
    large: u64,
}

impl Counted {
    fn read(core: &Core) -> Counted {
        let (credit, totals) = (&core.credit, &core.totals);
        let freed = [totals.freed_objects.get(), credit.freed().get()];
        let returned = [totals.unused_objects.get(), credit.unused().get()];
        let (mut central, mut fresh, mut large) = (0, 0, 0);
        for class in core.space.all_classes() {
            let refills = class.refills();
            central += refills.0;
            *if class.is_large() { &mut large } else { &mut fresh } += refills.1;
        }
        let taken = [totals.allocated_objects.get(), credit.taken().get()];
        // Nothing orders the words of different threads on every processor.
        let returned = [0, 1].map(|i| returned[i].min(taken[i]));
        let freed = [0, 1].map(|i| freed[i].min(taken[i] - returned[i]));
        Counted { taken, returned, freed, central, fresh, large }
    }

    fn add(&self, core: &Core, out: &mut Readings) {
        let rows = [
            (Row::TakenObjects, Row::ReturnedObjects, Row::FreedObjects, Row::LiveObjects),
            (Row::TakenBytes, Row::ReturnedBytes, Row::FreedBytes, Row::LiveBytes),
        ];
        for (i, (taken, returned, freed, live)) in rows.into_iter().enumerate() {
            out.count(taken, self.taken[i]);
            out.count(returned, self.returned[i]);
            out.count(freed, self.freed[i]);
            out.count(live, self.taken[i] - self.returned[i] - self.freed[i]);
        }
        let misses = self.central + self.fresh;
        let allocated = self.taken[0] - self.returned[0];
        // A span that is given back takes its free slots out of the count again, and a counter must
        // not shrink.
        let hits = allocated.saturating_sub(misses + self.large);
        let hits = core.totals.seen_hits.raise(hits);
        out.count(Row::AllocatedObjects, hits + misses + self.large);
        out.count(Row::CacheHits, hits);
        out.count(Row::CacheMisses, misses);
        out.count(Row::CentralRefills, self.central);
        out.count(Row::FreshRefills, self.fresh);
        out.count(Row::LargeObjects, self.large);
        out.count(Row::FreshBytes, core.totals.fresh_bytes.get());
    }
}

/// A part of a whole; zero of nothing.
fn part(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

fn memory(core: &Core, out: &mut Readings) {
    let (space, credit) = (&core.space, &core.credit);
    let (used, idle) = (space.pages.used().get() as u64, space.pages.idle().get() as u64);
    out.count(Row::HeapBytes, used * BLOCK as u64);
    out.count(Row::BlocksInUse, used);
    out.count(Row::BlocksIdle, idle);
    out.number(Row::Fragmentation, part(idle, idle + used));
    out.count(Row::ReleasedBytes, space.pages.released() * BLOCK as u64);
    out.count(Row::ReservedBytes, space.reserved() as u64);
    out.bytes(Row::KeptBytes, credit.kept());
    // Blocks may have been given back since they were counted.
    let resident = space.tables_resident() as u64;
    out.count(Row::MetadataInUse, (used * Space::TABLES_OF_BLOCK as u64).min(resident));
    out.count(Row::Metadata, resident);
    out.bytes(Row::External, core.external());
    out.bytes(Row::ExternalReleased, credit.held().released());
    out.bytes(Row::ExternalTaken, credit.held().taken());
}

fn spans(census: &Census, out: &mut Readings) {
    let sum = |of: fn(&ClassStats) -> u64| census.classes.iter().map(of).sum::<u64>();
    let (bytes, waste) = (sum(|c| c.span_bytes), sum(ClassStats::waste_bytes));
    out.count(Row::Spans, sum(|c| c.spans));
    out.count(Row::SpansCached, sum(|c| c.cached_spans));
    out.count(Row::SpansIdle, sum(ClassStats::idle_spans));
    out.count(Row::SpansFull, sum(|c| c.full_spans));
    out.count(Row::SweepDebt, census.unswept);
    out.count(Row::SpansSkipped, census.skipped);
    out.histogram(Row::Occupancy, census.occupancy.clone());
    out.count(Row::FreeSlotBytes, waste);
    out.number(Row::Waste, part(waste, bytes));
    out.count(Row::WeakBoxes, census.weak_boxes);
    out.count(Row::Ephemerons, census.ephemerons);
}

/// Types of one name are one series: two series with the same labels would be an error.
fn classes(classes: &[ClassStats], out: &mut Readings) {
    let mut series: BTreeMap<(String, String), [u64; 8]> = BTreeMap::new();
    for class in classes {
        let name = class.type_name;
        let name = if class.is_array { format!("[{name}]") } else { name.to_owned() };
        let slot =
            if class.slot_bytes == 0 { "large".into() } else { class.slot_bytes.to_string() };
        let values = [
            class.live_objects,
            class.live_bytes,
            class.spans,
            class.span_bytes,
            class.cached_spans,
            class.idle_spans(),
            class.refills_reused,
            class.refills_fresh,
        ];
        let sums = series.entry((name, slot)).or_default();
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    let rows = [
        Row::ClassObjects,
        Row::ClassBytes,
        Row::ClassSpans,
        Row::ClassSpanBytes,
        Row::ClassCached,
        Row::ClassIdle,
        Row::ClassCentral,
        Row::ClassFresh,
    ];
    for ((name, slot), values) in series {
        for (row, value) in rows.into_iter().zip(values) {
            let labels = vec![("type", name.clone()), ("slot", slot.clone())];
            out.add(row, labels, MetricValue::Count(value));
        }
    }
}

fn cycles(core: &Core, out: &mut Readings) {
    let (totals, work, credit) = (&core.totals, &core.totals.work, &core.credit);
    out.count(Row::Cycles, totals.cycles.get());
    out.histogram(Row::CycleSeconds, MetricHistogram::of_times(&totals.cycle_times.histogram()));
    for (phase, time) in Phase::ALL.into_iter().zip(&work.phases) {
        let labels = vec![("phase", phase.name().to_owned())];
        out.add(Row::PhaseSeconds, labels, MetricValue::Number(time.get().as_secs_f64()));
    }
    out.count(Row::InCycle, u64::from(core.control.is_in_cycle()));
    out.count(Row::Rounds, work.rounds.get());
    out.count(Row::MarkedObjects, work.marked_objects.get());
    out.count(Row::MarkedBytes, work.marked_bytes.get());
    out.count(Row::AssistedBytes, work.assisted_bytes.get());
    out.count(Row::MarkRate, work.mark_rate.get());
    // At one rate for all readings: a counter must not shrink.
    out.number(Row::AssistSeconds, totals.assist_ticks.get() as f64 * fixed_ns_per_tick() / 1e9);
    out.number(Row::CollectorCpu, work.cpu.get().as_secs_f64());
    out.number(Row::MarkerCpu, totals.marker_time.get().as_secs_f64());
    for (by, n) in ["collector", "mutator", "early"].into_iter().zip(&totals.swept) {
        out.add(Row::Swept, vec![("by", by.to_owned())], MetricValue::Count(n.get()));
    }
    out.bytes(Row::PacedBytes, credit.heap());
    out.bytes(Row::TriggerBytes, credit.trigger());
    out.bytes(Row::GoalBytes, credit.goal());
    out.count(Row::Starved, u64::from(credit.is_starved()));
    out.count(Row::TracePanics, totals.trace_panics.get());
    let handshakes = MetricHistogram::of_times(&totals.handshake_times.histogram());
    out.count(Row::Handshakes, handshakes.count());
    out.histogram(Row::HandshakeSeconds, handshakes);
    out.count(Row::Stragglers, totals.stragglers.get());
    out.number(Row::StragglerSeconds, work.straggler_time.get().as_secs_f64());
}

fn pauses(pauses: &Pauses, out: &mut Readings) {
    out.count(Row::Assists, pauses.of(PauseKind::Assist).len());
    for (kind, times) in pauses.kinds().filter(|(_, times)| !times.is_empty()) {
        let labels = || vec![("kind", format!("{kind:?}"))];
        let value = MetricHistogram::of_times(times);
        out.add(Row::PauseSeconds, labels(), MetricValue::Histogram(value));
        out.add(Row::PauseMax, labels(), MetricValue::Number(times.max().as_secs_f64()));
    }
}

fn destructors(core: &Core, out: &mut Readings) {
    let waiting = core.drops.waiting();
    let running = waiting.running.map_or(0.0, |(_, time)| time.as_secs_f64());
    out.count(Row::UndroppedObjects, waiting.objects);
    out.count(Row::UndroppedBytes, waiting.bytes);
    out.number(Row::UndroppedAge, waiting.age.as_secs_f64());
    out.number(Row::DropRunning, running);
    out.count(Row::SlowDrops, waiting.slow_drops);
    out.count(Row::DropPanics, core.drops.panics());
}

fn limits(core: &Core, out: &mut Readings) {
    let (room, soft) = (core.room(), core.limits.soft());
    let has_soft = soft != Bytes::MAX;
    let of_soft = if has_soft { part((room.used + room.external).get(), soft.get()) } else { 0.0 };
    out.number(Row::MemoryLimit, if has_soft { soft.as_f64() } else { f64::INFINITY });
    out.bytes(Row::HeapLimit, room.hard);
    out.number(Row::LimitUsed, part(room.used.get(), room.hard.get()).max(of_soft));
    out.count(Row::NearLimit, u64::from(core.limits.is_near()));
    out.bytes(Row::FloorBytes, core.limits.floor());
    out.count(Row::GcPercent, u64::from(core.limits.settings().gc_percent));
    out.count(Row::Stalled, u64::from(core.control.stalled()));
    out.count(Row::PressurePanics, core.totals.pressure_panics.get());
}

fn census_of_things(core: &Core, out: &mut Readings) {
    let [live, dropped, slots] = core.roots.count();
    out.count(Row::Roots, live);
    out.count(Row::RootsDropped, dropped);
    out.count(Row::RootSlots, slots);
    out.count(Row::WeakMaps, core.totals.weak_maps.get());
    let (mut records, mut used, mut pinned) = (0, 0, 0);
    core.records.for_each(|record| {
        records += 1;
        used += u64::from(record.is_used());
        pinned += u64::from(!record.is_unpinned());
    });
    out.count(Row::Threads, used);
    out.count(Row::ThreadRecords, records);
    out.count(Row::PinnedThreads, pinned);
    out.count(Row::Markers, core.config.markers as u64);
    out.count(Row::Heaps, crate::heap::alive());
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::{Gc, Heap};

    #[test]
    fn every_row_is_read() {
        let heap = Heap::new();
        heap.mutate(|mc| Gc::new(mc, String::new()).len());
        let metrics = heap.metrics();
        for row in Row::ALL {
            let has = metrics.iter().any(|sample| std::ptr::eq(sample.metric, row.metric()));
            assert!(has, "{row:?} is in the table and not read");
        }
    }

    #[test]
    fn a_part_of_nothing_is_none() {
        assert_eq!((part(0, 0), part(1, 4)), (0.0, 0.25));
    }
}
