//! Limits of the heap and absurd settings.

use crate::common::{Canary, Node, counter, status};
use crate::process;
use crate::settle::Settle;
use crate::{check_usable, panic_of};
use gc_core::{ConfigError, Gc, GcCell, Heap, HeapBuilder, Mutation, Root, Trace};
use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;

#[test]
fn absurd_settings_are_errors_that_say_what_is_allowed() {
    type Set = fn(HeapBuilder) -> HeapBuilder;
    let cases: [(Set, &str); 13] = [
        (|b| b.gc_percent(0), "gc_percent is 0 percent, but must be between 1 and 100000 percent"),
        (|b| b.gc_percent(u32::MAX), "gc_percent is 4294967295 percent, but must be between 1 and"),
        (|b| b.markers(0), "markers is 0 threads, but must be between 1 and 256 threads"),
        (|b| b.markers(100_000), "markers is 100000 threads, but must be between 1 and 256"),
        (|b| b.min_heap(0), "min_heap is 0 bytes, but must be between 16384 and"),
        (|b| b.min_heap(usize::MAX), "min_heap is 18446744073709551615 bytes, but must be between"),
        (|b| b.reserve(0), "reserve is 0 bytes, but must be between 16777216 and"),
        (|b| b.reserve(usize::MAX), "reserve is 18446744073709551615 bytes, but must be between"),
        (|b| b.heap_limit(0), "heap_limit is 0 bytes, but must be at least 1048576 bytes"),
        (|b| b.heap_limit(1000), "heap_limit is 1000 bytes, but must be at least 1048576 bytes"),
        (|b| b.memory_limit(0), "memory_limit is 0 bytes, but must be at least 1048576 bytes"),
        (
            |b| b.min_heap(4 << 20).heap_limit(2 << 20),
            "min_heap is 4194304 bytes, but must be at most heap_limit",
        ),
        (
            |b| b.min_heap(64 << 20).reserve(32 << 20),
            "min_heap is 67108864 bytes, but must be at most reserve",
        ),
    ];
    for (set, text) in cases {
        let error: ConfigError = set(Heap::builder()).build().expect_err(text);
        assert!(error.to_string().starts_with(text), "{error} is not {text}");
    }
    // A large reservation works, or falls back to a smaller one, or is a clear error; never an abort.
    match Heap::builder().reserve(1 << 44).build() {
        Ok(heap) => check_usable(&heap),
        Err(error) => assert!(error.to_string().contains("address space"), "{error}"),
    }
}

fn limited() -> Heap {
    Heap::builder().heap_limit(2 << 20).min_heap(1 << 20).build().unwrap()
}

