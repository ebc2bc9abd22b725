//! A program that tries to break the collector. All threads change one graph, with a heap so small
//! that a cycle is nearly always under way. Run it in the verifying build:
//!
//! ```text
//! RUSTFLAGS="--cfg gc_verify" cargo run --release --example stress -- [--seconds N] [--threads T]
//!     [--seed S] [--markers M] [--memory-limit MIB] [--heap-limit MIB]
//! ```
//!
//! 1. *Tokens*: a fixed set of objects that only ever move. They move between the cells of a table,
//!    guarded vectors, once-cells, roots, and the hands of a thread. At the end each is there
//!    exactly once. A token that is lost, or freed while in a hand, is a hole in the barrier.
//! 2. *Nodes*: a random graph behind a table, which grows, is rewired and cut by every thread.
//! 3. *Shelves*: guarded vectors of pointers of all kinds, weak ones too.
//! 4. *Short heaps*: others beside the large one, made, used and dropped.
//! 5. *Snapshots* beside all that: each has every token.
//!
//! Every object carries a magic word, which each visit checks and its `Drop` destroys. The exit
//! code is not zero if anything was inconsistent, or if no cycle ended for 30 seconds.

mod heaps;
mod objects;
mod short;
mod watch;

use gc_core::{Gc, GcCell, GcOnceCell, Heap, Mutation, unsize};
use objects::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static OPS: AtomicU64 = AtomicU64::new(0);
static MADE: AtomicU64 = AtomicU64::new(0);
static DROPS: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
static THREADS: AtomicU64 = AtomicU64::new(0);
static SHORT: AtomicU64 = AtomicU64::new(0);
/// Allocations that the heap's limit refused.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// A thread's hand with a token. A refused allocation panics, and the token is put back as the
/// panic unwinds: no token is lost by a panic.
struct Hand<'a, 'gc> {
    mc: &'a Mutation<'gc>,
    world: &'a World<'gc>,
    token: Option<Gc<'gc, Token>>,
}

impl Drop for Hand<'_, '_> {
    fn drop(&mut self) {
        let Some(token) = self.token else { return };
        token.canary.check();
        let mut rng = Rng::new(token.number as u64);
        loop {
            let place = &self.world.places[rng.below(PLACES)];
            if place.compare_exchange(self.mc, None, Some(token)).is_ok() {
                return;
            }
        }
    }
}

/// Counts refused allocations in place of the message and the backtrace of each.
fn count_refusals() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.contains("does not fit the heap's limit")) {
            REFUSED.fetch_add(1, Relaxed);
        } else {
            usual(info);
        }
    }));
}

/// Finds an empty place for a token.
fn put<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng, token: Gc<'gc, Token>) {
    token.canary.check();
    loop {
        let place = &world.places[rng.below(PLACES)];
        if place.compare_exchange(mc, None, Some(token)).is_ok() {
            return;
        }
    }
}

/// Takes a token somewhere, passes it on a few times, and leaves it somewhere.
fn move_token<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng, pockets: &Pockets) {
    let from_pocket = rng.one_in(8);
    let taken = match rng.below(8) {
        0 => world.queue.lock(mc).pop(),
        1 => {
            let parcel = world.parcels.write(mc).pop();
            parcel.map(|parcel| {
                parcel.canary.check();
                *parcel.content.get().unwrap_or_else(|| broken("an empty parcel"))
            })
        }
        2 if from_pocket => {
            let root = pockets.lock().pop();
            root.map(|root| root.get(mc))
        }
        _ => world.places[rng.below(PLACES)].take(mc),
    };
    let Some(mut token) = taken else { return };
    let mut hand = Hand { mc, world, token: None };
    for _ in 0..rng.below(6) {
        token.canary.check();
        if rng.one_in(4) {
            hand.token = Some(token);
            allocate(mc, rng);
            hand.token = None;
        }
        match world.places[rng.below(PLACES)].swap(mc, Some(token)) {
            Some(other) => token = other,
            None => return,
        }
    }
    hand.token = Some(token);
    match rng.below(8) {
        0 => world.queue.lock(mc).push(token),
        1 => {
            let parcel = Parcel { canary: Canary::new(1), content: GcOnceCell::new() };
            let parcel = Gc::new(mc, parcel);
            if parcel.content.set(mc, token).is_err() {
                broken("a fresh parcel was full");
            }
            world.parcels.write(mc).push(parcel);
        }
        2 if from_pocket => {
            let root = Gc::root(token, mc);
            pockets.lock().push(if rng.one_in(2) { root.clone() } else { root });
        }
        3 => {
            // Kept by nothing but a weak pointer and this pin.
            let weak = Gc::downgrade(token, mc);
            allocate(mc, rng);
            match weak.upgrade(mc) {
                Some(same) if same.number == token.number => put(mc, world, rng, same),
                _ => broken("a weak pointer lost a token that a pin holds"),
            }
        }
        _ => put(mc, world, rng, token),
    }
    hand.token = None;
}

