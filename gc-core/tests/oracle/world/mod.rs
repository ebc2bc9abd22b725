//! A world: a part of a heap, the plain model of it, and the operations that change both. The
//! oracle test runs it on random numbers. The fuzz target (`fuzz/`) and the replay of its corpus
//! run it on byte strings. `main.rs` and `script.rs` have the runners.

mod choices;
mod objects;
pub(crate) mod script;

pub(crate) use choices::Choices;
use gc_core::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, Heap, Mutation, unsize};
pub(crate) use objects::Expected;
use objects::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};

/// Threads that can be inside a world at a time.
const SEATS: usize = 2;

/// A pin of the thread in a seat, with the pointers that it holds as local variables.
pub(crate) struct Pin<'gc> {
    pub(crate) mc: &'gc Mutation<'gc>,
    pub(crate) seat: usize,
    /// Beside `World::held` of the seat.
    held: Vec<(Any<'gc>, Id)>,
    /// How many it may hold.
    room: usize,
}

impl<'gc> Pin<'gc> {
    pub(crate) fn new(mc: &'gc Mutation<'gc>, seat: usize) -> Pin<'gc> {
        Pin { mc, seat, held: Vec::new(), room: 16 }
    }
    /// A pin within the pin of the same seat.
    pub(crate) fn nested(mc: &'gc Mutation<'gc>, seat: usize) -> Pin<'gc> {
        Pin { mc, seat, held: Vec::new(), room: 0 }
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
pub(crate) struct World {
    pub(crate) choices: Choices,
    pub(crate) board: Arc<Board>,
    objects: HashMap<Id, Model>,
    roots: Vec<(AnyRoot, Id)>,
    /// What the local variables of each seat hold, inside its pin.
    held: [Vec<Id>; SEATS],
    /// The bag whose vector each seat has a guard of.
    locked: [Option<Id>; SEATS],
    made: usize,
    /// One in so many canaries panics when it is dropped.
    panics: Option<usize>,
}

impl World {
    /// At most `most` objects.
    pub(crate) fn new(choices: Choices, most: usize, panics: Option<usize>) -> World {
        let drops = (0..most).map(|_| AtomicU8::new(0)).collect();
        World {
            choices,
            board: Arc::new(Board { drops, panics: AtomicU64::new(0), naps: AtomicU64::new(0) }),
            objects: HashMap::new(),
            roots: Vec::new(),
            held: Default::default(),
            locked: Default::default(),
            made: 0,
            panics,
        }
    }

