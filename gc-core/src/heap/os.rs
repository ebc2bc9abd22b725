//! Memory from the operating system: reservations through memmap2, and giving pages back.
//!
//! A reservation is address space without swap; pages come at the first touch, zeroed. The tables of the heap
//! are reservations too, so a table for 64 GiB costs nothing until its part is used.

use crate::config::{BLOCK, MIN_RESERVE};
use crate::error::ConfigError;
use memmap2::{MmapMut, MmapOptions, UncheckedAdvice};

/// A range of reserved, zeroed, lazily committed memory.
#[derive(Debug)]
pub(crate) struct Reservation {
    map: MmapMut,
    /// First byte, aligned to a block.
    base: usize,
    bytes: usize,
    page: usize,
}

impl Reservation {
    /// Reserves `bytes`, aligned to a block.
    pub(crate) fn new(bytes: usize) -> std::io::Result<Reservation> {
        let map = MmapOptions::new().len(bytes + BLOCK).no_reserve_swap().map_anon()?;
        let base = (map.as_ptr() as usize).next_multiple_of(BLOCK);
        Ok(Reservation { map, base, bytes, page: page_size() })
    }

    /// Address of the first byte.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// A typed view of the whole reservation from its start.
    pub(crate) fn table<T>(&self) -> *const T {
        self.base as *const T
    }

    /// Gives the pages of `[from, from + len)` back; they read as zero afterwards. Returns whether the system took them:
    /// never where its pages are larger than the range's alignment, because it would take the neighbours along.
    pub(crate) fn release(&self, from: usize, len: usize) -> bool {
        assert!(from >= self.base && from + len <= self.base + self.bytes, "release inside only");
        if !from.is_multiple_of(self.page) || !len.is_multiple_of(self.page) {
            return false;
        }
        let offset = from - self.map.as_ptr() as usize;
        // SAFETY: INV-10: the caller owns the range and nothing in it is read again before it is written;
        // the mapping is private and anonymous, so its pages become zero pages.
        unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len) }.is_ok()
    }

    /// Asks for huge pages (or says no to them) over the whole reservation; best effort.
    pub(crate) fn no_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        let _ = self.map.advise(memmap2::Advice::NoHugePage);
    }
}

/// Bytes of a page of the system; the largest number where nobody says.
fn page_size() -> usize {
    // SAFETY: the call takes a plain integer and touches nothing of ours.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(usize::MAX)
}

/// Tries `reserve` with ever smaller sizes, from `bytes` down to the smallest that is still a heap.
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

    #[test]
    fn released_pages_are_zero_again() {
        let r = Reservation::new(4 * BLOCK).unwrap();
        let word = r.base() as *mut u64;
        // SAFETY: the reservation is ours alone, and the word lies at its start.
        unsafe { word.write(7) };
        assert!(!r.release(r.base(), 100), "the rest of the page is somebody else's");
        // SAFETY: as above.
        assert_eq!(unsafe { word.read() }, 7);
        assert!(r.release(r.base(), BLOCK));
        // SAFETY: as above.
        assert_eq!(unsafe { word.read() }, 0);
    }
}
