//! The reservations of a heap: address space that is opened from its start on, and whose pages can
//! be given back.
//!
//! A reservation is closed at first: address space without access. No rule of overcommit counts it,
//! and `mlockall` does not fill it. The page heap opens it in steps as the heap grows ([`Opener`]).
//! Pages come at the first touch, zeroed. The tables of the heap are reservations too, so a table
//! for 64 GiB costs nothing until its part is used.

use crate::config::{BLOCK, MIN_RESERVE};
use crate::error::ConfigError;
use crate::platform::memory::{self, DISCARD, Discard, Region};
use crate::sync::plain;
use std::ops::Range;

/// A range of reserved address space. Its open part is zeroed and gets its memory at the first
/// touch.
#[derive(Debug)]
pub(crate) struct Reservation {
    mapping: Region,
    /// The part that is used, aligned to a block and to a page.
    used: Region,
    page: usize,
    /// 0 once the mapping has ended.
    is_mapped: plain::AtomicU32,
}

/// Opens a reservation: `entry` bytes of it for each block of the heap. It must not outlive the
/// reservation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opener {
    used: Region,
    page: usize,
    entry: usize,
}

impl Opener {
    /// Opens the part for `blocks`; the part before is open. Bounds are rounded up to pages.
    pub(crate) fn open(&self, blocks: Range<usize>) -> std::io::Result<()> {
        let offset = |block: usize| (block * self.entry).next_multiple_of(self.page);
        let (from, to) = (offset(blocks.start), offset(blocks.end));
        assert!(to <= self.used.bytes, "open inside only");
        if from == to {
            return Ok(());
        }
        // SAFETY: INV-10: a part of the reservation, which outlives its openers.
        unsafe { memory::open(Region::between(self.used.at + from, self.used.at + to)) }
    }
}

impl Reservation {
    /// Reserves `bytes` without access, aligned to a block.
    pub(crate) fn closed(bytes: usize) -> std::io::Result<Reservation> {
        let page = memory::page_size();
        let unit = page.max(BLOCK);
        let bytes = bytes.next_multiple_of(unit);
        let mapping = memory::reserve(bytes + unit)?;
        let used = Region { at: mapping.at.next_multiple_of(unit), bytes };
        let is_mapped = plain::AtomicU32::new(1);
        Ok(Reservation { mapping, used, page, is_mapped })
    }
    /// Reserves `bytes` and opens them.
    #[cfg(test)]
    fn new(bytes: usize) -> std::io::Result<Reservation> {
        let reservation = Reservation::closed(bytes)?;
        reservation.opener(BLOCK).open(0..bytes / BLOCK)?;
        Ok(reservation)
    }

    /// Returns the opener of the reservation, with `entry` bytes for each block of the heap.
    pub(crate) fn opener(&self, entry: usize) -> Opener {
        Opener { used: self.used, page: self.page, entry }
    }
    /// Address of the first byte.
    pub(crate) fn base(&self) -> usize {
        self.used.at
    }
    /// Bytes of a page of the system.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// A typed view of the whole reservation from its start.
    pub(crate) fn table<T>(&self) -> *const T {
        self.used.at as *const T
    }

    /// Gives the whole pages inside `part` back, whose content is lost ([`Discard`] defines what
    /// they hold then). Returns whether there were any and the system took them.
    pub(crate) fn release(&self, part: Region) -> bool {
        assert!(part.at >= self.used.at && part.end() <= self.used.end(), "release inside only");
        let (first, end) = (part.at.next_multiple_of(self.page), part.end() & !(self.page - 1));
        // SAFETY: INV-10: the caller owns the range, which is open, and gives up what it holds.
        first < end && unsafe { memory::discard(Region::between(first, end)) }.is_ok()
    }
    /// The same for whole pages that are zero, and must be zero after it.
    pub(crate) fn release_zeroes(&self, part: Region) -> bool {
        let is_whole = [part.at, part.bytes].iter().all(|n| n.is_multiple_of(self.page));
        DISCARD != Discard::Undefined && is_whole && self.release(part)
    }

    /// Asks the system for no huge pages in the whole reservation; best effort.
    pub(crate) fn no_huge_pages(&self) {
        memory::no_huge_pages(self.mapping);
    }

