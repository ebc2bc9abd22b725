//! Weak pointers: boxes, the gate, and the pass that flags the dead (rules 8 and 9).
//!
//! 1. A weak pointer points to a [`WeakBox`] in the heap, which is kept alive like any object and
//!    whose target is not traced. The dead flag is always tested first.
//! 2. While marking, an upgrade takes the read side of the [`Gate`]. A marked target is live. If
//!    the target is not marked and the gate is `resolved`, the target is dead. Otherwise the
//!    upgrade shades it, and the shade counts.
//! 3. The collector takes the write side after a clean round ([`Gate::resolve`]). If no object was
//!    shaded meanwhile, it sets `resolved`. Only at this moment may a mutator wait for the
//!    collector, for the length of one comparison.
//! 4. Before the Sweep epoch is set, every box with an unmarked target is flagged ([`flag_dead`]).
//!    From then on the flag alone decides. It is set before the target's slot can be reused. The
//!    flag is the cycle's number. Of the objects that have an address one after another, only one
//!    dies in a cycle. So address and number identify the object for ever.
//! 5. A slot may be reused before all have crossed into Sweep (`early`). Take an upgrade that has
//!    found no flag and is about to read the mark. It would take the mark of another object for the
//!    target's. So the collector first waits for such upgrades ([`Gate::settle`]); a later upgrade
//!    reads the flag inside the gate.
//! 6. After the Sweep crossing the gate is reset ([`Gate::reset`]).

use crate::heap::Space;
use crate::heap::object::TypeInfo;
use crate::heap::span::SpanBits;
use crate::sync::{AtomicU64, AtomicUsize, Ordering, RwLock};
use crate::word::{Addr, Cycle};

/// The gate between upgrades and the end of marking.
#[derive(Debug)]
pub struct Gate {
    resolved: RwLock<bool>,
}

impl Gate {
    /// Not resolved.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Gate { resolved: RwLock::new(false) }
    }
    /// Returns whether the target of `weak` is live, for a thread in Mark. `shade` must have
    /// counted when it returns.
    pub fn upgrade(
        &self,
        weak: &WeakBox,
        is_marked: impl FnOnce() -> bool,
        shade: impl FnOnce(),
    ) -> bool {
        let resolved = self.resolved.read();
        // Tested inside the gate and before the mark: a slot that was freed and taken again has
        // another object's mark.
        if weak.is_dead() {
            return false;
        }
        if is_marked() {
            return true;
        }
        if *resolved {
            return false;
        }
        shade();
        true
    }
    /// Closes the gate if `clean` returns `true` under its write side. Returns whether it is
    /// closed.
    #[must_use]
    pub fn resolve(&self, clean: impl FnOnce() -> bool) -> bool {
        let mut resolved = self.resolved.write();
        *resolved = clean();
        *resolved
    }
    /// Waits for the upgrades inside the gate. Later ones see the flags that were set before.
    pub fn settle(&self) {
        drop(self.resolved.write());
    }
    /// Opens the gate, between the Sweep crossing and the next Prep.
    pub fn reset(&self) {
        *self.resolved.write() = false;
    }
}

/// The box that all copies of a weak pointer share. An ephemeron's box begins with one, for its
/// key.
///
/// `target` is zero in a slot that is free or not yet filled. Such slots are zeroed before their
/// alloc bits are set, so the pass never reads garbage.
#[derive(Debug)]
#[repr(C)]
pub struct WeakBox {
    target: AtomicUsize,
    /// The cycle that found the target dead; 0 while none has.
    died: AtomicU64,
}

