//! Tracing: how the collector learns which pointers an object holds.
//!
//! 1. [`Trace::trace`] reports which `Gc`s a type holds; `#[derive(Trace)]` writes it.
//! 2. The collector hands the object a [`Tracer`], a sink of addresses that does not know of
//!    marking.
//! 3. Each edge is one thin address. The span at the address knows the concrete type
//!    (`heap::object`).
//! 4. Containers in containers (a list of boxes) are followed to a bounded depth
//!    ([`Tracer::nested`]). Deeper ones are noted and traced when the outermost container is done,
//!    so that no value can overflow a stack.
//!
//! Naming a *root* is separate from tracing. [`Managed`] and [`Branded`] tie a type at `'static` to
//! its branded forms at each `'gc`. [`Family`] and [`Rootable`] extend that to unsized types. Two
//! levels are needed because a higher-ranked `Sized` bound on an associated type does not compile.
//!
//! Files, lowest first: `near`, `naming`, `object`, `checks`, `std_impls`, `functions`, `crates`.

mod checks;
#[cfg(not(loom))]
mod crates;
mod functions;
pub(crate) mod naming;
pub(crate) mod near;
#[cfg_attr(loom, allow(dead_code, reason = "the models use the protocol types only"))]
mod object;
mod std_impls;

use crate::config::BLOCK;
use crate::sync::prefetch;
use crate::word::{Addr, Cycle};
use near::Near;
use std::marker::PhantomData;

#[cfg_attr(loom, allow(unused_imports, reason = "the models use the protocol types only"))]
pub use object::Object;

/// Types whose pointers the collector can find.
///
/// Derive it: `#[derive(Trace)]` writes `trace`, `NEEDS_TRACE` and the families.
///
/// # Safety
///
/// `trace` must report every `Gc` that a user can reach through `self` without another `Gc`, each
/// time it is called. It must be sound while other threads use `self` through `&self` (INV-6). It
/// must not panic: a panic makes the collector keep everything for that cycle. If it reports
/// through a guard that it drops again (a lock), it must do so inside [`Tracer::apart`].
/// `NEEDS_TRACE` may be `false` only if `trace` never reports anything. A type with `NEEDS_TRACE =
/// true` has no `Drop` of its own that could look through a `Gc` (INV-9).
///
/// ```
/// use gc_core::{Gc, Heap, Trace, Tracer};
///
/// #[derive(Trace)]
/// struct Pair<'gc>(Gc<'gc, u64>, Gc<'gc, u64>);
///
/// /// A container by hand: it reports what it holds.
/// struct Stack<T>(Vec<T>);
/// // SAFETY: all pointers in a stack are in its elements, and it has no `Drop`.
/// unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Stack<T> {
///     const NEEDS_TRACE: bool = T::NEEDS_TRACE;
///     fn trace(&self, tracer: &mut Tracer<'gc>) {
///         tracer.edges(&self.0);
///     }
/// }
///
/// Heap::new().mutate(|mc| {
///     let one = Gc::new(mc, 1);
///     let stack = Gc::new(mc, Stack(vec![Pair(one, one)]));
///     assert_eq!(*stack.0[0].1, 1);
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "the collector cannot trace `{Self}`: write `#[derive(Trace)]` above a type of your own; for \
               another one, `#[trace(skip)]` on the field, or `Leaf` around it",
    label = "not `Trace`",
    note = "a trait object goes behind a `Gc`, as `Gc<'gc, dyn Shape<'gc> + 'gc>`; a type parameter needs the bound"
)]
pub unsafe trait Trace<'gc> {
    /// Whether a value of this type can hold a `Gc` at all. If not, it is never scanned.
    const NEEDS_TRACE: bool = true;

    /// Reports every `Gc` in `self` to `tracer`.
    fn trace(&self, tracer: &mut Tracer<'gc>);

    /// Reports the same with the names of fields ([`Tracer::field`], [`Tracer::element`]). A heap
    /// snapshot calls it, and marking does not. The derive writes it; by default edges have no
    /// names of their own.
    fn trace_named(&self, tracer: &mut Tracer<'gc>) {
        self.trace(tracer);
    }

    /// The body of both, as the derive writes it. In one function, so that the compiler reports a
    /// field that cannot be traced once.
    #[doc(hidden)]
    fn __walk<const NAMED: bool>(&self, tracer: &mut Tracer<'gc>) {
        self.trace(tracer);
    }
}

