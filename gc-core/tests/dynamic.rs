//! Trait objects: which families `rootable_dyn!` declares, and the way back to the concrete type.

#![forbid(unsafe_code)]
#![deny(warnings)]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    Branded, Downcast, Family, Gc, GcCell, GcRefCell, GcWeak, Heap, Managed, Root, Rootable, Trace,
    rootable_dyn, unsize,
};
use settle::Settle;
use std::any::{Any, type_name};
use std::error::Error;
use std::fmt::{self, Debug, Display};

mod shapes {
    /// Without the brand.
    pub(crate) trait Plain {
        fn number(&self) -> u64;
    }
    /// With it, under another name than `'gc`.
    pub(crate) trait Branded<'brand> {
        fn other(&self) -> gc_core::Gc<'brand, u64>;
    }
    pub(crate) mod deep {
        pub(crate) trait Deep<'a> {
            fn depth(&self) -> u64;
        }
        gc_core::rootable_dyn!(self::Deep<'a> + Send + Sync);
    }
}
use shapes::deep::Deep;

rootable_dyn!(shapes::Plain);
rootable_dyn!(crate::shapes::Plain + Send);
rootable_dyn!(dyn shapes::Plain + Send + Sync);
rootable_dyn!(shapes::Branded<'b>);
rootable_dyn!(crate::shapes::Branded<'gc> + Send + Sync);

trait Visitor<'gc, T> {
    fn visit(&self, value: T) -> u64;
}
rootable_dyn!(impl<'gc, T> Visitor<'gc, T>);

trait Sorted<'s, K: Ord + Clone, V: Debug> {
    fn smallest(&self) -> Option<(K, V)>;
}
trait Key: Ord + Clone {}
impl<T: Ord + Clone> Key for T {}
rootable_dyn!(impl<'s, K: Key, V: std::fmt::Debug> Sorted<'s, K, V>);

/// The brand is not the first argument, or not an argument at all.
trait Holds<T> {
    fn held(&self) -> T;
}
rootable_dyn!(impl<'gc> Holds<Gc<'gc, u64>>);
rootable_dyn!(Holds<u64>);
rootable_dyn!(impl<'gc, T> Holds<Option<T>>);

/// A type macro that would expand differently for the two members of a family. It is read once.
macro_rules! pick {
    ('static) => {
        u8
    };
    ($brand:lifetime) => {
        u16
    };
}
rootable_dyn!(impl<'gc> Holds<pick!('gc)>);

/// Where the user's crate has modules and types of the macro's names.
mod shadowed {
    mod gc_core {
        pub(crate) trait Family {}
    }
    mod core {}
    pub(crate) struct Rootable;
    pub(crate) trait Sized: gc_core::Family {
        fn size(&self) -> usize;
    }
    impl gc_core::Family for u8 {}
    impl Sized for u8 {
        fn size(&self) -> usize {
            size_of::<Rootable>() + 1
        }
    }
    ::gc_core::rootable_dyn!(Sized);
    ::gc_core::rootable_dyn!(Sized + Send + Sync);
}

/// With an associated type that has the brand, a constant, and lifetimes in its methods.
trait Source<'gc, const N: usize> {
    type Item;
    fn item<'a>(&'a self, items: &'a [Self::Item; N]) -> Option<&'a Self::Item>;
}
rootable_dyn!(Source<'gc, 2, Item = Gc<'gc, u64>>);

/// Higher-ranked.
trait Reader<'x> {
    fn read(&self, text: &'x str) -> &'x str;
}
rootable_dyn!(for<'x> Reader<'x>);

/// Twice the brand.
trait Twice<'a, 'b> {
    fn both(&self) -> (Gc<'a, u64>, Gc<'b, u64>);
}
rootable_dyn!(Twice<'gc, 'gc>);

/// From a macro of the user's: the trait and the brand come as fragments.
macro_rules! declare {
    ($name:ident, $path:path, $brand:lifetime) => {
        trait $name<$brand> {
            fn declared(&self) -> Option<Gc<$brand, u64>>;
        }
        rootable_dyn!($name<$brand>);
        rootable_dyn!($path);
    };
}
trait ByPath {}
declare!(ByName, self::ByPath, 'any);

#[derive(Trace)]
struct Item<'gc> {
    value: Gc<'gc, u64>,
}

