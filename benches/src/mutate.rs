//! `mutate`: a live table of K nodes {next, val, three more words}, changed for S seconds.
//!
//! An operation picks a random slot, allocates a node whose `next` is the current node of another
//! random slot (that node's own `next` is cut first, so chains stay short), and stores it in the
//! slot. A batch of 16 is timed, and is one `mutate`. T mutators share the table.
//!
//! The words of every node reachable at the end must agree with its `val`, and the table must be
//! full. With one mutator the run is also played again on plain integers, and every `val` and
//! `next` must be the same; the checksum is then a hash of the whole table. With several it is the
//! number of slots.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use gc_core::{Gc, GcCell, Heap, Mutation, Mutator, Pauses, Root, Trace};

use crate::cli::{Common, Timed, Workload, seconds, size, threads};
use crate::engines::given;
use crate::measure::{Elapsed, Latencies, Stopwatch, noise_floor};
use crate::objects::SharedPointers;
use crate::random::{Random, mix};
use crate::report::Report;
use crate::{Outcome, check, pin};

/// Operations in one `mutate`.
pub(crate) const BATCH: u64 = 16;
/// Slots filled in one `mutate` while the table is made.
const FILL: usize = 256;
/// The `next` that no node has.
pub(crate) const NONE: u64 = u64::MAX;
/// The value that stands for a broken slot.
pub(crate) const BROKEN: (u64, u64) = (NONE, NONE);

/// What follows `mutate` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes of the table
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = size())]
    pub(crate) n: usize,
    /// How long the mutators run
    #[arg(long, value_name = "S", default_value_t = 20.0, value_parser = seconds())]
    pub(crate) seconds: f64,
    /// Mutator threads, which share the table
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = threads())]
    pub(crate) threads: usize,
    #[command(flatten)]
    timed: Timed,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Makes the table, changes it, and checks it.
pub(crate) type Body = fn(&Options, Option<&Heap>) -> Game;

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
        self.common.engine.can(|engine| engine.mutate(self.threads)).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.mutate(self.threads))?;
        let heap = self.common.heap()?;
        let floor = noise_floor(self.common.pin);
        let game = body(self, heap.as_ref());
        report.count("n", self.n as u64);
        report.count("ops", game.ops);
        report.number("mops_per_s", game.ops as f64 / game.elapsed.wall_s / 1e6);
        report.latencies(&game.latencies);
        report.floor(&floor);
        report.elapsed(game.elapsed);
        report.heap(heap.as_ref(), game.before.as_ref(), self.common.pauses);
        check(report, game.found, game.expected)
    }
}

pub(crate) fn ours(options: &Options, heap: Option<&Heap>) -> Game {
    let heap = given(heap);
    let table = pin::on_one_thread(options.common.pin, || gc_table(heap, options.n));
    let before = Some(heap.pauses());
    let player = || GcPlayer { mutator: heap.mutator(), table: &table };
    Game { before, ..together(options, player) }
}

/// Pointers that threads share.
pub(crate) fn shared<P: SharedPointers>(options: &Options, _: Option<&Heap>) -> Game
where
    P::Slot: Send + Sync,
{
    let table = pin::on_one_thread(options.common.pin, || pointer_table::<P>(options.n));
    together(options, || PointerPlayer::<P> { table: &table })
}

/// Pointers that do not leave their thread: the table is made, changed and checked on one.
pub(crate) fn local<P: SharedPointers>(options: &Options, _: Option<&Heap>) -> Game {
    pin::on_one_thread(options.common.pin, || {
        let table = pointer_table::<P>(options.n);
        alone(options, &mut PointerPlayer::<P> { table: &table })
    })
}

/// One thread's access to the table.
pub(crate) trait Player {
    /// Does [`BATCH`] operations; the new nodes get the values from `first` up.
    fn batch(&mut self, random: &mut Random, first: u64);

    /// Does batches until the time is over.
    fn play(&mut self, thread: u64, seconds: f64) -> (u64, Latencies) {
        let (mut random, mut latencies) = (Random::new(seed(thread)), Latencies::new());
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let mut ops = 0;
        while latencies.time(|| self.batch(&mut random, (thread << 48) + ops)) < end {
            ops += BATCH;
        }
        (ops + BATCH, latencies)
    }

    /// The `val` of the node in slot `i` and of its next ([`NONE`] without); [`BROKEN`] if either
    /// is not intact.
    fn slot(&self, i: usize) -> (u64, u64);
}

/// What a run gave, and the checksum of the table after it.
pub(crate) struct Game {
    ops: u64,
    latencies: Latencies,
    elapsed: Elapsed,
    found: u64,
    expected: u64,
    /// The pauses of our heap while the table was made.
    before: Option<Pauses>,
}

/// A run on `--threads` threads.
fn together<P: Player>(options: &Options, player: impl Fn() -> P + Sync) -> Game {
    let Options { seconds, threads, common: Common { pin, .. }, .. } = *options;
    let watch = Stopwatch::start();
    let parts = pin::on_threads(threads, pin, |i| player().play(i as u64, seconds));
    let elapsed = watch.stop();
    let (mut ops, mut latencies) = (0, Latencies::new());
    for (part_ops, part) in &parts {
        ops += part_ops;
        latencies.merge(part);
    }
    let (found, expected) = pin::on_one_thread(pin, || verify(options, &player(), ops));
    Game { ops, latencies, elapsed, found, expected, before: None }
}

