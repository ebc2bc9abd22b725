//! [`Ephemeron`] and [`GcWeakMap`]: values that live as long as their keys.

use crate::error::AllocError;
use crate::mutation::Mutation;
use crate::pointers::{Gc, GcRwLock};
use crate::sweep::ephemeron::EphemeronBox;
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A key and a value: the key is weak, and the value lives as long as the key and the ephemeron do, even if the value
/// leads back to the key. `Copy`; copies share a small box in the heap.
///
/// A chain of ephemerons, each one's value leading to the next one's key through other objects, costs the collector
/// one look at all ephemerons for each link.
///
/// ```
/// use gc_core::{Ephemeron, Gc, Heap, Root};
/// let heap = Heap::new();
/// let (pair, key): (Root<Ephemeron<'static, u64, String>>, Root<u64>) = heap.mutate(|mc| {
///     let (key, value) = (Gc::new(mc, 1u64), Gc::new(mc, String::from("one")));
///     (Gc::root(Gc::new(mc, Ephemeron::new(mc, key, value)), mc), Gc::root(key, mc))
/// });
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| pair.get(mc).value(mc).is_some_and(|value| **value == *"one")));
/// drop(key);
/// heap.collect().unwrap();
/// assert!(heap.mutate(|mc| pair.get(mc).value(mc).is_none()));
/// ```
pub struct Ephemeron<'gc, K: ?Sized, V: ?Sized> {
    shared: NonNull<EphemeronBox>,
    key: NonNull<K>,
    value: NonNull<V>,
    brand: PhantomData<Cell<&'gc ()>>,
}

impl<K: ?Sized, V: ?Sized> Clone for Ephemeron<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: ?Sized, V: ?Sized> Copy for Ephemeron<'_, K, V> {}

// SAFETY: INV-6: the box changes by atomics only, and what it gives out is no more than a `Gc` does.
unsafe impl<K: ?Sized + Send + Sync, V: ?Sized + Send + Sync> Send for Ephemeron<'_, K, V> {}
// SAFETY: INV-6: as above.
unsafe impl<K: ?Sized + Send + Sync, V: ?Sized + Send + Sync> Sync for Ephemeron<'_, K, V> {}

impl<'gc, K: ?Sized, V: ?Sized> Ephemeron<'gc, K, V> {
    /// Ties `value` to the life of `key`.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    #[must_use]
    #[track_caller]
    pub fn new(mc: &Mutation<'gc>, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Self {
        super::gc::made(Self::make::<true>(mc, key, value))
    }
    /// Ties `value` to the life of `key`.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit.
    pub fn try_new(
        mc: &Mutation<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Self, AllocError> {
        Self::make::<false>(mc, key, value)
    }

    /// With `MUST` for a caller that panics if there is no room.
    fn make<const MUST: bool>(
        mc: &Mutation<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Self, AllocError> {
        let at = mc.record().alloc_ephemeron::<MUST>()? as *mut EphemeronBox;
        // SAFETY: INV-11: the slot is ours and its key is zero, which is an empty box.
        unsafe { &*at }.fill(key.addr(), value.addr());
        // SAFETY: INV-5: slots are never at address zero.
        let shared = unsafe { NonNull::new_unchecked(at) };
        Ok(Ephemeron {
            shared,
            key: key.as_non_null(),
            value: value.as_non_null(),
            brand: PhantomData,
        })
    }

    fn shared(&self) -> &EphemeronBox {
        // SAFETY: INV-4: tracing an ephemeron keeps its box, so it is live in this pin.
        unsafe { self.shared.as_ref() }
    }

    /// The key, if it is still there; then it stays for this `mutate`.
    #[must_use]
    pub fn key(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, K>> {
        let ungated = fault!("key_ungated") && !self.is_dead();
        if !ungated && !mc.record().upgrade(&self.shared().key) {
            return None;
        }
        // SAFETY: INV-11: not flagged, and marked, shaded or not marking: the object is live in this pin.
        Some(unsafe { Gc::from_non_null(self.key) })
    }
    /// The value, if the key is still there; then both stay for this `mutate`.
    #[must_use]
    pub fn value(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, V>> {
        self.key(mc)?;
        // No gate for the value: with the box and the key in hand the fixpoint keeps it (the model's EPH).
        // SAFETY: INV-15: not flagged, and the key is live in this pin, so the value is.
        Some(unsafe { Gc::from_non_null(self.value) })
    }
    /// Whether the key is known to be gone. `false` says nothing for certain: a cycle may be about to find out.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.shared().key.is_dead()
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for Ephemeron<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = if self.is_dead() { ", dead" } else { "" };
        write!(f, "Ephemeron({:p} to {:p}{dead})", self.key, self.value)
    }
}

// SAFETY: INV-7: the edge is to the box; the key is weak, and the value is the collector's business.
unsafe impl<'gc, K: ?Sized, V: ?Sized> Trace<'gc> for Ephemeron<'gc, K, V> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.visit(self.shared.as_ptr() as usize);
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl<K: Family + ?Sized, V: Family + ?Sized> Managed for Ephemeron<'static, K, V> {
    type At<'gc> = Ephemeron<'gc, K::At<'gc>, V::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, K, V> Branded<'gc> for Ephemeron<'gc, K, V>
where
    K: Rootable<'gc> + ?Sized,
    V: Rootable<'gc> + ?Sized,
{
    type Static = Ephemeron<'static, K::Family, V::Family>;
}

/// Hashes an address: a multiplication, and the upper half.
#[derive(Debug, Clone, Copy, Default)]
struct AddressHasher(u64);
impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }
    fn write_usize(&mut self, address: usize) {
        let product = u128::from(self.0 ^ address as u64) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 32) as u64;
    }
}

