//! The process around a heap: signals, filters of system calls, forks that the pid does not tell,
//! locked memory, limits of the process, thousands of heaps, threads that outlive their heaps. What
//! a machine does not permit is skipped with a line that says so.

use crate::check_usable;
use crate::common::{Canary, counter, status};
use crate::process::{self, Again, is_child, limit_time};
use crate::settle::Settle;
use gc_core::{AllocReason, CollectError, Gc, Heap, Root};
use std::sync::Barrier;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

fn skipped(what: &str) {
    eprintln!("hard: skipped: {what}: {}", std::io::Error::last_os_error());
}

/// The names of this process's threads, each with its blocked signals.
fn masks() -> Vec<(String, u64)> {
    let of_task = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.unwrap().path().join("status")).unwrap();
        let field = |key| text.lines().find_map(|l| l.strip_prefix(key)).unwrap().trim();
        (field("Name:").to_string(), u64::from_str_radix(field("SigBlk:"), 16).unwrap())
    };
    std::fs::read_dir("/proc/self/task").unwrap().map(of_task).collect()
}

// condition (Process): signals sent to the process
// measured: collector threads block all but SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS and
//   SIGABRT; other threads' masks are as they were
#[test]
fn the_collectors_threads_take_no_signals() {
    process::alone("around::the_collectors_threads_take_no_signals", || {
        let bit = |signal: i32| 1u64 << (signal - 1);
        let is_ours = |name: &str| name.starts_with("gc");
        // The C library blocks all signals of a thread while that starts another one: the test
        // runner's main thread may be at it still.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut before = masks();
        while before.iter().any(|mask| mask.1 & bit(libc::SIGTERM) != 0)
            && Instant::now() < deadline
        {
            before = masks();
        }
        let heap = Heap::builder().markers(3).build().unwrap();
        check_usable(&heap);
        // The drop thread starts with the first dead object that has a destructor.
        heap.mutate(|mc| _ = Gc::new(mc, String::from("dead")));
        heap.settle();
        // A thread names itself, so it may look like one of the program's for a moment.
        let (ours, others) = loop {
            let (ours, others): (Vec<_>, Vec<_>) = masks().into_iter().partition(|m| is_ours(&m.0));
            if others == before || Instant::now() > deadline {
                break (ours, others);
            }
        };
        assert!(ours.len() >= 4 && ours.iter().any(|m| m.0 == "gc-drop"), "{ours:?}");
        for (name, mask) in &ours {
            for signal in (1..32).filter(|s| ![libc::SIGKILL, libc::SIGSTOP].contains(s)) {
                let is_own_fault = [
                    libc::SIGSEGV,
                    libc::SIGBUS,
                    libc::SIGFPE,
                    libc::SIGILL,
                    libc::SIGTRAP,
                    libc::SIGSYS,
                    libc::SIGABRT,
                ]
                .contains(&signal);
                assert_eq!(mask & bit(signal) == 0, is_own_fault, "{name}: signal {signal}");
            }
        }
        assert_eq!(others, before, "the masks of the program's threads are as they were");
    });
}

/// Refuses system calls with an error number, for all threads, from now on. Returns whether it
/// could.
fn refuse(calls: &[libc::c_long], errno: i32) -> bool {
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (i, call) in calls.iter().enumerate() {
        let to_refusal = (calls.len() - i) as u8;
        program.push(step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            to_refusal,
            0,
            *call as u32,
        ));
    }
    let ret = libc::BPF_RET | libc::BPF_K;
    program.push(step(ret, 0, 0, libc::SECCOMP_RET_ALLOW));
    program.push(step(ret, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the calls read the filter, which is whole, and restrict this process, which is a
    // test's own.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_TSYNC,
                &raw const filter,
            ) == 0
    }
}

/// Three threads keep and drop lists while cycles run; what they keep must stay whole.
fn work(heap: &Heap) {
    std::thread::scope(|s| {
        for seed in 0..3u64 {
            s.spawn(move || {
                let mut kept: Vec<Root<Vec<u64>>> = Vec::new();
                for i in 0..3000 {
                    let value = seed << 32 | i;
                    kept.push(heap.mutate(|mc| Gc::root(Gc::new(mc, vec![value; 4]), mc)));
                    if kept.len() > 100 {
                        let oldest = kept.swap_remove((i % 100) as usize);
                        heap.mutate(|mc| {
                            let oldest = oldest.get(mc);
                            assert!(oldest.iter().all(|v| *v == oldest[0] && v >> 32 == seed));
                        });
                    }
                }
            });
        }
        (0..30).for_each(|_| heap.collect().unwrap());
    });
}