/// A run on this thread.
pub(crate) fn alone(options: &Options, player: &mut impl Player) -> Game {
    let watch = Stopwatch::start();
    let (ops, latencies) = player.play(0, options.seconds);
    let elapsed = watch.stop();
    let (found, expected) = verify(options, player, ops);
    Game { ops, latencies, elapsed, found, expected, before: None }
}

/// The seed of a thread's random numbers.
pub(crate) fn seed(thread: u64) -> u64 {
    1000 + thread
}

/// The value of slot `i` before the first operation. No operation gives it.
pub(crate) fn initial(i: usize) -> u64 {
    (1 << 63) + i as u64
}

/// The three more words of a node.
pub(crate) fn words(val: u64) -> [u64; 3] {
    [!val, val.rotate_left(17), mix(val)]
}

/// The checksum found and the one expected.
fn verify(options: &Options, player: &impl Player, ops: u64) -> (u64, u64) {
    let slots = (0..options.n).map(|i| player.slot(i));
    if options.threads > 1 {
        return (slots.filter(|slot| *slot != BROKEN).count() as u64, options.n as u64);
    }
    (hash(slots), hash(replay(options.n, ops).into_iter()))
}

fn hash(slots: impl Iterator<Item = (u64, u64)>) -> u64 {
    slots.fold(0, |hash, (val, next)| mix(hash ^ mix(val) ^ next.rotate_left(32)))
}

/// Replays the run of thread 0 on plain integers.
fn replay(n: usize, ops: u64) -> Vec<(u64, u64)> {
    let mut table: Vec<_> = (0..n).map(|i| (initial(i), NONE)).collect();
    let mut random = Random::new(seed(0));
    for val in 0..ops {
        let (i, j) = (random.below(n), random.below(n));
        table[j].1 = NONE;
        table[i] = (val, table[j].0);
    }
    table
}

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    val: u64,
    words: [u64; 3],
}

impl<'gc> Node<'gc> {
    #[inline(always)]
    fn new(next: Option<Gc<'gc, Node<'gc>>>, val: u64) -> Node<'gc> {
        Node { next: GcCell::new(next), val, words: words(val) }
    }

    fn is_intact(&self) -> bool {
        self.words == words(self.val)
    }
}

type Table = Root<[GcCell<'static, Node<'static>>]>;

fn gc_table(heap: &Heap, n: usize) -> Table {
    let mutator = heap.mutator();
    let table: Table = mutator
        .mutate(|mc| Gc::root(Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node>::new(None))), mc));
    for start in (0..n).step_by(FILL) {
        mutator.mutate(|mc| {
            let slots = table.get(mc);
            for i in start..(start + FILL).min(n) {
                slots[i].set(mc, Some(Gc::new(mc, Node::new(None, initial(i)))));
            }
        });
    }
    table
}

struct GcPlayer<'t> {
    mutator: Mutator,
    table: &'t Table,
}

impl Player for GcPlayer<'_> {
    #[inline(always)]
    fn batch(&mut self, random: &mut Random, first: u64) {
        self.mutator.mutate(|mc| {
            let slots = Gc::as_ref(self.table.get(mc));
            for val in first..first + BATCH {
                gc_operation(mc, slots, random, val);
            }
        });
    }

    fn slot(&self, i: usize) -> (u64, u64) {
        self.mutator.mutate(|mc| {
            let Some(node) = self.table.get(mc)[i].get().filter(|node| node.is_intact()) else {
                return BROKEN;
            };
            match node.next.get() {
                None => (node.val, NONE),
                Some(next) if next.is_intact() && next.next.get().is_none() => (node.val, next.val),
                Some(_) => BROKEN,
            }
        })
    }
}

#[inline(always)]
fn gc_operation<'gc>(
    mc: &'gc Mutation<'gc>,
    slots: &'gc [GcCell<'gc, Node<'gc>>],
    random: &mut Random,
    val: u64,
) {
    let (i, j) = (random.below(slots.len()), random.below(slots.len()));
    let next = slots[j].get();
    if let Some(next) = next {
        next.next.set(mc, None);
    }
    slots[i].set(mc, Some(Gc::new(mc, Node::new(next, val))));
}

fn pointer_table<P: SharedPointers>(n: usize) -> Vec<P::Slot> {
    let link = |i: usize| P::link(None, initial(i), words(initial(i)));
    (0..n).map(|i| P::slot(Some(link(i)))).collect()
}

struct PointerPlayer<'t, P: SharedPointers> {
    table: &'t [P::Slot],
}

impl<P: SharedPointers> Player for PointerPlayer<'_, P> {
    #[inline(always)]
    fn batch(&mut self, random: &mut Random, first: u64) {
        let n = self.table.len();
        for val in first..first + BATCH {
            let (i, j) = (random.below(n), random.below(n));
            let next = P::load(&self.table[j]);
            if let Some(next) = &next {
                drop(P::replace(P::next(next), None));
            }
            drop(P::replace(&self.table[i], Some(P::link(next, val, words(val)))));
        }
        P::rest();
    }

    fn slot(&self, i: usize) -> (u64, u64) {
        let intact = |link: &P::Link| {
            let (val, found) = P::words(link);
            if found == words(val) { Some(val) } else { None }
        };
        let Some(link) = P::load(&self.table[i]) else { return BROKEN };
        let Some(val) = intact(&link) else { return BROKEN };
        match P::load(P::next(&link)) {
            None => (val, NONE),
            Some(next) => match (intact(&next), P::load(P::next(&next))) {
                (Some(next), None) => (val, next),
                _ => BROKEN,
            },
        }
    }
}
