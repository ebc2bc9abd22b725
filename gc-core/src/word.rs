#![forbid(unsafe_code)]
//! Words with a meaning: numbers of cycles and sweeps, of blocks, and addresses of objects.
//!
//! Each is one integer in a register. A function that takes two of them cannot be given them in the
//! wrong order.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// The number of a cycle, from 1. Zero stands for the time before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Cycle(u64);

impl Cycle {
    /// No cycle: the time before the first.
    pub const NONE: Cycle = Cycle(0);
    /// The cycle of a number.
    #[inline(always)]
    pub const fn new(number: u64) -> Cycle {
        Cycle(number)
    }
    /// The number.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The cycle after this one.
    pub const fn next(self) -> Cycle {
        Cycle(self.0 + 1)
    }
    /// The number of the sweep that ends the cycle.
    #[inline(always)]
    pub const fn sweep(self) -> SweepNumber {
        SweepNumber(self.0 as u32)
    }
}

impl fmt::Debug for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How many sweeps have begun, modulo 2^32 (rule 10): a span carries the number of the sweep that
/// last swept it, or from which it is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct SweepNumber(u32);

impl SweepNumber {
    /// The sweep of a number.
    #[inline(always)]
    pub const fn new(number: u32) -> SweepNumber {
        SweepNumber(number)
    }
    /// The number.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        self.0
    }
    /// The sweep before this one.
    pub const fn previous(self) -> SweepNumber {
        SweepNumber(self.0.wrapping_sub(1))
    }
    /// Even sweeps have one set of lists, and odd ones another.
    pub const fn parity(self) -> usize {
        (self.0 & 1) as usize
    }
}

/// A block of the reservation, by its index. A span is named by its first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct BlockId(u32);

impl BlockId {
    /// The first block of a heap.
    pub const FIRST: BlockId = BlockId(0);
    /// The block above that many.
    pub(crate) const fn above(blocks: Blocks) -> BlockId {
        BlockId(blocks.0 as u32)
    }
    /// Above every block.
    pub(crate) const LAST: BlockId = BlockId(u32::MAX);

    /// The block of an index. A reservation has fewer than 2^32 blocks.
    #[inline(always)]
    pub const fn new(index: usize) -> BlockId {
        BlockId(index as u32)
    }
    /// The index.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
    /// The block `blocks` further up.
    #[inline(always)]
    pub(crate) const fn plus(self, blocks: Blocks) -> BlockId {
        BlockId(self.0 + blocks.0 as u32)
    }
}

/// A number of blocks. `config` has what they are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub(crate) struct Blocks(usize);

impl Blocks {
    /// No block.
    pub(crate) const NONE: Blocks = Blocks(0);
    /// One block.
    pub(crate) const ONE: Blocks = Blocks(1);

    /// So many blocks.
    #[inline(always)]
    pub(crate) const fn new(number: usize) -> Blocks {
        Blocks(number)
    }
    /// How many.
    #[inline(always)]
    pub(crate) const fn get(self) -> usize {
        self.0
    }
    /// The sum, if it is a number.
    pub(crate) const fn checked_add(self, more: Blocks) -> Option<Blocks> {
        match self.0.checked_add(more.0) {
            Some(sum) => Some(Blocks(sum)),
            None => None,
        }
    }
    /// The difference, or none.
    pub(crate) const fn saturating_sub(self, fewer: Blocks) -> Blocks {
        Blocks(self.0.saturating_sub(fewer.0))
    }
}

impl Add for Blocks {
    type Output = Blocks;
    fn add(self, more: Blocks) -> Blocks {
        Blocks(self.0 + more.0)
    }
}
impl Sub for Blocks {
    type Output = Blocks;
    fn sub(self, fewer: Blocks) -> Blocks {
        Blocks(self.0 - fewer.0)
    }
}
impl AddAssign for Blocks {
    fn add_assign(&mut self, more: Blocks) {
        self.0 += more.0;
    }
}
impl SubAssign for Blocks {
    fn sub_assign(&mut self, fewer: Blocks) {
        self.0 -= fewer.0;
    }
}

/// Blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRange {
    /// The first.
    pub(crate) first: BlockId,
    /// How many.
    pub(crate) len: Blocks,
}

impl BlockRange {
    /// `len` blocks from `first` on.
    pub(crate) const fn new(first: BlockId, len: Blocks) -> BlockRange {
        BlockRange { first, len }
    }
    /// The blocks from `from` on, below `to`.
    pub(crate) const fn between(from: BlockId, to: BlockId) -> BlockRange {
        BlockRange { first: from, len: Blocks(to.index() - from.index()) }
    }
    /// The block behind the last.
    pub(crate) const fn end(self) -> BlockId {
        self.first.plus(self.len)
    }
}

/// An address in the heap: where an object begins, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Addr(usize);

impl Addr {
    /// No object.
    pub const NULL: Addr = Addr(0);

    /// The address of that many bytes from the bottom.
    #[inline(always)]
    pub const fn new(address: usize) -> Addr {
        Addr(address)
    }
    /// The address of a value that lies in the heap.
    #[inline(always)]
    pub(crate) fn of<T: ?Sized>(value: *const T) -> Addr {
        Addr(value.cast::<()>() as usize)
    }
    /// The bytes from the bottom.
    #[inline(always)]
    pub const fn get(self) -> usize {
        self.0
    }
    /// Whether it is the address of an object.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
    /// The bytes from `lower` to here, if this is not below it.
    #[inline(always)]
    pub(crate) fn checked_since(self, lower: Addr) -> Option<usize> {
        self.0.checked_sub(lower.0)
    }
    /// The object, as one of type `T`.
    #[inline(always)]
    pub(crate) const fn ptr<T>(self) -> *mut T {
        self.0 as *mut T
    }
}

impl Add<usize> for Addr {
    type Output = Addr;
    #[inline(always)]
    fn add(self, bytes: usize) -> Addr {
        Addr(self.0 + bytes)
    }
}
impl Sub<usize> for Addr {
    type Output = Addr;
    #[inline(always)]
    fn sub(self, bytes: usize) -> Addr {
        Addr(self.0 - bytes)
    }
}
/// The bytes between two addresses.
impl Sub for Addr {
    type Output = usize;
    #[inline(always)]
    fn sub(self, lower: Addr) -> usize {
        self.0 - lower.0
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