/// A type at `'static` that names the family of its branded forms.
///
/// # Safety
///
/// `At<'gc>` must be the same type as `Self` with `'static` replaced by `'gc` and nothing else
/// changed. Size, layout and meaning are the same (INV-8). The derive does it.
///
/// ```
/// use gc_core::{Gc, Heap, Managed, Root, Trace};
///
/// #[derive(Trace)]
/// struct Name<'gc>(Gc<'gc, str>);
///
/// /// Keeps values of any type that the derive has written the families of.
/// struct Kept<T: Managed>(Vec<Root<T>>);
///
/// let heap = Heap::new();
/// let mut kept: Kept<Name<'static>> = Kept(Vec::new());
/// kept.0.push(heap.mutate(|mc| mc.root(Name(Gc::from_str(mc, "Ada")))));
/// heap.mutate(|mc| assert_eq!(&*kept.0[0].get(mc).0, "Ada"));
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Root` cannot name `{Self}`: write `#[derive(Trace)]` above the type, and name it at `'static`",
    label = "not `Managed`",
    note = "a generic function bounds its parameter by `Branded<'gc>` and returns `Root<T::Static>`"
)]
pub unsafe trait Managed: Sized + 'static {
    /// This type, branded by one pin.
    type At<'gc>: Branded<'gc, Static = Self>;

    /// The derive's check of the families in `At`; never called (see `checks`).
    #[doc(hidden)]
    fn __check<'gc>(_: &mut Tracer<'gc>) {}
}

/// A type branded with `'gc`: the inverse of [`Managed`].
///
/// # Safety
///
/// As for [`Managed`].
///
/// ```
/// use gc_core::{Branded, Gc, Heap, Mutation, Object, Root};
///
/// fn keep<'gc, T>(mc: &Mutation<'gc>, value: T) -> Root<T::Static>
/// where
///     T: Branded<'gc> + Object<'gc>,
/// {
///     Gc::root(Gc::new(mc, value), mc)
/// }
/// let heap = Heap::new();
/// let list = heap.mutate(|mc| keep(mc, vec![Gc::new(mc, 1u64)]));
/// assert_eq!(heap.mutate(|mc| *list.get(mc)[0]), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Root` cannot keep `{Self}`: write `#[derive(Trace)]` above the type; a type parameter needs \
               the bound `Branded<'gc>`",
    label = "not `Branded`"
)]
pub unsafe trait Branded<'gc>: Trace<'gc> + Sized {
    /// This type at `'static`, the form in which [`Root`](crate::Root) names it.
    type Static: Managed<At<'gc> = Self>;

    /// The derive's check of the families in `Static`; never called (see `checks`).
    #[doc(hidden)]
    fn __check(_: &mut Tracer<'gc>) {}
}

/// The types that a [`Root`](crate::Root) may point to. These are every [`Managed`] type, `[T]`,
/// `str`, [`Erased`](crate::Erased), and trait objects that [`rootable_dyn!`](crate::rootable_dyn)
/// declares.
///
/// # Safety
///
/// As for [`Managed`]; pointers to `At<'a>` and `At<'b>` have the same representation.
///
/// ```
/// use gc_core::{Family, Gc, Heap, Root};
///
/// /// The object's size, whatever its type.
/// fn size<T: Family + ?Sized>(heap: &Heap, root: &Root<T>) -> usize {
///     heap.mutate(|mc| size_of_val(Gc::as_ref(root.get(mc))))
/// }
/// let heap = Heap::new();
/// let text: Root<str> = heap.mutate(|mc| Gc::root(Gc::from_str(mc, "text"), mc));
/// assert_eq!(size(&heap, &text), 4);
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Root` cannot name `{Self}`: write `#[derive(Trace)]` above the type, and name it at \
               `'static`; declare a trait object with `rootable_dyn!`",
    label = "not a `Family`"
)]
pub unsafe trait Family: 'static {
    /// The member of the family that is branded with `'gc`.
    type At<'gc>: ?Sized + Rootable<'gc, Family = Self>;
}

