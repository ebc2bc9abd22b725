//! `lru` in `gc-arena`, on its one thread: shards without locks.
//!
//! An entry owns the bytes of its value, because the crate allocates no objects of variable size.

#![forbid(unsafe_code)]

use std::cell::Cell;

use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, Lock, Mutation, Rootable};

use super::{Kept, Pacing, Slots, keep, slots};
use crate::lru::{Cache, SHARDS, Tally, buckets, byte_of, capacity, is_value_of, len_of, place};

#[derive(Collect)]
#[collect(no_drop)]
struct Entry<'gc> {
    key: u64,
    value: Box<[u8]>,
    /// Towards the front of the recency list, and towards its end.
    prev: Lock<Option<EntryPtr<'gc>>>,
    next: Lock<Option<EntryPtr<'gc>>>,
    /// The next entry of the bucket.
    chain: Lock<Option<EntryPtr<'gc>>>,
}

type EntryPtr<'gc> = Gc<'gc, Entry<'gc>>;

#[derive(Collect)]
#[collect(no_drop)]
struct Shard<'gc> {
    first: Kept<'gc, Entry<'gc>>,
    last: Kept<'gc, Entry<'gc>>,
    len: Cell<usize>,
    table: Slots<'gc, Entry<'gc>>,
}

type CacheArena = Arena<Rootable![Box<[Shard<'_>]>]>;

/// The cache.
pub(super) struct ArenaCache {
    arena: CacheArena,
    capacity: usize,
    buckets: usize,
}

impl ArenaCache {
    pub(super) fn new(pacing: Pacing, n: usize) -> ArenaCache {
        let buckets = buckets(n);
        let arena = CacheArena::new(|mc| {
            let shard = |_| Shard {
                first: keep(mc, None),
                last: keep(mc, None),
                len: Cell::new(0),
                table: slots(mc, buckets),
            };
            (0..SHARDS).map(shard).collect()
        });
        ArenaCache { arena: pacing.pace(arena), capacity: capacity(n), buckets }
    }
}

impl Cache for ArenaCache {
    #[inline(always)]
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        self.arena.mutate(|mc, shards| {
            for key in keys {
                let (shard, bucket) = place(key, self.buckets);
                shards[shard].look_up(mc, key, bucket, self.capacity, &mut tally);
            }
        });
        self.arena.collect_debt();
        tally
    }

    fn intact(&mut self, shard: usize) -> u64 {
        self.arena.mutate(|_, shards| shards[shard].intact())
    }
}

impl<'gc> Shard<'gc> {
    #[inline(always)]
    fn look_up(
        &self,
        mc: &Mutation<'gc>,
        key: u64,
        bucket: usize,
        capacity: usize,
        tally: &mut Tally,
    ) {
        if let Some(entry) = self.find(key, bucket) {
            tally.hit(key, &entry.value);
            self.unlink(mc, entry);
            self.push(mc, entry);
            return;
        }
        let entry = Entry {
            key,
            value: vec![byte_of(key); len_of(key)].into(),
            prev: Lock::new(None),
            next: Lock::new(None),
            chain: Lock::new(self.table[bucket].get()),
        };
        let entry = Gc::new(mc, entry);
        self.table[bucket].set(mc, Some(entry));
        self.push(mc, entry);
        self.len.set(self.len.get() + 1);
        if self.len.get() > capacity
            && let Some(last) = self.last.get()
        {
            self.unlink(mc, last);
            self.len.set(self.len.get() - 1);
            self.unchain(mc, last);
        }
    }

    #[inline(always)]
    fn find(&self, key: u64, bucket: usize) -> Option<EntryPtr<'gc>> {
        let mut at = self.table[bucket].get();
        while let Some(entry) = at {
            if entry.key == key {
                break;
            }
            at = entry.chain.get();
        }
        at
    }

    /// Removes an entry from the table.
    #[inline(always)]
    fn unchain(&self, mc: &Mutation<'gc>, entry: EntryPtr<'gc>) {
        let bucket = &self.table[place(entry.key, self.table.len()).1];
        let Some(mut at) = bucket.get() else { return };
        if Gc::ptr_eq(at, entry) {
            bucket.set(mc, entry.chain.get());
            return;
        }
        while let Some(next) = at.chain.get() {
            if Gc::ptr_eq(next, entry) {
                unlock!(Gc::write(mc, at), Entry, chain).set(entry.chain.get());
                return;
            }
            at = next;
        }
    }

    #[inline(always)]
    fn push(&self, mc: &Mutation<'gc>, entry: EntryPtr<'gc>) {
        let first = self.first.get();
        let writable = Gc::write(mc, entry);
        unlock!(writable, Entry, prev).set(None);
        unlock!(writable, Entry, next).set(first);
        match first {
            Some(first) => unlock!(Gc::write(mc, first), Entry, prev).set(Some(entry)),
            None => self.last.set(mc, Some(entry)),
        }
        self.first.set(mc, Some(entry));
    }

    #[inline(always)]
    fn unlink(&self, mc: &Mutation<'gc>, entry: EntryPtr<'gc>) {
        let (prev, next) = (entry.prev.get(), entry.next.get());
        match prev {
            Some(prev) => unlock!(Gc::write(mc, prev), Entry, next).set(next),
            None => self.first.set(mc, next),
        }
        match next {
            Some(next) => unlock!(Gc::write(mc, next), Entry, prev).set(prev),
            None => self.last.set(mc, prev),
        }
    }

    fn intact(&self) -> u64 {
        let same = |a: Option<EntryPtr<'gc>>, b: Option<EntryPtr<'gc>>| {
            a.map(Gc::as_ptr) == b.map(Gc::as_ptr)
        };
        let (mut prev, mut at, mut intact) = (None, self.first.get(), 0);
        for _ in 0..self.len.get() {
            let Some(entry) = at else { break };
            let (_, bucket) = place(entry.key, self.table.len());
            intact += u64::from(
                is_value_of(entry.key, &entry.value)
                    && same(entry.prev.get(), prev)
                    && same(self.find(entry.key, bucket), at),
            );
            (prev, at) = (at, entry.next.get());
        }
        // A list that is longer or shorter than its count, or ends elsewhere, is broken.
        if at.is_none() && same(prev, self.last.get()) { intact } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicts_the_least_recent() {
        let cache = ArenaCache::new(Pacing::Incremental, 2 * SHARDS);
        crate::lru::tests::evicts_the_least_recent(cache);
    }
}