    /// Returns whether the mapping has not ended.
    pub(crate) fn is_mapped(&self) -> bool {
        self.is_mapped.load(plain::Ordering::Relaxed) == 1
    }
    /// Ends the mapping, before the reservation is dropped.
    ///
    /// # Safety
    ///
    /// No thread uses an address of it any more (INV-10).
    pub(crate) unsafe fn unmap(&self) {
        if self.is_mapped.swap(0, plain::Ordering::Relaxed) == 1 {
            // SAFETY: INV-10: by the caller's promise.
            unsafe { memory::unmap(self.mapping) };
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: INV-10: code that uses an address of a reservation holds it.
        unsafe { self.unmap() };
    }
}

/// Tries `reserve` with smaller and smaller sizes, from `bytes` down to the smallest that a heap
/// can work in.
pub(crate) fn with_fallback<T>(
    bytes: usize,
    mut reserve: impl FnMut(usize) -> std::io::Result<T>,
) -> Result<T, ConfigError> {
    let mut size = bytes.next_multiple_of(BLOCK);
    loop {
        match reserve(size) {
            Ok(got) => return Ok(got),
            Err(_) if size / 2 >= MIN_RESERVE => size = (size / 2).next_multiple_of(BLOCK),
            Err(e) => return Err(ConfigError::Reservation { bytes: size, os: e.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reservation_falls_back_and_then_says_so() {
        let refuse_over = |limit: usize| {
            move |n: usize| {
                if n > limit { Err(std::io::Error::other("refused")) } else { Ok(n) }
            }
        };
        assert_eq!(with_fallback(1 << 30, refuse_over(300 << 20)).unwrap(), 256 << 20);
        let error = with_fallback(1 << 30, refuse_over(1)).unwrap_err();
        assert!(matches!(error, ConfigError::Reservation { bytes, .. } if bytes == MIN_RESERVE));
    }

    fn release(r: &Reservation, at: usize, bytes: usize) -> bool {
        r.release(Region { at, bytes })
    }
    fn read(at: usize) -> u64 {
        // SAFETY: the tests read what they have opened.
        unsafe { (at as *const u64).read() }
    }

    #[test]
    fn released_pages_are_zero_again() {
        let r = Reservation::new(4 * BLOCK).unwrap();
        // SAFETY: the reservation is ours alone, and the word lies at its start.
        unsafe { (r.base() as *mut u64).write(7) };
        assert!(!release(&r, r.base(), 100), "the rest of the page is not in the range");
        assert_eq!(read(r.base()), 7);
        assert!(release(&r, r.base(), BLOCK));
        assert!(read(r.base()) == 0 || DISCARD != Discard::Zeroed);
    }

    #[test]
    fn the_whole_pages_inside_a_range_go_back() {
        let mut r = Reservation::new(64 * BLOCK).unwrap();
        r.page = 1 << 16;
        let at = r.base().next_multiple_of(r.page) + BLOCK;
        // SAFETY: the range is ours and open.
        unsafe { (at as *mut u8).write_bytes(1, 16 * BLOCK) };
        assert!(release(&r, at, 16 * BLOCK), "192 KiB of it are whole pages");
        let (first, last) = (read(at), read(at + 16 * BLOCK - 8));
        assert!(first != 0 && last != 0, "the rest of a page is not in the range");
        assert!(read(at + 3 * BLOCK) == 0 || DISCARD != Discard::Zeroed);
        assert!(!release(&r, at, 3 * BLOCK), "no whole page");
        assert!(!r.release_zeroes(Region { at, bytes: 16 * BLOCK }), "not all of it can go");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_part_is_open_when_it_was_opened() {
        let r = Reservation::closed(64 * BLOCK).unwrap();
        let is_open = |at: usize| {
            let text = std::fs::read_to_string("/proc/self/maps").unwrap();
            let number = |s: &str| usize::from_str_radix(s, 16).unwrap();
            let line = text.lines().find(|line| {
                let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
                (number(from)..number(to)).contains(&at)
            });
            line.unwrap().split(' ').nth(1).unwrap().starts_with("rw")
        };
        assert!(!is_open(r.base()));
        // An eighth of a page for each block.
        let opener = r.opener(r.page() / 8);
        opener.open(0..4).unwrap();
        opener.open(4..9).unwrap();
        assert!(is_open(r.base()) && is_open(r.base() + r.page()), "9 eighths are two pages");
        assert!(!is_open(r.base() + 2 * r.page()));
        opener.open(9..16).unwrap();
        assert!(!is_open(r.base() + 2 * r.page()));
    }

    #[test]
    fn an_ended_mapping_is_not_ended_again() {
        let r = Reservation::new(4 * BLOCK).unwrap();
        // SAFETY: no code uses an address of it.
        unsafe { r.unmap() };
        drop(r);
    }
}
