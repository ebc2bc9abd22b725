//! A full fence on every other thread of this process, as a call that the collector makes.
//!
//! | system | call | may it fail? |
//! |---|---|---|
//! | Linux | `membarrier(PRIVATE_EXPEDITED)`, some 0.3 µs | yes: see below |
//! | Windows | `FlushProcessWriteBuffers` | no |
//! | others | none: pins have a fence of their own | |
//!
//! Linux may later refuse what [`register`] promised, for one of two reasons. The program may have
//! installed a system-call filter. Or the process was restored from a checkpoint and has lost its
//! registration: then the heap registers again. For the first there is [`visit_all_cores`], slow
//! and used once. The calling thread moves to each core in turn. A thread that ran there was
//! switched out, which is a full fence. A thread that ran nowhere executes one when it is switched
//! in. After that the pins of the heap have fences of their own (`sync::fence`).
//! that the pins of the heap have fences of their own (`sync::fence`).

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
    /// The largest number of cores that Linux can be built for.
    const CORES: usize = 8192;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes plain integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(crate) fn register() -> bool {
        membarrier(REGISTER_PRIVATE_EXPEDITED)
    }

    pub(crate) fn fence_others() -> bool {
        membarrier(PRIVATE_EXPEDITED)
            || (membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED))
    }

    /// A set of cores, as the system calls take it.
    struct Cores([u64; CORES / 64]);

    impl Cores {
        fn one(core: usize) -> Cores {
            let mut set = Cores([0; CORES / 64]);
            set.0[core / 64] = 1 << (core % 64);
            set
        }
        /// The cores of the calling thread, and a number larger than that of any core. It is the
        /// kernel's own answer: the length of its sets, which the C library hides.
        fn of_this_thread() -> Option<(Cores, usize)> {
            let mut set = Cores([0; CORES / 64]);
            let (at, bytes) = (set.0.as_mut_ptr(), size_of::<Cores>());
            // SAFETY: the call writes at most so many bytes of the set.
            let length = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, bytes, at) };
            Some((set, usize::try_from(length).ok().filter(|n| *n > 0)? * 8))
        }
        fn bind_this_thread(&self) -> std::io::Result<()> {
            let at = self.0.as_ptr().cast();
            // SAFETY: the call reads so many bytes of the set.
            match unsafe { libc::sched_setaffinity(0, size_of::<Cores>(), at) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        }
    }

    pub(crate) fn visit_all_cores() -> bool {
        let Some((before, end)) = Cores::of_this_thread() else { return false };
        let visit = |core| match Cores::one(core).bind_this_thread() {
            // Some sandboxes only pretend, and leave the thread where it was. SAFETY: the call
            // takes nothing and returns a number.
            Ok(()) => (unsafe { libc::sched_getcpu() } == core as libc::c_int).then_some(true),
            // No such core, or one that threads of this process may not run on.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Some(false),
            Err(_) => None,
        };
        let visited =
            (0..end.min(CORES)).try_fold(0, |n, core| Some(n + usize::from(visit(core)?)));
        let is_back = before.bind_this_thread().is_ok();
        visited.is_some_and(|n| n > 0) && is_back
    }
}

#[cfg(windows)]
mod imp {
    use super::super::windows::FlushProcessWriteBuffers;

    pub(crate) fn register() -> bool {
        true
    }
    pub(crate) fn fence_others() -> bool {
        // SAFETY: the call takes nothing and touches no memory of ours.
        unsafe { FlushProcessWriteBuffers() };
        true
    }
    pub(crate) fn visit_all_cores() -> bool {
        false
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
mod imp {
    pub(crate) fn register() -> bool {
        false
    }
    pub(crate) fn fence_others() -> bool {
        false
    }
    pub(crate) fn visit_all_cores() -> bool {
        false
    }
}

pub(crate) use imp::*;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn every_core_is_visited_and_the_thread_comes_back() {
        let cores = std::thread::available_parallelism().unwrap();
        assert!(super::visit_all_cores());
        assert_eq!(std::thread::available_parallelism().unwrap(), cores);
    }
}
