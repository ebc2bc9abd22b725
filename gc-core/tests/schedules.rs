//! The whole collector under a random scheduler: what loom is too slow for.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle --cfg gc_verify" cargo test --release -p gc-core --test schedules
//! GC_SCHEDULES=5000 …                    more of them (1,000)
//! GC_SCHEDULES=3000..4000 …              these
//! GC_SCHEDULE=17 …                       one again, the failing one
//! ```
//!
//! Every thread is shuttle's, only one runs at a time, and a switch may happen before each atomic
//! operation. The seed decides which thread comes next, and the program's own choices. So a seed
//! names a whole run: a failure prints it, and that one runs again.
//!
//! The program: three mutators change one graph, a fourth thread asks for cycles, and the collector
//! works along. Every third seed has a second marker too, and every eighth seed is in the stopped
//! mode. *Tokens* only move, between cells, guarded vectors, roots and hands. At the end each is
//! there once, and a weak pointer to one always finds it. *Nodes* come and go; each has a magic
//! word. Weak maps tie a label to each token and notes to nodes: a living key has its value.

#![cfg(shuttle)]

use gc_core::{Gc, GcCell, GcMutex, GcRwLock, GcWeak, GcWeakMap, Heap, Mutation, Root, Trace};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, MaxSteps, Runner, thread};
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// KiB that the heaps gave back to the system.
static RELEASED: AtomicU64 = AtomicU64::new(0);

const TOKENS: u64 = 12;
const PLACES: usize = 12;
const NODES: usize = 12;
const PINS: usize = 300;
const MUTATORS: u64 = 3;
const MAGIC: u64 = 0x5afe_c0de_0000_0000;

/// A word that changes when its object is freed: the verifying build overwrites free slots.
struct Canary(u64);
impl Canary {
    fn new(number: u64) -> Self {
        Canary(MAGIC | number)
    }
    #[track_caller]
    fn number(&self) -> u64 {
        // SAFETY: a plain read of an initialised field; volatile, because a broken collector
        // changes it under us.
        let word = unsafe { std::ptr::read_volatile(&raw const self.0) };
        assert_eq!(word >> 32, MAGIC >> 32, "an object was freed under its user: {word:#x}");
        word & 0xffff_ffff
    }
}
// SAFETY: a leaf.
unsafe impl<'gc> Trace<'gc> for Canary {
    const NEEDS_TRACE: bool = false;
    fn trace(&self, _: &mut gc_core::Tracer<'gc>) {}
}

/// Mortals made and dropped in this schedule.
static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// The same with drop glue, which makes the collector sweep its spans alone.
struct Mortal(Canary);
impl Drop for Mortal {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
        self.0.number();
        self.0.0 = 0xdead;
    }
}

#[derive(Trace)]
struct Token {
    #[trace(skip)]
    mortal: Mortal,
}
impl Token {
    fn new(number: u64) -> Self {
        MADE.fetch_add(1, Ordering::Relaxed);
        Token { mortal: Mortal(Canary::new(number)) }
    }
    #[track_caller]
    fn number(&self) -> u64 {
        self.mortal.0.number()
    }
}

#[derive(Trace)]
struct Node<'gc> {
    #[trace(skip)]
    canary: Canary,
    /// The size gives a span some 60 slots, and mutators spans to sweep.
    pad: [u64; 28],
    left: GcCell<'gc, Node<'gc>>,
    right: GcCell<'gc, Node<'gc>>,
    token: GcCell<'gc, Token>,
}

/// An object of its own, so that some places are scanned long before others.
#[derive(Trace)]
struct Place<'gc> {
    token: GcCell<'gc, Token>,
}

#[derive(Trace)]
struct World<'gc> {
    places: Vec<Gc<'gc, Place<'gc>>>,
    nodes: Vec<GcCell<'gc, Node<'gc>>>,
    queue: GcMutex<Vec<Gc<'gc, Token>>>,
    weak_tokens: Vec<GcWeak<'gc, Token>>,
    weak_nodes: GcRwLock<Vec<(u64, GcWeak<'gc, Node<'gc>>)>>,
    /// An object that only a token or a node keeps alive.
    labels: GcWeakMap<'gc, Token, Node<'gc>>,
    notes: GcWeakMap<'gc, Node<'gc>, Token>,
}

