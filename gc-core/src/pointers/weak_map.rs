//! [`GcWeakMap`]: a table of ephemerons by the addresses of their keys.
//!
//! 1. The map has [`SHARDS`] parts under locks of their own. A part is a list of ephemerons and an
//!    index by address ([`Shard`]).
//! 2. A cycle flags the entries of dead keys. From then on every insert looks at [`STEP`] entries
//!    of its part and removes the dead ones, until it has looked at all ([`Shard::purge_some`]). So
//!    no insert is long. A map whose keys die at once holds about as many entries as two cycles
//!    have seen.
//! 3. A part that has shrunk to a quarter gives memory back at the end of its round.
//! 4. The memory of entries that a round found alive counts as [`External`]. The memory of new
//!    entries does not. The pacing would take the memory of dead keys for live, and start each next
//!    cycle later.

use crate::api::Mutation;
use crate::heap::address::ByAddressHash;
use crate::observe::metrics::Level;
use crate::pointers::{Ephemeron, External, Gc, GcRwLock};
use crate::sync::{Arc, OnceLock};
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use crate::word::{Addr, Bytes, SweepNumber};
use std::collections::HashMap;
use std::fmt;

/// Entries that an insert looks at. With fewer, dead entries would stay longer than a cycle in a
/// map that grows.
const STEP: usize = 8;
/// Entries of a part below which it never shrinks.
const SMALL: usize = 64;

/// A part of a map: its ephemerons, and the position of each by its key's address.
struct Shard<'gc, K: ?Sized, V: ?Sized> {
    entries: Vec<Ephemeron<'gc, K, V>>,
    index: HashMap<Addr, u32, ByAddressHash>,
    /// The sweep in which the round began, and how many entries it has left to look at: the first
    /// ones.
    round: SweepNumber,
    left: usize,
    /// Entries that were left at the end of the last round.
    survivors: usize,
    memory: Option<External>,
}

impl<'gc, K: ?Sized, V: ?Sized> Shard<'gc, K, V> {
    fn new() -> Self {
        Shard {
            entries: Vec::new(),
            index: HashMap::default(),
            round: SweepNumber::default(),
            left: 0,
            survivors: 0,
            memory: None,
        }
    }

    fn get(&self, address: Addr) -> Option<Ephemeron<'gc, K, V>> {
        let at = *self.index.get(&address)?;
        Some(self.entries[at as usize])
    }
    fn insert(&mut self, entry: Ephemeron<'gc, K, V>) -> Option<Ephemeron<'gc, K, V>> {
        let next = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries in a part");
        let at = *self.index.entry(entry.key_addr()).or_insert(next);
        if at == next {
            self.entries.push(entry);
            return None;
        }
        Some(std::mem::replace(&mut self.entries[at as usize], entry))
    }
    fn remove(&mut self, address: Addr) -> Option<Ephemeron<'gc, K, V>> {
        let at = self.index.remove(&address)? as usize;
        Some(self.take(at))
    }
    /// Removes the entry at `at`, which is no longer in the index. The last entry takes its place.
    fn take(&mut self, at: usize) -> Ephemeron<'gc, K, V> {
        let entry = self.entries.swap_remove(at);
        if let Some(moved) = self.entries.get(at) {
            self.index.insert(moved.key_addr(), at as u32);
        }
        entry
    }

    /// Looks at up to `most` of the entries that the round has left, from the back, and removes
    /// dead ones. If the round has ended and there was a sweep since, begins another round.
    fn purge_some(&mut self, mc: &Mutation<'gc>, most: usize) {
        let sweeps = mc.record().sweeps();
        if self.left == 0 && self.round != sweeps {
            (self.round, self.left) = (sweeps, self.entries.len());
        }
        if self.left == 0 {
            return;
        }
        // Removals may have left fewer entries than that.
        self.left = self.left.min(self.entries.len());
        for _ in 0..most.min(self.left) {
            self.left -= 1;
            let entry = self.entries[self.left];
            if entry.is_dead() {
                self.index.remove(&entry.key_addr());
                self.take(self.left);
            }
        }
        if self.left == 0 {
            self.end_round(mc);
        }
    }
    #[cold]
    fn end_round(&mut self, mc: &Mutation<'gc>) {
        self.survivors = self.entries.len();
        if self.survivors < self.entries.capacity() / 4 && self.entries.capacity() > SMALL {
            self.entries.shrink_to(2 * self.survivors);
            self.index.shrink_to(2 * self.survivors);
        }
        // The hash index has a byte beside each of its places, and an eighth of them is free.
        let entry = size_of::<Ephemeron<'gc, K, V>>() + (size_of::<(Addr, u32)>() + 1) * 8 / 7;
        let bytes = entry * self.survivors;
        match &mut self.memory {
            Some(memory) => memory.resize_unpaced(mc, Bytes::of(bytes)),
            None => self.memory = Some(External::unpaced(mc, Bytes::of(bytes))),
        }
    }
}

