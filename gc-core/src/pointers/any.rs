//! [`GcAny`]: an erased pointer. The span knows the type of its object.
//!
//! 1. [`Gc::erase`] and [`GcAny::new`] forget the type. Both require a [`Branded`] type, whose
//!    lifetimes follow from the brand.
//! 2. [`GcAny::downcast`] looks up the span of the address. Its `TypeInfo` has the identity of the
//!    type that the object was made with, lifetimes erased. That identity is compared with the
//!    identity of `T` at `'static`.
//! 3. Equal identities and one brand mean one type (INV-20).
//!
//! Leaf data shares its spans with other leaf data of its size, so a span does not know its type.
//! The compiler refuses to erase a pointer to leaf data. [`GcAny::new`] allocates leaf data in
//! spans of its type instead.

use super::gc::made;
use crate::api::{Mutation, type_name_at};
use crate::error::AllocError;
use crate::heap::object::{InfoOf, TypeInfo};
use crate::pointers::{Gc, Root};
use crate::trace::{Branded, Family, Managed, Rootable, Trace, Tracer};
use crate::word::Addr;
use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;

/// The pointee of a pointer without a type. No values of it exist, only objects behind a [`GcAny`].
///
/// `Gc<'gc, Erased>` is for cells, weak pointers and maps, which take a pointee's type.
/// `GcCell<'gc, Erased>` holds a [`GcAny`] and changes atomically. [`GcAny::root`] makes a
/// `Root<Erased>`.
///
/// ```
/// use gc_core::{Erased, Gc, GcAny, GcCell, Heap};
/// Heap::new().mutate(|mc| {
///     let cell: GcCell<'_, Erased> = GcCell::new(None);
///     cell.set(mc, Some(GcAny::new(mc, 1u8).as_gc()));
///     let any = GcAny::from(cell.get().unwrap());
///     assert_eq!(any.downcast::<u8>(mc).map(|number| *number), Some(1));
/// });
/// ```
pub struct Erased {
    _private: (),
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_object(Addr::of(self), f)
    }
}

/// Prints the address, and the type's name if the calling thread can find it.
fn fmt_object(addr: Addr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match type_name_at(addr) {
        Some(name) => write!(f, "GcAny({name} at {addr:?})"),
        None => write!(f, "GcAny({addr:?})"),
    }
}

// SAFETY: INV-8: a thin pointer that shows nothing of its object, at each brand.
unsafe impl Family for Erased {
    type At<'gc> = Erased;
}
// SAFETY: INV-8: the inverse.
unsafe impl Rootable<'_> for Erased {
    type Family = Erased;
}

/// A pointer to an object of any sized type with a family: `Copy`, one word.
/// [`downcast`](Self::downcast) returns a pointer with the type, which the object's span knows.
///
/// Equality and hash are those of the address.
///
/// ```
/// use gc_core::{Gc, GcAny, GcRefCell, Heap, Root, Trace};
///
/// #[derive(Trace)]
/// struct Pair<'gc>(GcAny<'gc>, GcAny<'gc>);
///
/// let heap = Heap::new();
/// let root: Root<Pair<'static>> = heap.mutate(|mc| {
///     let list = Gc::new(mc, GcRefCell::new(vec![GcAny::new(mc, 1.5f64)]));
///     let pair = Pair(Gc::erase(list), GcAny::new(mc, "text"));
///     Gc::root(Gc::new(mc, pair), mc)
/// });
/// heap.collect()?;
/// heap.mutate(|mc| {
///     let pair = root.get(mc);
///     let list: Gc<'_, GcRefCell<Vec<GcAny<'_>>>> = pair.0.downcast(mc).unwrap();
///     assert!(list.borrow()[0].is::<f64>(mc) && pair.0.downcast::<f64>(mc).is_none());
///     assert_eq!(*pair.1.downcast::<&'static str>(mc).unwrap(), "text");
/// });
/// # Ok::<(), gc_core::CollectError>(())
/// ```
///
/// # What can be erased
///
/// - A pointer to leaf data cannot: the compiler refuses [`Gc::erase`]. (Leaf data has neither
///   pointers nor drop glue, such as `u64`.) Make such objects with [`GcAny::new`].
/// - Slices, `str` and trait objects cannot: their pointers have two words. Put a `Box<[T]>`, a
///   `Vec`, a `String` or a `Gc<[T]>` into an object. [`Gc::downcast`] leads from a trait object to
///   its type.
/// - A weak pointer or an ephemeron is a value. It can be in an object that is erased.
///
/// `T` and a wrapper of `T` are two types, even if the wrapper is `repr(transparent)`. So are types
/// of the same name in two versions of a crate.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct GcAny<'gc>(Gc<'gc, Erased>);

