#![forbid(unsafe_code)]
//! The sites of a heap's sampled allocations, and what became of their objects.
//!
//! A site is a stack, a type, the bytes of an object and the rate at which it was sampled. So all
//! samples of a site stand for the same number of objects ([`weight`]).

use super::stack::{CallStack, KEY, Walker};
use crate::observe::sample::{SampleListener, Sampled, Verdict};
use crate::sync::Mutex;
use crate::word::Bytes;
use std::any::Any;
use std::collections::HashMap;

/// Samples of a site, by what became of their objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All of them.
    pub(super) taken: u64,
    /// Of these, the ones whose objects were found dead.
    pub(super) died: u64,
    /// The ones that a cycle could find dead, and those that the first such cycle did.
    pub(super) judged: u64,
    pub(super) young: u64,
}

/// One site.
#[derive(Debug, Clone)]
pub(super) struct RawSite {
    /// Return addresses, from the innermost frame.
    pub(super) stack: Box<[usize]>,
    pub(super) sampled: Sampled,
    pub(super) counts: Counts,
}

/// How many objects of `bytes` one sample stands for, at a mean distance of `rate`: the
/// inverse of the probability to be sampled.
pub(super) fn weight(bytes: Bytes, rate: Bytes) -> f64 {
    if rate <= Bytes::new(1) { 1.0 } else { -1.0 / (-bytes.as_f64() / rate.as_f64()).exp_m1() }
}

#[derive(Debug, Default)]
struct Sites {
    /// The stack, the type's name, the bytes and the rate, as words.
    by_key: HashMap<Box<[usize]>, u32>,
    all: Vec<RawSite>,
}

/// The listener that keeps a heap's profile.
#[derive(Debug)]
pub(super) struct SiteRecorder {
    walker: Walker,
    sites: Mutex<Sites>,
}

impl SiteRecorder {
    pub(super) fn new() -> SiteRecorder {
        SiteRecorder { walker: Walker::new(), sites: Mutex::default() }
    }
    /// The sites so far.
    pub(super) fn read(&self) -> Vec<RawSite> {
        self.sites.lock().all.clone()
    }
}

impl SampleListener for SiteRecorder {
    fn sampled(&self, sampled: &Sampled) -> u32 {
        let mut stack = CallStack::new();
        self.walker.walk(&mut stack);
        let what = [sampled.name as usize, sampled.bytes, sampled.rate.size()];
        let key = stack.key(what);
        let mut sites = self.sites.lock();
        let id = match sites.by_key.get(key) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(sites.all.len()).expect("sites fit the memory");
                sites.by_key.insert(key.into(), id);
                let (stack, counts) = (key[..key.len() - KEY].into(), Counts::default());
                sites.all.push(RawSite { stack, sampled: *sampled, counts });
                id
            }
        };
        sites.all[id as usize].counts.taken += 1;
        id
    }

    fn judged(&self, verdicts: &[(u32, Verdict)]) {
        let mut sites = self.sites.lock();
        for (site, verdict) in verdicts {
            let Some(site) = sites.all.get_mut(*site as usize) else { continue };
            let counts = &mut site.counts;
            counts.judged += u64::from(*verdict != Verdict::Died);
            counts.young += u64::from(*verdict == Verdict::DiedYoung);
            counts.died += u64::from(*verdict != Verdict::Survived);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_stands_for_as_many_as_its_chance_is_small() {
        let weight = |bytes, rate| weight(Bytes::new(bytes), Bytes::new(rate));
        assert!((weight(16, 1) - 1.0).abs() < 1e-9);
        assert!((weight(16, 1 << 20) - 65_536.5).abs() < 0.1);
        assert!((weight(1 << 30, 1 << 19) - 1.0).abs() < 1e-9);
    }
}
