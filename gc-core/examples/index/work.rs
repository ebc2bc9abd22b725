//! The threads: writers that revise documents, and readers that query all the time.

use crate::corpus::{Corpus, floor};
use crate::index::{Index, Installed};
use crate::token;
use gc_core::{Gc, Heap, Root};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// How many terms one pin posts: some tens of microseconds.
const BATCH: usize = 64;

/// What all threads share.
pub(crate) struct Work<'a> {
    pub(crate) heap: &'a Heap,
    pub(crate) corpus: &'a Corpus,
    pub(crate) index: &'a Root<Index<'static>>,
    /// All jobs of all rounds.
    pub(crate) total: usize,
    /// After this, no job of a later round than the first is taken.
    pub(crate) deadline: Instant,
    /// The next job.
    next: AtomicUsize,
    /// Tells the readers that the writers are done.
    pub(crate) over: AtomicBool,
    pub(crate) tally: Tally,
}

/// What has been done so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) added: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Revisions that another writer's newer one had overtaken.
    pub(crate) late: AtomicU64,
    /// Text read by the tokenizer.
    pub(crate) bytes: AtomicU64,
    pub(crate) queries: AtomicU64,
    pub(crate) hits: AtomicU64,
    /// Answers that could not be true.
    pub(crate) wrong: AtomicU64,
}

impl Tally {
    pub(crate) fn revisions(&self) -> u64 {
        [&self.added, &self.replaced, &self.dropped, &self.late].map(get).iter().sum()
    }
}

/// Reads a counter of the tally.
pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        heap: &'a Heap,
        corpus: &'a Corpus,
        index: &'a Root<Index<'static>>,
        rounds: usize,
        deadline: Instant,
    ) -> Self {
        let total = rounds * corpus.files.len();
        let (next, over, tally) = (AtomicUsize::new(0), AtomicBool::new(false), Tally::default());
        Work { heap, corpus, index, total, deadline, next, over, tally }
    }

    /// How many jobs were taken. Each is done once the writers have ended.
    pub(crate) fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.total)
    }

    fn take(&self) -> Option<usize> {
        // The deadline is looked at first: a job that is taken is done, so the jobs done have no
        // gap.
        let in_time = self.taken() < self.corpus.files.len() || Instant::now() < self.deadline;
        let job = in_time.then(|| self.next.fetch_add(1, Ordering::Relaxed))?;
        (job < self.total).then_some(job)
    }

    /// A writer: does jobs until there are none left.
    pub(crate) fn write(&self) {
        let mutator = self.heap.mutator();
        while let Some(job) = self.take() {
            let (file, revision) = self.corpus.job(job);
            let source = &self.corpus.files[file as usize];
            let terms = self.corpus.terms(file, revision);
            let is_drop = terms.is_none();
            if !is_drop {
                add(&self.tally.bytes, source.text.len() as u64);
            }
            let terms: Vec<(Box<str>, u32)> = terms.into_iter().flatten().collect();

            let doc =
                mutator.mutate(|mc| Gc::root(Index::begin(mc, file, revision, &source.path), mc));
            for batch in terms.chunks(BATCH) {
                mutator.mutate(|mc| self.index.get(mc).post(mc, doc.get(mc), batch));
            }
            let (counter, old) =
                match mutator.mutate(|mc| self.index.get(mc).install(mc, doc.get(mc))) {
                    Installed::First => (&self.tally.added, None),
                    Installed::Displaced(old) if is_drop => (&self.tally.dropped, Some(old)),
                    Installed::Displaced(old) => (&self.tally.replaced, Some(old)),
                    Installed::Late => (&self.tally.late, Some(doc)),
                };
            if let Some(old) = old {
                while mutator.mutate(|mc| self.index.get(mc).retire(mc, old.get(mc))) {}
            }
            add(counter, 1);
        }
    }

    /// A reader: asks for one term, then for two at once, in turn, until the writers are done.
    pub(crate) fn read(&self, seed: u64, queries: &[(Box<str>, Box<str>)]) {
        let mutator = self.heap.mutator();
        let mut found = Vec::new();
        let mut dice = token::mix(seed + 1);
        while !self.over.load(Ordering::Relaxed) && !queries.is_empty() {
            dice = token::mix(dice.wrapping_add(0x9e37_79b9_7f4a_7c15));
            let (one, two) = &queries[dice as usize % queries.len()];
            let two = (dice >> 63 == 1).then_some(two.as_ref());
            let plausible = mutator.mutate(|mc| search(&self.index.get(mc), one, two, &mut found));
            add(&self.tally.queries, 1);
            add(&self.tally.hits, found.len() as u64);
            add(&self.tally.wrong, u64::from(!plausible));
        }
    }
}

/// The documents that contain `one`, and `two` as well if there is one, as sorted pairs of file and
/// revision.
///
/// Gives `false` if a hit was no document of both terms. Only the first hit is looked at: this runs
/// all the time.
pub(crate) fn search(
    index: &Index<'_>,
    one: &str,
    two: Option<&str>,
    found: &mut Vec<(u32, u32)>,
) -> bool {
    found.clear();
    let Some(first) = index.find(one) else { return true };
    let mut plausible = true;
    found.extend(index.docs(first).map(|(doc, _)| (doc.file, doc.revision)));
    found.sort_unstable();
    if let Some(two) = two {
        let Some(second) = index.find(two) else {
            found.clear();
            return true;
        };
        let mut both = Vec::new();
        for (doc, _) in index.docs(second) {
            if found.binary_search(&(doc.file, doc.revision)).is_ok() {
                if both.is_empty() {
                    plausible = doc.may_hold(first) && doc.may_hold(second);
                }
                both.push((doc.file, doc.revision));
            }
        }
        both.sort_unstable();
        *found = both;
    } else if let Some((doc, _)) = index.docs(first).next() {
        plausible = doc.may_hold(first);
    }
    plausible
}

/// Pairs of terms to ask for: neighbours in random files, so frequent terms are asked for often.
pub(crate) fn queries(corpus: &Corpus, how_many: usize) -> Vec<(Box<str>, Box<str>)> {
    let mut queries = Vec::new();
    if corpus.files.is_empty() {
        return queries;
    }
    for i in 0..how_many as u64 {
        let dice = token::mix(i);
        let text = &corpus.files[dice as usize % corpus.files.len()].text;
        let from = floor(text, (dice >> 32) as usize % (text.len() + 1));
        let to = floor(text, from + 200);
        let mut terms: Vec<Box<str>> = Vec::new();
        token::terms(&text[from..to], |term| terms.push(term.into()));
        if let [.., one, _, two] = terms.as_slice() {
            queries.push((one.clone(), two.clone()));
        }
    }
    queries
}
