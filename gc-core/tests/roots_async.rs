//! Roots in tasks: held across `.await`, moved between worker threads, dropped by a runtime that
//! ends.
//!
//! Half of the test is that these futures compile: each is spawned, so it must be `Send` and
//! `'static`.

#![forbid(unsafe_code)]
#![cfg(not(any(loom, shuttle, miri)))]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    CollectError, Ephemeron, Family, Gc, GcCell, GcRefCell, GcWeak, Heap, Managed, Mutation, Root,
    Trace, rootable_dyn, unsize,
};
use settle::Settle;
use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_time().build().unwrap()
}

/// A small goal, so that the collector runs all the time.
fn heap() -> Heap {
    Heap::builder().min_heap(64 << 10).build().unwrap()
}

fn node<'gc>(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Node<'gc>> {
    let tail = Gc::new(mc, Node { next: GcCell::new(None), value: value + 1 });
    Gc::new(mc, Node { next: GcCell::new(Some(tail)), value })
}

/// The sum of a list, if what is reachable was kept.
fn sum(heap: &Heap, root: &Root<Node<'static>>) -> u64 {
    heap.mutate(|mc| {
        let first = root.get(mc);
        first.value + first.next.get().map_or(0, |next| next.value)
    })
}

/// A link of a list.
#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
    value: u64,
}

/// Counts its drops.
#[derive(Trace)]
struct Canary(Arc<AtomicU64>);
impl Drop for Canary {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

trait Shape<'gc> {
    fn area(&self) -> u64;
}
rootable_dyn!(Shape<'gc>);
impl<'gc> Shape<'gc> for Node<'gc> {
    fn area(&self) -> u64 {
        self.value
    }
}

#[derive(Trace)]
struct Pair<'gc, T> {
    value: T,
    name: Gc<'gc, str>,
}

/// A struct of the user's, generic over what it keeps, with a `Drop` of its own.
struct Session<T: Managed> {
    root: Root<T>,
    seen: Vec<Root<Pair<'static, T>>>,
    ended: Arc<Mutex<u32>>,
}
impl<T: Managed> Drop for Session<T> {
    fn drop(&mut self) {
        *self.ended.lock().unwrap() += 1 + self.seen.len() as u32;
    }
}

