//! A small, fast, seeded source of random numbers.
//!
//! The workloads draw several numbers for each operation, so a draw must cost about a nanosecond. A
//! seed makes a run repeatable, which `mutate` uses to check itself.

#![forbid(unsafe_code)]

/// Xorshift64* (Vigna, 2014), seeded through splitmix64, so that close seeds give distant streams.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        // An all-zero state would stay zero; splitmix64 maps exactly one seed to it.
        Random(mix(seed).max(1))
    }

    /// The next 64 bits.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, by multiply and shift: no division.
    #[inline(always)]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// One step of splitmix64: spreads the bits of `x`.
#[inline(always)]
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_reaches_all_and_stays_below() {
        let mut random = Random::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10)] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
    }

    #[test]
    fn same_seed_same_stream() {
        let (mut a, mut b) = (Random::new(3), Random::new(3));
        assert!((0..100).all(|_| a.next() == b.next()));
    }
}
