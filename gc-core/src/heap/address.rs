#![forbid(unsafe_code)]
//! Tables by the address of an object, with a hash of one multiplication.
//!
//! The keys are addresses that the heap gave out, so no user can choose them to collide. std's hash
//! with its random keys would cost more than the look-up.

use std::hash::{BuildHasherDefault, Hasher};

/// The hasher of a `HashMap` by address.
pub(crate) type ByAddressHash = BuildHasherDefault<AddressHasher>;

/// Hashes an address by a multiplication, and combines both halves of the product.
///
/// The table takes a place from the low bits and a tag from the top seven. Objects lie near each
/// other, so their addresses differ in low bits only. Both ends of the hash must depend on those:
/// the upper half gives the places, the lower half the tags.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AddressHasher(u64);
impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }
    fn write_usize(&mut self, address: usize) {
        let product = u128::from(self.0 ^ address as u64) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn neighbours_differ_in_places_and_tags() {
        for step in [8, 16, 24, 64, 1 << 14] {
            let hashes: Vec<u64> = (0..4096usize)
                .map(|i| ByAddressHash::default().hash_one(0x7f12_3400_0000 + i * step))
                .collect();
            let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            let places: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
            assert_eq!(tags.len(), 128, "step {step}");
            assert!(places.len() > 3500, "{} of 4096 places, step {step}", places.len());
        }
    }
}
