//! A small whole heap, for models of a complete cycle: one span of four slots, two mutators and a
//! collector. They do what `mutator/`, `collector/mod.rs` and `sweep/` do, with the protocol types
//! that ship. Only the side tables and the trace functions of the shipped code are missing; `Toy`
//! and the words here replace them.
//!
//! Where the code loads a pointer field, the model exchanges it for itself, so that loom sees every
//! race of the two (tokio-rs/loom#392). Where the code stores to one, the model exchanges too
//! (#282). `snapshot.rs` and `prep_store.rs` explore what the weaker accesses may read.

use crate::toy::{Toy, begin, wait};
use gc_core::model::{
    ActiveSweep, Addr, BlockId, Crossing, Cycle, Detector, Epoch, EpochWord, Gate, GreyRing, Link,
    Mode, PinWord, RootSlot, Stack, WeakBox,
};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;

/// The slots of the span; 0 is null.
pub const SLOTS: std::ops::RangeInclusive<usize> = 1..=4;
const ALL: u64 = 0b11110;
/// The content of an object that existed before the model began.
pub const OLD: u32 = 7;
/// The content of a slot after the sweep.
pub const FREED: u32 = 0;

/// The step that a twin leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// None.
    Whole,
    /// Prep is set and not waited for.
    PrepNotCrossed,
    /// A store does not shade.
    NoShade,
    /// Neither a round nor the gate compares the push counters, or looks at the rings again.
    NotCompared,
    /// No object is born marked.
    BornWhite,
    /// A run taken before Mark is not marked by its owner's crossing into Mark.
    RunLeftWhite,
    /// The rest of a run is given up marked.
    RestLeftMarked,
    /// Upgrades shade and never look at the gate.
    NoGate,
    /// Upgrades do not ask for the dead flag.
    FlagNotAsked,
    /// The dead flags are set after the Sweep crossing.
    FlaggedLate,
    /// Flagged roots are freed after Mark is set.
    RootsFreedLate,
    /// The caches of idle threads stay with them.
    NotTakenBack,
    /// The sweep opens when the Sweep epoch is set, before all have crossed.
    SweptEarly,
}

/// The part of a thread's record that lies in plain cells (INV-3).
#[derive(Debug)]
struct Own {
    mode: Mode,
    sweeps: u64,
    black: bool,
    span: bool,
    /// The unused rest of the run, as bits.
    rest: u64,
}

#[derive(Debug)]
struct Thread {
    pin: PinWord,
    crossing: Crossing,
    ring: GreyRing,
    own: UnsafeCell<Own>,
}

/// The state of the heap when a model begins, in the sweep of cycle 0.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The target of each object.
    pub fields: [usize; 4],
    /// Objects that are roots for good.
    pub roots: &'static [usize],
    /// The object in the one root slot that may be dropped.
    pub slot: usize,
    /// The target of the one weak box.
    pub weak: usize,
    /// Slots without an object, as bits.
    pub free: u64,
    /// Whether the span is in the cache of thread 0, with the free slots as its run. Else the span
    /// lies in its list.
    pub cached: bool,
    /// Whether the collector lets the mutators run after each root. Then loom explores other
    /// orders early, and fewer of them late.
    pub lets: bool,
}

/// The heap.
#[derive(Debug)]
pub struct Whole {
    step: Step,
    setup: Setup,
    epoch: EpochWord,
    toy: Toy,
    allocated: AtomicU64,
    /// The sweep number of the span.
    number: AtomicU32,
    lists: [Stack; 2],
    link: Link,
    objects: [UnsafeCell<u32>; 4],
    threads: [Thread; 2],
    detector: Detector,
    gate: Gate,
    sweep: ActiveSweep,
    /// The root slot.
    pub slot: RootSlot,
    weak: WeakBox,
}

