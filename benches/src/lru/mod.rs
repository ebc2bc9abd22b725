//! `lru`: a cache of N entries under Zipf-distributed keys, shared by T threads for S seconds.
//!
//! There are 64 shards of N/64 entries. Each has a lock, a chained hash table with a fixed number
//! of buckets, and a doubly linked recency list. A key of 4N is drawn with skew 0.99 and looked up.
//! A hit checks the first and the last byte and the length of the value, and moves the entry to the
//! front. A miss makes the entry and its value of 64 to 512 bytes. If the shard is then over its
//! capacity, its last entry leaves. A batch of 16 operations is timed, draws included, and is one
//! `mutate`. Before the clock starts, the keys N-1 to 0 are looked up. That fills the cache except
//! for the few shards to which fewer keys belong; misses fill those.
//!
//! The hash table is written by hand in every engine, so that memory managers are compared and not
//! maps.
//!
//! The checksum counts the entries that are intact at the end, and must be the sum of the
//! capacities. An intact entry has the value of its key, the table finds it, and its list runs the
//! same way in both directions.

#![forbid(unsafe_code)]

mod gc;
mod owned;
mod zipf;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::engines::Engine;
use crate::measure::{Elapsed, Latencies, Stopwatch, noise_floor};
#[cfg(feature = "peers")]
use crate::peers::{Pacing, dumpster_sync::DumpsterCache, gc_arena::ArenaCache};
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, heap_for, pin};
use owned::SlabCache;
use zipf::Zipf;

/// Operations in one `mutate`.
const BATCH: usize = 16;
pub(crate) const SHARDS: usize = 64;
const LEAST_VALUE: usize = 64;
const MOST_VALUE: usize = 512;

/// One thread's access to the cache.
pub(crate) trait Cache {
    /// Looks up each key, in one batch.
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally;

    /// The number of intact entries of a shard.
    fn intact(&mut self, shard: usize) -> u64;
}

/// The result of some lookups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    hits: u64,
    /// Hits whose value was not that of the key.
    broken: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.hits += other.hits;
        self.broken += other.broken;
    }

    /// Counts a hit.
    #[inline(always)]
    pub(crate) fn hit(&mut self, key: u64, value: &[u8]) {
        self.hits += 1;
        let ends = [value.first(), value.last()] == [Some(&byte_of(key)); 2];
        self.broken += u64::from(!ends || value.len() != len_of(key));
    }
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap_for(args)?;
    let floor = noise_floor(args.pin);
    let zipf = Zipf::new(4 * args.n as u64);
    let mut before = None;
    let game = match (&heap, args.engine) {
        (Some(heap), _) => {
            let cache = pin::on_one_thread(args.pin, || gc::GcCache::new_in(heap, args.n));
            let player = || gc::Player { mutator: heap.mutator(), cache: &cache };
            pin::on_one_thread(args.pin, || fill(&mut player(), args.n));
            before = Some(heap.pauses());
            together(args, zipf, player)
        }
        #[cfg(feature = "peers")]
        (None, Engine::GcArena | Engine::GcArenaStw) => pin::on_one_thread(args.pin, || {
            let mut cache = ArenaCache::new(Pacing::of(args.engine), args.n);
            fill(&mut cache, args.n);
            alone(args, zipf, &mut cache)
        }),
        #[cfg(feature = "peers")]
        (None, Engine::DumpsterSync) => shared(args, zipf, || DumpsterCache::new(args.n)),
        (None, Engine::Arc) => shared(args, zipf, || SlabCache::<Arc<[u8]>>::new(args.n)),
        (None, _) => shared(args, zipf, || SlabCache::<Box<[u8]>>::new(args.n)),
    };
    if game.tally.broken > 0 {
        return Err(format!("{} hits found a wrong value", game.tally.broken));
    }
    report.count("n", args.n as u64);
    report.count("ops", game.ops);
    report.number("mops_per_s", game.ops as f64 / game.elapsed.wall_s / 1e6);
    report.number("hit_rate", game.tally.hits as f64 / game.ops as f64);
    report.latencies(&game.latencies);
    report.floor(&floor);
    report.elapsed(game.elapsed);
    if let Some(heap) = &heap {
        report.heap(heap, before.as_ref(), args.pauses);
    }
    check(report, game.intact, (SHARDS * capacity(args.n)) as u64)
}

/// A run on a cache outside of any closure.
fn shared<C: Send + Sync>(args: &Args, zipf: Zipf, new: impl Fn() -> C + Sync) -> Game
where
    for<'c> &'c C: Cache,
{
    let cache = pin::on_one_thread(args.pin, || {
        let cache = new();
        fill(&mut &cache, args.n);
        cache
    });
    together(args, zipf, || &cache)
}

/// The result of a run.
struct Game {
    ops: u64,
    tally: Tally,
    latencies: Latencies,
    elapsed: Elapsed,
    intact: u64,
}

fn fill(cache: &mut impl Cache, n: usize) {
    let mut left = n;
    while left > 0 {
        let batch = left.min(BATCH);
        cache.look_up((left - batch..left).rev().map(|key| key as u64));
        left -= batch;
    }
}

