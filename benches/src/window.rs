//! `window`: a ring of 200,000 live messages, each a fresh 1 KiB byte array filled with the low
//! byte of its number; M are pushed. Each push (allocation, fill, store) is timed on the mutator
//! and is one `mutate`.
//!
//! The checksum adds up all bytes in the ring at the end; each must be that of its message.

#![forbid(unsafe_code)]

use std::hint::black_box;

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::cli::{Common, Timed, Workload, size};
use crate::engines::given;
use crate::measure::{Elapsed, Latencies, Stopwatch, noise_floor};
use crate::objects::{MESSAGE, Pointers};
use crate::report::Report;
use crate::{Outcome, check, pin};

/// What follows `window` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Messages to push
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = size())]
    n: usize,
    #[command(flatten)]
    timed: Timed,
    #[command(flatten)]
    common: Common,
}

/// Pushes so many messages.
pub(crate) type Body = fn(Option<&Heap>, usize) -> Run;

/// Slots of the ring.
pub(crate) const WINDOW: usize = 200_000;

#[derive(Trace)]
struct Message {
    bytes: [u8; MESSAGE],
}

/// The sum of the bytes of message `i`, or what no message has.
pub(crate) fn sum_of(bytes: &[u8; MESSAGE], i: usize) -> u64 {
    let all_same = bytes.iter().all(|&b| b == i as u8);
    if all_same { bytes.iter().map(|&b| u64::from(b)).sum() } else { u64::from(u32::MAX) }
}

/// What the pushes of one run gave.
pub(crate) struct Run {
    pub(crate) elapsed: Elapsed,
    pub(crate) latencies: Latencies,
    pub(crate) sum: u64,
}

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn timed(&self) -> Option<&Timed> {
        Some(&self.timed)
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.window()).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let Options { n, ref common, .. } = *self;
        let body = common.engine.can(|engine| engine.window())?;
        let heap = common.heap()?;
        let floor = noise_floor(common.pin);
        let run = pin::on_one_thread(common.pin, || body(heap.as_ref(), n));
        report.count("n", n as u64);
        report.latencies(&run.latencies);
        report.floor(&floor);
        report.elapsed(run.elapsed);
        report.heap(heap.as_ref(), None, common.pauses);
        let bytes = |i: usize| (i as u8) as u64 * MESSAGE as u64;
        check(report, run.sum, last(n).map(bytes).sum())
    }
}

/// The numbers of the messages that are in the ring at the end.
pub(crate) fn last(n: usize) -> std::ops::Range<usize> {
    n.saturating_sub(WINDOW)..n
}

/// Times `n` pushes.
pub(crate) fn pushes(n: usize, mut push: impl FnMut(usize)) -> (Elapsed, Latencies) {
    let mut latencies = Latencies::new();
    let watch = Stopwatch::start();
    for i in 0..n {
        latencies.time(|| push(i));
    }
    (watch.stop(), latencies)
}

pub(crate) fn ours(heap: Option<&Heap>, n: usize) -> Run {
    let mutator = given(heap).mutator();
    let ring: Root<[GcCell<'static, Message>]> = mutator.mutate(|mc| {
        Gc::root(Gc::from_iter_in(mc, (0..WINDOW).map(|_| GcCell::<Message>::new(None))), mc)
    });
    let (elapsed, latencies) = pushes(n, |i| {
        mutator.mutate(|mc| {
            ring.get(mc)[i % WINDOW]
                .set(mc, Some(Gc::new(mc, Message { bytes: [i as u8; MESSAGE] })));
        });
    });
    let sum = |i: usize| {
        mutator.mutate(|mc| {
            ring.get(mc)[i % WINDOW].get().map_or(0, |message| sum_of(&message.bytes, i))
        })
    };
    Run { elapsed, latencies, sum: last(n).map(sum).sum() }
}

pub(crate) fn pointers<P: Pointers>(_: Option<&Heap>, n: usize) -> Run {
    let mut ring: Vec<Option<P::Message>> = (0..WINDOW).map(|_| None).collect();
    let (elapsed, latencies) = pushes(n, |i| {
        ring[i % WINDOW] = Some(black_box(P::message(i as u8)));
        P::rest();
    });
    let sum =
        |i: usize| ring[i % WINDOW].as_ref().map_or(0, |message| sum_of(P::bytes(message), i));
    Run { elapsed, latencies, sum: last(n).map(sum).sum() }
}
