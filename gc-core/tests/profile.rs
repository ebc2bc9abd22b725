//! The heap profile, from outside: exact where every allocation is sampled, close to the truth
//! where few are, and never in the way of a cycle, a destructor or a thread's end.

#[path = "common/full.rs"]
mod full;

use full::Full;
use gc_core::{
    Gc, GcCell, Heap, HeapProfile, Leaf, ProfileError, ProfileSite, ProfileValue, Root, Trace,
};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ProfileValue::{AllocObjects, AllocSpace, InuseObjects, InuseSpace, YoungObjects};

#[derive(Trace)]
struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
}

#[derive(Trace)]
struct Entry<'gc> {
    next: GcCell<'gc, Entry<'gc>>,
    term: Gc<'gc, str>,
    postings: GcCell<'gc, [u32; 12]>,
}

fn exact() -> Heap {
    Heap::builder().profile_rate(1).build().unwrap()
}

fn tree<'gc>(mc: &gc_core::Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
    let child = || (depth > 0).then(|| tree(mc, depth - 1));
    Gc::new(mc, Node { left: child(), right: child() })
}

/// The sites whose innermost frames have a function of this name.
fn of<'p>(profile: &'p HeapProfile, function: &str) -> Vec<&'p ProfileSite> {
    let has = |site: &&ProfileSite| site.frames().iter().any(|f| f.name().ends_with(function));
    profile.sites().iter().filter(has).collect()
}

fn sum(sites: &[&ProfileSite], value: ProfileValue) -> u64 {
    sites.iter().map(|site| site.value(value)).sum()
}

#[test]
fn a_profile_that_is_off_is_a_clear_error() {
    let heap = Heap::new();
    heap.mutate(|mc| tree(mc, 3).left.is_some());
    let error = heap.profile().unwrap_err();
    assert_eq!(error, ProfileError::Off);
    assert!(error.to_string().contains("HeapBuilder::profile_rate"), "{error}");
    heap.collect().unwrap();
}

#[test]
fn every_allocation_is_counted_where_all_are_sampled() {
    let heap = exact();
    let mut kept: Vec<Root<Node<'static>>> = Vec::new();
    let mut bytes = 0;
    for round in 0..20 {
        // Some of each round stay, so that later rounds take holes and runs of old spans.
        for i in 0..200 {
            let root = heap.mutate(|mc| {
                let value: Gc<'_, u64> = Gc::new(mc, 7);
                Gc::from_slice(mc, &[*value; 100]);
                Gc::new(mc, String::from("dropped"));
                Gc::from_slice(mc, &[Some(value); 5]);
                Gc::root(tree(mc, 1), mc)
            });
            if i % 3 == round % 3 {
                kept.push(root);
            }
        }
        heap.mutate(|mc| Gc::from_slice(mc, &[1u8; 200_000]).len());
        heap.collect().unwrap();
        bytes = heap.stats().allocated_bytes;
    }
    let (profile, stats) = (heap.profile().unwrap(), heap.stats());
    assert_eq!(profile.total(AllocObjects), 20 * (200 * 7 + 1));
    assert_eq!(profile.total(AllocSpace), bytes);
    assert_eq!(profile.total(InuseObjects), stats.live_objects);
    assert_eq!(profile.total(InuseSpace), stats.live_bytes);
    assert_eq!(stats.live_objects, 3 * kept.len() as u64);
    drop(kept);
    heap.collect().unwrap();
    let after = heap.profile().unwrap();
    assert_eq!((after.total(InuseObjects), after.total(InuseSpace)), (0, 0));
    assert_eq!(after.total(AllocSpace), bytes);
    assert!(profile.total(InuseObjects) > 0, "a profile is of its moment");
}

#[test]
fn a_rate_that_changes_holds_for_what_comes_next() {
    let heap = Heap::builder().profile_rate(1 << 40).build().unwrap();
    let make =
        || heap.mutate(|mc| (0..100).for_each(|i: u64| assert_eq!(Gc::new(mc, [i; 4])[0], i)));
    make();
    assert_eq!(heap.profile().unwrap().total(AllocObjects), 0, "some 10^-7 are expected");
    // The next sample of the old rate is a terabyte away. A cycle takes back what the thread holds.
    heap.set_profile_rate(1);
    heap.collect().unwrap();
    make();
    assert_eq!(heap.profile().unwrap().total(AllocObjects), 100);
    heap.set_profile_rate(1 << 40);
    heap.collect().unwrap();
    make();
    assert_eq!(
        heap.profile().unwrap().total(AllocObjects),
        100,
        "no point of the old rate is left"
    );
}

