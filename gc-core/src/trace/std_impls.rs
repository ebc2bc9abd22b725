//! [`Trace`] and the families for the types of the standard library.
//!
//! 1. *Leaves* hold no `Gc`: numbers, strings, handles of the system, and types that share or guard
//!    `'static` content (`Arc`, `Mutex`, `Cell`). A `'static` type is a leaf because no program can
//!    have a `Gc<'static, _>`. There is no `Trace` for a `Mutex` or `RefCell` of other content: the
//!    marker would read it while a mutator writes it. Function pointers are leaves too
//!    (`functions`), and so is `dyn Any`, which only `'static` types become.
//! 2. *Containers* own their content and let no code change it through `&self`, so tracing is
//!    iterating. Containers with their content elsewhere (`Box`, `Vec`, maps) can nest without end:
//!    they go through `Tracer::nested`.
//!
//! Both keep INV-7: a leaf is not read at all, a container only through `&`.

#![allow(clippy::disallowed_types, reason = "users hold std's own types, under loom too")]

use super::{Branded, Family, Managed, Rootable, Trace, Tracer};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CString, OsString};
use std::marker::{PhantomData, PhantomPinned};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize, Saturating, Wrapping,
};
use std::ops::{
    Bound, ControlFlow, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};
use std::pin::Pin;
use std::rc::{self, Rc};
use std::sync::atomic::{
    self, AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8,
    AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
};
use std::sync::{self, Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// Types that hold no `Gc`: the same type at each brand.
macro_rules! leaf {
    ($([$($param:tt)*] $ty:ty),* $(,)?) => {$(
        // SAFETY: INV-7: it holds no `Gc`, and nothing is read.
        unsafe impl<'gc, $($param)*> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = false;
            #[inline(always)]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
        // SAFETY: INV-8: the type mentions no brand, so it is the same at each.
        unsafe impl<$($param)*> Managed for $ty {
            type At<'gc> = Self;
        }
        // SAFETY: INV-8: as above.
        unsafe impl<'gc, $($param)*> Branded<'gc> for $ty {
            type Static = Self;
        }
    )*};
    ($($ty:ty),* $(,)?) => { leaf!($([] $ty),*); };
}

leaf!(bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
leaf!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize);
leaf!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize);
leaf!(AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize);
leaf!(AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, atomic::Ordering);
leaf!(String, OsString, CString, std::path::PathBuf, std::fmt::Error, std::io::Error);
leaf!(Duration, Instant, SystemTime, Ordering, RangeFull, PhantomPinned, std::convert::Infallible);
leaf!(std::any::TypeId, std::alloc::Layout, std::hash::RandomState);
leaf!(std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr);
leaf!(std::net::SocketAddr, std::net::SocketAddrV4, std::net::SocketAddrV6);
leaf!(std::net::TcpStream, std::net::TcpListener, std::net::UdpSocket, std::fs::File);
leaf!(std::thread::Thread, std::thread::ThreadId, sync::Condvar, sync::Barrier, sync::Once);
leaf!(std::task::Waker);