/// A part of a map: the ephemerons by their keys' addresses, and the size at which dead ones are next thrown out.
struct Shard<'gc, K: ?Sized, V: ?Sized> {
    entries: HashMap<usize, Ephemeron<'gc, K, V>, BuildHasherDefault<AddressHasher>>,
    purge_at: usize,
}

impl<K: ?Sized, V: ?Sized> Shard<'_, K, V> {
    fn purge(&mut self) {
        self.entries.retain(|_, entry| !entry.is_dead());
        self.purge_at = (2 * self.entries.len()).max(16);
    }
}

// SAFETY: INV-7: all that the entries hold.
unsafe impl<'gc, K: ?Sized, V: ?Sized> Trace<'gc> for Shard<'gc, K, V> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        for entry in self.entries.values() {
            tracer.edges(entry);
        }
    }
}

/// How many parts a map has: the collector and a writer exclude each other in one part only.
const SHARDS: usize = 16;

/// A map whose keys are objects, by identity, and weak: an entry goes when its key does, even if the value leads to the
/// key. Any number of threads may use it.
///
/// Entries of dead keys are thrown out as the map grows, or by [`purge`](Self::purge); until then they take memory
/// (about 80 bytes) and are never found. The first change in a cycle of one of the map's 16 parts shades all of that
/// part: some 10 ns an entry.
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
        let shard = || GcRwLock::new(Shard { entries: HashMap::default(), purge_at: 16 });
        GcWeakMap { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, address: usize) -> &GcRwLock<Shard<'gc, K, V>> {
        // Other bits than the table within the shard looks at.
        &self.shards[(address >> 4 ^ address >> 10 ^ address >> 16) % SHARDS]
    }

    /// Maps `key` to `value`; returns the value that it replaces.
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
        let old = {
            let mut shard = self.shard(key.addr()).write(mc);
            if shard.entries.len() >= shard.purge_at {
                shard.purge();
            }
            shard.entries.insert(key.addr(), entry)
        };
        old.and_then(|old| old.value(mc))
    }
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, mc: &Mutation<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        // An entry for another object at the same address is dead: its flag was set before the slot was reused.
        let entry = self.shard(key.addr()).read().entries.get(&key.addr()).copied();
        entry.and_then(|entry| entry.value(mc))
    }
    /// Takes `key` out; returns its value.
    pub fn remove(&self, mc: &Mutation<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let entry = self.shard(key.addr()).write(mc).entries.remove(&key.addr());
        entry.and_then(|entry| entry.value(mc))
    }
    /// The entries whose keys are still there, as they were at some moment for each of the map's parts.
    #[must_use]
    pub fn entries(&self, mc: &Mutation<'gc>) -> Vec<(Gc<'gc, K>, Gc<'gc, V>)> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.shards {
            let entries: Vec<_> = shard.read().entries.values().copied().collect();
            all.extend(entries.iter().filter_map(|e| Some((e.key(mc)?, e.value(mc)?))));
        }
        all
    }
    /// How many entries there are, those of keys that have died since the last purge included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().entries.len()).sum()
    }
    /// Whether there is no entry, not even of a dead key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Throws the entries of dead keys out.
    pub fn purge(&self, mc: &Mutation<'gc>) {
        for shard in &self.shards {
            shard.write(mc).purge();
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
