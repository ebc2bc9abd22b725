#![forbid(unsafe_code)]
//! [`Pool`]: values for reuse, dropped when two cycles have passed without a use of them.
//!
//! The design is that of Go's `sync.Pool`. The life of a value:
//! 1. [`Pool::take`] looks into the calling thread's part: first at values put back since the last
//!    cycle, then at the *victims*, which were there before it. Then it looks into the other parts
//!    ([`Shared::find`]). If all are empty it calls the maker, without a lock.
//! 2. [`Pool::put`] puts a value into the thread's part, or into another one if that is full
//!    ([`Shared::keep`]).
//! 3. The first thread that uses a part after a cycle ages it ([`Values::age`]). The values become
//!    victims, and the victims before them are dropped, outside of the lock.
//! 4. A thread that the collector starts ages unused parts (`ageing`).
//!
//! Why victims: without them each cycle would empty the pool, and a program would make all values
//! anew. With them the pool keeps what was in use within the last cycle.
//! A part is locked for a few instructions, and never while a user's code runs. A thread uses the
//! part that its place names, by `try_lock`. If another thread holds the lock, it goes on to the
//! next part and stays there. So up to as many threads as there are parts do not contend. The
//! number of parts depends on the cores, not on the threads, so a thread that ends leaves its
//! values to others.

use crate::ageing::{Ageing, Ages, Sign};
use crate::api::Heap;
use crate::error::contain;
use crate::mutator::thread_token;
use crate::sync::{Arc, Mutex, Weak, thread_local};
use crate::word::Cycle;
use std::cell::Cell;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Parts for each core. More than one, since a thread that lost its core may hold a part.
const PARTS_PER_CORE: usize = 4;
/// Values that a pool keeps unless its maker says otherwise.
const LIMIT: usize = 1024;

thread_local! {
    /// This thread's part of every pool; none before its first use of a pool.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The calling thread's place. In destructors of a thread that ends it may be the place of another
/// thread.
fn place() -> usize {
    let known = PLACE.try_with(|place| match place.get() {
        Some(at) => at,
        None => {
            let first = thread_token() as usize;
            place.set(Some(first));
            first
        }
    });
    known.unwrap_or(0)
}

/// The values of a part.
struct Values<T> {
    /// The last cycle that the part has seen.
    seen: Cycle,
    /// Values put back since.
    fresh: Vec<T>,
    /// Values put back in the cycle before, and not used since.
    victims: Vec<T>,
}

impl<T> Values<T> {
    fn len(&self) -> usize {
        self.fresh.len() + self.victims.len()
    }
    /// Brings the part to the end of cycle `last`, and returns the values to drop.
    #[inline]
    fn age(&mut self, last: Cycle) -> Vec<T> {
        if last <= self.seen { Vec::new() } else { self.age_further(last) }
    }
    #[cold]
    fn age_further(&mut self, last: Cycle) -> Vec<T> {
        let passed = last.since(mem::replace(&mut self.seen, last));
        let mut old = mem::replace(&mut self.victims, mem::take(&mut self.fresh));
        if passed > 1 {
            old.append(&mut self.victims);
        }
        if old.is_empty() {
            // Reuses its memory.
            mem::swap(&mut self.fresh, &mut old);
        }
        old
    }
}

/// A part on a cache line of its own.
#[repr(align(64))]
struct Part<T>(Mutex<Values<T>>);

/// The state that all handles of a pool share.
struct Shared<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    parts: Box<[Part<T>]>,
    /// The number of values in each part, for readers without its lock.
    signs: Arc<[Sign]>,
    /// Values that a part keeps at most, victims included.
    capacity: usize,
    ageing: Arc<Ageing>,
}

/// The result of an operation on a part.
struct Done<R, T> {
    result: R,
    /// Values that have become too old. The caller drops them, outside of the lock.
    old: Vec<T>,
}

impl<T> Shared<T> {
    /// Ages part `at` and runs `f` on it, unless another thread uses it.
    #[inline]
    fn try_part<R>(&self, at: usize, f: impl FnOnce(&mut Values<T>) -> R) -> Option<Done<R, T>> {
        let mut values = self.parts[at].0.try_lock()?;
        let last = self.ageing.last();
        let is_first = last > values.seen;
        let old = values.age(last);
        let sign = &self.signs[at];
        if is_first {
            sign.saw(last);
            self.ageing.note_use();
        }
        let result = f(&mut values);
        sign.holds(values.len());
        Some(Done { result, old })
    }

    /// The index of the calling thread's part, then the others.
    fn order(&self) -> impl Iterator<Item = usize> {
        let (first, count) = (place(), self.parts.len());
        (0..count).map(move |i| (first + i) % count)
    }
    /// The calling thread met another thread in its part, and moves on to the next.
    #[cold]
    fn move_on() {
        // Without thread-locals there is no place to change.
        let _ = PLACE.try_with(|place| place.set(place.get().map(|at| at.wrapping_add(1))));
    }

