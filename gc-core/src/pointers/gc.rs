//! [`Gc`]: a pointer to an object of the heap.

use crate::api::Mutation;
use crate::error::AllocError;
use crate::heap::object::InfoOf;
use crate::pointers::inside::in_cell;
use crate::pointers::{GcWeak, Root};
use crate::trace::{Branded, Family, Managed, Object, Rootable, Trace, Tracer};
use crate::word::Addr;
use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A pointer to an object of the heap: `Copy`, one word (two for slices, `str` and trait objects),
/// never null.
///
/// It lives inside the `mutate` whose brand `'gc` it carries. Keep an object longer by a [`Root`]
/// or by another object. The object does not move, so its address is stable. Equality, order and
/// hash are those of the content, so a map with keys `Gc<str>` accepts a `&str` for a look-up.
/// [`ptr_eq`](Gc::ptr_eq) compares addresses, and [`ByAddress`](crate::ByAddress) is a key by
/// address.
///
/// # Cycles
///
/// Comparing or hashing the contents of objects that lead to themselves never ends, as with `Rc`:
/// the stack overflows, or the program hangs. Compare addresses there. `Debug` ends, since only a
/// cell can close a cycle, and inside a cell a `Gc` prints its address.
///
/// ```
/// use gc_core::{Gc, Heap};
/// Heap::new().mutate(|mc| {
///     let a = Gc::new(mc, 5);
///     let b = a;
///     assert!(Gc::ptr_eq(a, b) && *a + *b == 10);
/// });
/// ```
#[repr(transparent)]
pub struct Gc<'gc, T: ?Sized> {
    ptr: NonNull<T>,
    brand: PhantomData<Cell<&'gc ()>>,
}

impl<T: ?Sized> Clone for Gc<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for Gc<'_, T> {}

// SAFETY: INV-6: a `Gc` is a shared reference to an object. The brand keeps it inside a pin: the
// lender's pin when a scoped thread uses it.
unsafe impl<T: ?Sized + Send + Sync> Send for Gc<'_, T> {}
// SAFETY: INV-6: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for Gc<'_, T> {}

impl<'gc, T: Object<'gc>> Gc<'gc, T> {
    /// Allocates an object: a few nanoseconds ([costs](crate#costs)) while the heap fits the cache.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit
    /// ([`HeapBuilder::heap_limit`](crate::HeapBuilder::heap_limit)).
    #[inline(always)]
    #[track_caller]
    pub fn new(mc: &Mutation<'gc>, value: T) -> Self {
        match Gc::make::<true>(mc, value) {
            Ok(gc) => gc,
            Err(error) => limit_reached(error),
        }
    }

    /// Allocates an object.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit; `value` is dropped. Leave `mutate` so that a cycle can
    /// end, and try again.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build()?;
    /// heap.mutate(|mc| {
    ///     assert!(Gc::try_new(mc, [0u8; 1000]).is_ok());
    ///     assert!(Gc::try_from_slice(mc, &vec![0u8; 2 << 20]).is_err());
    /// });
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[inline(always)]
    pub fn try_new(mc: &Mutation<'gc>, value: T) -> Result<Self, AllocError> {
        Gc::make::<false>(mc, value)
    }

    /// `PANICS` is set for a caller that panics if there is no room.
    #[inline(always)]
    fn make<const PANICS: bool>(mc: &Mutation<'gc>, value: T) -> Result<Self, AllocError> {
        let at = mc.record().alloc::<PANICS>(const { InfoOf::<T>::ONE })?.ptr::<T>();
        // SAFETY: INV-5: the slot is this thread's alone, large enough and aligned for T.
        unsafe { at.write(value) };
        // SAFETY: INV-5: slots are never at address zero.
        Ok(Gc { ptr: unsafe { NonNull::new_unchecked(at) }, brand: PhantomData })
    }
}

#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn limit_reached(error: AllocError) -> ! {
    panic!(
        "{error}; leave `mutate` so that a cycle can end, raise heap_limit, or use the try_ form"
    )
}

/// Returns the allocated object, or panics at the location of the caller's caller.
#[track_caller]
pub(super) fn made<T>(result: Result<T, AllocError>) -> T {
    match result {
        Ok(made) => made,
        Err(error) => limit_reached(error),
    }
}

