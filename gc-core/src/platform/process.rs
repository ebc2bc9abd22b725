//! Which process this is: a number that a child of a `fork` does not share with its parent.
//!
//! The system's number of a process (the pid) is not enough. Parent and child may both be process 1
//! of their namespaces, and numbers are reused. So each process has a *token* of its own. It lies
//! in a page that the system clears in the child of a `fork`, however the fork was made
//! (`MADV_WIPEONFORK`, Linux 4.14). Where there is no such page, a handler of the C library clears
//! it (`pthread_atfork`), and the pid counts as well.
//!
//! A child that shares its parent's memory (`vfork`) shares the token. To a heap it is the same
//! process, and it may only `exec`. Windows has no `fork`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    token: u64,
    pid: u32,
}

/// The place of the token. Zero: this process has none yet.
#[derive(Debug)]
struct TokenPlace {
    word: &'static AtomicU64,
    /// Whether the system itself clears the word in a child.
    is_wiped: bool,
}

/// Number of tokens given so far, by this process and its ancestors; a child continues with its own
/// copy.
static GIVEN: AtomicU64 = AtomicU64::new(0);
/// The token, where there is no page for it.
static WORD: AtomicU64 = AtomicU64::new(0);

impl Process {
    /// The calling process. Costs two loads, and a system call where there is no such page.
    pub(crate) fn current() -> Process {
        static PLACE: OnceLock<TokenPlace> = OnceLock::new();
        let place = PLACE.get_or_init(TokenPlace::new);
        let mut token = place.word.load(Ordering::Relaxed);
        if token == 0 {
            let next = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
            let was = place.word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
            token = was.err().unwrap_or(next);
        }
        Process { token, pid: if place.is_wiped { 0 } else { std::process::id() } }
    }
}

impl Default for Process {
    fn default() -> Process {
        Process::current()
    }
}

impl TokenPlace {
    fn new() -> TokenPlace {
        match wiped_word() {
            Some(word) => TokenPlace { word, is_wiped: true },
            None => {
                clear_in_children();
                TokenPlace { word: &WORD, is_wiped: false }
            }
        }
    }
}

/// A word that is zero in every child. It is never unmapped.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn wiped_word() -> Option<&'static AtomicU64> {
    let bytes = super::memory::page_size();
    let (access, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping where the system wants it; nothing that exists is touched.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: advice on the page that was just mapped.
    if unsafe { libc::madvise(at, bytes, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: no other code has the page's address.
        unsafe { libc::munmap(at, bytes) };
        return None;
    }
    // SAFETY: the page is zeroed, aligned, writable, used for this word alone, and stays.
    Some(unsafe { AtomicU64::from_ptr(at.cast()) })
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn wiped_word() -> Option<&'static AtomicU64> {
    None
}

#[cfg(unix)]
fn clear_in_children() {
    unsafe extern "C" fn clear() {
        WORD.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler stores one word, which is allowed at that moment. It stays in the program
    // for good.
    unsafe { libc::pthread_atfork(None, None, Some(clear)) };
}
#[cfg(not(unix))]
fn clear_in_children() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself() {
        assert_eq!(Process::current(), Process::current());
    }
}