enum Parsed {
    Tree(Result<Root<Node<'static>>, Root<str>>),
    Many(Vec<Root<Node<'static>>>),
}

type Roots = (
    Root<Node<'static>>,
    Root<str>,
    Root<dyn Shape<'static>>,
    Root<GcWeak<'static, Node<'static>>>,
    Root<Ephemeron<'static, Node<'static>, str>>,
);

#[test]
fn every_kind_of_root_goes_across_an_await() {
    let (heap, ended) = (heap(), Arc::new(Mutex::new(0)));
    let task = {
        let (heap, ended) = (heap.clone(), ended.clone());
        async move {
            let (list, text, shape, weak, pair): Roots = heap.mutate(|mc| {
                let list = node(mc, 1);
                let weak = Gc::new(mc, Gc::downgrade(list, mc));
                let text = Gc::from_str(mc, "text");
                let pair = Gc::new(mc, Ephemeron::new(mc, list, text));
                (
                    Gc::root(list, mc),
                    Gc::root(text, mc),
                    Gc::root(unsize!(list => dyn Shape<'_> + '_), mc),
                    Gc::root(weak, mc),
                    Gc::root(pair, mc),
                )
            });
            let slice: Root<[GcCell<'static, Node<'static>>]> = heap.mutate(|mc| {
                let cell = |i: u32| GcCell::new(Some(node(mc, i.into())));
                Gc::root(Gc::from_iter_in(mc, (0..3).map(cell)), mc)
            });
            let parsed = [
                Parsed::Tree(Ok(list.clone())),
                Parsed::Tree(Err(text.clone())),
                Parsed::Many(vec![list.clone(); 3]),
            ];
            let session = Session {
                root: list.clone(),
                seen: vec![heap.mutate(|mc| {
                    let name = Gc::from_str(mc, "pair");
                    Gc::root(
                        Gc::new(
                            mc,
                            Pair { value: Node { next: GcCell::new(None), value: 4 }, name },
                        ),
                        mc,
                    )
                })],
                ended,
            };
            yield_now().await;
            let (inside, after) = (heap.clone(), heap.clone());
            tokio::task::spawn_blocking(move || inside.collect()).await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            after.mutate(|mc| {
                assert_eq!(&*text.get(mc), "text");
                assert_eq!(shape.get(mc).area(), 1);
                assert!(weak.get(mc).upgrade(mc).is_some_and(|node| node.value == 1));
                assert!(pair.get(mc).value(mc).is_some_and(|value| &*value == "text"));
                assert_eq!(slice.get(mc)[2].get().map(|node| node.value), Some(2));
                assert_eq!(session.root.get(mc).value, 1);
                let seen = session.seen[0].get(mc);
                assert_eq!((seen.value.value, &*seen.name), (4, "pair"));
            });
            parsed.iter().map(|parsed| count(&after, parsed)).sum::<u64>()
        }
    };
    let runtime = runtime(2);
    assert_eq!(runtime.block_on(async { tokio::spawn(task).await.unwrap() }), 3 + 4 + 9);
    assert_eq!(*ended.lock().unwrap(), 2);
}

fn count(heap: &Heap, parsed: &Parsed) -> u64 {
    match parsed {
        Parsed::Tree(Ok(root)) => sum(heap, root),
        Parsed::Tree(Err(text)) => heap.mutate(|mc| text.get(mc).len() as u64),
        Parsed::Many(roots) => roots.iter().map(|root| sum(heap, root)).sum(),
    }
}

/// A generic function of the user's: one bound, and a root across an await.
async fn after_a_while<T>(heap: Heap, root: Root<T>) -> (Root<T>, usize)
where
    T: Family + ?Sized,
{
    yield_now().await;
    let address = heap.mutate(|mc| Gc::as_ptr(root.get(mc)).cast::<u8>().addr());
    yield_now().await;
    (root, address)
}

#[test]
fn generic_functions_hold_roots_across_an_await() {
    let heap = heap();
    let (list, text): (Root<Node<'static>>, Root<str>) =
        heap.mutate(|mc| (Gc::root(node(mc, 7), mc), Gc::root(Gc::from_str(mc, "x"), mc)));
    runtime(2).block_on(async {
        let list = tokio::spawn(after_a_while(heap.clone(), list)).await.unwrap();
        let text = tokio::spawn(after_a_while(heap.clone(), text)).await.unwrap();
        heap.mutate(|mc| {
            assert_eq!(Gc::as_ptr(list.0.get(mc)).addr(), list.1, "objects do not move");
            assert_eq!(Gc::as_ptr(text.0.get(mc)).cast::<u8>().addr(), text.1);
        });
    });
}

#[test]
fn roots_migrate_between_workers() {
    let (heap, runtime) = (heap(), runtime(4));
    let threads = Arc::new(Mutex::new(HashSet::<(u64, ThreadId)>::new()));
    let total = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..16 {
            let (heap, threads) = (heap.clone(), threads.clone());
            tasks.spawn(async move {
                let mut root: Root<Node<'static>> =
                    heap.mutate(|mc| Gc::root(node(mc, 10 * task), mc));
                for _ in 0..200 {
                    threads.lock().unwrap().insert((task, std::thread::current().id()));
                    // Another object for the old one, and garbage.
                    root = heap.mutate(|mc| {
                        let old = root.get(mc);
                        (0..20).for_each(|i| _ = node(mc, i));
                        let new = Node { next: GcCell::new(old.next.get()), value: old.value };
                        Gc::root(Gc::new(mc, new), mc)
                    });
                    yield_now().await;
                }
                sum(&heap, &root)
            });
        }
        let mut total = 0;
        while let Some(sum) = tasks.join_next().await {
            total += sum.unwrap();
        }
        total
    });
    assert_eq!(total, (0..16).map(|task| 20 * task + 1).sum::<u64>());
    let threads = threads.lock().unwrap();
    let moved = |task| threads.iter().filter(|(t, _)| *t == task).count() > 1;
    assert!((0..16).any(moved), "no task was run by two workers: {threads:?}");
    drop(runtime);
    heap.settle();
    assert_eq!(heap.stats().live_objects, 0, "the last root went with its task");
}

#[test]
fn roots_go_through_channels() {
    let (heap, runtime) = (heap(), runtime(3));
    let sum = runtime.block_on(async {
        let (send, mut receive) = mpsc::channel::<Root<Node<'static>>>(4);
        for producer in 0..3 {
            let (heap, send) = (heap.clone(), send.clone());
            tokio::spawn(async move {
                for i in 0..100 {
                    let root = heap.mutate(|mc| Gc::root(node(mc, 1000 * producer + i), mc));
                    send.send(root).await.unwrap();
                }
            });
        }
        drop(send);
        let (reply, answer) = oneshot::channel::<Root<GcRefCell<Vec<u64>>>>();
        let inside = heap.clone();
        tokio::spawn(async move {
            let all: Root<GcRefCell<Vec<u64>>> =
                inside.mutate(|mc| Gc::root(Gc::new(mc, GcRefCell::new(Vec::<u64>::new())), mc));
            while let Some(root) = receive.recv().await {
                inside.mutate(|mc| all.get(mc).borrow_mut(mc).push(root.get(mc).value));
            }
            assert!(reply.send(all).is_ok());
        });
        let all = answer.await.unwrap();
        heap.mutate(|mc| all.get(mc).borrow().iter().sum::<u64>())
    });
    assert_eq!(sum, (0..3).map(|producer| 100_000 * producer + 4950).sum::<u64>());
}

#[derive(Trace)]
struct Guarded<'gc> {
    canary: Canary,
    next: GcCell<'gc, Guarded<'gc>>,
}

