//! The cache as safe Rust without a collector has it: entries in a slab for each shard, linked by
//! their numbers, and each value an allocation of its own.
//!
//! Entries cannot own each other in two directions, so a slab is what a Rust programmer writes;
//! only the value is allocated at a miss and freed at an eviction. Engine `box`: the value is a
//! `Box<[u8]>`, looked at under the lock. Engine `arc`: it is an `Arc<[u8]>`, which a hit clones
//! and looks at after the lock is free, as a cache does that hands its values out.

#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Cache, SHARDS, Shareable, Tally, buckets, byte_of, capacity, is_value_of, len_of, place,
};

/// No entry.
const NONE: u32 = u32::MAX;

/// What owns the bytes of a value.
pub(crate) trait Value: AsRef<[u8]> + Send + Sync + Sized {
    /// The value of a key.
    fn make(key: u64) -> Self;

    /// Reads the value of an entry, and releases the lock.
    fn look<R>(shard: MutexGuard<'_, Shard<Self>>, entry: u32, look: impl FnOnce(&[u8]) -> R) -> R;
}

impl Value for Box<[u8]> {
    #[inline(always)]
    fn make(key: u64) -> Self {
        vec![byte_of(key); len_of(key)].into()
    }

    #[inline(always)]
    fn look<R>(shard: MutexGuard<'_, Shard<Self>>, entry: u32, look: impl FnOnce(&[u8]) -> R) -> R {
        look(&shard.entries[entry as usize].value)
    }
}

impl Value for Arc<[u8]> {
    #[inline(always)]
    fn make(key: u64) -> Self {
        std::iter::repeat_n(byte_of(key), len_of(key)).collect()
    }

    #[inline(always)]
    fn look<R>(shard: MutexGuard<'_, Shard<Self>>, entry: u32, look: impl FnOnce(&[u8]) -> R) -> R {
        let value = shard.entries[entry as usize].value.clone();
        drop(shard);
        look(&value)
    }
}

#[derive(Debug)]
struct Entry<V> {
    key: u64,
    value: V,
    /// Towards the front of the recency list, and towards its end.
    prev: u32,
    next: u32,
    /// The next entry of the bucket.
    chain: u32,
}

#[derive(Debug)]
pub(crate) struct Shard<V> {
    /// Full once the shard is: from then on a new entry takes the place of the last.
    entries: Vec<Entry<V>>,
    table: Box<[u32]>,
    first: u32,
    last: u32,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct SlabCache<V> {
    shards: Vec<Mutex<Shard<V>>>,
    capacity: usize,
    buckets: usize,
}

impl<V: Value> Shareable for SlabCache<V> {
    fn new(n: usize) -> SlabCache<V> {
        let (capacity, buckets) = (capacity(n), buckets(n));
        assert!(capacity < NONE as usize, "a shard numbers its entries in 32 bits");
        let shard = |_| {
            let table = vec![NONE; buckets].into();
            let entries = Vec::with_capacity(capacity);
            Mutex::new(Shard { entries, table, first: NONE, last: NONE })
        };
        SlabCache { shards: (0..SHARDS).map(shard).collect(), capacity, buckets }
    }
}

impl<V: Value> SlabCache<V> {
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<V>> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Value> Cache for &SlabCache<V> {
    #[inline(always)]
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for key in keys {
            let (shard, bucket) = place(key, self.buckets);
            let mut shard = self.lock(shard);
            let found = shard.find(key, bucket);
            if found == NONE {
                shard.insert(key, bucket, self.capacity);
            } else {
                shard.unlink(found);
                shard.push(found);
                V::look(shard, found, |value| tally.hit(key, value));
            }
        }
        tally
    }

    fn intact(&mut self, shard: usize) -> u64 {
        self.lock(shard).intact()
    }
}

impl<V: Value> Shard<V> {
    #[inline(always)]
    fn find(&self, key: u64, bucket: usize) -> u32 {
        let mut at = self.table[bucket];
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.key == key {
                break;
            }
            at = entry.chain;
        }
        at
    }

    #[inline(always)]
    fn insert(&mut self, key: u64, bucket: usize, capacity: usize) {
        // The last entry goes first, so that its place is free. The lock hides the difference.
        let full = self.entries.len() == capacity;
        let at = if full { self.last } else { self.entries.len() as u32 };
        if full {
            self.unlink(at);
            self.unchain(at);
        }
        let entry =
            Entry { key, value: V::make(key), prev: NONE, next: NONE, chain: self.table[bucket] };
        if full {
            self.entries[at as usize] = entry;
        } else {
            self.entries.push(entry);
        }
        self.table[bucket] = at;
        self.push(at);
    }

    #[inline(always)]
    fn push(&mut self, at: u32) {
        let entry = &mut self.entries[at as usize];
        (entry.prev, entry.next) = (NONE, self.first);
        match self.first {
            NONE => self.last = at,
            first => self.entries[first as usize].prev = at,
        }
        self.first = at;
    }

    #[inline(always)]
    fn unlink(&mut self, at: u32) {
        let Entry { prev, next, .. } = self.entries[at as usize];
        match prev {
            NONE => self.first = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NONE => self.last = prev,
            next => self.entries[next as usize].prev = prev,
        }
    }

    /// Removes an entry from the table.
    #[inline(always)]
    fn unchain(&mut self, entry: u32) {
        let Entry { key, chain, .. } = self.entries[entry as usize];
        let (_, bucket) = place(key, self.table.len());
        let mut at = self.table[bucket];
        if at == entry {
            self.table[bucket] = chain;
            return;
        }
        while at != NONE {
            let next = self.entries[at as usize].chain;
            if next == entry {
                self.entries[at as usize].chain = chain;
                return;
            }
            at = next;
        }
    }

    fn intact(&self) -> u64 {
        let (mut prev, mut at, mut intact) = (NONE, self.first, 0);
        for _ in 0..self.entries.len() {
            if at == NONE {
                break;
            }
            let entry = &self.entries[at as usize];
            let (_, bucket) = place(entry.key, self.table.len());
            intact += u64::from(
                is_value_of(entry.key, entry.value.as_ref())
                    && entry.prev == prev
                    && self.find(entry.key, bucket) == at,
            );
            (prev, at) = (at, entry.next);
        }
        // A list that is longer than the slab is full, or ends elsewhere, is broken.
        if at == NONE && prev == self.last { intact } else { 0 }
    }
}
