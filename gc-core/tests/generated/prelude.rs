// The head of each batch: the names that its types use, and canaries that note their deaths.
#![allow(warnings, reason = "the types are made by chance, and are not code to read")]
#![forbid(unsafe_code)]
pub use gc_core::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, Heap, Mutation, Root};
pub use std::collections::{BTreeMap, HashMap, VecDeque};
pub use std::marker::PhantomData;
pub use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

pub mod reexport { pub use gc_core; }

// A leaf that knows nothing of the collector.
#[derive(Clone)]
pub struct Foreign(pub u64);

// What any type satisfies.
pub trait Fits<T: ?Sized> {}
impl<T: ?Sized, U: ?Sized> Fits<T> for U {}

#[macro_export]
macro_rules! same { ($($t:tt)*) => { $($t)* } }

// Whose canaries they are, and whether each is dead.
static LOG: Mutex<Vec<(usize, bool)>> = Mutex::new(Vec::new());
static OWNER: AtomicUsize = AtomicUsize::new(0);

#[derive(gc_core::Trace, Debug)]
pub struct Canary(usize);
impl Drop for Canary {
    fn drop(&mut self) { LOG.lock().unwrap()[self.0].1 = true; }
}

pub fn c<'gc>(mc: &Mutation<'gc>) -> Gc<'gc, Canary> {
    let mut log = LOG.lock().unwrap();
    log.push((OWNER.load(SeqCst), false));
    Gc::new(mc, Canary(log.len() - 1))
}

#[derive(Default)]
pub struct Keep(Vec<Box<dyn std::any::Any>>);
impl Keep {
    pub fn owner(&mut self, owner: usize) { OWNER.store(owner, SeqCst); }
    pub fn root<'gc, T>(&mut self, mc: &Mutation<'gc>, value: T)
    where T: gc_core::Branded<'gc> + Send + Sync + 'gc,
    {
        self.0.push(Box::new(Gc::root(Gc::new(mc, value), mc)));
    }
}

fn run(make: impl for<'gc> Fn(&Mutation<'gc>, &mut Keep)) {
    let heap = Heap::new();
    let mut keep = Keep::default();
    heap.mutate(|mc| make(mc, &mut keep));
    for _ in 0..2 {
        heap.collect().unwrap();
        heap.mutate(|mc| for _ in 0..5_000 { Gc::new(mc, [0xDEADu64; 2]); });
    }
    heap.collect().unwrap();
    let dead = || -> Vec<usize> {
        LOG.lock().unwrap().iter().filter(|(_, dead)| *dead).map(|(owner, _)| *owner).collect()
    };
    println!("lost {:?}", dead());
    let made = LOG.lock().unwrap().len();
    let values = keep.0.len();
    drop(keep);
    // The sweep, which drops, may still be under way when a cycle is over.
    for _ in 0..200 {
        heap.collect().unwrap();
        if dead().len() == made { break; }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    println!("values {values} canaries {made} died {}", dead().len());
}
