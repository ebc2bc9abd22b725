//! Medians and paired ratios.
//!
//! On a shared machine the speed of everything drifts, so a ratio is taken inside one round, where
//! both sides ran close together, and the median is that of the ratios, not the ratio of medians.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use statrs::statistics::{Data, Max, Min, OrderStatistics};

/// A figure by round.
pub(crate) type Series = BTreeMap<u32, f64>;

/// A median, and how far the values lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// The spread of some values; none of no values.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values = Data::new(values.into_iter().collect::<Vec<f64>>());
    let median = (!values.is_empty()).then(|| OrderStatistics::median(&mut values))?;
    Some(Spread { median, least: values.min(), most: values.max() })
}

/// The ratios `ours / theirs` of the rounds that both have; a zero on either side says only that
/// the clock is coarse.
pub(crate) fn paired_ratios(ours: &Series, theirs: &Series) -> Option<Spread> {
    spread(ours.iter().filter_map(|(round, &ours)| {
        let theirs = *theirs.get(round)?;
        (ours > 0.0 && theirs > 0.0).then(|| ours / theirs)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(pairs: &[(u32, f64)]) -> Series {
        pairs.iter().copied().collect()
    }

    #[test]
    fn spreads() {
        let odd = spread([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(spread([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(spread([]), None);
    }

    #[test]
    fn ratios_pair_rounds() {
        // The machine is twice as slow in round 2; the ratio of medians would be 0.75.
        let ours = series(&[(1, 1.0), (2, 2.0), (3, 9.0)]);
        let theirs = series(&[(1, 2.0), (2, 4.0), (4, 1.0)]);
        let ratio = paired_ratios(&ours, &theirs).unwrap();
        assert_eq!(ratio, Spread { median: 0.5, least: 0.5, most: 0.5 });
        let zero = series(&[(1, 0.0), (2, 4.0)]);
        assert_eq!(paired_ratios(&ours, &zero).unwrap().median, 0.5);
        assert_eq!(paired_ratios(&ours, &series(&[(7, 1.0)])), None);
    }
}