impl Whole {
    /// The heap as `setup` has it.
    pub fn new(step: Step, setup: Setup) -> Whole {
        let cached = setup.cached;
        let thread = |i: usize| Thread {
            pin: PinWord::new(),
            crossing: Crossing::new(),
            ring: GreyRing::new(),
            own: UnsafeCell::new(Own {
                mode: Mode::Off,
                sweeps: 0,
                black: false,
                span: cached && i == 0,
                rest: if cached && i == 0 { setup.free } else { 0 },
            }),
        };
        let whole = Whole {
            step,
            setup,
            epoch: EpochWord::new(),
            toy: Toy::new(&setup.fields),
            // The slots of a thread's run count as allocated.
            allocated: AtomicU64::new(if cached { ALL } else { ALL & !setup.free }),
            number: AtomicU32::new(0),
            lists: [Stack::new(), Stack::new()],
            link: Link::new(0),
            objects: std::array::from_fn(|_| UnsafeCell::new(OLD)),
            threads: [thread(0), thread(1)],
            detector: Detector::new(),
            gate: Gate::new(),
            sweep: ActiveSweep::new(),
            slot: RootSlot::new(),
            weak: WeakBox::new(Addr::new(setup.weak)),
        };
        if !cached {
            whole.put_back(0);
        }
        if setup.slot != 0 {
            whole.slot.create(Addr::new(setup.slot));
        }
        for thread in &whole.threads {
            thread.crossing.owner(whole.epoch.load(), || {});
        }
        whole
    }

    fn number(&self) -> u64 {
        u64::from(self.number.load(Ordering::Acquire))
    }
    fn put_back(&self, number: u64) {
        self.lists[number as usize & 1].push(BlockId::FIRST, |_| &self.link);
    }
    fn pop(&self, number: u64) -> bool {
        self.lists[number as usize & 1].pop(|_| &self.link).is_some()
    }
    fn own<R>(&self, thread: usize, f: impl FnOnce(&mut Own) -> R) -> R {
        self.threads[thread].own.with_mut(|p| {
            // SAFETY: loom itself checks that no other thread touches it.
            f(unsafe { &mut *p })
        })
    }
    fn write(&self, object: usize, content: u32) {
        self.objects[object - 1].with_mut(|p| {
            // SAFETY: as above.
            unsafe { *p = content }
        });
    }
    /// Reads an object; loom checks that no thread writes to it at the same time.
    pub fn read(&self, object: usize) -> u32 {
        self.objects[object - 1].with(|p| {
            // SAFETY: as above.
            unsafe { *p }
        })
    }

    // ---- the mutator ----