#[test]
fn the_limit_is_an_error_on_every_path() {
    fn fill<E: std::fmt::Display>(name: &str, mut one: impl FnMut() -> Result<(), E>) {
        // Inside one `mutate` nothing is freed, so the limit is reached however the collector runs.
        let refused = (0..1_000_000).find_map(|_| one().err());
        let text = refused.unwrap_or_else(|| panic!("{name}: no limit")).to_string();
        assert!(text.contains("does not fit the heap's limit of 2097152 bytes"), "{name}: {text}");
    }
    let heap = limited();
    heap.mutate(|mc| fill("leaf", || Gc::try_new(mc, [0u64; 8]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let node = || Node { next: GcCell::new(None), value: 1 };
        fill("node", || Gc::try_new(mc, node()).map(drop));
    });
    check_usable(&heap);
    heap.mutate(|mc| fill("big", || Gc::try_new(mc, [0u64; 8000]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| fill("slice", || Gc::try_from_slice(mc, &[1u32; 100]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| fill("large", || Gc::try_from_slice(mc, &[1u32; 20_000]).map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let strings = || (0..10).map(|i| i.to_string());
        fill("iter", || Gc::try_from_iter_in(mc, strings()).map(drop));
    });
    check_usable(&heap);
    heap.mutate(|mc| fill("str", || Gc::try_from_str(mc, "one hundred").map(drop)));
    check_usable(&heap);
    heap.mutate(|mc| {
        let object = Gc::new(mc, 1u64);
        fill("weak", || Gc::try_downgrade(object, mc).map(drop));
    });
    check_usable(&heap);
    let (drops, mut made) = (counter(), 0);
    heap.mutate(|mc| {
        fill("canary", || {
            made += 1;
            Gc::try_new(mc, Canary(drops.clone())).map(drop)
        });
        assert_eq!(drops.load(SeqCst), 1, "the refused value is dropped at once");
    });
    heap.settle();
    assert_eq!(drops.load(SeqCst), made);
    check_usable(&heap);
}

#[test]
fn new_at_the_limit_panics_clearly_and_the_heap_goes_on() {
    let heap = limited();
    let text = panic_of(|| {
        heap.mutate(|mc| {
            loop {
                Gc::new(mc, [0u64; 100]);
            }
        })
    });
    assert!(
        text.contains("does not fit the heap's limit") && text.contains("heap_limit"),
        "{text}"
    );
    check_usable(&heap);
    // Garbage without end is no problem for a program that leaves `mutate`.
    for _ in 0..2000 {
        heap.mutate(|mc| (0..100).for_each(|_| _ = Gc::new(mc, [0u64; 100])));
    }
    check_usable(&heap);
}

#[test]
fn larger_than_the_heap_is_an_error() {
    #[derive(Trace, Clone, Copy)]
    struct Huge([u8; 1 << 16]);
    let heap = limited();
    heap.mutate(|mc| {
        let error = Gc::try_from_slice(mc, &vec![0u8; 3 << 20]).unwrap_err();
        assert_eq!((error.requested, error.limit), (3 << 20, 2 << 20));
        // Lengths whose bytes overflow.
        let endless = std::iter::repeat_n([0u64; 1 << 10], usize::MAX / 2);
        assert!(Gc::try_from_iter_in(mc, endless).is_err());
        let strings = std::iter::repeat_n(String::new(), usize::MAX);
        assert!(Gc::try_from_iter_in(mc, strings).is_err());
    });
    check_usable(&heap);
    let small = Heap::builder().reserve(16 << 20).build().unwrap();
    small.mutate(|mc| {
        assert!(Gc::try_from_slice(mc, &vec![0u8; 17 << 20]).is_err());
        assert!(Gc::try_from_slice(mc, &vec![0u8; 8 << 20]).is_ok());
        assert!(Gc::try_from_iter_in(mc, (0..64).map(|_| Huge([1; 1 << 16]))).is_ok());
    });
    check_usable(&small);
}

#[test]
fn every_path_panics_with_what_to_do_and_the_heap_goes_on() {
    /// Reads what is full on the way out of `mutate`: behind it, a cycle may free everything at once.
    struct Full<'a>(&'a Heap, &'a Cell<u64>);
    impl Drop for Full<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.stats().heap_bytes);
        }
    }
    let heap = limited();
    type Fill = for<'gc> fn(&Mutation<'gc>) -> !;
    let paths: [(&str, Fill); 8] = [
        ("Gc::new, a leaf", |mc| {
            loop {
                Gc::new(mc, [0u64; 8]);
            }
        }),
        ("Gc::new, traced", |mc| {
            loop {
                Gc::new(mc, Node { next: GcCell::new(None), value: 1 });
            }
        }),
        ("Gc::new, with drop glue", |mc| {
            loop {
                Gc::new(mc, Box::new(1u64));
            }
        }),
        ("Gc::new, large", |mc| {
            loop {
                Gc::new(mc, [0u64; 8000]);
            }
        }),
        ("Gc::from_slice", |mc| {
            loop {
                Gc::from_slice(mc, &[1u32; 100]);
            }
        }),
        ("Gc::from_iter_in", |mc| {
            loop {
                Gc::from_iter_in(mc, (0..50u32).map(|i| i.to_string()));
            }
        }),
        ("Gc::from_str", |mc| {
            loop {
                Gc::from_str(mc, "one hundred");
            }
        }),
        ("Gc::downgrade", |mc| {
            let object = Gc::new(mc, 1u64);
            loop {
                let _ = Gc::downgrade(object, mc);
            }
        }),
    ];
    for (name, fill) in paths {
        let full = Cell::new(0);
        let text = panic_of(|| {
            heap.mutate(|mc| {
                let _at_the_end = Full(&heap, &full);
                fill(mc)
            })
        });
        assert!(text.contains("does not fit the heap's limit of 2097152 bytes"), "{name}: {text}");
        assert!(text.contains("heap_limit"), "{name}: {text}");
        let full = full.get();
        assert!((1 << 20..=2 << 20).contains(&full), "{name}: {full} bytes");
        check_usable(&heap);
        eprintln!(
            "hard: {name}: {text}; {} KiB, then {} KiB",
            full >> 10,
            heap.stats().heap_bytes >> 10
        );
    }
}

#[test]
#[cfg_attr(gc_asan, ignore = "it measures the process, of which the sanitizer takes a part")]
fn roots_are_not_counted_by_the_limit_and_come_back() {
    process::alone("limits::roots_are_not_counted_by_the_limit_and_come_back", || {
        let heap = limited();
        let make = || -> Vec<Root<u64>> {
            heap.mutate(|mc| {
                let object = Gc::new(mc, 5u64);
                (0..200_000).map(|_| Gc::root(object, mc)).collect()
            })
        };
        let round = || {
            let roots = make();
            assert!(heap.mutate(|mc| roots.iter().all(|root| *root.get(mc) == 5)));
            assert!(heap.stats().heap_bytes < 1 << 20, "{:?}", heap.stats());
            drop(roots);
            heap.settle();
            assert_eq!(heap.stats().live_objects, 0);
            status("VmRSS")
        };
        let (first, second) = (round(), round());
        let last = (0..10).fold(0, |_, _| round());
        eprintln!(
            "hard: 200,000 roots dropped: RSS {first}, {second}, and in the 12th round {last} KiB"
        );
        // Three MiB a round if slots did not come back.
        assert!(last < second + 8192, "{second} KiB, then {last} KiB");
        check_usable(&heap);
    });
}
