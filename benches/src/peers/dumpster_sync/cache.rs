//! `lru` with `dumpster::sync`: each shard behind a `Mutex`, entries that point to each other in
//! both directions.
//!
//! An entry owns the bytes of its value. The links are walked by borrowing where that is possible:
//! each clone of a pointer that is dropped makes its object a candidate of the next search for
//! cycles.

#![forbid(unsafe_code)]

use std::sync::{Mutex, PoisonError};

use dumpster::Trace;
use dumpster::sync::Gc;

use crate::lru::{
    Cache, SHARDS, Shareable, Tally, buckets, byte_of, capacity, is_value_of, len_of, place,
};
use crate::peers::pointers::Field;

#[derive(Trace)]
struct Entry {
    key: u64,
    value: Box<[u8]>,
    /// Towards the front of the recency list, and towards its end.
    prev: Mutex<Option<Gc<Entry>>>,
    next: Mutex<Option<Gc<Entry>>>,
    /// The next entry of the bucket.
    chain: Mutex<Option<Gc<Entry>>>,
}

struct Shard {
    first: Option<Gc<Entry>>,
    last: Option<Gc<Entry>>,
    len: usize,
    table: Box<[Option<Gc<Entry>>]>,
}

/// The cache.
pub(super) struct DumpsterCache {
    shards: Vec<Mutex<Shard>>,
    capacity: usize,
    buckets: usize,
}

impl Shareable for DumpsterCache {
    fn new(n: usize) -> DumpsterCache {
        let buckets = buckets(n);
        let shard = |_| {
            let table = (0..buckets).map(|_| None).collect();
            Mutex::new(Shard { first: None, last: None, len: 0, table })
        };
        DumpsterCache { shards: (0..SHARDS).map(shard).collect(), capacity: capacity(n), buckets }
    }
}

impl Cache for &DumpsterCache {
    #[inline(always)]
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for key in keys {
            let (shard, bucket) = place(key, self.buckets);
            let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
            match find(shard.table[bucket].as_ref(), key) {
                Some(entry) => {
                    tally.hit(key, &entry.value);
                    shard.unlink(&entry);
                    shard.push(entry);
                }
                None => shard.insert(key, bucket, self.capacity),
            }
        }
        tally
    }

    fn intact(&mut self, shard: usize) -> u64 {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner).intact()
    }
}

/// The entry of a key, from this one of its bucket on.
#[inline]
fn find(at: Option<&Gc<Entry>>, key: u64) -> Option<Gc<Entry>> {
    let entry = at?;
    if entry.key == key {
        return Some(entry.clone());
    }
    entry.chain.lend(|next| find(next, key))
}

/// Removes an entry from its bucket, somewhere after `at`.
fn unchain(at: &Gc<Entry>, entry: &Gc<Entry>) {
    let follows = at.chain.lend(|next| next.is_some_and(|next| Gc::ptr_eq(next, entry)));
    if follows {
        drop(at.chain.put(entry.chain.put(None)));
    } else {
        at.chain.lend(|next| next.into_iter().for_each(|next| unchain(next, entry)));
    }
}

impl Shard {
    #[inline(always)]
    fn insert(&mut self, key: u64, bucket: usize, capacity: usize) {
        let entry = Gc::new(Entry {
            key,
            value: vec![byte_of(key); len_of(key)].into(),
            prev: Field::holding(None),
            next: Field::holding(None),
            chain: Field::holding(self.table[bucket].take()),
        });
        self.table[bucket] = Some(entry.clone());
        self.push(entry);
        self.len += 1;
        if self.len > capacity
            && let Some(last) = self.last.clone()
        {
            self.unlink(&last);
            self.len -= 1;
            let bucket = &mut self.table[place(last.key, self.table.len()).1];
            match bucket {
                Some(first) if Gc::ptr_eq(first, &last) => *bucket = last.chain.put(None),
                Some(first) => unchain(first, &last),
                None => {}
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, entry: Gc<Entry>) {
        match self.first.replace(entry.clone()) {
            Some(first) => {
                drop(first.prev.put(Some(entry.clone())));
                drop(entry.next.put(Some(first)));
            }
            None => self.last = Some(entry),
        }
    }

    #[inline(always)]
    fn unlink(&mut self, entry: &Gc<Entry>) {
        let (prev, next) = (entry.prev.put(None), entry.next.put(None));
        match &prev {
            Some(prev) => drop(prev.next.put(next.clone())),
            None => self.first = next.clone(),
        }
        match next {
            Some(next) => drop(next.prev.put(prev)),
            None => self.last = prev,
        }
    }

    fn intact(&self) -> u64 {
        let same = |a: &Option<Gc<Entry>>, b: &Option<Gc<Entry>>| match (a, b) {
            (Some(a), Some(b)) => Gc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let (mut prev, mut at, mut intact) = (None, self.first.clone(), 0);
        for _ in 0..self.len {
            let Some(entry) = &at else { break };
            let (_, bucket) = place(entry.key, self.table.len());
            intact += u64::from(
                is_value_of(entry.key, &entry.value)
                    && same(&entry.prev.load(), &prev)
                    && same(&find(self.table[bucket].as_ref(), entry.key), &at),
            );
            let next = entry.next.load();
            prev = std::mem::replace(&mut at, next);
        }
        // A list that is longer or shorter than its count, or ends elsewhere, is broken.
        if at.is_none() && same(&prev, &self.last) { intact } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicts_the_least_recent() {
        crate::lru::tests::evicts_the_least_recent(&DumpsterCache::new(2 * SHARDS));
    }
}
