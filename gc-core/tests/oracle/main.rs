//! Random operations against an oracle. Each world has its own part of one heap and a plain model
//! of it. Threads come and go, and take turns with the worlds. The seed is printed; replay with
//! `GC_SEED=...`, lengthen with `GC_OPS=...` (operations of each world, 60,000 by default).
//!
//! Checked: everything that the model reaches is there, with the right contents, and is not
//! dropped. Canaries drop at most once. Weak pointers of reachable objects upgrade. After `collect`
//! every unreachable object has been dropped exactly once, and its weak pointers are dead.
//!
//! Byte strings drive the same worlds in `world/script.rs`, with two threads and pins that outlast
//! phases. The fuzz target in `fuzz/` uses that, and so does `replay.rs`, which plays its corpus
//! here.

mod replay;
#[path = "../common/repository.rs"]
mod repository;
#[path = "../common/settle.rs"]
mod settle;
mod world;

use gc_core::{Heap, Mutation};
use settle::Settle;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use world::{Choices, Expected, Pin, World};

/// A world, and how many operations are left to do.
struct Player {
    world: World,
    ops: usize,
}

impl Player {
    fn new(seed: u64, ops: usize) -> Player {
        Player { world: World::new(Choices::random(seed), ops * 2 + 100, None), ops }
    }

    /// `size` operations inside a pin, which may end with a panic.
    fn pinned<'gc>(&mut self, mc: &'gc Mutation<'gc>, size: usize, panics: bool) {
        let mut pin = Pin::new(mc, 0);
        for _ in 0..size {
            self.world.op(&mut pin);
            self.ops -= 1;
        }
        if panics {
            resume_unwind(Box::new(Expected));
        }
    }

    /// One thread's turn.
    fn turn(&mut self, heap: &Heap) {
        let mutator = self.world.choices.one_in(2).then(|| heap.mutator());
        for _ in 0..1 + self.world.choices.below(200) {
            let size = [1, 1, 5, 50, 400][self.world.choices.below(5)].min(self.ops);
            let panics = self.world.choices.one_in(20);
            let done = catch_unwind(AssertUnwindSafe(|| match &mutator {
                Some(mutator) => mutator.mutate(|mc| self.pinned(mc, size, panics)),
                None => heap.mutate(|mc| self.pinned(mc, size, panics)),
            }));
            self.world.end_pin(0);
            if let Err(payload) = done
                && !payload.is::<Expected>()
            {
                resume_unwind(payload);
            }
            if self.world.choices.one_in(50) {
                self.world.check(heap, false);
            }
            if self.world.choices.one_in(200) {
                heap.settle();
                self.world.check(heap, true);
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().expect("a number"))
}

fn run(markers: usize, worlds: u64, threads: usize) {
    let by_time = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |d| d.as_nanos() as u64);
    let seed = number("GC_SEED").unwrap_or(by_time % 1_000_000_007);
    let ops = number("GC_OPS").unwrap_or(60_000) as usize;
    println!("GC_SEED={seed} GC_OPS={ops} markers={markers}");
    eprintln!("oracle: GC_SEED={seed} GC_OPS={ops} markers={markers}");
    let heap = Heap::builder().min_heap(256 << 10).markers(markers).build().unwrap();
    let waiting: Mutex<Vec<Player>> =
        Mutex::new((0..worlds).map(|w| Player::new(seed ^ (w + 1) << 32, ops)).collect());
    let boards = waiting.lock().unwrap().iter().map(|w| w.world.board.clone()).collect::<Vec<_>>();
    let finished = Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                while let Some(mut player) = { waiting.lock().unwrap().pop() } {
                    // A fresh thread for each turn.
                    std::thread::scope(|s| {
                        s.spawn(|| player.turn(&heap)).join().unwrap_or_else(|p| resume_unwind(p));
                    });
                    let mut list =
                        if player.ops == 0 { finished.lock() } else { waiting.lock() }.unwrap();
                    list.insert(0, player);
                }
            });
        }
    });
    heap.settle();
    let mut finished = finished.into_inner().unwrap();
    assert_eq!(finished.len(), worlds as usize);
    for player in &mut finished {
        player.world.check(&heap, true);
        player.world.drop_roots();
    }
    heap.settle();
    for player in &mut finished {
        player.world.check(&heap, true);
    }
    assert_eq!((heap.stats().live_objects, heap.stats().drop_panics), (0, 0));
    assert!(heap.stats().cycles > 10, "{:?}", heap.stats());
    drop(heap);
    assert!(boards.iter().all(|board| board.drops.iter().all(|n| n.load(SeqCst) <= 1)));
}

// behaviour (dumpster): random graphs: each object dies once and in time
// origin: fuzz, unsync_fuzz
// also: `oracle::random_operations_three_markers`
// behaviour (Oilpan): a second marking checks the first
// origin: MarkingVerifierTest, MarkingVerifierDeathTest
#[test]
fn random_operations_one_marker() {
    run(1, 6, 4);
}

// behaviour (Oilpan): objects are marked while the program builds them
// origin: ConcurrentMarkingTest.MarkingObjects
// also: `smoke::threads_share_a_vector`
#[test]
fn random_operations_three_markers() {
    run(3, 6, 4);
}
