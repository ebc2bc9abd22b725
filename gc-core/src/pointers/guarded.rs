//! Cells for any traced content, borrowed through guards that carry the barrier: [`GcRefCell`],
//! [`GcMutex`], [`GcRwLock`]. They share one word and its rules: `lock::CellLock`.

use crate::api::Mutation;
use crate::handshake::Mode;
use crate::mutator::{Record, is_keeper};
use crate::observe::PauseKind;
use crate::observe::clock::ticks;
use crate::pointers::inside::debug_cell;
use crate::pointers::lock::{Borrow, CellLock};
use crate::sync::{Backoff, spin_hint};
use crate::trace::{Branded, Managed, Trace, Tracer};
use crate::word::Addr;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A value behind a [`CellLock`].
pub(super) struct Guarded<T> {
    lock: CellLock,
    pub(super) value: UnsafeCell<T>,
}

impl<T> Guarded<T> {
    fn new(value: T) -> Self {
        Guarded { lock: CellLock::new(), value: UnsafeCell::new(value) }
    }

    fn try_share(&self) -> Option<GcRef<'_, T>> {
        let taken = match self.lock.share() {
            Borrow::Scanning => self.share_kept(),
            other => other,
        };
        // Lazily, since a guard that is made and dropped would release a borrow that was refused.
        (taken == Borrow::Done).then(|| {
            // SAFETY: INV-14: the shared borrow keeps exclusive ones out.
            let value = NonNull::from(unsafe { &*self.value.get() });
            GcRef { lock: &self.lock, value, content: PhantomData }
        })
    }
    #[cold]
    fn share_kept(&self) -> Borrow {
        self.lock.share_kept(is_keeper)
    }

    /// Takes an exclusive borrow, unless another thread or guard has a borrow. Waits for a marker's
    /// scan to end.
    fn try_exclude<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> Option<GcRefMut<'a, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        self.try_exclude_within(mc, self)
    }
    /// The same for a cell that belongs to `holder`, whether or not that is a part of a heap
    /// object.
    fn try_exclude_within<'a, 'gc, H>(
        &'a self,
        mc: &'a Mutation<'gc>,
        holder: &H,
    ) -> Option<GcRefMut<'a, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        let taken = match self.lock.exclude() {
            Borrow::Scanning => self.exclude_slowly(mc),
            other => other,
        };
        let kept = match taken {
            Borrow::Done => false,
            Borrow::Kept => true,
            _ => return None,
        };
        let mut guard = GcRefMut { cell: self, mc, kept, changed: false };
        guard.begin(Addr::of(holder));
        Some(guard)
    }

    /// Waits for a scan to end, or takes over a cell that a pin keeps.
    #[cold]
    fn exclude_slowly(&self, mc: &Mutation<'_>) -> Borrow {
        let record = mc.record();
        let first = self.lock.exclude_from(record.number);
        if first != Borrow::Scanning {
            return first;
        }
        let since = ticks();
        let mut backoff = Backoff::new();
        let borrow = loop {
            match self.lock.exclude_from(record.number) {
                Borrow::Scanning => backoff.wait(),
                other => break other,
            }
        };
        record.paused(PauseKind::Cell, since);
        borrow
    }

    fn scan<'gc>(&self, tracer: &mut Tracer<'gc>, report: impl FnOnce(&mut Tracer<'gc>, &T))
    where
        T: Trace<'gc>,
    {
        if tracer.seeks(Addr::of(self)) {
            return;
        }
        let cycle = tracer.cycle;
        let has_run = self.lock.scan(cycle, || {
            // SAFETY: INV-14: the scan bit excludes exclusive borrows. What is traced late is
            // traced before the end of `apart`, so under the bit too.
            tracer.apart(|tracer| report(tracer, unsafe { &*self.value.get() }));
        });
        if !has_run {
            tracer.has_skipped();
        }
    }
}