    /// Takes a value for reuse, if there is one.
    #[inline]
    fn find(&self) -> Option<T> {
        for (nth, at) in self.order().enumerate() {
            if self.signs[at].held() == 0 {
                continue;
            }
            let take = |values: &mut Values<T>| values.fresh.pop().or_else(|| values.victims.pop());
            match self.try_part(at, take) {
                Some(Done { result: Some(value), old }) => {
                    drop(old);
                    return Some(value);
                }
                Some(_) => {}
                None if nth == 0 => Self::move_on(),
                None => {}
            }
        }
        None
    }

    /// Keeps `value`. Returns the value that it replaces, or `value` itself if there is no room.
    #[inline]
    fn keep(&self, value: T) -> Option<T> {
        let mut waits = Some(value);
        for (nth, at) in self.order().enumerate() {
            if nth > 0 && self.signs[at].held() >= self.capacity {
                continue;
            }
            let put = |values: &mut Values<T>| {
                let is_full = values.len() >= self.capacity;
                let goes = if is_full { values.victims.pop() } else { None };
                if !is_full || goes.is_some() {
                    values.fresh.extend(waits.take());
                }
                goes
            };
            match self.try_part(at, put) {
                Some(Done { result, old }) => {
                    drop(old);
                    if waits.is_none() {
                        return result;
                    }
                }
                None if nth == 0 => Self::move_on(),
                None => {}
            }
        }
        waits
    }
}

impl<T: Send> Ages for Shared<T> {
    fn age(&self, last: Cycle) {
        for (part, sign) in self.parts.iter().zip(&*self.signs) {
            let old = {
                let mut values = part.0.lock();
                let old = values.age(last);
                sign.saw(values.seen);
                sign.holds(values.len());
                old
            };
            old.into_iter().for_each(|value| _ = contain(|| drop(value)));
        }
    }
}

/// Values for reuse, such as buffers: [`get`](Self::get) takes one that was put back, or makes one.
/// A value that has not been used for two cycles is dropped, as in Go's `sync.Pool`.
///
/// The values are plain Rust values outside of the heap; the heap's cycles set the pace. So a
/// burst's buffers go when the burst is over, and a program in a steady state makes no buffers at
/// all. A pool is a handle, cheap to clone, `Send` and `Sync`, and works inside and outside of
/// `mutate`. A value may hold [`Root`](crate::Root)s, but no `Gc`. The pool does not keep the heap
/// alive. When the heap has ended, values do not age any more.
///
/// # When values are dropped
///
/// - A cycle turns values into *victims*. `get` finds them like the others, but the next cycle
///   drops those that are left.
/// - This happens at the first use of the pool after a cycle, on the thread that uses it. It
///   happens inside `get`, `take` or `put`, without a lock. A panic in a destructor passes through.
/// - A thread that runs only for this purpose drops the values of unused parts. It catches panics.
///   The collector's threads never drop a value, so a destructor may block.
/// - The heap needs cycles for this. A heap that rests has two, some seconds after the last use
///   ([`idle_after`](crate::HeapBuilder::idle_after)).
/// - Dropping the last handle drops all values.
///
/// # Cost
///
/// The threads share a few parts, each under a lock of its own. A thread keeps to one part as long
/// as no other thread meets it there. `get` and its end take some 40 ns together. A pool keeps at
/// most 1,024 values, or the number given to [`with_limit`](Self::with_limit). A value that finds
/// no room is dropped.
///
/// ```
/// use gc_core::{Heap, Pool};
/// let heap = Heap::new();
/// let buffers: Pool<Vec<u8>> = Pool::new(&heap, Vec::new);
/// let mut buffer = buffers.get(); // put back at its end
/// buffer.clear(); // it is as its last user left it
/// buffer.extend_from_slice(b"an answer");
/// let capacity = buffer.capacity();
/// drop(buffer);
/// assert_eq!(buffers.get().capacity(), capacity, "the same buffer again");
/// ```
pub struct Pool<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Pool { shared: self.shared.clone() }
    }
}