/// Garbage, which drives the cycles.
fn allocate(mc: &Mutation<'_>, rng: &mut Rng) {
    for _ in 0..rng.below(8) {
        Gc::new(mc, Canary::new(rng.next() % 4097));
        Gc::new(mc, [0u64; 12]);
    }
}

fn make_node<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng) -> Gc<'gc, Node<'gc>> {
    let pick = |rng: &mut Rng| {
        world.nodes[rng.below(NODES)].get().filter(|node| node.depth < DEPTH && !rng.one_in(3))
    };
    let (left, right) = (pick(rng), pick(rng));
    let depth = 1 + left.map_or(0, |n| n.depth).max(right.map_or(0, |n| n.depth));
    let canary = Canary::new(rng.next());
    let (left, right) = (GcCell::new(left), GcCell::new(right));
    Gc::new(mc, Node { canary, depth, left, right, cache: GcOnceCell::new() })
}

/// Walks from a node, checking, and changes what it passes.
fn walk<'gc>(mc: &Mutation<'gc>, start: Gc<'gc, Node<'gc>>, rng: &mut Rng, steps: usize) {
    let mut at = start;
    for _ in 0..steps {
        let id = at.canary.check();
        if rng.one_in(4) {
            let text = at.cache.get_or_init(mc, || Gc::from_str(mc, &id.to_string()));
            if **text != id.to_string() {
                broken("a cached text is another one's");
            }
        }
        let (near, far) = if rng.one_in(2) { (&at.left, &at.right) } else { (&at.right, &at.left) };
        match rng.below(32) {
            0 => near.set(mc, None),
            1 => {
                let held = near.take(mc);
                far.set(mc, held);
            }
            2 | 3 => {
                let held = near.swap(mc, far.get());
                let _ = far.compare_exchange(mc, far.get(), held);
            }
            _ => {}
        }
        match near.get() {
            Some(next) => at = next,
            None => at = start,
        }
    }
}

fn nodes<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng) {
    let cell = &world.nodes[rng.below(NODES)];
    match rng.below(8) {
        0 | 1 => cell.set(mc, Some(make_node(mc, world, rng))),
        2 => {
            let seen = cell.get();
            let _ = cell.compare_exchange(mc, seen, Some(make_node(mc, world, rng)));
        }
        3 => {
            let old = cell.take(mc);
            let other = world.nodes[rng.below(NODES)].swap(mc, old);
            cell.set(mc, other);
        }
        _ => {
            if let Some(node) = cell.get() {
                let steps = rng.below(40);
                walk(mc, node, rng, steps);
            }
        }
    }
}

fn make_thing<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng) -> Thing<'gc> {
    let node = |rng: &mut Rng| match world.nodes[rng.below(NODES)].get() {
        Some(node) => node,
        None => make_node(mc, world, rng),
    };
    let len = if rng.one_in(200) { 5000 } else { rng.below(30) };
    match rng.below(8) {
        0 => Thing::Node(node(rng)),
        1 => Thing::Text(Gc::from_str(mc, &"x".repeat(len))),
        2 => {
            let first = rng.next();
            let words: Vec<u64> = (0..len as u64).map(|i| first + i).collect();
            Thing::Words(Gc::from_slice(mc, &words))
        }
        3 => Thing::Cells(Gc::from_iter_in(mc, (0..len).map(|_| GcCell::new(Some(node(rng)))))),
        4 => Thing::Items(Gc::from_iter_in(mc, (0..len % 64).map(|i| Canary::new(i as u64)))),
        5 => {
            let link = Link { canary: Canary::new(5), cell: GcCell::new(Some(node(rng))) };
            Thing::Dyn(unsize!(Gc::new(mc, link) => dyn Item<'gc> + 'gc))
        }
        6 => Thing::Weak(Gc::downgrade(node(rng), mc)),
        _ => Thing::WeakText(Gc::downgrade(Gc::from_str(mc, "weakly"), mc)),
    }
}