impl PartialEq for GcAny<'_> {
    fn eq(&self, other: &Self) -> bool {
        Gc::ptr_eq(self.0, other.0)
    }
}
impl Eq for GcAny<'_> {}

const _: () = assert!(size_of::<Option<GcAny<'_>>>() == size_of::<usize>());

impl<'gc, T: Branded<'gc>> Gc<'gc, T> {
    /// Forgets the type of the object; [`GcAny::downcast`] restores it. Costs nothing.
    ///
    /// It does not compile for leaf data, whose spans do not know a type; [`GcAny::new`] makes such
    /// objects.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let name = Gc::new(mc, String::from("a name"));
    ///     let any = Gc::erase(name);
    ///     assert!(Gc::ptr_eq(any.downcast::<String>(mc).unwrap(), name));
    /// });
    /// ```
    #[must_use]
    pub fn erase(this: Self) -> GcAny<'gc> {
        const {
            assert!(
                !InfoOf::<T>::ONE.is_leaf(),
                "leaf data (without pointers and drop glue) cannot be erased, because its spans do \
                 not know its type: make the object with `GcAny::new(mc, value)`"
            );
        }
        // SAFETY: INV-20: the span knows the type, which has a family and is branded with 'gc.
        unsafe { GcAny::from_address(this.as_non_null().cast()) }
    }
}