impl<T: Send + 'static> Pool<T> {
    /// An empty pool that ages with the cycles of `heap` and makes values by `make`.
    ///
    /// `make` is called without a lock, so it may use the pool. A panic in it passes through `get`
    /// and `take`.
    #[must_use]
    pub fn new(heap: &Heap, make: impl Fn() -> T + Send + Sync + 'static) -> Pool<T> {
        Pool::with_limit(heap, LIMIT, make)
    }

    /// The same for a pool that keeps at most `limit` values, victims included.
    ///
    /// ```
    /// use gc_core::{Heap, Pool};
    /// let buffers = Pool::with_limit(&Heap::new(), 2, || vec![0u8; 1 << 20]);
    /// let taken: Vec<_> = (0..3).map(|_| buffers.get()).collect();
    /// drop(taken);
    /// assert_eq!(buffers.len(), 2);
    /// ```
    #[must_use]
    pub fn with_limit(
        heap: &Heap,
        limit: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Pool<T> {
        let core = heap.core();
        let ageing = core.ageing.clone();
        let count = (core.config.cores * PARTS_PER_CORE).min(limit).max(1);
        let seen = ageing.last();
        let empty = || Values { seen, fresh: Vec::new(), victims: Vec::new() };
        let sign = || {
            let sign = Sign::default();
            sign.saw(seen);
            sign
        };
        let signs: Arc<[Sign]> = (0..count).map(|_| sign()).collect();
        let shared = Arc::new(Shared {
            make: Box::new(make),
            parts: (0..count).map(|_| Part(Mutex::new(empty()))).collect(),
            signs: signs.clone(),
            capacity: limit / count,
            ageing,
        });
        let cache: Weak<dyn Ages> = Arc::<Shared<T>>::downgrade(&shared);
        shared.ageing.register(cache, signs);
        Pool { shared }
    }
}

impl<T> Pool<T> {
    /// Returns a value that was put back, or a new one. The value goes back when the guard is
    /// dropped.
    ///
    /// A guard that a panic drops does not put its value back, because the value may be half
    /// changed.
    #[must_use = "a guard puts its value back at once if it is not kept"]
    pub fn get(&self) -> PoolGuard<'_, T> {
        PoolGuard { pool: self, value: Some(self.take()) }
    }
    /// The same without a guard: the value is the caller's, which may [`put`](Self::put) it back.
    ///
    /// ```
    /// use gc_core::{Heap, Pool};
    /// let pool: Pool<String> = Pool::new(&Heap::new(), String::new);
    /// pool.put(String::from("used"));
    /// assert_eq!((pool.take(), pool.take()), (String::from("used"), String::new()));
    /// ```
    #[must_use]
    pub fn take(&self) -> T {
        self.shared.find().unwrap_or_else(|| (self.shared.make)())
    }
    /// Keeps `value` for a later `get` or `take` on any thread. Drops it if the pool is full.
    pub fn put(&self, value: T) {
        drop(self.shared.keep(value));
    }
    /// Drops all values on the calling thread.
    ///
    /// ```
    /// use gc_core::{Heap, Pool};
    /// let pool = Pool::new(&Heap::new(), Vec::<u8>::new);
    /// pool.put(vec![1, 2]);
    /// assert!(!pool.is_empty());
    /// pool.clear();
    /// assert_eq!(pool.len(), 0);
    /// ```
    pub fn clear(&self) {
        for (part, sign) in self.shared.parts.iter().zip(&*self.shared.signs) {
            let values = {
                let mut values = part.0.lock();
                sign.holds(0);
                (mem::take(&mut values.fresh), mem::take(&mut values.victims))
            };
            drop(values);
        }
    }
    /// The number of values that wait for reuse; a moment old where other threads use the pool.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.signs.iter().map(Sign::held).sum()
    }
    /// Returns whether no value waits for reuse.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("len", &self.len()).finish_non_exhaustive()
    }
}

// A panic leaves the parts intact: no user's code runs while one is locked.
impl<T> UnwindSafe for Pool<T> {}
impl<T> RefUnwindSafe for Pool<T> {}

/// A value of a [`Pool`], put back when the guard is dropped. From [`Pool::get`].
///
/// ```
/// use gc_core::{Heap, Pool, PoolGuard};
/// let pool = Pool::new(&Heap::new(), String::new);
/// let mut text: PoolGuard<'_, String> = pool.get();
/// text.push_str("lent");
/// drop(text);
/// assert_eq!(pool.take(), "lent");
/// ```
pub struct PoolGuard<'a, T> {
    pool: &'a Pool<T>,
    /// `None` only while the guard is dropped.
    value: Option<T>,
}

impl<T> PoolGuard<'_, T> {
    /// Takes the value out for good. Not a method, because the value may have one of that name.
    ///
    /// ```
    /// use gc_core::{Heap, Pool, PoolGuard};
    /// let pool = Pool::new(&Heap::new(), || vec![1, 2, 3]);
    /// let kept: Vec<i32> = PoolGuard::into_inner(pool.get());
    /// assert!(pool.is_empty() && kept.len() == 3);
    /// ```
    #[must_use]
    pub fn into_inner(mut guard: Self) -> T {
        guard.value.take().expect("a guard has its value")
    }
}

impl<T> Deref for PoolGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value")
    }
}
impl<T> DerefMut for PoolGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value")
    }
}

impl<T> Drop for PoolGuard<'_, T> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        if !std::thread::panicking() {
            self.pool.put(value);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