/// The inverse of [`Family`].
///
/// # Safety
///
/// As for [`Family`].
///
/// ```
/// use gc_core::{Gc, Heap, Mutation, Root, Rootable};
///
/// fn keep<'gc, T>(mc: &Mutation<'gc>, object: Gc<'gc, T>) -> Root<T::Family>
/// where
///     T: Rootable<'gc> + ?Sized,
/// {
///     Gc::root(object, mc)
/// }
/// let heap = Heap::new();
/// let text = heap.mutate(|mc| keep(mc, Gc::from_str(mc, "a")));
/// let number = heap.mutate(|mc| keep(mc, Gc::new(mc, 1usize)));
/// assert_eq!(heap.mutate(|mc| text.get(mc).len() + *number.get(mc)), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Root` cannot keep `{Self}`: write `#[derive(Trace)]` above the type; declare a trait object \
               with `rootable_dyn!`; a type parameter needs the bound `Branded<'gc>`",
    label = "not `Rootable`"
)]
pub unsafe trait Rootable<'gc> {
    /// The family of this type.
    type Family: Family<At<'gc> = Self> + ?Sized;
}

// SAFETY: INV-8: `Managed` promises exactly what `Family` asks.
#[diagnostic::do_not_recommend]
unsafe impl<T: Managed> Family for T {
    type At<'gc> = <T as Managed>::At<'gc>;
}
// SAFETY: INV-8: the inverse, promised by `Branded`.
#[diagnostic::do_not_recommend]
unsafe impl<'gc, T: Branded<'gc>> Rootable<'gc> for T {
    type Family = T::Static;
}
// SAFETY: INV-8: a slice pointer is an address and a length, whatever the brand.
unsafe impl<T: Managed> Family for [T] {
    type At<'gc> = [<T as Managed>::At<'gc>];
}
// SAFETY: INV-8: as above.
unsafe impl<'gc, T: Branded<'gc>> Rootable<'gc> for [T] {
    type Family = [T::Static];
}
// SAFETY: INV-8: `str` has no brand.
unsafe impl Family for str {
    type At<'gc> = str;
}
// SAFETY: INV-8: as above.
unsafe impl<'gc> Rootable<'gc> for str {
    type Family = str;
}

/// Number of edges that a [`Tracer`] collects before it hands them on.
pub(crate) const PACKET: usize = 510;

/// The cycle number of a tracer that marks nothing. It only finds out whether an object has a
/// guarded cell as a part of its own.
const SEEKING: Cycle = Cycle::new(u64::MAX);

