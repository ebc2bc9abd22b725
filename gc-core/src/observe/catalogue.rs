#![forbid(unsafe_code)]
//! The table of all metrics: the one source of their names, kinds, units and meanings.
//!
//! 1. A row of [`catalogue!`] below makes a [`Metric`] and the `Row` by which code names it.
//! 2. `readings.rs` reads a heap and gives each row its value; a test sees that none is left out.
//! 3. `docs/METRICS.md` is printed from the table (`tests/metrics.rs`), and so are the exporters'
//!    descriptions, the alert rules' names and the dashboard's names checked against it.
//!
//! Names follow Prometheus: base units, `_total` for what only grows. Where Go has the same, the
//! meaning names it.

use std::fmt;

/// How a metric's value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, from zero when the heap is made.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many observations lie in which range, since the heap was made.
    Histogram,
    /// How many things lie in which range now: the ranges shrink too. Prometheus has one type for
    /// both; do not ask for the rate of this one.
    GaugeHistogram,
}

/// What one of a metric is.
///
/// ```
/// use gc_core::{Metric, MetricUnit};
/// assert_eq!(Metric::find("gc_live_bytes").unwrap().unit, MetricUnit::Bytes);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricUnit {
    /// Things that are counted.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A part of one.
    Ratio,
    /// Bytes a second.
    BytesPerSecond,
    /// Yes (1) or no (0).
    Flag,
}

/// One metric: a row of the table ([`Metric::all`]), which `docs/METRICS.md` prints.
///
/// ```
/// use gc_core::{Metric, MetricKind};
/// let metric = Metric::find("gc_cycles_total").unwrap();
/// assert_eq!(metric.kind, MetricKind::Counter);
/// assert!(metric.help.starts_with("Cycles completed"));
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, in the style of Prometheus.
    pub name: &'static str,
    /// How its value moves.
    pub kind: MetricKind,
    /// What one of it is.
    pub unit: MetricUnit,
    /// The labels by which its series differ; none if it is one series.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence or two.
    pub help: &'static str,
    /// The part of the table that it is in.
    pub group: &'static str,
}

impl Metric {
    /// All metrics, in the order of the table.
    ///
    /// ```
    /// use gc_core::Metric;
    /// assert!(Metric::all().len() >= 60);
    /// assert!(Metric::all().iter().all(|metric| metric.name.starts_with("gc_")));
    /// ```
    #[must_use]
    pub fn all() -> &'static [Metric] {
        &TABLE
    }
    /// The metric of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Metric> {
        TABLE.iter().find(|metric| metric.name == name)
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::GaugeHistogram => "gauge histogram",
        })
    }
}

impl fmt::Display for MetricUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MetricUnit::Count => "count",
            MetricUnit::Bytes => "bytes",
            MetricUnit::Seconds => "seconds",
            MetricUnit::Ratio => "ratio",
            MetricUnit::BytesPerSecond => "bytes/s",
            MetricUnit::Flag => "0 or 1",
        })
    }
}

/// Makes the table and the names of its rows.
macro_rules! catalogue {
    ($($group:literal { $(
        $row:ident $name:literal $kind:ident $unit:ident [$($label:literal)*] $help:literal
    )* })*) => {
        /// A row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Row { $($($row,)*)* }
        impl Row {
            /// Every row.
            #[cfg(test)]
            pub(crate) const ALL: &[Row] = &[$($(Row::$row,)*)*];
        }
        static TABLE: [Metric; [$($(Row::$row,)*)*].len()] = [$($(Metric {
            name: $name,
            kind: MetricKind::$kind,
            unit: MetricUnit::$unit,
            labels: &[$($label),*],
            help: $help,
            group: $group,
        },)*)*];
    };
}

impl Row {
    /// The metric of the row.
    pub(crate) fn metric(self) -> &'static Metric {
        &TABLE[self as usize]
    }
}