    fn canary(&mut self, id: Id) -> Canary {
        let panics = self.panics.is_some_and(|n| self.choices.one_in(n));
        Canary { id, board: self.board.clone(), copy: Box::new(id), panics }
    }
    fn drops(&self, id: Id) -> u8 {
        self.board.drops[id].load(SeqCst)
    }
    /// Objects made so far.
    pub(crate) fn made(&self) -> usize {
        self.made
    }
    /// The pin of a seat has ended, perhaps by a panic: its local variables and its guard are gone.
    pub(crate) fn end_pin(&mut self, seat: usize) {
        self.held[seat].clear();
        self.locked[seat] = None;
    }
    fn is_locked(&self, id: Id) -> bool {
        self.locked.contains(&Some(id))
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
        let size = if self.choices.one_in(300) { 3000 } else { self.choices.below(12) };
        let new_node = |canary| Node {
            canary,
            cells: [GcCell::new(node), GcCell::default()],
            once: GcOnceCell::new(),
        };
        let any = match self.choices.below(18) {
            0 | 1 => {
                let all: Vec<Any<'gc>> = link.iter().map(|l| l.0).collect();
                model.edges = link.iter().map(|l| Some(l.1)).collect();
                let guard = match self.choices.below(3) {
                    0 => Guard::Ref(GcRefCell::new(all)),
                    1 => Guard::Mutex(GcMutex::new(all)),
                    _ => Guard::Rw(GcRwLock::new(all)),
                };
                let weak = GcRefCell::new(Vec::new());
                let (canary, nap) = (self.canary(id), Nap(self.board.clone()));
                Any::Bag(Gc::new(mc, Bag { canary, nap, guard, weak }))
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
                model.canary = size > 0;
                let mut canary = model.canary.then(|| self.canary(id));
                let slots = (0..size).map(|i| Slot {
                    canary: if i == size - 1 { canary.take() } else { None },
                    cell: GcCell::new(node),
                });
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
            6 if self.choices.one_in(8) => {
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
            8 => {
                model.canary = false;
                Any::Leaf(Gc::new(mc, Leaf { id, copies: [id; 3] }))
            }
            9 => {
                model.canary = false;
                model.edges = vec![node_id];
                Any::Link(Gc::new(mc, Link { id, cell: GcCell::new(node) }))
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
            Any::Node(node) => Some(&Gc::as_ref(node).canary),
            Any::Bag(bag) => Some(&Gc::as_ref(bag).canary),
            Any::Text(text) => {
                assert_eq!(text.text, id.to_string());
                assert!(text.bytes.iter().all(|&byte| byte == id as u8));
                Some(&Gc::as_ref(text).canary)
            }
            Any::Slots(slots) => Gc::as_ref(slots).last().map(|slot| slot.canary.as_ref().unwrap()),
            Any::Leaf(leaf) => {
                assert_eq!((leaf.id, leaf.copies), (id, [id; 3]));
                None
            }
            Any::Link(link) => {
                assert_eq!(link.id, id);
                None
            }
            Any::Words(words) => {
                assert!(words.iter().enumerate().all(|(i, &w)| w == word(id, i)));
                None
            }
            Any::Str(text) => {
                assert_eq!(&*text, id.to_string());
                None
            }
            Any::Dyn(thing) => Some(Gc::as_ref(thing).canary()),
        };
        assert_eq!(canary.is_some(), self.objects[&id].canary);
        if let Some(canary) = canary {
            assert_eq!((canary.id, *canary.copy), (id, id));
        }
        assert_eq!(self.drops(id), 0, "object {id} was dropped, but a pin names it");
    }

    /// What `any` points to, beside the model's opinion. A bag shows nothing while a guard is out.
    fn edges<'gc>(&self, mc: &Mutation<'gc>, any: Any<'gc>, id: Id) -> Vec<(Any<'gc>, Id)> {
        let model = &self.objects[&id];
        let held: Vec<Option<Any<'gc>>> = match any {
            Any::Bag(bag) if self.is_locked(id) => {
                assert!(bag.is_busy(mc));
                return Vec::new();
            }
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

    /// Some reachable object: a few steps from a root or from a local variable.
    fn pick<'gc>(&mut self, pin: &Pin<'gc>) -> Option<(Any<'gc>, Id)> {
        let starts = self.roots.len() + pin.held.len();
        if starts == 0 {
            return None;
        }
        let start = self.choices.below(starts);
        let mut at = match self.roots.get(start) {
            Some((root, id)) => (root.get(pin.mc), *id),
            None => pin.held[start - self.roots.len()],
        };
        self.check_one(at.0, at.1);
        for _ in 0..self.choices.below(6) {
            let next = self.edges(pin.mc, at.0, at.1);
            if next.is_empty() {
                break;
            }
            at = next[self.choices.below(next.len())];
            self.check_one(at.0, at.1);
        }
        Some(at)
    }
    fn pick_node<'gc>(&mut self, pin: &Pin<'gc>) -> Option<(Gc<'gc, Node<'gc>>, Id)> {
        match self.pick(pin)? {
            (Any::Node(node), id) => Some((node, id)),
            _ => None,
        }
    }
    /// A bag whose vector has no guard.
    fn pick_bag<'gc>(&mut self, pin: &Pin<'gc>) -> Option<(&'gc Bag<'gc>, Id)> {
        match self.pick(pin)? {
            (Any::Bag(bag), id) if !self.is_locked(id) => Some((Gc::as_ref(bag), id)),
            _ => None,
        }
    }

