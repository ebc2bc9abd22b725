//! Trait objects: making them, rooting them, and the way back to the concrete type.
//!
//! 1. [`unsize!`](crate::unsize) turns a `Gc<T>` into a `Gc<dyn Trait>`, by a coercion of the
//!    pointer that the compiler checks.
//! 2. [`rootable_dyn!`](crate::rootable_dyn) declares the family of `dyn Trait`, so that a
//!    [`Root`](crate::Root) may point to it. The macro names the user's trait once, in a type alias
//!    with the brand as its parameter. Both members of the family are that alias at some lifetime.
//!    So they are one type up to lifetimes, whatever the tokens were (INV-8).
//! 3. [`Downcast`] is the supertrait for the way back: the vtable then tells which family the
//!    object is of.
//!
//! The families of std's traits are here, because only this crate may declare them.

use crate::pointers::Gc;
use crate::trace::{Branded, Family, Rootable};
use std::any::{Any, TypeId};
use std::ptr::NonNull;

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// For [`unsize!`](crate::unsize): makes the compiler check the types of a coercion outside of
    /// `unsafe`, and does nothing else.
    #[doc(hidden)]
    pub fn __prepare<U: ?Sized, F: FnOnce(*mut T) -> *mut U>(this: Self, coerce: F) -> (Self, F) {
        (this, coerce)
    }
    /// For [`unsize!`](crate::unsize): applies `coerce`, which must be a coercion of the pointer.
    ///
    /// # Safety
    ///
    /// `coerce` returns its argument, unsized.
    #[doc(hidden)]
    pub unsafe fn __coerce<U: ?Sized>(
        this: Self,
        coerce: impl FnOnce(*mut T) -> *mut U,
    ) -> Gc<'gc, U> {
        let ptr = coerce(this.as_non_null().as_ptr());
        // SAFETY: INV-5: the same object, by the caller's promise, so it is not at address zero.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // SAFETY: INV-4: the same object, which `this` shows to be live in this pin.
        unsafe { Gc::from_non_null(ptr) }
    }
}

/// Turns a `Gc` of a sized type into a `Gc` of a trait object or a slice:
/// `unsize!(gc => dyn Trait)`.
///
/// The common form is a trait with the brand as its parameter, whose objects lie in a field. The
/// pointer's type is then `Gc<'gc, dyn Trait<'gc> + 'gc>`. Without `+ 'gc` it would mean `+
/// 'static`, and no object with pointers is `'static`. `Send` and `Sync` are supertraits, because
/// everything in objects has them. The struct that holds the pointer can be rooted without any
/// declaration.
///
/// "`'gc` must outlive `'static`" at this macro means that `+ 'gc` is missing, here or in the
/// field's type.
///
/// ```
/// use gc_core::{Gc, Heap, Root, Trace, unsize};
///
/// trait Shape<'gc>: Send + Sync {
///     fn area(&self) -> f64;
///     fn below(&self) -> Option<Gc<'gc, dyn Shape<'gc> + 'gc>> { None }
/// }
///
/// #[derive(Trace)]
/// struct Square(f64);
/// impl<'gc> Shape<'gc> for Square {
///     fn area(&self) -> f64 { self.0 * self.0 }
/// }
///
/// #[derive(Trace)]
/// struct Pile<'gc> { top: f64, below: Gc<'gc, dyn Shape<'gc> + 'gc> }
/// impl<'gc> Shape<'gc> for Pile<'gc> {
///     fn area(&self) -> f64 { self.top + self.below.area() }
///     fn below(&self) -> Option<Gc<'gc, dyn Shape<'gc> + 'gc>> { Some(self.below) }
/// }
///
/// let heap = Heap::new();
/// let pile: Root<Pile<'static>> = heap.mutate(|mc| {
///     let below = unsize!(Gc::new(mc, Square(2.0)) => dyn Shape<'_> + '_);
///     Gc::root(Gc::new(mc, Pile { top: 1.0, below }), mc)
/// });
/// heap.collect()?;
/// assert_eq!(heap.mutate(|mc| pile.get(mc).area()), 5.0);
/// # Ok::<(), gc_core::CollectError>(())
/// ```
#[macro_export]
macro_rules! unsize {
    ($gc:expr => $ty:ty) => {{
        // The closure is here and not in the block below, so that no code of the user's is inside
        // `unsafe`.
        let (gc, coerce) = $crate::Gc::__prepare($gc, |ptr| -> *mut $ty { ptr });
        // SAFETY: the closure is a coercion: without a cast no other operation type-checks.
        unsafe { $crate::Gc::__coerce(gc, coerce) }
    }};
}

