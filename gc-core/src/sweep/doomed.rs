#![forbid(unsafe_code)]
//! The dead objects whose destructors have not run yet, and their order.
//!
//! 1. The sweep of a span finds objects with drop glue dead. It makes a *ward* of the span
//!    ([`Ward`]), with a bit for each dead object. Their alloc bits stay, so their slots are not
//!    reused.
//! 2. A ward's span is in no list and in no thread's hands. It belongs to the holder of the lock
//!    around [`Doomed`].
//! 3. Each later cycle sweeps the spans of all wards as well ([`Doomed::sweep_some`],
//!    [`Doomed::sweep_rest`]). It clears their marks, and newly dead objects join the ward
//!    ([`Ward::doom`]).
//! 4. A thread takes a batch of dead objects ([`Doomed::take`]), releases the lock and runs their
//!    destructors. The ward remembers them meanwhile, so that a sweep does not take them for newly
//!    dead.
//! 5. Under the lock again, the thread clears the alloc bits of the batch and reports it
//!    ([`Doomed::finish`]). If no object waits in the ward any more, the ward ends. The thread
//!    gives the span back under the same lock.
//!
//! All of this happens under one lock, which is never held while a destructor runs. So there are no
//! atomics here. `loom-tests/tests/doomed.rs` explores it beside a sweep and an allocation
//! (INV-18).

use crate::word::{BlockId, SweepNumber};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A span with objects that wait for their destructors. `C` is its class.
#[derive(Debug)]
pub struct Ward<C> {
    /// First block of the span.
    pub span: BlockId,
    /// The class of the span.
    pub class: C,
    /// Bytes of one object.
    pub each: u64,
    /// A bit for each dead object that waits, by the words of the span's bitmaps; empty if none
    /// waits.
    waits: Box<[u64]>,
    /// The objects that a thread drops now, if one does.
    runs: Option<Arc<[u64]>>,
    /// Whether some objects that waited when the thread took its batch still wait.
    is_partial: bool,
    /// Position in the order of arrival.
    number: u64,
    /// The last sweep that has seen the span.
    swept: SweepNumber,
    since: Instant,
}

/// Dead objects of one span, for a thread to drop.
#[derive(Debug)]
pub struct DropBatch<C> {
    /// First block of the span.
    pub span: BlockId,
    /// The class of the span.
    pub class: C,
    /// Bytes of one object.
    pub each: u64,
    /// A bit for each object, by the words of the span's bitmaps.
    pub bits: Arc<[u64]>,
}

impl<C> DropBatch<C> {
    /// The number of objects in the batch.
    pub fn objects(&self) -> u64 {
        count(&self.bits)
    }
}

fn count(bits: &[u64]) -> u64 {
    bits.iter().map(|word| u64::from(word.count_ones())).sum()
}

impl<C> Ward<C> {
    /// A ward of `span`, whose objects with a bit in `dead` were found dead by sweep `number`.
    pub fn new(
        span: BlockId,
        class: C,
        each: u64,
        dead: Box<[u64]>,
        number: SweepNumber,
    ) -> Ward<C> {
        let (waits, swept, since) = (dead, number, Instant::now());
        Ward { span, class, each, waits, runs: None, is_partial: false, number: 0, swept, since }
    }
    /// The objects of word `i` that were found dead before; they wait or are being dropped.
    pub fn known(&self, i: usize) -> u64 {
        let runs = self.runs.as_ref().map_or(0, |runs| runs[i]);
        self.waits.get(i).unwrap_or(&0) | runs
    }
    /// Adds dead objects of word `i`.
    pub fn doom(&mut self, i: usize, dead: u64) {
        if self.waits.is_empty() {
            let words = self.runs.as_ref().map_or(0, |runs| runs.len());
            self.waits = vec![0; words].into_boxed_slice();
        }
        self.waits[i] |= dead;
    }
    /// The number of objects that wait or are being dropped.
    pub fn objects(&self) -> u64 {
        count(&self.waits) + self.runs.as_deref().map_or(0, count)
    }
    /// Moves up to `most` waiting objects into a batch.
    fn take(&mut self, most: u64) -> Arc<[u64]> {
        let mut batch = std::mem::take(&mut self.waits);
        self.is_partial = count(&batch) > most;
        if self.is_partial {
            let mut left = most;
            let mut waits = batch.clone();
            for (word, waits) in batch.iter_mut().zip(&mut waits) {
                while u64::from(word.count_ones()) > left {
                    // The last ones go back.
                    *word &= !(1 << (63 - word.leading_zeros()));
                }
                left -= u64::from(word.count_ones());
                *waits &= !*word;
            }
            self.waits = waits;
        }
        batch.into()
    }
}

