//! `lru` in `sandpit`, on its one thread: shards without locks.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use sandpit::{Arena, Gc, GcOpt, GcSync, Mutator, Root, Trace, field};

use crate::lru::{
    BATCH, Cache, Played, SHARDS, Tally, Zipf, buckets, byte_of, capacity, is_value_of, len_of,
    place, seed,
};
use crate::pin::on_all_cores;
use crate::random::Random;

#[derive(Trace)]
struct Entry<'gc> {
    key: u64,
    value: Gc<'gc, [u8]>,
    /// Towards the front of the recency list, and towards its end.
    prev: GcOpt<'gc, Entry<'gc>>,
    next: GcOpt<'gc, Entry<'gc>>,
    /// The next entry of the bucket.
    chain: GcOpt<'gc, Entry<'gc>>,
}

type EntryPtr<'gc> = Gc<'gc, Entry<'gc>>;
type EntryOpt<'gc> = GcOpt<'gc, Entry<'gc>>;

#[derive(Trace)]
struct Shard<'gc> {
    first: EntryOpt<'gc>,
    last: EntryOpt<'gc>,
    len: Cell<usize>,
    table: Gc<'gc, [EntryOpt<'gc>]>,
}

type ShardPtr<'gc> = Gc<'gc, Shard<'gc>>;

/// Stores into a field of an object, behind its barrier.
macro_rules! store {
    ($mu:expr, $object:expr, $type:ident, $field:ident, $value:expr) => {
        $object.write_barrier($mu, |barrier| field!(barrier, $type, $field).set($value))
    };
}

/// The cache.
pub(super) struct ArenaCache {
    arena: Arena<Root![Gc<'_, [Gc<'_, Shard<'_>>]>]>,
    capacity: usize,
    buckets: usize,
}

impl ArenaCache {
    pub(super) fn new(n: usize) -> ArenaCache {
        let buckets = buckets(n);
        let new = || {
            Arena::new(|mu| {
                mu.alloc_array_from_fn(SHARDS, |_| {
                    let (first, last) = (GcOpt::new_none(), GcOpt::new_none());
                    let table = mu.alloc_array_from_fn(buckets, |_| GcOpt::new_none());
                    Gc::new(mu, Shard { first, last, len: Cell::new(0), table })
                })
            })
        };
        ArenaCache { arena: on_all_cores(new), capacity: capacity(n), buckets }
    }
}

impl ArenaCache {
    #[inline(always)]
    fn look_up_one<'gc>(
        &self,
        mu: &'gc Mutator<'gc>,
        shards: &Gc<'gc, [ShardPtr<'gc>]>,
        key: u64,
        tally: &mut Tally,
    ) {
        let (shard, bucket) = place(key, self.buckets);
        let shard = &shards[shard];
        if let Some(entry) = shard.find(key, bucket) {
            tally.hit(key, &entry.value);
            Shard::unlink(shard, mu, &entry);
            Shard::push(shard, mu, entry);
            return;
        }
        Shard::insert(shard, mu, key, bucket);
        if shard.len.get() > self.capacity
            && let Some(last) = shard.last.as_option()
        {
            Shard::unlink(shard, mu, &last);
            shard.len.set(shard.len.get() - 1);
            shard.unchain(mu, &last);
        }
    }
}

impl Cache for ArenaCache {
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        self.arena.mutate(|mu, shards| {
            for key in keys {
                self.look_up_one(mu, shards, key, &mut tally);
            }
        });
        tally
    }

    fn intact(&mut self, shard: usize) -> u64 {
        let mut intact = 0;
        self.arena.mutate(|_, shards| intact = shards[shard].intact());
        intact
    }

    fn play(&mut self, zipf: Zipf, thread: u64, seconds: f64) -> Played {
        let (mut played, mut random) = (Played::new(), Random::new(seed(thread)));
        let over = Instant::now() + Duration::from_secs_f64(seconds);
        let (mut before, mut goes_on) = (None, true);
        while goes_on {
            self.arena.mutate(|mu, shards| {
                while goes_on {
                    let start = before.take().unwrap_or_else(Instant::now);
                    let Played { ops, tally, latencies } = &mut played;
                    let end = latencies.time_from(start, || {
                        for _ in 0..BATCH {
                            self.look_up_one(mu, shards, zipf.draw(&mut random), tally);
                        }
                    });
                    *ops += BATCH as u64;
                    goes_on = end < over;
                    if mu.gc_yield() {
                        before = Some(end);
                        break;
                    }
                }
            });
        }
        played
    }
}

