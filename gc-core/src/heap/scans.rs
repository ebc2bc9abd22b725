//! Spans with grey objects: markers scan the grey objects of a span together.
//!
//! 1. A thread that marks an object of such a class calls [`GreySpan::add`]. The first call since
//!    the span was last taken puts the span into a queue, under that object's address. Later calls
//!    only record that there are more.
//! 2. A marker takes the span out of the queue and calls [`GreySpan::take`], *then* reads the
//!    marks. An object that is marked and not in the *scans* bitmap is grey. The marker enters it
//!    there and scans it ([`Tables::take_grey`]). If two markers look at once, one of them gets
//!    each object ([`MarkWord::add`]). If the queued object is the only one, the marker need not
//!    read the marks. Edges into the same span are not queued: the marker scans their targets next.
//!    It marks and enters all of them before it goes on to another span ([`Near`],
//!    [`Tables::settle_near`]).
//! 3. A queued span is grey work like any address, so termination counts it (rule 7).
//!
//! The scans bitmap has a bit for each object that is scanned *or need not be*. Slots that are born
//! black are entered before they are marked, so a marker never takes a free slot for an object.
//! While marking, bits are only added, and no span is given up with a bit over a free slot
//! (`Record::give_up_at_end`). The sweep of the span clears the bits with its marks (INV-16).
//!
//! Why: with a queue of addresses, each object is a miss in the cache and in the TLB. A queue of
//! spans, first in first out, lets grey objects gather. In a random graph of ten million nodes a
//! span is scanned a dozen times for its 682 nodes.
//!
//! Source: Go 1.26's garbage collector, "Green Tea" (golang/go issue 73581), which also treats a
//! single grey object apart.

use super::grey::Grey;
use super::span::SpanClass;
use super::tables::Tables;
use crate::config::BLOCK_WORDS;
use crate::sync::prefetch;
use crate::trace::near::{Bits, Near, each_object};
use crate::word::{Addr, WordIndex};

/// Objects of a span that is scanned as one, at most.
pub(crate) const MOST: usize = BLOCK_WORDS * 64;
/// Room for the addresses of these objects.
pub(crate) type GreyList = [Addr; MOST];

/// Writes the addresses of these objects to `list`, and returns their number.
#[inline(always)]
fn write_down(start: Addr, halves: &[u64], bits: &Bits, list: &mut GreyList) -> usize {
    let mut n = 0;
    each_object(start, halves, bits, |addr| {
        // The list has a place for every granule, so no bounds check is needed.
        list[n % MOST] = addr;
        n += 1;
    });
    n
}

impl Tables {
    /// Records that `addr` has been marked, or many objects of its span of which it is one.
    /// The class is one that is scanned by spans. Returns whether the caller must queue the span
    /// under `addr`.
    #[inline(always)]
    #[must_use]
    pub(crate) fn add_grey(&self, addr: Addr, marked: Grey) -> bool {
        let span = self.grey_span(self.block_of(addr));
        match marked {
            Grey::One => span.add(),
            Grey::Many => span.add_several(),
        }
    }

    /// Takes the grey objects of the span that was queued under `addr`, for the caller to scan.
    /// Writes their addresses to `list` in ascending order, and returns their number.
    pub(crate) fn take_grey(&self, addr: Addr, list: &mut GreyList) -> usize {
        let block = self.block_of(addr);
        if self.grey_span(block).take() == Grey::One {
            let (word, bit) = self.bit_of(addr);
            list[0] = addr;
            return usize::from(self.scan_word(word).add(bit) != 0);
        }
        let first = self.first_word(block);
        let start = self.address(block);
        let mine = std::array::from_fn(|i| {
            let grey = self.mark_word(first + i).bits() & !self.scan_word(first + i).bits();
            // Read-modify-write, since markers may race. A slot that was born black is entered
            // before its mark, so it is not among these.
            if grey != 0 { self.scan_word(first + i).add(grey) } else { 0 }
        });
        write_down(start, &self.class_of(start).halves, &mine, list)
    }

    /// The marker of `near` scans the span of `addr` from now on.
    pub(crate) fn open_near(&self, near: &mut Near, addr: Addr) {
        let block = self.block_of(addr);
        let first = self.first_word(block);
        near.open(self.address(block), std::array::from_fn(|i| self.mark_word(first + i).bits()));
    }
    /// Takes the objects that were noted in the open span. Writes their addresses to `list` in
    /// ascending order, and returns their number.
    pub(crate) fn take_near(&self, near: &mut Near, list: &mut GreyList) -> usize {
        let start = near.from();
        write_down(start, &self.class_of(start).halves, &near.take().0, list)
    }
    /// Marks the objects that were taken in the open span, and enters them as scanned. Returns how
    /// many of them this call marked.
    pub(crate) fn settle_near(&self, near: &mut Near) -> u64 {
        let first = self.first_word(self.block_of(near.from()));
        let mut marked = 0;
        near.settle(|i, taken| {
            let new = self.mark_word(first + i).test_and_set_all(taken);
            marked += u64::from(new.count_ones());
            let _ = self.scan_word(first + i).add(taken);
        });
        marked
    }