/// All wards of a heap.
#[derive(Debug)]
pub struct Doomed<C> {
    /// In the order of their numbers.
    queue: VecDeque<Ward<C>>,
    /// Wards of which a thread drops objects now.
    running: Vec<Ward<C>>,
    /// The number of the next ward.
    next: u64,
}

impl<C: Copy> Doomed<C> {
    /// Without wards.
    #[allow(clippy::new_without_default, reason = "a protocol type is made on purpose")]
    pub fn new() -> Self {
        Doomed { queue: VecDeque::new(), running: Vec::new(), next: 0 }
    }
    /// Adds a ward, whose span was in the caller's hands.
    pub fn push(&mut self, mut ward: Ward<C>) {
        ward.number = self.next;
        self.next += 1;
        self.queue.push_back(ward);
    }
    /// Returns whether there is no ward.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.running.is_empty()
    }
    /// Returns whether there is a ward of which no thread drops objects.
    pub fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }
    /// The number of the next ward. All objects that were found dead so far are in wards below it.
    pub fn next(&self) -> u64 {
        self.next
    }
    /// The number of the oldest ward; [`next`](Self::next) if there is none.
    pub fn oldest(&self) -> u64 {
        self.all().map(|ward| ward.number).min().unwrap_or(self.next)
    }
    /// The time when the oldest ward came.
    pub fn since(&self) -> Option<Instant> {
        self.all().map(|ward| ward.since).min()
    }
    /// The wards that may be the oldest.
    fn all(&self) -> impl Iterator<Item = &Ward<C>> {
        self.running.iter().chain(self.queue.front())
    }
    /// All wards.
    pub fn each(&self) -> impl Iterator<Item = &Ward<C>> {
        self.running.iter().chain(&self.queue)
    }

    /// Takes up to `most` objects of the oldest ward of which no thread drops objects.
    #[must_use]
    pub fn take(&mut self, most: u64) -> Option<DropBatch<C>> {
        let mut ward = self.queue.pop_front()?;
        let bits = ward.take(most);
        let batch = DropBatch { span: ward.span, class: ward.class, each: ward.each, bits };
        ward.runs = Some(batch.bits.clone());
        self.running.push(ward);
        Some(batch)
    }

    /// Records that the objects of `batch` are dropped and their alloc bits cleared. Returns
    /// whether no object waits in the span. Then the span is the caller's, which gives it back
    /// before it releases the lock.
    #[must_use]
    pub fn finish(&mut self, batch: &DropBatch<C>) -> bool {
        let at = self.running.iter().position(|ward| ward.span == batch.span);
        let mut ward = self.running.swap_remove(at.expect("a batch has its ward"));
        ward.runs = None;
        if ward.waits.iter().all(|word| *word == 0) {
            return true;
        }
        if !ward.is_partial {
            // All objects that wait were found dead meanwhile.
            ward.since = Instant::now();
        }
        // The ward keeps its place in the order. So a thread that waits for objects that were dead
        // when its wait began waits for these as well. They are few: no object is allocated in the
        // span of a ward.
        let at = self.queue.partition_point(|other| other.number < ward.number);
        self.queue.insert(at, ward);
        false
    }

    /// Sweeps, by `each`, up to `most` wards of the queue that sweep `number` has not seen, leaving
    /// out the last `skip`. Returns how many of the queue it has looked at. If none, the rest is
    /// for [`sweep_rest`](Self::sweep_rest).
    pub fn sweep_some(
        &mut self,
        skip: usize,
        most: usize,
        number: SweepNumber,
        mut each: impl FnMut(&mut Ward<C>),
    ) -> usize {
        // From the end, because wards leave at the front while the lock is free.
        let end = self.queue.len().saturating_sub(skip);
        let from = end.saturating_sub(most);
        for ward in self.queue.range_mut(from..end) {
            sweep(ward, number, &mut each);
        }
        end - from
    }
    /// Sweeps, by `each`, all wards that sweep `number` has not seen. After that it has seen every
    /// ward.
    pub fn sweep_rest(&mut self, number: SweepNumber, mut each: impl FnMut(&mut Ward<C>)) {
        for ward in self.running.iter_mut().chain(&mut self.queue) {
            sweep(ward, number, &mut each);
        }
    }
}

