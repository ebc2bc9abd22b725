//! Mutator threads, each on a core of its own when `--pin` asks for it.
//!
//! Mutator i takes the i-th core that the process may use, from the first up; the heap's markers
//! take the last ones (`HeapBuilder::pin_markers`). The main thread never pins itself: threads
//! inherit the mask of the thread that starts them, and the heap starts its own.

use std::mem::size_of;
use std::panic::resume_unwind;
use std::sync::{Barrier, OnceLock};

/// The cores of the process as it was started: a pinned thread that starts others sees only its
/// own.
static CORES: OnceLock<Vec<usize>> = OnceLock::new();

/// Runs `work(i)` on `threads` new threads that start together, and returns their results.
pub(crate) fn on_threads<R: Send>(
    threads: usize,
    pin: bool,
    work: impl Fn(usize) -> R + Sync,
) -> Vec<R> {
    let cores: &[usize] = if pin { CORES.get_or_init(allowed_cores) } else { &[] };
    let (start, work) = (Barrier::new(threads), &work);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|i| {
                let core = (!cores.is_empty()).then(|| cores[i % cores.len()]);
                let start = &start;
                scope.spawn(move || {
                    if let Some(core) = core
                        && !bind_to(&[core])
                    {
                        eprintln!("gc-bench: core {core} refused mutator {i}; it runs unpinned");
                    }
                    start.wait();
                    work(i)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Runs `work` on one such thread. What it builds need not be `Send`: it stays on that thread.
pub(crate) fn on_one_thread<R: Send>(pin: bool, work: impl Fn() -> R + Sync) -> R {
    on_threads(1, pin, |_| work()).remove(0)
}

/// The cores of this thread's affinity mask, in order; empty if the system does not say.
pub(crate) fn allowed_cores() -> Vec<usize> {
    // SAFETY: a `cpu_set_t` is an array of integers, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is writable and its size is given; 0 names the calling thread.
    let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if failed != 0 {
        return Vec::new();
    }
    // SAFETY: every index is below CPU_SETSIZE, the number of bits in the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&c| unsafe { libc::CPU_ISSET(c, &set) }).collect()
}

/// Runs `work` while this thread may use all cores again: the threads that it starts then may too.
/// For an engine that starts its collector's threads itself.
#[cfg(feature = "peers")]
pub(crate) fn on_all_cores<R>(work: impl FnOnce() -> R) -> R {
    let Some(all) = CORES.get() else { return work() };
    let own = allowed_cores();
    // A refusal leaves the thread where it is, as does a system that does not know the cores.
    bind_to(all);
    let result = work();
    bind_to(&own);
    result
}

/// Binds the calling thread to `cores`; false if the system refused.
fn bind_to(cores: &[usize]) -> bool {
    // SAFETY: a `cpu_set_t` is an array of integers, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &core in cores {
        // SAFETY: `core` came out of a set of the same size.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: `set` is readable and its size is given; 0 names the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_thread_order() {
        assert_eq!(on_threads(4, true, |i| i * 10), [0, 10, 20, 30]);
    }

    #[test]
    fn threads_of_a_pinned_thread_spread_too() {
        let all = allowed_cores();
        let masks = on_one_thread(true, || on_threads(all.len(), true, |_| allowed_cores()));
        let expected: Vec<_> = all.iter().map(|&core| vec![core]).collect();
        assert_eq!(masks, expected);
    }

    #[test]
    #[cfg(feature = "peers")]
    fn a_pinned_thread_may_start_others_on_all_cores() {
        let all = allowed_cores();
        let (inside, after) =
            on_one_thread(true, || (on_all_cores(allowed_cores), allowed_cores()));
        assert_eq!((inside, after), (all.clone(), all[..1].to_vec()));
    }

    #[test]
    fn pinning_leaves_the_caller_alone() {
        let before = allowed_cores();
        assert!(on_one_thread(true, || allowed_cores().len()) <= before.len());
        assert_eq!(allowed_cores(), before);
    }
}
