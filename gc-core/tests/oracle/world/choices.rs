//! The source of a world's decisions: a random sequence, or a byte string from a fuzzer.

pub(crate) enum Choices {
    /// xorshift64*; the state.
    Random(u64),
    /// Each decision takes a byte, or two when a byte is too small for it. After the last one every
    /// decision is 0.
    Bytes { bytes: Vec<u8>, at: usize },
}

impl Choices {
    pub(crate) fn random(seed: u64) -> Choices {
        Choices::Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub(crate) fn bytes(bytes: &[u8]) -> Choices {
        Choices::Bytes { bytes: bytes.to_vec(), at: 0 }
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        match self {
            Choices::Random(state) => {
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) as usize % n
            }
            Choices::Bytes { bytes, at } => {
                let mut number = 0;
                for _ in 0..1 + usize::from(n > 256) {
                    number = number << 8 | bytes.get(*at).map_or(0, |&byte| usize::from(byte));
                    *at += 1;
                }
                number % n
            }
        }
    }
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    /// Whether all bytes are used. A random sequence has no end.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Choices::Random(_) => false,
            Choices::Bytes { bytes, at } => *at >= bytes.len(),
        }
    }
}
