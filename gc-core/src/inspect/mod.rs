#![forbid(unsafe_code)]
//! Looking into a heap: what takes memory, what keeps an object, what has grown.
//!
//! 1. Without a cycle: [`Heap::census`] counts objects by type, [`Heap::root_places`] roots by the
//!    place that made them.
//! 2. With one: [`Heap::snapshot`] asks the collector for the graph of all objects
//!    (`crate::snapshot`). A [`Snapshot`] has no pointer into the heap, and answers on the thread
//!    that asks it. Dominators and retained sizes are computed at the first question for them.
//! 3. `why` has the shortest way from a root to an object, `tables` the rows of the answers.
//!
//! Files, lowest first: `tables`, `why`.

mod tables;
mod why;

pub use tables::{Growth, Retainer, RootHolder, RootPlace, TypeMemory};
pub(crate) use why::Sought;
pub use why::{PathStep, RootPath, Wanted};

use crate::api::Heap;
use crate::error::{CollectError, SnapshotError};
use crate::graph::dominators::{Dominated, ROOT_NODE};
use crate::graph::rows::Node;
use crate::graph::{Failed, Graph};
use crate::mutator::on_collector_thread;
use crate::sync::OnceLock;
use std::fmt;

impl Heap {
    /// The graph of all live objects, with the names of types and fields. Waits for a cycle that
    /// begins after this call; the program runs meanwhile, and no thread waits for the snapshot.
    ///
    /// What it shows is consistent in this sense:
    /// - Its objects are those that were reachable when the cycle began to mark, those born while
    ///   it marked, and those born later that a field led to.
    /// - Every pointer leads to an object of the snapshot, and is what the field held at a moment
    ///   after marking. The moments of two fields differ, by the time of the recording at most
    ///   ([`Snapshot::recorded_in`]). While nothing changes, the graph is exact.
    /// - So an object that was moved from one field to another meanwhile may have no pointer to it.
    ///   It is there ([`Snapshot::unreached`]), with objects that died while the cycle marked.
    ///
    /// A snapshot takes about eight bytes for an object and six for a pointer. While dominators are
    /// computed it takes some twenty more for an object. The collector's thread records, and the
    /// cycle frees nothing meanwhile. So a program that allocates grows by what it allocates in
    /// that time. At a limit that makes threads wait, the snapshot is given up.
    ///
    /// # Errors
    ///
    /// Inside `mutate` of this heap, while another thread takes a snapshot, and where memory is
    /// short: [`SnapshotError`].
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Root, Trace};
    /// #[derive(Trace)]
    /// struct Pair<'gc> { left: Gc<'gc, [u64]>, right: Gc<'gc, str> }
    ///
    /// let heap = Heap::new();
    /// let pair: Root<Pair<'static>> = heap.mutate(|mc| {
    ///     let (left, right) = (Gc::from_slice(mc, &[0; 1000]), Gc::from_str(mc, "text"));
    ///     mc.root(Pair { left, right })
    /// });
    /// let snapshot = heap.snapshot()?;
    /// assert_eq!(snapshot.objects(), 3);
    /// let top = &snapshot.largest(1)[0];
    /// assert!(top.type_name.contains("Pair") && top.retained_bytes >= 8000);
    /// # drop(pair);
    /// # Ok::<(), gc_core::SnapshotError>(())
    /// ```
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let core = self.core();
        if on_collector_thread() {
            return Err(SnapshotError::Refused(CollectError::OnCollectorThread));
        }
        if core.control.is_orphaned() {
            return Err(SnapshotError::Refused(CollectError::AfterFork));
        }
        if core.is_pinned_here() {
            return Err(SnapshotError::Refused(CollectError::InsideMutate));
        }
        let request = core.desk.ask(core.control.next()).ok_or(SnapshotError::InProgress)?;
        core.control.collect();
        let graph = match request.take() {
            Some(Ok(graph)) => graph,
            Some(Err(Failed::Unmarked)) => return Err(SnapshotError::TracePanicked),
            Some(Err(Failed::Short)) => return Err(SnapshotError::MemoryShort),
            Some(Err(Failed::Large)) => return Err(SnapshotError::TooLarge),
            Some(Err(Failed::Ending)) | None => return Err(SnapshotError::Ended),
        };
        Ok(Snapshot { graph, dominated: OnceLock::new() })
    }

    /// Why an object is alive: the shortest way to it from a root, with the names of the fields,
    /// and where the root was made. `None` if no root leads to such an object. Takes a
    /// [snapshot](Self::snapshot) for it.
    ///
    /// What is wanted is a type (`"Session"`: an object of it that is nearest to a root), an
    /// address (`Gc::as_ptr`), or a [`&Root`](crate::Root). For a root it is what else would keep
    /// the object: neither this root nor its clones count.
    ///
    /// # Errors
    ///
    /// As for [`snapshot`](Self::snapshot).
    ///
    /// ```
    /// use gc_core::{Gc, GcRefCell, Heap, Root, Trace};
    /// #[derive(Trace)]
    /// struct Session<'gc> { user: Gc<'gc, str> }
    /// #[derive(Trace)]
    /// struct Server<'gc> { sessions: GcRefCell<Vec<Gc<'gc, Session<'gc>>>> }
    ///
    /// let heap = Heap::new();
    /// let server: Root<Server<'static>> =
    ///     heap.mutate(|mc| mc.root(Server { sessions: GcRefCell::default() }));
    /// heap.mutate(|mc| {
    ///     let session = Gc::new(mc, Session { user: Gc::from_str(mc, "Ada") });
    ///     server.get(mc).sessions.borrow_mut(mc).push(session);
    /// });
    /// let why = heap.why_alive("Session")?.expect("the server has one");
    /// println!("{why}");
    /// assert_eq!(why.fields(), ".sessions[0]");
    /// assert_eq!(why.place.map(|place| place.file()), Some(file!()));
    /// # Ok::<(), gc_core::SnapshotError>(())
    /// ```
    pub fn why_alive<'a>(
        &self,
        what: impl Into<Wanted<'a>>,
    ) -> Result<Option<RootPath>, SnapshotError> {
        Ok(self.snapshot()?.why_alive(what))
    }

    /// Memory by type, the type with the most bytes first. Looks at every span and traces nothing:
    /// a millisecond or two for a gigabyte. Counts objects that no cycle has found dead yet.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::new();
    /// let kept = heap.mutate(|mc| mc.root(vec![Gc::new(mc, 1u8); 3]));
    /// let census = heap.census();
    /// assert!(census.iter().any(|row| row.type_name.contains("Vec") && row.objects == 1));
    /// census.iter().take(5).for_each(|row| println!("{row}"));
    /// # drop(kept);
    /// ```
    #[must_use]
    pub fn census(&self) -> Vec<TypeMemory> {
        let classes = self.core().census().classes;
        tables::by_type(classes.iter().map(|class| {
            ((class.type_name, class.is_array), (class.live_objects, class.live_bytes))
        }))
    }

    /// How many roots there are, by the place that made them and the type they hold, most roots
    /// first. Reads the table of roots: no cycle, no tracing. A root's clones count once.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let kept: Vec<_> = (0..3).map(|n: u64| heap.mutate(|mc| mc.root(n))).collect();
    /// let places = heap.root_places();
    /// assert_eq!((places[0].roots, places[0].place.unwrap().file()), (3, file!()));
    /// println!("{}", places[0]);
    /// # drop(kept);
    /// ```
    #[must_use]
    pub fn root_places(&self) -> Vec<RootPlace> {
        let core = self.core();
        let mut roots = Vec::new();
        core.roots.each_place(|root| {
            let name = core.space.type_at(root.addr).map_or("an object", |info| (info.name)());
            roots.push((root.place, name));
        });
        tables::root_places(roots)
    }
}

