//! `idle`: the memory that a heap gives back when its program rests.
//!
//! About N MB (100) of live records are made, {next, text} with texts of 16 to 512 bytes. They are
//! in lists of about 1 MB, each with a root. Every other root is dropped, and as much garbage again
//! is made and dropped. Then the program calls `collect()` and `release_free_memory()`. `rss_mb` is
//! the resident memory at that moment (the peak is `peak_rss_mb`), and `live_mb` the live bytes
//! that the heap reports.
//!
//! The checksum adds up a byte of each text that must still be there.

#![forbid(unsafe_code)]

use gc_core::{Gc, GcCell, Heap, Root, Trace};

use crate::args::Args;
use crate::measure::{MB, Stopwatch, current_rss};
use crate::random::Random;
use crate::report::Report;
use crate::{Outcome, check, heap, pin};

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

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let heap = heap(args)?;
    let watch = Stopwatch::start();
    // The mutator is gone when the heap is asked: an idle program holds no half-used memory.
    let kept = pin::on_one_thread(args.pin, || {
        let mut random = Random::new(9);
        let mut lists: Vec<_> = (0..args.n).map(|_| list(&heap, &mut random)).collect();
        let mut index = 0;
        lists.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        for _ in 0..args.n {
            list(&heap, &mut random);
        }
        lists
    });
    heap.collect().map_err(|e| format!("a collection failed: {e}"))?;
    let released = heap.release_free_memory();
    let rss = current_rss()?;
    let elapsed = watch.stop();
    report.count("n", args.n as u64);
    report.number("rss_mb", rss / MB);
    report.number("peak_rss_mb", elapsed.peak_rss / MB);
    report.number("released_mb", released as f64 / MB);
    report.number("wall_s", elapsed.wall_s);
    report.number("cpu_s", elapsed.cpu_s);
    report.heap(&heap, None, args.pauses);
    let expected: u64 = kept.iter().map(|(_, sum)| sum).sum();
    let found =
        pin::on_one_thread(args.pin, || kept.iter().map(|(root, _)| sum(&heap, root)).sum());
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
