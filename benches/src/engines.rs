//! The engines: their names, what each cannot express, and the way from a name to the code that all
//! engines with pointers share.

#![forbid(unsafe_code)]

use crate::args::{Workload, name_of};

/// The memory managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Gc,
    Rc,
    Arc,
    Box,
    GcCrate,
    GcArena,
    GcArenaStw,
    Boa,
    Dumpster,
    DumpsterSync,
    RustCc,
    BaconCc,
    Bumpalo,
    TypedArena,
}

pub(crate) const ENGINES: &[(&str, Engine)] = &[
    ("gc", Engine::Gc),
    ("rc", Engine::Rc),
    ("arc", Engine::Arc),
    ("box", Engine::Box),
    ("gc-crate", Engine::GcCrate),
    ("gc-arena", Engine::GcArena),
    ("gc-arena-stw", Engine::GcArenaStw),
    ("boa", Engine::Boa),
    ("dumpster", Engine::Dumpster),
    ("dumpster-sync", Engine::DumpsterSync),
    ("rust-cc", Engine::RustCc),
    ("bacon-cc", Engine::BaconCc),
    ("bumpalo", Engine::Bumpalo),
    ("typed-arena", Engine::TypedArena),
];

/// Why a workload is refused on several threads.
const ONE_THREAD: &str = "its pointers stay on one thread; run it with --threads 1";

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        name_of(ENGINES, &self)
    }

    /// Returns whether only a build with the feature `peers` has it.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Engine::Gc | Engine::Rc | Engine::Arc | Engine::Box)
    }

    /// Returns why the engine cannot run the workload on that many threads, if so.
    pub(crate) fn refusal(self, workload: Workload, threads: usize) -> Option<&'static str> {
        use Engine::*;
        match (workload, self) {
            (_, Gc) => None,
            (Workload::Idle, _) => Some("it measures what our heap gives back"),
            (Workload::Mark, Rc | Arc | Box | Bumpalo | TypedArena) => {
                Some("it measures a collector")
            }
            (Workload::Mark, GcCrate) => {
                Some("its marker recurses, and a random graph overflows the stack")
            }
            (Workload::Mark, Dumpster | DumpsterSync | RustCc | BaconCc) => {
                Some("it searches dead cycles only and never marks what is live")
            }
            (Workload::Mutate, Box) => Some("its nodes have two owners, a slot and another node"),
            (Workload::Lru, Arc | Box | DumpsterSync) => None,
            (Workload::Window | Workload::Mutate | Workload::Lru, Bumpalo | TypedArena) => {
                Some("objects die one by one, and an arena frees all at once")
            }
            (Workload::Lru, GcArena | GcArenaStw) if threads > 1 => Some(ONE_THREAD),
            (Workload::Lru, GcArena | GcArenaStw) => None,
            (Workload::Lru, _) => {
                Some("its threads share the cache, and these pointers are not shared")
            }
            (Workload::Mutate, Arc | DumpsterSync) => None,
            (Workload::Mutate, _) if threads > 1 => Some(ONE_THREAD),
            _ => None,
        }
    }
}

/// Runs `$work` with the type `$p` of the engine's pointers, which are
/// [`SharedPointers`](crate::objects) too. Engines not listed here were refused while the command
/// line was parsed.
macro_rules! with_shared_pointers {
    ($engine:expr, $p:ident => $work:expr) => {
        match $engine {
            $crate::engines::Engine::Rc => $crate::engines::with!($p = $crate::owned::Rcs => $work),
            $crate::engines::Engine::Arc => $crate::engines::with!($p = $crate::owned::Arcs => $work),
            #[cfg(feature = "peers")]
            $crate::engines::Engine::GcCrate => {
                $crate::engines::with!($p = $crate::peers::gc_crate::GcCrate => $work)
            }
            #[cfg(feature = "peers")]
            $crate::engines::Engine::Boa => $crate::engines::with!($p = $crate::peers::boa::Boa => $work),
            #[cfg(feature = "peers")]
            $crate::engines::Engine::Dumpster => {
                $crate::engines::with!($p = $crate::peers::dumpster::Dumpster => $work)
            }
            #[cfg(feature = "peers")]
            $crate::engines::Engine::DumpsterSync => {
                $crate::engines::with!($p = $crate::peers::dumpster_sync::DumpsterSync => $work)
            }
            #[cfg(feature = "peers")]
            $crate::engines::Engine::RustCc => {
                $crate::engines::with!($p = $crate::peers::rust_cc::RustCc => $work)
            }
            #[cfg(feature = "peers")]
            $crate::engines::Engine::BaconCc => {
                $crate::engines::with!($p = $crate::peers::bacon_cc::BaconCc => $work)
            }
            engine => unreachable!("{} was refused while parsing", engine.name()),
        }
    };
}

/// As [`with_shared_pointers`], for all engines with [`Pointers`](crate::objects).
macro_rules! with_pointers {
    ($engine:expr, $p:ident => $work:expr) => {
        match $engine {
            $crate::engines::Engine::Box => $crate::engines::with!($p = $crate::owned::Boxes => $work),
            engine => $crate::engines::with_shared_pointers!(engine, $p => $work),
        }
    };
}

macro_rules! with {
    ($p:ident = $type:ty => $work:expr) => {{
        type $p = $type;
        $work
    }};
}

pub(crate) use {with, with_pointers, with_shared_pointers};
