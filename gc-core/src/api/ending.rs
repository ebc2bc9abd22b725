#![forbid(unsafe_code)]
//! Waiting for destructors, running them on a thread of the program's, and the three ways in which
//! a heap ends.
//!
//! 1. [`Heap::drain_drops`] waits for the destructors of objects that were found dead.
//! 2. [`HeapBuilder::build_with_drop_queue`] gives the program a [`DropQueue`], which it drains
//!    itself.
//! 3. [`HeapBuilder::stack_size`] sets the stacks on which a heap's threads run users' code.
//! 4. A heap ends with its last handle (a bounded wait), in order ([`Heap::shutdown`]), or fast
//!    ([`Heap::leak`]).

use super::builder::HeapBuilder;
use super::heap::Heap;
use crate::collector::dropper;
use crate::error::{ConfigError, DropsPending, ShutdownError};
use crate::mutator::Core;
use crate::sync::{Arc, Backoff};
use std::fmt;
use std::time::{Duration, Instant};

impl Heap {
    /// Waits until the destructors of all objects that were found dead before this call have run,
    /// for at most `timeout`.
    ///
    /// A cycle finds dead objects and waits for no destructor. Destructors run on a thread of their
    /// own, or where a [`DropQueue`] is drained. So after [`collect`](Self::collect) and this call,
    /// every object that was unreachable is dropped. Costs a lock if nothing waits.
    ///
    /// # Errors
    ///
    /// The number of objects that still wait when the time is over. Inside a destructor it does not
    /// wait at all, since it would wait for itself. Inside [`mutate`](Self::mutate) it waits, and
    /// the collector's cycle waits for the `mutate`.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// let heap = Heap::new();
    /// let shared = Arc::new(7);
    /// heap.mutate(|mc| { Gc::new(mc, shared.clone()); });
    /// heap.collect()?;
    /// heap.drain_drops(Duration::from_secs(10))?;
    /// assert_eq!(Arc::strong_count(&shared), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_drops(&self, timeout: Duration) -> Result<(), DropsPending> {
        let core = &self.inner.core;
        // After a fork there is no thread to wait for.
        let is_drained = !core.control.is_orphaned() && core.drops.drain(timeout);
        if is_drained { Ok(()) } else { Err(pending(core)) }
    }

    /// Ends the heap in order, within `timeout`. Waits until this is the last handle, ends the
    /// collector, and waits until every object that is left is dropped.
    ///
    /// Use `shutdown` where the end of the heap must be complete and may take time, such as in a
    /// server that stops. Use [`leak`](Self::leak) where the process ends anyway. Elsewhere drop
    /// the last handle, which waits for a moment and then lets destructors go on by themselves.
    /// `leak` never blocks; the other two may. On a worker of an async runtime, call `shutdown`
    /// where blocking is allowed (`spawn_blocking`).
    ///
    /// With a [`DropQueue`] it does not wait for the objects in the queue: drain the queue, or drop
    /// it.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::InUse`] if there are other handles when the time is over
    /// ([`Mutator`](crate::Mutator)s count): the heap goes on. [`ShutdownError::Pending`] if
    /// destructors still wait or run. Then the heap has ended, and they go on by themselves. Inside
    /// a destructor it does not wait.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// use std::time::Duration;
    /// let heap = Heap::new();
    /// heap.mutate(|mc| { Gc::new(mc, String::from("left")); });
    /// heap.shutdown(Duration::from_secs(10))?;
    /// # Ok::<(), gc_core::ShutdownError>(())
    /// ```
    pub fn shutdown(self, timeout: Duration) -> Result<(), ShutdownError> {
        let begin = Instant::now();
        let mut backoff = Backoff::new();
        let mut inner = self.inner;
        let inner = loop {
            let handles = Arc::strong_count(&inner);
            inner = match Arc::try_unwrap(inner) {
                Ok(last) => break last,
                Err(shared) => shared,
            };
            if begin.elapsed() >= timeout {
                return Err(ShutdownError::InUse { handles: handles.saturating_sub(1).max(1) });
            }
            backoff.wait();
        };
        if inner.core.control.is_orphaned() || inner.end(timeout.saturating_sub(begin.elapsed())) {
            return Ok(());
        }
        Err(ShutdownError::Pending(pending(&inner.core)))
    }

    /// Ends the heap fast: no destructor begins from now on, and its memory is left to the end of
    /// the process. It waits for nothing.
    ///
    /// For the end of a process, where destructors of heap objects have no work left. The collector
    /// ends with the last handle. Until then the heap goes on, without destructors: dead objects
    /// with destructors stay and take memory.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// struct Never;
    /// impl Drop for Never { fn drop(&mut self) { unreachable!() } }
    /// # unsafe impl<'gc> gc_core::Trace<'gc> for Never {
    /// #     const NEEDS_TRACE: bool = false;
    /// #     fn trace(&self, _: &mut gc_core::Tracer<'gc>) {}
    /// # }
    /// let heap = Heap::new();
    /// heap.mutate(|mc| { Gc::new(mc, Never); });
    /// heap.leak();
    /// ```
    pub fn leak(self) {
        let core = &self.inner.core;
        if !core.control.is_orphaned() {
            core.drops.leak();
        }
        // A root, a thread's table and a queue may outlive the handles; this reference outlives all
        // of them.
        std::mem::forget(core.clone());
    }
}

