//! [`Pool`] from outside: which values are reused, which ones cycles drop, and on which thread.

use gc_core::{CollectError, Gc, Heap, Pool, PoolGuard};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what happens on another thread.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    /// The names of the threads on which values were dropped.
    dropped: Mutex<Vec<String>>,
}

impl Counts {
    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
    fn dropped(&self) -> usize {
        self.dropped.lock().unwrap().len()
    }
}

/// A value that counts itself.
struct Value {
    number: usize,
    in_use: AtomicBool,
    counts: Arc<Counts>,
}

impl Drop for Value {
    fn drop(&mut self) {
        let thread = thread::current();
        self.counts.dropped.lock().unwrap().push(thread.name().unwrap_or("?").to_string());
    }
}

fn pool_of(heap: &Heap, limit: usize) -> (Pool<Value>, Arc<Counts>) {
    let counts = Arc::<Counts>::default();
    let own = counts.clone();
    let make = move || Value {
        number: own.made.fetch_add(1, Ordering::Relaxed),
        in_use: AtomicBool::new(false),
        counts: own.clone(),
    };
    (Pool::with_limit(heap, limit, make), counts)
}

/// A heap that runs no cycle by itself: a test counts them.
fn quiet() -> Heap {
    Heap::builder().idle_after(Duration::MAX).build().unwrap()
}

/// Waits until `is_so`.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_put_back_is_used_again() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 100);
    for _ in 0..10 {
        assert_eq!(pool.get().number, 0);
    }
    let (a, b) = (pool.take(), pool.take());
    assert_eq!((a.number, b.number, pool.len()), (0, 1, 0));
    pool.put(a);
    pool.put(b);
    assert_eq!((pool.len(), pool.is_empty(), counts.made(), counts.dropped()), (2, false, 2, 0));
    drop(PoolGuard::into_inner(pool.get()));
    assert_eq!((pool.len(), counts.dropped()), (1, 1), "it was taken out for good");
    drop(pool.clone());
    assert_eq!(counts.dropped(), 1, "another handle is left");
    drop(pool);
    assert_eq!(counts.dropped(), 2);
}

#[test]
fn values_in_use_survive_every_cycle() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 100);
    drop(pool.get());
    for _ in 0..10 {
        heap.collect().unwrap();
        assert_eq!(pool.get().number, 0, "a victim that is used is none");
    }
    assert_eq!((counts.made(), counts.dropped()), (1, 0));
}

#[test]
fn a_victim_is_dropped_by_the_first_use_after_the_next_cycle() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 100);
    drop((pool.get(), pool.get(), pool.get()));
    heap.collect().unwrap();
    assert_eq!(pool.len(), 3, "one cycle drops nothing");
    // One of three is used, so two are too old after another cycle.
    let used = pool.get().number;
    heap.collect().unwrap();
    assert_eq!((pool.len(), counts.dropped()), (3, 0), "the pool was not used since");
    let next = pool.take().number;
    let here = thread::current().name().unwrap_or("?").to_string();
    assert_eq!((next, pool.len()), (used, 0));
    assert_eq!(counts.dropped.lock().unwrap()[..2], [here.clone(), here]);
}

#[test]
fn a_pool_that_nobody_uses_is_emptied_beside_the_collector() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 100);
    drop([pool.get(), pool.get()]);
    thread::scope(|s| {
        // Another thread's part, perhaps.
        s.spawn(|| drop([pool.get(), pool.get(), pool.get()]));
    });
    let made = counts.made();
    heap.collect().unwrap();
    heap.collect().unwrap();
    wait_for("it is emptied", || counts.dropped() == made);
    assert_eq!(pool.len(), 0);
    assert!(counts.dropped.lock().unwrap().iter().all(|name| name == "gc-pool"));
    // And again: the thread of the first time has ended.
    drop(pool.get());
    heap.collect().unwrap();
    assert_eq!(pool.len(), 1);
    heap.collect().unwrap();
    wait_for("it is emptied again", || counts.dropped() == made + 1);
}

#[test]
fn a_heap_at_rest_empties_its_pools() {
    let heap = Heap::builder().idle_after(Duration::from_millis(20)).build().unwrap();
    let (pool, counts) = pool_of(&heap, 100);
    // Late, so that the cycles for the heap's own beginning are over.
    thread::sleep(Duration::from_millis(200));
    drop(pool.get());
    wait_for("no thread calls anything", || counts.dropped() == 1);
}