#[test]
fn sites_have_their_type_size_and_stack() {
    #[inline(never)]
    fn strings<'gc>(mc: &gc_core::Mutation<'gc>) -> Gc<'gc, String> {
        Gc::new(mc, String::from("a"))
    }
    #[inline(never)]
    fn numbers<'gc>(mc: &gc_core::Mutation<'gc>) -> Gc<'gc, [u32]> {
        Gc::from_slice(mc, &[1; 10])
    }
    let heap = exact();
    heap.mutate(|mc| (0..50).map(|_| strings(mc).len() + numbers(mc).len()).sum::<usize>());
    let profile = heap.profile().unwrap();
    let [string] = of(&profile, "strings")[..] else { panic!("one site: {profile:?}") };
    assert_eq!((string.type_name(), string.object_bytes()), ("alloc::string::String", 24));
    assert_eq!((string.samples(), string.value(AllocObjects)), (50, 50));
    assert_eq!(string.died_young(), None, "no cycle yet");
    let [number] = of(&profile, "numbers")[..] else { panic!("one site: {profile:?}") };
    assert_eq!((number.type_name(), number.object_bytes()), ("[u32]", 40));
    for site in [string, number] {
        let inner = &site.frames()[0];
        assert!(!inner.name().contains("gc_core::"), "{inner:?}");
        assert!(inner.file().ends_with("profile.rs") && inner.line() > 0, "{inner:?}");
        let here = |f: &gc_core::ProfileFrame| f.name().contains("sites_have_their_type");
        assert!(site.frames().iter().any(here), "{site:?}");
    }
}

/// A library that calls what it is given while the frame pointer leads nowhere: only its unwind
/// tables lead on.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const LIBRARY: &str = r#"
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C" fn call(f: extern "C" fn(*const u8), data: *const u8) {
    std::arch::naked_asm!(
        ".cfi_startproc", "push rbp", ".cfi_adjust_cfa_offset 8", ".cfi_rel_offset rbp, 0",
        "xor ebp, ebp", "mov rax, rdi", "mov rdi, rsi", "call rax",
        "pop rbp", ".cfi_adjust_cfa_offset -8", ".cfi_restore rbp", "ret", ".cfi_endproc",
    );
}"#;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_library_loaded_later_does_not_end_a_stack() {
    use std::ffi::CString;
    use std::mem::transmute;
    use std::process::Command;

    extern "C" fn behind_the_library(heap: *const u8) {
        // SAFETY: the test passes its heap, which outlives the call.
        let heap = unsafe { &*heap.cast::<Heap>() };
        heap.mutate(|mc| *Gc::new(mc, 7u32));
    }

    let heap = exact();
    // The profile has read the tables of what is loaded now.
    heap.mutate(|mc| *Gc::new(mc, 7u64));
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, library) = (folder.join("later.rs"), folder.join("libgc_later.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--crate-type", "cdylib", "-O"]);
    assert!(command.arg(&source).arg("-o").arg(&library).status().unwrap().success());
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library has no constructors but std's, and `call` has this type.
    let call: extern "C" fn(extern "C" fn(*const u8), *const u8) = unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        assert!(!library.is_null());
        let address = libc::dlsym(library, c"call".as_ptr());
        assert!(!address.is_null());
        transmute(address)
    };
    call(behind_the_library, (&raw const heap).cast());
    let profile = heap.profile().unwrap();
    let [site] = of(&profile, "behind_the_library")[..] else { panic!("one site: {profile:?}") };
    let is_the_caller = |name: &str| name.ends_with("a_library_loaded_later_does_not_end_a_stack");
    assert!(site.frames().iter().any(|frame| is_the_caller(frame.name())), "{site:?}");
}

#[test]
fn what_dies_in_its_first_cycle_died_young() {
    #[inline(never)]
    fn temporary(heap: &Heap) {
        heap.mutate(|mc| assert_eq!(*Gc::new(mc, [1u64; 4]), [1; 4]));
    }
    #[inline(never)]
    fn lasting(heap: &Heap) -> Root<[u64; 6]> {
        heap.mutate(|mc| Gc::root(Gc::new(mc, [2u64; 6]), mc))
    }
    let heap = exact();
    let kept: Vec<_> = (0..100).map(|_| lasting(&heap)).collect();
    (0..300).for_each(|_| temporary(&heap));
    heap.collect().unwrap();
    drop(kept);
    (0..100).for_each(|_| temporary(&heap));
    heap.collect().unwrap();
    (0..10).for_each(|_| temporary(&heap));
    let profile = heap.profile().unwrap();
    let (young, old) = (of(&profile, "temporary"), of(&profile, "lasting"));
    assert_eq!(young[0].died_young(), Some(1.0));
    assert_eq!((sum(&young, YoungObjects), sum(&young, AllocObjects)), (400, 410));
    assert_eq!(old[0].died_young(), Some(0.0), "it died in its second cycle");
    assert_eq!((sum(&old, YoungObjects), sum(&old, InuseObjects)), (0, 0));
}