    /// Enters the slots of `mask` in one word: they are black without a scan. Must precede their
    /// marks.
    pub(crate) fn set_scanned(&self, class: &SpanClass, word: WordIndex, mask: u64) {
        if class.by_span && mask != 0 {
            let _ = self.scan_word(word).add(mask);
        }
    }
    /// Clears one word of the scans bitmap. Only the sweep of the span calls this.
    pub(crate) fn clear_scanned(&self, class: &SpanClass, word: WordIndex) {
        if class.by_span {
            self.scan_word(word).take();
        }
    }
    /// Returns whether a word of the scans bitmap is empty.
    pub(crate) fn is_unscanned(&self, word: WordIndex) -> bool {
        !self.scan_word(word).is_set(u64::MAX)
    }
    /// Returns whether an object of a class that is scanned by spans is scanned, or need not be.
    #[cfg(gc_verify)]
    pub(crate) fn is_scanned(&self, addr: Addr) -> bool {
        let (word, bit) = self.bit_of(addr);
        self.scan_word(word).is_set(bit)
    }

    /// Prefetches the bitmaps of the span of `addr`, which a marker will read soon.
    #[inline(always)]
    pub(crate) fn prefetch_grey(&self, addr: Addr) {
        let first = self.first_word(self.block_of(addr));
        for line in [0, BLOCK_WORDS / 2] {
            prefetch(std::ptr::from_ref(self.mark_word(first + line)));
            prefetch(std::ptr::from_ref(self.scan_word(first + line)));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::object::InfoOf;
    use super::super::{ClassKey, Space};
    use super::*;
    use crate::config::{BLOCK, Config};
    use crate::pointers::Gc;
    use crate::word::SweepNumber;

    #[test]
    fn what_is_near_is_marked_and_scanned_when_it_is_settled() {
        type Node<'gc> = (Option<Gc<'gc, u64>>, [u64; 4]);
        let space = Space::new(&Config { reserve: Some(16 << 20), ..Config::default() }).unwrap();
        let info = InfoOf::<'static, Node<'static>>::ONE;
        let class = space.class_for(info, ClassKey::Type, |id| SpanClass::small(info, id, 40));
        let span = space.fresh_span(class, SweepNumber::default()).unwrap().block();
        let all: Vec<Addr> =
            (0..class.slots).map(|i| space.address(span) + i * class.slot).collect();
        let (mut near, mut list) = (Near::new(), [Addr::NULL; MOST]);
        // The first was queued; the second is marked, and another marker has it.
        assert!(space.mark(all[0]) && space.add_grey(all[0], Grey::One) && space.mark(all[1]));
        assert_eq!(space.take_grey(all[0], &mut list), 1);
        space.open_near(&mut near, all[0]);
        for addr in [all[1], all[3], all[5], all[3]] {
            near.note(addr - near.from());
        }
        let n = space.take_near(&mut near, &mut list);
        assert_eq!(list[..n], [all[3], all[5]]);
        assert!(!space.is_marked(all[3]));
        // Meanwhile another thread shades one.
        assert!(space.mark(all[5]));
        assert_eq!(space.settle_near(&mut near), 1);
        let scanned = |addr: Addr| {
            let (word, bit) = space.bit_of(addr);
            space.scan_word(word).is_set(bit)
        };
        assert!(space.is_marked(all[3]) && [0, 3, 5].map(|i| scanned(all[i])) == [true; 3]);
        assert!(!scanned(all[1]) && !space.is_marked(all[4]));
    }

    #[test]
    fn grey_is_marked_and_not_scanned_at_every_slot_size() {
        fn check<T: crate::Trace<'static>>(slot: usize) {
            let space =
                Space::new(&Config { reserve: Some(16 << 20), ..Config::default() }).unwrap();
            let class = space.class_for(InfoOf::<'static, T>::ONE, ClassKey::Type, |id| {
                SpanClass::small(InfoOf::<'static, T>::ONE, id, slot)
            });
            assert!(class.by_span, "{slot}");
            let span = space.fresh_span(class, SweepNumber::default()).unwrap().block();
            let object = |i: usize| space.address(span) + i * slot;
            let all: Vec<Addr> = (0..BLOCK / slot).map(object).collect();
            let mark = |addrs: &[Addr]| -> Vec<Addr> {
                let fresh = addrs.iter().copied().filter(|&a| space.mark(a));
                fresh.filter(|&a| space.add_grey(a, Grey::One)).collect()
            };
            let take = |by: Addr| {
                let mut list = [Addr::NULL; MOST];
                let n = space.take_grey(by, &mut list);
                list[..n].to_vec()
            };
            assert_eq!(mark(&all[1..2]), &all[1..2]);
            assert_eq!(take(all[1]), &all[1..2], "the only one");
            assert_eq!(mark(&all[..5]), &all[..1]);
            assert_eq!(take(all[0]), [all[0], all[2], all[3], all[4]]);
            // Born black: entered, then marked.
            let (word, bit) = space.bit_of(all[5]);
            space.set_scanned(class, word, bit);
            space.mark_word(word).set_own(bit);
            assert_eq!(mark(&all[5..]), &all[6..7]);
            assert_eq!(take(all[6]), &all[6..]);
        }
        type Node<'gc, const N: usize> = (Option<Gc<'gc, u64>>, [u64; N]);
        check::<Node<'static, 1>>(16);
        check::<Node<'static, 2>>(24);
        check::<Node<'static, 4>>(40);
        check::<Node<'static, 9>>(80);
        check::<Node<'static, 62>>(504);
    }
}