/// What a thread keeps between its pins.
#[derive(Default)]
struct Pocket {
    tokens: Vec<Root<Token>>,
    /// Objects found in the graph and rooted, with their numbers. Other threads may cut them off
    /// at any time.
    nodes: Vec<(u64, Root<Node<'static>>)>,
}

struct Rng(Cell<u64>);
impl Rng {
    fn below(&self, n: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 16) as usize % n
    }
    fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Lets others run for a while, in the middle of something.
fn dawdle(rng: &Rng) {
    if rng.one_in(3) {
        (0..rng.below(60)).for_each(|_| thread::yield_now());
    }
}

fn new_node<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &Rng) -> Gc<'gc, Node<'gc>> {
    let number = rng.below(1 << 20) as u64;
    let pick = || world.nodes[rng.below(NODES)].get().filter(|_| !rng.one_in(3));
    let node = Gc::new(
        mc,
        Node {
            canary: Canary::new(number),
            pad: [number; 28],
            left: GcCell::new(pick()),
            right: GcCell::new(pick()),
            token: GcCell::new(None),
        },
    );
    if rng.one_in(4) {
        let weak = Gc::downgrade(node, mc);
        assert!(weak.upgrade(mc).is_some(), "a new weak pointer to what is in our hands is dead");
        let mut all = world.weak_nodes.write(mc);
        if all.len() > 6 {
            all.clear();
        }
        all.push((number, weak));
    }
    node
}

/// Gives a token a new label, which may lead back to it.
fn label<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, token: Gc<'gc, Token>) {
    let number = token.number();
    let node = Node {
        canary: Canary::new(number),
        pad: [number; 28],
        left: GcCell::new(None),
        right: GcCell::new(None),
        token: GcCell::new(number.is_multiple_of(2).then_some(token)),
    };
    let old = world.labels.insert(mc, token, Gc::new(mc, node));
    if let Some(old) = old {
        assert_eq!(old.canary.number(), number, "a token had another one's label");
    }
}

/// Puts a token into an empty place, the queue, a node, or a root.
fn put<'gc>(
    mc: &Mutation<'gc>,
    world: &World<'gc>,
    rng: &Rng,
    pocket: &mut Pocket,
    token: Gc<'gc, Token>,
) {
    token.number();
    match rng.below(12) {
        0..=2 => pocket.tokens.push(Gc::root(token, mc)),
        3 => world.queue.lock(mc).push(token),
        _ => {
            let first = rng.below(PLACES);
            for place in world.places[first..].iter().chain(&world.places[..first]) {
                if place.token.compare_exchange(mc, None, Some(token)).is_ok() {
                    return;
                }
            }
            world.queue.lock(mc).push(token);
        }
    }
}

fn take<'gc>(
    mc: &Mutation<'gc>,
    world: &World<'gc>,
    rng: &Rng,
    pocket: &mut Pocket,
) -> Option<Gc<'gc, Token>> {
    match rng.below(7) {
        0 | 6 => pocket.tokens.pop().map(|root| root.get(mc)),
        1 => world.queue.lock(mc).pop(),
        2 | 3 => {
            let place = &world.places[rng.below(PLACES)];
            let token = place.token.get();
            place.token.compare_exchange(mc, token, None).ok().flatten()
        }
        _ => world.places[rng.below(PLACES)].token.take(mc),
    }
}

