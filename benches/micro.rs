//! Criterion microbenchmarks of operations that a program does all the time, in nanoseconds each.
//!
//! Most operations take less time than reading the clock. So each sample does them in batches of
//! [`BATCH`] inside one `mutate`; the pin's share of that is below a hundredth of a nanosecond.
//!
//! "Barrier on": another thread calls `collect()` again and again on a heap with [`BIG`] live
//! nodes. So the heap is marking for most of the time. The figure is a mean over all phases of
//! those cycles. So it is a lower bound of the barrier's cost, and its spread is wide. As in any
//! long mark phase, the store then mostly finds old values that are marked already. The marker
//! competes for the caches only, if there are two cores: run it on an otherwise idle machine.

// The macros of criterion make an undocumented public function.
#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gc_core::{External, Gc, GcCell, Heap, Mutation, Root, Trace};

/// Operations in one `mutate`.
const BATCH: u64 = 256;
/// Live nodes while the barrier is on: a mark phase of some tens of milliseconds.
const BIG: usize = 4_000_000;
/// Slots of a heap of holes.
const HOLES: usize = 4_000_000;
/// Roots that may wait for the collector before a cycle is forced: a cycle frees dropped roots.
const ROOTS: u64 = 100_000;

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

impl<'gc> Node<'gc> {
    fn new(value: u64) -> Node<'gc> {
        Node { next: GcCell::new(None), value }
    }
}

type Cells = Root<[GcCell<'static, Node<'static>>]>;

/// A live array of `n` cells, each with a node of its own.
fn cells(heap: &Heap, n: usize) -> Cells {
    let root: Cells = heap
        .mutate(|mc| Gc::root(Gc::from_iter_in(mc, (0..n).map(|_| GcCell::<Node>::new(None))), mc));
    for start in (0..n).step_by(BATCH as usize) {
        heap.mutate(|mc| {
            let cells = root.get(mc);
            for i in start..(start + BATCH as usize).min(n) {
                cells[i].set(mc, Some(Gc::new(mc, Node::new(i as u64))));
            }
        });
    }
    root
}

/// Splits `iterations` into batches and adds up the times that `batch` returns.
fn in_batches(iterations: u64, mut batch: impl FnMut(u64) -> Duration) -> Duration {
    let (mut left, mut total) = (iterations, Duration::ZERO);
    while left > 0 {
        let n = left.min(BATCH);
        total += batch(n);
        left -= n;
    }
    total
}

/// The time that `work` takes for all `iterations`, in batches.
fn timed(iterations: u64, mut work: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    in_batches(iterations, |n| {
        work(n);
        Duration::ZERO
    });
    start.elapsed()
}

fn allocation(c: &mut Criterion) {
    let heap = Heap::new();
    let mutator = heap.mutator();
    c.bench_function("alloc 16 bytes", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                mutator.mutate(|mc| {
                    for i in 0..n {
                        black_box(Gc::new(mc, Node::new(i)));
                    }
                });
            })
        });
    });
}

/// The cost that [`External`] adds to an object with a destructor: it is made with the object and
/// dropped by the collector.
fn external(c: &mut Criterion) {
    #[derive(Trace)]
    struct Counted {
        value: u64,
        external: External,
    }
    #[derive(Trace)]
    struct Plain {
        value: u64,
        others: [u64; 2],
    }
    impl Drop for Plain {
        fn drop(&mut self) {
            black_box(self.others[0]);
        }
    }
    let heap = Heap::new();
    let mutator = heap.mutator();
    c.bench_function("alloc 24 bytes with a destructor", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                mutator.mutate(|mc| {
                    for value in 0..n {
                        black_box(Gc::new(mc, Plain { value, others: [value; 2] }).value);
                    }
                });
            })
        });
    });
    c.bench_function("alloc 24 bytes with External", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                mutator.mutate(|mc| {
                    for value in 0..n {
                        let external = External::new(mc, 8);
                        let counted = Gc::new(mc, Counted { value, external });
                        black_box(counted.value + counted.external.bytes() as u64);
                    }
                });
            })
        });
    });
}

/// Allocation into a heap of holes. Of every `period` nodes that were allocated one is live, so a
/// run of free slots is `period - 1` long. The rest of the time goes into searching runs and
/// refilling.
fn allocation_into_holes(c: &mut Criterion) {
    for period in [2usize, 4, 16] {
        // No cycle after the one that makes the holes, and enough holes for the whole benchmark.
        // When they are used up they are made again, outside of the measured time.
        let heap = Heap::builder().gc_percent(100_000).build().expect("a valid configuration");
        let mutator = heap.mutator();
        let make = || {
            let kept: Cells = mutator.mutate(|mc| {
                Gc::root(
                    Gc::from_iter_in(mc, (0..HOLES / period).map(|_| GcCell::<Node>::new(None))),
                    mc,
                )
            });
            for start in (0..HOLES).step_by(BATCH as usize) {
                mutator.mutate(|mc| {
                    let kept = kept.get(mc);
                    for i in start..(start + BATCH as usize).min(HOLES) {
                        let node = Gc::new(mc, Node::new(i as u64));
                        if i % period == 0 && i / period < kept.len() {
                            kept[i / period].set(mc, Some(node));
                        }
                    }
                });
            }
            heap.collect().expect("a collection from outside of mutate succeeds");
            kept
        };
        let mut kept = make();
        let mut left = HOLES - HOLES / period;
        c.bench_function(&format!("alloc 16 bytes, one slot of {period} live"), |b| {
            b.iter_custom(|iterations| {
                in_batches(iterations, |n| {
                    if left < n as usize {
                        drop(std::mem::replace(&mut kept, make()));
                        heap.collect().expect("a collection from outside of mutate succeeds");
                        kept = make();
                        left = HOLES - HOLES / period;
                    }
                    left -= n as usize;
                    let start = Instant::now();
                    mutator.mutate(|mc| {
                        for i in 0..n {
                            black_box(Gc::new(mc, Node::new(i)));
                        }
                    });
                    start.elapsed()
                })
            });
        });
        drop(kept);
    }
}

