//! The cache in a `gc_core` heap: entries linked by `GcCell`, and the ends of each recency list in
//! a `GcMutex`.
//!
//! The lock holds only the ends and the count, because its first borrow in a cycle shades all that
//! it holds. The links have barriers of their own. The table lies beside the lock, and only its
//! holder touches it.

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, GcMutex, Heap, Mutation, Mutator, Root, Trace};

use super::{Cache, MOST_VALUE, Tally, buckets, byte_of, capacity, is_value_of, len_of, place};

#[derive(Trace)]
struct Entry<'gc> {
    key: u64,
    value: Gc<'gc, [u8]>,
    /// Towards the front of the recency list, and towards its end.
    prev: GcCell<'gc, Entry<'gc>>,
    next: GcCell<'gc, Entry<'gc>>,
    /// The next entry of the bucket.
    chain: GcCell<'gc, Entry<'gc>>,
}

/// The recency list: the entry used last comes first.
#[derive(Trace)]
struct Recency<'gc> {
    first: Option<Gc<'gc, Entry<'gc>>>,
    last: Option<Gc<'gc, Entry<'gc>>>,
    len: usize,
}

#[derive(Trace)]
struct Shard<'gc> {
    recency: GcMutex<Recency<'gc>>,
    table: Gc<'gc, [GcCell<'gc, Entry<'gc>>]>,
}

/// The cache, from outside of the heap.
#[derive(Debug)]
pub(super) struct GcCache {
    shards: Root<[Gc<'static, Shard<'static>>]>,
    capacity: usize,
    buckets: usize,
}

impl GcCache {
    pub(super) fn new_in(heap: &Heap, n: usize) -> GcCache {
        let buckets = buckets(n);
        let shards = heap.mutate(|mc| {
            let shard = |_| {
                let recency = GcMutex::new(Recency { first: None, last: None, len: 0 });
                let table = Gc::from_iter_in(mc, (0..buckets).map(|_| GcCell::new(None)));
                Gc::new(mc, Shard { recency, table })
            };
            Gc::root(Gc::from_iter_in(mc, (0..super::SHARDS).map(shard)), mc)
        });
        GcCache { shards, capacity: capacity(n), buckets }
    }
}

pub(super) struct Player<'c> {
    pub(super) mutator: Mutator,
    pub(super) cache: &'c GcCache,
}

impl Cache for Player<'_> {
    #[inline(always)]
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        self.mutator.mutate(|mc| {
            let shards = self.cache.shards.get(mc);
            for key in keys {
                let (shard, bucket) = place(key, self.cache.buckets);
                shards[shard].look_up(mc, key, bucket, self.cache.capacity, &mut tally);
            }
        });
        tally
    }

    fn intact(&mut self, shard: usize) -> u64 {
        self.mutator.mutate(|mc| self.cache.shards.get(mc)[shard].intact(mc))
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
        let mut recency = self.recency.lock(mc);
        if let Some(entry) = self.find(key, bucket) {
            tally.hit(key, &entry.value);
            recency.unlink(mc, entry);
            recency.push(mc, entry);
            return;
        }
        let mut bytes = [0; MOST_VALUE];
        let bytes = &mut bytes[..len_of(key)];
        bytes.fill(byte_of(key));
        let entry = Entry {
            key,
            value: Gc::from_slice(mc, bytes),
            prev: GcCell::new(None),
            next: GcCell::new(None),
            chain: GcCell::new(self.table[bucket].get()),
        };
        let entry = Gc::new(mc, entry);
        self.table[bucket].set(mc, Some(entry));
        recency.push(mc, entry);
        recency.len += 1;
        if recency.len > capacity
            && let Some(last) = recency.last
        {
            recency.unlink(mc, last);
            recency.len -= 1;
            self.unchain(mc, last);
        }
    }

    #[inline(always)]
    fn find(&self, key: u64, bucket: usize) -> Option<Gc<'gc, Entry<'gc>>> {
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
    fn unchain(&self, mc: &Mutation<'gc>, entry: Gc<'gc, Entry<'gc>>) {
        let (_, bucket) = place(entry.key, self.table.len());
        let mut link = &self.table.as_ref()[bucket];
        while let Some(at) = link.get() {
            if Gc::ptr_eq(at, entry) {
                link.set(mc, entry.chain.get());
                return;
            }
            link = &Gc::as_ref(at).chain;
        }
    }

    fn intact(&self, mc: &Mutation<'gc>) -> u64 {
        let recency = self.recency.lock(mc);
        let (mut prev, mut at, mut intact) = (None, recency.first, 0);
        for _ in 0..recency.len {
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
        if at.is_none() && same(prev, recency.last) { intact } else { 0 }
    }
}

fn same<'gc>(a: Option<Gc<'gc, Entry<'gc>>>, b: Option<Gc<'gc, Entry<'gc>>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Gc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl<'gc> Recency<'gc> {
    #[inline(always)]
    fn push(&mut self, mc: &Mutation<'gc>, entry: Gc<'gc, Entry<'gc>>) {
        entry.prev.set(mc, None);
        entry.next.set(mc, self.first);
        match self.first {
            Some(first) => first.prev.set(mc, Some(entry)),
            None => self.last = Some(entry),
        }
        self.first = Some(entry);
    }

    #[inline(always)]
    fn unlink(&mut self, mc: &Mutation<'gc>, entry: Gc<'gc, Entry<'gc>>) {
        let (prev, next) = (entry.prev.get(), entry.next.get());
        match prev {
            Some(prev) => prev.next.set(mc, next),
            None => self.first = next,
        }
        match next {
            Some(next) => next.prev.set(mc, prev),
            None => self.last = prev,
        }
    }
}
