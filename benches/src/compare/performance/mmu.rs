//! Minimum mutator utilisation (Cheng and Blelloch 2001): of all windows of one length in a run,
//! the least share that the program had for itself.
//!
//! A batch that took long counts as lost from its start to its end, although some of it was the
//! program's own work: the curve is a lower bound, and what the machine took counts against the
//! collector.

#![forbid(unsafe_code)]

use crate::timeline::Long;

/// The windows of the curve, in microseconds.
pub(crate) const WINDOWS_US: [u64; 13] =
    [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];

/// The least utilisation over all threads for a window; none if the run was shorter.
pub(crate) fn mmu(wall: u64, long: &[Long], window: u64) -> Option<f64> {
    if window > wall || window == 0 {
        return None;
    }
    let threads = long.iter().map(|l| l.thread).max().map_or(1, |last| last + 1);
    let of = |thread: u32| {
        let mine: Vec<(u64, u64)> = long
            .iter()
            .filter(|l| l.thread == thread)
            .map(|l| (l.start.min(wall), (l.start + l.nanos).min(wall)))
            .collect();
        most_lost(wall, &mine, window)
    };
    let lost = (0..threads).map(of).max().unwrap_or(0);
    Some(1.0 - lost as f64 / window as f64)
}

/// The most time lost in any window. The batches come in order and do not overlap; the most is lost
/// in a window that begins or ends with one of them.
fn most_lost(wall: u64, batches: &[(u64, u64)], window: u64) -> u64 {
    let mut before = vec![0];
    for (start, end) in batches {
        before.push(before.last().copied().unwrap_or(0) + (end - start));
    }
    // What was lost until `time`.
    let until = |time: u64| {
        let begun = batches.partition_point(|(start, _)| *start < time);
        match begun.checked_sub(1) {
            None => 0,
            Some(last) => before[begun] - batches[last].1.saturating_sub(time),
        }
    };
    let lost = |start: u64| until(start + window) - until(start);
    let begins = batches.iter().map(|(start, _)| (*start).min(wall - window));
    let ends = batches.iter().map(|(_, end)| end.saturating_sub(window));
    begins.chain(ends).map(lost).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(thread: u32, start: u64, nanos: u64) -> Long {
        Long { thread, start, nanos }
    }

    #[test]
    fn one_pause() {
        let one = [long(0, 50, 10)];
        assert_eq!(mmu(100, &one, 10), Some(0.0));
        assert_eq!(mmu(100, &one, 20), Some(0.5));
        assert_eq!(mmu(100, &one, 100), Some(0.9));
        assert_eq!(mmu(100, &one, 101), None);
        assert_eq!(mmu(100, &[], 10), Some(1.0));
    }

    #[test]
    fn pauses_close_together_add_up() {
        let three = [long(0, 10, 5), long(0, 20, 5), long(0, 80, 5)];
        assert_eq!(mmu(100, &three, 15), Some(1.0 - 10.0 / 15.0));
        assert_eq!(mmu(100, &three, 12), Some(1.0 - 7.0 / 12.0));
    }

    #[test]
    fn edges_and_threads() {
        // The window ends with the run, and so does the batch that went on after it.
        assert_eq!(mmu(100, &[long(0, 90, 50)], 20), Some(0.5));
        assert_eq!(mmu(100, &[long(0, 0, 10)], 20), Some(0.5));
        // The worst thread decides; two threads do not add up.
        let two = [long(0, 10, 10), long(1, 10, 5), long(1, 20, 10)];
        assert_eq!(mmu(100, &two, 20), Some(0.25));
    }

    /// The same by trying every window.
    fn slow(wall: u64, long: &[Long], window: u64) -> f64 {
        let lost_at = |time: u64| long.iter().any(|l| l.start <= time && time < l.start + l.nanos);
        let lost = |start: u64| (start..start + window).filter(|t| lost_at(*t)).count();
        1.0 - (0..=wall - window).map(lost).max().unwrap_or(0) as f64 / window as f64
    }

    #[test]
    fn as_good_as_trying_every_window() {
        let mut random = crate::random::Random::new(5);
        for _ in 0..50 {
            let (mut all, mut time) = (Vec::new(), 0);
            while time < 180 {
                let (gap, nanos) = (random.below(30) as u64, 1 + random.below(12) as u64);
                all.push(long(0, time + gap, nanos));
                time += gap + nanos;
            }
            for window in [1, 7, 20, 60, 200] {
                assert_eq!(
                    mmu(200, &all, window),
                    Some(slow(200, &all, window)),
                    "{window} {all:?}"
                );
            }
        }
    }
}
