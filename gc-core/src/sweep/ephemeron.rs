//! Ephemerons: a value that lives as long as its key does, even if the value leads to the key.
//!
//! 1. An ephemeron's box ([`EphemeronBox`]) is a weak box for the key, with the value's address beside it. Marking
//!    the box marks neither.
//! 2. When nothing grey is left, the collector looks at every box ([`each_ephemeron`]). Where the box and the key
//!    are marked it marks the value and follows what that leads to (`mark::follow`), and marking goes on. It does
//!    so before a termination round, and once more after a clean one. If that finds nothing, the fixpoint is
//!    reached.
//! 3. A mark that a mutator sets must not escape between that look and the gate: a shade counts even where nothing is
//!    to be traced, once there are ephemerons ([`Ephemerons::exist`]). The collector's fence in the round's handshake
//!    makes every later shade see it; earlier ones are seen by the second look.
//! 4. Reading the value takes an upgrade of the key through the weak gate (rule 8), and nothing more: with the box and
//!    the key in hand, the fixpoint is sure to reach the value.
//! 5. Boxes with an unmarked key are flagged dead together with the weak boxes (rule 9). From then on only that flag
//!    decides.
//!
//! Literature: Hayes, "Ephemerons: a new finalization mechanism" (OOPSLA 1997).

use super::weak::{WeakBox, each_box};
use crate::heap::Space;
use crate::heap::object::TypeInfo;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, chaos};

/// Whether the heap has ever had an ephemeron. Set before the first box is filled, never reset.
#[derive(Debug)]
pub struct Ephemerons(AtomicBool);

impl Ephemerons {
    /// None yet.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Ephemerons(AtomicBool::new(false))
    }
    /// Whether shades of untraced objects count.
    #[inline]
    pub fn exist(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
    /// There is one now.
    pub fn appear(&self) {
        if !self.exist() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// The box of an ephemeron.
#[derive(Debug)]
#[repr(C)]
pub struct EphemeronBox {
    /// First, so that it can be looked at as a weak box.
    pub key: WeakBox,
    value: AtomicUsize,
}

impl EphemeronBox {
    /// An empty box.
    #[cfg(loom)]
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        EphemeronBox { key: WeakBox::new(0), value: AtomicUsize::new(0) }
    }
    /// Fills an empty slot. The collector may look at the slot at the same time: the key comes last.
    pub fn fill(&self, key: usize, value: usize) {
        self.value.store(value, Ordering::Relaxed);
        chaos();
        self.key.fill(key);
    }
    /// The value's address.
    pub fn value(&self) -> usize {
        self.value.load(Ordering::Relaxed)
    }
}

/// What the heap knows of the boxes of ephemerons.
pub(crate) static EPHEMERON: TypeInfo = TypeInfo::of_ephemeron(size_of::<EphemeronBox>());

/// Calls `each(box, key, value)` for the ephemerons that are not dead.
pub(crate) fn each_ephemeron(space: &Space, mut each: impl FnMut(usize, usize, usize)) {
    each_box(
        space,
        |info| info.ephemeron,
        |at, weak| {
            if weak.is_dead() {
                return;
            }
            let key = weak.filled_target();
            if key != 0 {
                // SAFETY: INV-11: an allocated slot of this class holds an ephemeron's box.
                let value = unsafe { &*(at as *const EphemeronBox) }.value();
                each(at, key, value);
            }
        },
    );
}