fn one_step<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &Rng, pocket: &mut Pocket) {
    match rng.below(17) {
        // A key that only its entry leads to comes back to life.
        16 => {
            let entries = world.notes.entries(mc);
            if !entries.is_empty() {
                let (node, note) = entries[rng.below(entries.len())];
                assert_eq!(node.canary.number(), note.number(), "a note is another node's");
                dawdle(rng);
                world.nodes[rng.below(NODES)].set(mc, Some(node));
            }
        }
        // Enough garbage to start cycles by itself, and to make this thread assist.
        15 => (0..8).for_each(|_| {
            Gc::new(mc, [0u64; 64]);
        }),
        12..=14 => {
            // Moves by exchanges alone, which shade only the values that they take out.
            let (from, to) = (&world.places[rng.below(PLACES)], &world.places[rng.below(PLACES)]);
            let Some(token) = from.token.get() else { return };
            if from.token.compare_exchange(mc, Some(token), None).is_ok()
                && to.token.compare_exchange(mc, None, Some(token)).is_err()
            {
                put(mc, world, rng, pocket, token);
            }
        }
        10 => {
            let weak = world.weak_tokens[rng.below(TOKENS as usize)];
            let token = weak.upgrade(mc).expect("a token is always somewhere");
            let label = world.labels.get(mc, token).expect("a living key has its value");
            assert_eq!(label.canary.number(), token.number(), "another token's label");
        }
        11 => {
            let Some(node) = world.nodes[rng.below(NODES)].get() else { return };
            let number = node.canary.number();
            match world.notes.get(mc, node) {
                Some(note) => assert_eq!(note.number(), number, "another node's note"),
                None => {
                    world.notes.insert(mc, node, Gc::new(mc, Token::new(number)));
                }
            }
        }
        8 => {
            if let Some(node) = world.nodes[rng.below(NODES)].get() {
                dawdle(rng);
                pocket.nodes.push((node.canary.number(), Gc::root(node, mc)));
            }
        }
        9 => {
            if let Some((number, root)) = pocket.nodes.pop() {
                let node = root.get(mc);
                drop(root);
                assert_eq!(node.canary.number(), number, "a root lost its object");
                dawdle(rng);
                world.nodes[rng.below(NODES)].set(mc, Some(node));
            }
        }
        0..=2 => {
            // A token changes hands, through a place of its own choice, a node's cell included.
            let Some(mut token) = take(mc, world, rng, pocket) else { return };
            for _ in 0..rng.below(3) {
                let node = new_node(mc, world, rng);
                node.token.set(mc, Some(token));
                token.number();
                if let Some(other) = node.token.swap(mc, None) {
                    token = other;
                }
                match world.places[rng.below(PLACES)].token.swap(mc, Some(token)) {
                    Some(other) => token = other,
                    None => return,
                }
            }
            if rng.one_in(4) {
                label(mc, world, token);
            }
            put(mc, world, rng, pocket, token);
        }
        3 | 4 => world.nodes[rng.below(NODES)].set(mc, Some(new_node(mc, world, rng))),
        5 => {
            // A walk that checks and rewires.
            let mut at = world.nodes[rng.below(NODES)].get();
            for _ in 0..6 {
                let Some(node) = at else { break };
                node.canary.number();
                at = if rng.one_in(2) { node.left.get() } else { node.right.get() };
                match rng.below(6) {
                    0 => node.left.set(mc, at),
                    1 => node.right.set(mc, None),
                    2 => world.nodes[rng.below(NODES)].set(mc, at),
                    _ => {}
                }
            }
        }
        6 => {
            let weak = world.weak_tokens[rng.below(TOKENS as usize)];
            let token = weak.upgrade(mc).expect("a token is always somewhere");
            token.number();
        }
        _ => {
            let found = {
                let all = world.weak_nodes.read();
                if all.is_empty() { None } else { Some(all[rng.below(all.len())]) }
            };
            if let Some((number, weak)) = found
                && let Some(node) = weak.upgrade(mc)
            {
                assert_eq!(node.canary.number(), number, "a weak pointer found another object");
                if rng.one_in(2) {
                    world.nodes[rng.below(NODES)].set(mc, Some(node));
                }
            }
        }
    }
}

fn mutator(heap: &Heap, root: &Root<World<'static>>, seed: u64) -> Pocket {
    let rng = Rng(Cell::new(seed));
    let mut pocket = Pocket::default();
    for _ in 0..PINS {
        heap.mutate(|mc| {
            let world = root.get(mc);
            for _ in 0..rng.below(4) {
                one_step(mc, &world, &rng, &mut pocket);
            }
        });
        if rng.one_in(6) {
            thread::yield_now();
        }
    }
    pocket
}