fn sweep<C>(ward: &mut Ward<C>, number: SweepNumber, each: &mut impl FnMut(&mut Ward<C>)) {
    if ward.swept != number {
        ward.swept = number;
        each(ward);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ward(span: BlockId, dead: [u64; 2]) -> Ward<()> {
        Ward::new(span, (), 16, Box::new(dead), SweepNumber::new(1))
    }

    #[test]
    fn what_is_dropped_meanwhile_is_known_and_what_dies_meanwhile_waits() {
        let mut doomed = Doomed::new();
        doomed.push(ward(BlockId::new(7), [0b11, 1]));
        let batch = doomed.take(u64::MAX).unwrap();
        assert_eq!((batch.objects(), &*batch.bits), (3, &[0b11, 1][..]));
        assert!(doomed.take(1).is_none() && !doomed.is_empty());
        doomed.sweep_rest(SweepNumber::new(2), |ward| {
            assert_eq!((ward.known(0), ward.known(1)), (0b11, 1));
            ward.doom(0, 0b100);
        });
        doomed.sweep_rest(SweepNumber::new(2), |_| panic!("seen"));
        let all_that_is_dead = doomed.next();
        assert!(!doomed.finish(&batch), "one has died meanwhile");
        assert!(doomed.oldest() < all_that_is_dead, "who waits for all waits for this one");
        let batch = doomed.take(u64::MAX).unwrap();
        assert_eq!(&*batch.bits, [0b100, 0]);
        assert!(doomed.finish(&batch) && doomed.is_empty());
        assert_eq!(doomed.oldest(), all_that_is_dead);
    }

    #[test]
    fn a_part_of_a_ward_keeps_its_turn() {
        let mut doomed = Doomed::new();
        doomed.push(ward(BlockId::new(1), [0b1011, 0b1]));
        doomed.push(ward(BlockId::new(2), [1, 0]));
        let first = doomed.take(2).unwrap();
        assert_eq!(&*first.bits, [0b11, 0]);
        let second = doomed.take(2).unwrap();
        assert_eq!(second.span, BlockId::new(2));
        assert!(!doomed.finish(&first));
        assert!(doomed.finish(&second));
        assert_eq!(doomed.oldest(), 0);
        let rest = doomed.take(9).unwrap();
        assert_eq!(&*rest.bits, [0b1000, 1]);
        assert!(doomed.finish(&rest));
    }

    #[test]
    fn every_ward_is_swept_once_although_some_leave() {
        let mut doomed = Doomed::new();
        for span in 0..10 {
            doomed.push(ward(BlockId::new(span), [1, 0]));
        }
        let mut seen = Vec::new();
        let mut skip = 0;
        loop {
            let n = doomed.sweep_some(skip, 3, SweepNumber::new(2), |ward| seen.push(ward.span));
            if n == 0 {
                break;
            }
            skip += n;
            let batch = doomed.take(1).unwrap();
            assert!(skip % 2 == 0 || doomed.finish(&batch));
        }
        doomed.sweep_rest(SweepNumber::new(2), |ward| seen.push(ward.span));
        seen.sort_unstable();
        let gone = 10 - seen.len();
        assert!(gone <= 4 && seen.windows(2).all(|two| two[0] < two[1]), "{seen:?}");
        doomed.sweep_rest(SweepNumber::new(2), |_| panic!("all were seen"));
    }
}
