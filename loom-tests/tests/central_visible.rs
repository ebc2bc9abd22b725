//! INV-5: the thread that pops a span sees what was done to it before it was pushed, also by the
//! second of two pushers. With three threads.
#![cfg(loom)]

use gc_core::model::{BlockId, Link, Stack};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// The operations of a stack that the model needs.
trait List: Send + Sync + 'static {
    fn new() -> Self;
    fn push(&self, index: u32, links: &[Link]);
    fn pop(&self, links: &[Link]) -> Option<u32>;
}

impl List for Stack {
    fn new() -> Self {
        Stack::new()
    }
    fn push(&self, index: u32, links: &[Link]) {
        Stack::push(self, BlockId::new(index as usize), |i| &links[i.index()]);
    }
    fn pop(&self, links: &[Link]) -> Option<u32> {
        Stack::pop(self, |i| &links[i.index()]).map(|i| i.index() as u32)
    }
}

/// A copy of `Stack` whose push or pop may be relaxed, or whose pop takes without an exchange.
struct Weak<const PUSH: bool, const POP: bool, const EXCHANGE: bool>(AtomicU64);

impl<const PUSH: bool, const POP: bool, const EXCHANGE: bool> List for Weak<PUSH, POP, EXCHANGE> {
    fn new() -> Self {
        Weak(AtomicU64::new(0))
    }
    fn push(&self, index: u32, links: &[Link]) {
        let order = if PUSH { Ordering::AcqRel } else { Ordering::Relaxed };
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            links[index as usize].store(head as u32, Ordering::Relaxed);
            let next = ((head >> 32) + 1) << 32 | u64::from(index + 1);
            match self.0.compare_exchange(head, next, order, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
    fn pop(&self, links: &[Link]) -> Option<u32> {
        let acquire = if POP { Ordering::Acquire } else { Ordering::Relaxed };
        let order = if POP { Ordering::AcqRel } else { Ordering::Relaxed };
        let mut head = self.0.load(acquire);
        loop {
            let top = (head as u32).checked_sub(1)?;
            let below = links[top as usize].load(Ordering::Relaxed);
            let next = ((head >> 32) + 1) << 32 | u64::from(below);
            if !EXCHANGE {
                self.0.store(next, Ordering::Release);
                return Some(top);
            }
            match self.0.compare_exchange(head, next, order, acquire) {
                Ok(_) => return Some(top),
                Err(now) => head = now,
            }
        }
    }
}

struct World<S> {
    stack: S,
    links: [Link; 2],
    spans: [UnsafeCell<u32>; 2],
}

impl<S: List> World<S> {
    fn touch(&self, span: u32) {
        self.spans[span as usize].with_mut(|p| {
            // SAFETY: loom itself checks that no other thread touches it.
            unsafe { *p += 1 }
        });
    }
    fn put(&self, span: u32) {
        self.touch(span);
        self.stack.push(span, &self.links);
    }
    fn get(&self) {
        if let Some(span) = self.stack.pop(&self.links) {
            self.touch(span);
        }
    }
}

/// Two threads push a span each; all three pop.
fn run<S: List>() {
    let world = Arc::new(World {
        stack: S::new(),
        links: [Link::new(0), Link::new(0)],
        spans: [UnsafeCell::new(0), UnsafeCell::new(0)],
    });
    let pushers = [0, 1].map(|span| {
        let world = world.clone();
        thread::spawn(move || {
            world.put(span);
            world.get();
        })
    });
    world.get();
    for pusher in pushers {
        pusher.join().unwrap();
    }
}

#[test]
fn who_pops_a_span_sees_what_was_done_to_it() {
    loom_tests::check(Some(3), run::<Stack>);
}

/// The copy is faithful if no step is left out.
#[test]
fn the_copy_with_everything_in_place() {
    loom_tests::check(Some(2), run::<Weak<true, true, true>>);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_push_without_release() {
    loom_tests::check(Some(3), run::<Weak<false, true, true>>);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_pop_without_acquire() {
    loom_tests::check(Some(3), run::<Weak<true, false, true>>);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_pop_without_the_exchange() {
    loom_tests::check(Some(3), run::<Weak<true, true, false>>);
}