catalogue! {
    "Memory" {
        HeapBytes "gc_heap_bytes" Gauge Bytes []
            "Bytes of blocks in spans. Equals gc_blocks_in_use times 16 KiB."
        LiveBytes "gc_live_bytes" Gauge Bytes []
            "Bytes of slots of objects not yet found dead: taken less returned less freed."
        LiveObjects "gc_live_objects" Gauge Count []
            "Objects not yet found dead: taken less returned less freed."
        KeptBytes "gc_kept_bytes" Gauge Bytes []
            "Bytes that the last cycle left, external ones included."
        ReservedBytes "gc_reserved_bytes" Gauge Bytes []
            "Address space that the heap can grow in; it is no memory."
        BlocksInUse "gc_blocks_in_use" Gauge Count []
            "Blocks of 16 KiB in spans."
        BlocksIdle "gc_blocks_idle" Gauge Count []
            "Free blocks whose memory the system still holds for the heap."
        Fragmentation "gc_fragmentation_ratio" Gauge Ratio []
            "Idle blocks as a part of those idle and in use: idle / (idle + in use)."
        ReleasedBytes "gc_released_bytes_total" Counter Bytes []
            "Bytes of free blocks given back to the system, each time that they were."
        MetadataInUse "gc_metadata_in_use_bytes" Gauge Bytes []
            "Bytes of the side tables that describe blocks in use (Go: MSpanInuse)."
        Metadata "gc_metadata_bytes" Gauge Bytes []
            "Bytes of the side tables as far as they are resident (Go: MSpanSys)."
        External "gc_external_bytes" Gauge Bytes []
            "Bytes that objects hold outside of the heap, as they said."
        ExternalTaken "gc_external_taken_bytes_total" Counter Bytes []
            "Bytes outside of the heap that objects said they took; a thread adds its own in steps \
             of 32 KiB."
        ExternalReleased "gc_external_released_bytes_total" Counter Bytes []
            "Bytes outside of the heap that objects gave back."
    }
    "Allocation" {
        TakenObjects "gc_taken_objects_total" Counter Count []
            "Slots that threads took: with a span all of its free ones, and one for each large \
             object."
        ReturnedObjects "gc_returned_objects_total" Counter Count []
            "Slots that threads took and gave back unused."
        FreedObjects "gc_freed_objects_total" Counter Count []
            "Objects found dead, those that wait for a destructor included."
        TakenBytes "gc_taken_bytes_total" Counter Bytes []
            "Bytes of the slots that threads took."
        ReturnedBytes "gc_returned_bytes_total" Counter Bytes []
            "Bytes of the slots that threads gave back unused."
        FreedBytes "gc_freed_bytes_total" Counter Bytes []
            "Bytes of the slots of objects found dead."
        FreshBytes "gc_fresh_bytes_total" Counter Bytes []
            "Bytes of slots taken from fresh blocks; the rest of those taken was used before."
        AllocatedObjects "gc_allocated_objects_total" Counter Count []
            "Objects allocated: hits, misses and large ones. The most that taken less returned has \
             been, so it runs ahead of the program by at most a span for each thread and class."
        CacheHits "gc_cache_hits_total" Counter Count []
            "Allocations served by a thread's cache: small objects allocated, less the misses."
        CacheMisses "gc_cache_misses_total" Counter Count []
            "Allocations for which a thread's cache had to get another span: refills from the \
             central lists and from fresh blocks."
        CentralRefills "gc_central_refills_total" Counter Count []
            "Refills from spans in use: one of a central list, or one that was just swept."
        FreshRefills "gc_fresh_refills_total" Counter Count []
            "Refills from fresh blocks."
        LargeObjects "gc_large_objects_total" Counter Count []
            "Large objects allocated, each in a span of its own."
    }
    "Spans" {
        Spans "gc_spans" Gauge Count []
            "Spans in use: the sum of gc_class_spans."
        SpansCached "gc_cached_spans" Gauge Count []
            "Spans that a thread's cache holds: the sum of gc_class_cached_spans."
        SpansIdle "gc_idle_spans" Gauge Count []
            "Spans with free slots that no thread's cache holds: the sum of gc_class_idle_spans."
        SpansFull "gc_full_spans" Gauge Count []
            "Spans without a free slot."
        SweepDebt "gc_sweep_debt_spans" Gauge Count []
            "Spans that the sweep has yet to look at."
        SpansSkipped "gc_skipped_spans" Gauge Count []
            "Spans that changed hands each time that the scanner looked; in no other figure of \
             this group."
        Occupancy "gc_span_occupancy_ratio" GaugeHistogram Ratio []
            "Spans now by the part of their slots that is taken. Its count equals gc_spans."
        FreeSlotBytes "gc_free_slot_bytes" Gauge Bytes []
            "Bytes in spans that are no object's: free slots, and what does not fill a slot."
        Waste "gc_free_slot_ratio" Gauge Ratio []
            "Bytes in spans that are no object's, as a part of all bytes in spans."
    }
    "Classes" {
        ClassObjects "gc_class_objects" Gauge Count ["type" "slot"]
            "Objects of a class of spans not yet found dead, and slots that a thread has taken."
        ClassBytes "gc_class_bytes" Gauge Bytes ["type" "slot"]
            "Bytes of these objects' slots."
        ClassSpans "gc_class_spans" Gauge Count ["type" "slot"]
            "Spans of the class in use."
        ClassSpanBytes "gc_class_span_bytes" Gauge Bytes ["type" "slot"]
            "Bytes of these spans."
        ClassCached "gc_class_cached_spans" Gauge Count ["type" "slot"]
            "Spans of the class that a thread's cache holds."
        ClassIdle "gc_class_idle_spans" Gauge Count ["type" "slot"]
            "Spans of the class with free slots that no thread's cache holds. A span that is \
             cached and used up counts as full and as cached, so there may be a few more."
        ClassCentral "gc_class_central_refills_total" Counter Count ["type" "slot"]
            "Refills of the class from spans in use."
        ClassFresh "gc_class_fresh_refills_total" Counter Count ["type" "slot"]
            "Refills of the class from fresh blocks."
    }
    "Cycles" {
        Cycles "gc_cycles_total" Counter Count []
            "Cycles completed."
        CycleSeconds "gc_cycle_seconds" Histogram Seconds []
            "How long cycles took, from the start of Prep to the end of the sweep. No program \
             thread waits for that."
        PhaseSeconds "gc_phase_seconds_total" Counter Seconds ["phase"]
            "Time in each phase: prep (the first handshake), mark (with its rounds), cross (the \
             weak pass and the last handshake), sweep."
        InCycle "gc_in_cycle" Gauge Flag []
            "Whether a cycle runs."
        Rounds "gc_mark_rounds_total" Counter Count []
            "Termination rounds."
        MarkedObjects "gc_marked_objects_total" Counter Count []
            "Objects that markers and assists marked."
        MarkedBytes "gc_marked_bytes_total" Counter Bytes []
            "Bytes of these objects."
        AssistedBytes "gc_assisted_bytes_total" Counter Bytes []
            "Those of the bytes that program threads marked."
        MarkRate "gc_mark_rate_bytes_per_second" Gauge BytesPerSecond []
            "Bytes marked in the last cycle, by the time that its marking took."
        Assists "gc_assists_total" Counter Count []
            "Assists: how often a program thread marked for the collector. Equals the count of \
             gc_pause_seconds with kind Assist."
        AssistSeconds "gc_assist_seconds_total" Counter Seconds []
            "Time that program threads marked for the collector, at refills and while they waited."
        CollectorCpu "gc_collector_cpu_seconds_total" Counter Seconds []
            "Processor time of the collector's thread, as of the end of the last cycle."
        MarkerCpu "gc_marker_cpu_seconds_total" Counter Seconds []
            "Processor time of the markers beside the collector's thread."
        Swept "gc_swept_spans_total" Counter Count ["by"]
            "Spans swept: by the collector (the credit of those who allocate), by a mutator that \
             looked for a free slot, or early (dead as a whole, freed before the sweep)."
        PacedBytes "gc_paced_bytes" Gauge Bytes []
            "What pacing compares with the trigger: found live by the last marking, allocated \
             since, and held outside."
        TriggerBytes "gc_trigger_bytes" Gauge Bytes []
            "Paced bytes at which the next cycle starts."
        GoalBytes "gc_goal_bytes" Gauge Bytes []
            "Paced bytes below which the next marking should end (Go: /gc/heap/goal:bytes)."
        Starved "gc_starved" Gauge Flag []
            "Whether the collector's thread had no core to itself the last time it marked."
        TracePanics "gc_trace_panics_total" Counter Count []
            "Panics in trace, caught; each kept everything alive for one cycle."
    }
    "Handshakes" {
        Handshakes "gc_handshakes_total" Counter Count []
            "Handshakes completed. Equals the count of gc_handshake_seconds."
        HandshakeSeconds "gc_handshake_seconds" Histogram Seconds []
            "How long the collector waited until every thread had crossed into a new epoch. \
             Program threads do not wait for each other."
        Stragglers "gc_stragglers_total" Counter Count []
            "How often a handshake waited for one thread for more than 1 ms."
        StragglerSeconds "gc_straggler_seconds" Gauge Seconds []
            "The longest that a handshake of the last cycle waited for one thread."
    }
    "Pauses" {
        PauseSeconds "gc_pause_seconds" Histogram Seconds ["kind"]
            "How long program threads were interrupted, by kind (PauseKind); a kind appears with \
             its first pause."
        PauseMax "gc_pause_max_seconds" Gauge Seconds ["kind"]
            "The longest interruption of each kind, exactly."
    }
    "Destructors" {
        UndroppedObjects "gc_undropped_objects" Gauge Count []
            "Dead objects whose destructors have not run."
        UndroppedBytes "gc_undropped_bytes" Gauge Bytes []
            "Bytes of these objects, which are still taken."
        UndroppedAge "gc_undropped_age_seconds" Gauge Seconds []
            "For how long the oldest of them has waited."
        DropRunning "gc_drop_running_seconds" Gauge Seconds []
            "For how long the destructor that runs for longest has run; 0 if none runs."
        SlowDrops "gc_slow_drops_total" Counter Count []
            "Destructors that were seen to run for more than a second."
        DropPanics "gc_drop_panics_total" Counter Count []
            "Panics in destructors, caught."
    }
    "Limits" {
        MemoryLimit "gc_memory_limit_bytes" Gauge Bytes []
            "The soft limit, of spans and external bytes; +Inf if there is none (Go: \
             /gc/gomemlimit:bytes)."
        HeapLimit "gc_heap_limit_bytes" Gauge Bytes []
            "The hard limit, of spans; without one, the reservation."
        LimitUsed "gc_limit_used_ratio" Gauge Ratio []
            "The part in use of the limit that is nearest: spans of the hard one, spans and \
             external bytes of the soft one."
        NearLimit "gc_near_limit" Gauge Flag []
            "Whether memory was short at the last look (Mutation::is_near_limit)."
        FloorBytes "gc_collection_paused_below_bytes" Gauge Bytes []
            "Paced bytes below which no cycle starts by itself (Heap::pause_collection); 0 if that \
             is not used."
        GcPercent "gc_growth_percent" Gauge Count []
            "The setting gc_percent (Go: /gc/gogc:percent)."
        Stalled "gc_stalled_threads" Gauge Count []
            "Threads that wait at a limit for the end of a cycle."
        PressurePanics "gc_pressure_panics_total" Counter Count []
            "Panics in what Heap::on_pressure calls, caught."
    }
    "What there is" {
        Roots "gc_roots" Gauge Count []
            "Root slots with an owner; clones of a Root share one."
        RootsDropped "gc_dropped_roots" Gauge Count []
            "Root slots without an owner that the next cycle frees."
        RootSlots "gc_root_slots" Gauge Count []
            "All root slots, free ones included."
        WeakBoxes "gc_weak_boxes" Gauge Count []
            "Boxes of weak pointers, dead ones until they are swept."
        Ephemerons "gc_ephemerons" Gauge Count []
            "Ephemerons, those in weak maps included, dead ones until they are swept."
        WeakMaps "gc_weak_maps" Gauge Count []
            "Weak maps into which something was inserted, until they are dropped."
        Threads "gc_threads" Gauge Count []
            "Threads and Mutators that use the heap."
        ThreadRecords "gc_thread_records" Gauge Count []
            "Records of threads, those of ended threads included, which the next thread takes."
        PinnedThreads "gc_pinned_threads" Gauge Count []
            "Threads inside mutate."
        Markers "gc_markers" Gauge Count []
            "Marker threads, the collector's own included."
        Heaps "gc_heaps" Gauge Count []
            "Heaps of this process whose memory is not given back."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_prometheus() {
        assert!(TABLE.len() >= 60, "{} metrics", TABLE.len());
        let names: BTreeSet<&str> = TABLE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), TABLE.len(), "a name occurs twice");
        for (metric, row) in TABLE.iter().zip(Row::ALL) {
            let name = metric.name;
            assert!(std::ptr::eq(metric, row.metric()));
            assert!(name.starts_with("gc_") && metric.help.ends_with('.'), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            let base = name.strip_suffix("_total");
            assert_eq!(base.is_some(), metric.kind == MetricKind::Counter, "{name}");
            let unit = match metric.unit {
                MetricUnit::Bytes => "_bytes",
                MetricUnit::Seconds => "_seconds",
                MetricUnit::Ratio => "_ratio",
                MetricUnit::BytesPerSecond => "_bytes_per_second",
                MetricUnit::Count | MetricUnit::Flag => "",
            };
            assert!(base.unwrap_or(name).ends_with(unit), "{name} does not name its unit");
        }
    }
}
