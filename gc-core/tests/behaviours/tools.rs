//! The tools that the modules share: objects that count their drops, and latches at which the
//! collector stops.

use crate::settle::Settle;
use gc_core::{Gc, GcCell, GcRefCell, Heap, Mutation, Root, Trace, Tracer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A number that canaries and probes count up.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }
    /// Something that counts when it is dropped.
    pub(crate) fn canary(&self) -> Canary {
        Canary(self.clone())
    }
    /// Something that counts each time it is traced.
    pub(crate) fn probe(&self) -> Probe {
        Probe(self.clone())
    }
}

#[derive(Trace)]
pub(crate) struct Canary(#[trace(skip)] Count);
impl Drop for Canary {
    fn drop(&mut self) {
        self.0.add();
    }
}

pub(crate) struct Probe(Count);
// SAFETY: it holds no `Gc`, so there is nothing to report.
unsafe impl<'gc> Trace<'gc> for Probe {
    fn trace(&self, _: &mut Tracer<'gc>) {
        self.0.add();
    }
}

/// Two pointers that change, a number, and a canary.
#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) next: GcCell<'gc, Node<'gc>>,
    pub(crate) other: GcCell<'gc, Node<'gc>>,
    pub(crate) value: u64,
    canary: Canary,
}

pub(crate) type Ptr<'gc> = Gc<'gc, Node<'gc>>;

pub(crate) fn node<'gc>(mc: &Mutation<'gc>, drops: &Count, value: u64) -> Ptr<'gc> {
    pair(mc, drops, value, None, None)
}

/// A node whose pointers are there from the start, without a store.
pub(crate) fn pair<'gc>(
    mc: &Mutation<'gc>,
    drops: &Count,
    value: u64,
    next: Option<Ptr<'gc>>,
    other: Option<Ptr<'gc>>,
) -> Ptr<'gc> {
    let (next, other) = (GcCell::new(next), GcCell::new(other));
    Gc::new(mc, Node { next, other, value, canary: drops.canary() })
}

/// What the mutation's pin takes the collector to be doing.
pub(crate) fn mode(heap: &Heap) -> String {
    let text = heap.mutate(|mc| format!("{mc:?}"));
    let mode = text.split("mode: ").nth(1).expect("a mutation prints its mode");
    mode.chars().take_while(char::is_ascii_alphabetic).collect()
}

/// Waits for something that another thread is about to do; a minute is for ever.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it did not happen");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Tells other threads to end, also when a test fails: a scope waits for them.
pub(crate) struct End<'a>(pub(crate) &'a AtomicBool);
impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

const OPEN: u8 = 0;
const ARMED: u8 = 1;
const HELD: u8 = 2;

/// Where a collector thread stops, once for each [`Latch::hold`].
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<AtomicU8>);

impl Latch {
    fn pass(&self) {
        if self.0.compare_exchange(ARMED, HELD, SeqCst, SeqCst).is_ok() {
            while self.0.load(SeqCst) == HELD {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }

    /// Starts a cycle, waits until a collector thread has come to this latch, runs `f`, and lets
    /// the cycle go on to its end.
    pub(crate) fn hold<R>(&self, heap: &Heap, f: impl FnOnce() -> R) -> R {
        /// Opens also when `f` panics, for the scope waits for the cycle.
        struct Open<'a>(&'a Latch);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.0.store(OPEN, SeqCst);
            }
        }
        self.0.store(ARMED, SeqCst);
        std::thread::scope(|s| {
            let _open = Open(self);
            s.spawn(|| heap.settle());
            wait_until(|| self.0.load(SeqCst) == HELD);
            f()
        })
    }
}

// SAFETY: it holds no `Gc`, so there is nothing to report.
unsafe impl<'gc> Trace<'gc> for Latch {
    fn trace(&self, _: &mut Tracer<'gc>) {
        self.pass();
    }
}

/// An object in whose middle the tracer stops: the front has been read by then, the back has not.
/// What only the back leads to is white while the latch holds.
#[derive(Trace)]
pub(crate) struct Held<'gc> {
    pub(crate) front: [GcCell<'gc, Node<'gc>>; 2],
    pub(crate) front_list: GcRefCell<Vec<Ptr<'gc>>>,
    latch: Latch,
    pub(crate) back: [GcCell<'gc, Node<'gc>>; 2],
    pub(crate) back_list: GcRefCell<Vec<Ptr<'gc>>>,
}

/// A heap that never stops its threads, whatever the environment says: what these tests do is done
/// while it marks.
pub(crate) fn on_the_fly() -> Heap {
    Heap::builder().stop_the_world(false).build().unwrap()
}

/// A heap with one such object, and its latch.
pub(crate) fn held() -> (Heap, Root<Held<'static>>, Latch) {
    let (heap, latch) = (on_the_fly(), Latch::default());
    let root = heap.mutate(|mc| {
        let object = Held {
            front: Default::default(),
            front_list: GcRefCell::default(),
            latch: latch.clone(),
            back: Default::default(),
            back_list: GcRefCell::default(),
        };
        Gc::root(Gc::new(mc, object), mc)
    });
    (heap, root, latch)
}

/// Garbage whose drop stops at a latch: it holds the drop thread.
#[derive(Trace)]
pub(crate) struct Stopper(#[trace(skip)] pub(crate) Latch);
impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.pass();
    }
}

/// A heap, to be reached from destructors, and taken out at the end.
#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<std::sync::Mutex<Option<Heap>>>);

impl Shared {
    pub(crate) fn of(heap: &Heap) -> Shared {
        Shared(Arc::new(std::sync::Mutex::new(Some(heap.clone()))))
    }
    pub(crate) fn heap(&self) -> Option<Heap> {
        self.0.lock().unwrap().clone()
    }
    pub(crate) fn close(&self) {
        drop(self.0.lock().unwrap().take());
    }
}
