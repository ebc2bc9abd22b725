#![forbid(unsafe_code)]
//! Which values wait for which addresses: a table that is filled, then sorted once, then looked up.
//!
//! 1. [`Waiting::add`] notes a value, the address that it waits for, and a second address that must
//!    be marked too. It writes to the end of a list, so it costs no look-up.
//! 2. [`Waiting::sort`] puts the entries in the order of their addresses. Each block of the heap in
//!    which an address lies gets a bitmap, with a bit for each awaited address and the number of
//!    entries before each word. A bit stands for one address: no two objects begin in one granule.
//! 3. [`Waiting::each`] finds the entries of an address: a bit tells whether there are any, and the
//!    bits before it tell where. Most addresses that are looked up have none; these cost a load or
//!    two from a bitmap that is a sixty-fourth of the heap's size at most.
//!
//! Keys that were allocated together have their entries together, whatever the order in which they
//! were inserted. A hash table has them anywhere, which cost a cache miss for every object that was
//! marked: a million links in mixed order took twice as long.

use crate::config::{BLOCK_SHIFT, BLOCK_WORDS, GRANULE_SHIFT};
use crate::word::Addr;

/// The end of a list of entries, and a block without awaited addresses.
const NONE: u32 = u32::MAX;

/// A value that waits.
#[derive(Debug, Clone, Copy)]
struct WaitingValue {
    value: Addr,
    /// Must be marked as well; null if nothing else must.
    other: Addr,
    /// The next entry of the same address.
    next: u32,
}

impl WaitingValue {
    /// No object lies at 0, so no entry has this value.
    const EMPTY: WaitingValue = WaitingValue { value: Addr::NULL, other: Addr::NULL, next: NONE };
}

/// One word of a block's bitmap.
#[derive(Debug, Clone, Copy, Default)]
struct WaitingWord {
    /// A bit for each awaited address.
    bits: u64,
    /// Entries of the words before this one.
    before: u32,
}

/// Values by the addresses that they wait for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// What was added since the last sort: the awaited address, the value, the other address.
    added: Vec<(Addr, Addr, Addr)>,
    /// The number of the first block with an awaited address.
    first: usize,
    /// For each block from there on, where its bitmap is in `words`.
    blocks: Vec<u32>,
    words: Vec<[WaitingWord; BLOCK_WORDS]>,
    /// First one entry for each awaited address, in their order, then the others.
    entries: Vec<WaitingValue>,
}

impl Waiting {
    /// Notes that `value` waits for `address`. Unless it is null, `other` must be marked too.
    pub(super) fn add(&mut self, address: Addr, value: Addr, other: Addr) {
        self.added.push((address, value, other));
    }

    /// Makes what was added known to [`each`](Self::each). What was sorted before is forgotten.
    pub(super) fn sort(&mut self) {
        if self.added.is_empty() {
            return;
        }
        let added = std::mem::take(&mut self.added);
        let blocks = || added.iter().map(|(address, ..)| address.get() >> BLOCK_SHIFT);
        self.first = blocks().min().unwrap_or(0);
        let last = blocks().max().unwrap_or(0);
        self.blocks = vec![NONE; last + 1 - self.first];
        self.words.clear();
        for (address, ..) in &added {
            let (block, word, bit) = self.place(*address);
            if self.blocks[block] == NONE {
                self.blocks[block] = self.words.len() as u32;
                self.words.push([WaitingWord::default(); BLOCK_WORDS]);
            }
            self.words[self.blocks[block] as usize][word].bits |= bit;
        }
        let mut before = 0;
        for at in self.blocks.iter().filter(|at| **at != NONE) {
            for word in &mut self.words[*at as usize] {
                word.before = before;
                before += word.bits.count_ones();
            }
        }
        self.entries = Vec::with_capacity(added.len());
        self.entries.resize(before as usize, WaitingValue::EMPTY);
        for (address, value, other) in added {
            let at = self.find(address).expect("the address was added");
            let mut entry = WaitingValue { value, other, next: NONE };
            if !self.entries[at].value.is_null() {
                entry.next = self.entries.len() as u32;
                self.entries.push(self.entries[at]);
            }
            self.entries[at] = entry;
        }
    }

    /// The block of an address, counted from the first, and its word and bit in there.
    fn place(&self, address: Addr) -> (usize, usize, u64) {
        let granule = address.get() >> GRANULE_SHIFT;
        let block = (address.get() >> BLOCK_SHIFT).wrapping_sub(self.first);
        (block, granule / 64 % BLOCK_WORDS, 1 << (granule % 64))
    }

    /// Where the first entry of an address is.
    fn find(&self, address: Addr) -> Option<usize> {
        let (block, word, bit) = self.place(address);
        let at = *self.blocks.get(block)?;
        let word = self.words.get(at as usize)?[word];
        let before = word.before + (word.bits & (bit - 1)).count_ones();
        (word.bits & bit != 0).then_some(before as usize)
    }

    /// Calls `each(value, other)` for the values that wait for an address.
    pub(super) fn each(&self, address: Addr, mut each: impl FnMut(Addr, Addr)) {
        let mut at = self.find(address);
        while let Some(entry) = at.and_then(|at| self.entries.get(at)) {
            each(entry.value, entry.other);
            at = Some(entry.next as usize);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::config::BLOCK;

    fn add(waiting: &mut Waiting, numbers: [usize; 3]) {
        let [address, value, other] = numbers.map(Addr::new);
        waiting.add(address, value, other);
    }
    fn of(waiting: &Waiting, address: usize) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        let address = Addr::new(address);
        waiting.each(address, |value, other| all.push((value.get(), other.get())));
        all.sort_unstable();
        all
    }

    #[test]
    fn each_value_is_found_by_its_address_and_by_no_other() {
        let base = 0x7f00_0000_0000;
        let mut waiting = Waiting::default();
        assert!(of(&waiting, base).is_empty());
        waiting.sort();
        let addresses = [0, 16, 1008, 1024, BLOCK - 16, 5 * BLOCK + 64, 900 * BLOCK];
        // In an order that is not theirs, and the third one twice more.
        for i in [3, 0, 6, 2, 5, 1, 4, 2, 2] {
            add(&mut waiting, [base + addresses[i], 16 * (i + 1), i]);
        }
        assert!(of(&waiting, base).is_empty(), "not before they are sorted");
        waiting.sort();
        for (i, address) in addresses.into_iter().enumerate() {
            let n = if i == 2 { 3 } else { 1 };
            assert_eq!(of(&waiting, base + address), vec![(16 * (i + 1), i); n]);
        }
        for address in [32, 992, 1040, BLOCK, 5 * BLOCK + 48, 901 * BLOCK, usize::MAX - base] {
            assert!(of(&waiting, base + address).is_empty(), "{address}");
        }
        assert!(of(&waiting, base - 16).is_empty());
    }

    #[test]
    fn a_second_sort_forgets_the_first() {
        let mut waiting = Waiting::default();
        add(&mut waiting, [1 << 20, 16, 0]);
        waiting.sort();
        waiting.sort();
        assert_eq!(of(&waiting, 1 << 20), [(16, 0)], "nothing was added");
        add(&mut waiting, [1 << 21, 32, 48]);
        waiting.sort();
        assert_eq!((of(&waiting, 1 << 20), of(&waiting, 1 << 21)), (vec![], vec![(32, 48)]));
    }
}