impl<'gc> Mutation<'gc> {
    /// Allocates `value` and roots it: [`Gc::new`] and [`Gc::root`] in one. Any branded value can
    /// leave `mutate` this way, for example a result or an error that holds pointers. The root's
    /// type follows from the value's.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Mutation, Root};
    /// fn parse<'gc>(mc: &Mutation<'gc>, text: &str) -> Result<Gc<'gc, i64>, Gc<'gc, str>> {
    ///     text.parse().map(|n| Gc::new(mc, n)).map_err(|_| Gc::from_str(mc, text))
    /// }
    /// let heap = Heap::new();
    /// let parsed = heap.mutate(|mc| mc.root(parse(mc, "12")));
    /// let failed: Root<Result<Gc<'static, i64>, Gc<'static, str>>> =
    ///     heap.mutate(|mc| mc.root(parse(mc, "a dozen")));
    /// heap.collect()?;
    /// heap.mutate(|mc| {
    ///     assert_eq!(parsed.get(mc).unwrap(), Gc::new(mc, 12));
    ///     assert_eq!(&*failed.get(mc).unwrap_err(), "a dozen");
    /// });
    /// # Ok::<(), gc_core::CollectError>(())
    /// ```
    #[track_caller]
    pub fn root<T: Branded<'gc> + Object<'gc>>(&self, value: T) -> Root<T::Static> {
        Gc::root(Gc::new(self, value), self)
    }
}

impl<'gc, T: Object<'gc>> Gc<'gc, [T]> {
    /// Allocates a copy of a slice.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| assert_eq!(&*Gc::from_slice(mc, &[1, 2, 3]), &[1, 2, 3]));
    /// ```
    #[track_caller]
    pub fn from_slice(mc: &Mutation<'gc>, slice: &[T]) -> Self
    where
        T: Copy,
    {
        made(copy::<_, true>(mc, slice))
    }

    /// Allocates a copy of a slice.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit.
    pub fn try_from_slice(mc: &Mutation<'gc>, slice: &[T]) -> Result<Self, AllocError>
    where
        T: Copy,
    {
        copy::<_, false>(mc, slice)
    }

    /// Allocates a slice of the items of an iterator: as many as its length at the start, or fewer
    /// if it ends before.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit. A panic of the iterator passes through; a later cycle
    /// drops the items that it had yielded.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let names = Gc::from_iter_in(mc, (0..3).map(|i| format!("n{i}")));
    ///     assert_eq!(names[2], "n2");
    /// });
    /// ```
    #[track_caller]
    pub fn from_iter_in<I>(mc: &Mutation<'gc>, iter: I) -> Self
    where
        I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    {
        made(collect::<_, true>(mc, iter.into_iter()))
    }

    /// Allocates a slice of the items of an iterator; see [`from_iter_in`](Gc::from_iter_in).
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit; the iterator is dropped.
    ///
    /// ```
    /// use gc_core::{AllocError, Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     assert_eq!(*Gc::try_from_iter_in(mc, (0..3).map(|i| i * i))?, [0, 1, 4]);
    ///     Ok::<(), AllocError>(())
    /// })?;
    /// # Ok::<(), AllocError>(())
    /// ```
    pub fn try_from_iter_in<I>(mc: &Mutation<'gc>, iter: I) -> Result<Self, AllocError>
    where
        I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    {
        collect::<_, false>(mc, iter.into_iter())
    }
}

/// Allocates a copy of `slice`. `PANICS` is set for a caller that panics if there is no room.
fn copy<'gc, T, const PANICS: bool>(
    mc: &Mutation<'gc>,
    slice: &[T],
) -> Result<Gc<'gc, [T]>, AllocError>
where
    T: Trace<'gc> + Copy + 'gc,
{
    let at = alloc_array::<T, PANICS>(mc, slice.len())?;
    // SAFETY: INV-5: there is room for `len` values at `at`, which are this thread's alone; `T:
    // Copy`.
    unsafe { std::ptr::copy_nonoverlapping(slice.as_ptr(), at, slice.len()) };
    Ok(finish_array(at, slice.len()))
}

/// Allocates the items of `iter`. `PANICS` is set for a caller that panics if there is no room.
fn collect<'gc, I, const PANICS: bool>(
    mc: &Mutation<'gc>,
    iter: I,
) -> Result<Gc<'gc, [I::Item]>, AllocError>
where
    I: ExactSizeIterator<Item: Trace<'gc> + 'gc>,
{
    let wanted = iter.len();
    let at = alloc_array::<I::Item, PANICS>(mc, wanted)?;
    let mut len = 0;
    for value in iter.take(wanted) {
        // SAFETY: INV-5: `len < wanted`, and there is room for `wanted` values.
        unsafe { at.add(len).write(value) };
        len += 1;
        // The length grows with the array, so that a panic of the iterator leaves it valid.
        set_len::<I::Item>(at, len);
    }
    Ok(finish_array(at, len))
}

fn alloc_array<'gc, T: Trace<'gc>, const PANICS: bool>(
    mc: &Mutation<'gc>,
    n: usize,
) -> Result<*mut T, AllocError> {
    let bytes = n.saturating_mul(size_of::<T>());
    mc.record().alloc_array::<PANICS>(const { InfoOf::<T>::ARRAY }, bytes).map(Addr::ptr)
}

fn set_len<'gc, T: Trace<'gc>>(at: *mut T, len: usize) {
    if const { InfoOf::<T>::ARRAY }.origin() != 0 {
        // SAFETY: INV-6: such arrays have a header word before the first element.
        unsafe { at.cast::<usize>().sub(1).write(len) };
    }
}

fn finish_array<'gc, T: Trace<'gc>>(at: *mut T, len: usize) -> Gc<'gc, [T]> {
    set_len::<T>(at, len);
    let ptr = std::ptr::slice_from_raw_parts_mut(at, len);
    // SAFETY: INV-5: slots are never at address zero.
    Gc { ptr: unsafe { NonNull::new_unchecked(ptr) }, brand: PhantomData }
}

