//! The objects of the oracle's worlds: nine kinds, and an enum of pointers to all of them.

use gc_core::{
    Branded, Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcWeak, Managed, Mutation, Root,
    Trace, Tracer, rootable_dyn,
};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::thread::sleep;
use std::time::Duration;

pub(crate) type Id = usize;

/// Drop counts by id, for one world, and how many of those drops panicked.
pub(crate) struct Board {
    pub(crate) drops: Vec<AtomicU8>,
    pub(crate) panics: AtomicU64,
    /// How often tracing a bag is to take long, from now on.
    pub(crate) naps: AtomicU64,
}

/// Makes tracing take long when its board says so: what is not yet traced stays white meanwhile.
pub(crate) struct Nap(pub(crate) Arc<Board>);
// SAFETY: INV-7: it holds no pointer into the heap.
unsafe impl<'gc> Trace<'gc> for Nap {
    fn trace(&self, _: &mut Tracer<'gc>) {
        if self.0.naps.load(SeqCst) > 0 && self.0.naps.swap(0, SeqCst) > 0 {
            sleep(Duration::from_micros(500));
        }
    }
}
// SAFETY: INV-8: it has no brand.
unsafe impl Managed for Nap {
    type At<'gc> = Nap;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc> Branded<'gc> for Nap {
    type Static = Nap;
}

/// The panics that a world throws itself. They unwind without the hook, which would print them.
pub(crate) struct Expected;

/// One in each object that has drop glue.
#[derive(Trace)]
pub(crate) struct Canary {
    pub(crate) id: Id,
    pub(crate) board: Arc<Board>,
    /// Freed by the glue, so that a second drop would be seen by the allocator too.
    pub(crate) copy: Box<Id>,
    /// Whether the drop panics, after it was counted.
    pub(crate) panics: bool,
}
impl Drop for Canary {
    fn drop(&mut self) {
        self.board.drops[self.id].fetch_add(1, SeqCst);
        if self.panics {
            self.board.panics.fetch_add(1, SeqCst);
            resume_unwind(Box::new(Expected));
        }
    }
}

/// Neither traced nor dropped: shares the spans of its size with other such types.
#[derive(Trace)]
pub(crate) struct Leaf {
    pub(crate) id: Id,
    pub(crate) copies: [Id; 3],
}

/// Traced, but without drop glue: mutators sweep it too.
#[derive(Trace)]
pub(crate) struct Link<'gc> {
    pub(crate) id: Id,
    pub(crate) cell: GcCell<'gc, Node<'gc>>,
}
const _: () = assert!(!std::mem::needs_drop::<Link<'static>>());

#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) canary: Canary,
    pub(crate) cells: [GcCell<'gc, Node<'gc>>; 2],
    pub(crate) once: GcOnceCell<Any<'gc>>,
}

/// Too large for a size class.
#[derive(Trace)]
pub(crate) struct Large<'gc> {
    pub(crate) canary: Canary,
    pub(crate) padding: [u64; 5000],
    pub(crate) cell: GcCell<'gc, Node<'gc>>,
}

#[derive(Trace)]
pub(crate) enum Guard<'gc> {
    Ref(GcRefCell<Vec<Any<'gc>>>),
    Mutex(GcMutex<Vec<Any<'gc>>>),
    Rw(GcRwLock<Vec<Any<'gc>>>),
}

#[derive(Trace)]
pub(crate) struct Bag<'gc> {
    pub(crate) canary: Canary,
    pub(crate) nap: Nap,
    pub(crate) guard: Guard<'gc>,
    pub(crate) weak: GcRefCell<Vec<(Id, Weak<'gc>)>>,
}

#[derive(Trace)]
pub(crate) struct Text {
    pub(crate) canary: Canary,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Trace)]
pub(crate) struct Slot<'gc> {
    pub(crate) canary: Option<Canary>,
    pub(crate) cell: GcCell<'gc, Node<'gc>>,
}

pub(crate) trait Thing<'gc>: Send + Sync {
    fn canary(&self) -> &Canary;
    fn cell(&self) -> &GcCell<'gc, Node<'gc>>;
}
rootable_dyn!(Thing<'gc>);
impl<'gc> Thing<'gc> for Large<'gc> {
    fn canary(&self) -> &Canary {
        &self.canary
    }
    fn cell(&self) -> &GcCell<'gc, Node<'gc>> {
        assert!(self.padding.iter().all(|&word| word == self.canary.id as u64));
        &self.cell
    }
}
impl<'gc> Thing<'gc> for Node<'gc> {
    fn canary(&self) -> &Canary {
        &self.canary
    }
    fn cell(&self) -> &GcCell<'gc, Node<'gc>> {
        &self.cells[0]
    }
}