/// The graph of a heap's objects ([`Heap::snapshot`]). It holds no pointer into the heap, and
/// outlives it.
///
/// ```
/// use gc_core::{Gc, Heap, Snapshot};
/// let heap = Heap::new();
/// let before: Snapshot = heap.snapshot()?;
/// let leak: Vec<_> = (0..1000).map(|n: u32| heap.mutate(|mc| mc.root(vec![n]))).collect();
/// let after = heap.snapshot()?;
/// let grown = &after.diff(&before)[0];
/// assert!(grown.type_name.contains("Vec<u32>") && grown.objects() == 1000);
/// // Which line made the roots that keep them:
/// assert_eq!(after.roots()[0].roots, 1000);
/// let bytes: u64 = after.types().iter().map(|row| row.bytes).sum();
/// assert_eq!((after.objects(), after.bytes()), (1000, bytes));
/// // All was read, and a root leads to everything.
/// assert_eq!((after.unread_objects(), after.left_out(), after.unreached()), (0, 0, (0, 0)));
/// println!("recorded in {:?}", after.recorded_in());
/// # drop(leak);
/// # Ok::<(), gc_core::SnapshotError>(())
/// ```
pub struct Snapshot {
    pub(crate) graph: Graph,
    dominated: OnceLock<Dominated>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, bytes) = (self.objects(), self.bytes());
        f.debug_struct("Snapshot").field("objects", &objects).field("bytes", &bytes).finish()
    }
}