fn program(seed: u64) {
    let heap = Heap::builder();
    // With some seeds the heap gives free memory back to the system at every look.
    let heap = if seed % 4 == 1 { heap.scavenge_all() } else { heap };
    let heap = heap
        .reserve(16 << 20)
        .min_heap(16 << 10)
        .markers(if seed.is_multiple_of(3) { 2 } else { 1 })
        .stop_the_world(seed % 8 == 7)
        .build()
        .expect("a small heap");
    let root = heap.mutate(|mc| {
        let tokens: Vec<_> = (0..TOKENS).map(|i| Gc::new(mc, Token::new(i))).collect();
        let world = World {
            places: (0..PLACES).map(|_| Gc::new(mc, Place { token: GcCell::new(None) })).collect(),
            nodes: (0..NODES).map(|_| GcCell::new(None)).collect(),
            weak_tokens: tokens.iter().map(|t| Gc::downgrade(*t, mc)).collect(),
            queue: GcMutex::new(tokens),
            weak_nodes: GcRwLock::new(Vec::new()),
            labels: GcWeakMap::new(),
            notes: GcWeakMap::new(),
        };
        let world = Gc::new(mc, world);
        let tokens = world.queue.lock(mc).clone();
        tokens.into_iter().for_each(|token| label(mc, &world, token));
        Gc::root(world, mc)
    });
    let working = Arc::new(AtomicU64::new(MUTATORS));
    let threads: Vec<_> = (1..=MUTATORS)
        .map(|i| {
            let (heap, root, working) = (heap.clone(), root.clone(), working.clone());
            thread::spawn(move || {
                let pocket = mutator(&heap, &root, (seed * 4 + i).wrapping_mul(0x9e37_79b9) | 1);
                working.fetch_sub(1, Ordering::Relaxed);
                pocket
            })
        })
        .collect();
    while working.load(Ordering::Relaxed) > 0 {
        heap.collect().expect("outside of mutate");
    }
    let mut found: Vec<Root<Token>> = Vec::new();
    for thread in threads {
        found.extend(thread.join().expect("a mutator ends").tokens);
    }
    heap.collect().expect("outside of mutate");
    let mut numbers: Vec<u64> = heap.mutate(|mc| {
        let world = root.get(mc);
        let rooted = found.iter().map(|root| root.get(mc));
        let placed = world.places.iter().filter_map(|place| place.token.get());
        let queued: Vec<_> = world.queue.lock(mc).clone();
        rooted.chain(placed).chain(queued).map(|token| token.number()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (0..TOKENS).collect::<Vec<_>>(), "a token was lost or doubled");
    drop((root, found));
    heap.collect().expect("outside of mutate");
    assert_eq!(heap.stats().live_objects, 0, "garbage outlived a full cycle");
    // Dead objects are dropped in their own time, and no other cycle waits for that.
    while heap.drain_drops(Duration::ZERO).is_err() {
        thread::yield_now();
    }
    assert_eq!(heap.stats().drop_panics, 0, "a token was dropped twice, or its slot reused before");
    let (made, dropped) = (MADE.load(Ordering::Relaxed), DROPPED.load(Ordering::Relaxed));
    assert_eq!(made, dropped, "a token was not dropped, or twice");
    RELEASED.fetch_add(heap.stats().released_bytes >> 10, Ordering::Relaxed);
}

/// What the environment asks for.
fn seeds() -> Range<u64> {
    let text = |name| std::env::var(name).ok();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    if let Some(one) = text("GC_SCHEDULE") {
        let one = number(&one);
        return one..one + 1;
    }
    match text("GC_SCHEDULES") {
        Some(text) => match text.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => 0..number(&text),
        },
        None => 0..1_000,
    }
}

#[test]
fn every_schedule_keeps_the_invariants() {
    let seeds = seeds();
    let begin = std::time::Instant::now();
    let mut switches = 0;
    for seed in seeds.clone() {
        gc_core::schedule::set_stride([1, 2, 8, 32, 128][seed as usize % 5]);
        let mut config = Config::new();
        config.stack_size = 1 << 18;
        config.max_steps = MaxSteps::FailAfter(5_000_000);
        config.failure_persistence = shuttle::FailurePersistence::None;
        let count = Arc::new(AtomicUsize::new(0));
        let steps = count.clone();
        let result = catch_unwind(AssertUnwindSafe(|| {
            Runner::new(RandomScheduler::new_from_seed(seed, 1), config).run(move || {
                MADE.store(0, Ordering::Relaxed);
                DROPPED.store(0, Ordering::Relaxed);
                program(seed);
                steps.store(shuttle::current::context_switches(), Ordering::Relaxed);
            });
        }));
        switches += count.load(Ordering::Relaxed);
        if result.is_err() {
            panic!("schedule {seed} failed; again with GC_SCHEDULE={seed}");
        }
    }
    let time = begin.elapsed().as_secs_f64();
    let (n, released) = (seeds.end - seeds.start, RELEASED.load(Ordering::Relaxed));
    eprintln!("{n} schedules, {switches} switches, {released} KiB given back, {time:.1} s");
}
