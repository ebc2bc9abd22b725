//! Random operations against an oracle: each world has its own part of one heap and a plain model of it, and threads
//! that come and go take turns with the worlds. The seed is printed; replay with `GC_SEED=...`, lengthen with
//! `GC_OPS=...` (operations of each world, 60,000 by default).
//!
//! Checked: what the model reaches is there, with the right contents, and is not dropped; canaries drop at most once;
//! weak pointers of what is reachable upgrade; after `collect` whatever is unreachable has been dropped exactly once
//! and its weak pointers are dead.

mod objects;

use gc_core::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, Heap, Mutation, unsize};
use objects::*;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// xorshift64*.
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What the model knows of an object.
#[derive(Default)]
struct Model {
    /// Whether it has a canary.
    canary: bool,
    /// Whether it is a `Node`, which cells may hold.
    node: bool,
    /// A cell or an entry of a vector each.
    edges: Vec<Option<Id>>,
    once: Option<Id>,
    weak: Vec<Id>,
}

/// A world: roots into the heap, and the model of all that was ever made from there.
struct World {
    rng: Rng,
    board: Arc<Board>,
    objects: HashMap<Id, Model>,
    roots: Vec<(AnyRoot, Id)>,
    made: usize,
    ops: usize,
}

impl World {
    fn new(seed: u64, ops: usize) -> World {
        let board = Arc::new(Board((0..ops * 2 + 100).map(|_| AtomicU8::new(0)).collect()));
        let rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        World { rng, board, objects: HashMap::new(), roots: Vec::new(), made: 0, ops }
    }

    fn canary(&self, id: Id) -> Canary {
        Canary { id, board: self.board.clone(), copy: Box::new(id) }
    }
    fn drops(&self, id: Id) -> u8 {
        self.board.0[id].load(SeqCst)
    }

    /// Makes an object; its pointers lead to what is given.
    fn make<'gc>(&mut self, mc: &Mutation<'gc>, link: Option<(Any<'gc>, Id)>) -> (Any<'gc>, Id) {
        let id = self.made;
        self.made += 1;
        let mut model = Model { canary: true, ..Model::default() };
        let to_node = match link {
            Some((Any::Node(node), id)) => Some((node, id)),
            _ => None,
        };
        let (node, node_id) = (to_node.map(|n| n.0), to_node.map(|n| n.1));
        let size = if self.rng.one_in(300) { 3000 } else { self.rng.below(12) };
        let new_node = |canary| Node {
            canary,
            cells: [GcCell::new(node), GcCell::default()],
            once: GcOnceCell::new(),
        };
        let any = match self.rng.below(16) {
            0 | 1 => {
                let all: Vec<Any<'gc>> = link.iter().map(|l| l.0).collect();
                model.edges = link.iter().map(|l| Some(l.1)).collect();
                let guard = match self.rng.below(3) {
                    0 => Guard::Ref(GcRefCell::new(all)),
                    1 => Guard::Mutex(GcMutex::new(all)),
                    _ => Guard::Rw(GcRwLock::new(all)),
                };
                let weak = GcRefCell::new(Vec::new());
                Any::Bag(Gc::new(mc, Bag { canary: self.canary(id), guard, weak }))
            }
            2 => Any::Text(Gc::new(
                mc,
                Text {
                    canary: self.canary(id),
                    text: id.to_string(),
                    bytes: vec![id as u8; size * 10],
                },
            )),
            3 => {
                model.edges = vec![node_id; size];
                let slots = (0..size).map(|i| Slot {
                    canary: (i == size - 1).then(|| self.canary(id)),
                    cell: GcCell::new(node),
                });
                model.canary = size > 0;
                Any::Slots(Gc::from_iter_in(mc, slots))
            }
            4 => {
                model.canary = false;
                let words: Vec<u64> = (0..=size).map(|i| word(id, i)).collect();
                Any::Words(Gc::from_slice(mc, &words))
            }
            5 => {
                model.canary = false;
                Any::Str(Gc::from_str(mc, &id.to_string()))
            }
            6 if self.rng.one_in(8) => {
                model.edges = vec![node_id];
                let cell = GcCell::new(node);
                let canary = self.canary(id);
                let large = Gc::new(mc, Large { canary, padding: [id as u64; 5000], cell });
                Any::Dyn(unsize!(large => dyn Thing<'gc> + 'gc))
            }
            7 => {
                // A trait object whose cell is the first of two: the other one stays null.
                model.edges = vec![node_id];
                let node = Gc::new(mc, new_node(self.canary(id)));
                Any::Dyn(unsize!(node => dyn Thing<'gc> + 'gc))
            }
            _ => {
                model.edges = vec![node_id, None];
                model.node = true;
                Any::Node(Gc::new(mc, new_node(self.canary(id))))
            }
        };
        self.objects.insert(id, model);
        (any, id)
    }

