//! The broken twin of the ThreadSanitizer stage: two threads of std race, and under `ci/tsan.supp`
//! that must be reported.

static mut SHARED: u64 = 0;

#[inline(never)]
fn race() {
    for _ in 0..1000 {
        // SAFETY: none. It is a data race.
        unsafe { *(&raw mut SHARED) += 1 };
    }
}

fn main() {
    std::thread::scope(|s| {
        let threads = [s.spawn(race), s.spawn(race)];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
