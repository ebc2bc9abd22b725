//! Ephemerons: a value that lives as long as its key does, even if the value leads to the key.
//!
//! 1. An ephemeron's box ([`EphemeronBox`]) is a weak box for the key, with the value's address
//!    beside it. Marking the box marks neither.
//! 2. When no object is grey, the collector looks at every box ([`each_ephemeron`]). If the box and
//!    the key are marked, it marks the value and what that leads to (`follow`), and marking
//!    goes on. It does so before a termination round, and once more after a clean one. If the
//!    second look finds nothing, the fixpoint is reached.
//! 3. A mark that a mutator sets must not be missed between that look and the gate. So once there
//!    are ephemerons, a shade counts even if the object need not be traced ([`Ephemerons::exist`]).
//!    Because of the collector's fence in the round's handshake, every later shade sees that. The
//!    second look sees the marks of earlier ones.
//! 4. Reading the value takes an upgrade of the key through the weak gate (rule 8), and nothing
//!    more. The fixpoint is sure to reach the value, since the reader has the box and the key.
//! 5. Boxes with an unmarked key are flagged dead together with the weak boxes (rule 9). From then
//!    on only that flag decides.
//!
//! Literature: Hayes, "Ephemerons: a new finalization mechanism" (OOPSLA 1997).

use super::gate::{WeakBox, each_box};
use crate::heap::Space;
use crate::heap::object::TypeInfo;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};
use crate::word::Addr;

/// Whether the heap has ever had an ephemeron. Set before the first box is filled, never reset.
#[derive(Debug)]
pub struct Ephemerons(AtomicBool);

impl Ephemerons {
    /// Without ephemerons.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Ephemerons(AtomicBool::new(false))
    }
    /// Returns whether shades of untraced objects count.
    #[inline]
    pub fn exist(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
    /// Records that there is one now.
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
    /// First, so that it can be read as a weak box.
    pub key: WeakBox,
    value: AtomicUsize,
}

impl EphemeronBox {
    /// An empty box.
    #[cfg(loom)]
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        EphemeronBox { key: WeakBox::new(Addr::NULL), value: AtomicUsize::new(0) }
    }
    /// Fills an empty slot. The collector may read the slot at the same time, so the key comes
    /// last.
    pub fn fill(&self, key: Addr, value: Addr) {
        self.value.store(value.get(), Ordering::Relaxed);
        self.key.fill(key);
    }
    /// The value's address.
    pub fn value(&self) -> Addr {
        Addr::new(self.value.load(Ordering::Relaxed))
    }
}

/// The type information of ephemerons' boxes.
pub(crate) static EPHEMERON: TypeInfo = TypeInfo::of_ephemeron(size_of::<EphemeronBox>());

/// Calls `each(box, key, value)` for the ephemerons that are not dead.
pub(crate) fn each_ephemeron(space: &Space, mut each: impl FnMut(Addr, Addr, Addr)) {
    each_box(
        space,
        |info| info.ephemeron,
        |at, weak| {
            if weak.is_dead() {
                return;
            }
            let key = weak.filled_target();
            if !key.is_null() {
                // SAFETY: INV-11: an allocated slot of this class holds an ephemeron's box.
                let value = unsafe { &*at.ptr::<EphemeronBox>() }.value();
                each(at, key, value);
            }
        },
    );
}
