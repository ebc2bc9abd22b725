//! The heap's shared state, on which mutators and the collector meet.

use super::{PlacedRecord, thread_token};
use crate::ageing::Ageing;
use crate::config::{BLOCK, Config};
use crate::control::Control;
use crate::desk::Desk;
use crate::error::{AllocError, AllocReason};
use crate::graph::{Failed, Graph};
use crate::handshake::{Epoch, EpochWord, LightEpoch, registry::Registry, stop::Stop};
use crate::heap::object::{LEAF_INFO, TypeInfo};
use crate::heap::page_alloc::Refusal;
use crate::heap::size_class::{self, SizeClass};
use crate::heap::span::SpanClass;
use crate::heap::waste::Census;
use crate::heap::{ClassKey, Space};
use crate::mark::Marking;
use crate::mark::ring::GreyRing;
use crate::observe::Stats;
use crate::observe::clock::ticks;
use crate::observe::door::Events;
use crate::observe::metrics::Totals;
use crate::observe::pressure::Listeners;
use crate::observe::sample::Samples;
use crate::observe::watch::Watch;
use crate::pacing::{Credit, Limits, Plan};
use crate::platform::barrier;
use crate::roots::RootTable;
use crate::sweep::drops::{Drops, Progress};
use crate::sweep::{ActiveSweep, Keep, Swept};
use crate::sync::plain::AtomicPtr;
use crate::sync::{Arc, Mutex, OnceLock, Ordering};
use crate::weak::ephemeron::Ephemerons;
use crate::weak::gate::Gate;
use crate::word::{Bytes, Shades, Ticks};

/// The heap's shared state.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) epoch: EpochWord,
    pub(super) light: LightEpoch,
    pub(crate) space: Space,
    pub(crate) marking: Marking,
    pub(crate) roots: RootTable,
    pub(crate) gate: Gate,
    pub(crate) ephemerons: Ephemerons,
    pub(crate) sweep: ActiveSweep,
    pub(crate) drops: Drops,
    pub(crate) credit: Credit,
    pub(crate) control: Control,
    /// Where a snapshot is asked for.
    pub(crate) desk: Desk<Result<Graph, Failed>>,
    pub(crate) totals: Totals,
    /// Caches beside the heap that its cycles empty.
    pub(crate) ageing: Arc<Ageing>,
    pub(crate) records: Registry<PlacedRecord>,
    /// Records whose threads have ended.
    pub(super) spare: Mutex<Vec<Arc<PlacedRecord>>>,
    /// Held by a thread without a handle that retires its record, and by the end of the address
    /// space.
    ending: Mutex<()>,
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) listeners: Listeners,
    pub(crate) events: Events,
    pub(crate) watch: Watch,
    /// When the heap was made.
    pub(crate) born: Ticks,
    /// Sampled allocations.
    pub(crate) samples: Samples,
    pub(super) leaf: [OnceLock<&'static SpanClass>; size_class::COUNT],
    pub(crate) stop: Stop,
    /// What the handles share, a counted `Inner`; it lives as long as there are handles. Set once,
    /// before the first pin.
    pub(crate) handles: AtomicPtr<()>,
}

impl Drop for Core {
    fn drop(&mut self) {
        // No thread is left that could take more: what threads have yet to add is added for them.
        let held = self.credit.held();
        self.records.for_each(|record| record.external.settle(held));
        held.give_up();
    }
}