    /// The object is `id`, with its own contents.
    fn check_one(&self, any: Any<'_>, id: Id) {
        let canary = match any {
            Any::Node(node) => Some(&node.as_ref().canary),
            Any::Bag(bag) => Some(&bag.as_ref().canary),
            Any::Text(text) => {
                assert_eq!(text.text, id.to_string());
                assert!(text.bytes.iter().all(|&byte| byte == id as u8));
                Some(&text.as_ref().canary)
            }
            Any::Slots(slots) => slots.as_ref().last().map(|slot| slot.canary.as_ref().unwrap()),
            Any::Words(words) => {
                assert!(words.iter().enumerate().all(|(i, &w)| w == word(id, i)));
                None
            }
            Any::Str(text) => {
                assert_eq!(&*text, id.to_string());
                None
            }
            Any::Dyn(thing) => Some(thing.as_ref().canary()),
        };
        assert_eq!(canary.is_some(), self.objects[&id].canary);
        if let Some(canary) = canary {
            assert_eq!((canary.id, *canary.copy), (id, id));
        }
        assert_eq!(self.drops(id), 0, "object {id} was dropped, but a pin names it");
    }

    /// What `any` points to, beside the model's opinion.
    fn edges<'gc>(&self, mc: &Mutation<'gc>, any: Any<'gc>, id: Id) -> Vec<(Any<'gc>, Id)> {
        let model = &self.objects[&id];
        let held: Vec<Option<Any<'gc>>> = match any {
            Any::Bag(bag) => bag.content(mc).into_iter().map(Some).collect(),
            other => cells(other).into_iter().map(|c| c.get().map(Any::Node)).collect(),
        };
        assert_eq!(held.len(), model.edges.len());
        let mut all = Vec::new();
        for (real, known) in held.into_iter().zip(&model.edges) {
            assert_eq!(real.is_some(), known.is_some(), "an edge of object {id}");
            all.extend(real.zip(*known));
        }
        if let Any::Node(node) = any {
            assert_eq!(node.once.get().is_some(), model.once.is_some());
            all.extend(node.once.get().copied().zip(model.once));
        }
        all
    }

    /// Some reachable object: a few steps from a root.
    fn pick<'gc>(&mut self, mc: &Mutation<'gc>) -> Option<(Any<'gc>, Id)> {
        if self.roots.is_empty() {
            return None;
        }
        let at = self.rng.below(self.roots.len());
        let (root, id) = &self.roots[at];
        let mut at = (root.get(mc), *id);
        for _ in 0..self.rng.below(6) {
            let next = self.edges(mc, at.0, at.1);
            if next.is_empty() {
                break;
            }
            at = next[self.rng.below(next.len())];
            self.check_one(at.0, at.1);
        }
        Some(at)
    }
    fn pick_node<'gc>(&mut self, mc: &Mutation<'gc>) -> Option<(Gc<'gc, Node<'gc>>, Id)> {
        match self.pick(mc)? {
            (Any::Node(node), id) => Some((node, id)),
            _ => None,
        }
    }

    fn op<'gc>(&mut self, mc: &Mutation<'gc>) {
        match self.rng.below(16) {
            0..4 => {
                let link = self.pick(mc);
                let (any, id) = self.make(mc, link);
                if self.roots.len() < 40 && self.rng.one_in(2) {
                    self.roots.push((any.root(mc), id));
                } else if let Some((Any::Bag(bag), to)) = link {
                    bag.change(mc, |all| all.push(any));
                    self.model(to).edges.push(Some(id));
                }
            }
            4..8 => self.change_cell(mc),
            8 | 9 => self.change_bag(mc),
            10 => {
                let target = self.pick(mc);
                if let (Some((Any::Node(node), id)), Some((any, to))) = (self.pick(mc), target) {
                    let was_set = self.objects[&id].once.is_some();
                    assert_eq!(node.once.set(mc, any).is_err(), was_set);
                    self.model(id).once.get_or_insert(to);
                }
            }
            11 => {
                let target = self.pick(mc);
                if let (Some((Any::Bag(bag), id)), Some((any, to))) = (self.pick(mc), target) {
                    let mut weak = bag.weak.borrow_mut(mc);
                    weak.push((to, any.downgrade(mc)));
                    self.model(id).weak.push(to);
                    if weak.len() > 8 {
                        weak.remove(0);
                        self.model(id).weak.remove(0);
                    }
                }
            }
            12 => {
                // Whatever still upgrades may become reachable again.
                if let Some((Any::Bag(bag), id)) = self.pick(mc) {
                    let weak = bag.weak.borrow().last().copied();
                    if let Some((to, any)) = weak.and_then(|(to, w)| Some((to, w.upgrade(mc)?))) {
                        self.check_one(any, to);
                        bag.change(mc, |all| all.push(any));
                        self.model(id).edges.push(Some(to));
                    }
                }
            }
            13 => {
                if !self.roots.is_empty() {
                    let at = self.rng.below(self.roots.len());
                    let copy = self.roots[at].clone();
                    if self.roots.len() < 60 {
                        self.roots.push(copy);
                    }
                }
            }
            14 => {
                if let Some((any, id)) = self.pick(mc)
                    && self.roots.len() < 40
                {
                    self.roots.push((any.root(mc), id));
                }
            }
            _ => {
                if self.roots.len() > 5 {
                    let at = self.rng.below(self.roots.len());
                    self.roots.swap_remove(at);
                }
            }
        }
    }

    fn model(&mut self, id: Id) -> &mut Model {
        self.objects.get_mut(&id).unwrap()
    }

    fn change_cell<'gc>(&mut self, mc: &Mutation<'gc>) {
        let new = self.pick_node(mc);
        let Some((any, id)) = self.pick(mc) else { return };
        let cells = cells(any);
        if cells.is_empty() {
            return;
        }
        let i = self.rng.below(cells.len());
        let (cell, old) = (cells[i], self.objects[&id].edges[i]);
        let (new, new_id) = (new.map(|n| n.0), new.map(|n| n.1));
        let now = match self.rng.below(5) {
            0 => {
                cell.set(mc, None);
                None
            }
            1 => {
                cell.set(mc, new);
                new_id
            }
            2 => {
                let held = cell.swap(mc, new);
                assert_eq!(held.map(|node| node.canary.id), old);
                new_id
            }
            3 => {
                let held = cell.take(mc);
                assert_eq!(held.map(|node| node.canary.id), old);
                // Into another cell of the same object.
                let j = self.rng.below(cells.len());
                cells[j].set(mc, held);
                self.model(id).edges[i] = None;
                self.model(id).edges[j] = old;
                return;
            }
            _ => {
                let guess = if self.rng.one_in(2) { cell.get() } else { new };
                let same = guess.map(|node| node.canary.id) == old;
                let result = cell.compare_exchange(mc, guess, new);
                assert_eq!(result.is_ok(), same);
                if same { new_id } else { old }
            }
        };
        self.model(id).edges[i] = now;
    }

    fn change_bag<'gc>(&mut self, mc: &Mutation<'gc>) {
        let new = self.pick(mc);
        let Some((Any::Bag(bag), id)) = self.pick(mc) else { return };
        let len = self.objects[&id].edges.len();
        if len > 10 || (len > 0 && self.rng.one_in(2)) {
            let at = self.rng.below(len);
            let gone = bag.change(mc, |all| all.swap_remove(at));
            let gone_id = self.model(id).edges.swap_remove(at).unwrap();
            self.check_one(gone, gone_id);
        } else if let Some((any, to)) = new {
            bag.change(mc, |all| all.push(any));
            self.model(id).edges.push(Some(to));
        }
    }

    /// Everything that the model reaches.
    fn reachable(&self) -> HashSet<Id> {
        let mut stack: Vec<Id> = self.roots.iter().map(|root| root.1).collect();
        let mut seen: HashSet<Id> = HashSet::new();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                let model = &self.objects[&id];
                stack.extend(model.edges.iter().flatten().chain(&model.once));
            }
        }
        seen
    }

    /// Compares everything. `quiet`: nobody has changed this world since the last `collect`.
    fn check(&mut self, heap: &Heap, quiet: bool) {
        let reachable = self.reachable();
        heap.mutate(|mc| {
            let mut stack: Vec<_> =
                self.roots.iter().map(|(root, id)| (root.get(mc), *id)).collect();
            let (mut seen, mut addresses) = (HashSet::new(), HashSet::new());
            while let Some((any, id)) = stack.pop() {
                if !seen.insert(id) {
                    continue;
                }
                self.check_one(any, id);
                assert!(addresses.insert(any.address()), "two objects at one address");
                stack.extend(self.edges(mc, any, id));
                let Any::Bag(bag) = any else { continue };
                let weak = bag.weak.borrow();
                assert!(weak.iter().map(|w| w.0).eq(self.objects[&id].weak.iter().copied()));
                for (to, weak) in weak.iter() {
                    match weak.upgrade(mc) {
                        Some(target) => {
                            assert!(!quiet || reachable.contains(to), "{to} should be dead");
                            self.check_one(target, *to);
                        }
                        None => {
                            assert!(!reachable.contains(to), "{to} is live");
                            // Between the end of marking and the flagging, only an upgrade knows.
                            assert!(!quiet || weak.is_dead());
                        }
                    }
                }
            }
            assert_eq!(seen, reachable);
        });
        for (&id, model) in self.objects.iter().filter(|(_, model)| model.canary) {
            let drops = self.drops(id);
            let right = match (reachable.contains(&id), quiet) {
                (true, _) => drops == 0,
                (false, true) => drops == 1,
                (false, false) => drops <= 1,
            };
            assert!(right, "object {id} dropped {drops} times; node: {}", model.node);
        }
        if quiet {
            self.objects.retain(|id, _| reachable.contains(id));
        }
    }

    /// One thread's turn.
    fn turn(&mut self, heap: &Heap) {
        let mutator = self.rng.one_in(2).then(|| heap.mutator());
        for _ in 0..1 + self.rng.below(200) {
            let size = [1, 1, 5, 50, 400][self.rng.below(5)].min(self.ops);
            let panics = self.rng.one_in(20);
            let body = |world: &mut World, mc: &Mutation<'_>| {
                for _ in 0..size {
                    world.op(mc);
                    world.ops -= 1;
                }
                if panics {
                    resume_unwind(Box::new(Expected));
                }
            };
            let done = catch_unwind(AssertUnwindSafe(|| match &mutator {
                Some(mutator) => mutator.mutate(|mc| body(self, mc)),
                None => heap.mutate(|mc| body(self, mc)),
            }));
            if let Err(payload) = done
                && !payload.is::<Expected>()
            {
                resume_unwind(payload);
            }
            if self.rng.one_in(50) {
                self.check(heap, false);
            }
            if self.rng.one_in(200) {
                heap.collect().unwrap();
                self.check(heap, true);
            }
        }
    }
}

