//! The objects of the oracle's worlds: about ten types, and an enum of pointers to all of them.

use gc_core::{
    Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcWeak, Mutation, Root, Trace,
    rootable_dyn,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

pub(crate) type Id = usize;

/// Drop counts by id, for one world.
pub(crate) struct Board(pub(crate) Vec<AtomicU8>);

/// One in each object that has drop glue.
#[derive(Trace)]
pub(crate) struct Canary {
    pub(crate) id: Id,
    pub(crate) board: Arc<Board>,
    /// Freed by the glue, so that a second drop would be seen by the allocator too.
    pub(crate) copy: Box<Id>,
}
impl Drop for Canary {
    fn drop(&mut self) {
        self.board.0[self.id].fetch_add(1, SeqCst);
    }
}

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
                match self { $(Any::$kind(gc) => Weak::$kind(gc.downgrade(mc)),)* }
            }
            pub(crate) fn root(self, mc: &Mutation<'gc>) -> AnyRoot {
                match self { $(Any::$kind(gc) => AnyRoot::$kind(gc.root(mc)),)* }
            }
            pub(crate) fn address(self) -> usize {
                match self { $(Any::$kind(gc) => gc.as_ptr().cast::<u8>() as usize,)* }
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
        Any::Node(node) => node.as_ref().cells.iter().collect(),
        Any::Slots(slots) => slots.as_ref().iter().map(|slot| &slot.cell).collect(),
        Any::Dyn(thing) => vec![thing.as_ref().cell()],
        _ => Vec::new(),
    }
}

pub(crate) fn word(id: Id, i: usize) -> u64 {
    (id as u64) << 20 ^ i as u64
}
