//! The inverted index: a lock-free hash map from terms to lock-free lists of postings, and a table
//! of documents.
//!
//! Life of a document:
//! 1. A writer makes a [`Doc`] ([`Index::begin`]) and pushes one [`Posting`] for each of its terms
//!    ([`Index::post`]). It pushes a batch in each pin, so that no pin is long. Readers do not see
//!    the document yet.
//! 2. [`Index::install`] puts it into the table, in the place of the older revision. One exchange
//!    makes all its postings visible and all of the older one invisible, because a posting counts
//!    only if the table holds its document. A higher revision wins, in whatever order they come. A
//!    dropped document is a revision without terms.
//! 3. The displaced revision is retired ([`Index::retire`]): from now on its postings are dead. A
//!    list in which every second posting is dead is pruned, so unlinking costs a constant for each
//!    posting.
//! 4. A term without postings is closed: its head becomes the index's one `closed` posting. After
//!    that no push can succeed, and the term is unlinked from its bucket. A writer that finds it
//!    closed makes a new one.
//!
//! Then nothing points to the old revision, its postings, and the closed terms, and the collector
//! frees them.

use crate::chain::{self, Node};
use crate::token;
use gc_core::{Gc, GcCell, Mutation, Root, Trace};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The index itself: the one object that is rooted for the whole run.
#[derive(Trace)]
pub(crate) struct Index<'gc> {
    /// A power of two of lists of terms.
    buckets: Gc<'gc, [GcCell<'gc, Term<'gc>>]>,
    /// The newest revision of each file.
    table: Gc<'gc, [GcCell<'gc, Doc<'gc>>]>,
    /// What the head of a closed term points to.
    closed: Gc<'gc, Posting<'gc>>,
}

/// A term and its postings.
#[derive(Trace)]
pub(crate) struct Term<'gc> {
    next: GcCell<'gc, Term<'gc>>,
    pub(crate) text: Gc<'gc, str>,
    hash: u64,
    postings: GcCell<'gc, Posting<'gc>>,
    /// Set after `postings` was closed.
    is_closed: AtomicBool,
    /// About how many postings are linked, dead ones too. Only decides when to prune.
    linked: AtomicU32,
    /// About how many of these are dead.
    dead: AtomicU32,
}

/// One document that contains a term.
#[derive(Trace)]
pub(crate) struct Posting<'gc> {
    next: GcCell<'gc, Posting<'gc>>,
    /// `None` only in `Index::closed`.
    doc: Option<Gc<'gc, Doc<'gc>>>,
    /// How often the term occurs in it.
    count: u32,
}

/// One revision of one file.
#[derive(Trace)]
pub(crate) struct Doc<'gc> {
    pub(crate) file: u32,
    pub(crate) revision: u32,
    pub(crate) path: Gc<'gc, str>,
    /// The terms that it has postings of: written by its writer, emptied by who retires it.
    terms: GcCell<'gc, Batch<'gc>>,
    is_retired: AtomicBool,
}

/// Some of a document's terms.
#[derive(Trace)]
struct Batch<'gc> {
    next: GcCell<'gc, Batch<'gc>>,
    terms: Gc<'gc, [Gc<'gc, Term<'gc>>]>,
}

impl<'gc> Node<'gc> for Term<'gc> {
    fn next(&self) -> &GcCell<'gc, Self> {
        &self.next
    }
    fn is_dead(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

impl<'gc> Node<'gc> for Posting<'gc> {
    fn next(&self) -> &GcCell<'gc, Self> {
        &self.next
    }
    fn is_dead(&self) -> bool {
        self.doc.is_some_and(|doc| doc.is_retired.load(Ordering::SeqCst))
    }
}

