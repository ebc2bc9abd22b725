//! Zipf-distributed ranks by the method of Gray et al. ("Quickly generating billion-record
//! synthetic databases", 1994), as YCSB has it: one uniform number and at most one power for each
//! draw.

#![forbid(unsafe_code)]

use crate::random::Random;

/// The skew of YCSB.
const S: f64 = 0.99;

/// The distribution over the ranks 0 to n-1; rank 0 is drawn most often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zipf {
    n: f64,
    zeta_n: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// Sums zeta(n), which takes a while: once for all threads.
    pub(crate) fn new(n: u64) -> Zipf {
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-S)).sum::<f64>();
        let zeta_n = zeta(n);
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - S)) / (1.0 - zeta(2) / zeta_n);
        Zipf { n: n as f64, zeta_n, alpha: 1.0 / (1.0 - S), eta }
    }

    /// The next rank.
    #[inline(always)]
    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        let u = (random.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        let uz = u * self.zeta_n;
        if uz < 1.0 {
            0
        } else if uz < 1.0 + 0.5f64.powf(S) {
            1
        } else {
            let rank = self.n * (self.eta * u - self.eta + 1.0).powf(self.alpha);
            // Rounding may reach n itself.
            (rank as u64).min(self.n as u64 - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_have_their_shares() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(5));
        let mut seen = vec![0u32; 1000];
        for _ in 0..1_000_000 {
            seen[zipf.draw(&mut random) as usize] += 1;
        }
        let zeta: f64 = (1..=1000).map(|i| f64::from(i).powf(-S)).sum();
        for rank in [0, 1] {
            let expected = 1e6 * ((rank + 1) as f64).powf(-S) / zeta;
            let found = f64::from(seen[rank]);
            assert!((found / expected - 1.0).abs() < 0.02, "{rank}: {found}, not {expected}");
        }
        // The method is exact for the first two ranks only; a range of the others is close.
        let share = |seen: &[u32]| f64::from(seen.iter().sum::<u32>());
        let expected: f64 = (101..=1000).map(|i| 1e6 * f64::from(i).powf(-S) / zeta).sum();
        assert!((share(&seen[100..]) / expected - 1.0).abs() < 0.05);
        assert!(seen[999] > 0);
    }
}