/// The panics that a world throws itself.
struct Expected;

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
    let waiting: Mutex<Vec<World>> =
        Mutex::new((0..worlds).map(|w| World::new(seed ^ (w + 1) << 32, ops)).collect());
    let boards = waiting.lock().unwrap().iter().map(|w| w.board.clone()).collect::<Vec<_>>();
    let finished = Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                while let Some(mut world) = { waiting.lock().unwrap().pop() } {
                    // A fresh thread for each turn.
                    std::thread::scope(|s| {
                        s.spawn(|| world.turn(&heap)).join().unwrap_or_else(|p| resume_unwind(p));
                    });
                    let mut list =
                        if world.ops == 0 { finished.lock() } else { waiting.lock() }.unwrap();
                    list.insert(0, world);
                }
            });
        }
    });
    heap.collect().unwrap();
    let mut finished = finished.into_inner().unwrap();
    assert_eq!(finished.len(), worlds as usize);
    for world in &mut finished {
        world.check(&heap, true);
        world.roots.clear();
    }
    heap.collect().unwrap();
    for world in &mut finished {
        world.check(&heap, true);
    }
    assert_eq!((heap.stats().live_objects, heap.stats().drop_panics), (0, 0));
    assert!(heap.stats().cycles > 10, "{:?}", heap.stats());
    drop(heap);
    assert!(boards.iter().all(|board| board.0.iter().all(|n| n.load(SeqCst) <= 1)));
}

#[test]
fn random_operations_one_marker() {
    run(1, 6, 4);
}

#[test]
fn random_operations_three_markers() {
    run(3, 6, 4);
}