fn check_thing<'gc>(mc: &Mutation<'gc>, thing: Thing<'gc>, rng: &mut Rng) {
    match thing {
        Thing::Node(node) => walk(mc, node, rng, 8),
        Thing::Text(text) => {
            if text.bytes().any(|b| b != b'x') {
                broken("a text has changed");
            }
        }
        Thing::Words(words) => {
            if words.windows(2).any(|w| w[1] != w[0] + 1) {
                broken("an array of words has changed");
            }
        }
        Thing::Cells(cells) => {
            if !cells.is_empty() {
                let (a, b) = (rng.below(cells.len()), rng.below(cells.len()));
                if let Some(node) = cells[a].get() {
                    node.canary.check();
                }
                let held = cells[a].swap(mc, cells[b].get());
                cells[b].set(mc, held);
            }
        }
        Thing::Items(items) => items.iter().for_each(|canary| {
            canary.check();
        }),
        Thing::Dyn(item) => {
            item.check();
            if let Some(node) = item.node() {
                walk(mc, node, rng, 4);
            }
            if rng.one_in(8) {
                drop(Gc::root(item, mc));
            }
        }
        Thing::Weak(weak) => match weak.upgrade(mc) {
            Some(node) => walk(mc, node, rng, 8),
            None if !weak.is_dead() && weak.upgrade(mc).is_some() => {
                broken("a dead weak pointer lives again")
            }
            None => {}
        },
        Thing::WeakText(weak) => {
            if weak.upgrade(mc).is_some_and(|text| &*text != "weakly") {
                broken("a weakly held text has changed");
            }
        }
    }
}

fn shelves<'gc>(mc: &Mutation<'gc>, world: &World<'gc>, rng: &mut Rng) {
    let shelf = world.shelves[rng.below(SHELVES)];
    let new = rng.one_in(2).then(|| make_thing(mc, world, rng));
    let change = |things: &mut Vec<Thing<'gc>>, rng: &mut Rng| {
        if let Some(thing) = new {
            things.push(thing);
        }
        let at = rng.below(things.len().max(1));
        if things.len() > 24 || (new.is_none() && rng.one_in(2) && !things.is_empty()) {
            Some(things.swap_remove(at))
        } else {
            things.get(at).copied()
        }
    };
    // Looked at when the lock is free again: in a removed thing's case only this pin keeps it.
    let seen = match &*shelf {
        Shelf::Ref(cell) => match cell.try_borrow_mut(mc) {
            Some(mut things) => change(&mut things, rng),
            None => cell.try_borrow().and_then(|things| things.first().copied()),
        },
        Shelf::Mutex(cell) => change(&mut cell.lock(mc), rng),
        Shelf::Rw(cell) if rng.one_in(2) => change(&mut cell.write(mc), rng),
        Shelf::Rw(cell) => cell.read().last().copied(),
    };
    if let Some(thing) = seen {
        allocate(mc, rng);
        check_thing(mc, thing, rng);
    }
}

