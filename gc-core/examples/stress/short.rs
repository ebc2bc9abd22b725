//! Heaps that are made, used by two threads, and dropped while the large one goes on.

use crate::objects::{Canary, Rng, broken};
use gc_core::{Gc, GcCell, Heap, Root, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Counts its drop, beside the canary's own count.
#[derive(Trace)]
struct Guest<'gc> {
    canary: Canary,
    next: GcCell<'gc, Guest<'gc>>,
    left: Leaving,
}

#[derive(Trace)]
struct Leaving(Arc<AtomicU64>);
impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A list of `n` guests, newest first.
fn guests(heap: &Heap, left: &Arc<AtomicU64>, n: u64) -> Root<Guest<'static>> {
    heap.mutate(|mc| {
        let mut head: Option<Gc<'_, Guest<'_>>> = None;
        for i in 0..n {
            let (canary, left) = (Canary::new(i), Leaving(left.clone()));
            head = Some(Gc::new(mc, Guest { canary, next: GcCell::new(head), left }));
        }
        Gc::root(head.unwrap_or_else(|| broken("a list of no guests")), mc)
    })
}

fn count(heap: &Heap, root: &Root<Guest<'static>>) -> u64 {
    heap.mutate(|mc| {
        let (mut at, mut n) = (Some(root.get(mc)), 0);
        while let Some(guest) = at {
            guest.canary.check();
            (at, n) = (guest.next.get(), n + 1);
        }
        n
    })
}

/// The life of one heap, on a thread of its own, whose table of heaps goes with it.
pub(crate) fn life(rng: &mut Rng) {
    let (markers, n) = (1 + rng.below(3), 1 + rng.next() % 3000);
    let (early, garbage) = (rng.one_in(2), rng.next() % 2000);
    let ended = std::thread::scope(|s| {
        s.spawn(move || {
            let heap =
                Heap::builder().min_heap(64 << 10).reserve(64 << 20).markers(markers).build();
            let heap = heap.unwrap_or_else(|error| broken(&format!("a short heap: {error}")));
            let left = Arc::new(AtomicU64::new(0));
            let root = guests(&heap, &left, n);
            std::thread::scope(|s| {
                let second = s.spawn(|| drop(guests(&heap, &left, garbage + 1)));
                if count(&heap, &root) != n {
                    broken("a short heap lost a guest");
                }
                second.join().unwrap();
            });
            if early {
                if heap.collect().is_err() {
                    broken("collect of a short heap was refused");
                }
                heap.release_free_memory();
            }
            if count(&heap, &root) != n {
                broken("a short heap lost a guest in a cycle");
            }
            if let Err(error) = heap.shutdown(Duration::from_secs(60)) {
                broken(&error.to_string());
            }
            if left.load(SeqCst) != n + garbage + 1 {
                broken("a heap that ended did not drop what was left");
            }
        })
        .join()
    });
    if ended.is_err() {
        broken("a short heap's thread died");
    }
}