/// A root of an object that counts its death.
fn guarded(heap: &Heap, canary: Canary) -> Root<Guarded<'static>> {
    heap.mutate(|mc| Gc::root(Gc::new(mc, Guarded { canary, next: GcCell::new(None) }), mc))
}

async fn forever(root: Root<Guarded<'static>>) -> Root<Guarded<'static>> {
    std::future::pending::<()>().await;
    root
}

#[test]
fn a_task_that_is_cancelled_lets_go_of_its_roots() {
    let (heap, runtime, drops) = (heap(), runtime(2), Arc::new(AtomicU64::new(0)));
    let root = || guarded(&heap, Canary(drops.clone()));
    runtime.block_on(async {
        // Aborted while it waits, never polled at all, timed out, and the loser of a `select!`.
        let task = tokio::spawn(forever(root()));
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        drop(forever(root()));
        assert!(tokio::time::timeout(Duration::from_millis(2), forever(root())).await.is_err());
        tokio::select! {
            _ = forever(root()) => unreachable!("it waits for ever"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
        let panics = tokio::spawn({
            let root = root();
            async move {
                yield_now().await;
                let _root = root;
                panic!("on purpose")
            }
        });
        assert!(panics.await.unwrap_err().is_panic());
        let mut set = JoinSet::new();
        (0..10).for_each(|_| _ = set.spawn(forever(root())));
        set.shutdown().await;
    });
    heap.settle();
    assert_eq!((drops.load(SeqCst), heap.stats().live_objects), (15, 0));
}

#[test]
fn the_runtime_may_end_before_the_heap_and_after_it() {
    let drops = Arc::new(AtomicU64::new(0));
    let spawn = |runtime: &Runtime, heap: &Heap| {
        (0..8).for_each(|_| _ = runtime.spawn(forever(guarded(heap, Canary(drops.clone())))));
    };
    // Before: the tasks' roots go with the runtime.
    let (first, workers) = (heap(), runtime(2));
    spawn(&workers, &first);
    drop(workers);
    first.settle();
    assert_eq!((drops.load(SeqCst), first.stats().live_objects), (8, 0));
    // After: roots keep no heap, so the objects die with it; dropping the roots then touches
    // nothing of it.
    let (second, workers) = (heap(), runtime(2));
    spawn(&workers, &second);
    drop(second);
    assert_eq!(drops.load(SeqCst), 16);
    drop(workers);
    // In a task that owns the last handle.
    let (third, workers) = (heap(), runtime(2));
    let root = guarded(&third, Canary(drops.clone()));
    let task = async move {
        yield_now().await;
        drop(third);
        yield_now().await;
        root
    };
    let root = workers.block_on(async { tokio::spawn(task).await.unwrap() });
    assert_eq!(drops.load(SeqCst), 17);
    drop((workers, root));
}

#[test]
fn collect_belongs_on_a_blocking_thread() {
    let (heap, drops) = (heap(), Arc::new(AtomicU64::new(0)));
    let root = guarded(&heap, Canary(drops.clone()));
    // One worker: a `collect` on it would let nothing else run meanwhile.
    runtime(1).block_on(async {
        let inside = heap.clone();
        let collecting = tokio::task::spawn_blocking(move || {
            assert_eq!(inside.mutate(|_| inside.collect()), Err(CollectError::InsideMutate));
            inside.collect()
        });
        let inside = heap.clone();
        let busy = tokio::spawn(async move {
            for i in 0..100 {
                inside.mutate(|mc| _ = node(mc, i));
                yield_now().await;
            }
        });
        collecting.await.unwrap().unwrap();
        busy.await.unwrap();
    });
    assert_eq!(drops.load(SeqCst), 0);
    drop(root);
    heap.settle();
    assert_eq!(drops.load(SeqCst), 1);
}

/// `Send`, `Sync`, `Clone`, `Drop` and `Debug` of a root ask nothing of its type.
#[test]
fn a_root_asks_nothing_of_its_type() {
    fn size<R: Send + Sync + Unpin + Clone + std::fmt::Debug>() -> usize {
        size_of::<R>()
    }
    fn size_for_any<T: ?Sized>() -> usize {
        size::<Root<T>>()
    }
    fn spawned<F: Future<Output = ()> + Send + 'static>(_: F) {}
    let word = size_of::<usize>();
    assert_eq!(size_for_any::<*const u8>(), 3 * word);
    assert_eq!(size_for_any::<Node<'static>>(), 3 * word);
    assert_eq!(size_for_any::<dyn Fn(&std::cell::Cell<u8>)>(), 4 * word);
    assert_eq!(size_for_any::<str>(), 4 * word);
    let heap = heap();
    let root = guarded(&heap, Canary(Arc::new(AtomicU64::new(0))));
    spawned(async move {
        let by_reference = &root;
        yield_now().await;
        assert!(Root::ptr_eq(by_reference, by_reference));
    });
}
