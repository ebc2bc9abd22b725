//! The location of a panic: the caller's line, for every public function that can panic. Also the
//! message of a refused configuration.

#[cfg(target_os = "linux")]
#[path = "common/again.rs"]
#[allow(dead_code, reason = "one test here runs itself again, and measures nothing")]
mod again;

#[cfg(target_os = "linux")]
use again::Again;
use gc_core::{
    ConfigError, Ephemeron, Gc, GcMutex, GcRefCell, GcRwLock, GcWeakMap, Heap, HeapBuilder,
    Mutation, Root,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

thread_local!(static SEEN: Cell<Option<(String, u32)>> = const { Cell::new(None) });

/// Where `f` panics.
fn panics(f: impl FnOnce()) -> (String, u32) {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if SEEN.with(|seen| seen.take().is_some()) {
                let at: &Location<'_> = info.location().expect("a panic has a place");
                SEEN.set(Some((at.file().into(), at.line())));
            } else {
                before(info);
            }
        }));
    });
    SEEN.set(Some((String::from("no panic"), 0)));
    let result = catch_unwind(AssertUnwindSafe(f));
    let seen = SEEN.take().expect("the hook puts something back");
    assert!(result.is_err(), "nothing panicked");
    seen
}

/// Checks that a panic in an expression names the line of the expression, which must be one.
macro_rules! here {
    ($($call:tt)*) => {
        assert_eq!(
            panics(
                #[allow(unreachable_code, reason = "a loop ends in the panic")]
                || _ = { $($call)* }
            ),
            (file!().into(), line!()),
            "{}",
            stringify!($($call)*)
        )
    };
}

/// Runs `f` in a heap that has no room left.
fn full(f: impl FnOnce(&Mutation<'_>)) {
    let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build().unwrap();
    heap.mutate(|mc| {
        while Gc::try_from_slice(mc, &[0u8; 4096]).is_ok() {}
        while Gc::try_new(mc, [0u8; 16]).is_ok() {}
        f(mc);
    });
}

#[test]
fn an_allocation_at_the_limit() {
    full(|mc| {
        let big = || [0u8; 4000].into_iter();
        here! { loop { Gc::new(mc, 1u64); } }
        here! { loop { Gc::new(mc, String::new()); } }
        here! { loop { Gc::new(mc, [0u8; 4000]); } }
        here! { loop { mc.root([0u8; 4000]); } }
        here! { loop { Gc::from_slice(mc, &[0u8; 4000]); } }
        here! { loop { Gc::from_iter_in(mc, big()); } }
        here! { loop { Gc::from_str(mc, "text"); } }
    });
}

#[test]
fn a_box_at_the_limit() {
    let heap = Heap::builder().heap_limit(1 << 20).min_heap(1 << 19).build().unwrap();
    heap.mutate(|mc| {
        let (one, map) = (Gc::new(mc, 1u64), GcWeakMap::new());
        while Gc::try_from_slice(mc, &[0u8; 4096]).is_ok() {}
        here! { loop { _ = Gc::downgrade(one, mc); } }
        here! { loop { _ = Ephemeron::new(mc, one, one); } }
        here! { loop { map.insert(mc, one, one); } }
    });
}

#[test]
fn a_borrow_that_conflicts() {
    Heap::new().mutate(|mc| {
        let (cell, lock, mutex) = (GcRefCell::new(1), GcRwLock::new(1), GcMutex::new(1));
        let guard = cell.borrow();
        here! { cell.borrow_mut(mc) }
        drop(guard);
        let guard = cell.borrow_mut(mc);
        here! { cell.borrow() }
        here! { cell.borrow_mut(mc) }
        drop(guard);
        (0..65_535).for_each(|_| std::mem::forget(cell.borrow()));
        here! { cell.borrow() }
        let mut leaked = (GcRefCell::new(1), lock, mutex);
        std::mem::forget(leaked.0.borrow_mut(mc));
        std::mem::forget(leaked.1.write(mc));
        std::mem::forget(leaked.2.lock(mc));
        here! { leaked.0.get_mut() }
        here! { leaked.1.get_mut() }
        here! { leaked.2.get_mut() }
        here! { leaked.0.into_inner() }
        here! { leaked.1.into_inner() }
        here! { leaked.2.into_inner() }
    });
}

#[test]
fn a_root_of_another_heap() {
    let (one, other) = (Heap::new(), Heap::new());
    let root: Root<u64> = one.mutate(|mc| mc.root(1u64));
    other.mutate(|mc| {
        here! { root.get(mc) }
    });
}

/// In a process of its own, which may have little address space.
#[cfg(target_os = "linux")]
#[test]
fn a_heap_that_is_refused() {
    if again::is_child() {
        let mut all = Vec::new();
        here! { loop { all.push(Heap::new()); } }
        here! { loop { all.push(Heap::default()); } }
        return;
    }
    Again::new("a_heap_that_is_refused").address_space(1_000_000).run().must_pass();
}

#[test]
fn a_setting_out_of_range_is_told_with_its_unit() {
    let text = |change: fn(HeapBuilder) -> HeapBuilder| {
        change(Heap::builder()).build().unwrap_err().to_string()
    };
    for (change, wanted) in [
        (
            (|b| b.heap_limit(100)) as fn(HeapBuilder) -> HeapBuilder,
            "heap_limit is 100 bytes, but must be at least 1048576 bytes",
        ),
        (|b| b.memory_limit(1), "memory_limit is 1 byte, but must be at least 1048576 bytes"),
        (
            |b| b.min_heap(5),
            "min_heap is 5 bytes, but must be between 16384 and 17592186044416 bytes",
        ),
        (
            |b| b.reserve(usize::MAX),
            "reserve is 18446744073709551615 bytes, but must be \
             between 16777216 and 17592186044416 bytes",
        ),
        (|b| b.gc_percent(0), "gc_percent is 0 percent, but must be between 1 and 100000 percent"),
        (
            |b| b.cgroup_memory_limit(101),
            "cgroup_memory_limit is 101 percent, but must be between 1 and 100 percent",
        ),
        (|b| b.markers(300), "markers is 300 threads, but must be between 1 and 256 threads"),
        (
            |b| b.idle_after(Duration::from_nanos(5)),
            "idle_after is 0 milliseconds, but must be at least 1 milliseconds",
        ),
        (
            |b| b.min_heap(4 << 20).heap_limit(2 << 20),
            "min_heap is 4194304 bytes, but must be at most heap_limit, which is 2097152 bytes",
        ),
        (
            |b| b.min_heap(32 << 20).reserve(16 << 20),
            "min_heap is 33554432 bytes, but must be at most reserve, which is 16777216 bytes",
        ),
    ] {
        assert_eq!(text(change), wanted);
    }
    let error = Heap::builder().markers(0).build().unwrap_err();
    assert!(matches!(error, ConfigError::OutOfRange { setting: "markers", unit: "threads", .. }));
    let error = Heap::builder().min_heap(4 << 20).heap_limit(2 << 20).build().unwrap_err();
    assert!(matches!(error, ConfigError::Conflict { bound: "heap_limit", max: 0x20_0000, .. }));
}
