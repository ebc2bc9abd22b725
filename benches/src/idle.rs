//! `idle`: the memory that a heap gives back when its program rests.
//!
//! About N MB (100) of live records are made, {next, text} with texts of 16 to 512 bytes, in lists
//! of about 1 MB that each hang on a root. Every other root is dropped, and as much garbage again
//! is made and dropped. After `collect()` and `release_free_memory()`, `rss_mb` is the resident
//! memory of that moment (not the peak, which is `peak_rss_mb`) and `live_mb` what the heap says is
//! live.
//!
//! The checksum adds up a byte of each text that must still be there.

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::cli::{Common, Workload, size};
use crate::engines::given;
use crate::measure::{MB, Stopwatch, current_rss};
use crate::random::Random;
use crate::report::Report;
use crate::{Outcome, check, pin};

/// Records of one list: about 1 MB.
const LIST: usize = 3500;
/// Records made in one `mutate`.
const BATCH: usize = 50;
const LEAST_TEXT: usize = 16;
const MOST_TEXT: usize = 512;

#[derive(Trace)]
struct Record<'gc> {
    next: GcCell<'gc, Record<'gc>>,
    text: Gc<'gc, [u8]>,
}

/// The head of a list.
#[derive(Trace)]
struct List<'gc> {
    first: GcCell<'gc, Record<'gc>>,
}

/// What follows `idle` on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// MB that are live at first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = size())]
    n: usize,
    #[command(flatten)]
    common: Common,
}

/// Makes records, drops most of them, and asks the heap to give memory back.
pub(crate) type Body = fn(&Options, Option<&Heap>, &mut Report) -> Outcome;

impl Workload for Options {
    fn common(&self) -> &Common {
        &self.common
    }

    fn refusal(&self) -> Option<&'static str> {
        self.common.engine.can(|engine| engine.idle()).err()
    }

    fn run(&self, report: &mut Report) -> Outcome {
        let body = self.common.engine.can(|engine| engine.idle())?;
        let heap = self.common.heap()?;
        body(self, heap.as_ref(), report)
    }
}

pub(crate) fn ours(options: &Options, heap: Option<&Heap>, report: &mut Report) -> Outcome {
    let Options { n, common: Common { pin, pauses, .. } } = *options;
    let heap = given(heap);
    let watch = Stopwatch::start();
    // The mutator is gone when the heap is asked: an idle program holds no half-used memory.
    let kept = pin::on_one_thread(pin, || {
        let mut random = Random::new(9);
        let mut lists: Vec<_> = (0..n).map(|_| list(heap, &mut random)).collect();
        let mut index = 0;
        lists.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        for _ in 0..n {
            list(heap, &mut random);
        }
        lists
    });
    heap.collect().map_err(|e| format!("a collection failed: {e}"))?;
    let released = heap.release_free_memory();
    let rss = current_rss()?;
    let elapsed = watch.stop();
    report.count("n", n as u64);
    report.number("rss_mb", rss / MB);
    report.number("peak_rss_mb", elapsed.peak_rss / MB);
    report.number("released_mb", released as f64 / MB);
    report.number("wall_s", elapsed.wall_s);
    report.number("cpu_s", elapsed.cpu_s);
    report.heap(Some(heap), None, pauses);
    let expected: u64 = kept.iter().map(|(_, sum)| sum).sum();
    let found = pin::on_one_thread(pin, || kept.iter().map(|(root, _)| sum(heap, root)).sum());
    check(report, found, expected)
}

/// A new list, and the sum of the first bytes of its texts.
fn list(heap: &Heap, random: &mut Random) -> (Root<List<'static>>, u64) {
    let mutator = heap.mutator();
    let root: Root<List<'static>> =
        mutator.mutate(|mc| Gc::root(Gc::new(mc, List { first: GcCell::new(None) }), mc));
    let (buffer, mut sum) = ([0u8; MOST_TEXT], 0);
    for _ in 0..LIST / BATCH {
        mutator.mutate(|mc| {
            let list = root.get(mc);
            for _ in 0..BATCH {
                let len = LEAST_TEXT + random.below(MOST_TEXT - LEAST_TEXT + 1);
                let (byte, mut buffer) = (random.next() as u8, buffer);
                buffer[0] = byte;
                sum += u64::from(byte);
                let text = Gc::from_slice(mc, &buffer[..len]);
                let next = GcCell::new(list.first.get());
                list.first.set(mc, Some(Gc::new(mc, Record { next, text })));
            }
        });
    }
    (root, sum)
}

/// The sum of the first bytes of the texts of a list.
fn sum(heap: &Heap, root: &Root<List<'static>>) -> u64 {
    heap.mutate(|mc| {
        let records = std::iter::successors(root.get(mc).first.get(), |record| record.next.get());
        records.map(|record| u64::from(record.text[0])).sum()
    })
}