/// A shared borrow of a [`GcRefCell`] or a [`GcRwLock`], or of a part of its content
/// ([`map`](Self::map)).
///
/// ```
/// use gc_core::GcRefCell;
/// let cell = GcRefCell::new(vec![1, 2]);
/// let (one, other) = (cell.borrow(), cell.borrow());
/// assert_eq!(one.len() + other[0], 3);
/// ```
#[must_use = "a borrow ends when its guard is dropped"]
pub struct GcRef<'a, T: ?Sized> {
    pub(super) lock: &'a CellLock,
    /// The borrowed content or a part of it, which lies behind `lock`. Not a reference, which
    /// would have to be valid until after the drop.
    pub(super) value: NonNull<T>,
    pub(super) content: PhantomData<&'a T>,
}

impl<T: ?Sized> Deref for GcRef<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: INV-14: the shared borrow keeps exclusive ones out.
        unsafe { self.value.as_ref() }
    }
}
impl<T: ?Sized> Drop for GcRef<'_, T> {
    fn drop(&mut self) {
        self.lock.release_shared();
    }
}
impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// An exclusive borrow of a [`GcRefCell`], [`GcMutex`] or [`GcRwLock`]. The write barrier is in its
/// begin and end.
///
/// A leaked guard (`std::mem::forget`) leaves its cell locked for ever, and the collector may then
/// free the objects that the cell points to.
///
/// ```
/// use gc_core::{GcRefCell, Heap};
/// Heap::new().mutate(|mc| {
///     let cell = GcRefCell::new(vec![1, 2]);
///     let mut guard = cell.borrow_mut(mc);
///     guard.push(3);
///     assert!(cell.try_borrow().is_none());
///     drop(guard);
///     assert_eq!(cell.try_borrow().unwrap().len(), 3);
/// });
/// ```
#[must_use = "a borrow ends when its guard is dropped"]
pub struct GcRefMut<'a, 'gc, T: Trace<'gc>> {
    pub(super) cell: &'a Guarded<T>,
    pub(super) mc: &'a Mutation<'gc>,
    /// The pin keeps the cell: a change is shaded before the pin ends, not at the end of the
    /// borrow.
    pub(super) kept: bool,
    /// The borrower had a `&mut` to the content.
    pub(super) changed: bool,
}

/// An exclusive borrow of a [`GcMutex`].
pub type GcMutexGuard<'a, 'gc, T> = GcRefMut<'a, 'gc, T>;

impl<'gc, T: Trace<'gc>> GcRefMut<'_, 'gc, T> {
    /// Rule 5. In Mark, the first borrow of the cycle shades the whole content. In Prep, the first
    /// borrow of the pin does, or each borrow where the pin cannot keep the cell.
    #[inline]
    fn begin(&mut self, holder: Addr) {
        if !T::NEEDS_TRACE || self.mc.record().mode() == Mode::Off {
            return;
        }
        self.begin_marking(holder);
    }
    #[cold]
    fn begin_marking(&mut self, holder: Addr) {
        let (record, lock) = (self.mc.record(), &self.cell.lock);
        if record.mode() == Mode::Mark {
            if lock.is_recorded(record.cycle()) {
                return;
            }
            record.shade_borrowed::<T, _>(self, |_| ());
            lock.record(record.cycle());
        } else if !self.kept {
            let cell = std::ptr::from_ref(self.cell).cast();
            let keep = |worth| worth && record.keep(cell, holder, settle::<T>);
            self.kept = record.shade_borrowed::<T, _>(self, keep);
            if self.kept {
                lock.keep(record.number);
            }
        }
    }
    /// Ends a borrow in Prep.
    #[cold]
    fn end_in_prep(&self) {
        let (record, lock) = (self.mc.record(), &self.cell.lock);
        if self.kept {
            return lock.release_kept(self.changed);
        }
        if self.changed {
            record.shade_borrowed::<T, _>(self, |_| ());
        }
        lock.release_exclusive();
    }
}

