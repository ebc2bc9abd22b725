//! A toy heap for the larger models, on the protocol types that ship. It has objects of one pointer
//! field, the barrier of `mutator.rs`, a marker, and the two sides of a handshake.

use gc_core::model::{Addr, Epoch, EpochWord, GreyRing, MarkWord, Mode, PinWord, full_fence};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Objects 1, 2, …, each with one field; 0 is null.
#[derive(Debug)]
pub struct Toy {
    /// The mark bit of object i is bit i.
    pub marks: MarkWord,
    fields: Vec<AtomicUsize>,
}

impl Toy {
    /// `fields[i]` is the target of object i + 1.
    pub fn new(fields: &[usize]) -> Toy {
        let fields = fields.iter().map(|&to| AtomicUsize::new(to)).collect();
        Toy { marks: MarkWord::new(), fields }
    }
    fn field(&self, object: usize) -> &AtomicUsize {
        &self.fields[object - 1]
    }
    /// Reads a field as a mutator does.
    pub fn load(&self, object: usize) -> usize {
        self.field(object).load(Ordering::Acquire)
    }
    /// The same as an exchange, to which loom always gives the last store.
    pub fn load_exactly(&self, object: usize) -> usize {
        self.field(object).fetch_add(0, Ordering::AcqRel)
    }
    /// Marks an object. Returns whether this call did it.
    #[must_use]
    pub fn mark(&self, object: usize) -> bool {
        object != 0 && self.marks.test_and_set(1 << object)
    }
    /// Returns whether an object is marked.
    pub fn is_marked(&self, object: usize) -> bool {
        self.marks.is_set(1 << object)
    }
    /// Makes a white object grey, through the thread's ring.
    pub fn shade(&self, object: usize, ring: &GreyRing) {
        if object == 0 || self.is_marked(object) {
            return;
        }
        ring.begin();
        if self.mark(object) {
            assert!(ring.push(Addr::new(object)), "a model's ring is large enough");
        } else {
            // Acquire: makes the count of the thread that marked it visible.
            let _marked = self.is_marked(object);
        }
    }
    /// The barrier's store.
    pub fn store(&self, mode: Mode, object: usize, new: usize, ring: &GreyRing) {
        let field = self.field(object);
        match mode {
            Mode::Off => field.store(new, Ordering::Release),
            Mode::Prep => {
                self.shade(new, ring);
                let old = field.swap(new, Ordering::AcqRel);
                self.shade(old, ring);
            }
            Mode::Mark => {
                let old = field.load(Ordering::Acquire);
                field.store(new, Ordering::Release);
                // The code may do other things first; in the model the other threads run here.
                self.shade(old, ring);
            }
        }
    }
    /// A store with the barrier left out.
    pub fn store_plain(&self, object: usize, new: usize) {
        self.field(object).store(new, Ordering::Release);
    }
    /// An exchange with the barrier left out.
    pub fn swap_plain(&self, object: usize, new: usize) -> usize {
        self.field(object).swap(new, Ordering::AcqRel)
    }
    /// Scans the objects on `stack` until it is empty.
    pub fn scan(&self, stack: &mut Vec<usize>) {
        while let Some(object) = stack.pop() {
            let to = self.load(object);
            if self.mark(to) {
                stack.push(to);
            }
        }
    }
    /// Takes the objects in `ring` and scans them.
    pub fn drain(&self, ring: &GreyRing) {
        let mut stack = Vec::new();
        while ring.take(usize::MAX, |object| stack.push(object.get())) > 0 {
            self.scan(&mut stack);
        }
    }
    /// At the end: every object that is reachable from `roots` is marked.
    pub fn check(&self, roots: &[usize]) {
        for &root in roots {
            let (mut object, mut left) = (root, self.fields.len());
            while object != 0 && left > 0 {
                assert!(self.is_marked(object), "a reachable object was lost");
                object = self.load_exactly(object);
                left -= 1;
            }
        }
    }
}

/// A point at which threads may take turns. loom remembers only the last access of a word. Take one
/// thread's load and another's load and store of the same word. loom does not see their race
/// (tokio-rs/loom#392), and explores one order of the two. Exchanges of a word of their own are
/// always seen.
///
/// Relaxed, so that it orders nothing. Not for use next to fences, with which it would order
/// accesses.
#[derive(Debug)]
pub struct Turn(AtomicUsize);

impl Turn {
    /// A word for all threads of a model.
    #[allow(clippy::new_without_default, reason = "as for all types of the models")]
    pub fn new() -> Turn {
        Turn(AtomicUsize::new(0))
    }
    /// Any other thread may run here.
    pub fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Pins in the current epoch.
pub fn pin(pin: &PinWord, epoch: &EpochWord) -> Epoch {
    loop {
        let at = epoch.load();
        if pin.publish(at, epoch) {
            return at;
        }
    }
}

/// The first half of a handshake.
pub fn begin(epoch: &EpochWord, to: Epoch) {
    epoch.advance(to);
    full_fence();
}

/// The second half: waits until every pin has crossed.
pub fn wait(pins: &[&PinWord], to: Epoch) {
    for pin in pins {
        while !pin.crossed(to) {
            thread::yield_now();
        }
    }
}

/// Both halves.
pub fn handshake(epoch: &EpochWord, pins: &[&PinWord], to: Epoch) {
    begin(epoch, to);
    wait(pins, to);
}