// SAFETY: INV-7: all that the entries hold.
unsafe impl<'gc, K: ?Sized, V: ?Sized> Trace<'gc> for Shard<'gc, K, V> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        for entry in &self.entries {
            tracer.edges(entry);
        }
    }
    fn trace_named(&self, tracer: &mut Tracer<'gc>) {
        tracer.elements(&self.entries);
    }
}

/// Parts of a map: the collector and a writer exclude each other in one part only.
const SHARDS: usize = 16;

/// A map whose keys are objects, by identity, and weak. An entry goes when its key does, even if
/// the value leads to the key. Any number of threads may use it.
///
/// A cycle finds out which keys are dead. After it every [`insert`](Self::insert) looks at eight
/// entries and removes the dead ones; [`purge`](Self::purge) looks at all at once. Until then dead
/// entries take memory (about 50 bytes) and are never found. The memory of surviving entries counts
/// as [`External`], and is released when it is no longer needed. The first change in a cycle of one
/// of the map's 16 parts shades that part: some 10 ns an entry.
///
/// [`get`](Self::get) and [`entries`](Self::entries) hand out pointers, so what they return
/// survives the cycle that runs. A thread that polls `entries` in every cycle keeps all entries for
/// ever. [`ephemerons`](Self::ephemerons) keeps no entry, so poll that.
///
/// ```
/// use gc_core::{Gc, GcWeakMap, Heap, Root};
/// let heap = Heap::new();
/// let map: Root<GcWeakMap<'static, String, u64>> =
///     heap.mutate(|mc| Gc::root(Gc::new(mc, GcWeakMap::<String, u64>::new()), mc));
/// heap.mutate(|mc| {
///     let (map, key) = (map.get(mc), Gc::new(mc, String::from("a key")));
///     map.insert(mc, key, Gc::new(mc, 7u64));
///     assert_eq!(map.get(mc, key).map(|value| *value), Some(7));
///     assert!(map.get(mc, Gc::new(mc, String::from("a key"))).is_none(), "another object");
/// });
/// heap.collect().unwrap();
/// heap.mutate(|mc| {
///     map.get(mc).purge(mc);
///     assert!(map.get(mc).is_empty());
/// });
/// ```
pub struct GcWeakMap<'gc, K: ?Sized, V: ?Sized> {
    shards: Box<[GcRwLock<Shard<'gc, K, V>>]>,
    counted: CountedMap,
}

/// A map is counted in the heap of its first entry, until it is dropped.
struct CountedMap(OnceLock<Arc<Level>>);

impl CountedMap {
    fn count(&self, mc: &Mutation<'_>) {
        self.0.get_or_init(|| {
            let maps = mc.record().core().totals.weak_maps.clone();
            maps.add(1);
            maps
        });
    }
}

impl Drop for CountedMap {
    fn drop(&mut self) {
        if let Some(maps) = self.0.get() {
            maps.sub(1);
        }
    }
}

