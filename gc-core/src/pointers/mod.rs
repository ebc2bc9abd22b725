//! The pointers and cells that programs use.
//!
//! | file | type | how a store goes through it |
//! |---|---|---|
//! | `gc` | [`Gc`] | none: it is `Copy` and fixed |
//! | `any` | [`GcAny`], [`Erased`] | none: a `Gc` without its type |
//! | `dynamic` | [`Downcast`], the macros for trait objects | |
//! | `cell` | [`GcCell`], [`GcOnceCell`] | one atomic word, with the barrier; once |
//! | `guarded` | [`GcRefCell`], [`GcMutex`], [`GcRwLock`] | a guard, which carries the barrier |
//! | `mapped` | [`GcMappedRefMut`], guards of a part | the guard that it was made of |
//! | `lock` | the word under the guards | |
//! | `ephemeron` | [`Ephemeron`] | the collector's dead flag |
//! | `weak_map` | [`GcWeakMap`] | the guards of the map's parts |
//! | `external` | [`External`] | none: it counts bytes elsewhere |
//! | `weak` | [`GcWeak`] | the collector's dead flag |
//! | `root` | [`Root`] | the root table |
//! | `by_address` | [`ByAddress`] | none: a `Gc` as a key |
//! | `leaf` | [`Leaf`] | its owner: any `'static` value |
//!
//! `inside` keeps `Debug` finite. `unwind` decides what may cross a `catch_unwind`.
//!
//! Files, lowest first: `inside`, `by_address`, `leaf`, `gc`, `cell`, `lock`, `guarded`, `mapped`,
//! `root`, `weak`, `ephemeron`, `weak_map`, `external`, `dynamic`, `any`, `unwind`.

#[cfg(not(loom))]
mod any;
#[cfg(not(loom))]
mod by_address;
#[cfg(not(loom))]
mod cell;
#[cfg(not(loom))]
mod dynamic;
#[cfg(not(loom))]
mod ephemeron;
#[cfg(not(loom))]
mod external;
#[cfg(not(loom))]
mod gc;
#[cfg(not(loom))]
mod guarded;
#[cfg(not(loom))]
mod inside;
#[cfg(not(loom))]
mod leaf;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
pub mod lock;
#[cfg(not(loom))]
mod mapped;
#[cfg(not(loom))]
mod root;
#[cfg(not(loom))]
mod unwind;
#[cfg(not(loom))]
mod weak;
#[cfg(not(loom))]
mod weak_map;

#[cfg(not(loom))]
pub use any::{Erased, GcAny};
#[cfg(not(loom))]
pub use by_address::ByAddress;
#[cfg(not(loom))]
pub use cell::{GcCell, GcOnceCell};
#[cfg(not(loom))]
pub use dynamic::Downcast;
#[cfg(not(loom))]
pub use ephemeron::Ephemeron;
#[cfg(not(loom))]
pub use external::External;
#[cfg(not(loom))]
pub use gc::Gc;
#[cfg(not(loom))]
pub use guarded::{GcMutex, GcMutexGuard, GcRef, GcRefCell, GcRefMut, GcRwLock};
#[cfg(not(loom))]
pub use leaf::Leaf;
#[cfg(not(loom))]
pub use mapped::GcMappedRefMut;
#[cfg(not(loom))]
pub use root::Root;
#[cfg(not(loom))]
pub use weak::GcWeak;
#[cfg(not(loom))]
pub use weak_map::GcWeakMap;
