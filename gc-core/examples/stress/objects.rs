//! What the stress program's heap holds, and how each thing checks itself.

use crate::{DROPS, MADE};
use gc_core::{
    Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcWeak, Heap, Root, Trace, rootable_dyn,
};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

pub(crate) const TOKENS: usize = 512;
/// More cells than tokens, so that a hand finds an empty one.
pub(crate) const PLACES: usize = 1024;
pub(crate) const NODES: usize = 1024;
pub(crate) const SHELVES: usize = 64;
pub(crate) const DEPTH: u8 = 6;

/// xorshift64*.
pub(crate) struct Rng(pub(crate) u64);
impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Something is wrong: says so and ends the process, so that no other thread covers it up.
#[track_caller]
pub(crate) fn broken(what: &str) -> ! {
    eprintln!("stress: INCONSISTENT at {}: {what}", std::panic::Location::caller());
    std::process::exit(1)
}

pub(crate) const ALIVE: u64 = 0xA11C_E5AF_E0B1_EC75;
pub(crate) const DEAD: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// The magic word; its memory is the allocator's, so that drop glue has something to free.
#[derive(Trace)]
pub(crate) struct Canary {
    pub(crate) magic: AtomicU64,
    pub(crate) id: Box<u64>,
}
impl Canary {
    pub(crate) fn new(id: u64) -> Canary {
        MADE.fetch_add(1, Relaxed);
        Canary { magic: AtomicU64::new(ALIVE ^ id), id: Box::new(id) }
    }
    #[track_caller]
    pub(crate) fn check(&self) -> u64 {
        let id = *self.id;
        if self.magic.load(Relaxed) != ALIVE ^ id {
            broken(&format!("magic {:#x} with id {id:#x}", self.magic.load(Relaxed)));
        }
        id
    }
}
impl Drop for Canary {
    fn drop(&mut self) {
        let id = self.check();
        self.magic.store(DEAD, Relaxed);
        DROPS.fetch_add(1, Relaxed);
        if id % 4099 == 4098 {
            resume_unwind(Box::new("a canary's own panic"));
        }
    }
}

#[derive(Trace)]
pub(crate) struct Token {
    pub(crate) canary: Canary,
    pub(crate) number: usize,
}

/// A detour on which a token may travel.
#[derive(Trace)]
pub(crate) struct Parcel<'gc> {
    pub(crate) canary: Canary,
    pub(crate) content: GcOnceCell<Gc<'gc, Token>>,
}

#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) canary: Canary,
    pub(crate) depth: u8,
    pub(crate) left: GcCell<'gc, Node<'gc>>,
    pub(crate) right: GcCell<'gc, Node<'gc>>,
    pub(crate) cache: GcOnceCell<Gc<'gc, str>>,
}

pub(crate) trait Item<'gc>: Send + Sync {
    fn check(&self);
    fn node(&self) -> Option<Gc<'gc, Node<'gc>>>;
}
rootable_dyn!(Item<'gc>);

#[derive(Trace)]
pub(crate) struct Link<'gc> {
    pub(crate) canary: Canary,
    pub(crate) cell: GcCell<'gc, Node<'gc>>,
}
impl<'gc> Item<'gc> for Link<'gc> {
    fn check(&self) {
        self.canary.check();
    }
    fn node(&self) -> Option<Gc<'gc, Node<'gc>>> {
        self.cell.get()
    }
}

/// What lies on a shelf.
#[derive(Trace, Clone, Copy)]
pub(crate) enum Thing<'gc> {
    Node(Gc<'gc, Node<'gc>>),
    Text(Gc<'gc, str>),
    /// Each word is the first plus its index.
    Words(Gc<'gc, [u64]>),
    Cells(Gc<'gc, [GcCell<'gc, Node<'gc>>]>),
    Items(Gc<'gc, [Canary]>),
    Dyn(Gc<'gc, dyn Item<'gc> + 'gc>),
    Weak(GcWeak<'gc, Node<'gc>>),
    WeakText(GcWeak<'gc, str>),
}

#[derive(Trace)]
pub(crate) enum Shelf<'gc> {
    Ref(GcRefCell<Vec<Thing<'gc>>>),
    Mutex(GcMutex<Vec<Thing<'gc>>>),
    Rw(GcRwLock<Vec<Thing<'gc>>>),
}

#[derive(Trace)]
pub(crate) struct World<'gc> {
    pub(crate) places: Gc<'gc, [GcCell<'gc, Token>]>,
    pub(crate) queue: GcMutex<Vec<Gc<'gc, Token>>>,
    pub(crate) parcels: GcRwLock<Vec<Gc<'gc, Parcel<'gc>>>>,
    pub(crate) nodes: Gc<'gc, [GcCell<'gc, Node<'gc>>]>,
    pub(crate) shelves: Gc<'gc, [Gc<'gc, Shelf<'gc>>]>,
}

pub(crate) type Pockets = parking_lot::Mutex<Vec<Root<Token>>>;

pub(crate) struct Shared {
    pub(crate) heap: Heap,
    pub(crate) world: Root<World<'static>>,
    /// Tokens that are held by roots only.
    pub(crate) pockets: Pockets,
    pub(crate) stop: AtomicBool,
}

pub(crate) fn build(heap: &Heap) -> Root<World<'static>> {
    heap.mutate(|mc| {
        let cells = (0..PLACES).map(|i| {
            let token =
                (i < TOKENS).then(|| Gc::new(mc, Token { canary: Canary::new(0), number: i }));
            GcCell::new(token)
        });
        let places = Gc::from_iter_in(mc, cells);
        let nodes = Gc::from_iter_in(mc, (0..NODES).map(|_| GcCell::new(None)));
        let shelves = Gc::from_iter_in(
            mc,
            (0..SHELVES).map(|i| {
                let shelf = match i % 3 {
                    0 => Shelf::Ref(GcRefCell::new(Vec::new())),
                    1 => Shelf::Mutex(GcMutex::new(Vec::new())),
                    _ => Shelf::Rw(GcRwLock::new(Vec::new())),
                };
                Gc::new(mc, shelf)
            }),
        );
        let (queue, parcels) = (GcMutex::new(Vec::new()), GcRwLock::new(Vec::new()));
        Gc::root(Gc::new(mc, World { places, queue, parcels, nodes, shelves }), mc)
    })
}