impl<'gc> GcAny<'gc> {
    /// Allocates an object in spans that know its type, leaf data included. As fast as [`Gc::new`].
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{GcAny, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let values = [GcAny::new(mc, 1u32), GcAny::new(mc, 2.0f32), GcAny::new(mc, [3u8, 4])];
    ///     assert_eq!(values.map(|any| any.is::<f32>(mc)), [false, true, false]);
    /// });
    /// ```
    #[track_caller]
    pub fn new<T>(mc: &Mutation<'gc>, value: T) -> Self
    where
        T: Branded<'gc> + Send + Sync + 'gc,
    {
        made(GcAny::make::<T, true>(mc, value))
    }

    /// Allocates an object in spans that know its type; see [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit; `value` is dropped.
    ///
    /// ```
    /// use gc_core::{GcAny, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let any = GcAny::try_new(mc, 5u16)?;
    ///     assert_eq!(any.as_ptr(), any.clone().as_ptr());
    ///     assert!(any.is::<u16>(mc));
    ///     Ok::<(), gc_core::AllocError>(())
    /// })?;
    /// # Ok::<(), gc_core::AllocError>(())
    /// ```
    #[inline]
    pub fn try_new<T>(mc: &Mutation<'gc>, value: T) -> Result<Self, AllocError>
    where
        T: Branded<'gc> + Send + Sync + 'gc,
    {
        GcAny::make::<T, false>(mc, value)
    }

    /// `PANICS` is set for a caller that panics if there is no room.
    #[inline]
    fn make<T, const PANICS: bool>(mc: &Mutation<'gc>, value: T) -> Result<Self, AllocError>
    where
        T: Branded<'gc> + Send + Sync + 'gc,
    {
        let at = mc.record().alloc::<PANICS>(const { InfoOf::<T>::KNOWN })?.ptr::<T>();
        // SAFETY: INV-5: the slot is this thread's alone, large enough and aligned for T.
        unsafe { at.write(value) };
        // SAFETY: INV-5: slots are never at address zero.
        let at = unsafe { NonNull::new_unchecked(at.cast()) };
        // SAFETY: INV-20: the span knows the type, which has a family and is branded with 'gc.
        Ok(unsafe { GcAny::from_address(at) })
    }

    /// # Safety
    ///
    /// `at` is an object of this pin's heap, live in it (INV-4), of a type as INV-20 asks.
    unsafe fn from_address(at: NonNull<Erased>) -> Self {
        // SAFETY: INV-4: the caller's promise; `Erased` has no content to read.
        GcAny(unsafe { Gc::from_non_null(at) })
    }

    /// Returns the object as a `T`, if it was made as one. Costs three loads, a call and a
    /// comparison.
    #[must_use]
    pub fn downcast<T: Branded<'gc>>(self, mc: &Mutation<'gc>) -> Option<Gc<'gc, T>> {
        // SAFETY: INV-20: identity and brand are equal, so the type is. The pointer is to the start
        // of the object.
        self.is::<T>(mc).then(|| unsafe { Gc::from_non_null(self.0.as_non_null().cast()) })
    }
    /// Returns whether the object was made as a `T`.
    #[must_use]
    pub fn is<T: Branded<'gc>>(self, mc: &Mutation<'gc>) -> bool {
        (self.info(mc).id)() == TypeId::of::<T::Static>()
    }
    /// The name of the object's type, as [`std::any::type_name`] gives it: for people, not as an
    /// identity.
    ///
    /// ```
    /// use gc_core::{GcAny, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let any = GcAny::new(mc, 5u16);
    ///     assert_eq!(any.type_name(mc), "u16");
    ///     assert!(format!("{any:?}").starts_with("GcAny(u16 at 0x"));
    /// });
    /// ```
    #[must_use]
    pub fn type_name(self, mc: &Mutation<'gc>) -> &'static str {
        (self.info(mc).name)()
    }
    /// The object's address, which is stable.
    #[must_use]
    pub fn as_ptr(self) -> *const () {
        Gc::as_ptr(self.0).cast()
    }
    /// The same pointer as a `Gc`, for cells, weak pointers and maps by identity, which take a
    /// pointee's type.
    #[must_use]
    pub fn as_gc(self) -> Gc<'gc, Erased> {
        self.0
    }
    /// An owned handle, which keeps the object alive between calls of `mutate`; [`Root::get`] gives
    /// a `Gc<Erased>`.
    ///
    /// ```
    /// use gc_core::{Erased, GcAny, Heap, Root};
    /// let heap = Heap::new();
    /// let root: Root<Erased> = heap.mutate(|mc| GcAny::new(mc, 5u16).root(mc));
    /// heap.collect()?;
    /// heap.mutate(|mc| assert!(GcAny::from(root.get(mc)).is::<u16>(mc)));
    /// # Ok::<(), gc_core::CollectError>(())
    /// ```
    #[track_caller]
    pub fn root(self, mc: &Mutation<'gc>) -> Root<Erased> {
        Gc::root(self.0, mc)
    }

    fn info(self, mc: &Mutation<'gc>) -> &'static TypeInfo {
        // One brand means one heap, whose tables know the address.
        mc.record().core().space.class_of(self.0.addr()).info
    }
}

impl<'gc> From<Gc<'gc, Erased>> for GcAny<'gc> {
    fn from(gc: Gc<'gc, Erased>) -> Self {
        GcAny(gc)
    }
}

impl Hash for GcAny<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ptr().hash(state);
    }
}
/// Prints the address. Also prints the type's name if the calling thread has used the heap through
/// [`Heap::mutate`](crate::Heap::mutate).
impl fmt::Debug for GcAny<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_object(self.0.addr(), f)
    }
}
impl fmt::Pointer for GcAny<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ptr().fmt(f)
    }
}

// SAFETY: INV-7: the edge itself; the span that it lies in knows the concrete type.
unsafe impl<'gc> Trace<'gc> for GcAny<'gc> {
    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edges(&self.0);
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl Managed for GcAny<'static> {
    type At<'gc> = GcAny<'gc>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc> Branded<'gc> for GcAny<'gc> {
    type Static = GcAny<'static>;
}