/// How [`Index::install`] ended.
pub(crate) enum Installed {
    /// It is the first revision of its file.
    First,
    /// It has displaced this revision, which is to be retired now.
    Displaced(Root<Doc<'static>>),
    /// The table holds a newer revision: this one is to be retired now.
    Late,
}

impl<'gc> Index<'gc> {
    /// An empty index for `files` files, with about as many buckets as `terms`.
    pub(crate) fn new(mc: &'gc Mutation<'gc>, files: usize, terms: usize) -> Gc<'gc, Self> {
        let buckets = terms.clamp(1 << 10, 1 << 20).next_power_of_two();
        let closed = Posting { next: GcCell::new(None), doc: None, count: 0 };
        let index = Index {
            buckets: Gc::from_iter_in(mc, (0..buckets).map(|_| GcCell::new(None))),
            table: Gc::from_iter_in(mc, (0..files).map(|_| GcCell::new(None))),
            closed: Gc::new(mc, closed),
        };
        Gc::new(mc, index)
    }

    /// A new revision of a file, which has no terms and is not in the table yet.
    pub(crate) fn begin(
        mc: &'gc Mutation<'gc>,
        file: u32,
        revision: u32,
        path: &str,
    ) -> Gc<'gc, Doc<'gc>> {
        let path = Gc::from_str(mc, path);
        let terms = GcCell::new(None);
        Gc::new(mc, Doc { file, revision, path, terms, is_retired: AtomicBool::new(false) })
    }

    /// Pushes one posting of `doc` for each of `counts`. Only the maker of `doc` calls this.
    pub(crate) fn post(
        &self,
        mc: &'gc Mutation<'gc>,
        doc: Gc<'gc, Doc<'gc>>,
        counts: &[(Box<str>, u32)],
    ) {
        let mut terms = Vec::with_capacity(counts.len());
        for (text, count) in counts {
            terms.push(self.push(mc, text, doc, *count));
        }
        let terms = Gc::from_slice(mc, &terms);
        let batch = Batch { next: GcCell::new(doc.terms.get()), terms };
        doc.terms.set(mc, Some(Gc::new(mc, batch)));
    }

    /// Makes `doc` what the table holds for its file, unless the table holds a newer revision.
    pub(crate) fn install(&self, mc: &'gc Mutation<'gc>, doc: Gc<'gc, Doc<'gc>>) -> Installed {
        let slot = &self.table[doc.file as usize];
        let mut seen = slot.get();
        loop {
            if seen.is_some_and(|newer| newer.revision > doc.revision) {
                return Installed::Late;
            }
            match slot.compare_exchange(mc, seen, Some(doc)) {
                Ok(None) => return Installed::First,
                Ok(Some(old)) => return Installed::Displaced(Gc::root(old, mc)),
                Err(now) => seen = now,
            }
        }
    }

    /// Makes the postings of `doc` dead and tidies one batch of its terms; `true` if there are
    /// more. Only who got `doc` from [`Index::install`] calls this.
    pub(crate) fn retire(&self, mc: &'gc Mutation<'gc>, doc: Gc<'gc, Doc<'gc>>) -> bool {
        doc.is_retired.store(true, Ordering::SeqCst);
        let Some(batch) = doc.terms.get() else { return false };
        for &term in Gc::as_ref(batch.terms) {
            let dead = term.dead.fetch_add(1, Ordering::Relaxed) + 1;
            if dead.saturating_mul(2) >= term.linked.load(Ordering::Relaxed) {
                self.tidy(mc, term);
            }
        }
        let more = batch.next.get();
        doc.terms.set(mc, more);
        more.is_some()
    }