    /// Runs `work` in a pin of `thread`.
    pub fn pinned<R>(&self, thread: usize, work: impl FnOnce(&Pin<'_>) -> R) -> R {
        let record = &self.threads[thread];
        let mode = loop {
            let at = self.epoch.load();
            if !record.crossing.has_seen(at) {
                record.crossing.owner(at, || self.cross(thread, at));
            }
            if record.pin.publish(at, &self.epoch) {
                break at.mode();
            }
        };
        assert_eq!(self.own(thread, |own| own.mode), mode, "the mode is the pin's");
        let result = work(&Pin { heap: self, thread, mode });
        record.pin.clear();
        // Lets another thread run without a preemption.
        thread::yield_now();
        result
    }

    fn cross(&self, thread: usize, to: Epoch) {
        let stale = self.own(thread, |own| own.sweeps != u64::from(to.sweeps_begun().get()));
        if stale {
            self.give_up(thread);
        }
        self.own(thread, |own| {
            own.sweeps = u64::from(to.sweeps_begun().get());
            own.mode = to.mode();
            if own.mode == Mode::Mark && !own.black && self.step != Step::RunLeftWhite {
                self.toy.marks.set_own(own.rest);
                own.black = true;
            }
        });
    }

    fn give_up(&self, thread: usize) {
        let (span, rest, black) = self.own(thread, |own| {
            let was = (own.span, own.rest, own.black);
            (own.span, own.rest, own.black) = (false, 0, false);
            was
        });
        if span {
            if black && self.step != Step::RestLeftMarked {
                self.toy.marks.clear_own(rest);
            }
            self.allocated.store(self.allocated.load(Ordering::Acquire) & !rest, Ordering::Release);
            self.put_back(self.number());
        }
    }

    // ---- the collector ----

    fn pushed(&self) -> u64 {
        self.threads.iter().map(|thread| thread.ring.pushed()).sum()
    }
    fn rings_are_empty(&self) -> bool {
        self.threads.iter().all(|thread| thread.ring.is_empty())
    }
    fn handshake(&self, to: Epoch) {
        begin(&self.epoch, to);
        self.wait(to);
    }
    fn wait(&self, to: Epoch) {
        wait(&self.threads.each_ref().map(|thread| &thread.pin), to);
    }

    /// A cycle, from the sweep of cycle 0 to the end of the sweep of cycle 1.
    pub fn collect(&self) {
        let (prep, sweep) = (Epoch::prep(Cycle::new(1)), Epoch::sweep(Cycle::new(1)));
        let free_roots = || {
            let _ = self.slot.free_if_flagged();
        };
        begin(&self.epoch, prep);
        if self.step != Step::PrepNotCrossed {
            self.wait(prep);
        }
        if self.step != Step::RootsFreedLate {
            free_roots();
        }
        self.mark(free_roots);
        let flag =
            || self.weak.flag_unless(Cycle::new(1), |target| self.toy.is_marked(target.get()));
        if self.step != Step::FlaggedLate {
            flag();
        }
        begin(&self.epoch, sweep);
        if self.step != Step::SweptEarly {
            for (i, thread) in self.threads.iter().enumerate() {
                wait(&[&thread.pin], sweep);
                if self.step != Step::NotTakenBack {
                    thread.crossing.on_behalf(sweep, || self.give_up(i));
                }
            }
        }
        if self.step == Step::FlaggedLate {
            flag();
        }
        self.gate.reset();
        self.sweep.open();
        while self.sweep_one(1) {}
        while !self.sweep.close() {
            thread::yield_now();
        }
    }

    fn mark(&self, free_roots: impl FnOnce()) {
        let mut epoch = Epoch::mark(Cycle::new(1));
        begin(&self.epoch, epoch);
        if self.step == Step::RootsFreedLate {
            free_roots();
        }
        self.detector.resume();
        assert!(self.detector.start());
        let roots = self.setup.roots.iter().copied().chain(self.slot.scan().map(Addr::get));
        for root in roots {
            if self.toy.mark(root) {
                self.toy.scan(&mut vec![root]);
            }
            if self.setup.lets {
                // Lets a mutator run without a preemption.
                thread::yield_now();
            }
        }
        self.detector.stop();
        loop {
            if self.detector.start() {
                self.threads.iter().for_each(|thread| self.toy.drain(&thread.ring));
                self.detector.stop();
            }
            self.detector.park();
            while !self.detector.is_quiet() {
                thread::yield_now();
            }
            let recorded = self.pushed();
            let unchanged = || self.pushed() == recorded && self.rings_are_empty();
            if self.rings_are_empty() {
                epoch = epoch.next_round();
                self.handshake(epoch);
                let clean = self.step == Step::NotCompared || unchanged();
                let compare = self.step != Step::NotCompared;
                if clean && self.gate.resolve(|| !compare || unchanged()) {
                    return;
                }
            }
            self.detector.resume();
        }
    }

    fn sweep_one(&self, number: u64) -> bool {
        let Some(_right) = self.sweep.begin() else { return false };
        if !self.pop(number - 1) {
            return false;
        }
        self.sweep_span(number);
        self.put_back(number);
        true
    }
    /// `sweep_span`, with a write in place of drop glue.
    fn sweep_span(&self, number: u64) {
        let (allocated, marked) = (self.allocated.load(Ordering::Acquire), self.toy.marks.take());
        assert_eq!(marked & !allocated, 0, "INV-5: a mark without an object");
        for object in SLOTS.filter(|object| allocated & !marked & 1 << object != 0) {
            self.write(object, FREED);
        }
        self.allocated.store(allocated & marked, Ordering::Release);
        self.number.store(number as u32, Ordering::Release);
    }

    /// After all threads are done: everything reachable from the roots is an object, and is passed
    /// to `each`.
    pub fn check(&self, each: impl Fn(usize, u32)) {
        let allocated = self.allocated.load(Ordering::Acquire);
        let roots = self.setup.roots.iter().copied().chain(self.slot.scan().map(Addr::get));
        for mut object in roots {
            let mut left = self.setup.fields.len();
            while object != 0 && left > 0 {
                assert!(allocated & 1 << object != 0, "a reachable object was freed");
                let content = self.read(object);
                assert_ne!(content, FREED, "a reachable object was freed");
                each(object, content);
                object = self.toy.load_exactly(object);
                left -= 1;
            }
        }
    }
}

/// A pin of a mutator.
#[derive(Debug)]
pub struct Pin<'a> {
    heap: &'a Whole,
    thread: usize,
    mode: Mode,
}