// condition (Process): `membarrier` refused by a filter in the middle of a run
// measured: two heaps and their threads go on; the next cycle of both took 70 ms on a busy machine
//   while all 8,192 possible cores were asked for; now those that the kernel has are
#[test]
fn membarrier_refused_in_the_middle_of_a_run() {
    process::alone("around::membarrier_refused_in_the_middle_of_a_run", || {
        let heaps = [Heap::new(), Heap::builder().markers(2).build().unwrap()];
        heaps.iter().for_each(work);
        if !refuse(&[libc::SYS_membarrier], libc::EPERM) {
            return skipped("a filter of system calls");
        }
        let begin = Instant::now();
        heaps.iter().for_each(|heap| heap.collect().unwrap());
        eprintln!(
            "hard: membarrier refused: the next cycle of two heaps after {:?}",
            begin.elapsed()
        );
        heaps.iter().for_each(work);
        heaps.iter().for_each(check_usable);
        check_usable(&Heap::new());
    });
}

// condition (Process): the same, and no visits of cores
// measured: "gc-core: fatal: the system refuses membarrier, …", SIGABRT
#[test]
fn no_fence_at_all_ends_the_process_with_a_message() {
    let name = "around::no_fence_at_all_ends_the_process_with_a_message";
    if is_child() {
        let heap = Heap::new();
        check_usable(&heap);
        if !refuse(&[libc::SYS_membarrier, libc::SYS_sched_setaffinity], libc::ENOSYS) {
            return skipped("a filter of system calls");
        }
        let _ = heap.collect();
        eprintln!("the cycle ended");
        return;
    }
    let ended = Again::new(name).run();
    if ended.errors.contains("hard: skipped") {
        return;
    }
    if ended.errors.contains("the cycle ended") {
        // This machine never granted membarrier, so nothing was refused.
        ended.must_pass();
        return;
    }
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{}", ended.errors);
    assert!(
        ended.errors.contains("gc-core: fatal: the system refuses membarrier"),
        "{}",
        ended.errors
    );
}

/// Runs `body` in a child made by `make`, which returns 0 in it, and returns the child's exit code.
fn child(make: impl FnOnce() -> libc::pid_t, body: impl FnOnce() -> i32) -> Option<i32> {
    match make() {
        0 => {
            limit_time(20);
            // SAFETY: it ends the child.
            unsafe { libc::_exit(body()) }
        }
        pid if pid > 0 => {
            let mut status = 0;
            // SAFETY: the child is ours, and `status` a place for the answer.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            Some(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1000 })
        }
        _ => None,
    }
}

fn fork() -> libc::pid_t {
    // SAFETY: the child does what `Heap` allows after a fork.
    unsafe { libc::fork() }
}

/// In a child of the heap's process: 0 if the heap knows that it has no collector.
fn knows_it_is_a_child(heap: &Heap) -> i32 {
    heap.mutate(|mc| (0..10_000).for_each(|i| _ = Gc::new(mc, [i; 8])));
    i32::from(heap.collect() != Err(CollectError::AfterFork))
}

// condition (Process): a fork past the C library, a child of a child, `posix_spawn`
// measured: children have `CollectError::AfterFork`; a program that was started has nothing to do
//   with the heap
#[test]
fn a_fork_is_known_without_the_pid() {
    process::alone("around::a_fork_is_known_without_the_pid", || {
        let heap = Heap::new();
        check_usable(&heap);
        // Past the C library, whose handlers do not run.
        let raw = || {
            // SAFETY: a plain fork, as above.
            unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
        };
        assert_eq!(child(raw, || knows_it_is_a_child(&heap)), Some(0));
        // A child of the child has heaps of three processes.
        let grandchild = || {
            let own = Heap::new();
            check_usable(&own);
            let code = child(fork, || knows_it_is_a_child(&heap) + 2 * knows_it_is_a_child(&own));
            code.unwrap_or(500)
        };
        assert_eq!(child(fork, grandchild), Some(0));
        // One that shares the memory until it runs a program (vfork, as std's does) is nothing to
        // the heap.
        assert!(std::process::Command::new("true").status().unwrap().success());
        check_usable(&heap);
    });
}

// condition (Process): parent and child both process 1 of their namespaces
// measured: the same
#[test]
fn parent_and_child_are_both_process_1() {
    process::alone("around::parent_and_child_are_both_process_1", || {
        // SAFETY: children of this process, which is a test's own, get numbers of their own.
        let own_numbers = || unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0;
        if !own_numbers() {
            return skipped("a namespace of process numbers");
        }
        let code =
            child(fork, || {
                let heap = Heap::new();
                check_usable(&heap);
                if std::process::id() != 1 || !own_numbers() {
                    return 2;
                }
                let inner = child(fork, || {
                    if std::process::id() == 1 { knows_it_is_a_child(&heap) } else { 3 }
                });
                check_usable(&heap);
                inner.unwrap_or(4)
            });
        assert_eq!(code, Some(0));
    });
}

