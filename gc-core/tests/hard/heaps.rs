//! A hundred heaps at once, and a hundred one after another: no page, no mapping and no thread is
//! left.

use crate::common::{Canary, Node, counter, status, threads_come_down_to};
use crate::process;
use crate::settle::Settle;
use gc_core::{Gc, GcCell, Heap, Root};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// What a process has of the system.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    threads: usize,
    mappings: usize,
    files: usize,
    /// In MiB.
    address_space: usize,
    /// In KiB.
    resident: usize,
}

impl Holdings {
    fn now() -> Holdings {
        // What malloc keeps for later would be looked at as if it were in use.
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: the call gives free pages of the allocator back and touches nothing else.
        unsafe {
            libc::malloc_trim(0);
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = |i: usize| -> usize {
            statm.split_whitespace().nth(i).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        Holdings {
            threads: status("Threads"),
            mappings: maps.lines().count(),
            files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            address_space: pages(0) >> 8,
            resident: pages(1) * 4,
        }
    }
}

fn use_heap(heap: &Heap, drops: &Arc<AtomicUsize>, i: u64) -> Root<Node<'static>> {
    heap.mutate(|mc| {
        (0..200).for_each(|_| _ = Gc::new(mc, Canary(drops.clone())));
        Gc::from_slice(mc, &[i; 20_000]);
        Gc::root(Gc::new(mc, Node { next: GcCell::new(None), value: i }), mc)
    })
}

/// On a thread of its own, whose table of heaps goes with it.
fn hundred_at_once(drops: &Arc<AtomicUsize>) {
    std::thread::scope(|s| {
        let all = s.spawn(|| {
            let build = |i: usize| Heap::builder().markers(1 + i % 2).build().unwrap();
            let heaps: Vec<Heap> = (0..100).map(build).collect();
            let roots: Vec<_> =
                heaps.iter().zip(0..).map(|(heap, i)| use_heap(heap, drops, i)).collect();
            for (heap, (root, i)) in heaps.iter().zip(roots.iter().zip(0..)) {
                heap.settle();
                assert_eq!(heap.mutate(|mc| root.get(mc).value), i);
            }
            Holdings::now()
        });
        eprintln!("hard: 100 heaps at once: {:?}", all.join().unwrap());
    });
}

fn hundred_in_sequence(drops: &Arc<AtomicUsize>) {
    std::thread::scope(|s| {
        let all = s.spawn(|| {
            for i in 0..100 {
                let heap = Heap::new();
                let root = use_heap(&heap, drops, i);
                if i % 3 == 0 {
                    heap.settle();
                }
                assert_eq!(heap.mutate(|mc| root.get(mc).value), i);
            }
        });
        all.join().unwrap();
    });
}

// condition (Heaps): 800 heaps, by hundreds at once and in sequence
// measured: after 200 and after 800: 2 and 2 threads, 6 and 6 files, 102 and 102 mappings, RSS 5.5
//   and 5.6 MB, address space 1005 MiB both times (a heap reserves 64 GiB); while a hundred are
//   there, RSS 38 MB the first time and 40 MB the fourth
// bound: threads and files equal; 32 mappings; 1 GiB; 8 MiB
#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn a_hundred_heaps_leave_no_page_and_no_thread() {
    process::alone("heaps::a_hundred_heaps_leave_no_page_and_no_thread", || {
        let (drops, threads) = (counter(), status("Threads"));
        // The first round leaves what malloc keeps for so many threads; the next ones may leave
        // nothing.
        hundred_at_once(&drops);
        hundred_in_sequence(&drops);
        threads_come_down_to(threads);
        let before = Holdings::now();
        for _ in 0..3 {
            hundred_at_once(&drops);
            hundred_in_sequence(&drops);
        }
        threads_come_down_to(threads);
        let after = Holdings::now();
        eprintln!("hard: after 200 heaps {before:?}, after 800 {after:?}");
        assert_eq!(drops.load(SeqCst), 800 * 200, "a heap that ends drops what is left");
        assert_eq!((after.threads, after.files), (threads, before.files));
        // Six hundred heaps with six mappings each came and went; malloc's arenas have two each.
        assert!(after.mappings < before.mappings + 32, "{before:?}, {after:?}");
        assert!(after.address_space < before.address_space + 1024, "{before:?}, {after:?}");
        assert!(after.resident < before.resident + 8192, "{before:?}, {after:?}");
    });
}