/// Returns whether tracing reaches the guarded cell at `cell` without another guarded cell. Then
/// the traced object has it as a part of its own, which no exclusive borrow of another cell can
/// move or drop.
pub(crate) fn has_cell(cell: Addr, trace: impl FnOnce(&mut Tracer<'static>)) -> bool {
    unsafe fn forget(tracer: *mut Tracer<'static>) {
        // SAFETY: INV-7: the tracer below, lent for the call.
        unsafe { (*tracer).len = 0 };
    }
    let (mut buf, mut sought) = ([Addr::NULL; PACKET], cell);
    let owner = (&raw mut sought).cast();
    let mut tracer = Tracer::new(buf.as_mut_ptr(), forget, owner, SEEKING);
    // The marker's own call of `trace` reports a panic.
    crate::error::contain(|| trace(&mut tracer)) && sought.is_null()
}

/// The handler of a full buffer of edges: it empties `buf` (sets `len` to 0) before it returns.
pub(crate) type Spill = unsafe fn(*mut Tracer<'static>);

/// The sink into which [`Trace::trace`] reports edges.
///
/// A tracer only collects addresses. Its owner decides what they mean, each time the buffer is full
/// and at the end. The owner is a marker, a barrier that shades the content of a cell, or the
/// verifier.
///
/// ```
/// use gc_core::{Gc, Heap, Trace, Tracer};
/// use std::sync::{Mutex, PoisonError};
///
/// /// One reader at a time, for a content that is not `Sync`. It never changes.
/// struct Locked<T>(Mutex<T>);
/// impl<T> Locked<T> {
///     fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
///         read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
///     }
/// }
/// // SAFETY: the content holds all pointers. None changes, so none needs a barrier. No `Drop`.
/// unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Locked<T> {
///     const NEEDS_TRACE: bool = T::NEEDS_TRACE;
///     fn trace(&self, tracer: &mut Tracer<'gc>) {
///         // All is reported before the lock is let go.
///         self.with(|content| tracer.apart(|tracer| tracer.edges(content)));
///     }
/// }
/// Heap::new().mutate(|mc| {
///     let locked = Gc::new(mc, Locked(Mutex::new(Gc::new(mc, 1))));
///     assert_eq!(locked.with(|one| **one), 1);
/// });
/// ```
#[repr(C)]
pub struct Tracer<'gc> {
    pub(crate) len: usize,
    pub(crate) buf: *mut Addr,
    pub(crate) spill: Spill,
    /// The owner's state, for `spill`.
    pub(crate) owner: *mut (),
    /// The number of the cycle that is tracing; 0 if none. Guarded cells record it (INV-14).
    pub(crate) cycle: Cycle,
    /// First byte of the span that a marker scans, and the objects that it finds there. For other
    /// tracers `NOWHERE`, and never dereferenced.
    near_from: Addr,
    near: *mut Near,
    /// Number of containers around the value that is being traced, and containers that lay too
    /// deep.
    depth: u32,
    later: *mut Later,
    brand: PhantomData<fn(&'gc ()) -> &'gc ()>,
}

/// Containers that wait to be traced, each with the function for its type.
type Later = Vec<(*const (), unsafe fn(*const (), *mut Tracer<'static>))>;

/// The depth to which nested containers are followed on the stack. That takes some 10 KiB of stack,
/// or 60 KiB without optimisation.
const DEPTH: u32 = 64;

impl std::fmt::Debug for Tracer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer").field("pending", &self.len).field("cycle", &self.cycle).finish()
    }
}

impl<'gc> Tracer<'gc> {
    /// A tracer over `buf`, which has room for [`PACKET`] words.
    pub(crate) fn new(buf: *mut Addr, spill: Spill, owner: *mut (), cycle: Cycle) -> Self {
        let (near_from, near) = (Near::NOWHERE, std::ptr::null_mut());
        let (depth, later) = (0, std::ptr::null_mut());
        Tracer {
            len: 0,
            buf,
            spill,
            owner,
            cycle,
            near_from,
            near,
            depth,
            later,
            brand: PhantomData,
        }
    }
    /// The same for a marker. It notes in `near` the edges into the span that it scans, and `len`
    /// edges wait in its buffer.
    ///
    /// # Safety
    ///
    /// `near` is live as long as the tracer, and nothing else uses it while the tracer is lent.
    pub(crate) unsafe fn with_near(self, near: *mut Near, len: usize) -> Self {
        // SAFETY: INV-7: the caller's promise.
        let near_from = unsafe { &*near }.from();
        Tracer { len, near_from, near, ..self }
    }

    /// Reports one edge: the address of an object, never null.
    #[inline(always)]
    pub(crate) fn visit(&mut self, addr: Addr) {
        debug_assert!(!addr.is_null());
        let offset = addr.get().wrapping_sub(self.near_from.get());
        if offset < BLOCK {
            prefetch(addr.ptr::<u8>());
            // SAFETY: INV-7: an object lies there, so `near_from` is from `with_near`, whose caller
            // promised that `near` is ours.
            return unsafe { &mut *self.near }.note(offset);
        }
        if self.len == PACKET {
            self.spill_now();
        }
        // SAFETY: INV-7: `len < PACKET` here (a spill empties the buffer), and `buf` has room for
        // PACKET words.
        unsafe { self.buf.add(self.len).write(addr) };
        self.len += 1;
    }

    /// Returns whether this tracer seeks a guarded cell; then the cell must not show it its
    /// content. Notes if this is the sought cell, which is at `cell`.
    #[inline(always)]
    pub(crate) fn seeks(&mut self, cell: Addr) -> bool {
        if self.cycle != SEEKING {
            return false;
        }
        // SAFETY: INV-7: the owner of a seeking tracer is the word of `has_cell`, which outlives
        // it.
        let sought = unsafe { &mut *self.owner.cast::<Addr>() };
        if *sought == cell {
            *sought = Addr::NULL;
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn spill_now(&mut self) {
        // SAFETY: INV-7: the owner gave `spill` and `owner` together; the brand is erased, layout
        // unchanged.
        unsafe { (self.spill)(std::ptr::from_mut(self).cast()) };
        assert!(self.len < PACKET, "a tracer's owner empties its buffer");
    }

    /// Reports every `Gc` that `value` holds, or nothing if its type cannot hold any.
    ///
    /// A hand-written [`Trace`] calls this for each field.
    #[inline(always)]
    pub fn edges<T: Trace<'gc> + ?Sized>(&mut self, value: &T) {
        if T::NEEDS_TRACE {
            value.trace(self);
        }
    }

    /// Calls `content`, which reports the content of `container`. If `container` is too deep in
    /// other containers, its own [`Trace::trace`] reports the content later. That is before the
    /// outermost call of this function returns.
    #[inline(always)]
    pub(crate) fn nested<C: Trace<'gc>>(&mut self, container: &C, content: impl FnOnce(&mut Self)) {
        if self.depth >= DEPTH {
            return self.note_for_later(container);
        }
        self.depth += 1;
        content(self);
        self.depth -= 1;
        if self.depth == 0 && !self.later.is_null() {
            self.trace_later();
        }
    }
    #[cold]
    #[inline(never)]
    fn note_for_later<C: Trace<'gc>>(&mut self, container: &C) {
        unsafe fn again<'gc, C: Trace<'gc>>(at: *const (), tracer: *mut Tracer<'static>) {
            // SAFETY: INV-7: `trace_later` lends its tracer; the brand is only a brand.
            let tracer = unsafe { &mut *tracer.cast::<Tracer<'gc>>() };
            // SAFETY: INV-7: a `C` lies there, which the outermost container owns. That container
            // is borrowed until its `nested` returns, and content behind a lock is traced `apart`.
            unsafe { &*at.cast::<C>() }.trace(tracer);
        }
        if self.later.is_null() {
            // A panic in a `trace` leaks it.
            self.later = Box::into_raw(Box::default());
        }
        // SAFETY: INV-7: made above, and freed in `trace_later` only, where the pointer is reset.
        unsafe { &mut *self.later }.push((std::ptr::from_ref(container).cast(), again::<C>));
    }
    #[cold]
    #[inline(never)]
    fn trace_later(&mut self) {
        // SAFETY: INV-7: `note_for_later` made it, and no other code frees it, since the pointer is
        // reset.
        let mut later =
            unsafe { Box::from_raw(std::mem::replace(&mut self.later, std::ptr::null_mut())) };
        while let Some((at, again)) = later.pop() {
            // Not zero, so that containers noted meanwhile join this list.
            self.depth = 1;
            // SAFETY: INV-7: `again` belongs to the type at `at`, whose outermost container is
            // still borrowed.
            unsafe { again(at, std::ptr::from_mut(self).cast()) };
            self.depth = 0;
            let more = std::mem::replace(&mut self.later, std::ptr::null_mut());
            if !more.is_null() {
                // SAFETY: INV-7: as above.
                let mut more = unsafe { Box::from_raw(more) };
                later.append(&mut more);
            }
        }
    }

    /// Runs `report`, and completes everything that it reports before it returns.
    ///
    /// For a hand-written [`Trace`] that holds a lock, or another guard, while it reports the
    /// content behind it. Without this, deeply nested containers would be traced after the guard is
    /// gone.
    pub fn apart(&mut self, report: impl FnOnce(&mut Self)) {
        let outside = (self.depth, self.later);
        (self.depth, self.later) = (0, std::ptr::null_mut());
        report(self);
        (self.depth, self.later) = outside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum List {
        End,
        Link(usize, Box<List>),
    }
    // SAFETY: INV-7: it holds no `Gc`, and the numbers that it reports are only compared.
    unsafe impl<'gc> Trace<'gc> for List {
        fn trace(&self, tracer: &mut Tracer<'gc>) {
            if let List::Link(number, next) = self {
                tracer.visit(Addr::new(*number));
                tracer.edges(next);
            }
        }
    }

    #[test]
    fn a_list_that_is_longer_than_any_stack_is_traced_once() {
        unsafe fn sum(tracer: *mut Tracer<'static>) {
            // SAFETY: INV-7: the test made the tracer with a sum as owner and lends both for the
            // call.
            let tracer = unsafe { &mut *tracer };
            // SAFETY: INV-7: as above, and `len` entries of the buffer are written.
            let (all, new) = unsafe {
                let new = std::slice::from_raw_parts(tracer.buf, tracer.len);
                (&mut *tracer.owner.cast::<(usize, usize)>(), new)
            };
            *all = (all.0 + new.len(), all.1 + new.iter().map(|addr| addr.get()).sum::<usize>());
            tracer.len = 0;
        }
        let n = if cfg!(miri) { 1000 } else { 1_000_000 };
        let mut list = List::End;
        for i in 1..=n {
            list = List::Link(i, Box::new(list));
        }
        let value = (vec![List::Link(1, Box::new(List::End))], [list]);
        let mut all = (0, 0);
        let mut buf = [Addr::NULL; PACKET];
        let mut tracer = Tracer::new(buf.as_mut_ptr(), sum, (&raw mut all).cast(), Cycle::NONE);
        tracer.edges(&value);
        tracer.apart(|tracer| tracer.edges(&value.1));
        assert!(tracer.later.is_null() && tracer.depth == 0);
        // SAFETY: INV-7: the tracer is live, its buffer and its owner are here.
        unsafe { sum(std::ptr::from_mut(&mut tracer).cast()) };
        assert_eq!(all, (2 * n + 1, n * (n + 1) + 1));
        let (_, [mut list]) = value;
        while let List::Link(_, next) = list {
            list = *next;
        }
    }

    #[test]
    fn what_lies_in_the_span_that_is_scanned_does_not_go_into_the_buffer() {
        unsafe fn never(_: *mut Tracer<'static>) {
            unreachable!("a test reports less than a packet");
        }
        let mut buf = [Addr::NULL; PACKET];
        let mut near = Near::new();
        let from = Addr::new(1 << 30);
        let edges = [from - 16, from, from + BLOCK - 16, from + BLOCK];
        // Before a span is opened, while one is, and after it.
        for (open, buffered) in
            [(false, &edges[..]), (true, &[edges[0], edges[3]]), (false, &edges)]
        {
            if open {
                near.open(from, [0; crate::config::BLOCK_WORDS]);
            }
            let tracer = Tracer::new(buf.as_mut_ptr(), never, std::ptr::null_mut(), Cycle::NONE);
            // SAFETY: INV-7: `near` lives on this stack, and is not used while the tracer is.
            let mut tracer = unsafe { tracer.with_near(&raw mut near, 0) };
            edges.iter().for_each(|&addr| tracer.visit(addr));
            let len = tracer.len;
            assert_eq!(&buf[..len], buffered);
            assert_eq!(near.has_noted(), open);
            if open {
                let (bits, n) = near.take();
                let last = crate::config::BLOCK_WORDS - 1;
                assert_eq!((bits[0], bits[last], n), (1, 1 << 63, 2));
                near.settle(|_, _| {});
                near.close();
            }
        }
    }
}