/// Waits in its destructor until it is told to go on, and says what `collect` returned there.
struct Blocks {
    go_on: Receiver<()>,
    heap: Heap,
    says: Sender<Result<(), CollectError>>,
}
impl Drop for Blocks {
    fn drop(&mut self) {
        let _ = self.go_on.recv();
        let _ = self.says.send(self.heap.collect());
    }
}

#[test]
fn a_destructor_that_blocks_stops_no_cycle() {
    let heap = quiet();
    let ((go, go_on), (says, said)) = (channel(), channel());
    let value = Mutex::new(Some(Blocks { go_on, heap: heap.clone(), says }));
    let pool = Pool::new(&heap, move || value.lock().unwrap().take().expect("it is made once"));
    drop(pool.get());
    // The third one and those after it run beside the destructor.
    for _ in 0..5 {
        heap.collect().unwrap();
    }
    let (other, counts) = pool_of(&heap, 100);
    drop(other.get());
    heap.collect().unwrap();
    heap.collect().unwrap();
    assert!(said.try_recv().is_err(), "it is still there");
    assert_eq!(counts.dropped(), 0, "one thread empties a heap's pools");
    go.send(()).unwrap();
    assert_eq!(said.recv_timeout(PATIENCE), Ok(Ok(())), "a destructor may ask for a cycle");
    wait_for("the other pool has its turn", || {
        heap.collect().unwrap();
        counts.dropped() == 1
    });
}

struct Panics(Arc<AtomicUsize>);
impl Drop for Panics {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a destructor of the test panics");
    }
}

#[test]
fn panics_in_destructors_lose_no_value() {
    let heap = quiet();
    let drops = Arc::<AtomicUsize>::default();
    let own = drops.clone();
    let pool = Pool::new(&heap, move || Panics(own.clone()));
    let values: Vec<_> = (0..3).map(|_| pool.get()).collect();
    drop(values);
    heap.collect().unwrap();
    heap.collect().unwrap();
    wait_for("each is dropped", || drops.load(Ordering::Relaxed) == 3);
    pool.put(pool.take());
    let cleared = catch_unwind(AssertUnwindSafe(|| pool.clear()));
    assert!(cleared.is_err(), "where the caller drops, the caller sees the panic");
    assert_eq!((drops.load(Ordering::Relaxed), pool.len()), (4, 0));
    std::mem::forget(pool.take());
}

#[test]
fn a_panic_in_the_maker_passes_through() {
    let heap = quiet();
    let fails = Arc::new(AtomicBool::new(true));
    let own = fails.clone();
    let pool = Pool::new(&heap, move || {
        assert!(!own.load(Ordering::Relaxed), "the maker fails");
        7
    });
    assert!(catch_unwind(|| pool.take()).is_err());
    assert!(catch_unwind(|| *pool.get()).is_err());
    fails.store(false, Ordering::Relaxed);
    assert_eq!(*pool.get(), 7);
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_value_that_a_panic_lets_go_of_is_not_used_again() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 100);
    let result = catch_unwind(|| {
        let _value = pool.get();
        panic!("with a value in use");
    });
    assert!(result.is_err());
    assert_eq!((pool.len(), counts.dropped()), (0, 1));
    assert_eq!(pool.get().number, 1);
}

#[test]
fn a_pool_keeps_no_more_than_its_limit() {
    let heap = quiet();
    for limit in [0, 1, 2, 3, 64, 1000] {
        let (pool, counts) = pool_of(&heap, limit);
        let values: Vec<_> = (0..1100).map(|_| pool.take()).collect();
        values.into_iter().for_each(|value| pool.put(value));
        // The limit is divided into equal parts.
        let least = if limit <= 3 { limit } else { limit / 2 };
        assert!(pool.len() <= limit && pool.len() >= least, "{} of {limit}", pool.len());
        assert_eq!(pool.len() + counts.dropped(), 1100);
        pool.clear();
        assert_eq!((pool.len(), counts.dropped()), (0, 1100));
    }
}

#[test]
fn at_the_limit_a_new_value_takes_a_victims_place() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 1);
    drop(pool.get());
    heap.collect().unwrap();
    let old = pool.take();
    let new = pool.take();
    pool.put(old);
    pool.put(new);
    assert_eq!((counts.dropped(), pool.len()), (1, 1), "both are fresh: the second one goes");
    heap.collect().unwrap();
    let other = Value { number: 99, in_use: AtomicBool::new(false), counts: counts.clone() };
    pool.put(other);
    assert_eq!((pool.len(), counts.dropped()), (1, 2));
    assert_eq!(pool.get().number, 99, "the victim goes for it");
}