/// MiB of this process's mappings that may be written.
fn writable() -> usize {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    let bytes = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let number = |s| usize::from_str_radix(s, 16).ok();
        rest.starts_with("rw").then_some(number(to)? - number(from)?)
    };
    text.lines().filter_map(bytes).sum::<usize>() >> 20
}

// condition (Process): the reservation
// measured: of 64 GiB 2 MiB may be written (a stack); 265 with 256 MiB in the heap
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn a_reservation_is_opened_as_the_heap_grows() {
    process::alone("around::a_reservation_is_opened_as_the_heap_grows", || {
        let content = vec![1u8; 256 << 20];
        let before = writable();
        let heap = Heap::builder().markers(1).build().unwrap();
        let (reserved, empty) = (heap.stats().reserved_bytes >> 20, writable() - before);
        let kept = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &content), mc));
        let full = writable() - before;
        eprintln!(
            "hard: of {reserved} MiB reserved {empty} are open, and {full} with 256 MiB in it"
        );
        assert_eq!(reserved, 64 << 10);
        // Stacks and arenas of malloc among them.
        assert!(empty < 96 && (256..256 + 128).contains(&full), "{empty} {full}");
        drop(kept);
        check_usable(&heap);
    });
}

// condition (Process): `mlockall` before the heap
// measured: a heap takes 8 MiB (its thread's stack), 45 with 32 MiB in it and a drop thread of 1
//   MiB
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn locked_memory_is_not_filled() {
    process::alone("around::locked_memory_is_not_filled", || {
        // SAFETY: all memory of this process, which is a test's own, stays resident.
        if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } != 0 {
            return skipped("mlockall");
        }
        let content = vec![1u8; 32 << 20];
        let begin = Instant::now();
        let before = status("VmRSS");
        // The stack of the drop thread is locked as well: 64 MiB by default.
        let builder = Heap::builder().drop_stack_size(1 << 20);
        let Ok(heap) = builder.build() else { return skipped("threads in locked memory") };
        let empty = status("VmRSS") - before;
        check_usable(&heap);
        let kept = heap.mutate(|mc| Gc::root(Gc::from_slice(mc, &content), mc));
        let full = status("VmRSS") - before;
        eprintln!(
            "hard: all memory locked: a heap takes {empty} KiB, {full} with 32 MiB in it, in {:?}",
            begin.elapsed()
        );
        // The stack of its thread is filled too, and an arena of malloc.
        assert!(empty < 96 << 10 && full < empty + (48 << 10), "{empty} {full}");
        drop(kept);
        check_usable(&heap);
    });
}

// condition (Process): strict overcommit (`vm.overcommit_memory=2`)
// by hand: case `a20_commit` with the usual, 4 and 64 GiB reserved
// measured: `Committed_AS` grows by 3.3 MB with a heap; forks, threads, a second heap and 200 MB
//   of `malloc` work

// condition (Process): the system opens no more (`RLIMIT_DATA`)
// measured: `AllocReason::System`, "Cannot allocate memory"; the heap goes on
#[test]
#[cfg_attr(gc_verify, ignore = "the second marker's own memory is refused")]
#[cfg_attr(gc_asan, ignore = "it limits the process, of which the sanitizer takes a part")]
fn memory_that_the_system_does_not_open_is_an_error() {
    process::alone("around::memory_that_the_system_does_not_open_is_an_error", || {
        let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
        check_usable(&heap);
        let bytes = ((status("VmData") << 10) + (32 << 20)) as u64;
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the call reads the struct, which is a plain pair of numbers.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) }, 0);
        let mut kept = Vec::with_capacity(1000);
        let error = loop {
            let one = heap
                .mutate(|mc| Gc::try_from_slice(mc, &[7u8; 100 << 10]).map(|gc| Gc::root(gc, mc)));
            match one {
                Ok(root) if kept.len() < 1000 => kept.push(root),
                Ok(_) => return skipped("a limit of the process's data"),
                Err(error) => break error,
            }
        };
        eprintln!("hard: {} MiB of data more: {} objects of 100 KiB, then {error}", 32, kept.len());
        assert!(matches!(error.reason, AllocReason::System { os: libc::ENOMEM }), "{error:?}");
        assert!(error.to_string().contains("the system refused more"), "{error}");
        assert!(kept.len() >= 200, "{}", kept.len());
        let is_whole = |root: &Root<[u8]>| heap.mutate(|mc| root.get(mc).iter().all(|b| *b == 7));
        assert!(kept.iter().all(is_whole));
        kept.clear();
        check_usable(&heap);
        heap.mutate(|mc| (0..100).for_each(|_| _ = Gc::from_slice(mc, &[8u8; 100 << 10])));
    });
}