/// Six standard deviations of an estimate of `bytes`, for objects much smaller than the rate.
fn tolerance(bytes: f64, rate: u64) -> f64 {
    6.0 * (bytes * rate as f64).sqrt()
}

#[track_caller]
fn close(estimate: u64, truth: u64, rate: u64) {
    let (estimate, truth) = (estimate as f64, truth as f64);
    let most = tolerance(truth, rate);
    assert!((estimate - truth).abs() < most, "{estimate} for {truth} ± {most}");
}

/// Trees that are dropped at once beside one that is kept, as in `gc-bench btree`.
#[test]
fn a_sampled_profile_of_trees_is_close_to_the_truth() {
    const RATE: u64 = 16 << 10;
    let heap = Heap::builder().profile_rate(RATE).build().unwrap();
    let kept: Root<Node<'static>> = heap.mutate(|mc| Gc::root(tree(mc, 16), mc));
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| (0..1500).for_each(|_| heap.mutate(|mc| _ = tree(mc, 9).left)));
        }
    });
    heap.collect().unwrap();
    let (profile, stats) = (heap.profile().unwrap(), heap.stats());
    close(profile.total(AllocSpace), stats.allocated_bytes, RATE);
    close(profile.total(InuseSpace), stats.live_bytes, RATE);
    let error = profile.total(AllocSpace) as f64 / stats.allocated_bytes as f64 - 1.0;
    assert!(error.abs() < 0.05, "within 5 %: {error}");
    drop(kept);
}

/// Terms with posting lists that are revised, as in the example `index`: leaf data of many sizes,
/// objects with pointers, and sites that live and die.
#[test]
fn a_sampled_profile_of_an_index_is_close_to_the_truth() {
    const RATE: u64 = 8 << 10;
    let heap = Heap::builder().profile_rate(RATE).build().unwrap();
    let truth = AtomicU64::new(0);
    let kept = AtomicU64::new(0);
    let roots: Vec<Root<Entry<'static>>> = thread::scope(|s| {
        let work = |thread: u64| {
            let mut kept_here = Vec::new();
            for i in 0..60_000 {
                let root = heap.mutate(|mc| {
                    let term = "x".repeat((i * 7 + thread) as usize % 90 + 1);
                    truth.fetch_add(
                        term.len().next_multiple_of(8).max(16) as u64,
                        Ordering::Relaxed,
                    );
                    let term = Gc::from_str(mc, &term);
                    let entry =
                        Entry { next: GcCell::new(None), term, postings: GcCell::new(None) };
                    let entry = Gc::new(mc, entry);
                    entry.postings.set(mc, Some(Gc::new(mc, [i as u32; 12])));
                    entry.postings.set(mc, Some(Gc::new(mc, [0; 12])));
                    entry.next.set(mc, Some(entry));
                    (i % 4 == 0).then(|| Gc::root(entry, mc))
                });
                kept_here.extend(root);
            }
            kept.fetch_add(kept_here.len() as u64, Ordering::Relaxed);
            kept_here
        };
        let threads: Vec<_> = (0..3).map(|thread| s.spawn(move || work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    heap.collect().unwrap();
    let (profile, stats) = (heap.profile().unwrap(), heap.stats());
    close(profile.total(AllocSpace), stats.allocated_bytes, RATE);
    close(profile.total(InuseSpace), stats.live_bytes, RATE);
    let of_type = |name: &str, value| {
        let all = profile.sites().iter().filter(|site| site.type_name().contains(name));
        all.map(|site| site.value(value)).sum::<u64>()
    };
    let kept = kept.into_inner();
    close(of_type("[u32; 12]", AllocSpace), 3 * 60_000 * 2 * 48, RATE);
    close(of_type("[u32; 12]", InuseSpace), kept * 48, RATE);
    close(of_type("Entry", InuseObjects) * 32, kept * 32, RATE);
    let terms = of_type("[u8]", AllocSpace) + of_type("str", AllocSpace);
    close(terms, stats.allocated_bytes - 3 * 60_000 * (2 * 48 + 32), RATE);
    drop(roots);
}

#[test]
fn the_rate_changes_while_the_heap_runs() {
    let heap = Heap::new();
    let make = |n: u64| (0..n).for_each(|i| heap.mutate(|mc| _ = *Gc::new(mc, [i; 8])));
    make(1000);
    heap.set_profile_rate(1);
    heap.collect().unwrap();
    make(1000);
    assert_eq!(heap.profile().unwrap().total(AllocObjects), 1000);
    heap.set_profile_rate(0);
    assert_eq!(heap.profile().unwrap_err(), ProfileError::Off);
    heap.collect().unwrap();
    make(1000);
    heap.set_profile_rate(HeapProfile::RATE);
    let profile = heap.profile().unwrap();
    assert_eq!(profile.total(AllocObjects), 1000, "none while it was off");
    assert_eq!(profile.total(InuseObjects), 0, "and the collector went on to judge");
    assert_eq!(profile.rate(), 512 << 10);
}

/// Destructors allocate, threads come and go and read profiles, while cycles run.
#[test]
fn profiles_are_read_while_everything_happens() {
    struct Busy(Arc<Mutex<Option<Heap>>>);
    impl Drop for Busy {
        fn drop(&mut self) {
            let heap = self.0.lock().unwrap().clone().expect("the heap has not ended");
            heap.mutate(|mc| assert_eq!(*Gc::new(mc, [3u64; 3]), [3; 3]));
        }
    }
    for rate in [1, 4096] {
        let heap = Heap::builder().profile_rate(rate).min_heap(64 << 10).build().unwrap();
        let handle = Arc::new(Mutex::new(Some(heap.clone())));
        let done = AtomicBool::new(false);
        let until = Instant::now() + Duration::from_secs(2);
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while Instant::now() < until {
                        let body = || {
                            heap.mutate(|mc| {
                                Gc::new(mc, Leaf(Busy(handle.clone())));
                                (0..50).for_each(|_| _ = tree(mc, 4).left);
                            })
                        };
                        thread::scope(|s| s.spawn(body).join().unwrap());
                    }
                    done.store(true, Ordering::Relaxed);
                });
            }
            for _ in 0..2 {
                s.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        heap.collect().unwrap();
                        let profile = heap.profile().unwrap();
                        assert!(profile.total(InuseSpace) <= profile.total(AllocSpace));
                        profile.write_pprof(io::sink()).unwrap();
                    }
                });
            }
        });
        heap.drain_drops(Duration::from_secs(60)).unwrap();
        heap.collect().unwrap();
        let profile = heap.profile().unwrap();
        if rate == 1 {
            assert_eq!(profile.total(InuseObjects), heap.stats().live_objects);
        }
        *handle.lock().unwrap() = None;
        drop(heap);
        // Of the few small ones with destructors, a machine that is busy may sample none at 4,096.
        let name = if rate == 1 { "Busy" } else { "Node" };
        assert!(profile.sites().iter().any(|site| site.type_name().contains(name)));
    }
}

