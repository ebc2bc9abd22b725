#![forbid(unsafe_code)]
//! Size classes of leaf data (objects without pointers and without drop glue) and of arrays.
//!
//! Classes go up in steps of 8 or 16 bytes while small, then there are eight for every doubling. So
//! above 128 bytes at most 12.5 % of a slot is unused. There is one more class above each power of
//! two of [`WITH_LENGTH`]. An array that is traced or dropped has its length before its elements,
//! and most arrays have a power of two of bytes. An object above [`LARGEST`] gets a span of its
//! own.

use crate::word::{Blocks, Bytes};

/// A size class, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct SizeClass(usize);

impl SizeClass {
    /// The class of a number.
    #[cfg(test)]
    pub(crate) const fn new(index: usize) -> SizeClass {
        SizeClass(index)
    }
    /// The number.
    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        self.0
    }
    /// Bytes of its slots.
    #[inline(always)]
    pub(crate) const fn slot(self) -> usize {
        SIZES[self.0] as usize
    }
}

/// The slot sizes, ascending.
const SIZES: [u32; COUNT] = sizes();
/// The number of classes.
pub(crate) const COUNT: usize = 81;
/// The largest slot; larger objects are large objects.
pub(crate) const LARGEST: usize = 32 << 10;
/// The first and the last exponent of a power of two with a class for an array of so many bytes and
/// its length. `LENGTH` is the room for that length, aligned as leaf data must be. Smaller arrays
/// lose less than a step without such a class. With larger ones, a span would not hold more of
/// them.
const WITH_LENGTH: [u32; 2] = [8, 13];
const LENGTH: usize = 16;

const fn sizes() -> [u32; COUNT] {
    let mut table = [0; COUNT];
    let mut size = 16;
    let mut i = 0;
    while size <= LARGEST as u32 {
        table[i] = size;
        i += 1;
        let top = size.ilog2();
        if size.is_power_of_two() && WITH_LENGTH[0] <= top && top <= WITH_LENGTH[1] {
            table[i] = size + LENGTH as u32;
            i += 1;
        }
        size += if size < 64 {
            8
        } else if size < 128 {
            16
        } else {
            1 << (size.ilog2() - 3)
        };
    }
    assert!(i == COUNT);
    table
}

/// The class of every size up to `FINE` in steps of 8, and of every size in steps of 16. All
/// classes above `FINE` are multiples of 16.
const FINE: usize = 1 << 10;
static FINE_CLASS: [u8; FINE / 8 + 1] = classes(8);
static CLASS: [u8; LARGEST / 16 + 1] = classes(16);

const fn classes<const N: usize>(step: usize) -> [u8; N] {
    let mut table = [0; N];
    let (mut i, mut class) = (0, 0);
    while i < N {
        if (SIZES[class] as usize) < i * step {
            class += 1;
        }
        table[i] = class as u8;
        i += 1;
    }
    table
}

/// Returns the class of `bytes`, at most [`LARGEST`]. Inlined: a constant where the type is known,
/// a load where it is not.
#[inline(always)]
pub(crate) const fn class_of(bytes: usize) -> SizeClass {
    SizeClass(if bytes <= FINE {
        FINE_CLASS[bytes.div_ceil(8)] as usize
    } else {
        CLASS[bytes.div_ceil(16)] as usize
    })
}

/// Blocks in a span of slots of `size` bytes: enough for at least eight slots, or for four of the
/// largest.
pub(crate) const fn span_blocks(size: usize) -> Blocks {
    at_most(Blocks::covering(Bytes::of(size * 8)), Blocks::new(8))
}

/// The same for leaf data in a heap that may have `limit` blocks: for 64 slots, but in at most four
/// blocks. A refill costs as much as five allocations, and with each span the processor's
/// prefetchers start again. Leaf data is not scanned by spans, which need small ones. A heap below
/// 64 MiB keeps the small spans, since every block counts there.
pub(crate) const fn leaf_span_blocks(size: usize, limit: Blocks) -> Blocks {
    let least = span_blocks(size);
    let most = at_most(Blocks::new(limit.get() / 1024), Blocks::new(4));
    let many = at_most(Blocks::covering(Bytes::of(size * 64)), most);
    if many.get() > least.get() { many } else { least }
}

const fn at_most(n: Blocks, most: Blocks) -> Blocks {
    if n.get() < most.get() { n } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        for bytes in 0..=LARGEST {
            let class = class_of(bytes).index();
            assert!(SIZES[class] as usize >= bytes, "{bytes}");
            assert!(class == 0 || (SIZES[class - 1] as usize) < bytes, "{bytes} in class {class}");
        }
    }

    #[test]
    fn waste_is_bounded() {
        for pair in SIZES.windows(2) {
            let worst = 1.0 - f64::from(pair[0] + 1) / f64::from(pair[1]);
            assert!(worst < if pair[1] <= 128 { 0.34 } else { 0.125 }, "{pair:?}: {worst}");
        }
        for size in SIZES.map(|size| size as usize) {
            for span in [span_blocks(size), leaf_span_blocks(size, Blocks::new(usize::MAX))]
                .map(Blocks::size)
            {
                assert!((span % size) as f64 / span as f64 <= 0.19, "{size}");
            }
        }
    }

    #[test]
    fn a_power_of_two_and_its_length_have_a_class() {
        for words in (32..=1024).filter(|words: &usize| words.is_power_of_two()) {
            let array = words * 8 + 8;
            let slot = class_of(array).slot();
            assert_eq!(slot, words * 8 + 16);
            // The next class must hold fewer objects in a span, or this one would not be worth it.
            let slots = |size: usize| span_blocks(size).size() / size;
            let next = SIZES[class_of(array).index() + 1] as usize;
            let blocks = |size: usize| span_blocks(size).get();
            assert!(slots(slot) * blocks(next) > slots(next) * blocks(slot), "{slot}");
        }
    }

    #[test]
    fn a_span_has_slots_for_a_while() {
        for size in SIZES.map(|size| size as usize) {
            let slots = |blocks: Blocks| blocks.size() / size;
            let (least, many) = (span_blocks(size), leaf_span_blocks(size, Blocks::new(4096)));
            assert!(slots(least) >= if size <= 16 << 10 { 7 } else { 4 }, "{size}");
            assert!(slots(many) >= if size <= 1 << 10 { 62 } else { 4 }, "{size}");
            assert!(many >= least && many <= Blocks::new(8));
            assert_eq!(leaf_span_blocks(size, Blocks::new(1024)), least, "a small heap");
        }
    }
}