impl Pin<'_> {
    fn shade(&self, object: usize) {
        let heap = self.heap;
        let sweeps = heap.own(self.thread, |own| own.sweeps);
        if object != 0 && heap.step != Step::NoShade && heap.number() == sweeps {
            heap.toy.shade(object, &heap.threads[self.thread].ring);
        }
    }
    /// Reads a pointer field.
    pub fn load(&self, object: usize) -> usize {
        self.heap.toy.load_exactly(object)
    }
    /// Writes a pointer field.
    pub fn store(&self, object: usize, new: usize) {
        match self.mode {
            Mode::Off => {
                self.heap.toy.swap_plain(object, new);
            }
            Mode::Prep => {
                self.shade(new);
                self.shade(self.heap.toy.swap_plain(object, new));
            }
            Mode::Mark => {
                let old = self.load(object);
                self.heap.toy.swap_plain(object, new);
                self.shade(old);
            }
        }
    }
    /// Makes a new object with `content` and a null field, if there is room.
    pub fn alloc(&self, content: u32) -> Option<usize> {
        let heap = self.heap;
        let (rest, sweeps) = heap.own(self.thread, |own| (own.rest, own.sweeps));
        if rest == 0 && !self.refill(sweeps) {
            return None;
        }
        let object = heap.own(self.thread, |own| {
            let object = own.rest.trailing_zeros() as usize;
            own.rest &= own.rest - 1;
            object
        });
        heap.toy.swap_plain(object, 0);
        heap.write(object, content);
        Some(object)
    }
    fn refill(&self, sweeps: u64) -> bool {
        let heap = self.heap;
        if heap.own(self.thread, |own| std::mem::take(&mut own.span)) {
            heap.put_back(sweeps);
        }
        if !heap.pop(sweeps) {
            if self.mode != Mode::Off || sweeps == 0 {
                return false;
            }
            let Some(_right) = heap.sweep.begin() else { return false };
            if !heap.pop(sweeps - 1) {
                return false;
            }
            heap.sweep_span(sweeps);
        }
        let allocated = heap.allocated.load(Ordering::Acquire);
        let run = ALL & !allocated;
        if run == 0 {
            heap.put_back(sweeps);
            return false;
        }
        heap.allocated.store(allocated | run, Ordering::Release);
        let black = self.mode == Mode::Mark && heap.step != Step::BornWhite;
        if black {
            heap.toy.marks.set_own(run);
        }
        heap.own(self.thread, |own| {
            (own.span, own.rest) = (true, run);
            own.black |= black;
        });
        true
    }
    /// Returns the target of the weak box, if it is live.
    pub fn upgrade(&self) -> Option<usize> {
        let heap = self.heap;
        if heap.weak.is_dead() && heap.step != Step::FlagNotAsked {
            return None;
        }
        let target = heap.weak.target().get();
        if self.mode != Mode::Mark {
            return Some(target);
        }
        if heap.step == Step::NoGate {
            self.shade(target);
            return Some(target);
        }
        let sweeps = heap.own(self.thread, |own| own.sweeps);
        let is_marked = || heap.toy.is_marked(target) || heap.number() != sweeps;
        heap.gate.upgrade(&heap.weak, is_marked, || self.shade(target)).then_some(target)
    }
    /// Reads an object that this pin holds.
    pub fn use_object(&self, object: usize, content: u32) {
        assert_eq!(self.heap.read(object), content, "an object was freed or reused in use");
    }
}