#[test]
fn a_disk_that_fills_is_an_error_and_the_program_goes_on() {
    let heap = exact();
    heap.mutate(|mc| tree(mc, 6).left.is_some());
    let profile = heap.profile().unwrap();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    for room in [0, 1, 100] {
        assert_eq!(kind(profile.write_pprof(Full(room))), io::ErrorKind::StorageFull);
        assert_eq!(kind(profile.write_folded(Full(room), InuseSpace)), io::ErrorKind::StorageFull);
        let graph = profile.write_flame_graph(Full(room), InuseSpace);
        assert_eq!(kind(graph), io::ErrorKind::StorageFull);
    }
    let mut whole = Vec::new();
    profile.write_pprof(&mut whole).unwrap();
    assert!(whole.len() > 100);
    heap.collect().unwrap();
    heap.mutate(|mc| tree(mc, 6).left.is_some());
}

#[test]
fn an_empty_profile_is_written_and_not_drawn() {
    let heap = exact();
    let profile = heap.profile().unwrap();
    profile.write_pprof(Vec::new()).unwrap();
    profile.write_folded(Vec::new(), InuseSpace).unwrap();
    let error = profile.write_flame_graph(Vec::new(), InuseSpace).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("inuse_space"), "{error}");
}

#[test]
fn folded_stacks_have_the_types_innermost_and_a_flame_graph_shows_them() {
    let heap = exact();
    let kept: Root<Node<'static>> = heap.mutate(|mc| Gc::root(tree(mc, 3), mc));
    heap.mutate(|mc| Gc::new(mc, String::from("gone")).len());
    heap.collect().unwrap();
    let profile = heap.profile().unwrap();
    let mut text = Vec::new();
    profile.write_folded(&mut text, InuseSpace).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut sum = 0;
    for line in text.lines() {
        let (stack, value) = line.rsplit_once(' ').unwrap();
        let (_, name) = stack.rsplit_once(';').unwrap();
        assert!(name.starts_with("profile::Node"), "{line}");
        sum += value.parse::<u64>().unwrap();
    }
    assert_eq!(sum, 15 * 16);
    let mut svg = Vec::new();
    profile.write_flame_graph(&mut svg, InuseSpace).unwrap();
    assert!(String::from_utf8(svg).unwrap().contains("profile::Node"));
    drop(kept);
}
