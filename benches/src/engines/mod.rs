//! The engines: what manages the memory of a run.
//!
//! Each engine implements [`Engine`] in a file of its own and stands in a list: this heap and the
//! yardsticks of the standard library here, other crates in `peers`. The workloads know the trait
//! only, so a new engine changes none.

#![forbid(unsafe_code)]

use std::fmt::Debug;

use gc_core::Heap;

use crate::peers::PEERS;
use crate::{alloc, btree, gcbench, idle, lru, mark, mutate, window};

mod ours;
mod yardsticks;

/// The body of a workload, or why the engine cannot express it.
pub(crate) type Can<Body> = Result<Body, &'static str>;

/// How an engine does each workload.
pub(crate) trait Engine: Debug + Sync {
    fn alloc(&self) -> Can<alloc::Body>;
    fn btree(&self) -> Can<btree::Body>;
    fn gcbench(&self) -> Can<gcbench::Body>;
    fn window(&self) -> Can<window::Body>;

    fn mark(&self) -> Can<mark::Body> {
        Err("it measures a collector")
    }

    fn mutate(&self, threads: usize) -> Can<mutate::Body>;

    fn lru(&self, _threads: usize) -> Can<lru::Body> {
        Err("its threads share the cache, and these pointers are not shared")
    }

    fn idle(&self) -> Can<idle::Body> {
        Err("it measures what our heap gives back")
    }
}

/// What an engine is. It decides with whom it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This heap.
    Ours,
    /// Pointers of the standard library.
    Yardstick,
    /// An arena of another crate: no collector.
    Arena,
    /// A collector of another crate.
    Collector,
}

/// An engine in the list.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name on the command line and in tables.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// `None` for a peer in a build without the feature `peers`.
    pub(crate) engine: Option<&'static dyn Engine>,
}

static OWN: [Entry; 4] = [
    Entry { name: "gc", kind: Kind::Ours, engine: Some(&ours::Ours) },
    Entry { name: "rc", kind: Kind::Yardstick, engine: Some(&crate::owned::Rcs) },
    Entry { name: "arc", kind: Kind::Yardstick, engine: Some(&crate::owned::Arcs) },
    Entry { name: "box", kind: Kind::Yardstick, engine: Some(&crate::owned::Boxes) },
];

/// All engines.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    OWN.iter().chain(PEERS)
}

/// The engine of that name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.name == name)
}

impl Entry {
    /// Whether this build lacks it.
    pub(crate) fn is_missing(&self) -> bool {
        self.engine.is_none()
    }

    /// The body that `workload` picks, or why there is none.
    pub(crate) fn can<Body>(&self, workload: impl Fn(&dyn Engine) -> Can<Body>) -> Can<Body> {
        workload(self.engine.ok_or("this build lacks it")?)
    }
}

/// The heap of `gc`, which a run of that engine has.
pub(crate) fn given(heap: Option<&Heap>) -> &Heap {
    heap.expect("a run with the engine gc has a heap")
}

/// Allows `body` on one thread only.
pub(crate) fn on_one_thread<Body>(threads: usize, body: Body) -> Can<Body> {
    if threads > 1 {
        return Err("its pointers stay on one thread; run it with --threads 1");
    }
    Ok(body)
}

/// Implements [`Engine`] for a type with [`Pointers`](crate::objects::Pointers): four workloads are
/// written once for all such types. What else the engine does, or why it does not, follows in
/// braces.
macro_rules! pointer_engine {
    ($engine:ident { $($more:tt)* }) => {
        impl $crate::engines::Engine for $engine {
            fn alloc(&self) -> $crate::engines::Can<$crate::alloc::Body> {
                Ok($crate::alloc::pointers::<$engine>)
            }

            fn btree(&self) -> $crate::engines::Can<$crate::btree::Body> {
                Ok($crate::btree::pointers::<$engine>)
            }

            fn gcbench(&self) -> $crate::engines::Can<$crate::gcbench::Body> {
                Ok($crate::gcbench::pointers::<$engine>)
            }

            fn window(&self) -> $crate::engines::Can<$crate::window::Body> {
                Ok($crate::window::pointers::<$engine>)
            }

            $($more)*
        }
    };
}
pub(crate) use pointer_engine;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all().count());
        assert_eq!(find("gc").map(|entry| entry.kind), Some(Kind::Ours));
        assert!(find("perl").is_none());
    }
}