/// Shades what a pin may have changed in a cell that it keeps, before the pin ends.
///
/// # Safety
///
/// `cell` is a `Guarded<T>` in a heap object that `record`'s pin could name (`Record::keep`), and
/// that pin has not ended.
unsafe fn settle<'gc, T: Trace<'gc>>(cell: *const (), record: &Record) {
    // SAFETY: INV-14: such a cell lives as long as the pin, and is changed through its lock only.
    let cell = unsafe { &*cell.cast::<Guarded<T>>() };
    cell.lock.settle(record.number, || {
        // SAFETY: INV-14: `settle` keeps exclusive borrows out as a scan does.
        record.shade_borrowed::<T, _>(unsafe { &*cell.value.get() }, |_| ());
    });
}

impl<'gc, T: Trace<'gc>> Deref for GcRefMut<'_, 'gc, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: INV-14: the exclusive borrow is ours.
        unsafe { &*self.cell.value.get() }
    }
}
impl<'gc, T: Trace<'gc>> DerefMut for GcRefMut<'_, 'gc, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        // SAFETY: INV-14: the exclusive borrow is ours, and `&mut self` makes it unique.
        unsafe { &mut *self.cell.value.get() }
    }
}
impl<'gc, T: Trace<'gc>> Drop for GcRefMut<'_, 'gc, T> {
    fn drop(&mut self) {
        if T::NEEDS_TRACE && self.mc.record().mode() == Mode::Prep {
            return self.end_in_prep();
        }
        self.cell.lock.release_exclusive();
    }
}
impl<'gc, T: Trace<'gc> + fmt::Debug> fmt::Debug for GcRefMut<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The impls that the three cells have in common.
macro_rules! guarded_cell {
    ($name:ident) => {
        // SAFETY: INV-14: the lock word serialises exclusive access across threads.
        unsafe impl<T: Send> Send for $name<T> {}
        // SAFETY: INV-14: as above; shared borrows give `&T` to several threads.
        unsafe impl<T: Send + Sync> Sync for $name<T> {}

        // SAFETY: INV-14: a scan excludes exclusive borrows, whose holder has shaded what it can
        // change.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $name<T> {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                self.0.scan(tracer, Tracer::edges);
            }
            fn trace_named(&self, tracer: &mut Tracer<'gc>) {
                self.0.scan(tracer, Tracer::named);
            }
        }
        // SAFETY: INV-8: only the content's brand changes.
        unsafe impl<T: Managed> Managed for $name<T> {
            type At<'gc> = $name<T::At<'gc>>;
        }
        // SAFETY: INV-8: the inverse.
        unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for $name<T> {
            type Static = $name<T::Static>;
        }
        impl<T: Default> Default for $name<T> {
            fn default() -> Self {
                $name::new(T::default())
            }
        }
        impl<T> From<T> for $name<T> {
            fn from(value: T) -> Self {
                $name::new(value)
            }
        }
        impl<T: fmt::Debug> fmt::Debug for $name<T> {
            /// Prints the content, with an address for each [`Gc`](crate::Gc) and each cell in it,
            /// which may lead back here.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                debug_cell(f, stringify!($name), self.0.value.get().cast(), |f| {
                    match self.0.try_share() {
                        Some(value) => f.debug_tuple(stringify!($name)).field(&*value).finish(),
                        None => f.write_str(concat!(stringify!($name), "(<borrowed>)")),
                    }
                })
            }
        }
        impl<T> $name<T> {
            /// A cell that holds `value`, not borrowed.
            #[must_use]
            pub fn new(value: T) -> Self {
                $name(Guarded::new(value))
            }
            /// Takes the value out.
            ///
            /// # Panics
            ///
            /// If an exclusive guard of the cell was leaked: the collector no longer keeps what the
            /// cell points to.
            #[track_caller]
            pub fn into_inner(self) -> T {
                assert!(!self.0.lock.is_excluded(), "a guard of this cell was leaked");
                self.0.value.into_inner()
            }
            /// Lends the value without a borrow and without a barrier: `&mut self` proves that no
            /// other code can see the cell.
            ///
            /// The cell is either not in the heap yet, or part of what another cell's exclusive
            /// guard lends. That guard has the barrier for all that it lends.
            ///
            /// # Panics
            ///
            /// If an exclusive guard of the cell was leaked: the collector no longer keeps what the
            /// cell points to.
            ///
            /// ```
            #[doc = concat!("let mut cell = gc_core::", stringify!($name), "::new(1);")]
            /// *cell.get_mut() += 1;
            /// assert_eq!(cell.into_inner(), 2);
            /// ```
            #[track_caller]
            pub fn get_mut(&mut self) -> &mut T {
                // INV-14: the content of a new cell needs no barrier (rule 5). A cell inside
                // another's content is part of that content. The outer guard shades both at its
                // begin and, in Prep, at its end. Only a leaked guard would make that shading skip
                // this cell.
                assert!(!self.0.lock.is_excluded(), "a guard of this cell was leaked");
                self.0.value.get_mut()
            }
        }
    };
}

