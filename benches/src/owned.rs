//! The yardsticks `rc`, `arc` and `box`: what owns an object there, so that each workload is written once.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// A way to own an object on the ordinary heap.
pub(crate) trait Owner: 'static {
    /// The pointer.
    type Ptr<T>: Deref<Target = T>;

    /// Whether the compiler makes a `calloc` of an object of known zeros: glibc's takes three times as long as
    /// its `malloc`, so `alloc` hides the zeros then.
    const BECOMES_CALLOC: bool = false;

    /// Moves `value` to the heap.
    fn new<T>(value: T) -> Self::Ptr<T>;

    /// The content of an object that nobody else owns.
    fn get_mut<T>(ptr: &mut Self::Ptr<T>) -> &mut T;
}

/// An owner that several places share, and a field that holds one.
pub(crate) trait Shared: Owner {
    /// A mutable field.
    type Slot<T>;

    /// A field that holds `ptr`.
    fn slot<T>(ptr: Option<Self::Ptr<T>>) -> Self::Slot<T>;

    /// A further owner of what the field holds.
    fn load<T>(slot: &Self::Slot<T>) -> Option<Self::Ptr<T>>;

    /// Puts `ptr` into the field and returns what was there: the caller drops it outside of any lock.
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