    /// Prunes every list of `buckets`; gives the number of dead postings that it unlinked.
    pub(crate) fn compact(&self, mc: &'gc Mutation<'gc>, buckets: std::ops::Range<usize>) -> u64 {
        let terms = self.buckets[buckets].iter().flat_map(|bucket| chain::iter(bucket.get()));
        terms.map(|term| u64::from(self.tidy(mc, term))).sum()
    }

    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The terms of one bucket.
    pub(crate) fn bucket(&self, at: usize) -> impl Iterator<Item = Gc<'gc, Term<'gc>>> + use<'gc> {
        chain::iter(self.buckets[at].get())
    }

    /// The term `text`, if it has been posted and not closed since.
    pub(crate) fn find(&self, text: &str) -> Option<Gc<'gc, Term<'gc>>> {
        let hash = token::hash(text);
        Self::find_from(self.home(hash).get(), hash, text)
    }

    /// The documents that contain `term`, with the number of times.
    pub(crate) fn docs(
        &self,
        term: Gc<'gc, Term<'gc>>,
    ) -> impl Iterator<Item = (Gc<'gc, Doc<'gc>>, u32)> {
        chain::iter(term.postings.get())
            .filter_map(|posting| Some((posting.doc?, posting.count)))
            .filter(|(doc, _)| self.current(doc.file).is_some_and(|now| Gc::ptr_eq(now, *doc)))
    }

    /// How many postings of `term` are linked, dead ones too.
    pub(crate) fn linked(term: Gc<'gc, Term<'gc>>) -> usize {
        chain::iter(term.postings.get()).count()
    }

    /// The revision of `file` that counts now.
    pub(crate) fn current(&self, file: u32) -> Option<Gc<'gc, Doc<'gc>>> {
        self.table[file as usize].get()
    }

    fn home(&self, hash: u64) -> &'gc GcCell<'gc, Term<'gc>> {
        &Gc::as_ref(self.buckets)[hash as usize & (self.buckets.len() - 1)]
    }

    fn find_from(
        head: Option<Gc<'gc, Term<'gc>>>,
        hash: u64,
        text: &str,
    ) -> Option<Gc<'gc, Term<'gc>>> {
        chain::iter(head).find(|term| term.hash == hash && !term.is_dead() && *term.text == *text)
    }

    fn find_or_insert(&self, mc: &'gc Mutation<'gc>, text: &str) -> Gc<'gc, Term<'gc>> {
        let hash = token::hash(text);
        let home = self.home(hash);
        let mut seen = home.get();
        let mut made = None;
        loop {
            if let Some(term) = Self::find_from(seen, hash, text) {
                return term;
            }
            let term = *made.get_or_insert_with(|| {
                let term = Term {
                    next: GcCell::new(None),
                    text: Gc::from_str(mc, text),
                    hash,
                    postings: GcCell::new(None),
                    is_closed: AtomicBool::new(false),
                    linked: AtomicU32::new(0),
                    dead: AtomicU32::new(0),
                };
                Gc::new(mc, term)
            });
            // The head is as it was when the list was searched, so no other thread has inserted
            // this term since.
            match chain::push(mc, home, seen, term) {
                Ok(()) => return term,
                Err(now) => seen = now,
            }
        }
    }

    fn push(
        &self,
        mc: &'gc Mutation<'gc>,
        text: &str,
        doc: Gc<'gc, Doc<'gc>>,
        count: u32,
    ) -> Gc<'gc, Term<'gc>> {
        let posting = Gc::new(mc, Posting { next: GcCell::new(None), doc: Some(doc), count });
        loop {
            let term = self.find_or_insert(mc, text);
            let mut seen = term.postings.get();
            while !self.is_closed(seen) {
                match chain::push(mc, &term.postings, seen, posting) {
                    Ok(()) => {
                        term.linked.fetch_add(1, Ordering::Relaxed);
                        return term;
                    }
                    Err(now) => seen = now,
                }
            }
            // Its closer may not have come to this yet.
            self.bury(mc, term);
        }
    }

    fn is_closed(&self, head: Option<Gc<'gc, Posting<'gc>>>) -> bool {
        head.is_some_and(|posting| Gc::ptr_eq(posting, self.closed))
    }

    /// Prunes the postings of `term`, and closes it if none is left.
    fn tidy(&self, mc: &'gc Mutation<'gc>, term: Gc<'gc, Term<'gc>>) -> u32 {
        // Who counted a posting as dead before this has also flagged it, so this pruning unlinks
        // it.
        term.dead.store(0, Ordering::SeqCst);
        let pruned = chain::prune(mc, &Gc::as_ref(term).postings);
        term.linked.store(pruned.live, Ordering::Relaxed);
        let closed = Some(self.closed);
        if pruned.live == 0 && term.postings.compare_exchange(mc, None, closed).is_ok() {
            self.bury(mc, term);
        }
        pruned.unlinked
    }

    /// Unlinks a closed term.
    fn bury(&self, mc: &'gc Mutation<'gc>, term: Gc<'gc, Term<'gc>>) {
        term.is_closed.store(true, Ordering::SeqCst);
        chain::prune(mc, self.home(term.hash));
    }
}

