//! A system that refuses: address space before a heap exists, and memory, threads and advice in the
//! middle of a run.
//!
//! A heap asks the system for its address space once, when it is made; afterwards its objects only
//! touch pages of that reservation, and no call can fail. What still can: `madvise`, when memory is
//! given back; and the process's allocator and threads, which the heap uses for its own lists.
//! Where the system promised more memory than it has, it ends a process at the touch of a page, and
//! no library can turn that into an error.

use crate::common::{Node, status, threads_come_down_to};
use crate::process::{self, Again, is_child};
use crate::settle::Settle;
use crate::{check_usable, panic_of};
use gc_core::{ConfigError, Gc, GcCell, Heap, Root};

/// No more address space for this process than it has, and so many MiB.
fn limit_address_space(more_mib: usize) {
    let bytes = ((status("VmSize") << 10) + (more_mib << 20)) as u64;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the call reads the struct, which is a plain pair of numbers.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

// condition (Refusals): no address space (`ulimit -v`)
// measured: with 16 MiB: `build` says "could not reserve even 16777216 bytes of address space:
//   Cannot allocate memory"; with 24 MiB "could not start a collector thread"; `Heap::new` panics
//   with "the heap could not be made: " and the same; with 128 MiB, 1 GiB and 16 GiB there is a
//   heap, with a smaller reservation
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn no_address_space_is_an_error_that_says_so() {
    if is_child() {
        let stack = std::env::var("RUST_MIN_STACK").unwrap().parse().unwrap();
        match Heap::builder().stack_size(stack).build() {
            Ok(heap) => {
                check_usable(&heap);
                eprintln!("hard: {:>8} MiB of address space: a heap", status("VmSize") >> 10);
            }
            Err(error) => {
                eprintln!("hard: {:>8} MiB of address space: {error}", status("VmSize") >> 10);
                if matches!(error, ConfigError::Reservation { .. }) {
                    let text = panic_of(|| _ = Heap::new());
                    assert_eq!(text, format!("the heap could not be made: {error}"));
                }
            }
        }
        return;
    }
    let run = |mib: usize, stack: &str| {
        let name = "refused::no_address_space_is_an_error_that_says_so";
        let ended = Again::new(name).env("RUST_MIN_STACK", stack).address_space(mib << 10).run();
        ended.must_pass();
        ended.errors
    };
    // The smallest heap takes 16 MiB and its tables, and its collector a stack. The stack is
    // refused a long way before the little that std and the C library allocate is: what they
    // cannot get ends the process.
    let small = run(16, "2097152");
    assert!(small.contains("could not reserve even 16777216 bytes of address space"), "{small}");
    let narrow = run(32, "33554432");
    assert!(narrow.contains("could not start a collector thread"), "{narrow}");
    for mib in [128, 1 << 10, 16 << 10] {
        let enough = run(mib, "2097152");
        assert!(enough.contains("a heap"), "{mib} MiB: {enough}");
    }
}

// condition (Refusals): no thread
// measured: "could not start a collector thread: Resource temporarily unavailable"; those that had
//   started have ended. (Where not even a few KiB are left as a thread starts, std or the C library
//   ends the process: "failed to allocate an alternative stack". It was seen in some 5 % of runs
//   with 2 MiB stacks at the very edge of the limit; the test keeps away from that.)
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn threads_refused_are_an_error_and_leave_none() {
    if !is_child() {
        // Large stacks, so that one of them is refused while there is room for all else: a thread
        // that starts with no memory at all is ended by std or by the C library, with the
        // process.
        let name = "refused::threads_refused_are_an_error_and_leave_none";
        let run = Again::new(name).env("RUST_MIN_STACK", "67108864").env("MALLOC_ARENA_MAX", "1");
        run.run().must_pass();
        return;
    }
    let before = status("Threads");
    check_usable(&Heap::new());
    // Enough for a small reservation, too little for 256 stacks.
    limit_address_space(200);
    let error =
        Heap::builder().reserve(16 << 20).markers(256).stack_size(64 << 20).build().unwrap_err();
    assert!(matches!(error, ConfigError::Thread { .. }), "{error}");
    assert!(error.to_string().starts_with("could not start a collector thread: "), "{error}");
    assert_eq!(threads_come_down_to(before), before, "those that did start have ended");
    eprintln!("hard: 256 markers in 200 MiB: {error}");
    check_usable(&Heap::builder().reserve(16 << 20).build().unwrap());
}

/// What the scavenger gives back beside a test is missing where the test counts.
fn heap_that_keeps_its_memory() -> Heap {
    Heap::builder().scavenge_rate(0).build().unwrap()
}

/// Fills a list with `mib` MiB of nodes of 16 bytes.
fn fill(heap: &Heap, mib: usize) -> Root<Node<'static>> {
    let list: Root<Node<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: 0 }), mc));
    for _ in 0..mib {
        heap.mutate(|mc| {
            let head = list.get(mc);
            for value in 0..1 << 16 {
                let next = head.next.get();
                head.next.set(mc, Some(Gc::new(mc, Node { next: GcCell::new(next), value })));
            }
        });
    }
    list
}