impl<K: ?Sized, V: ?Sized> Default for GcWeakMap<'_, K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'gc, K: ?Sized, V: ?Sized> GcWeakMap<'gc, K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| GcRwLock::new(Shard::new())).collect();
        GcWeakMap { shards, counted: CountedMap(OnceLock::new()) }
    }

    fn shard(&self, address: Addr) -> &GcRwLock<Shard<'gc, K, V>> {
        let address = address.get();
        // Uses other bits than the table within the shard.
        &self.shards[(address >> 4 ^ address >> 10 ^ address >> 16) % SHARDS]
    }

    /// Maps `key` to `value`. Returns the value that it replaces. Removes up to eight dead entries.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    #[track_caller]
    pub fn insert(
        &self,
        mc: &Mutation<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Option<Gc<'gc, V>> {
        let entry = Ephemeron::new(mc, key, value);
        self.counted.count(mc);
        let old = {
            let mut shard = self.shard(key.addr()).write_within(mc, self);
            shard.purge_some(mc, STEP);
            shard.insert(entry)
        };
        old.and_then(|old| old.value(mc))
    }
    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&self, mc: &Mutation<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        // An entry for another object at the same address is dead: its flag was set before the slot
        // was reused.
        let entry = self.shard(key.addr()).read().get(key.addr());
        entry.and_then(|entry| entry.value(mc))
    }
    /// Removes `key`, and returns its value.
    pub fn remove(&self, mc: &Mutation<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let entry = self.shard(key.addr()).write_within(mc, self).remove(key.addr());
        entry.and_then(|entry| entry.value(mc))
    }
    /// Returns the entries whose keys are still alive; each of the map's parts is read at one
    /// moment. They survive a cycle that runs meanwhile.
    ///
    /// ```
    /// use gc_core::{Gc, GcWeakMap, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let (map, key) = (GcWeakMap::<u64, u64>::new(), Gc::new(mc, 1));
    ///     map.insert(mc, key, Gc::new(mc, 2));
    ///     assert!(map.entries(mc).iter().all(|(key, value)| **key + **value == 3));
    ///     assert_eq!(map.len(), 1);
    ///     assert_eq!(map.remove(mc, key).map(|value| *value), Some(2));
    /// });
    /// ```
    #[must_use]
    pub fn entries(&self, mc: &Mutation<'gc>) -> Vec<(Gc<'gc, K>, Gc<'gc, V>)> {
        let all = self.ephemerons();
        all.iter().filter_map(|e| Some((e.key(mc)?, e.value(mc)?))).collect()
    }
    /// Returns the entries that are not known to be dead, as ephemerons. Unlike
    /// [`entries`](Self::entries) this keeps no key and no value alive, so a thread may poll it.
    ///
    /// ```
    /// use gc_core::{Gc, GcWeakMap, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let map = GcWeakMap::<u64, str>::new();
    ///     map.insert(mc, Gc::new(mc, 1), Gc::from_str(mc, "one"));
    ///     assert_eq!(map.ephemerons().len(), 1);
    /// });
    /// ```
    #[must_use]
    pub fn ephemerons(&self) -> Vec<Ephemeron<'gc, K, V>> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.shards {
            all.extend(shard.read().entries.iter().filter(|entry| !entry.is_dead()));
        }
        all
    }
    /// The number of entries, including those of dead keys that have not been removed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().entries.len()).sum()
    }
    /// Returns whether there is no entry, not even of a dead key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Removes the entries of all dead keys, and releases memory that is no longer needed. Costs
    /// some 10 ns an entry, with a sixteenth of the map locked at a time.
    pub fn purge(&self, mc: &Mutation<'gc>) {
        for shard in &self.shards {
            let mut shard = shard.write_within(mc, self);
            shard.left = shard.entries.len();
            shard.round = mc.record().sweeps();
            shard.purge_some(mc, usize::MAX);
            shard.end_round(mc);
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for GcWeakMap<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcWeakMap").field("len", &self.len()).finish()
    }
}

// SAFETY: INV-7: the parts hold everything.
unsafe impl<'gc, K: ?Sized, V: ?Sized> Trace<'gc> for GcWeakMap<'gc, K, V> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        for shard in &self.shards {
            tracer.edges(shard);
        }
    }
    fn trace_named(&self, tracer: &mut Tracer<'gc>) {
        self.shards.iter().for_each(|shard| tracer.named(shard));
    }
}
// SAFETY: INV-8: only brands change.
unsafe impl<K: Family + ?Sized, V: Family + ?Sized> Managed for GcWeakMap<'static, K, V> {
    type At<'gc> = GcWeakMap<'gc, K::At<'gc>, V::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, K, V> Branded<'gc> for GcWeakMap<'gc, K, V>
where
    K: Rootable<'gc> + ?Sized,
    V: Rootable<'gc> + ?Sized,
{
    type Static = GcWeakMap<'static, K::Family, V::Family>;
}
