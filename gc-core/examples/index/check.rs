//! The proof of the pudding: the index, compared posting by posting with a sequential one of the
//! same files.

use crate::corpus::Corpus;
use crate::index::Index;
use crate::work;
use gc_core::{Heap, Root};
use std::collections::HashMap;

/// How many buckets one pin walks.
const SLICE: usize = 256;
/// How many differences are told in words.
const TOLD: usize = 5;

/// A plain sequential index: for each term its (file, revision, count), by file.
pub(crate) type Plain = HashMap<Box<str>, Vec<(u32, u32, u32)>>;

/// Indexes the last revisions, one after the other.
pub(crate) fn plain_index(corpus: &Corpus, jobs: usize) -> Plain {
    let mut plain = Plain::new();
    for file in 0..corpus.files.len() as u32 {
        let Some(revision) = corpus.last_revision(file, jobs) else { continue };
        for (term, count) in corpus.terms(file, revision).into_iter().flatten() {
            plain.entry(term).or_default().push((file, revision, count));
        }
    }
    plain
}

/// Unlinks the dead postings of every list, when no thread works any more. Returns how many were
/// left.
pub(crate) fn compact(heap: &Heap, index: &Root<Index<'static>>) -> u64 {
    let mutator = heap.mutator();
    let buckets = mutator.mutate(|mc| index.get(mc).buckets());
    let slices = (0..buckets).step_by(SLICE).map(|from| from..buckets.min(from + SLICE));
    slices.map(|slice| mutator.mutate(|mc| index.get(mc).compact(mc, slice))).sum()
}

/// What the check found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) documents: u64,
    pub(crate) terms: u64,
    pub(crate) postings: u64,
    pub(crate) queries: u64,
    /// The objects that the walk met: what a collection has to leave.
    pub(crate) objects: u64,
    /// Everything that differs.
    pub(crate) wrong: u64,
    /// The first few differences.
    pub(crate) told: Vec<String>,
}

impl Found {
    /// After a collection, the heap has to have what the walk met: less is a lost object, more is a
    /// leak.
    pub(crate) fn check_heap(&mut self, live: u64) {
        let objects = self.objects;
        if live != objects {
            self.differs(|| {
                format!("{live} objects are live in the heap, but {objects} reachable")
            });
        }
    }

    fn differs(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.told.len() < TOLD {
            self.told.push(what());
        }
    }
}

/// Compares the table, then every posting of every term, then the answers to `queries`.
pub(crate) fn check(
    heap: &Heap,
    index: &Root<Index<'static>>,
    corpus: &Corpus,
    jobs: usize,
    plain: &Plain,
    queries: &[(Box<str>, Box<str>)],
) -> Found {
    // The index, its two arrays, and the posting that closes terms.
    let mut found = Found { objects: 4, ..Found::default() };
    check_table(heap, index, corpus, jobs, &mut found);
    check_postings(heap, index, plain, &mut found);
    check_queries(heap, index, plain, queries, &mut found);
    found
}

fn check_table(
    heap: &Heap,
    index: &Root<Index<'static>>,
    corpus: &Corpus,
    jobs: usize,
    found: &mut Found,
) {
    for (file, source) in corpus.files.iter().enumerate() {
        let file = file as u32;
        let expected = corpus.last_revision(file, jobs);
        heap.mutate(|mc| {
            let doc = index.get(mc).current(file);
            let same = doc.map(|doc| (doc.file, doc.revision)) == expected.map(|r| (file, r))
                && doc.is_none_or(|doc| *doc.path == *source.path);
            if !same {
                found.differs(|| format!("{} is not at revision {expected:?}", source.path));
            }
            if let Some(doc) = doc {
                found.objects += doc.objects();
                found.documents += u64::from(!doc.is_empty());
            }
        });
    }
}

fn check_postings(heap: &Heap, index: &Root<Index<'static>>, plain: &Plain, found: &mut Found) {
    let mutator = heap.mutator();
    let buckets = mutator.mutate(|mc| index.get(mc).buckets());
    for from in (0..buckets).step_by(SLICE) {
        mutator.mutate(|mc| {
            let index = index.get(mc);
            for term in (from..buckets.min(from + SLICE)).flat_map(|at| index.bucket(at)) {
                let mut docs: Vec<_> =
                    index.docs(term).map(|(doc, n)| (doc.file, doc.revision, n)).collect();
                docs.sort_unstable();
                found.terms += 1;
                found.postings += docs.len() as u64;
                found.objects += 2 + docs.len() as u64;
                if Index::linked(term) != docs.len() {
                    found.differs(|| format!("{:?} still has dead postings", &*term.text));
                }
                match plain.get(&*term.text) {
                    Some(expected) if *expected == docs => {}
                    expected => found.differs(|| {
                        let expected = expected.map_or(0, Vec::len);
                        let got = docs.len();
                        format!(
                            "{:?}: {got} postings instead of {expected}, or others",
                            &*term.text
                        )
                    }),
                }
                if index.find(&term.text).is_none_or(|same| !gc_core::Gc::ptr_eq(same, term)) {
                    found.differs(|| format!("{:?} is not found, or is there twice", &*term.text));
                }
            }
        });
    }
    // No term was there twice, and each was expected: so equal numbers mean that none is missing.
    let expected = plain.len() as u64;
    if found.terms != expected {
        let terms = found.terms;
        found.differs(|| format!("{terms} terms instead of {expected}"));
    }
}

fn check_queries(
    heap: &Heap,
    index: &Root<Index<'static>>,
    plain: &Plain,
    queries: &[(Box<str>, Box<str>)],
    found: &mut Found,
) {
    let docs = |term: &str| -> Vec<(u32, u32)> {
        plain.get(term).into_iter().flatten().map(|&(file, revision, _)| (file, revision)).collect()
    };
    let mutator = heap.mutator();
    let mut got = Vec::new();
    for (one, two) in queries {
        let (first, second) = (docs(one), docs(two));
        let both = first.iter().filter(|doc| second.binary_search(doc).is_ok()).copied().collect();
        for (two, expected) in [(None, first), (Some(two.as_ref()), both)] {
            let plausible = mutator.mutate(|mc| work::search(&index.get(mc), one, two, &mut got));
            found.queries += 1;
            if !plausible || got != expected {
                found.differs(|| format!("the answer to {one:?} and {two:?} is wrong"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::File;

    #[test]
    fn the_plain_index_has_the_last_revisions() {
        let texts = ["one two two", "two three"];
        let files = texts.map(|text| File { path: text.to_owned(), text: text.into() });
        let corpus = Corpus { files: files.into(), ..Corpus::default() };
        let plain = plain_index(&corpus, 2);
        assert_eq!(plain.len(), 3);
        assert_eq!(plain["two"], [(0, 0, 2), (1, 0, 1)]);
        assert_eq!(plain["three"], [(1, 0, 1)]);
        assert!(plain_index(&corpus, 0).is_empty());
    }
}