impl HeapBuilder {
    /// Stack size of each collector thread in bytes (8 MiB). `trace` runs there. It recurses a
    /// bounded number of times through containers (`Box`, `Vec`, maps), so only own types that nest
    /// deeply need more. At least 128 KiB.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = gc_core::Heap::builder().stack_size(1 << 20).end_timeout(Duration::ZERO);
    /// let heap = builder.build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = bytes;
        self
    }
    /// Stack size of the drop thread in bytes (64 MiB of address space; the system gives memory as
    /// it is used). Rust's drop glue recurses. A list of 100,000 boxes in one object takes 5 MiB of
    /// stack, and some 30 MiB without optimisation. On overflow the process ends with a message
    /// that names the thread, `gc-drop`. Where all memory is locked (`mlockall`) the whole stack is
    /// resident, so make it smaller there. At least 128 KiB.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().drop_stack_size(256 << 20).build()?;
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn drop_stack_size(mut self, bytes: usize) -> Self {
        self.config.drop_stack_size = bytes;
        self
    }
    /// How long the drop of the heap's last handle waits for the destructors of what is left (5 s).
    /// After that they go on by themselves, until the process ends. With [`Duration::ZERO`] the
    /// drop does not wait.
    pub fn end_timeout(mut self, time: Duration) -> Self {
        self.config.end_timeout = time;
        self
    }

    /// Makes the heap as [`build`](Self::build) does, and gives the program the queue of its dead
    /// objects. Destructors of the heap's objects run only where the program drains the queue.
    ///
    /// For objects that must be dropped on a certain thread, such as handles of a graphics context
    /// or of a user interface.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build).
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let (heap, mut drops) = Heap::builder().build_with_drop_queue()?;
    /// heap.mutate(|mc| { Gc::new(mc, String::from("texture")); });
    /// heap.collect().unwrap();
    /// assert_eq!(drops.len(), 1);
    /// assert_eq!(drops.run_pending(usize::MAX), 1); // on this thread
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn build_with_drop_queue(self) -> Result<(Heap, DropQueue), ConfigError> {
        let heap = self.build()?;
        let core = heap.inner.core.clone();
        core.drops.own(None);
        Ok((heap, DropQueue { core }))
    }
}