/// Declares that a [`Root`](crate::Root) may point to `dyn Trait` itself, and gives families to
/// types with a `Gc<dyn Trait>` in a type parameter. Needed once for each trait (and each set of
/// `Send` and `Sync`), in the crate of the trait.
///
/// | for | write |
/// |---|---|
/// | a trait without the brand | `rootable_dyn!(Shape)` |
/// | a trait with the brand, under any name, as its first argument | `rootable_dyn!(Shape<'gc>)` |
/// | a trait elsewhere in the crate | `rootable_dyn!(crate::shapes::Shape<'gc>)` |
/// | a trait object with marker traits | `rootable_dyn!(Shape<'gc> + Send + Sync)` |
/// | a generic trait, for each branded type | `rootable_dyn!(impl<'gc, T> Visitor<'gc, T>)` |
/// | the same, with one bound for a parameter | `rootable_dyn!(impl<'gc, T: Ord> Sorted<'gc, T>)` |
/// | a trait whose first argument is another | `rootable_dyn!(impl<'gc> Visitor<Item<'gc>>)` |
///
/// A parameter stands for any type with a family ([`Managed`](crate::Managed)), numbers and strings
/// included. The root of a trait object names the brand `'static`: `Root<dyn Shape<'static>>`.
///
/// `dyn Any`, `dyn Debug`, `dyn Display` and `dyn Error` are declared, also with `Send` and with
/// `Send + Sync`. The language does not let a program declare the trait of another crate. Make a
/// trait of your own with that trait as its supertrait.
///
/// ```
/// use gc_core::{Gc, Heap, Root, Trace, rootable_dyn, unsize};
///
/// mod shapes {
///     pub trait Shape<'b> { fn area(&self) -> f64; }
/// }
/// rootable_dyn!(shapes::Shape<'b> + Send + Sync);
///
/// trait Visitor<'gc, T> { fn visit(&self, value: &T) -> usize; }
/// rootable_dyn!(impl<'gc, T> Visitor<'gc, T>);
///
/// #[derive(Trace)]
/// struct Both(u64);
/// impl<'gc> shapes::Shape<'gc> for Both { fn area(&self) -> f64 { self.0 as f64 } }
/// impl<'gc> Visitor<'gc, Gc<'gc, str>> for Both {
///     fn visit(&self, value: &Gc<'gc, str>) -> usize { value.len() }
/// }
///
/// let heap = Heap::new();
/// let (shape, visitor): (
///     Root<dyn shapes::Shape<'static> + Send + Sync>,
///     Root<dyn Visitor<'static, Gc<'static, str>>>,
/// ) = heap.mutate(|mc| {
///     let both = Gc::new(mc, Both(3));
///     (
///         Gc::root(unsize!(both => dyn shapes::Shape<'_> + Send + Sync), mc),
///         Gc::root(unsize!(both => dyn Visitor<'_, Gc<'_, str>>), mc),
///     )
/// });
/// heap.mutate(|mc| {
///     assert_eq!(shape.get(mc).area(), 3.0);
///     assert_eq!(visitor.get(mc).visit(&Gc::from_str(mc, "four")), 4);
/// });
/// ```
#[macro_export]
macro_rules! rootable_dyn {
    (dyn $($object:tt)+) => {
        $crate::rootable_dyn!($($object)+);
    };
    (impl<$brand:lifetime $(, $param:ident $(: $bound:path)?)* $(,)?> $($object:tt)+) => {
        $crate::__rootable_dyn!([$brand] [$($param [$($bound)?])*] dyn $($object)+ + $brand);
    };
    // A higher-ranked trait object: its lifetimes are no brand.
    (for $($object:tt)+) => {
        $crate::__rootable_dyn!(['gc] [] dyn for $($object)+ + 'gc);
    };
    ($($segment:ident)::+ <'static $($rest:tt)*) => {
        ::core::compile_error!("name the brand: `rootable_dyn!(Trait<'gc>)`, and not `'static`");
    };
    ($($segment:ident)::+ <$brand:lifetime $($rest:tt)*) => {
        $crate::__rootable_dyn!([$brand] [] dyn $($segment)::+ <$brand $($rest)* + $brand);
    };
    (:: $($segment:ident)::+ <$brand:lifetime $($rest:tt)*) => {
        $crate::__rootable_dyn!([$brand] [] dyn ::$($segment)::+ <$brand $($rest)* + $brand);
    };
    ($($object:tt)+) => {
        $crate::__rootable_dyn!(['gc] [] dyn $($object)+ + 'gc);
    };
}

/// The expansion of [`rootable_dyn!`]: the brand, the parameters with their bounds, and the type.
#[doc(hidden)]
#[macro_export]
macro_rules! __rootable_dyn {
    ([$brand:lifetime] [$($param:ident [$($bound:path)?])*] $object:ty) => {
        const _: () = {
            // The only place that reads the user's tokens.
            type __Object<$brand $(, $param)*> = $object;
            // SAFETY: INV-8: both are one alias, so they are one type up to lifetimes; a parameter
            // has a family.
            unsafe impl<$($param: $crate::Managed $(+ $bound)?),*> $crate::Family
                for __Object<'static $(, $param)*>
            where
                $($(for<$brand> <$param as $crate::Managed>::At<$brand>: $bound,)?)*
            {
                type At<$brand> = __Object<$brand $(, <$param as $crate::Managed>::At<$brand>)*>;
            }
            // SAFETY: INV-8: the inverse.
            unsafe impl<$brand $(, $param: $crate::Branded<$brand> $(+ $bound)?)*>
                $crate::Rootable<$brand> for __Object<$brand $(, $param)*>
            where
                $($(<$param as $crate::Branded<$brand>>::Static: $bound,)?)*
                __Object<'static $(, <$param as $crate::Branded<$brand>>::Static)*>:
                    $crate::Family<At<$brand> = Self>,
            {
                type Family = __Object<'static $(, <$param as $crate::Branded<$brand>>::Static)*>;
            }
        };
    };
}

/// The families of std's traits.
macro_rules! std_objects {
    ($($name:path),*) => {$(
        rootable_dyn!($name);
        rootable_dyn!($name + Send);
        rootable_dyn!($name + Send + Sync);
    )*};
}
std_objects!(std::fmt::Debug, std::fmt::Display, std::error::Error);

/// `dyn Any`, also with `Send` and with `Send + Sync`: the pointees that [`Gc::downcast_any`]
/// takes.
pub trait AnyObject: Family {
    /// The object as `dyn Any`, whose vtable knows its type.
    #[doc(hidden)]
    fn __any(&self) -> &dyn Any;
}

/// `dyn Any` is `'static` at each brand, since its methods belong to `dyn Any + 'static` only.
macro_rules! any_objects {
    ($($ty:ty),*) => {$(
        // SAFETY: INV-8: the same type at each brand.
        unsafe impl Family for $ty {
            type At<'gc> = $ty;
        }
        // SAFETY: INV-8: the inverse.
        unsafe impl Rootable<'_> for $ty {
            type Family = $ty;
        }
        impl AnyObject for $ty {
            fn __any(&self) -> &dyn Any {
                self
            }
        }
    )*};
}
any_objects!(dyn Any, dyn Any + Send, dyn Any + Send + Sync);

impl<'gc, D: AnyObject + ?Sized> Gc<'gc, D> {
    /// Returns the object as a `T`, if it is one. For `'static` types; branded types have
    /// [`downcast`](Gc::downcast).
    ///
    /// ```
    /// use gc_core::{Gc, Heap, Root, unsize};
    /// use std::any::Any;
    /// let heap = Heap::new();
    /// let root: Root<dyn Any + Send + Sync> =
    ///     heap.mutate(|mc| Gc::root(unsize!(Gc::new(mc, 7u32) => dyn Any + Send + Sync), mc));
    /// heap.mutate(|mc| {
    ///     let any = root.get(mc);
    ///     assert_eq!(Gc::downcast_any::<u32>(any).map(|number| *number), Some(7));
    ///     assert!(Gc::downcast_any::<String>(any).is_none());
    /// });
    /// ```
    #[must_use]
    pub fn downcast_any<T: Any>(this: Self) -> Option<Gc<'gc, T>> {
        let ptr = this.as_non_null().cast::<T>();
        // SAFETY: INV-6: the vtable shows that the object is a `T`; INV-4: it is live in this pin.
        this.__any().is::<T>().then(|| unsafe { Gc::from_non_null(ptr) })
    }
}