impl shapes::Plain for Item<'_> {
    fn number(&self) -> u64 {
        *self.value
    }
}
impl<'gc> shapes::Branded<'gc> for Item<'gc> {
    fn other(&self) -> Gc<'gc, u64> {
        self.value
    }
}
impl<'gc> Deep<'gc> for Item<'gc> {
    fn depth(&self) -> u64 {
        *self.value + 1
    }
}
impl<'gc> Visitor<'gc, Gc<'gc, u64>> for Item<'gc> {
    fn visit(&self, value: Gc<'gc, u64>) -> u64 {
        *self.value + *value
    }
}
impl<'gc> Visitor<'gc, String> for Item<'gc> {
    fn visit(&self, value: String) -> u64 {
        *self.value + value.len() as u64
    }
}
impl<'gc> Sorted<'gc, Gc<'gc, str>, u8> for Item<'gc> {
    fn smallest(&self) -> Option<(Gc<'gc, str>, u8)> {
        None
    }
}
impl<'gc> Holds<Gc<'gc, u64>> for Item<'gc> {
    fn held(&self) -> Gc<'gc, u64> {
        self.value
    }
}
impl Holds<u64> for Item<'_> {
    fn held(&self) -> u64 {
        *self.value
    }
}
impl<'gc> Holds<Option<Gc<'gc, u64>>> for Item<'gc> {
    fn held(&self) -> Option<Gc<'gc, u64>> {
        Some(self.value)
    }
}
impl<'gc> Source<'gc, 2> for Item<'gc> {
    type Item = Gc<'gc, u64>;
    fn item<'a>(&'a self, items: &'a [Gc<'gc, u64>; 2]) -> Option<&'a Gc<'gc, u64>> {
        items.iter().find(|item| Gc::ptr_eq(**item, self.value))
    }
}
impl<'x> Reader<'x> for Item<'_> {
    fn read(&self, text: &'x str) -> &'x str {
        &text[..*self.value as usize]
    }
}
impl<'gc> Twice<'gc, 'gc> for Item<'gc> {
    fn both(&self) -> (Gc<'gc, u64>, Gc<'gc, u64>) {
        (self.value, self.value)
    }
}
impl<'gc> ByName<'gc> for Item<'gc> {
    fn declared(&self) -> Option<Gc<'gc, u64>> {
        Some(self.value)
    }
}
impl ByPath for Item<'_> {}

/// Roots `Item { value: 3 }` as a trait object, collects, and looks at it again.
macro_rules! round_trip {
    ($root:ty, $object:ty, |$get:ident, $mc:ident| $check:expr) => {{
        let heap = Heap::new();
        let root: $root = heap.mutate(|mc| {
            let item = Gc::new(mc, Item { value: Gc::new(mc, 3) });
            Gc::root(unsize!(item => $object), mc)
        });
        heap.settle();
        assert_eq!(heap.stats().live_objects, 2);
        heap.mutate(|$mc| {
            let $get = root.get($mc);
            assert!($check);
        });
    }};
}

#[test]
fn each_form_of_the_declaration_makes_a_root() {
    use shapes::{Branded, Plain};
    round_trip!(Root<dyn Plain>, dyn Plain + '_, |item, mc| item.number() == 3);
    round_trip!(Root<dyn Plain + Send>, dyn Plain + Send + '_, |item, mc| item.number() == 3);
    round_trip!(Root<dyn Plain + Send + Sync>, dyn Plain + Send + Sync + '_, |item, mc| {
        item.number() == 3
    });
    round_trip!(Root<dyn Branded<'static>>, dyn Branded<'_> + '_, |item, mc| *item.other() == 3);
    round_trip!(
        Root<dyn Branded<'static> + Send + Sync>,
        dyn Branded<'_> + Send + Sync + '_,
        |item, mc| *item.other() == 3
    );
    round_trip!(
        Root<dyn Deep<'static> + Send + Sync>,
        dyn Deep<'_> + Send + Sync + '_,
        |item, mc| item.depth() == 4
    );
}

#[test]
fn generic_traits_have_a_family_for_each_argument() {
    round_trip!(
        Root<dyn Visitor<'static, Gc<'static, u64>>>,
        dyn Visitor<'_, Gc<'_, u64>> + '_,
        |item, mc| item.visit(Gc::new(mc, 4)) == 7
    );
    round_trip!(Root<dyn Visitor<'static, String>>, dyn Visitor<'_, String> + '_, |item, mc| {
        item.visit("four".into()) == 7
    });
    round_trip!(
        Root<dyn Sorted<'static, Gc<'static, str>, u8>>,
        dyn Sorted<'_, Gc<'_, str>, u8> + '_,
        |item, mc| item.smallest().is_none()
    );
    round_trip!(Root<dyn Holds<Gc<'static, u64>>>, dyn Holds<Gc<'_, u64>> + '_, |item, mc| {
        *item.held() == 3
    });
    round_trip!(Root<dyn Holds<u64>>, dyn Holds<u64> + '_, |item, mc| item.held() == 3);
    round_trip!(
        Root<dyn Holds<Option<Gc<'static, u64>>>>,
        dyn Holds<Option<Gc<'_, u64>>> + '_,
        |item, mc| item.held().is_some()
    );
    round_trip!(
        Root<dyn Source<'static, 2, Item = Gc<'static, u64>>>,
        dyn Source<'_, 2, Item = Gc<'_, u64>> + '_,
        |item, mc| item.item(&[Gc::new(mc, 1), Gc::new(mc, 2)]).is_none()
    );
    round_trip!(Root<dyn for<'x> Reader<'x>>, dyn for<'x> Reader<'x> + '_, |item, mc| {
        item.read(&String::from("text")) == "tex"
    });
    round_trip!(Root<dyn Twice<'static, 'static>>, dyn Twice<'_, '_> + '_, |item, mc| {
        Gc::ptr_eq(item.both().0, item.both().1)
    });
    round_trip!(Root<dyn ByName<'static>>, dyn ByName<'_> + '_, |item, mc| {
        item.declared().is_some_and(|value| *value == 3)
    });
    round_trip!(Root<dyn ByPath>, dyn ByPath + '_, |item, mc| !Gc::as_ptr(item).is_null());
}

