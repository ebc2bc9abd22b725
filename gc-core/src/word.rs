#![forbid(unsafe_code)]
//! Words with a meaning: numbers of cycles and sweeps, of blocks, addresses of objects, bytes, and
//! ticks of the clock.
//!
//! Each is one integer in a register. A function that takes two of them cannot be given them in the
//! wrong order.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};
use std::time::Duration;

/// Has words print as their numbers.
macro_rules! prints_its_number {
    ($($word:ident),*) => {$(
        impl fmt::Debug for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}
prints_its_number!(Cycle, ThreadNumber, HeapNumber, Bytes, Ticks);

/// Gives words that are amounts sums and differences.
macro_rules! adds_up {
    ($($word:ident),*) => {$(
        impl Add for $word {
            type Output = $word;
            #[inline(always)]
            fn add(self, more: $word) -> $word {
                $word(self.0 + more.0)
            }
        }
        impl AddAssign for $word {
            #[inline(always)]
            fn add_assign(&mut self, more: $word) {
                self.0 += more.0;
            }
        }
        impl Sub for $word {
            type Output = $word;
            #[inline(always)]
            fn sub(self, less: $word) -> $word {
                $word(self.0 - less.0)
            }
        }
        impl SubAssign for $word {
            #[inline(always)]
            fn sub_assign(&mut self, less: $word) {
                self.0 -= less.0;
            }
        }
    )*};
}
adds_up!(Blocks, Bytes, Ticks);

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
    /// How many cycles have begun since `earlier`.
    pub(crate) const fn since(self, earlier: Cycle) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
    /// The number of the sweep that ends the cycle.
    #[inline(always)]
    pub const fn sweep(self) -> SweepNumber {
        SweepNumber(self.0 as u32)
    }
}

/// The number of a thread's record, in the process. A thread that ends leaves its record, and so
/// its number, to a later one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct ThreadNumber(u64);

impl ThreadNumber {
    /// The record of a number.
    #[inline(always)]
    pub const fn new(number: u64) -> ThreadNumber {
        ThreadNumber(number)
    }
    /// The number.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// How many pointers the threads of a heap have shaded. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shades(u64);

impl Shades {
    /// So many.
    pub(crate) const fn new(number: u64) -> Shades {
        Shades(number)
    }
}

/// The number of a heap in the process, from 1: what the trace and events call it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HeapNumber(u64);

impl HeapNumber {
    /// The heap of a number.
    pub(crate) const fn new(number: u64) -> HeapNumber {
        HeapNumber(number)
    }
    /// The number.
    pub(crate) const fn get(self) -> u64 {
        self.0
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

/// A word of the heap's bitmaps, by its index: that of a span's word is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct WordIndex(usize);

impl WordIndex {
    /// The word of an index.
    #[inline(always)]
    pub(crate) const fn new(index: usize) -> WordIndex {
        WordIndex(index)
    }
    /// The index.
    #[inline(always)]
    pub(crate) const fn get(self) -> usize {
        self.0
    }
}

impl Add<usize> for WordIndex {
    type Output = WordIndex;
    #[inline(always)]
    fn add(self, words: usize) -> WordIndex {
        WordIndex(self.0 + words)
    }
}
/// The words between two: from a span's first word, the index of a word of the span.
impl Sub for WordIndex {
    type Output = usize;
    #[inline(always)]
    fn sub(self, first: WordIndex) -> usize {
        self.0 - first.0
    }
}

/// The number of a class of spans: its position in the heap's list and in each thread's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct ClassId(u32);

impl ClassId {
    /// The class at a position.
    pub(crate) const fn new(index: usize) -> ClassId {
        ClassId(index as u32)
    }
    /// The position.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
    /// The position, as events have it.
    pub(crate) const fn get(self) -> u32 {
        self.0
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

/// A number of bytes: a size, a sum of sizes, or a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// None.
    pub const ZERO: Bytes = Bytes(0);
    /// More than there can be: no limit.
    pub(crate) const MAX: Bytes = Bytes(u64::MAX);

    /// So many bytes.
    #[inline(always)]
    pub const fn new(bytes: u64) -> Bytes {
        Bytes(bytes)
    }
    /// The bytes of a size in memory.
    #[inline(always)]
    pub const fn of(size: usize) -> Bytes {
        Bytes(size as u64)
    }
    /// The number.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The number as a size in memory. The caller knows that it is one.
    #[inline(always)]
    pub(crate) const fn size(self) -> usize {
        self.0 as usize
    }
    /// The number for arithmetic with rates and shares.
    #[inline(always)]
    pub(crate) const fn as_f64(self) -> f64 {
        self.0 as f64
    }
    /// The sum, at most the largest number.
    #[inline(always)]
    pub(crate) const fn saturating_add(self, more: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(more.0))
    }
    /// The difference, at least zero.
    #[inline(always)]
    pub(crate) const fn saturating_sub(self, less: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(less.0))
    }
    /// Whether there is none.
    #[inline(always)]
    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// So many hundredths.
    pub(crate) const fn percent(self, percent: u64) -> Bytes {
        Bytes((self.0 as u128 * percent as u128 / 100) as u64)
    }
    /// `self * by`, saturating.
    pub(crate) fn scale(self, by: f64) -> Bytes {
        Bytes((self.0 as f64 * by) as u64)
    }
}

impl Mul<u64> for Bytes {
    type Output = Bytes;
    #[inline(always)]
    fn mul(self, times: u64) -> Bytes {
        Bytes(self.0 * times)
    }
}
impl Mul<Bytes> for u64 {
    type Output = Bytes;
    #[inline(always)]
    fn mul(self, each: Bytes) -> Bytes {
        Bytes(self * each.0)
    }
}
/// A part.
impl Div<u64> for Bytes {
    type Output = Bytes;
    #[inline(always)]
    fn div(self, parts: u64) -> Bytes {
        Bytes(self.0 / parts)
    }
}
/// How often one goes into the other.
impl Div for Bytes {
    type Output = u64;
    #[inline(always)]
    fn div(self, unit: Bytes) -> u64 {
        self.0 / unit.0
    }
}
impl Sum for Bytes {
    fn sum<I: Iterator<Item = Bytes>>(all: I) -> Bytes {
        Bytes(all.map(Bytes::get).sum())
    }
}

/// Ticks of the processor's clock: an instant, or the time between two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub(crate) struct Ticks(u64);

impl Ticks {
    /// The least.
    pub(crate) const ZERO: Ticks = Ticks(0);
    /// More than any time lasts.
    pub(crate) const MAX: Ticks = Ticks(u64::MAX);

    /// So many ticks.
    #[inline(always)]
    pub(crate) const fn new(ticks: u64) -> Ticks {
        Ticks(ticks)
    }
    /// The number.
    #[inline(always)]
    pub(crate) const fn get(self) -> u64 {
        self.0
    }
    /// The time from `earlier` to this instant; none if `earlier` is the later one, as on a core
    /// whose counter is behind.
    #[inline(always)]
    pub(crate) const fn since(self, earlier: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(earlier.0))
    }
    /// The ticks of a time, at a rate in nanoseconds a tick.
    pub(crate) fn of(time: Duration, ns_per_tick: f64) -> Ticks {
        Ticks((time.as_nanos() as f64 / ns_per_tick) as u64)
    }
    /// The time that these ticks last, at a rate in nanoseconds a tick.
    pub(crate) fn time(self, ns_per_tick: f64) -> Duration {
        Duration::from_nanos((self.0 as f64 * ns_per_tick) as u64)
    }
    /// The sum, around the largest number.
    #[inline(always)]
    pub(crate) const fn wrapping_add(self, more: Ticks) -> Ticks {
        Ticks(self.0.wrapping_add(more.0))
    }
    /// The difference, around zero.
    #[inline(always)]
    pub(crate) const fn wrapping_sub(self, less: Ticks) -> Ticks {
        Ticks(self.0.wrapping_sub(less.0))
    }
}

/// What becomes of an allocation that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRefusal {
    /// The caller gets an error.
    Returns,
    /// The allocation panics.
    Panics,
}

impl OnRefusal {
    /// That of the forms of allocation that panic, or of the others.
    #[inline(always)]
    pub(crate) const fn of<const PANICS: bool>() -> OnRefusal {
        if PANICS { OnRefusal::Panics } else { OnRefusal::Returns }
    }
}
