//! What the collector knows of a type: one constant for each, in place of a header in each object.

use crate::sync::prefetch;
use crate::trace::near::{Bits, each_object};
use crate::trace::{Trace, Tracer};
use crate::word::Addr;
use std::any::TypeId;
use std::marker::PhantomData;

/// How far ahead of the traced value of a list the values are prefetched: about so many bytes, with
/// bounds in values.
const AHEAD_BYTES: usize = 1024;
const AHEAD: [usize; 2] = [16, 64];

/// Runs `trace` over `n` values at an address.
pub(crate) type TraceFn = unsafe fn(*const u8, usize, *mut Tracer<'static>);
/// Runs `trace` over the first `n` of a list of addresses of single values. The list is longer than
/// `n` where more of them are to be prefetched.
pub(crate) type TraceEachFn = unsafe fn(&[Addr], usize, *mut Tracer<'static>);
/// Runs `trace` over the values of a span that have a bit. The arguments are the span's first byte,
/// the class's `halves` (see `SpanClass`) and the bits.
pub(crate) type TraceBitsFn = unsafe fn(Addr, &[u64], &Bits, *mut Tracer<'static>);
/// Runs drop glue over `n` values at an address.
pub(crate) type DropFn = unsafe fn(*mut u8, usize);

/// Layout, trace function and drop function of a type that is allocated singly or as an array.
pub(crate) struct TypeInfo {
    /// Bytes of one value.
    pub(crate) size: usize,
    /// Alignment of one value.
    pub(crate) align: usize,
    /// Whether values can hold pointers into the heap.
    pub(crate) needs_trace: bool,
    /// Whether values have drop glue.
    pub(crate) needs_drop: bool,
    /// Whether objects are arrays of the type, with their length in a header word before the first
    /// element.
    pub(crate) array: bool,
    /// Whether leaf data of this type has spans of its own, so that its type follows from its
    /// address.
    pub(crate) own_spans: bool,
    /// Whether this is the box of weak pointers (`weak::gate`). The collector looks at each live
    /// box.
    pub(crate) weak_box: bool,
    /// Whether this is the box of ephemerons (`weak::ephemeron`): a weak box with a value.
    pub(crate) ephemeron: bool,
    /// Traces values.
    pub(crate) trace: TraceFn,
    /// The same with names, for a snapshot. The values of an array are its elements.
    pub(crate) trace_named: TraceFn,
    /// Traces values of a list.
    pub(crate) trace_each: TraceEachFn,
    /// Traces values of a span.
    pub(crate) trace_bits: TraceBitsFn,
    /// Drops values.
    pub(crate) drop: DropFn,
    /// The type's name, for traces and profiles.
    pub(crate) name: fn() -> &'static str,
    /// The type's identity with lifetimes erased. Data without a type of its own has the identity
    /// of a private type. The address of a `TypeInfo` is no identity: the compiler may duplicate a
    /// constant or merge two.
    pub(crate) id: fn() -> TypeId,
}

impl std::fmt::Debug for TypeInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let array = if self.array { ", array" } else { "" };
        write!(f, "{} ({} bytes{array})", (self.name)(), self.size)
    }
}

impl TypeInfo {
    /// The box of weak pointers, of `size` bytes.
    pub(crate) const fn of_weak_box(size: usize) -> TypeInfo {
        TypeInfo { size, weak_box: true, name: || "GcWeak", ..LEAF }
    }
    /// The box of ephemerons, of `size` bytes.
    pub(crate) const fn of_ephemeron(size: usize) -> TypeInfo {
        TypeInfo { size, weak_box: true, ephemeron: true, name: || "Ephemeron", ..LEAF }
    }
    /// Returns whether this is leaf data: neither traced nor dropped, so it shares size classes
    /// with all other leaf data. Slots are aligned to 16 bytes where the size is a multiple of 16,
    /// and to 8 elsewhere.
    pub(crate) const fn is_leaf(&self) -> bool {
        let is_plain = !self.needs_trace && !self.needs_drop && !self.weak_box;
        is_plain && !self.own_spans && self.align <= 16
    }
    /// Size of the slot for one value of a type that has spans of its own, in bytes.
    pub(crate) const fn slot(&self) -> usize {
        let size = if self.size < 16 { 16 } else { self.size.next_multiple_of(8) };
        size.next_multiple_of(self.align)
    }
    /// Bytes from the start of a slot to the object's address. Arrays that are traced or dropped
    /// have their length there.
    pub(crate) const fn origin(&self) -> usize {
        if self.array && !self.is_leaf() { if self.align > 8 { self.align } else { 8 } } else { 0 }
    }
    /// The number of values at the address of an object: the length of an array, or one.
    ///
    /// # Safety
    ///
    /// `addr` is an initialised object of this type (INV-6), which is traced or has drop glue.
    pub(crate) unsafe fn values_at(&self, addr: Addr) -> usize {
        if self.array {
            // SAFETY: INV-6: such an array has its length before its first element.
            unsafe { addr.ptr::<usize>().sub(1).read() }
        } else {
            1
        }
    }
}

/// The type information of leaf data of any type.
pub(crate) static LEAF_INFO: TypeInfo = LEAF;
const LEAF: TypeInfo = TypeInfo {
    size: 1,
    align: 1,
    needs_trace: false,
    needs_drop: false,
    array: false,
    own_spans: false,
    weak_box: false,
    ephemeron: false,
    trace: no_trace,
    trace_named: no_trace,
    trace_each: trace_none,
    trace_bits: trace_no_bits,
    drop: no_drop,
    name: || "leaf data",
    id: TypeId::of::<Untyped>,
};
/// The type whose identity leaf data in shared spans has. No object is of this type.
struct Untyped;

unsafe fn no_trace(_: *const u8, _: usize, _: *mut Tracer<'static>) {}
unsafe fn trace_none(_: &[Addr], _: usize, _: *mut Tracer<'static>) {}
unsafe fn trace_no_bits(_: Addr, _: &[u64], _: &Bits, _: *mut Tracer<'static>) {}
unsafe fn no_drop(_: *mut u8, _: usize) {}

/// The objects that a constant stands for.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Single values.
    One,
    /// Single values in spans of their own.
    Known,
    Array,
}

/// The home of the constants for `T`.
#[derive(Debug)]
pub(crate) struct InfoOf<'gc, T>(std::marker::PhantomData<(&'gc (), T)>);

impl<'gc, T: Trace<'gc>> InfoOf<'gc, T> {
    const fn make(shape: Shape) -> TypeInfo {
        let array = matches!(shape, Shape::Array);
        // An array's header takes one alignment, and the object's address must lie in its first
        // block.
        assert!(align_of::<T>() <= 4096, "alignments above 4096 are not supported");
        TypeInfo {
            size: size_of::<T>(),
            align: align_of::<T>(),
            // A type of size zero holds no pointer. An array may have 2^64 - 1 of them, too many to
            // look at each.
            needs_trace: T::NEEDS_TRACE && size_of::<T>() != 0,
            needs_drop: std::mem::needs_drop::<T>(),
            array,
            own_spans: matches!(shape, Shape::Known),
            weak_box: false,
            ephemeron: false,
            trace: trace_values::<'gc, T>,
            trace_named: if array { name_elements::<'gc, T> } else { name_value::<'gc, T> },
            trace_each: trace_each::<T>,
            trace_bits: trace_bits::<T>,
            drop: drop_values::<T>,
            name: std::any::type_name::<T>,
            id: if array { id_of::<[T]> } else { id_of::<T> },
        }
    }
    /// Single values.
    pub(crate) const ONE: &'static TypeInfo = &Self::make(Shape::One);
    /// Single values whose type the span knows, leaf data too.
    pub(crate) const KNOWN: &'static TypeInfo =
        if Self::ONE.is_leaf() { &Self::make(Shape::Known) } else { Self::ONE };
    /// Arrays.
    pub(crate) const ARRAY: &'static TypeInfo = &Self::make(Shape::Array);
}