/// A family leads to its members and back, and its pointers are of one size.
#[test]
fn families_of_trait_objects_lead_back() {
    fn family<F: Family + ?Sized>() {
        fn same<'gc, F, M>(_: &'gc ())
        where
            F: Family<At<'gc> = M> + ?Sized,
            M: Rootable<'gc, Family = F> + ?Sized,
        {
            assert_eq!(type_name::<M>(), type_name::<F>());
            assert_eq!(size_of::<Gc<'gc, M>>(), size_of::<Gc<'static, F>>());
        }
        same::<F, F::At<'_>>(&());
    }
    family::<dyn shapes::Plain>();
    family::<dyn shapes::Branded<'static> + Send + Sync>();
    family::<dyn Visitor<'static, Vec<Gc<'static, u64>>>>();
    family::<dyn Sorted<'static, String, Option<u8>>>();
    family::<dyn Twice<'static, 'static>>();
    family::<dyn Holds<u16>>();
    family::<dyn shadowed::Sized + Send + Sync>();
    family::<dyn for<'x> Reader<'x>>();
    family::<dyn Any + Send + Sync>();
    family::<dyn Debug>();
    family::<dyn Error + Send + Sync>();
    Heap::new().mutate(|mc| {
        let root = Gc::root(unsize!(Gc::new(mc, 1u8) => dyn shadowed::Sized), mc);
        assert_eq!(root.get(mc).size(), 1);
    });
    // In a type parameter, a trait object's family makes the whole a managed type.
    fn managed<T: Managed>() {}
    managed::<Vec<Gc<'static, dyn shapes::Branded<'static>>>>();
    managed::<GcWeak<'static, dyn Any + Send + Sync>>();
}

/// The example of the documentation, with roots through the struct and no declaration.
#[test]
fn a_branded_object_lies_in_a_field() {
    trait Node<'gc>: Send + Sync {
        fn sum(&self) -> u64;
    }
    #[derive(Trace)]
    struct Leaf(u64);
    impl<'gc> Node<'gc> for Leaf {
        fn sum(&self) -> u64 {
            self.0
        }
    }
    #[derive(Trace)]
    struct Inner<'gc>(GcRefCell<Vec<Gc<'gc, dyn Node<'gc> + 'gc>>>);
    impl<'gc> Node<'gc> for Inner<'gc> {
        fn sum(&self) -> u64 {
            self.0.borrow().iter().map(|node| node.sum()).sum()
        }
    }
    let heap = Heap::new();
    let root: Root<Inner<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Inner(GcRefCell::default())), mc));
    for i in 0..10 {
        heap.mutate(|mc| {
            let inner = Gc::new(mc, Inner(GcRefCell::default()));
            inner.0.borrow_mut(mc).push(unsize!(Gc::new(mc, Leaf(i)) => dyn Node<'_> + '_));
            root.get(mc).0.borrow_mut(mc).push(unsize!(inner => dyn Node<'_> + '_));
        });
        heap.settle();
    }
    assert_eq!(heap.mutate(|mc| root.get(mc).sum()), 45);
}

