//! The peers: other collectors and arenas for Rust, each doing what it can express of the same
//! work.
//!
//! A peer's file says what the crate is, what its collector does by itself, and what it was asked
//! to do. To add one: write its file with an [`Engine`](crate::engines::Engine), and name the file
//! and the engine below. A peer whose pointers a program can hold anywhere gets the macros
//! `pointers!` and `pointer_engine!`, and so runs the code of the yardsticks; the others implement
//! the workloads' own traits.
//!
//! The feature `peers` compiles them. Without it the list still has their names, for results of
//! other builds.

#![forbid(unsafe_code)]

use crate::engines::{Entry, Kind};

#[cfg(feature = "peers")]
mod bacon_cc;
#[cfg(feature = "peers")]
mod boa;
#[cfg(feature = "peers")]
mod bumpalo;
#[cfg(feature = "peers")]
mod dumpster;
#[cfg(feature = "peers")]
mod dumpster_sync;
#[cfg(feature = "peers")]
mod gc_arena;
#[cfg(feature = "peers")]
mod gc_crate;
#[cfg(feature = "peers")]
mod pointers;
#[cfg(feature = "peers")]
mod regions;
#[cfg(feature = "peers")]
mod rust_cc;
#[cfg(feature = "peers")]
mod sandpit;
#[cfg(feature = "peers")]
mod typed_arena;

/// The list, from `name: kind, engine` for each.
macro_rules! peers {
    ($($name:literal: $kind:ident, $engine:expr;)*) => {
        &[$(Entry {
            name: $name,
            kind: Kind::$kind,
            #[cfg(feature = "peers")]
            engine: Some(&$engine),
            #[cfg(not(feature = "peers"))]
            engine: None,
        }),*]
    };
}

/// All peers, in the order of the tables.
pub(crate) static PEERS: &[Entry] = peers! {
    "gc-crate": Collector, gc_crate::GcCrate;
    "gc-arena": Collector, gc_arena::GcArena::<false>;
    "gc-arena-stw": Collector, gc_arena::GcArena::<true>;
    "sandpit": Collector, sandpit::Sandpit;
    "boa": Collector, boa::Boa;
    "dumpster": Collector, dumpster::Dumpster;
    "dumpster-sync": Collector, dumpster_sync::DumpsterSync;
    "rust-cc": Collector, rust_cc::RustCc;
    "bacon-cc": Collector, bacon_cc::BaconCc;
    "bumpalo": Arena, bumpalo::Bumpalo;
    "typed-arena": Arena, typed_arena::TypedArena;
};