/// Runs its argument in a pin of one kind or the other.
type Pin<'a> = &'a dyn Fn(&mut dyn FnMut(&Mutation<'_>));

/// One `mutate`: a few operations up to thousands, a long one now and then, one that panics now and
/// then.
fn shift(shared: &Shared, rng: &mut Rng, pin: Pin<'_>) {
    let ops = [1, 1, 4, 16, 64, 256][rng.below(6)];
    let panics = rng.one_in(64);
    let long = rng.one_in(4000);
    let done = catch_unwind(AssertUnwindSafe(|| {
        pin(&mut |mc| one_pin(shared, rng, mc, ops, long, panics));
    }));
    if done.is_err() {
        PANICS.fetch_add(1, Relaxed);
    }
    OPS.fetch_add(ops, Relaxed);
}

fn one_pin<'gc>(
    shared: &Shared,
    rng: &mut Rng,
    mc: &Mutation<'gc>,
    ops: u64,
    long: bool,
    panics: bool,
) {
    let world = shared.world.get(mc);
    let held = world.nodes[rng.below(NODES)].get();
    for _ in 0..ops {
        match rng.below(8) {
            0..3 => move_token(mc, &world, rng, &shared.pockets),
            3..6 => nodes(mc, &world, rng),
            6 => shelves(mc, &world, rng),
            _ => allocate(mc, rng),
        }
    }
    if long {
        std::thread::sleep(Duration::from_millis(rng.next() % 30));
    }
    // Whatever the others did to it, this pin still names it.
    if let Some(node) = held {
        walk(mc, node, rng, 16);
    }
    if panics {
        resume_unwind(Box::new("a panic inside mutate"));
    }
}

/// A thread's life: long for some, a handful of pins for others.
fn worker(shared: &Shared, mut rng: Rng, pins: u64) {
    THREADS.fetch_add(1, Relaxed);
    let mutator = rng.one_in(2).then(|| shared.heap.mutator());
    let mut roots = Vec::new();
    for _ in 0..pins {
        if shared.stop.load(Relaxed) {
            return;
        }
        match &mutator {
            Some(mutator) => shift(shared, &mut rng, &|f| mutator.mutate(|mc| f(mc))),
            None => shift(shared, &mut rng, &|f| shared.heap.mutate(|mc| f(mc))),
        }
        if rng.one_in(16) {
            roots.push(shared.heap.mutate(|mc| {
                let world = shared.world.get(mc);
                Gc::root(make_node(mc, &world, &mut rng), mc)
            }));
        }
        if roots.len() > 32 || (rng.one_in(32) && !roots.is_empty()) {
            let root = roots.swap_remove(rng.below(roots.len()));
            shared.heap.mutate(|mc| walk(mc, root.get(mc), &mut rng, 8));
        }
        if rng.one_in(2000) {
            short::life(&mut rng);
            SHORT.fetch_add(1, Relaxed);
        }
        if rng.one_in(10_000) {
            shared.heap.release_free_memory();
        }
        if rng.one_in(2_000) {
            watch::cycle(&shared.heap, &mut rng);
        }
    }
    if rng.one_in(4) {
        // The thread dies by a panic inside its last pin.
        shared.heap.mutate(|mc| one_pin(shared, &mut rng, mc, 8, false, true));
    }
}

/// At the end every token is there once.
fn check_tokens(shared: &Shared) {
    let mut seen = vec![0u32; TOKENS];
    let mut count = |token: Gc<'_, Token>| {
        token.canary.check();
        seen[token.number] += 1;
    };
    shared.heap.mutate(|mc| {
        let world = shared.world.get(mc);
        world.places.iter().filter_map(GcCell::get).for_each(&mut count);
        world.queue.lock(mc).iter().copied().for_each(&mut count);
        for parcel in world.parcels.read().iter() {
            parcel.content.get().copied().into_iter().for_each(&mut count);
        }
        shared.pockets.lock().iter().for_each(|root| count(root.get(mc)));
    });
    let wrong: Vec<_> = seen.iter().enumerate().filter(|(_, n)| **n != 1).collect();
    if !wrong.is_empty() {
        broken(&format!("tokens (number, times seen) {wrong:?}"));
    }
}

fn report(heap: &Heap, since: Instant) {
    #[cfg(gc_verify)]
    let verified = format!(" verified={}", heap.verified_cycles());
    #[cfg(not(gc_verify))]
    let verified = "";
    let stats = heap.stats();
    heaps::look_at_profile(heap);
    println!(
        "stress: t={:.0}s ops={} cycles={}{verified} drops={} panics={} refused={} drop_panics={} threads={} heaps={} live_kb={} heap_kb={} released_kb={}",
        since.elapsed().as_secs_f64(),
        OPS.load(Relaxed),
        stats.cycles,
        DROPS.load(Relaxed),
        PANICS.load(Relaxed),
        REFUSED.load(Relaxed),
        stats.drop_panics,
        THREADS.load(Relaxed),
        SHORT.load(Relaxed),
        stats.live_bytes >> 10,
        stats.heap_bytes >> 10,
        stats.released_bytes >> 10,
    );
}

/// What the command line asks for.
struct Options {
    seconds: u64,
    threads: usize,
    markers: usize,
    seed: u64,
    /// In MiB, like the next. A heap at its hard limit refuses, and the threads panic in `mutate`.
    memory_limit: usize,
    heap_limit: usize,
}