    /// Keeps `any` in a local variable, if there is room.
    fn hold<'gc>(&mut self, pin: &mut Pin<'gc>, any: Any<'gc>, id: Id) {
        if pin.held.len() < pin.room {
            pin.held.push((any, id));
            self.held[pin.seat].push(id);
        }
    }
    fn push<'gc>(&mut self, mc: &Mutation<'gc>, bag: &Bag<'gc>, to: Id, any: Any<'gc>, id: Id) {
        bag.change(mc, |all| all.push(any));
        self.model(to).edges.push(Some(id));
    }

    /// One operation inside a pin.
    pub(crate) fn op<'gc>(&mut self, pin: &mut Pin<'gc>) {
        let mc = pin.mc;
        match self.choices.below(18) {
            0..4 => {
                let link = self.pick(pin);
                let (any, id) = self.make(mc, link);
                if self.roots.len() < 40 && self.choices.one_in(2) {
                    self.roots.push((any.root(mc), id));
                } else if let Some((Any::Bag(bag), to)) = link
                    && !self.is_locked(to)
                {
                    self.push(mc, Gc::as_ref(bag), to, any, id);
                } else {
                    self.hold(pin, any, id);
                }
            }
            4..8 => self.change_cell(pin),
            8 | 9 => self.change_bag(pin),
            10 => {
                let target = self.pick(pin);
                if let (Some((Any::Node(node), id)), Some((any, to))) = (self.pick(pin), target) {
                    let was_set = self.objects[&id].once.is_some();
                    assert_eq!(node.once.set(mc, any).is_err(), was_set);
                    self.model(id).once.get_or_insert(to);
                }
            }
            11 => {
                let target = self.pick(pin);
                if let (Some((Any::Bag(bag), id)), Some((any, to))) = (self.pick(pin), target) {
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
                if let Some((bag, id)) = self.pick_bag(pin) {
                    let weak = bag.weak.borrow().last().copied();
                    if let Some((to, any)) = weak.and_then(|(to, w)| Some((to, w.upgrade(mc)?))) {
                        self.check_one(any, to);
                        self.push(mc, bag, id, any, to);
                    }
                }
            }
            13 => {
                if !self.roots.is_empty() {
                    let at = self.choices.below(self.roots.len());
                    let copy = self.roots[at].clone();
                    if self.roots.len() < 60 {
                        self.roots.push(copy);
                    }
                }
            }
            14 => {
                if let Some((any, id)) = self.pick(pin)
                    && self.roots.len() < 40
                {
                    self.roots.push((any.root(mc), id));
                }
            }
            15 => {
                if self.roots.len() > 5 {
                    self.drop_root();
                }
            }
            16 => {
                if let Some((any, id)) = self.pick(pin) {
                    self.hold(pin, any, id);
                }
            }
            _ => {
                if !pin.held.is_empty() {
                    let at = self.choices.below(pin.held.len());
                    pin.held.swap_remove(at);
                    self.held[pin.seat].swap_remove(at);
                }
            }
        }
    }

    /// Drops some root; also outside of pins.
    pub(crate) fn drop_root(&mut self) {
        if !self.roots.is_empty() {
            let at = self.choices.below(self.roots.len());
            self.roots.swap_remove(at);
        }
    }
    /// Drops every root.
    pub(crate) fn drop_roots(&mut self) {
        self.roots.clear();
    }

    /// A bag of whose vector the caller takes a guard now. It stays locked until
    /// [`unlock`](Self::unlock) or the end of the pin; one at a time for a seat.
    pub(crate) fn lock<'gc>(&mut self, pin: &Pin<'gc>) -> Option<(&'gc Bag<'gc>, Id)> {
        if self.locked[pin.seat].is_some() {
            return None;
        }
        let held = pin.held.iter().rev().find_map(|&(any, id)| match any {
            Any::Bag(bag) if !self.is_locked(id) => Some((Gc::as_ref(bag), id)),
            _ => None,
        });
        let (bag, id) = self.pick_bag(pin).or(held)?;
        self.locked[pin.seat] = Some(id);
        Some((bag, id))
    }
    /// The guard is gone.
    pub(crate) fn unlock(&mut self, seat: usize) {
        self.locked[seat] = None;
    }
    /// Moves the last pointer of a locked bag's vector into a local variable.
    pub(crate) fn take_out<'gc>(&mut self, pin: &mut Pin<'gc>, id: Id, all: &mut Vec<Any<'gc>>) {
        let Some(any) = all.pop() else { return };
        let gone = self.model(id).edges.pop().flatten().expect("the vectors are of one length");
        self.check_one(any, gone);
        self.hold(pin, any, gone);
    }
    /// Puts some pointer into a locked bag's vector.
    pub(crate) fn put_in<'gc>(&mut self, pin: &Pin<'gc>, id: Id, all: &mut Vec<Any<'gc>>) {
        if let Some((any, to)) = self.pick(pin) {
            all.push(any);
            self.model(id).edges.push(Some(to));
        }
    }

    fn model(&mut self, id: Id) -> &mut Model {
        self.objects.get_mut(&id).unwrap()
    }

    fn change_cell<'gc>(&mut self, pin: &mut Pin<'gc>) {
        let mc = pin.mc;
        let new = self.pick_node(pin);
        let Some((any, id)) = self.pick(pin) else { return };
        let cells = cells(any);
        if cells.is_empty() {
            return;
        }
        let i = self.choices.below(cells.len());
        let (cell, old) = (cells[i], self.objects[&id].edges[i]);
        let (new, new_id) = (new.map(|n| n.0), new.map(|n| n.1));
        let now = match self.choices.below(6) {
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
                let j = self.choices.below(cells.len());
                cells[j].set(mc, held);
                self.model(id).edges[i] = None;
                self.model(id).edges[j] = old;
                return;
            }
            4 => {
                // Out of the cell, and perhaps into another one later in this pin.
                if let Some((held, old)) = cell.get().zip(old) {
                    self.hold(pin, Any::Node(held), old);
                }
                cell.set(mc, None);
                None
            }
            _ => {
                let guess = if self.choices.one_in(2) { cell.get() } else { new };
                let same = guess.map(|node| node.canary.id) == old;
                let result = cell.compare_exchange(mc, guess, new);
                assert_eq!(result.is_ok(), same);
                if same { new_id } else { old }
            }
        };
        self.model(id).edges[i] = now;
    }

    fn change_bag<'gc>(&mut self, pin: &Pin<'gc>) {
        let mc = pin.mc;
        let new = self.pick(pin);
        let Some((bag, id)) = self.pick_bag(pin) else { return };
        let len = self.objects[&id].edges.len();
        if len > 10 || (len > 0 && self.choices.one_in(2)) {
            let at = self.choices.below(len);
            let gone = bag.change(mc, |all| all.swap_remove(at));
            let gone_id = self.model(id).edges.swap_remove(at).unwrap();
            self.check_one(gone, gone_id);
        } else if let Some((any, to)) = new {
            self.push(mc, bag, id, any, to);
        }
    }

    /// Everything that the model reaches from the roots and the local variables; with `shown` not
    /// through bags that a guard is out of.
    fn reachable(&self, held: &[Vec<Id>], shown: bool) -> HashSet<Id> {
        let mut stack: Vec<Id> = self.roots.iter().map(|root| root.1).collect();
        stack.extend(held.iter().flatten());
        let mut seen: HashSet<Id> = HashSet::new();
        while let Some(id) = stack.pop() {
            if seen.insert(id) && !(shown && self.is_locked(id)) {
                let model = &self.objects[&id];
                stack.extend(model.edges.iter().flatten().chain(&model.once));
            }
        }
        seen
    }

    /// Compares everything. `quiet`: this world has not changed since the last `collect`.
    pub(crate) fn check(&mut self, heap: &Heap, quiet: bool) {
        heap.mutate(|mc| self.check_graph(&Pin::new(mc, 0), quiet));
        if quiet {
            let reachable = self.reachable(&self.held, false);
            self.objects.retain(|id, _| reachable.contains(id));
        }
    }

    /// Compares everything that `pin` can get at, and all drop counts.
    pub(crate) fn check_graph<'gc>(&self, pin: &Pin<'gc>, quiet: bool) {
        let mc = pin.mc;
        let reachable = self.reachable(&self.held, false);
        let own: Vec<Id> = pin.held.iter().map(|held| held.1).collect();
        let mut stack: Vec<_> = self.roots.iter().map(|(root, id)| (root.get(mc), *id)).collect();
        stack.extend(&pin.held);
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
        assert_eq!(seen, self.reachable(&[own], true));
        for (&id, model) in self.objects.iter().filter(|(_, model)| model.canary) {
            let drops = self.drops(id);
            let right = match (reachable.contains(&id), quiet) {
                (true, _) => drops == 0,
                (false, true) => drops == 1,
                (false, false) => drops <= 1,
            };
            assert!(right, "object {id} dropped {drops} times; node: {}", model.node);
        }
    }

    /// After the heap has ended: each canary dropped exactly once.
    pub(crate) fn check_end(&self) {
        for (&id, _) in self.objects.iter().filter(|(_, model)| model.canary) {
            assert_eq!(self.drops(id), 1, "drops of object {id}");
        }
        assert!(self.board.drops.iter().all(|drops| drops.load(SeqCst) <= 1));
    }
}