impl<'gc> Gc<'gc, str> {
    /// Allocates a copy of a string.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| assert_eq!(&*Gc::from_str(mc, "grey"), "grey"));
    /// ```
    #[allow(clippy::should_implement_trait, reason = "an allocation needs the mutation context")]
    #[track_caller]
    pub fn from_str(mc: &Mutation<'gc>, text: &str) -> Self {
        made(copy::<_, true>(mc, text.as_bytes()).map(text_of))
    }

    /// Allocates a copy of a string.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build()?;
    /// heap.mutate(|mc| {
    ///     assert_eq!(&*Gc::try_from_str(mc, "grey").unwrap(), "grey");
    ///     assert!(Gc::try_from_str(mc, &"grey".repeat(1 << 19)).is_err());
    /// });
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn try_from_str(mc: &Mutation<'gc>, text: &str) -> Result<Self, AllocError> {
        copy::<_, false>(mc, text.as_bytes()).map(text_of)
    }
}

/// Turns the copied bytes of a `str` into a `str`.
fn text_of<'gc>(bytes: Gc<'gc, [u8]>) -> Gc<'gc, str> {
    // SAFETY: INV-5: the bytes are a copy of a `str`; `[u8]` and `str` have the same layout.
    let ptr = unsafe { NonNull::new_unchecked(bytes.ptr.as_ptr() as *mut str) };
    Gc { ptr, brand: PhantomData }
}

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// Returns the object, for the rest of this `mutate`.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// fn longest<'gc>(a: Gc<'gc, str>, b: Gc<'gc, str>) -> &'gc str {
    ///     let (a, b) = (Gc::as_ref(a), Gc::as_ref(b));
    ///     if a.len() < b.len() { b } else { a }
    /// }
    /// Heap::new().mutate(|mc| {
    ///     assert_eq!(longest(Gc::from_str(mc, "ring"), Gc::from_str(mc, "span!")), "span!");
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "`AsRef` cannot give the brand's lifetime")]
    #[must_use]
    #[inline(always)]
    pub fn as_ref(this: Self) -> &'gc T {
        // SAFETY: INV-4: an object that a pin can name is live until the pin ends, and the brand
        // ends before it.
        unsafe { this.ptr.as_ref() }
    }
    /// The object's address, which is stable.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let gc = Gc::new(mc, 1);
    ///     assert!(std::ptr::eq(Gc::as_ptr(gc), Gc::as_ref(gc)));
    /// });
    /// ```
    #[must_use]
    pub fn as_ptr(this: Self) -> *const T {
        this.ptr.as_ptr()
    }
    /// Returns whether two pointers are to the same object. Only addresses are compared.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| assert!(!Gc::ptr_eq(Gc::new(mc, 1), Gc::new(mc, 1))));
    /// ```
    #[must_use]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        a.addr() == b.addr()
    }
    /// Returns an owned handle that keeps the object alive between calls of `mutate`
    /// ([costs](crate#costs)).
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Root};
    /// let heap = Heap::new();
    /// let root: Root<u64> = heap.mutate(|mc| Gc::root(Gc::new(mc, 9u64), mc));
    /// heap.collect().unwrap();
    /// assert_eq!(heap.mutate(|mc| *root.get(mc)), 9);
    /// ```
    #[track_caller]
    pub fn root(this: Self, mc: &Mutation<'gc>) -> Root<T::Family>
    where
        T: Rootable<'gc>,
    {
        Root::new(mc, this)
    }
    /// Returns a pointer that does not keep the object alive. Allocates a box of 16 bytes.
    ///
    /// # Panics
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let strong = Gc::new(mc, 1);
    ///     assert!(Gc::ptr_eq(Gc::downgrade(strong, mc).upgrade(mc).unwrap(), strong));
    /// });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn downgrade(this: Self, mc: &Mutation<'gc>) -> GcWeak<'gc, T> {
        made(GcWeak::new::<true>(mc, this))
    }
    /// Returns a pointer that does not keep the object alive.
    ///
    /// # Errors
    ///
    /// If the heap has reached its limit.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let object = Gc::new(mc, 1);
    ///     assert_eq!(Gc::try_downgrade(object, mc)?.upgrade(mc), Some(object));
    ///     Ok::<(), gc_core::AllocError>(())
    /// })?;
    /// # Ok::<(), gc_core::AllocError>(())
    /// ```
    pub fn try_downgrade(this: Self, mc: &Mutation<'gc>) -> Result<GcWeak<'gc, T>, AllocError> {
        GcWeak::new::<false>(mc, this)
    }

    #[inline(always)]
    pub(crate) fn addr(self) -> Addr {
        Addr::of(self.ptr.as_ptr())
    }
    pub(crate) fn as_non_null(self) -> NonNull<T> {
        self.ptr
    }
    /// # Safety
    ///
    /// `ptr` points to an object of the heap of the pin with brand `'gc`, which is live in that pin
    /// (INV-4).
    #[inline(always)]
    pub(crate) unsafe fn from_non_null(ptr: NonNull<T>) -> Self {
        Gc { ptr, brand: PhantomData }
    }
}

