//! `lru`: a cache of N entries under Zipf-distributed keys, shared by T threads for S seconds.
//!
//! 64 shards, each with a lock, a chained hash table with a fixed number of buckets, and a doubly
//! linked recency list, hold N/64 entries each. A key of 4N is drawn with skew 0.99 and looked up.
//! A hit checks the first and the last byte and the length of the value and moves the entry to the
//! front. A miss makes the value, 64 to 512 bytes, and the entry; the last entry of a shard that is
//! then over its capacity leaves it. A batch of 16 operations is timed, draws included, and is one
//! `mutate`. The keys N-1 to 0 are looked up before the clock starts, which fills the cache but for
//! the few shards to which fewer keys belong; misses fill those.
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

use std::time::{Duration, Instant};

use gc_core::{Heap, Pauses};

use crate::cli::{Common, MOST, Timed, Workload, number, seconds, threads};
use crate::engines::given;
use crate::measure::{Elapsed, Latencies, Stopwatch, noise_floor};
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, pin};
pub(crate) use owned::SlabCache;
pub(crate) use zipf::Zipf;

/// Entries of the smallest cache: the checksum supposes that every shard gets full.
const LEAST: usize = 1000;
/// Operations in one `mutate`.
pub(crate) const BATCH: usize = 16;
pub(crate) const SHARDS: usize = 64;
const LEAST_VALUE: usize = 64;
const MOST_VALUE: usize = 512;

/// One thread's access to the cache.
pub(crate) trait Cache {
    /// Looks up each key, in one batch.
    fn look_up(&mut self, keys: impl Iterator<Item = u64>) -> Tally;

    /// The number of intact entries of a shard.
    fn intact(&mut self, shard: usize) -> u64;

    /// Looks up batches of random keys until the time is over.
    fn play(&mut self, zipf: Zipf, thread: u64, seconds: f64) -> Played {
        let (mut ops, mut tally, mut latencies) = (0, Tally::default(), Latencies::new());
        let mut random = Random::new(seed(thread));
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        loop {
            let now = latencies.time(|| {
                let keys = (0..BATCH).map(|_| zipf.draw(&mut random));
                tally.add(self.look_up(keys));
            });
            ops += BATCH as u64;
            if now >= end {
                return Played { ops, tally, latencies };
            }
        }
    }
}

/// The seed of a thread's random numbers.
pub(crate) fn seed(thread: u64) -> u64 {
    1000 + thread
}

/// What one thread did.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) ops: u64,
    pub(crate) tally: Tally,
    pub(crate) latencies: Latencies,
}

impl Played {
    pub(crate) fn new() -> Played {
        Played { ops: 0, tally: Tally::default(), latencies: Latencies::new() }
    }
}

/// The result of some lookups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    hits: u64,
    /// Hits whose value was not that of the key.
    broken: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
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

/// What follows `lru` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Entries of the cache
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = number(LEAST, MOST))]
    n: usize,
    /// How long the threads run
    #[arg(long, value_name = "S", default_value_t = 20.0, value_parser = seconds())]
    seconds: f64,
    /// Mutator threads, which share the cache
    #[arg(long, value_name = "T", default_value_t = 2, value_parser = threads())]
    threads: usize,
    #[command(flatten)]
    timed: Timed,
    #[command(flatten)]
    common: Common,
}

/// Makes the cache, fills it, looks up, and checks it.
pub(crate) type Body = fn(&Options, Option<&Heap>, Zipf) -> Game;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn timed(&self) -> Option<&Timed> {
        Some(&self.timed)
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.lru(self.threads)).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.lru(self.threads))?;
        let heap = self.common.heap()?;
        let floor = noise_floor(self.common.pin);
        let game = body(self, heap.as_ref(), Zipf::new(4 * self.n as u64));
        let Played { ops, tally, latencies } = &game.played;
        if tally.broken > 0 {
            return Err(format!("{} hits found a wrong value", tally.broken));
        }
        report.count("n", self.n as u64);
        report.count("ops", *ops);
        report.number("mops_per_s", *ops as f64 / game.elapsed.wall_s / 1e6);
        report.number("hit_rate", tally.hits as f64 / *ops as f64);
        report.latencies(latencies);
        report.floor(&floor);
        report.elapsed(game.elapsed);
        report.heap(heap.as_ref(), game.before.as_ref(), self.common.pauses);
        check(report, game.intact, (SHARDS * capacity(self.n)) as u64)
    }
}

pub(crate) fn ours(options: &Options, heap: Option<&Heap>, zipf: Zipf) -> Game {
    let Options { n, common: Common { pin, .. }, .. } = *options;
    let heap = given(heap);
    let cache = pin::on_one_thread(pin, || gc::GcCache::new_in(heap, n));
    let player = || gc::Player { mutator: heap.mutator(), cache: &cache };
    pin::on_one_thread(pin, || fill(&mut player(), n));
    let before = Some(heap.pauses());
    Game { before, ..together(options, zipf, player) }
}

/// A cache outside of any closure, of a number of entries.
pub(crate) trait Shareable: Send + Sync {
    fn new(n: usize) -> Self;
}

/// A run on a cache that all threads borrow.
pub(crate) fn shared<C: Shareable>(options: &Options, _: Option<&Heap>, zipf: Zipf) -> Game
where
    for<'c> &'c C: Cache,
{
    let cache = pin::on_one_thread(options.common.pin, || {
        let cache = C::new(options.n);
        fill(&mut &cache, options.n);
        cache
    });
    together(options, zipf, || &cache)
}

/// A run on a cache that does not leave its thread.
#[cfg(feature = "peers")]
pub(crate) fn local<C: Cache>(
    options: &Options,
    zipf: Zipf,
    new: impl Fn(usize) -> C + Sync,
) -> Game {
    pin::on_one_thread(options.common.pin, || {
        let mut cache = new(options.n);
        fill(&mut cache, options.n);
        let watch = Stopwatch::start();
        let played = cache.play(zipf, 0, options.seconds);
        let elapsed = watch.stop();
        Game { played, elapsed, intact: intact(&mut cache), before: None }
    })
}

/// What a run gave.
pub(crate) struct Game {
    played: Played,
    elapsed: Elapsed,
    intact: u64,
    /// The pauses of our heap while the cache was filled.
    before: Option<Pauses>,
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
fn together<C: Cache>(options: &Options, zipf: Zipf, cache: impl Fn() -> C + Sync) -> Game {
    let Options { seconds, threads, common: Common { pin, .. }, .. } = *options;
    let watch = Stopwatch::start();
    let parts = pin::on_threads(threads, pin, |i| cache().play(zipf, i as u64, seconds));
    let elapsed = watch.stop();
    let mut played = Played::new();
    for part in &parts {
        played.ops += part.ops;
        played.tally.add(part.tally);
        played.latencies.merge(&part.latencies);
    }
    let intact = pin::on_one_thread(pin, || intact(&mut cache()));
    Game { played, elapsed, intact, before: None }
}

fn intact(cache: &mut impl Cache) -> u64 {
    (0..SHARDS).map(|shard| cache.intact(shard)).sum()
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
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    /// Least recently used entries leave, others stay, in whatever engine.
    pub(crate) fn evicts_the_least_recent(mut cache: impl Cache) {
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
