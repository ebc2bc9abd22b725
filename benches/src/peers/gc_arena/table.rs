//! `window` and `mutate` in `gc-arena`: long tables whose slots change.

#![forbid(unsafe_code)]

use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, Lock, Mutation, Rootable};

use super::{Pacing, Slots, slots};
use crate::alloc::BATCH;
use crate::mutate::{self, BROKEN, Game, NONE, Options, Player};
use crate::objects::MESSAGE;
use crate::pin;
use crate::random::Random;
use crate::window::{Run, WINDOW, last, pushes, sum_of};

#[derive(Collect)]
#[collect(require_static)]
struct Message {
    bytes: [u8; MESSAGE],
}

/// `window`.
pub(super) fn window(pacing: Pacing, n: usize) -> Run {
    let arena = Arena::<Rootable![Slots<'_, Message>]>::new(|mc| slots(mc, WINDOW));
    let mut arena = pacing.pace(arena);
    let (elapsed, latencies) = pushes(n, |i| {
        arena.mutate(|mc, ring| {
            ring[i % WINDOW].set(mc, Some(Gc::new(mc, Message { bytes: [i as u8; MESSAGE] })));
        });
        arena.collect_debt();
    });
    let sum = |i: usize| {
        let at = |message: Gc<'_, Message>| sum_of(&message.bytes, i);
        arena.mutate(|_, ring| ring[i % WINDOW].get().map_or(0, at))
    };
    Run { elapsed, latencies, sum: last(n).map(sum).sum() }
}

/// A node of `mutate`.
#[derive(Collect)]
#[collect(no_drop)]
struct Link<'gc> {
    next: Lock<Option<Gc<'gc, Link<'gc>>>>,
    val: u64,
    words: [u64; 3],
}

impl<'gc> Link<'gc> {
    #[inline(always)]
    fn make(mc: &Mutation<'gc>, next: Option<Gc<'gc, Link<'gc>>>, val: u64) -> Gc<'gc, Link<'gc>> {
        Gc::new(mc, Link { next: Lock::new(next), val, words: mutate::words(val) })
    }

    fn is_intact(&self) -> bool {
        self.words == mutate::words(self.val)
    }
}

type LinkArena = Arena<Rootable![Slots<'_, Link<'_>>]>;

pub(super) fn mutate(pacing: Pacing, options: &Options) -> Game {
    pin::on_one_thread(options.common.pin, || {
        mutate::alone(options, &mut Table::new(pacing, options.n))
    })
}

/// The table of `mutate`, and its one mutator.
struct Table(LinkArena);

impl Table {
    fn new(pacing: Pacing, n: usize) -> Table {
        let mut arena = pacing.pace(LinkArena::new(|mc| slots(mc, n)));
        for start in (0..n).step_by(BATCH) {
            arena.mutate(|mc, table| {
                for i in start..(start + BATCH).min(n) {
                    table[i].set(mc, Some(Link::make(mc, None, mutate::initial(i))));
                }
            });
            arena.collect_debt();
        }
        Table(arena)
    }
}

impl Player for Table {
    #[inline(always)]
    fn batch(&mut self, random: &mut Random, first: u64) {
        self.0.mutate(|mc, table| {
            for val in first..first + mutate::BATCH {
                let (i, j) = (random.below(table.len()), random.below(table.len()));
                let next = table[j].get();
                if let Some(next) = next {
                    unlock!(Gc::write(mc, next), Link, next).set(None);
                }
                table[i].set(mc, Some(Link::make(mc, next, val)));
            }
        });
        self.0.collect_debt();
    }

    fn slot(&self, i: usize) -> (u64, u64) {
        self.0.mutate(|_, table| {
            let Some(link) = table[i].get().filter(|link| link.is_intact()) else { return BROKEN };
            match link.next.get() {
                None => (link.val, NONE),
                Some(next) if next.is_intact() && next.next.get().is_none() => (link.val, next.val),
                Some(_) => BROKEN,
            }
        })
    }
}