/// The kinds, each as a strong pointer, a weak one and a root.
macro_rules! kinds {
    ($($kind:ident: $branded:ty, $root:ty;)*) => {
        #[derive(Trace, Clone, Copy)]
        pub(crate) enum Any<'gc> { $($kind(Gc<'gc, $branded>),)* }
        #[derive(Trace, Clone, Copy)]
        pub(crate) enum Weak<'gc> { $($kind(GcWeak<'gc, $branded>),)* }
        #[derive(Clone)]
        pub(crate) enum AnyRoot { $($kind(Root<$root>),)* }
        impl<'gc> Any<'gc> {
            pub(crate) fn downgrade(self, mc: &Mutation<'gc>) -> Weak<'gc> {
                match self { $(Any::$kind(gc) => Weak::$kind(Gc::downgrade(gc, mc)),)* }
            }
            pub(crate) fn root(self, mc: &Mutation<'gc>) -> AnyRoot {
                match self { $(Any::$kind(gc) => AnyRoot::$kind(Gc::root(gc, mc)),)* }
            }
            pub(crate) fn address(self) -> usize {
                match self { $(Any::$kind(gc) => Gc::as_ptr(gc).cast::<u8>() as usize,)* }
            }
        }
        impl<'gc> Weak<'gc> {
            pub(crate) fn upgrade(self, mc: &Mutation<'gc>) -> Option<Any<'gc>> {
                match self { $(Weak::$kind(weak) => weak.upgrade(mc).map(Any::$kind),)* }
            }
            pub(crate) fn is_dead(self) -> bool {
                match self { $(Weak::$kind(weak) => weak.is_dead(),)* }
            }
        }
        impl AnyRoot {
            pub(crate) fn get<'gc>(&self, mc: &Mutation<'gc>) -> Any<'gc> {
                match self { $(AnyRoot::$kind(root) => Any::$kind(root.get(mc)),)* }
            }
        }
    };
}
kinds! {
    Node: Node<'gc>, Node<'static>;
    Leaf: Leaf, Leaf;
    Link: Link<'gc>, Link<'static>;
    Bag: Bag<'gc>, Bag<'static>;
    Text: Text, Text;
    Slots: [Slot<'gc>], [Slot<'static>];
    Words: [u64], [u64];
    Str: str, str;
    Dyn: dyn Thing<'gc> + 'gc, dyn Thing<'static>;
}

impl<'gc> Bag<'gc> {
    pub(crate) fn change<R>(
        &self,
        mc: &Mutation<'gc>,
        f: impl FnOnce(&mut Vec<Any<'gc>>) -> R,
    ) -> R {
        match &self.guard {
            Guard::Ref(cell) => f(&mut cell.borrow_mut(mc)),
            Guard::Mutex(cell) => f(&mut cell.lock(mc)),
            Guard::Rw(cell) => f(&mut cell.write(mc)),
        }
    }
    /// Whether its vector cannot be had, because a guard is out.
    pub(crate) fn is_busy(&self, mc: &Mutation<'gc>) -> bool {
        match &self.guard {
            Guard::Ref(cell) => cell.try_borrow().is_none() && cell.try_borrow_mut(mc).is_none(),
            Guard::Mutex(cell) => cell.try_lock(mc).is_none(),
            Guard::Rw(cell) => cell.try_read().is_none() && cell.try_write(mc).is_none(),
        }
    }
    pub(crate) fn content(&self, mc: &Mutation<'gc>) -> Vec<Any<'gc>> {
        match &self.guard {
            Guard::Ref(cell) => cell.borrow().clone(),
            Guard::Mutex(cell) => cell.lock(mc).clone(),
            Guard::Rw(cell) => cell.read().clone(),
        }
    }
}

pub(crate) fn cells<'gc>(any: Any<'gc>) -> Vec<&'gc GcCell<'gc, Node<'gc>>> {
    match any {
        Any::Node(node) => Gc::as_ref(node).cells.iter().collect(),
        Any::Slots(slots) => Gc::as_ref(slots).iter().map(|slot| &slot.cell).collect(),
        Any::Dyn(thing) => vec![Gc::as_ref(thing).cell()],
        Any::Link(link) => vec![&Gc::as_ref(link).cell],
        _ => Vec::new(),
    }
}

pub(crate) fn word(id: Id, i: usize) -> u64 {
    (id as u64) << 20 ^ i as u64
}