impl WeakBox {
    /// A box for the object at `target`.
    #[cfg(any(test, loom))]
    pub fn new(target: Addr) -> Self {
        WeakBox { target: AtomicUsize::new(target.get()), died: AtomicU64::new(0) }
    }
    /// Empties a free slot that is about to be taken.
    pub fn empty(&self) {
        self.target.store(0, Ordering::Relaxed);
        self.died.store(0, Ordering::Relaxed);
    }
    /// Fills an empty slot. The pass may read the slot at the same time.
    pub fn fill(&self, target: Addr) {
        self.target.store(target.get(), Ordering::Release);
    }
    /// The address of the object, which may be dead.
    #[inline]
    pub fn target(&self) -> Addr {
        Addr::new(self.target.load(Ordering::Relaxed))
    }
    /// The same. Also makes visible what was written before [`fill`](Self::fill).
    pub fn filled_target(&self) -> Addr {
        Addr::new(self.target.load(Ordering::Acquire))
    }
    /// Returns whether the target is known to be dead.
    #[inline]
    pub fn is_dead(&self) -> bool {
        self.died() != 0
    }
    /// The cycle that found the target dead; 0 if none has. Acquire: pairs with `flag_unless`.
    #[inline]
    pub fn died(&self) -> u64 {
        self.died.load(Ordering::Acquire)
    }
    /// Flags the box if its target is not marked. By the collector in `cycle`, between `resolved`
    /// and the Sweep epoch.
    pub fn flag_unless(&self, cycle: Cycle, is_marked: impl FnOnce(Addr) -> bool) {
        let target = self.filled_target();
        if !target.is_null() && !self.is_dead() && !is_marked(target) {
            self.died.store(cycle.get(), Ordering::Release);
        }
    }
}

/// The type information of weak boxes: no edges and no drop, but not leaf data, since the pass
/// reads them.
pub(crate) static WEAK_BOX: TypeInfo = TypeInfo::of_weak_box(size_of::<WeakBox>());

/// Flags every box whose target is not marked, in `cycle`.
pub(crate) fn flag_dead(space: &Space, cycle: Cycle) {
    each_box(
        space,
        |info| info.weak_box,
        |_, weak| {
            weak.flag_unless(cycle, |target| space.is_marked(target));
        },
    );
}

/// Calls `each` with the address and the weak box of every allocated object of the classes that
/// `which` chooses.
pub(super) fn each_box(
    space: &Space,
    which: fn(&TypeInfo) -> bool,
    mut each: impl FnMut(Addr, &WeakBox),
) {
    if !space.all_classes().iter().any(|class| which(class.info)) {
        return;
    }
    space.each_span(|span, class| {
        if !which(class.info) {
            return;
        }
        let first = space.first_word(span);
        for i in 0..class.starts.len() {
            let bits = space.allocated(first + i);
            space.each_object(class, span, SpanBits { word: i, bits }, |at| {
                // SAFETY: INV-11: the slot is allocated, so it holds a box, or zeros, which are an
                // empty box. Boxes change by atomics only.
                each(at, unsafe { &*at.ptr::<WeakBox>() });
            });
        }
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_gate_decides_by_flag_then_by_mark_then_by_its_state() {
        let (gate, weak) = (Gate::new(), WeakBox::new(Addr::new(16)));
        assert!(gate.upgrade(&weak, || true, || panic!("marked already")));
        let mut shaded = false;
        assert!(gate.upgrade(&weak, || false, || shaded = true) && shaded);
        assert!(!gate.resolve(|| false) && gate.resolve(|| true));
        assert!(!gate.upgrade(&weak, || false, || panic!("resolved")));
        weak.flag_unless(Cycle::new(1), |_| false);
        gate.settle();
        assert!(!gate.upgrade(&weak, || panic!("the mark of another object"), || {}));
        gate.reset();
        assert!(gate.upgrade(&WeakBox::new(Addr::new(32)), || false, || {}));
    }

    #[test]
    fn only_boxes_of_unmarked_targets_are_flagged() {
        let (live, dead, empty) =
            (WeakBox::new(Addr::new(16)), WeakBox::new(Addr::new(32)), WeakBox::new(Addr::NULL));
        for weak in [&live, &dead, &empty] {
            weak.flag_unless(Cycle::new(7), |target| target == Addr::new(16));
        }
        assert_eq!([live.died(), dead.died(), empty.died()], [0, 7, 0]);
        dead.flag_unless(Cycle::new(8), |_| false);
        assert!(dead.is_dead() && dead.died() == 7, "it dies once");
    }
}