leaf! {
    [T: ?Sized + 'static] &'static T,
    [T: ?Sized + 'static] Arc<T>,
    [T: ?Sized + 'static] sync::Weak<T>,
    [T: ?Sized + 'static] Rc<T>,
    [T: ?Sized + 'static] rc::Weak<T>,
    [T: 'static] Cell<T>,
    [T: 'static] RefCell<T>,
    [T: 'static] OnceCell<T>,
    [T: 'static] sync::Mutex<T>,
    [T: 'static] sync::RwLock<T>,
    [T: 'static] OnceLock<T>,
    [T: 'static, F: 'static] LazyLock<T, F>,
    [T: 'static] AtomicPtr<T>,
    [T: 'static] sync::mpsc::Sender<T>,
    [T: 'static] sync::mpsc::SyncSender<T>,
    [T: 'static] std::thread::JoinHandle<T>,
    [T: ?Sized + ToOwned<Owned: 'static> + 'static] Cow<'static, T>,
}
pub(super) use leaf;

/// Trait objects that are leaves: the type behind them is `'static`.
macro_rules! dyn_leaf {
    ($($ty:ty),* $(,)?) => {$(
        // SAFETY: INV-7: a `'static` type is a leaf, and nothing is read.
        unsafe impl<'gc> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = false;
            #[inline(always)]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
        // SAFETY: INV-8: the type mentions no brand.
        unsafe impl Managed for Box<$ty> {
            type At<'gc> = Self;
        }
        // SAFETY: INV-8: as above.
        unsafe impl<'gc> Branded<'gc> for Box<$ty> {
            type Static = Self;
        }
    )*};
}

dyn_leaf!(dyn std::any::Any + Send + Sync, dyn std::error::Error + Send + Sync);

// SAFETY: INV-7: it holds no `Gc`, and nothing is read.
unsafe impl<'gc> Trace<'gc> for str {
    const NEEDS_TRACE: bool = false;
    #[inline(always)]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

// SAFETY: INV-7: it holds no value, whatever type it names.
unsafe impl<'gc, T: ?Sized> Trace<'gc> for PhantomData<T> {
    const NEEDS_TRACE: bool = false;
    #[inline(always)]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: INV-8: it has no content.
unsafe impl<T: Family + ?Sized> Managed for PhantomData<T> {
    type At<'gc> = PhantomData<T::At<'gc>>;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Rootable<'gc> + ?Sized> Branded<'gc> for PhantomData<T> {
    type Static = PhantomData<T::Family>;
}

// SAFETY: INV-7: every element is reported, and no code can change a slice through `&`. An element
// without a size holds no pointer. So there is nothing to report, however many elements there are
// (up to 2^64 - 1).
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for [T] {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() != 0;
    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if size_of::<T>() != 0 {
            for value in self {
                tracer.edges(value);
            }
        }
    }
}

// SAFETY: INV-7: through `&`, a box gives only `&` to its content.
unsafe impl<'gc, T: Trace<'gc> + ?Sized> Trace<'gc> for Box<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.nested(self, |tracer| tracer.edges(&**self));
    }
}
// SAFETY: INV-8: the brand changes in the content only.
unsafe impl<T: Managed> Managed for Box<T> {
    type At<'gc> = Box<T::At<'gc>>;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Box<T> {
    type Static = Box<T::Static>;
}
// SAFETY: INV-8: as above.
unsafe impl<T: Managed> Managed for Box<[T]> {
    type At<'gc> = Box<[T::At<'gc>]>;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Box<[T]> {
    type Static = Box<[T::Static]>;
}
// SAFETY: INV-8: `str` has no brand.
unsafe impl Managed for Box<str> {
    type At<'gc> = Self;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc> Branded<'gc> for Box<str> {
    type Static = Self;
}

// SAFETY: INV-7: every element is reported; no code can change an array through `&`.
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for [T; N] {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<Self>() != 0;
    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edges(&self[..]);
    }
}
// SAFETY: INV-8: the brand changes in the elements only.
unsafe impl<T: Managed, const N: usize> Managed for [T; N] {
    type At<'gc> = [T::At<'gc>; N];
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Branded<'gc>, const N: usize> Branded<'gc> for [T; N] {
    type Static = [T::Static; N];
}

// SAFETY: INV-7: as for a box; pinning restricts what the owner may do with the content, but not
// reads.
unsafe impl<'gc, T: Trace<'gc> + ?Sized> Trace<'gc> for Pin<Box<T>> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edges(&**self);
    }
}
// SAFETY: INV-8: the brand changes in the content only.
unsafe impl<T: Managed> Managed for Pin<Box<T>> {
    type At<'gc> = Pin<Box<T::At<'gc>>>;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Pin<Box<T>> {
    type Static = Pin<Box<T::Static>>;
}

/// Containers: `Name [traced parameters] [leaf parameter] <number> |value, tracer| { what to report
/// }`.
macro_rules! container {
    ($($name:ident [$($param:ident),+] [$($leaf:ident)?] $(<$n:ident>)?
        |$this:ident, $tracer:ident| $body:block)*) => {$(
        // SAFETY: INV-7: all owned content is reported; the type has no interior mutability of its
        // own.
        unsafe impl<'gc, $($param: Trace<'gc>,)+ $($leaf: 'static,)? $(const $n: usize)?> Trace<'gc>
            for $name<$($param,)+ $($leaf,)? $($n)?>
        {
            const NEEDS_TRACE: bool = false $(|| $param::NEEDS_TRACE)+;
            #[inline]
            fn trace(&self, $tracer: &mut Tracer<'gc>) {
                let $this = self;
                $body
            }
        }
        // SAFETY: INV-8: the brand changes in the content only, and layout does not depend on it.
        unsafe impl<$($param: Managed,)+ $($leaf: 'static,)? $(const $n: usize)?> Managed
            for $name<$($param,)+ $($leaf,)? $($n)?>
        {
            type At<'gc> = $name<$($param::At<'gc>,)+ $($leaf,)? $($n)?>;
        }
        // SAFETY: INV-8: as above.
        unsafe impl<'gc, $($param: Branded<'gc>,)+ $($leaf: 'static,)? $(const $n: usize)?>
            Branded<'gc> for $name<$($param,)+ $($leaf,)? $($n)?>
        {
            type Static = $name<$($param::Static,)+ $($leaf,)? $($n)?>;
        }
    )*};
}
#[cfg_attr(loom, allow(unused_imports, reason = "the models know no other crate's types"))]
pub(super) use container;

container! {
    Option [T] [] |value, tracer| {
        if let Some(value) = value {
            tracer.edges(value);
        }
    }
    Result [T, E] [] |value, tracer| {
        match value {
            Ok(value) => tracer.edges(value),
            Err(error) => tracer.edges(error),
        }
    }
    ControlFlow [B, C] [] |value, tracer| {
        match value {
            ControlFlow::Break(value) => tracer.edges(value),
            ControlFlow::Continue(value) => tracer.edges(value),
        }
    }
    Bound [T] [] |value, tracer| {
        match value {
            Bound::Included(value) | Bound::Excluded(value) => tracer.edges(value),
            Bound::Unbounded => {}
        }
    }
    Wrapping [T] [] |value, tracer| { tracer.edges(&value.0) }
    Saturating [T] [] |value, tracer| { tracer.edges(&value.0) }
    Reverse [T] [] |value, tracer| { tracer.edges(&value.0) }
    Range [T] [] |range, tracer| {
        tracer.edges(&range.start);
        tracer.edges(&range.end);
    }
    RangeInclusive [T] [] |range, tracer| {
        tracer.edges(range.start());
        tracer.edges(range.end());
    }
    RangeFrom [T] [] |range, tracer| { tracer.edges(&range.start) }
    RangeTo [T] [] |range, tracer| { tracer.edges(&range.end) }
    RangeToInclusive [T] [] |range, tracer| { tracer.edges(&range.end) }
    Vec [T] [] |values, tracer| {
        tracer.nested(values, |tracer| tracer.edges(values.as_slice()));
    }
    VecDeque [T] [] |values, tracer| {
        let (front, back) = values.as_slices();
        tracer.nested(values, |tracer| {
            tracer.edges(front);
            tracer.edges(back);
        });
    }
    BinaryHeap [T] [] |values, tracer| {
        tracer.nested(values, |tracer| tracer.edges(values.as_slice()));
    }
    LinkedList [T] [] |values, tracer| {
        tracer.nested(values, |tracer| {
            for value in values {
                tracer.edges(value);
            }
        });
    }
    BTreeSet [T] [] |values, tracer| {
        tracer.nested(values, |tracer| {
            for value in values {
                tracer.edges(value);
            }
        });
    }
    HashSet [T] [S] |values, tracer| {
        tracer.nested(values, |tracer| {
            for value in values {
                tracer.edges(value);
            }
        });
    }
    BTreeMap [K, V] [] |map, tracer| {
        tracer.nested(map, |tracer| {
            for (key, value) in map {
                tracer.edges(key);
                tracer.edges(value);
            }
        });
    }
    HashMap [K, V] [S] |map, tracer| {
        tracer.nested(map, |tracer| {
            for (key, value) in map {
                tracer.edges(key);
                tracer.edges(value);
            }
        });
    }
}

/// Tuples: the parameters, with their positions.
macro_rules! tuple {
    ($($param:ident $index:tt)*) => {
        // SAFETY: INV-7: each element is reported.
        unsafe impl<'gc, $($param: Trace<'gc>,)*> Trace<'gc> for ($($param,)*) {
            const NEEDS_TRACE: bool = false $(|| $param::NEEDS_TRACE)*;
            #[inline]
            fn trace(&self, _tracer: &mut Tracer<'gc>) {
                $(_tracer.edges(&self.$index);)*
            }
        }
        // SAFETY: INV-8: the brand changes in the elements only, and layout does not depend on it.
        unsafe impl<$($param: Managed,)*> Managed for ($($param,)*) {
            type At<'gc> = ($($param::At<'gc>,)*);
        }
        // SAFETY: INV-8: as above.
        unsafe impl<'gc, $($param: Branded<'gc>,)*> Branded<'gc> for ($($param,)*) {
            type Static = ($($param::Static,)*);
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0 B 1);
tuple!(A 0 B 1 C 2);
tuple!(A 0 B 1 C 2 D 3);
tuple!(A 0 B 1 C 2 D 3 E 4);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::{Addr, Cycle};

    /// A type that needs a trace: reports its number as if it were an address.
    struct Edge(usize);

    // SAFETY: it holds no `Gc`, and the numbers that it reports are only compared.
    unsafe impl<'gc> Trace<'gc> for Edge {
        fn trace(&self, tracer: &mut Tracer<'gc>) {
            tracer.visit(Addr::new(self.0));
        }
    }

    /// The edges that `value` reports, sorted, since hash sets have no order.
    fn edges<T: for<'gc> Trace<'gc> + ?Sized>(value: &T) -> Vec<usize> {
        unsafe fn never(_: *mut Tracer<'static>) {
            unreachable!("a test reports less than a packet");
        }
        let mut buf = vec![Addr::NULL; crate::trace::PACKET];
        let mut tracer = Tracer::new(buf.as_mut_ptr(), never, std::ptr::null_mut(), Cycle::NONE);
        tracer.edges(value);
        let len = tracer.len;
        buf.truncate(len);
        buf.sort_unstable();
        buf.into_iter().map(Addr::get).collect()
    }

    fn needs<T: Trace<'static> + ?Sized>() -> bool {
        T::NEEDS_TRACE
    }

    #[test]
    fn leaves_need_no_trace() {
        assert!(!needs::<(u8, String, Option<Vec<Box<[f64]>>>, HashMap<String, Arc<str>>)>());
        assert!(!needs::<sync::Mutex<Vec<u8>>>() && !needs::<Cell<u8>>() && !needs::<str>());
        assert!(!needs::<PhantomData<Edge>>() && !needs::<[Edge; 0]>() && !needs::<()>());
        assert!(needs::<(u8, Edge)>() && needs::<Result<(), Edge>>() && needs::<[Edge]>());
        assert!(needs::<HashMap<u8, Edge>>() && needs::<Box<Option<Vec<Edge>>>>());
    }

    #[test]
    fn containers_report_all_they_hold() {
        let many = || [1, 2, 3].map(Edge);
        assert_eq!(edges(&many()), [1, 2, 3]);
        assert_eq!(edges(&Vec::from(many())), [1, 2, 3]);
        assert_eq!(edges(&LinkedList::from(many())), [1, 2, 3]);
        assert_eq!(edges(&Vec::from(many()).into_boxed_slice()), [1, 2, 3]);
        assert_eq!(edges(&(Some(Edge(1)), Box::new(Edge(2)), Ok::<_, ()>(Edge(3)))), [1, 2, 3]);
        assert_eq!(edges(&(Edge(1)..Edge(2), Reverse(Edge(3)), None::<Edge>)), [1, 2, 3]);
        let map = || [(1, 2), (3, 4)].map(|(key, value)| (key, Edge(value)));
        assert_eq!(edges(&HashMap::from(map())), [2, 4]);
        assert_eq!(edges(&BTreeMap::from(map())), [2, 4]);
        let mut ring = VecDeque::with_capacity(4);
        for i in 1..=6 {
            if ring.len() == 3 {
                ring.pop_front();
            }
            ring.push_back(Edge(i));
        }
        assert_eq!(edges(&ring), [4, 5, 6]);
    }

    #[test]
    fn families_lead_back() {
        fn back<T: Managed>() -> &'static str {
            std::any::type_name::<<T::At<'static> as Branded<'static>>::Static>()
        }
        fn same<T: Managed>() {
            assert_eq!(back::<T>(), std::any::type_name::<T>());
        }
        same::<(u8, HashMap<String, Vec<[Box<str>; 2]>>, PhantomData<[u8]>, Box<[u8]>)>();
        same::<(Arc<dyn Fn()>, Cow<'static, str>, fn(u8) -> u8, &'static str)>();
    }
}