fn pin(c: &mut Criterion) {
    let heap = Heap::new();
    let mutator = heap.mutator();
    c.bench_function("mutate, handle", |b| {
        b.iter(|| mutator.mutate(|mc| _ = black_box(mc)));
    });
    c.bench_function("mutate, thread-local", |b| {
        b.iter(|| heap.mutate(|mc| _ = black_box(mc)));
    });
}

/// Stores the same node into one cell after another.
#[inline(always)]
fn store<'gc>(mc: &'gc Mutation<'gc>, cells: &'gc [GcCell<'gc, Node<'gc>>], n: u64) {
    let node = cells[0].get();
    for i in 0..n as usize {
        black_box(&cells[1 + i]).set(mc, node);
    }
}

fn cell(c: &mut Criterion) {
    let mut target = 0u64;
    let words: Vec<AtomicPtr<u64>> = (0..=BATCH).map(|_| AtomicPtr::default()).collect();
    c.bench_function("atomic release store", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                for i in 0..n as usize {
                    black_box(&words[1 + i]).store(black_box(&raw mut target), Ordering::Release);
                }
            })
        });
    });

    let heap = Heap::new();
    let mutator = heap.mutator();
    let small = cells(&heap, 1 + BATCH as usize);
    c.bench_function("GcCell::set, barrier off", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| mutator.mutate(|mc| store(mc, Gc::as_ref(small.get(mc)), n)))
        });
    });
    c.bench_function("GcCell::get", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                mutator.mutate(|mc| {
                    let cells = Gc::as_ref(small.get(mc));
                    for i in 0..n as usize {
                        black_box(black_box(&cells[1 + i]).get());
                    }
                });
            })
        });
    });
}

/// The costs of operations while the heap marks for most of the time.
fn while_marking(c: &mut Criterion) {
    let heap = Heap::new();
    let big = cells(&heap, BIG);
    let small = cells(&heap, 1 + BATCH as usize);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                heap.collect().expect("a collection from outside of mutate succeeds");
            }
        });
        let mutator = heap.mutator();
        c.bench_function("GcCell::set, barrier on", |b| {
            b.iter_custom(|iterations| {
                timed(iterations, |n| mutator.mutate(|mc| store(mc, Gc::as_ref(small.get(mc)), n)))
            });
        });
        c.bench_function("alloc 16 bytes, marking", |b| {
            b.iter_custom(|iterations| {
                timed(iterations, |n| {
                    mutator.mutate(|mc| {
                        for i in 0..n {
                            black_box(Gc::new(mc, Node::new(i)));
                        }
                    });
                })
            });
        });
        stop.store(true, Ordering::Relaxed);
        collector.join().expect("the collecting thread does not panic");
    });
    drop(big);
}

/// Benchmarks `work` on a full and an empty vector of up to [`BATCH`] roots, both made outside of
/// the measured time.
fn root_operation(
    c: &mut Criterion,
    name: &str,
    heap: &Heap,
    work: impl Fn(
        &Root<Node<'static>>,
        &mut Vec<Root<Node<'static>>>,
        &mut Vec<Root<Node<'static>>>,
        u64,
    ),
) {
    let node = heap.mutate(|mc| Gc::root(Gc::new(mc, Node::new(1)), mc));
    c.bench_function(name, |b| {
        let mut since_cycle = 0;
        b.iter_custom(|iterations| {
            in_batches(iterations, |n| {
                let mut full: Vec<_> = (0..n).map(|_| node.clone()).collect();
                let mut empty = Vec::with_capacity(n as usize);
                let start = Instant::now();
                work(&node, &mut full, &mut empty, n);
                let took = start.elapsed();
                drop((full, empty));
                since_cycle += 2 * n;
                if since_cycle > ROOTS {
                    since_cycle = 0;
                    heap.collect().expect("a collection from outside of mutate succeeds");
                }
                took
            })
        });
    });
}

fn root(c: &mut Criterion) {
    let heap = Heap::new();
    let mutator = heap.mutator();
    root_operation(c, "Root create", &heap, |node, _, empty, n| {
        mutator.mutate(|mc| {
            let node = node.get(mc);
            empty.extend((0..n).map(|_| Gc::root(node, mc)));
        });
    });
    root_operation(c, "Root clone", &heap, |node, _, empty, n| {
        empty.extend((0..n).map(|_| node.clone()));
    });
    root_operation(c, "Root drop", &heap, |_, full, _, _| full.clear());
}

fn weak(c: &mut Criterion) {
    let heap = Heap::new();
    let mutator = heap.mutator();
    let node = mutator.mutate(|mc| Gc::root(Gc::new(mc, Node::new(1)), mc));
    c.bench_function("GcWeak::upgrade", |b| {
        b.iter_custom(|iterations| {
            timed(iterations, |n| {
                mutator.mutate(|mc| {
                    let weak = Gc::downgrade(node.get(mc), mc);
                    for _ in 0..n {
                        black_box(black_box(&weak).upgrade(mc));
                    }
                });
            })
        });
    });
}

criterion_group! {
    name = micro;
    config = Criterion::default().measurement_time(Duration::from_secs(2));
    targets = allocation, external, allocation_into_holes, pin, cell, while_marking, root, weak
}
criterion_main!(micro);