// condition (Refusals): address space used up in the middle of a run (`RLIMIT_AS`)
// measured: the heap goes on: 64 MiB more objects, collected and given back; a second heap is an
//   error
#[test]
#[cfg_attr(gc_verify, ignore = "the second marker takes memory of its own in every cycle")]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn no_more_address_space_does_not_touch_a_heap_that_exists() {
    process::alone("refused::no_more_address_space_does_not_touch_a_heap_that_exists", || {
        let heap = heap_that_keeps_its_memory();
        check_usable(&heap);
        limit_address_space(0);
        let list = fill(&heap, 64);
        heap.settle();
        let stats = heap.stats();
        assert_eq!(stats.live_objects, 64 << 16 | 1);
        let error = Heap::builder().build().unwrap_err();
        assert!(matches!(error, ConfigError::Reservation { .. }), "{error}");
        drop(list);
        check_usable(&heap);
        let released = heap.release_free_memory();
        assert!(released >= 64 << 20, "{released}");
        eprintln!(
            "hard: address space used up: {} MiB in the old heap, {} MiB given back; a new one: {error}",
            stats.heap_bytes >> 20,
            released >> 20
        );
    });
}

// condition (Refusals): `madvise` refuses (a locked page)
// measured: that piece of 4 MiB stays the heap's and usable; `release_free_memory` counts only
//   what the system took (12.8 of 16 MB)
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn advice_refused_keeps_the_memory_and_the_heap() {
    process::alone("refused::advice_refused_keeps_the_memory_and_the_heap", || {
        let heap = heap_that_keeps_its_memory();
        let list = fill(&heap, 16);
        // A locked page, in the midst of the heap, cannot be given back, nor can the piece around
        // it.
        let page = heap.mutate(|mc| {
            let mut at = list.get(mc);
            for _ in 0..1 << 19 {
                at = at.next.get().unwrap();
            }
            Gc::as_ptr(at) as usize & !4095
        });
        // SAFETY: the page lies in the heap's mapping; locking it changes nothing that a program
        // sees.
        let locked = unsafe { libc::mlock(page as *const libc::c_void, 4096) };
        assert_eq!(locked, 0, "one page may be locked: {}", std::io::Error::last_os_error());
        drop(list);
        heap.settle();
        let released = heap.release_free_memory();
        let kept = heap.stats().spans_idle * (16 << 10);
        eprintln!("hard: one page locked: {released} bytes given back, {kept} kept");
        // Pieces are of 4 MiB at most.
        assert!((8 << 20..16 << 20).contains(&released), "{released}");
        assert!(kept > 0 && kept <= 5 << 20, "{kept}");
        drop(fill(&heap, 16));
        check_usable(&heap);
        // SAFETY: as above.
        unsafe { libc::munlock(page as *const libc::c_void, 4096) };
        heap.release_free_memory();
        assert_eq!(heap.stats().spans_idle, 0, "nothing stands in the way any more");
    });
}

/// Writes a line without allocating.
fn say(line: &str) {
    // SAFETY: the call reads the bytes of the line.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
}

// condition (Refusals): the process's allocator refuses
// measured: objects are still made (16 MiB of them); the first root that needs a larger table, or
//   the collector's next list, ends the process as std does: "memory allocation of 4096 bytes
//   failed", SIGABRT
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn an_allocator_that_refuses_ends_the_process_with_a_message() {
    let name = "refused::an_allocator_that_refuses_ends_the_process_with_a_message";
    if is_child() {
        // No cycle starts by itself.
        let heap = Heap::builder().min_heap(256 << 20).build().unwrap();
        let list = fill(&heap, 1);
        // The collector's thread, which may only just be starting, has all it needs by then.
        heap.settle();
        limit_address_space(0);
        let mut size = 1 << 20;
        while size >= 4096 {
            // SAFETY: any size may be asked for; what is got is leaked on purpose.
            let got = unsafe { libc::malloc(size) };
            // Otherwise the optimizer leaves out what is not used, and takes it for granted that it
            // would succeed.
            if std::hint::black_box(got).is_null() {
                size /= 2;
            }
        }
        heap.mutate(|mc| {
            let head = list.get(mc);
            (0..1 << 20).for_each(|i| {
                let next = GcCell::new(head.next.get());
                head.next.set(mc, Some(Gc::new(mc, Node { next, value: i })));
            });
        });
        say("hard: malloc refuses: 16 MiB of objects made\n");
        // Roots live in a table of the process's allocator.
        heap.mutate(|mc| (0..100_000).for_each(|_| std::mem::forget(Gc::root(list.get(mc), mc))));
        say("hard: and 100,000 roots\n");
        return;
    }
    let ended = Again::new(name).run();
    assert!(ended.errors.contains("16 MiB of objects made"), "{}", ended.errors);
    assert!(!ended.errors.contains("100,000 roots"), "{}", ended.errors);
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{}", ended.errors);
    let line = ended.errors.lines().find(|line| line.starts_with("memory allocation of "));
    eprintln!("hard: then: {}", line.unwrap_or_else(|| panic!("no message: {}", ended.errors)));
}