#[derive(Debug, Trace)]
struct Failure(String);
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Error for Failure {}

#[test]
fn traits_of_std_are_declared() {
    let heap = Heap::new();
    let (any, error, debug): (
        Root<dyn Any + Send + Sync>,
        Root<dyn Error + Send + Sync>,
        Root<dyn Debug>,
    ) = heap.mutate(|mc| {
        let failure = Gc::new(mc, Failure("no such file".into()));
        (
            Gc::root(unsize!(failure => dyn Any + Send + Sync), mc),
            Gc::root(unsize!(failure => dyn Error + Send + Sync), mc),
            Gc::root(unsize!(failure => dyn Debug), mc),
        )
    });
    heap.settle();
    heap.mutate(|mc| {
        let failure = Gc::downcast_any::<Failure>(any.get(mc)).unwrap();
        assert_eq!(
            (&*failure.0, error.get(mc).to_string().as_str()),
            ("no such file", "no such file")
        );
        assert!(Gc::downcast_any::<String>(any.get(mc)).is_none());
        assert_eq!(format!("{:?}", debug.get(mc)), "Failure(\"no such file\")");
        // Leaf data too: the vtable knows its type.
        let number = unsize!(Gc::new(mc, 5u8) => dyn Any);
        assert!(Gc::downcast_any::<u8>(number).is_some_and(|number| *number == 5));
        assert!(Gc::downcast_any::<i8>(number).is_none());
    });
}

trait Thing<'gc>: Downcast<'gc> {
    fn name(&self) -> &'static str {
        "a thing"
    }
}
rootable_dyn!(Thing<'gc>);
impl<'gc> Thing<'gc> for u64 {}
impl<'gc> Thing<'gc> for Item<'gc> {}
impl<'gc> Thing<'gc> for () {}
impl<'gc, T: Branded<'gc>> Thing<'gc> for Wrapper<T> {}

#[derive(Trace)]
#[repr(transparent)]
struct Wrapper<T>(T);

#[test]
fn downcast_leads_back_to_the_type_and_to_no_other() {
    let heap = Heap::new();
    let root: Root<dyn Thing<'static>> = heap.mutate(|mc| {
        let item = Gc::new(mc, Item { value: Gc::new(mc, 3) });
        Gc::root(unsize!(item => dyn Thing<'_> + '_), mc)
    });
    heap.settle();
    heap.mutate(|mc| {
        let thing = root.get(mc);
        let item = Gc::downcast::<Item<'_>>(thing).unwrap();
        assert_eq!((*item.value, thing.name()), (3, "a thing"));
        assert!(std::ptr::addr_eq(Gc::as_ptr(item), Gc::as_ptr(thing)));
        assert!(Gc::downcast::<Wrapper<Item<'_>>>(thing).is_none());
        assert!(Gc::downcast::<GcCell<'_, Item<'_>>>(thing).is_none());

        let number = unsize!(Gc::new(mc, 7u64) => dyn Thing<'_> + '_);
        assert_eq!(Gc::downcast::<u64>(number).map(|number| *number), Some(7));
        assert!(Gc::downcast::<i64>(number).is_none() && Gc::downcast::<()>(number).is_none());
        let unit = unsize!(Gc::new(mc, ()) => dyn Thing<'_> + '_);
        assert!(Gc::downcast::<()>(unit).is_some() && Gc::downcast::<u64>(unit).is_none());

        let wrapped = unsize!(Gc::new(mc, Wrapper(Wrapper(item))) => dyn Thing<'_> + '_);
        let back = Gc::downcast::<Wrapper<Wrapper<Gc<'_, Item<'_>>>>>(wrapped).unwrap();
        assert!(Gc::ptr_eq(back.0.0, item));
        assert!(Gc::downcast::<Wrapper<Gc<'_, Item<'_>>>>(wrapped).is_none());
    });
}

/// From a supertrait's object, by the language's own upcasting, and from a `Gc` whose type is
/// known.
#[test]
fn downcast_works_from_the_supertrait_and_from_itself() {
    Heap::new().mutate(|mc| {
        let item = Gc::new(mc, Item { value: Gc::new(mc, 3) });
        let thing = unsize!(item => dyn Thing<'_> + '_);
        let object = unsize!(thing => dyn Downcast<'_> + '_);
        assert!(Gc::downcast::<Item<'_>>(object).is_some_and(|back| Gc::ptr_eq(back, item)));
        assert!(Gc::downcast::<Item<'_>>(item).is_some());
        assert!(Gc::downcast::<u64>(item).is_none());
    });
}
