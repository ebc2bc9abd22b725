//! Address space from the operating system: reserved without access, opened in steps, given back in
//! pages.
//!
//! 1. [`reserve`]: a range that no thread can access. It is only address space: no rule of
//!    overcommit counts it, and `mlockall` does not fill it.
//! 2. [`open`]: makes a part of it readable and writable. Pages still come at their first touch,
//!    zeroed. Here the system may refuse, and here it counts memory, if it counts at all.
//! 3. [`discard`]: gives the memory of pages back; they stay open. Afterwards they hold their old
//!    content or zeroes, see [`DISCARD`].
//! 4. [`unmap`]: ends the range.
//!
//! | system | reserve | open | discard |
//! |---|---|---|---|
//! | Linux | `mmap` without access | `mprotect` | `MADV_DONTNEED` |
//! | macOS, BSD | the same | the same | `MADV_FREE_REUSABLE`, `MADV_FREE` |
//! | Windows | `MEM_RESERVE` | `MEM_COMMIT` | `DiscardVirtualMemory` |

use std::io;

/// A range of addresses of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// The first byte.
    pub(crate) at: usize,
    pub(crate) bytes: usize,
}

impl Region {
    /// The addresses `[at, end)`.
    pub(crate) const fn between(at: usize, end: usize) -> Region {
        Region { at, bytes: end - at }
    }
    /// The address behind the last.
    pub(crate) const fn end(self) -> usize {
        self.at + self.bytes
    }
}

/// What pages hold after [`discard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each system has one of them")]
pub(crate) enum Discard {
    /// Zeroes.
    Zeroed,
    /// Either the old content or zeroes, separately for each page. A page of zeroes stays one.
    OldOrZeroed,
    /// Anything.
    Undefined,
}

#[cfg(unix)]
mod imp {
    use super::{Discard, Region, io};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) const DISCARD: Discard = Discard::Zeroed;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) const DISCARD: Discard = Discard::OldOrZeroed;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ADVICE: libc::c_int = libc::MADV_DONTNEED;
    // With plain `MADV_FREE`, freed memory would still count in the process's footprint as the
    // system shows it.
    #[cfg(target_vendor = "apple")]
    const ADVICE: libc::c_int = libc::MADV_FREE_REUSABLE;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    const ADVICE: libc::c_int = libc::MADV_FREE;

    // No swap is reserved for the mapping, as usual for a large mapping that will hardly be filled.
    // Under the rule that counts everything (`vm.overcommit_memory=2`) the flag has no effect, and
    // `mprotect` counts.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;

    fn done(result: libc::c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(crate) fn reserve(bytes: usize) -> io::Result<Region> {
        // SAFETY: a new mapping where the system wants it; nothing that exists is touched.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, FLAGS, -1, 0) };
        if at == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Region { at: at as usize, bytes })
        }
    }

    pub(crate) unsafe fn open(part: Region) -> io::Result<()> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: INV-10: whole pages of the caller's own reservation; access is only added.
        done(unsafe { libc::mprotect(part.at as *mut libc::c_void, part.bytes, access) })
    }

    pub(crate) unsafe fn discard(part: Region) -> io::Result<()> {
        // SAFETY: INV-10: whole pages of the caller's own reservation, whose content the caller
        // gives up.
        done(unsafe { libc::madvise(part.at as *mut libc::c_void, part.bytes, ADVICE) })
    }

    pub(crate) unsafe fn unmap(part: Region) {
        // SAFETY: INV-10: the caller's own reservation, of which no code holds an address any more.
        unsafe { libc::munmap(part.at as *mut libc::c_void, part.bytes) };
    }

    pub(crate) fn no_huge_pages(part: Region) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // SAFETY: advice on how to fill a range, which does not change its content.
        unsafe {
            libc::madvise(part.at as *mut libc::c_void, part.bytes, libc::MADV_NOHUGEPAGE);
        }
        let _ = part;
    }

    pub(crate) fn page_size() -> usize {
        // SAFETY: the call takes a plain integer and touches nothing of ours.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(1 << 16)
    }
}

#[cfg(windows)]
mod imp {
    use super::super::windows::{
        DiscardVirtualMemory, GetSystemInfo, MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS,
        PAGE_READWRITE, SystemInfo, VirtualAlloc, VirtualFree,
    };
    use super::{Discard, Region, io};

    pub(crate) const DISCARD: Discard = Discard::Undefined;

    pub(crate) fn reserve(bytes: usize) -> io::Result<Region> {
        // SAFETY: a new range where the system wants it; nothing that exists is touched.
        let at = unsafe { VirtualAlloc(std::ptr::null_mut(), bytes, MEM_RESERVE, PAGE_NOACCESS) };
        if at.is_null() {
            Err(io::Error::last_os_error())
        } else {
            Ok(Region { at: at as usize, bytes })
        }
    }

    pub(crate) unsafe fn open(part: Region) -> io::Result<()> {
        // SAFETY: INV-10: pages of the caller's own reservation; committed pages stay as they are.
        let got =
            unsafe { VirtualAlloc(part.at as *mut _, part.bytes, MEM_COMMIT, PAGE_READWRITE) };
        if got.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    pub(crate) unsafe fn discard(part: Region) -> io::Result<()> {
        // SAFETY: INV-10: whole pages of the caller's own reservation, whose content the caller
        // gives up.
        match unsafe { DiscardVirtualMemory(part.at as *mut _, part.bytes) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error as i32)),
        }
    }

    pub(crate) unsafe fn unmap(all: Region) {
        // SAFETY: INV-10: the start of the caller's own reservation, of which no thread holds an
        // address any more.
        unsafe { VirtualFree(all.at as *mut _, 0, MEM_RELEASE) };
    }

    pub(crate) fn no_huge_pages(_: Region) {}

    pub(crate) fn page_size() -> usize {
        let mut info = std::mem::MaybeUninit::<SystemInfo>::zeroed();
        // SAFETY: a place for the answer, which is plain numbers.
        let info = unsafe {
            GetSystemInfo(info.as_mut_ptr());
            info.assume_init()
        };
        info.page_size as usize
    }
}

/// Without address space: `lib.rs` refuses to compile there.
#[cfg(not(any(unix, windows)))]
mod imp {
    use super::{Discard, Region, io};

    pub(crate) const DISCARD: Discard = Discard::Undefined;

    fn refused<T>() -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }
    pub(crate) fn reserve(_: usize) -> io::Result<Region> {
        refused()
    }
    pub(crate) unsafe fn open(_: Region) -> io::Result<()> {
        refused()
    }
    pub(crate) unsafe fn discard(_: Region) -> io::Result<()> {
        refused()
    }
    pub(crate) unsafe fn unmap(_: Region) {}
    pub(crate) fn no_huge_pages(_: Region) {}
    pub(crate) fn page_size() -> usize {
        1 << 16
    }
}

pub(crate) use imp::*;