impl<T: ?Sized> std::ops::Deref for Gc<'_, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: INV-4: as in `as_ref`.
        unsafe { self.ptr.as_ref() }
    }
}

// SAFETY: INV-7: the edge itself; the span that it lies in knows the concrete type.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for Gc<'gc, T> {
    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.visit(self.addr());
    }
}
// SAFETY: INV-8: the brand is no part of a pointer's representation.
unsafe impl<T: Family + ?Sized> Managed for Gc<'static, T> {
    type At<'gc> = Gc<'gc, T::At<'gc>>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<'gc, T: Rootable<'gc> + ?Sized> Branded<'gc> for Gc<'gc, T> {
    type Static = Gc<'static, T::Family>;
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Gc<'_, T> {
    /// Prints the content. Inside a cell it prints the address, since the content may lead back to
    /// the cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if in_cell() { write!(f, "Gc({:p})", self.ptr) } else { (**self).fmt(f) }
    }
}
impl<T: ?Sized + fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
impl<T: ?Sized> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ptr.fmt(f)
    }
}
impl<T: ?Sized> AsRef<T> for Gc<'_, T> {
    fn as_ref(&self) -> &T {
        self
    }
}
impl<T: ?Sized> Borrow<T> for Gc<'_, T> {
    /// Equality, order and hash of a `Gc` are those of its content.
    fn borrow(&self) -> &T {
        self
    }
}
impl<T: ?Sized + PartialEq> PartialEq for Gc<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
impl<T: ?Sized + Eq> Eq for Gc<'_, T> {}
impl<T: ?Sized + PartialOrd> PartialOrd for Gc<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (**self).partial_cmp(&**other)
    }
}
impl<T: ?Sized + Ord> Ord for Gc<'_, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}
impl<T: ?Sized + Hash> Hash for Gc<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
