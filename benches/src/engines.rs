//! Which kind of pointers an engine has: the way from the name on the command line to code that is written once.

#![forbid(unsafe_code)]

/// Runs `$work` with the type `$p` of the engine's pointers, which are [`SharedPointers`](crate::objects) too. What is
/// not listed was refused while the command line was parsed.
macro_rules! with_shared_pointers {
    ($engine:expr, $p:ident => $work:expr) => {
        match $engine {
            $crate::args::Engine::Rc => $crate::engines::with!($p = $crate::owned::Rcs => $work),
            $crate::args::Engine::Arc => $crate::engines::with!($p = $crate::owned::Arcs => $work),
            #[cfg(feature = "peers")]
            $crate::args::Engine::GcCrate => {
                $crate::engines::with!($p = $crate::peers::gc_crate::GcCrate => $work)
            }
            #[cfg(feature = "peers")]
            $crate::args::Engine::Boa => $crate::engines::with!($p = $crate::peers::boa::Boa => $work),
            #[cfg(feature = "peers")]
            $crate::args::Engine::Dumpster => {
                $crate::engines::with!($p = $crate::peers::dumpster::Dumpster => $work)
            }
            #[cfg(feature = "peers")]
            $crate::args::Engine::DumpsterSync => {
                $crate::engines::with!($p = $crate::peers::dumpster_sync::DumpsterSync => $work)
            }
            #[cfg(feature = "peers")]
            $crate::args::Engine::RustCc => {
                $crate::engines::with!($p = $crate::peers::rust_cc::RustCc => $work)
            }
            #[cfg(feature = "peers")]
            $crate::args::Engine::BaconCc => {
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
            $crate::args::Engine::Box => $crate::engines::with!($p = $crate::owned::Boxes => $work),
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
