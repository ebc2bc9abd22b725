//! The collector's threads as the system sees them: signals, processor time, timers, cores.

use std::time::Duration;

/// Runs `start`, which starts a thread, so that the new thread takes no signal that is sent to the
/// process. Such signals are for the program's own threads, which can handle them. Signals caused
/// by a thread's own instruction (a fault, a trap, a filtered system call) stay open.
///
/// The new thread inherits the mask of the calling one, so there is no moment at which it takes
/// any.
pub(crate) fn with_signals_blocked<R>(start: impl FnOnce() -> R) -> R {
    #[cfg(unix)]
    let _mask = Mask::block();
    start()
}

/// The signals that the thread had blocked before.
#[cfg(unix)]
struct Mask(Option<libc::sigset_t>);

#[cfg(unix)]
impl Mask {
    fn block() -> Mask {
        let open = [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGSYS,
            libc::SIGABRT,
        ];
        // SAFETY: sets of signals are plain bits, for which zero is valid. The calls read and write
        // only the sets, and the last call the calling thread's mask.
        unsafe {
            let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            open.iter().for_each(|signal| _ = libc::sigdelset(&raw mut all, *signal));
            let done = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
            Mask((done == 0).then_some(before))
        }
    }
}

#[cfg(unix)]
impl Drop for Mask {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // SAFETY: the set is what the same call gave.
            unsafe {
                libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            }
        }
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    imp::thread_cpu()
}

/// CPU time of the process.
pub(crate) fn process_cpu() -> Duration {
    imp::process_cpu()
}

#[cfg(unix)]
mod imp {
    use super::Duration;

    pub(super) fn thread_cpu() -> Duration {
        cpu_time(libc::CLOCK_THREAD_CPUTIME_ID)
    }
    pub(super) fn process_cpu() -> Duration {
        cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID)
    }
    fn cpu_time(clock: libc::clockid_t) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the answer.
        let done = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
        if done { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) } else { Duration::ZERO }
    }
}

#[cfg(windows)]
mod imp {
    use super::super::windows::{
        FileTime, GetCurrentProcess, GetCurrentThread, GetProcessTimes, GetThreadTimes,
    };
    use super::Duration;

    fn sum(times: &[FileTime]) -> Duration {
        let units = |time: &FileTime| u64::from(time.high) << 32 | u64::from(time.low);
        Duration::from_nanos(times.iter().map(units).sum::<u64>().saturating_mul(100))
    }
    pub(super) fn thread_cpu() -> Duration {
        let [mut created, mut exited, mut kernel, mut user] = [FileTime::default(); 4];
        // SAFETY: the handle is of the calling thread, and the rest are places for the answers.
        let done = unsafe {
            let thread = GetCurrentThread();
            GetThreadTimes(
                thread,
                &raw mut created,
                &raw mut exited,
                &raw mut kernel,
                &raw mut user,
            )
        };
        if done == 0 { Duration::ZERO } else { sum(&[kernel, user]) }
    }
    pub(super) fn process_cpu() -> Duration {
        let [mut created, mut exited, mut kernel, mut user] = [FileTime::default(); 4];
        // SAFETY: the handle is of the calling process, and the rest are places for the answers.
        let done = unsafe {
            let process = GetCurrentProcess();
            GetProcessTimes(
                process,
                &raw mut created,
                &raw mut exited,
                &raw mut kernel,
                &raw mut user,
            )
        };
        if done == 0 { Duration::ZERO } else { sum(&[kernel, user]) }
    }
}

#[cfg(not(any(unix, windows)))]
mod imp {
    use super::Duration;

    pub(super) fn thread_cpu() -> Duration {
        Duration::ZERO
    }
    pub(super) fn process_cpu() -> Duration {
        Duration::ZERO
    }
}

/// Makes short sleeps of this thread precise: the default slack of Linux is 50 µs.
pub(crate) fn short_timer_slack() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes plain integers.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 2_000, 0, 0, 0);
    }
}

/// Binds the calling thread to a core, counted from the last; best effort.
pub(crate) fn pin_marker(pin: bool, i: usize) {
    #[cfg(target_os = "linux")]
    if pin {
        // SAFETY: the set is a plain bit array, initialised by zeroing; the calls read and write it
        // only.
        unsafe {
            let mut allowed: libc::cpu_set_t = std::mem::zeroed();
            let size = size_of::<libc::cpu_set_t>();
            if libc::sched_getaffinity(0, size, &raw mut allowed) != 0 {
                return;
            }
            let cores: Vec<usize> =
                (0..libc::CPU_SETSIZE as usize).filter(|c| libc::CPU_ISSET(*c, &allowed)).collect();
            if cores.is_empty() {
                return;
            }
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cores[cores.len() - 1 - i % cores.len()], &mut one);
            libc::sched_setaffinity(0, size, &raw const one);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (pin, i);
}

/// What the system calls the calling thread; zero where it is not asked.
pub(crate) fn tid() -> u32 {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes nothing and returns a number.
    return u32::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or(0);
    #[cfg(not(target_os = "linux"))]
    0
}

/// What a thread has got of the processors since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheduled {
    /// How long it ran.
    pub(crate) ran: Duration,
    /// How long it was ready to run and waited for a core.
    pub(crate) waited: Duration,
}

/// The same for the thread that the system calls `tid`. `None` if that thread has ended, and where
/// there is no `/proc/self/task/TID/schedstat`: outside of Linux, or in a sandbox that hides it.
pub(crate) fn scheduled(tid: u32) -> Option<Scheduled> {
    if tid == 0 || !cfg!(target_os = "linux") {
        return None;
    }
    let line = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok()?;
    let mut words = line.split_whitespace().map(|word| word.parse().map(Duration::from_nanos));
    Some(Scheduled { ran: words.next()?.ok()?, waited: words.next()?.ok()? })
}
