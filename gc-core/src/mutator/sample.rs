#![forbid(unsafe_code)]
//! Which allocations a thread samples, without a step on the path of the others.
//!
//! 1. A slot is sampled if a point of a Poisson process falls into its bytes. The process has one
//!    point in `Samples::rate` bytes on average. Points in slots that no object takes do not count.
//!    So each object of `n` bytes is sampled with the probability `1 - exp(-n / rate)`, whatever
//!    was sampled before.
//! 2. Each cursor knows how far the next point is (`Cursor::cut`). A refill that would hand out
//!    slots beyond the point cuts the run, or the holes, before the slot of the point. The rest
//!    stays free in the span, as the rest behind any run. So the fast path ends just there, and the
//!    next refill begins with the slot that is sampled ([`Record::cut`]).
//! 3. A cursor that gives its span up keeps the distance for its next span. That is distributed
//!    like a new one, because the process has no memory. When the rate changes, the thread's
//!    cursors forget their points ([`Record::cut`]).
//! 4. Slots of spans that threads share come one by one ([`Record::passes`]), and so do large
//!    objects ([`Record::sample_large`]). For each the thread draws a distance of its own, for the
//!    same reason.
//! 5. The end of the slow path takes the sample ([`Record::sample_due`]), with the listener's code
//!    inside. That code may allocate; nothing is sampled meanwhile.

use super::Record;
use crate::handshake::Mode;
use crate::heap::cache::Cursor;
use crate::heap::free::Free;
use crate::heap::object::TypeInfo;
use crate::heap::span::SpanClass;
use crate::observe::sample::Sampled;
use crate::word::{Addr, Bytes, ThreadNumber};
use std::cell::Cell;

/// A thread's part of sampling.
#[derive(Debug)]
pub(super) struct Sampler {
    /// The state of a xorshift generator, never zero.
    seed: Cell<u64>,
    /// The rate at which the points of the thread's cursors were drawn.
    rate: Cell<Bytes>,
    /// The slot that a refill has just taken is sampled.
    is_due: Cell<bool>,
    /// The listener runs.
    is_inside: Cell<bool>,
}

impl Sampler {
    /// A sampler; two with other numbers draw other distances.
    pub(super) fn new(number: ThreadNumber) -> Sampler {
        let seed = (number.get() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Sampler {
            seed: Cell::new(seed | 1),
            rate: Cell::new(Bytes::ZERO),
            is_due: Cell::new(false),
            is_inside: Cell::new(false),
        }
    }

    /// A number from 0 (excluded) to 1.
    fn uniform(&self) -> f64 {
        let mut x = self.seed.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed.set(x);
        ((x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// The distance to the next point in bytes, from 1 on: 1 is the next byte. At a rate of one
    /// byte that is always the next byte.
    fn draw(&self, rate: Bytes) -> usize {
        if rate <= Bytes::new(1) {
            return 1;
        }
        // Far below the largest number, so that bytes can be added.
        (-self.uniform().ln() * rate.as_f64()).min((1u64 << 60) as f64) as usize + 1
    }
}

impl Record {
    /// The rate at which the thread samples now, or zero.
    #[inline(always)]
    pub(super) fn sample_rate(&self) -> Bytes {
        let rate = self.core().samples.rate();
        if rate.is_zero() || self.sampler.is_inside.get() { Bytes::ZERO } else { rate }
    }

    /// Cuts free slots before the next one that is sampled, and notes if the first one is.
    #[cold]
    pub(super) fn cut(&self, cursor: &Cursor, class: &SpanClass, free: Free, rate: Bytes) -> Free {
        if self.sampler.rate.replace(rate) != rate {
            self.cache.forget_points();
        }
        let (free, is_due) = cursor.cut(class.slot, free, || self.sampler.draw(rate));
        self.sampler.is_due.set(is_due);
        free
    }

    /// Notes if one slot of a span that threads share is sampled.
    #[cold]
    pub(super) fn passes(&self, class: &SpanClass, rate: Bytes) {
        self.sampler.is_due.set(self.sampler.draw(rate) <= class.slot);
    }

    /// The slot at `at` was taken by a refill: takes a sample of it, if it is due.
    #[inline(always)]
    pub(super) fn sample_due(&self, at: Addr, info: &TypeInfo, class: &SpanClass) {
        if self.sampler.is_due.get() {
            self.sample(at, info, Bytes::of(class.slot));
        }
    }

    /// Takes a sample of the large object at `at` if a point falls into its bytes.
    #[cold]
    pub(super) fn sample_large(&self, at: Addr, info: &TypeInfo, bytes: Bytes, rate: Bytes) {
        if self.sampler.draw(rate) <= bytes.size() {
            self.sample(at, info, bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&self, at: Addr, info: &TypeInfo, bytes: Bytes) {
        self.sampler.is_due.set(false);
        let samples = &self.core().samples;
        let rate = samples.rate();
        if rate.is_zero() || self.sampler.is_inside.replace(true) {
            return;
        }
        // In Prep the object is white, and its own cycle may find it dead.
        let first = self.cycle.get();
        let first = if self.mode.get() == Mode::Prep { first } else { first.next() };
        let sampled = Sampled { name: info.name, is_array: info.array, bytes: bytes.size(), rate };
        samples.take(at, &sampled, first);
        self.sampler.is_inside.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exponential() {
        let sampler = Sampler::new(ThreadNumber::new(7));
        let n = 100_000;
        let drawn: Vec<usize> = (0..n).map(|_| sampler.draw(Bytes::new(4096))).collect();
        let mean = drawn.iter().sum::<usize>() as f64 / n as f64;
        assert!((mean - 4096.0).abs() < 65.0, "five standard deviations of the mean: {mean}");
        let beyond = drawn.iter().filter(|d| **d > 4096).count() as f64 / n as f64;
        assert!((beyond - (-1f64).exp()).abs() < 0.008, "{beyond}");
        assert!((0..100).all(|_| sampler.draw(Bytes::new(1)) == 1));
    }
}