const USAGE: &str = "usage: stress [--seconds N] [--threads T] [--seed S] [--markers M] \
                     [--memory-limit MIB] [--heap-limit MIB]";

impl Options {
    fn parse() -> Result<Options, lexopt::Error> {
        use lexopt::prelude::*;
        let (seconds, threads, markers, memory_limit, heap_limit) = (10, 4, 2, 0, 0);
        let seed = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
        let mut options = Options { seconds, threads, markers, seed, memory_limit, heap_limit };
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("seconds") => options.seconds = args.value()?.parse()?,
                Long("threads") => options.threads = args.value()?.parse()?,
                Long("seed") => options.seed = args.value()?.parse()?,
                Long("markers") => options.markers = args.value()?.parse()?,
                Long("memory-limit") => options.memory_limit = args.value()?.parse()?,
                Long("heap-limit") => options.heap_limit = args.value()?.parse()?,
                Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() {
    let options = Options::parse().unwrap_or_else(|error| {
        eprintln!("stress: {error}\n{USAGE}");
        std::process::exit(2);
    });
    let Options { seconds, threads, markers, seed, memory_limit, heap_limit } = options;
    println!(
        "stress: --seconds {seconds} --threads {threads} --seed {seed} --markers {markers} \
         --memory-limit {memory_limit} --heap-limit {heap_limit}"
    );
    count_refusals();
    let soft = memory_limit << 20;
    let heap = heaps::heap(markers, soft, heap_limit << 20);
    let world = build(&heap);
    let shared = Shared {
        heap,
        world,
        pockets: parking_lot::Mutex::new(Vec::new()),
        stop: AtomicBool::new(false),
    };
    let since = Instant::now();
    std::thread::scope(|s| {
        let slot = |t| {
            let shared = &shared;
            s.spawn(move || {
                let mut rng = Rng::new(seed ^ (t + 1) << 32);
                // A slot for a thread: its tenants come and go.
                while !shared.stop.load(Relaxed) {
                    let pins = [20, 200, 50_000][rng.below(3)];
                    let tenant = Rng::new(rng.next());
                    std::thread::scope(|s| {
                        let died = s.spawn(move || worker(shared, tenant, pins)).join().is_err();
                        PANICS.fetch_add(u64::from(died), Relaxed);
                    });
                }
            })
        };
        let slots: Vec<_> = (0..threads as u64).map(slot).collect();
        let (mut cycles, mut progress, mut wide) = (0, Instant::now(), false);
        let mut next = Duration::from_secs(5);
        while since.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(100));
            if soft > 0 {
                // Limits change under the threads, too.
                wide = !wide;
                let bytes = if wide { 2 * soft } else { soft };
                shared.heap.set_memory_limit(bytes).expect("it is in range");
            }
            let now = shared.heap.stats().cycles;
            if now != cycles {
                (cycles, progress) = (now, Instant::now());
            } else if progress.elapsed() > Duration::from_secs(30) {
                broken("no cycle has ended for 30 seconds");
            }
            if since.elapsed() > next {
                next += Duration::from_secs(5);
                report(&shared.heap, since);
            }
        }
        shared.stop.store(true, Relaxed);
        // By hand: a scope's own wait is inside of std, where ThreadSanitizer does not see it.
        slots.into_iter().for_each(|slot| slot.join().unwrap());
    });
    check_tokens(&shared);
    if shared.heap.collect().is_err() {
        broken("the last collect was refused");
    }
    check_tokens(&shared);
    report(&shared.heap, since);
    let Shared { heap, world, pockets, .. } = shared;
    if let Err(error) = heap.shutdown(Duration::from_secs(60)) {
        broken(&error.to_string());
    }
    drop((world, pockets));
    if MADE.load(Relaxed) != DROPS.load(Relaxed) {
        broken(&format!("{} canaries made, {} dropped", MADE.load(Relaxed), DROPS.load(Relaxed)));
    }
    println!("stress: snapshots={}", watch::SNAPSHOTS.load(Relaxed));
    println!("stress: malloc_at_rest_kb={}", in_use_at_rest() >> 10);
    println!("stress: ok");
}

/// Bytes of the process's allocator that are in use when everything is dropped. A leak shows here;
/// the resident memory also has what malloc keeps for later. Zero where malloc cannot tell.
fn in_use_at_rest() -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call reads the allocator's counters.
    return unsafe { libc::mallinfo2() }.uordblks;
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}