// condition (Process): 2 GiB of address space
// measured: 1 GiB reserved; the error at its end names `reserve`
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn a_reservation_that_shrank_says_so() {
    let name = "around::a_reservation_that_shrank_says_so";
    if !is_child() {
        Again::new(name).address_space(2 << 20).run().must_pass();
        return;
    }
    let heap = Heap::new();
    let reserved = heap.stats().reserved_bytes;
    assert!(((256 << 20)..(2 << 30)).contains(&reserved), "{reserved}");
    let piece = vec![0u8; 64 << 20];
    let mut kept = Vec::new();
    let error = loop {
        match heap.mutate(|mc| Gc::try_from_slice(mc, &piece).map(|gc| Gc::root(gc, mc))) {
            Ok(root) => kept.push(root),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason, AllocReason::Reservation { is_short: true });
    assert!(error.to_string().contains("less than `reserve` asked for"), "{error}");
    eprintln!("hard: 2 GiB of address space: {} MiB reserved; {error}", reserved >> 20);
    drop(kept);
    let own = Heap::builder().reserve(16 << 20).build().unwrap();
    assert_eq!(own.stats().reserved_bytes, 16 << 20);
}

// condition (Process): 3,000 heaps (600 in debug)
// measured: 3,000 in release: 2.3 s, 15.9 TiB of address space, 55,862 mappings, RSS 440 MiB
#[test]
#[cfg_attr(any(gc_asan, gc_verify), ignore = "each heap takes ten times as much there")]
fn thousands_of_heaps() {
    process::alone("around::thousands_of_heaps", || {
        let n = if cfg!(debug_assertions) { 600 } else { 3000 };
        let (begin, drops) = (Instant::now(), counter());
        let make = || match Heap::builder().build() {
            Ok(heap) => {
                let root = heap.mutate(|mc| Gc::root(Gc::new(mc, Canary(drops.clone())), mc));
                Some((heap, root))
            }
            // A limit of threads of this machine, and not of the address space.
            Err(gc_core::ConfigError::Thread { os }) => {
                eprintln!("hard: skipped: more heaps: no thread: {os}");
                None
            }
            Err(error) => panic!("{error}"),
        };
        let mut heaps: Vec<(Heap, Root<Canary>)> = Vec::with_capacity(n);
        heaps.extend((0..n).map_while(|_| make()));
        let Some((last, _)) = heaps.last() else { return };
        last.mutate(|mc| (0..200).for_each(|_| _ = Gc::from_slice(mc, &[0u8; 1 << 20])));
        check_usable(last);
        eprintln!(
            "hard: {} heaps in {:?}, {} GiB of address space, RSS {} MiB",
            heaps.len(),
            begin.elapsed(),
            status("VmSize") >> 20,
            status("VmRSS") >> 10
        );
        let made = heaps.len();
        drop(heaps);
        assert_eq!(drops.load(std::sync::atomic::Ordering::SeqCst), made);
    });
}

type Job = Box<dyn FnOnce() + Send>;

// condition (Process): heaps end, their threads or roots live on
// measured: the address space is gone
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn threads_that_live_on_hold_no_address_space() {
    process::alone("around::threads_that_live_on_hold_no_address_space", || {
        let gib = || status("VmSize") >> 20;
        let pool: Vec<Sender<Job>> = (0..4)
            .map(|_| {
                let (give, take) = channel::<Job>();
                std::thread::Builder::new()
                    .spawn(move || take.iter().for_each(|job| job()))
                    .unwrap();
                give
            })
            .collect();
        let on_all = |heaps: &[Heap]| {
            let done = std::sync::Arc::new(Barrier::new(pool.len() + 1));
            for thread in &pool {
                let (heaps, done) = (heaps.to_vec(), done.clone());
                let job = move || {
                    heaps.iter().for_each(|h| h.mutate(|mc| _ = Gc::new(mc, [1u8; 100])));
                    heaps.iter().for_each(|h| h.mutate(|mc| _ = Gc::new(mc, vec![1u8; 100])));
                    drop(heaps);
                    done.wait();
                };
                thread.send(Box::new(job)).unwrap();
            }
            done.wait();
        };
        on_all(&[Heap::new()]);
        let before = gib();
        for keeps_roots in [false, true, false] {
            let heaps: Vec<Heap> = (0..10).map(|_| Heap::new()).collect();
            on_all(&heaps);
            let root = |heap: &Heap| heap.mutate(|mc| Gc::root(Gc::new(mc, 1u64), mc));
            let kept: Vec<Root<u64>> = heaps.iter().filter(|_| keeps_roots).map(root).collect();
            let full = gib();
            drop(heaps);
            let after = gib();
            eprintln!("hard: ten heaps on four threads: {full} GiB, {after} when they have ended");
            assert!(full >= before + 600 && after <= before + 8, "{before} {full} {after}");
            drop(kept);
        }
        let one = Heap::new();
        on_all(std::slice::from_ref(&one));
        check_usable(&one);
    });
}