impl Snapshot {
    /// Dominators and retained sizes.
    pub(crate) fn dominated(&self) -> &Dominated {
        self.dominated.get_or_init(|| self.graph.dominate())
    }

    /// Number of objects.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.graph.len() as u64 - self.graph.first_object().index() as u64
    }
    /// Number of pointers in them, weak ones too, and of roots.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let kept = heap.mutate(|mc| mc.root([gc_core::Gc::new(mc, 1u64); 5]));
    /// assert_eq!(heap.snapshot()?.pointers(), 5 + 1);
    /// # drop(kept);
    /// # Ok::<(), gc_core::SnapshotError>(())
    /// ```
    #[must_use]
    pub fn pointers(&self) -> u64 {
        (self.graph.rows.count() - self.graph.places.len() - 1) as u64
    }
    /// Bytes of the objects' slots.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.graph.objects().map(|(_, _, _, bytes)| bytes).sum()
    }
    /// Objects that could not be read: a guard of a cell in it was held all the time, or its
    /// `trace` panicked. Pointers in them are missing.
    #[must_use]
    pub fn unread_objects(&self) -> u64 {
        self.graph.unread
    }
    /// Pointers to objects born while the graph was recorded, beyond those that became a part of
    /// it: an eighth of all, and 100,000.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.graph.left_out
    }
    /// How long the collector took to record it.
    #[must_use]
    pub fn recorded_in(&self) -> std::time::Duration {
        self.graph.recorded_in
    }

    /// Memory by type, the type with the most bytes first.
    #[must_use]
    pub fn types(&self) -> Vec<TypeMemory> {
        tables::by_type(self.graph.totals().map(|(kind, bytes, objects)| {
            ((kind.type_name, kind.is_array), (objects, objects * bytes))
        }))
    }

    /// Objects and bytes to which no root led: they died while the cycle marked, or moved while it
    /// was recorded ([`Heap::snapshot`]).
    #[must_use]
    pub fn unreached(&self) -> (u64, u64) {
        let dominated = self.dominated();
        let unreached = crate::graph::dominators::UNREACHED;
        // A dominator comes before what it dominates, but not in the order of nodes.
        let mut known = vec![0u8; self.graph.len()];
        (known[ROOT_NODE.index()], known[unreached.index()]) = (1, 2);
        let mut objects = 0;
        for node in Node::all(self.graph.first_object().index()..self.graph.len()) {
            let mut top = node;
            while known[top.index()] == 0 {
                top = dominated.by[top.index()];
            }
            let found = known[top.index()];
            let mut at = node;
            while known[at.index()] == 0 {
                known[at.index()] = found;
                at = dominated.by[at.index()];
            }
            objects += u64::from(found == 2);
        }
        (objects, dominated.retained[unreached.index()])
    }

    /// The objects that retain the most bytes: without such an object, so much would be garbage.
    /// At most `n`, the largest first.
    #[must_use]
    pub fn largest(&self, n: usize) -> Vec<Retainer> {
        let retained = &self.dominated().retained;
        let mut nodes: Vec<Node> = Vec::new();
        for node in Node::all(self.graph.first_object().index()..self.graph.len()) {
            nodes.push(node);
            if nodes.len() > 2 * n + 1000 {
                tables::keep_largest(&mut nodes, n, retained);
            }
        }
        tables::keep_largest(&mut nodes, n, retained);
        nodes.into_iter().map(|node| tables::retainer(&self.graph, retained, node)).collect()
    }

    /// Who holds roots: by the place that made them and the type they hold, with the bytes that
    /// would be garbage without the roots of that place. The place that retains most comes first.
    #[must_use]
    pub fn roots(&self) -> Vec<RootHolder> {
        tables::root_holders(&self.graph, &self.dominated().retained)
    }

    /// Why an object is alive, by this snapshot: see [`Heap::why_alive`].
    #[must_use]
    pub fn why_alive<'a>(&self, what: impl Into<Wanted<'a>>) -> Option<RootPath> {
        why::path(&self.graph, &what.into())
    }

    /// What has changed since `earlier`, by type and size of the slot. What has grown most comes
    /// first. Rows without a change are left out.
    #[must_use]
    pub fn diff(&self, earlier: &Snapshot) -> Vec<Growth> {
        tables::growth(&earlier.graph, &self.graph)
    }
}
