//! `window` and `mutate` in `sandpit`: long tables whose slots change.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use sandpit::{Arena, Gc, GcOpt, GcSync, Mutator, Root, Trace, TraceLeaf};

use crate::alloc::BATCH;
use crate::measure::{Latencies, Stopwatch};
use crate::mutate::{self, BROKEN, Game, NONE, Options, Player};
use crate::objects::MESSAGE;
use crate::pin::{self, on_all_cores};
use crate::random::Random;
use crate::window::{Run, WINDOW, last, sum_of};

#[derive(TraceLeaf)]
struct Message {
    bytes: [u8; MESSAGE],
}

/// A table as one object.
type Slots<'gc, T> = Gc<'gc, [GcOpt<'gc, T>]>;

fn slots<'gc, T: Trace>(mu: &'gc Mutator<'gc>, n: usize) -> Slots<'gc, T> {
    mu.alloc_array_from_fn(n, |_| GcOpt::new_none())
}

/// `window`.
pub(super) fn window(n: usize) -> Run {
    type Ring = Arena<Root![Slots<'_, Message>]>;
    let arena = on_all_cores(|| Ring::new(|mu| slots(mu, WINDOW)));
    let mut latencies = Latencies::new();
    let watch = Stopwatch::start();
    let (mut i, mut before) = (0, None);
    while i < n {
        arena.mutate(|mu, ring| {
            while i < n {
                let start = before.take().unwrap_or_else(Instant::now);
                let end = latencies.time_from(start, || {
                    let message = GcOpt::new(mu, Message { bytes: [i as u8; MESSAGE] });
                    GcOpt::update_array(mu, ring.clone(), i % WINDOW, message);
                });
                i += 1;
                if mu.gc_yield() {
                    before = Some(end);
                    break;
                }
            }
        });
    }
    let elapsed = watch.stop();
    let mut sum = 0;
    arena.mutate(|_, ring| {
        let at = |i: usize| ring[i % WINDOW].as_option().map_or(0, |m| sum_of(&m.bytes, i));
        sum = last(n).map(at).sum();
    });
    Run { elapsed, latencies, sum }
}

pub(super) fn mutate(options: &Options) -> Game {
    pin::on_one_thread(options.common.pin, || mutate::alone(options, &mut Table::new(options.n)))
}

/// A node of `mutate`.
#[derive(Trace)]
struct Link<'gc> {
    next: GcOpt<'gc, Link<'gc>>,
    val: u64,
    words: [u64; 3],
}

impl<'gc> Link<'gc> {
    #[inline(always)]
    fn make(mu: &'gc Mutator<'gc>, next: GcOpt<'gc, Link<'gc>>, val: u64) -> GcOpt<'gc, Link<'gc>> {
        GcOpt::new(mu, Link { next, val, words: mutate::words(val) })
    }

    fn is_intact(&self) -> bool {
        self.words == mutate::words(self.val)
    }
}

/// The table of `mutate`, and its one mutator.
struct Table(Arena<Root![Slots<'_, Link<'_>>]>);

impl Table {
    fn new(n: usize) -> Table {
        let table = Table(on_all_cores(|| Arena::new(|mu| slots(mu, n))));
        for start in (0..n).step_by(BATCH) {
            table.0.mutate(|mu, slots| {
                for i in start..(start + BATCH).min(n) {
                    let link = Link::make(mu, GcOpt::new_none(), mutate::initial(i));
                    GcOpt::update_array(mu, slots.clone(), i, link);
                }
            });
        }
        table
    }
}

#[inline(always)]
fn operations<'gc>(
    mu: &'gc Mutator<'gc>,
    slots: &Slots<'gc, Link<'gc>>,
    random: &mut Random,
    first: u64,
) {
    for val in first..first + mutate::BATCH {
        let (i, j) = (random.below(slots.len()), random.below(slots.len()));
        let next = slots[j].clone();
        if let Some(next) = next.as_option() {
            next.next.set_none();
        }
        GcOpt::update_array(mu, slots.clone(), i, Link::make(mu, next, val));
    }
}

impl Player for Table {
    fn batch(&mut self, random: &mut Random, first: u64) {
        self.0.mutate(|mu, slots| operations(mu, slots, random, first));
    }

    fn play(&mut self, thread: u64, seconds: f64) -> (u64, Latencies) {
        let (mut random, mut latencies) = (Random::new(mutate::seed(thread)), Latencies::new());
        let over = Instant::now() + Duration::from_secs_f64(seconds);
        let (mut ops, mut before, mut goes_on) = (0, None, true);
        while goes_on {
            self.0.mutate(|mu, slots| {
                while goes_on {
                    let start = before.take().unwrap_or_else(Instant::now);
                    let first = (thread << 48) + ops;
                    let end =
                        latencies.time_from(start, || operations(mu, slots, &mut random, first));
                    ops += mutate::BATCH;
                    goes_on = end < over;
                    if mu.gc_yield() {
                        before = Some(end);
                        break;
                    }
                }
            });
        }
        (ops, latencies)
    }

    fn slot(&self, i: usize) -> (u64, u64) {
        let mut found = BROKEN;
        self.0.mutate(|_, slots| {
            let Some(link) = slots[i].as_option().filter(|link| link.is_intact()) else { return };
            found = match link.next.as_option() {
                None => (link.val, NONE),
                Some(next) if next.is_intact() && next.next.is_none() => (link.val, next.val),
                Some(_) => BROKEN,
            };
        });
        found
    }
}