/// The supertrait of traits from whose objects [`Gc::downcast`] leads back to the type. Every type
/// with a family has it: types that derive [`Trace`](trait@crate::Trace), numbers, strings,
/// containers.
///
/// ```
/// use gc_core::{Downcast, Gc, Heap, Trace, unsize};
///
/// trait Shape<'gc>: Downcast<'gc> {
///     fn area(&self) -> f64;
/// }
///
/// #[derive(Trace)]
/// struct Square(f64);
/// impl<'gc> Shape<'gc> for Square { fn area(&self) -> f64 { self.0 * self.0 } }
///
/// #[derive(Trace)]
/// struct Twice<'gc>(Gc<'gc, Square>);
/// impl<'gc> Shape<'gc> for Twice<'gc> { fn area(&self) -> f64 { 2.0 * self.0.area() } }
///
/// Heap::new().mutate(|mc| {
///     let square = Gc::new(mc, Square(3.0));
///     let shape = unsize!(Gc::new(mc, Twice(square)) => dyn Shape<'_> + '_);
///     let twice: Gc<'_, Twice<'_>> = Gc::downcast(shape).unwrap();
///     assert!(Gc::ptr_eq(twice.0, square));
///     assert!(Gc::downcast::<Square>(shape).is_none());
/// });
/// ```
///
/// # Why a supertrait
///
/// The span of an object knows its type, but not the lifetimes that it was made with: all of them
/// share the generated code. An object `Item<Gc<'gc, dyn Sink<'static>>>` would pass for an
/// `Item<Gc<'gc, dyn Sink<'gc>>>`. It would then be given data that does not live long enough. With
/// `Downcast<'gc>` as a supertrait, only types whose lifetimes follow from the brand can implement
/// the trait. [`GcAny`](crate::GcAny) requires the same when a pointer is erased.
///
/// # Safety
///
/// The object is of the family that `__family` returns, and branded with `'gc`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know its concrete type: add `Downcast<'gc>` as a supertrait, \
               as in `trait Shape<'gc>: Downcast<'gc>`",
    label = "no `Downcast<'gc>` among its supertraits",
    note = "`dyn Any` objects have `Gc::downcast_any`, erased pointers `GcAny::downcast`"
)]
pub unsafe trait Downcast<'gc> {
    /// The identity of the object's type at `'static`.
    #[doc(hidden)]
    fn __family(&self) -> TypeId;
}

// SAFETY: INV-8: `Branded` says that `Self` is the member of the family `T::Static` that is branded
// with 'gc.
#[diagnostic::do_not_recommend]
unsafe impl<'gc, T: Branded<'gc>> Downcast<'gc> for T {
    fn __family(&self) -> TypeId {
        TypeId::of::<T::Static>()
    }
}

impl<'gc, D: Downcast<'gc> + ?Sized> Gc<'gc, D> {
    /// Returns the object as a `T`, if it is one. Costs a call through the vtable and a comparison.
    ///
    /// The trait has [`Downcast`] as its supertrait, where there is an example.
    #[must_use]
    pub fn downcast<T: Branded<'gc>>(this: Self) -> Option<Gc<'gc, T>> {
        let is_same = this.__family() == TypeId::of::<T::Static>();
        // SAFETY: INV-8: a family has one member for each brand, and both are that of `'gc`; INV-4:
        // live in this pin.
        is_same.then(|| unsafe { Gc::from_non_null(this.as_non_null().cast()) })
    }
}