impl<'gc> Shard<'gc> {
    #[inline(always)]
    fn insert(shard: &ShardPtr<'gc>, mu: &'gc Mutator<'gc>, key: u64, bucket: usize) {
        let entry = Entry {
            key,
            value: mu.alloc_array(byte_of(key), len_of(key)),
            prev: GcOpt::new_none(),
            next: GcOpt::new_none(),
            chain: shard.table[bucket].clone(),
        };
        let entry = Gc::new(mu, entry);
        GcOpt::update_array(mu, shard.table.clone(), bucket, entry.clone().into());
        Shard::push(shard, mu, entry);
        shard.len.set(shard.len.get() + 1);
    }

    #[inline(always)]
    fn find(&self, key: u64, bucket: usize) -> Option<EntryPtr<'gc>> {
        let mut at = self.table[bucket].as_option();
        while let Some(entry) = &at {
            if entry.key == key {
                break;
            }
            at = entry.chain.as_option();
        }
        at
    }

    /// Takes an entry out of the table.
    #[inline(always)]
    fn unchain(&self, mu: &'gc Mutator<'gc>, entry: &EntryPtr<'gc>) {
        let bucket = place(entry.key, self.table.len()).1;
        let Some(mut at) = self.table[bucket].as_option() else { return };
        if same(Some(&at), Some(entry)) {
            GcOpt::update_array(mu, self.table.clone(), bucket, entry.chain.clone());
            return;
        }
        while let Some(next) = at.chain.as_option() {
            if same(Some(&next), Some(entry)) {
                store!(mu, at, Entry, chain, entry.chain.clone());
                return;
            }
            at = next;
        }
    }

    #[inline(always)]
    fn push(shard: &ShardPtr<'gc>, mu: &'gc Mutator<'gc>, entry: EntryPtr<'gc>) {
        let first = shard.first.clone();
        entry.prev.set_none();
        store!(mu, entry, Entry, next, first.clone());
        match first.as_option() {
            Some(first) => store!(mu, first, Entry, prev, entry.clone()),
            None => store!(mu, shard, Shard, last, entry.clone()),
        }
        store!(mu, shard, Shard, first, entry);
    }

    #[inline(always)]
    fn unlink(shard: &ShardPtr<'gc>, mu: &'gc Mutator<'gc>, entry: &EntryPtr<'gc>) {
        let (prev, next) = (entry.prev.clone(), entry.next.clone());
        match prev.as_option() {
            Some(prev) => store!(mu, prev, Entry, next, next.clone()),
            None => store!(mu, shard, Shard, first, next.clone()),
        }
        match next.as_option() {
            Some(next) => store!(mu, next, Entry, prev, prev),
            None => store!(mu, shard, Shard, last, prev),
        }
    }

    fn intact(&self) -> u64 {
        let (mut prev, mut at, mut intact) = (None, self.first.as_option(), 0);
        for _ in 0..self.len.get() {
            let Some(entry) = at.clone() else { break };
            let (_, bucket) = place(entry.key, self.table.len());
            intact += u64::from(
                is_value_of(entry.key, &entry.value)
                    && same(entry.prev.as_option().as_ref(), prev.as_ref())
                    && same(self.find(entry.key, bucket).as_ref(), at.as_ref()),
            );
            (prev, at) = (at, entry.next.as_option());
        }
        // A list that is longer or shorter than its count, or ends elsewhere, is no list.
        let ends = at.is_none() && same(prev.as_ref(), self.last.as_option().as_ref());
        if ends { intact } else { 0 }
    }
}

fn same(a: Option<&EntryPtr<'_>>, b: Option<&EntryPtr<'_>>) -> bool {
    let address = |entry: &EntryPtr<'_>| std::ptr::from_ref::<Entry<'_>>(entry).cast::<()>();
    a.map(address) == b.map(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicts_the_least_recent() {
        crate::lru::tests::evicts_the_least_recent(ArenaCache::new(2 * SHARDS));
    }
}
