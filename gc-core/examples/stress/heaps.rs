//! The heap of the stress program, and its profile where the feature `profile` is on.

use gc_core::Heap;

/// The heap, with limits in bytes; zero is no limit.
pub(crate) fn heap(markers: usize, soft: usize, hard: usize) -> Heap {
    let heap = Heap::builder().min_heap(256 << 10).markers(markers).scavenge_rate(4 << 30);
    // What is free is given away all the time, so that what a thread gets has been away.
    #[cfg(gc_verify)]
    let heap = heap.scavenge_all();
    // A sample in four refills or so.
    #[cfg(feature = "profile")]
    let heap = heap.profile_rate(4 << 10);
    let heap = if soft > 0 { heap.memory_limit(soft) } else { heap };
    let heap = if hard > 0 { heap.heap_limit(hard) } else { heap };
    heap.build().unwrap_or_else(|error| {
        eprintln!("stress: {error}");
        std::process::exit(2);
    })
}

/// Reads the profile, which must be near what the heap counts.
#[cfg(feature = "profile")]
pub(crate) fn look_at_profile(heap: &Heap) {
    use gc_core::ProfileValue::{AllocSpace, InuseSpace};
    let profile = heap.profile().expect("the heap takes samples");
    let (all, in_use) = (profile.total(AllocSpace) as f64, profile.total(InuseSpace) as f64);
    let truth = heap.stats().allocated_bytes as f64;
    println!("stress: profile: {:.0} MB, {:+.2} % off", all / 1e6, 100.0 * (all / truth - 1.0));
    // Ten standard deviations, and what threads hold and have not handed out.
    let most = 10.0 * (truth * 4096.0).sqrt() + 0.05 * truth + 16e6;
    if (all - truth).abs() > most || in_use > all {
        super::broken(&format!("a profile of {all} bytes, {in_use} in use, where {truth} were"));
    }
}
#[cfg(not(feature = "profile"))]
pub(crate) fn look_at_profile(_heap: &Heap) {}
