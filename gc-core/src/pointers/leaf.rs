//! [`Leaf`]: any `'static` value in the heap.

use crate::api::Heap;
use crate::trace::{Branded, Managed, Trace, Tracer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value of any `'static` type, which the collector knows to hold no [`Gc`](crate::Gc). For types
/// of crates that do not know [`Trace`].
///
/// It has the layout of the value and is never traced. A type that could hold a pointer is not
/// `'static`. `#[trace(skip)]` on a field of a struct does the same.
///
/// ```
/// use gc_core::{Gc, Heap, Leaf, Mutation, Trace};
/// type Native = for<'gc> fn(&Mutation<'gc>, Gc<'gc, str>) -> usize;
/// #[derive(Trace)]
/// struct Function<'gc> {
///     name: Gc<'gc, str>,
///     code: Leaf<Native>,
///     hook: Leaf<Box<dyn Fn() -> u8 + Send + Sync>>,
/// }
/// fn length<'gc>(_: &Mutation<'gc>, text: Gc<'gc, str>) -> usize { text.len() }
/// Heap::new().mutate(|mc| {
///     let (name, hook) = (Gc::from_str(mc, "length"), Leaf(Box::new(|| 7u8) as _));
///     let function = Gc::new(mc, Function { name, code: Leaf(length), hook });
///     assert_eq!((function.code)(mc, function.name), 6);
///     assert_eq!((function.hook)(), 7);
/// });
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Leaf<T: 'static>(pub T);

impl<T: 'static> Leaf<T> {
    /// The value.
    ///
    /// ```
    /// assert_eq!(gc_core::Leaf::into_inner(gc_core::Leaf("a")), "a");
    /// ```
    pub fn into_inner(this: Self) -> T {
        this.0
    }
}

impl<T: 'static> Deref for Leaf<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
impl<T: 'static> DerefMut for Leaf<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
impl<T: 'static> From<T> for Leaf<T> {
    fn from(value: T) -> Self {
        Leaf(value)
    }
}
impl<T: fmt::Debug + 'static> fmt::Debug for Leaf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T: fmt::Display + 'static> fmt::Display for Leaf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// SAFETY: INV-7: a `'static` type is a leaf, and nothing is read.
unsafe impl<'gc, T: 'static> Trace<'gc> for Leaf<T> {
    const NEEDS_TRACE: bool = false;
    #[inline(always)]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: INV-8: the type mentions no brand.
unsafe impl<T: 'static> Managed for Leaf<T> {
    type At<'gc> = Leaf<T>;
}
// SAFETY: INV-8: the inverse.
unsafe impl<T: 'static> Branded<'_> for Leaf<T> {
    type Static = Leaf<T>;
}

// SAFETY: INV-7: a handle holds no `Gc`. A handle of an object's own heap keeps that heap for ever.
unsafe impl<'gc> Trace<'gc> for Heap {
    const NEEDS_TRACE: bool = false;
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: INV-8: it has no brand.
unsafe impl Managed for Heap {
    type At<'gc> = Heap;
}
// SAFETY: INV-8: the inverse.
unsafe impl Branded<'_> for Heap {
    type Static = Heap;
}