impl Core {
    pub(crate) fn new(config: Config, events: Events, space: Space, marking: Marking) -> Core {
        let epoch = EpochWord::new();
        let credit = Credit::new(Plan::default());
        Core {
            light: LightEpoch::new(epoch.load(), LightEpoch::is_allowed()),
            epoch,
            space,
            marking,
            roots: RootTable::new(),
            gate: Gate::new(),
            ephemerons: Ephemerons::new(),
            sweep: ActiveSweep::new(),
            drops: Drops::new(credit.waiting()),
            credit,
            control: Control::default(),
            desk: Desk::new(),
            totals: Totals::default(),
            ageing: Arc::default(),
            records: Registry::new(),
            spare: Mutex::new(Vec::new()),
            ending: Mutex::new(()),
            limits: Limits::new(config.settings()),
            listeners: Listeners::default(),
            config,
            samples: Samples::new(events.sampling),
            events,
            watch: Watch::new(),
            born: ticks(),
            leaf: std::array::from_fn(|_| OnceLock::new()),
            stop: Stop::default(),
            handles: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// A record for the calling thread.
    pub(crate) fn register(self: &Arc<Self>) -> Arc<PlacedRecord> {
        let spare = self.spare.lock().pop();
        let record = spare.unwrap_or_else(|| {
            let record = Arc::new(PlacedRecord::new(self));
            self.records.register(record.clone());
            record
        });
        record.forget_ration();
        record.owner.store(thread_token(), Ordering::Relaxed);
        *record.name.lock() = std::thread::current().name().map(Into::into);
        record.begin_owner();
        record
    }

    /// Takes the record of a thread that ends, or of a handle that is dropped, outside of every
    /// pin.
    pub(crate) fn retire(&self, record: Arc<PlacedRecord>) {
        record.leave_worst();
        record.owner.store(0, Ordering::Relaxed);
        record.crossing.exclusively(|| record.give_up_at_end(self));
        self.roots.give_batch(&mut record.roots.borrow_mut());
        record.external.settle(self.credit.held());
        self.spare.lock().push(record);
    }

    /// Sets the next epoch, so that a pin in an older one is seen from here on, or does not stand
    /// (INV-1). The collector only.
    pub(crate) fn advance(&self, to: Epoch) {
        self.epoch.advance(to);
        self.light.advance(to);
        // The steps of a schedule are in one order for all.
        let fence_others = || cfg!(shuttle) || barrier::fence_others();
        self.light.fence_all(fence_others, barrier::visit_all_cores);
    }

    /// The same for a thread that has no handle: its heap may end at this moment, or have ended.
    pub(crate) fn retire_if_alive(&self, record: Arc<PlacedRecord>) {
        // First without the lock, which the child of a fork may find held for good.
        if self.control.is_over() {
            return;
        }
        let _not_yet = self.ending.lock();
        if !self.control.is_over() {
            self.retire(record);
        }
    }

    /// The heap has ended: gives its address space back, although others may hold the core still.
    ///
    /// # Safety
    ///
    /// There is no handle of the heap, its collector's threads and its drop thread have ended, and
    /// no dead object waits for its destructor (INV-10).
    pub(crate) unsafe fn unmap(&self) {
        let _no_thread_retires = self.ending.lock();
        // SAFETY: INV-10: by the caller's promise no thread is or comes into a pin. A thread that
        // retires its record does so under this lock, and only before the end.
        unsafe { self.space.unmap() };
    }

    /// The same for the memory alone, where destructors went on after the heap had ended.
    pub(crate) fn release_all(&self) {
        let _not_unmapped = self.ending.lock();
        if self.space.is_mapped() {
            self.space.release_all();
        }
    }

    /// How many shades all threads have handed over.
    pub(crate) fn pushed(&self) -> Shades {
        let mut sum = 0;
        self.each_ring(&mut |ring| sum += ring.pushed());
        Shades::new(sum)
    }
    /// Bytes held outside of the heap, with what threads have yet to add.
    pub(crate) fn external(&self) -> Bytes {
        let held = self.credit.held();
        let mut taken = held.taken();
        self.records.for_each(|record| taken += record.external.waiting());
        taken.saturating_sub(held.released())
    }
    /// Whether every thread's ring is empty.
    pub(crate) fn rings_are_empty(&self) -> bool {
        let mut empty = true;
        self.each_ring(&mut |ring| empty &= ring.is_empty());
        empty
    }
    /// Whether the calling thread is inside a pin of this heap.
    pub(crate) fn is_pinned_here(&self) -> bool {
        let mut pinned = false;
        self.records.for_each(|record| pinned |= record.is_pinned_here());
        pinned
    }
    /// Whether as many threads allocated since the last call as there are cores: then a marker
    /// takes its core from one of them. So many share what a limit leaves.
    pub(crate) fn is_crowded(&self) -> bool {
        let mut busy = 0;
        self.records.for_each(|record| busy += usize::from(record.was_busy()));
        self.limits.set_busy(busy);
        busy >= self.config.cores
    }
    /// Calls `each` for every thread's ring.
    pub(crate) fn each_ring(&self, each: &mut dyn FnMut(&GreyRing)) {
        self.records.for_each(|record| each(&record.ring));
    }

    pub(crate) fn leaf_class(&self, class: SizeClass) -> &'static SpanClass {
        if let Some(known) = self.leaf[class.index()].get() {
            return known;
        }
        // Outside of the once-lock, whose waiters no scheduler sees; `class_for` gives every thread
        // the same.
        let made = self.space.class_for(&LEAF_INFO, ClassKey::Size(class), |id| {
            SpanClass::leaf(id, class.slot(), self.space.pages.limit())
        });
        self.leaf[class.index()].get_or_init(|| made)
    }
    pub(super) fn typed_class(&self, info: &'static TypeInfo) -> &'static SpanClass {
        self.space.class_for(info, ClassKey::Type, |id| SpanClass::small(info, id, info.slot()))
    }
    pub(super) fn array_class(
        &self,
        info: &'static TypeInfo,
        class: SizeClass,
    ) -> &'static SpanClass {
        let slot = class.slot().next_multiple_of(info.align);
        self.space.class_for(info, ClassKey::Size(class), |id| SpanClass::small(info, id, slot))
    }
    pub(super) fn large_class(&self, info: &'static TypeInfo) -> &'static SpanClass {
        self.space.class_for(info, ClassKey::Large, |id| SpanClass::large(info, id))
    }

    /// Counts what a sweep found.
    pub(crate) fn count(&self, swept: Swept) {
        if swept.freed > 0 {
            self.credit.free(swept.freed_bytes);
            self.totals.freed_objects.add(u64::from(swept.freed));
        }
    }

    /// Looks at every span. What waits for its destructor is not live.
    pub(crate) fn census(&self) -> Census {
        let mut census = self.space.census(self.epoch.load().sweeps_begun());
        self.drops.each_waiting(|class, objects, each| {
            if let Some(stats) = census.classes.get_mut(class.id.index()) {
                stats.live_objects = stats.live_objects.saturating_sub(objects);
                stats.live_bytes = stats.live_bytes.saturating_sub(objects * each);
            }
        });
        census
    }

    /// The heap's counters.
    pub(crate) fn stats(&self) -> Stats {
        let (core, credit, totals) = (self, &self.credit, &self.totals);
        let freed_objects = totals.freed_objects.get();
        let freed_bytes = credit.freed().get();
        let allocated_objects =
            totals.allocated_objects.get().saturating_sub(totals.unused_objects.get());
        let allocated_bytes = credit.allocated().get();
        let used = core.space.pages.used();
        let refills = core.space.refills();
        let waiting = core.drops.waiting();
        Stats {
            live_bytes: allocated_bytes.saturating_sub(freed_bytes),
            live_objects: allocated_objects.saturating_sub(freed_objects),
            allocated_bytes,
            allocated_objects,
            freed_bytes,
            freed_objects,
            reserved_bytes: core.space.reserved() as u64,
            undropped_objects: waiting.objects,
            undropped_bytes: waiting.bytes,
            undropped_age: waiting.age,
            slow_drop: waiting.running.filter(|_| waiting.is_slow).map(|(name, _)| name),
            slow_drops: waiting.slow_drops,
            heap_bytes: used.bytes().get(),
            paced_bytes: credit.heap().get(),
            external_bytes: core.external().get(),
            goal_bytes: credit.goal().get(),
            spans_in_use: used.get() as u64,
            released_bytes: core.space.pages.released() * BLOCK as u64,
            refills_reused: refills.reused,
            refills_fresh: refills.fresh,
            spans_idle: core.space.pages.idle().get() as u64,
            cycles: totals.cycles.get(),
            handshakes: totals.handshakes.get(),
            drop_panics: core.drops.panics(),
            trace_panics: totals.trace_panics.get(),
            pressure_panics: totals.pressure_panics.get(),
        }
    }

    /// Drops up to `most` objects that wait for it, on the calling thread; returns how many.
    pub(crate) fn drop_some(&self, progress: &Arc<Progress>, most: u64) -> u64 {
        self.drops.run(&self.space, progress, most)
    }

    /// A `trace` panicked: its object's edges are unknown, so nothing dies in this cycle.
    pub(crate) fn trace_panicked(&self) {
        self.marking.poison();
        self.totals.trace_panics.add(1);
    }

    /// What the sweep of this cycle keeps.
    pub(crate) fn keep(&self) -> Keep {
        if self.marking.is_poisoned() { Keep::All } else { Keep::Marked }
    }

    pub(super) fn alloc_error(&self, requested: usize) -> AllocError {
        let limit = self.space.pages.limit().size();
        crate::observe::probe::out_of_memory(
            self.events.heap,
            Bytes::of(requested),
            Bytes::of(limit),
        );
        let is_short = self.space.is_short();
        let reason = match self.space.pages.refusal() {
            _ if requested > limit && limit < self.space.reserved() => AllocReason::HeapLimit,
            _ if requested > limit => AllocReason::Reservation { is_short },
            Refusal::Limit => AllocReason::HeapLimit,
            Refusal::Reservation => AllocReason::Reservation { is_short },
            Refusal::System(os) => AllocReason::System { os },
        };
        AllocError { requested, limit, reason }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use crate::handshake::Mode;
    use crate::{Gc, Heap, Mutation, Root};
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread::scope;
    use std::time::Duration;

    type Node<'gc> = (Option<Gc<'gc, Arc<()>>>, [u64; 4]);

    /// Pins again and again until a pin is in `mode`.
    fn pin_in<R>(heap: &Heap, mode: Mode, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        let mut f = Some(f);
        loop {
            let result = heap.mutate(|mc| {
                let run = if mc.record().mode() == mode { f.take() } else { None };
                run.map(|run| run(mc))
            });
            if let Some(result) = result {
                return result;
            }
            std::thread::yield_now();
        }
    }

    /// Enough for the class of a node to be warm for its thread.
    const MANY: usize = 100;

    #[test]
    fn what_ends_in_mark_leaves_nothing_to_a_pin_that_is_still_in_prep() {
        is_scanned_beside(MANY);
    }

    #[test]
    fn what_is_born_in_mark_leaves_a_shared_span_to_a_pin_that_is_still_in_prep() {
        // Not every round meets the slot that a fault would have spoiled.
        (0..10).for_each(|_| is_scanned_beside(1));
    }

    /// A thread in Mark makes `black` nodes and ends. A node that is made in Prep after that is
    /// scanned all the same.
    fn is_scanned_beside(black: usize) {
        let heap = Heap::new();
        let value = Arc::new(());
        let (held, is_held) = channel();
        let (release, released) = channel::<()>();
        let node: Root<Node<'static>> = scope(|s| {
            // Keeps the collector in Prep until this thread has a pin there.
            let held_here = &heap;
            s.spawn(move || {
                held_here.mutate(|_| {
                    held.send(()).unwrap();
                    released.recv().unwrap_err();
                });
            });
            is_held.recv().unwrap();
            s.spawn(|| heap.collect().unwrap());
            pin_in(&heap, Mode::Prep, |mc| {
                drop(release);
                // If it holds a span, the free slots of that are black when it ends.
                let make_black = || {
                    pin_in(&heap, Mode::Mark, |mc| {
                        for _ in 0..black {
                            let _: Gc<'_, Node<'_>> = Gc::new(mc, (None, [0; 4]));
                        }
                    });
                };
                s.spawn(make_black).join().unwrap();
                let value = Gc::new(mc, value.clone());
                Gc::root(Gc::new(mc, (Some(value), [0u64; 4])), mc)
            })
        });
        assert_eq!(Arc::strong_count(&value), 2, "the root keeps the node, and that the value");
        drop(node);
        heap.collect().unwrap();
        heap.drain_drops(Duration::from_secs(60)).unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