#[test]
fn threads_never_share_a_value_and_lose_none() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 64);
    let done = AtomicBool::new(false);
    thread::scope(|s| {
        let users: Vec<_> = (0..12)
            .map(|user: usize| {
                let (pool, heap) = (pool.clone(), &heap);
                s.spawn(move || {
                    for i in 0..if cfg!(miri) { 20 } else { 3000 } {
                        let values: Vec<_> = (0..1 + (i + user) % 5).map(|_| pool.take()).collect();
                        for value in &values {
                            assert!(!value.in_use.swap(true, Ordering::Relaxed), "two have it");
                        }
                        heap.mutate(|mc| _ = Gc::new(mc, i));
                        for value in values {
                            value.in_use.store(false, Ordering::Relaxed);
                            pool.put(value);
                        }
                    }
                })
            })
            .collect();
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                heap.collect().unwrap();
            }
        });
        users.into_iter().for_each(|user| user.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    assert!(pool.len() <= 64);
    pool.clear();
    // A thread that empties the pool may still have some.
    wait_for("every value is dropped once", || counts.dropped() == counts.made());
    drop(pool);
    assert_eq!(counts.dropped(), counts.made());
}

#[test]
fn a_thread_that_ends_leaves_its_values_to_the_others() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 1000);
    for _ in 0..100 {
        thread::scope(|s| {
            s.spawn(|| drop(pool.get()));
        });
    }
    assert_eq!((counts.made(), counts.dropped(), pool.len()), (1, 0, 1));
}

#[test]
fn a_pool_works_in_pins_and_in_its_own_maker_and_destructors() {
    let heap = quiet();
    let buffers: Pool<Vec<u8>> = Pool::new(&heap, Vec::new);
    heap.mutate(|mc| {
        let mut buffer = buffers.get();
        buffer.extend_from_slice(b"text");
        let text = Gc::from_slice(mc, &buffer);
        heap.mutate(|_| assert_eq!(*buffers.get(), b""));
        assert_eq!(&*text, b"text");
    });
    let inner = buffers.clone();
    let outer: Pool<Vec<u8>> = Pool::new(&heap, move || inner.take());
    assert_eq!(outer.take().len() + outer.take().len(), 4);

    /// Gives its buffer to a pool as it is dropped.
    struct Gives(Pool<Vec<u8>>);
    impl Drop for Gives {
        fn drop(&mut self) {
            self.0.put(b"from a destructor".to_vec());
        }
    }
    let to = buffers.clone();
    let givers = Pool::new(&heap, move || Gives(to.clone()));
    drop([givers.get(), givers.get()]);
    heap.collect().unwrap();
    let _one = givers.take();
    heap.collect().unwrap();
    drop(givers.get());
    heap.collect().unwrap();
    givers.clear();
    assert!(!buffers.is_empty());
}

#[test]
fn a_pool_outlives_its_heap() {
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 10);
    drop(pool.get());
    drop(heap);
    assert_eq!(pool.get().number, 0);
    assert_eq!((pool.len(), counts.dropped()), (1, 0));
    drop(pool);
    assert_eq!(counts.dropped(), 1);
}

#[test]
fn a_destructor_of_a_thread_local_may_use_a_pool() {
    struct Last(Pool<Value>);
    impl Drop for Last {
        fn drop(&mut self) {
            drop(self.0.get());
        }
    }
    thread_local!(static LAST: std::cell::RefCell<Option<Last>> = const {
        std::cell::RefCell::new(None)
    });
    let heap = quiet();
    let (pool, counts) = pool_of(&heap, 10);
    thread::scope(|s| {
        let thread = s.spawn(|| LAST.set(Some(Last(pool.clone()))));
        thread.join().unwrap();
    });
    assert_eq!((counts.made(), pool.len()), (1, 1));
}

#[test]
fn handles_go_everywhere() {
    fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + Clone + 'static>(_: &T) {}
    fn sent<T: Send>(_: T) {}
    let heap = quiet();
    // The content need not be `Sync`.
    let pool = Pool::new(&heap, || std::cell::Cell::new(1));
    everywhere(&pool);
    sent(pool.get());
    assert_eq!(format!("{pool:?}"), "Pool { len: 1, .. }");
    assert_eq!(format!("{:?}", pool.get()), "Cell { value: 1 }");
}