/// A cell for any content, borrowed as a `RefCell` is. A borrow that conflicts panics, or returns
/// `None` in the `try_` forms. The content may be shared between threads, so the conflict may be
/// with another thread. Use [`GcMutex`] where that is expected.
///
/// An exclusive borrow waits while a marker scans the content. The first one in a cycle shades the
/// whole content: 1 to 10 ns for each pointer in it.
///
/// A [`mutate`](crate::Heap::mutate) that begins while a cycle starts shades changed content once
/// more before it ends. It shades it again at a borrow after another thread has used the cell. If
/// the cell is not itself a part of a heap object, such a `mutate` shades at each borrow. Examples
/// are cells on the stack, in a `Box`, or in another guarded cell. The times are
/// [`PauseKind::Shade`](crate::PauseKind::Shade). Keep large contents that change often in several
/// cells.
///
/// ```
/// use gc_core::{Gc, GcRefCell, Heap};
/// Heap::new().mutate(|mc| {
///     let list = Gc::new(mc, GcRefCell::new(vec![Gc::new(mc, 1)]));
///     list.borrow_mut(mc).push(Gc::new(mc, 2));
///     assert_eq!(list.borrow().len(), 2);
///     let guard = list.borrow();
///     assert!(list.try_borrow_mut(mc).is_none());
/// });
/// ```
pub struct GcRefCell<T>(Guarded<T>);
guarded_cell!(GcRefCell);

impl<T> GcRefCell<T> {
    /// Takes a shared borrow.
    ///
    /// # Panics
    ///
    /// If the cell is exclusively borrowed, or has 65,535 shared borrows already.
    #[track_caller]
    pub fn borrow(&self) -> GcRef<'_, T> {
        match self.try_borrow() {
            Some(guard) => guard,
            None if self.0.lock.is_excluded() => panic!("the GcRefCell is exclusively borrowed"),
            None => panic!("the GcRefCell has 65,535 shared borrows, the most that it can count"),
        }
    }
    /// Takes a shared borrow, unless the cell is exclusively borrowed or has 65,535 shared borrows.
    pub fn try_borrow(&self) -> Option<GcRef<'_, T>> {
        self.0.try_share()
    }
    /// Takes an exclusive borrow.
    ///
    /// # Panics
    ///
    /// If the cell is borrowed.
    #[track_caller]
    pub fn borrow_mut<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> GcRefMut<'a, 'gc, T>
    where
        T: Trace<'gc>,
    {
        match self.try_borrow_mut(mc) {
            Some(guard) => guard,
            None => panic!("the GcRefCell is borrowed"),
        }
    }
    /// Takes an exclusive borrow, unless the cell is borrowed.
    pub fn try_borrow_mut<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> Option<GcRefMut<'a, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        self.0.try_exclude(mc)
    }
}

