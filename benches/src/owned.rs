//! The yardsticks `rc`, `arc` and `box`: the pointers of the standard library, and the workloads'
//! objects made with them.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::hint::black_box;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::objects::{MESSAGE, Pointers, SharedPointers};

/// A way to own an object on the ordinary heap.
pub(crate) trait Owner: 'static {
    /// The pointer.
    type Ptr<T>: Deref<Target = T>;

    /// As in [`Pointers`].
    const BECOMES_CALLOC: bool = false;

    /// Moves `value` to the heap.
    fn new<T>(value: T) -> Self::Ptr<T>;

    /// The content of an object with a single owner.
    fn get_mut<T>(ptr: &mut Self::Ptr<T>) -> &mut T;
}

/// An owner that several places share, and a field that holds one.
pub(crate) trait Shared: Owner {
    /// A mutable field.
    type Slot<T>;

    /// A field that holds `ptr`.
    fn slot<T>(ptr: Option<Self::Ptr<T>>) -> Self::Slot<T>;

    /// Another owner of the object in the field.
    fn load<T>(slot: &Self::Slot<T>) -> Option<Self::Ptr<T>>;

    /// Puts `ptr` into the field and returns the old one, which the caller drops outside of any
    /// lock.
    fn replace<T>(slot: &Self::Slot<T>, ptr: Option<Self::Ptr<T>>) -> Option<Self::Ptr<T>>;
}

/// `--engine box`.
#[derive(Debug)]
pub(crate) struct Boxes;
/// `--engine rc`.
#[derive(Debug)]
pub(crate) struct Rcs;
/// `--engine arc`.
#[derive(Debug)]
pub(crate) struct Arcs;

impl Owner for Boxes {
    type Ptr<T> = Box<T>;

    const BECOMES_CALLOC: bool = true;

    #[inline(always)]
    fn new<T>(value: T) -> Box<T> {
        Box::new(value)
    }

    #[inline(always)]
    fn get_mut<T>(ptr: &mut Box<T>) -> &mut T {
        ptr
    }
}

impl Owner for Rcs {
    type Ptr<T> = Rc<T>;

    #[inline(always)]
    fn new<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    #[inline(always)]
    fn get_mut<T>(ptr: &mut Rc<T>) -> &mut T {
        Rc::get_mut(ptr).expect("a fresh object has one owner")
    }
}

impl Owner for Arcs {
    type Ptr<T> = Arc<T>;

    #[inline(always)]
    fn new<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    #[inline(always)]
    fn get_mut<T>(ptr: &mut Arc<T>) -> &mut T {
        Arc::get_mut(ptr).expect("a fresh object has one owner")
    }
}

impl Shared for Rcs {
    type Slot<T> = Cell<Option<Rc<T>>>;

    #[inline(always)]
    fn slot<T>(ptr: Option<Rc<T>>) -> Self::Slot<T> {
        Cell::new(ptr)
    }

    #[inline(always)]
    fn load<T>(slot: &Self::Slot<T>) -> Option<Rc<T>> {
        let held = slot.take();
        slot.set(held.clone());
        held
    }

    #[inline(always)]
    fn replace<T>(slot: &Self::Slot<T>, ptr: Option<Rc<T>>) -> Option<Rc<T>> {
        slot.replace(ptr)
    }
}

impl Shared for Arcs {
    type Slot<T> = Mutex<Option<Arc<T>>>;

    #[inline(always)]
    fn slot<T>(ptr: Option<Arc<T>>) -> Self::Slot<T> {
        Mutex::new(ptr)
    }

    #[inline(always)]
    fn load<T>(slot: &Self::Slot<T>) -> Option<Arc<T>> {
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline(always)]
    fn replace<T>(slot: &Self::Slot<T>, ptr: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), ptr)
    }
}

/// An object of two pointers that never change.
pub(crate) struct Pair<O: Owner> {
    left: Option<O::Ptr<Pair<O>>>,
    right: Option<O::Ptr<Pair<O>>>,
}

/// A node of `gcbench`: its pointers change through [`Owner::get_mut`].
pub(crate) struct Node<O: Owner> {
    left: Option<O::Ptr<Node<O>>>,
    right: Option<O::Ptr<Node<O>>>,
    i: i32,
    j: i32,
}

impl<O: Owner> Node<O> {
    fn populate(&mut self, depth: u32) {
        if depth == 0 {
            return;
        }
        let left = self.left.insert(O::node(None, None));
        let right = self.right.insert(O::node(None, None));
        O::get_mut(left).populate(depth - 1);
        O::get_mut(right).populate(depth - 1);
    }

    fn size(&self) -> u64 {
        debug_assert!(self.i == 0 && self.j == 0);
        let below = |child: &Option<O::Ptr<Node<O>>>| child.as_ref().map_or(0, |node| node.size());
        1 + below(&self.left) + below(&self.right)
    }
}

impl<O: Owner> Pointers for O {
    const BECOMES_CALLOC: bool = O::BECOMES_CALLOC;

    type Pair = O::Ptr<Pair<O>>;
    type Node = O::Ptr<Node<O>>;
    type Message = O::Ptr<[u8; MESSAGE]>;

    #[inline(always)]
    fn pair(left: Option<Self::Pair>, right: Option<Self::Pair>) -> Self::Pair {
        O::new(Pair { left, right })
    }

    #[inline(always)]
    fn sides(pair: &Self::Pair) -> (Option<&Self::Pair>, Option<&Self::Pair>) {
        (pair.left.as_ref(), pair.right.as_ref())
    }

    #[inline(always)]
    fn node(left: Option<Self::Node>, right: Option<Self::Node>) -> Self::Node {
        let i = if O::BECOMES_CALLOC { black_box(0) } else { 0 };
        O::new(Node { left, right, i, j: 0 })
    }

    fn populate(node: &mut Self::Node, depth: u32) {
        O::get_mut(node).populate(depth);
    }

    fn size(node: &Self::Node) -> u64 {
        node.size()
    }

    #[inline(always)]
    fn message(fill: u8) -> Self::Message {
        O::new([fill; MESSAGE])
    }

    fn bytes(message: &Self::Message) -> &[u8; MESSAGE] {
        message
    }
}

/// A node of `mutate`.
pub(crate) struct Link<S: Shared> {
    next: S::Slot<Link<S>>,
    val: u64,
    words: [u64; 3],
}

impl<S: Shared> SharedPointers for S {
    type Link = S::Ptr<Link<S>>;
    type Slot = S::Slot<Link<S>>;

    #[inline(always)]
    fn link(next: Option<Self::Link>, val: u64, words: [u64; 3]) -> Self::Link {
        S::new(Link { next: <S as Shared>::slot(next), val, words })
    }

    #[inline(always)]
    fn next(link: &Self::Link) -> &Self::Slot {
        &link.next
    }

    fn words(link: &Self::Link) -> (u64, [u64; 3]) {
        (link.val, link.words)
    }

    #[inline(always)]
    fn slot(link: Option<Self::Link>) -> Self::Slot {
        <S as Shared>::slot(link)
    }

    #[inline(always)]
    fn load(slot: &Self::Slot) -> Option<Self::Link> {
        <S as Shared>::load(slot)
    }

    #[inline(always)]
    fn replace(slot: &Self::Slot, link: Option<Self::Link>) -> Option<Self::Link> {
        <S as Shared>::replace(slot, link)
    }
}
