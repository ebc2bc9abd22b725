//! Text to terms, and terms to hashes.

use std::collections::HashMap;

/// Longer words are data (base64, hashes), not something to look up.
const LONGEST: usize = 64;

/// Calls `each` with every term of `text`: words of letters, digits and inner underscores, in lower
/// case, from 2 to 64 bytes long.
pub(crate) fn terms(text: &str, mut each: impl FnMut(&str)) {
    let mut lower = String::new();
    for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        let word = word.trim_matches('_');
        if word.len() > LONGEST {
            continue;
        }
        // Most words are lower case already; only the others are copied.
        let term = if word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            word
        } else {
            lower.clear();
            lower.extend(word.chars().flat_map(char::to_lowercase));
            &lower
        };
        if (2..=LONGEST).contains(&term.len()) {
            each(term);
        }
    }
}

/// How often each term occurs in a document.
pub(crate) type Counts = HashMap<Box<str>, u32>;

/// Adds the terms of `text` to `counts`.
pub(crate) fn count(text: &str, counts: &mut Counts) {
    terms(text, |term| match counts.get_mut(term) {
        Some(n) => *n += 1,
        None => {
            counts.insert(term.into(), 1);
        }
    });
}

/// A hash that is the same in every run: FNV-1a, finished so that the low bits are as good as the
/// high ones.
pub(crate) fn hash(term: &str) -> u64 {
    let fnv = term.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

/// Spreads every bit of `x` over all bits (the finisher of splitmix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        terms(text, |term| out.push(term.to_owned()));
        out
    }

    #[test]
    fn splits_and_lowers() {
        assert_eq!(all("Hello, WORLD: x hello2"), ["hello", "world", "hello2"]);
        assert_eq!(all("let snake_case = __private__;"), ["let", "snake_case", "private"]);
    }

    #[test]
    fn nothing_from_nothing() {
        assert!(all("").is_empty());
        assert!(all(" \n\t.,;_ __ ___ a b c").is_empty());
    }

    #[test]
    fn words_of_other_scripts() {
        assert_eq!(all("Größe ÉTÉ 東京 я"), ["größe", "été", "東京", "я"]);
    }

    #[test]
    fn the_length_is_that_of_the_term() {
        assert_eq!(all(&"a".repeat(64)), ["a".repeat(64)]);
        assert!(all(&"a".repeat(65)).is_empty());
        // Lowering makes this one longer: 63 bytes become 94.
        assert_eq!("İ".repeat(31).to_lowercase().len(), 93);
        assert!(all(&format!("{}a", "İ".repeat(31))).is_empty());
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::new();
        count("one two two", &mut counts);
        count("TWO three", &mut counts);
        assert_eq!(counts.len(), 3);
        assert_eq!(counts["two"], 3);
    }

    #[test]
    fn hashes_spread_over_the_low_bits() {
        let buckets: std::collections::HashSet<u64> =
            (0..1000).map(|i| hash(&format!("term{i}")) % 4096).collect();
        assert!(buckets.len() > 800, "{} of 1000 in their own bucket", buckets.len());
    }
}