/// Waits, spinning and then yielding, until `attempt` succeeds.
fn wait_until<R>(attempt: impl Fn() -> Option<R>) -> R {
    let mut backoff = Backoff::new();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        spin_hint();
        backoff.wait();
    }
}

/// A mutex for any content. Its holder is inside `mutate`, so it is held for microseconds. A thread
/// that waits spins, then yields, then sleeps in short steps. Locking it again on the thread that
/// holds it never ends.
///
/// A panic releases the lock and does not poison it.
///
/// ```
/// use gc_core::{Gc, GcMutex, Heap};
/// Heap::new().mutate(|mc| {
///     let queue = Gc::new(mc, GcMutex::new(vec![Gc::new(mc, 1)]));
///     queue.lock(mc).push(Gc::new(mc, 2));
///     assert_eq!(queue.try_lock(mc).unwrap().len(), 2);
/// });
/// ```
pub struct GcMutex<T>(Guarded<T>);
guarded_cell!(GcMutex);

impl<T> GcMutex<T> {
    /// Locks.
    pub fn lock<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> GcMutexGuard<'a, 'gc, T>
    where
        T: Trace<'gc>,
    {
        wait_until(|| self.0.try_exclude(mc))
    }
    /// Locks, unless the mutex is locked.
    pub fn try_lock<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> Option<GcMutexGuard<'a, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        self.0.try_exclude(mc)
    }
}

/// A reader-writer lock for any content; waits as [`GcMutex`] does. Writers have no priority over
/// readers.
///
/// ```
/// use gc_core::{Gc, GcRwLock, Heap};
/// Heap::new().mutate(|mc| {
///     let table = Gc::new(mc, GcRwLock::new(vec![Gc::new(mc, 1)]));
///     table.write(mc).push(Gc::new(mc, 2));
///     assert_eq!(table.read().len() + table.try_read().unwrap().len(), 4);
/// });
/// ```
pub struct GcRwLock<T>(Guarded<T>);
guarded_cell!(GcRwLock);

impl<T> GcRwLock<T> {
    /// Locks for reading. Waits for another reader to leave if there are 65,535.
    pub fn read(&self) -> GcRef<'_, T> {
        wait_until(|| self.0.try_share())
    }
    /// Locks for reading, unless the lock is held for writing.
    pub fn try_read(&self) -> Option<GcRef<'_, T>> {
        self.0.try_share()
    }
    /// Locks for writing.
    pub fn write<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> GcRefMut<'a, 'gc, T>
    where
        T: Trace<'gc>,
    {
        wait_until(|| self.0.try_exclude(mc))
    }
    /// Locks for writing a cell that belongs to `holder` but lies outside of it. A pin can keep the
    /// cell if it keeps `holder`.
    pub(super) fn write_within<'a, 'gc, H>(
        &'a self,
        mc: &'a Mutation<'gc>,
        holder: &H,
    ) -> GcRefMut<'a, 'gc, T>
    where
        T: Trace<'gc>,
    {
        wait_until(|| self.0.try_exclude_within(mc, holder))
    }
    /// Locks for writing, unless the lock is held.
    ///
    /// ```
    /// use gc_core::{GcRwLock, Heap};
    /// Heap::new().mutate(|mc| {
    ///     let lock = GcRwLock::new(1);
    ///     let reader = lock.read();
    ///     assert!(lock.try_write(mc).is_none());
    ///     drop(reader);
    ///     *lock.try_write(mc).unwrap() = 2;
    ///     assert_eq!(*lock.read(), 2);
    /// });
    /// ```
    pub fn try_write<'a, 'gc>(&'a self, mc: &'a Mutation<'gc>) -> Option<GcRefMut<'a, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        self.0.try_exclude(mc)
    }
}