/// The dead objects of a heap whose destructors the program runs itself, on the thread that has the
/// queue. From [`HeapBuilder::build_with_drop_queue`].
///
/// `Send`: make the heap anywhere, and move the queue to the thread on which objects must be
/// dropped. The queue keeps the heap's memory, but not the heap. When the heap ends, the queue
/// holds every object that was left.
///
/// When the queue of a heap that has ended is dropped, its objects are dropped with it, on that
/// thread. If the heap lives on, the heap's own drop thread drops what waits then and later.
///
/// Deep drop glue (a long list of boxes in one object) may overflow a small stack here, as anywhere
/// on this thread.
///
/// ```
/// use gc_core::{DropQueue, Gc, Heap};
/// let (heap, mut drops): (Heap, DropQueue) = Heap::builder().build_with_drop_queue()?;
/// heap.mutate(|mc| (0..3).for_each(|i| _ = Gc::new(mc, vec![i])));
/// heap.collect().unwrap();
/// while !drops.is_empty() {
///     drops.run_pending(2);
/// }
/// assert_eq!(drops.len(), 0);
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
pub struct DropQueue {
    core: Arc<Core>,
}

impl fmt::Debug for DropQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropQueue").field("len", &self.len()).finish()
    }
}

impl DropQueue {
    /// Drops up to `max` waiting objects, and returns their number: less than `max` if no more
    /// waited.
    ///
    /// Panics of destructors are caught and counted
    /// ([`Stats::drop_panics`](crate::Stats::drop_panics)). A destructor may call
    /// [`Heap::collect`]; it has no access to the queue. In the child of a `fork` nothing is
    /// dropped.
    ///
    /// ```
    /// # let (heap, mut drops) = gc_core::Heap::builder().build_with_drop_queue()?;
    /// // Once a frame, a bounded piece of work.
    /// let dropped = drops.run_pending(1000);
    /// # assert_eq!(dropped, 0);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn run_pending(&mut self, max: usize) -> usize {
        if self.core.control.is_orphaned() {
            return 0;
        }
        let dropped = dropper::drop_here(&self.core, max as u64);
        if dropped > 0 && self.core.drops.is_over() {
            self.core.release_all();
        }
        dropped as usize
    }

    /// The number of objects that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.drops.objects() as usize
    }
    /// Returns whether no object waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the queue has an object, for at most `timeout`. Returns whether it has one.
    /// Returns early when the heap has ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let (heap, mut drops) = gc_core::Heap::builder().build_with_drop_queue()?;
    /// let dropper = std::thread::Builder::new().spawn(move || {
    ///     while drops.wait(Duration::MAX) {
    ///         drops.run_pending(usize::MAX);
    ///     }
    /// });
    /// # drop(heap);
    /// # dropper.unwrap().join().unwrap();
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn wait(&mut self, timeout: Duration) -> bool {
        self.core.drops.wait_for(timeout)
    }

    /// Calls `tell` when an object comes into the empty queue, for example to wake an event loop.
    /// The loop then calls [`run_pending`](Self::run_pending) until that drops less than `max`. A
    /// new `tell` replaces the one before, and is called at once if an object waits already.
    ///
    /// `tell` runs on the collector's thread, inside a cycle, so it must be short. It cannot drain
    /// the queue. A panic in it is caught.
    ///
    /// ```
    /// # let (heap, mut drops) = gc_core::Heap::builder().build_with_drop_queue()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// drops.on_ready(move || { let _ = tell.send(()); });
    /// heap.mutate(|mc| { gc_core::Gc::new(mc, String::from("dead")); });
    /// heap.collect().unwrap();
    /// assert!(told.try_recv().is_ok());
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn on_ready(&mut self, tell: impl Fn() + Send + Sync + 'static) {
        let tell = Arc::new(tell);
        if self.core.drops.own(Some(tell.clone())) {
            tell();
        }
    }
}

impl Drop for DropQueue {
    fn drop(&mut self) {
        if !self.core.control.is_orphaned() {
            dropper::disown(&self.core);
        }
    }
}

/// What waits in a heap's queue.
fn pending(core: &Core) -> DropsPending {
    let waiting = core.drops.waiting();
    DropsPending { objects: waiting.objects, bytes: waiting.bytes, running: waiting.running }
}