/// Returns the identity of `T` with its lifetimes erased, which is that of the same type at
/// `'static`.
///
/// `TypeId::of` requires `T: 'static`, which a branded type does not fulfil. No code is generated
/// for a lifetime, so `TypeId` is the same for all of them. The trait object only removes the
/// bound.
fn id_of<T: ?Sized>() -> TypeId {
    trait Identify {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Identify for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let probe = PhantomData::<T>;
    let probe: &dyn Identify = &probe;
    // SAFETY: INV-8: a lifetime bound is no part of a trait object's representation, and `id` looks
    // at no value.
    let probe = unsafe { std::mem::transmute::<&dyn Identify, &(dyn Identify + 'static)>(probe) };
    probe.id()
}

/// # Safety
///
/// `at` points to `n` valid values of `T`; `tracer` is a `Tracer<'gc>` with its brand erased.
unsafe fn trace_values<'gc, T: Trace<'gc>>(at: *const u8, n: usize, tracer: *mut Tracer<'static>) {
    let at = at.cast::<T>();
    // SAFETY: INV-7: the caller lends its tracer for this call; the brand is only a brand.
    let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
    for i in 0..n {
        // SAFETY: INV-6: the object is initialised, its span is of type T, and `T: Sync` lets us
        // share it.
        unsafe { &*at.add(i) }.trace(tracer);
    }
}

/// # Safety
///
/// As for [`trace_values`], and `n` is 1.
unsafe fn name_value<'gc, T: Trace<'gc>>(at: *const u8, _: usize, tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller lends its tracer for this call; the brand is only a brand.
    let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
    // SAFETY: INV-6: as in `trace_values`.
    tracer.named(unsafe { &*at.cast::<T>() });
}

/// # Safety
///
/// As for [`trace_values`].
unsafe fn name_elements<'gc, T: Trace<'gc>>(at: *const u8, n: usize, tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller lends its tracer for this call; the brand is only a brand.
    let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
    // SAFETY: INV-6: as in `trace_values`.
    tracer.named(unsafe { std::slice::from_raw_parts(at.cast::<T>(), n) });
}

/// # Safety
///
/// The first `n` entries of `list` are addresses of valid values of `T`, and `n` is at most its
/// length. `tracer` is a `Tracer<'gc>` with its brand erased.
unsafe fn trace_each<'gc, T: Trace<'gc>>(list: &[Addr], n: usize, tracer: *mut Tracer<'static>) {
    // SAFETY: INV-7: the caller lends its tracer for this call; the brand is only a brand.
    let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
    let ahead = (AHEAD_BYTES / size_of::<T>().max(1)).clamp(AHEAD[0], AHEAD[1]);
    for i in 0..n {
        if let Some(&ahead) = list.get(i + ahead) {
            prefetch(ahead.ptr::<T>());
        }
        // SAFETY: INV-6: as in `trace_values`.
        unsafe { &*list[i].ptr::<T>() }.trace(tracer);
    }
}

/// # Safety
///
/// Each bit of `bits`, with `halves`, stands for a valid value of `T` in the span at `start`.
/// `tracer` is a `Tracer<'gc>` with its brand erased.
unsafe fn trace_bits<'gc, T: Trace<'gc>>(
    start: Addr,
    halves: &[u64],
    bits: &Bits,
    tracer: *mut Tracer<'static>,
) {
    // SAFETY: INV-7: the caller lends its tracer for this call; the brand is only a brand.
    let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
    // SAFETY: INV-6: as in `trace_values`.
    each_object(start, halves, bits, |addr| unsafe { &*addr.ptr::<T>() }.trace(tracer));
}

/// # Safety
///
/// `at` points to `n` valid values of `T` that no thread uses any more.
unsafe fn drop_values<T>(at: *mut u8, n: usize) {
    // SAFETY: INV-9: a sweep found the object dead, and the thread that drops it calls this once.
    unsafe { std::ptr::drop_in_place(std::ptr::slice_from_raw_parts_mut(at.cast::<T>(), n)) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::span::SpanClass;
    use super::super::{ClassKey, Space};
    use super::*;
    use crate::config::{BLOCK_WORDS, Config};
    use crate::trace::PACKET;
    use crate::word::{Cycle, SweepNumber};

    #[test]
    fn the_id_of_a_type_does_not_depend_on_its_lifetimes() {
        fn same<'a>(_: &'a u8) {
            assert_eq!(id_of::<&'a str>(), TypeId::of::<&'static str>());
            assert_eq!(id_of::<[Option<&'a u8>]>(), TypeId::of::<[Option<&'static u8>]>());
        }
        same(&0);
        assert_ne!(
            id_of::<fn(&u8)>(),
            id_of::<fn(&'static u8)>(),
            "a higher-ranked type is another"
        );
        let (array, one) = (InfoOf::<String>::ARRAY, InfoOf::<String>::ONE);
        assert_eq!(((array.id)(), (one.id)()), (TypeId::of::<[String]>(), TypeId::of::<String>()));
        let (shared, known) = (InfoOf::<u64>::ONE, InfoOf::<u64>::KNOWN);
        assert!(shared.is_leaf() && !known.is_leaf() && known.slot() == 16);
        assert_ne!((LEAF_INFO.id)(), (known.id)());
    }

    #[test]
    fn an_info_says_what_the_type_needs() {
        let leaf = InfoOf::<u64>::ONE;
        assert!(leaf.is_leaf() && leaf.origin() == 0);
        let strings = InfoOf::<String>::ARRAY;
        assert!(strings.needs_drop && !strings.needs_trace && strings.origin() == 8);
        assert_eq!((strings.name)(), std::any::type_name::<String>());
    }

    /// Reports its own address.
    struct Here<const WORDS: usize>(#[allow(dead_code, reason = "for its size")] [u64; WORDS]);
    // SAFETY: INV-8: it holds no `Gc`, and what it reports is only compared.
    unsafe impl<'gc, const WORDS: usize> Trace<'gc> for Here<WORDS> {
        const NEEDS_TRACE: bool = true;
        fn trace(&self, tracer: &mut Tracer<'gc>) {
            tracer.visit(Addr::of(self));
        }
    }

    #[test]
    fn the_values_of_a_span_that_have_a_bit_are_traced_in_order() {
        fn check<const WORDS: usize>() {
            unsafe fn never(_: *mut Tracer<'static>) {
                unreachable!("a test reports less than a packet");
            }
            let space =
                Space::new(&Config { reserve: Some(16 << 20), ..Config::default() }).unwrap();
            let info = InfoOf::<'static, Here<WORDS>>::ONE;
            let class =
                space.class_for(info, ClassKey::Type, |id| SpanClass::small(info, id, info.slot()));
            let span = space.fresh_span(class, SweepNumber::default()).unwrap().block();
            let start = space.address(span);
            let some: Vec<Addr> =
                (0..class.slots).step_by(3).map(|i| start + i * class.slot).collect();
            let mut bits = [0; BLOCK_WORDS];
            for &addr in &some {
                let (word, bit) = space.bit_of(addr);
                bits[word - space.first_word(span)] |= bit;
            }
            let mut buf = [Addr::NULL; PACKET];
            let mut tracer =
                Tracer::new(buf.as_mut_ptr(), never, std::ptr::null_mut(), Cycle::NONE);
            // SAFETY: INV-6: a fresh span is zeroed, and so are its values; INV-7: the tracer is
            // ours.
            unsafe { (info.trace_bits)(start, &class.halves, &bits, &raw mut tracer) };
            let len = tracer.len;
            assert_eq!(buf[..len], some, "{WORDS}");
        }
        check::<2>();
        check::<3>();
        check::<5>();
        check::<6>();
        check::<63>();
    }
}