impl<'gc> Doc<'gc> {
    /// Whether a posting of `term` was pushed for this document, as far as that is still known.
    pub(crate) fn may_hold(&self, term: Gc<'gc, Term<'gc>>) -> bool {
        let mut batches = self.batches();
        batches.any(|batch| batch.terms.iter().any(|&held| Gc::ptr_eq(held, term)))
            || self.is_retired.load(Ordering::SeqCst)
    }

    /// Whether it has no terms: it was dropped, or never had any.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.get().is_none()
    }

    /// How many objects the document consists of, itself included, its terms not.
    pub(crate) fn objects(&self) -> u64 {
        2 + 2 * self.batches().count() as u64
    }

    fn batches(&self) -> impl Iterator<Item = Gc<'gc, Batch<'gc>>> + use<'gc> {
        std::iter::successors(self.terms.get(), |batch| batch.next.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gc_core::Heap;
    use std::thread;

    #[test]
    fn a_term_that_comes_and_goes_is_never_lost() {
        const THREADS: u32 = 4;
        const REVISIONS: u32 = 50_000;
        let heap = Heap::new();
        let index = heap.mutate(|mc| Gc::root(Index::new(mc, THREADS as usize, 0), mc));
        thread::scope(|scope| {
            for file in 0..THREADS {
                let (heap, index) = (&heap, &index);
                scope.spawn(move || {
                    // Every second revision has the term, so the term loses its last posting all
                    // the time.
                    for revision in 0..REVISIONS {
                        heap.mutate(|mc| {
                            let index = index.get(mc);
                            let doc = Index::begin(mc, file, revision, "path");
                            if revision % 2 == 1 {
                                index.post(mc, doc, &[("term".into(), revision)]);
                            }
                            if let Installed::Displaced(old) = index.install(mc, doc) {
                                while index.retire(mc, old.get(mc)) {}
                            }
                            let found = index.find("term").is_some_and(|term| {
                                index.docs(term).any(|(found, _)| Gc::ptr_eq(found, doc))
                            });
                            assert_eq!(found, revision % 2 == 1, "revision {revision} of {file}");
                        });
                    }
                });
            }
        });
        heap.mutate(|mc| {
            let index = index.get(mc);
            index.compact(mc, 0..index.buckets());
            let terms: Vec<_> = (0..index.buckets()).flat_map(|at| index.bucket(at)).collect();
            assert_eq!(terms.len(), 1);
            assert_eq!(Index::linked(terms[0]), THREADS as usize);
        });
    }

    #[test]
    fn the_higher_revision_wins() {
        let heap = Heap::new();
        heap.mutate(|mc| {
            let index = Index::new(mc, 1, 0);
            let [newer, older] = [7, 3].map(|revision| Index::begin(mc, 0, revision, "path"));
            assert!(matches!(index.install(mc, newer), Installed::First));
            assert!(matches!(index.install(mc, older), Installed::Late));
            assert!(index.current(0).is_some_and(|now| now.revision == 7));
        });
    }
}