/// A run on `--threads` threads.
fn together<C: Cache>(args: &Args, zipf: Zipf, cache: impl Fn() -> C + Sync) -> Game {
    let watch = Stopwatch::start();
    let parts = pin::on_threads(args.threads, args.pin, |i| {
        play(&mut cache(), zipf, i as u64, args.seconds)
    });
    let elapsed = watch.stop();
    let (mut ops, mut tally, mut latencies) = (0, Tally::default(), Latencies::new());
    for (part_ops, part_tally, part) in &parts {
        ops += part_ops;
        tally.add(*part_tally);
        latencies.merge(part);
    }
    let intact = pin::on_one_thread(args.pin, || intact(&mut cache()));
    Game { ops, tally, latencies, elapsed, intact }
}

/// A run on this thread.
#[cfg(feature = "peers")]
fn alone(args: &Args, zipf: Zipf, cache: &mut impl Cache) -> Game {
    let watch = Stopwatch::start();
    let (ops, tally, latencies) = play(cache, zipf, 0, args.seconds);
    let elapsed = watch.stop();
    Game { ops, tally, latencies, elapsed, intact: intact(cache) }
}

fn intact(cache: &mut impl Cache) -> u64 {
    (0..SHARDS).map(|shard| cache.intact(shard)).sum()
}

/// Operations of one thread until the time is over.
fn play(cache: &mut impl Cache, zipf: Zipf, thread: u64, seconds: f64) -> (u64, Tally, Latencies) {
    let (mut ops, mut tally, mut latencies) = (0, Tally::default(), Latencies::new());
    let mut random = Random::new(1000 + thread);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        let now = latencies.time(|| {
            let keys = (0..BATCH).map(|_| zipf.draw(&mut random));
            tally.add(cache.look_up(keys));
        });
        ops += BATCH as u64;
        if now >= end {
            return (ops, tally, latencies);
        }
    }
}

/// Entries of a shard.
pub(crate) fn capacity(n: usize) -> usize {
    n.div_ceil(SHARDS)
}

/// Buckets of a shard.
pub(crate) fn buckets(n: usize) -> usize {
    capacity(n).next_power_of_two()
}

/// The shard of a key, and its bucket among `buckets`.
#[inline(always)]
pub(crate) fn place(key: u64, buckets: usize) -> (usize, usize) {
    let hash = mix(key);
    ((hash >> 58) as usize, hash as usize & (buckets - 1))
}

/// The length of the value of a key.
#[inline(always)]
pub(crate) fn len_of(key: u64) -> usize {
    LEAST_VALUE + (mix(key) % (MOST_VALUE - LEAST_VALUE + 1) as u64) as usize
}

/// Every byte of the value of a key.
#[inline(always)]
pub(crate) fn byte_of(key: u64) -> u8 {
    key as u8
}

/// Returns whether a value is, to its last byte, that of its key.
pub(crate) fn is_value_of(key: u64, value: &[u8]) -> bool {
    value.len() == len_of(key) && value.iter().all(|&b| b == byte_of(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least recently used entries leave, others stay, in every engine.
    fn evicts_the_least_recent(mut cache: impl Cache) {
        // The first keys of shard 0, which holds two.
        let keys: Vec<u64> = (0..).filter(|&key| place(key, 2).0 == 0).take(3).collect();
        let mut hits = |keys: &[u64]| cache.look_up(keys.iter().copied()).hits;
        assert_eq!(hits(&[keys[0], keys[1], keys[0]]), 1);
        assert_eq!(hits(&[keys[2]]), 0, "it takes the place of the second");
        assert_eq!(hits(&[keys[0], keys[2]]), 2);
        assert_eq!(hits(&[keys[1]]), 0);
        assert_eq!(hits(&[keys[0]]), 0, "the second took its place");
        assert_eq!((cache.intact(0), cache.intact(1)), (2, 0));
    }

    #[test]
    fn all_engines_evict_the_least_recent() {
        let heap = gc_core::Heap::new();
        let cache = gc::GcCache::new_in(&heap, 2 * SHARDS);
        evicts_the_least_recent(gc::Player { mutator: heap.mutator(), cache: &cache });
        evicts_the_least_recent(&SlabCache::<Box<[u8]>>::new(2 * SHARDS));
        evicts_the_least_recent(&SlabCache::<Arc<[u8]>>::new(2 * SHARDS));
        #[cfg(feature = "peers")]
        {
            evicts_the_least_recent(ArenaCache::new(Pacing::Incremental, 2 * SHARDS));
            evicts_the_least_recent(&DumpsterCache::new(2 * SHARDS));
        }
    }

    #[test]
    fn a_wrong_value_is_seen() {
        let mut tally = Tally::default();
        tally.hit(7, &vec![7; len_of(7)]);
        assert_eq!((tally.hits, tally.broken), (1, 0));
        tally.hit(7, &vec![7; len_of(7) - 1]);
        tally.hit(7, &vec![8; len_of(7)]);
        assert_eq!((tally.hits, tally.broken), (3, 2));
        assert!(is_value_of(300, &vec![44; len_of(300)]) && !is_value_of(300, &[44]));
    }
}
